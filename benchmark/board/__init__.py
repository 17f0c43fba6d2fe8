"""The leaderboard: scores and costs become one table, with verdicts, in every format.

It imports `core`, `spec`, `results`, `significance` and `scoring`.
"""

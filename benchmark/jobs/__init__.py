"""The jobs that the workflow calls, each guarded: what goes wrong becomes a status on the board.

It imports the rooms of the work (`training`, `restoring`, `scoring`, `data`), `exchange`, and
those below.
"""

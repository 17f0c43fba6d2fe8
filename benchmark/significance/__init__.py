"""Statistics of scores: intervals over photos and seeds, paired tests, ranks.

It works on arrays and imports only `core`.
"""

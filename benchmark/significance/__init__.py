"""Statistics of scores: intervals over photos and seeds, paired tests, ranks.

It works on arrays and imports `core` alone, for named seeds.
"""

"""Scores restored images, in named protocols (`metrics/`).

It imports `core` and `results`.
"""

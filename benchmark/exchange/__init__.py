"""Runs beside runs: merged, compared, and images that somebody else restored.

It imports `board` and the rooms that `board` imports.
"""

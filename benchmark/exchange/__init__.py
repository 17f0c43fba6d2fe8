"""Merges runs, compares runs, and adds images that others restored to a run.

This room imports `board` and the rooms that `board` imports.
"""

"""Restores images with one method: a data set of a run, or one's own photographs.

It imports `core`, `spec` and `results`.
"""

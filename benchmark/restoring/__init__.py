"""Restores images with one method: a data set of a run, or the user's own photos.

This room imports `core`, `spec` and `results`.
"""

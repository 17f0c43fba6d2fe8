"""Data sets: fetched, checked, made, and listed as a run's test images and training files.

It imports `core`, `spec`, `results` and `weather`.
"""

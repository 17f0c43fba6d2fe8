"""Data sets: fetching, checking and making them, and listing test images and training files.

It imports `core`, `spec`, `results` and `weather`.
"""

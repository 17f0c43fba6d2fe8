"""The files of a run: the layout of its folder, the columns of its tables, and how to read them.

It imports `core` and `spec`.
"""

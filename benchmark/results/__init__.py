"""What a run has written: the folder's layout, the tables' columns, and how they are read.

It imports `core` and `spec`.
"""

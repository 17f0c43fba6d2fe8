"""The figures of a run, drawn by seaborn and matplotlib.

It imports `board` and the rooms below it.
"""

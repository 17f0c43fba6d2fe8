"""The report of a run: static pages that open without a network, and the figures in them.

It imports `board` and the rooms that `board` imports.
"""

"""Trains a learned method: crops, one step, the loop, the optimiser, the state in a checkpoint.

It imports `core`, `spec` and `weather`.
"""

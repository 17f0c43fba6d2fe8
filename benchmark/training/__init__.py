"""Training of a learned method: training pairs, optimiser, one step, checkpoint, loop.

This room imports `core`, `spec` and `weather`.
"""

"""What is asked for: methods and their cards, a run's configuration, how a model is trained.

It imports `core`.
"""

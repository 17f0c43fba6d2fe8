"""What a user specifies: methods and their cards, a run's configuration, training settings.

It imports `core`.
"""

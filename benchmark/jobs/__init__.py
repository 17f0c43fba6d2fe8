"""The jobs that the workflow calls. A method that fails becomes a status on the board.

This room imports `training`, `restoring`, `scoring`, `data`, `exchange` and the rooms before them.
"""

"""`python -m benchmark profile`: how well the suite uses a machine, measured in one process.

All figures but the first are ratios of things measured side by side, so that they can be compared
between machines, and between two runs on a machine whose speed drifts. It imports the rooms of the
work itself (`training`, `restoring`, `scoring`, `data`) and those below; methods come by name.
"""

from benchmark.profiling.report import as_table, profile, write

__all__ = ["as_table", "profile", "write"]

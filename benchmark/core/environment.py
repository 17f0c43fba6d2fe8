"""Environment variables that the command line sets for its verbs and their processes."""

PROJECT = "UNWEATHER_PROJECT"  # --project; benchmark.core.paths reads it when it is imported
DATA = "UNWEATHER_DATA"  # --data

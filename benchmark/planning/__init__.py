"""Plans a run before it is started: jobs, FLOPs, time and disk space.

This room imports `profiling` for its measurements, and the rooms that do the work.
"""

"""What a run will take: jobs, FLOPs, hours and disk, before it is started.

It imports `profiling` for its measurements, and the rooms of the work itself.
"""

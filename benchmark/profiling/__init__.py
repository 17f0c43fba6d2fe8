"""`python -m benchmark profile`: how well the suite uses a machine, measured in one process.

All figures except the first are ratios of two things that are measured one after the other. So they
can be compared between machines, and between two runs on a machine whose speed drifts. The methods
that are measured are named in `config/profile.yaml`. This room imports `training`, `restoring`,
`scoring` and `data`, and the rooms below them.
"""

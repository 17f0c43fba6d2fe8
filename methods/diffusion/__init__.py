"""The diffusion process, its noise schedules, prediction targets and samplers."""

"""Marks the dictionaries between whose values a configuration's settings choose."""

from typing import TypeVar

T = TypeVar("T")

# `SAMPLERS: Alternatives[Sampler] = {"ddim": ..., "ddpm": ...}`: a job depends only on the values
# whose keys are among its settings (spec/reach.py). For type checkers it is a plain dictionary.
Alternatives = dict[str, T]

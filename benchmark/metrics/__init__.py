"""Metrics and the protocols they are taken under. Importing them imports no torch and no lpips."""

from benchmark.metrics.checks import UndefinedMetric
from benchmark.metrics.protocols import (
    LPIPS_WEIGHTS,
    METRICS,
    NIQE_WEIGHTS,
    PROTOCOLS,
    WEIGHTS,
    Metric,
    Protocol,
    metrics_of,
)

__all__ = [
    "LPIPS_WEIGHTS",
    "METRICS",
    "NIQE_WEIGHTS",
    "PROTOCOLS",
    "WEIGHTS",
    "Metric",
    "Protocol",
    "UndefinedMetric",
    "metrics_of",
]

"""Metrics and the protocols they are taken under. Importing them imports no torch and no lpips."""

from benchmark.metrics.checks import UndefinedMetric
from benchmark.metrics.definitions import WEIGHTS, Metric, Protocol
from benchmark.metrics.protocols import (
    LPIPS_WEIGHTS,
    METRICS,
    NIQE_WEIGHTS,
    OWN,
    PROTOCOLS,
    metrics_of,
    protocol_table,
)

__all__ = [
    "LPIPS_WEIGHTS",
    "METRICS",
    "NIQE_WEIGHTS",
    "OWN",
    "PROTOCOLS",
    "WEIGHTS",
    "Metric",
    "Protocol",
    "UndefinedMetric",
    "metrics_of",
    "protocol_table",
]

"""Metrics and the protocols they are taken under. Importing them imports no torch and no lpips."""

from benchmark.scoring.metrics.checks import UndefinedMetric
from benchmark.scoring.metrics.definitions import WEIGHTS, Metric, Protocol
from benchmark.scoring.metrics.protocols import (
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

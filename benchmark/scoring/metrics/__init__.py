"""Metrics and their protocols. Importing them does not import torch or lpips."""

from benchmark.scoring.metrics.checks import UndefinedMetric
from benchmark.scoring.metrics.definitions import WEIGHTS, Metric, Protocol
from benchmark.scoring.metrics.protocols import (
    LPIPS_WEIGHTS,
    METRIC,
    METRICS,
    NIQE_WEIGHTS,
    OWN,
    PROTOCOLS,
    metrics_of,
    protocol_table,
    storages_of,
)

__all__ = [
    "LPIPS_WEIGHTS",
    "METRIC",
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
    "storages_of",
]

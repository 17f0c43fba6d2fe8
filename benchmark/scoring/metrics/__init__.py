"""Metrics and their protocols. Importing them does not import torch or lpips."""

from benchmark.scoring.metrics.checks import UndefinedMetric
from benchmark.scoring.metrics.definitions import WEIGHTS, Metric, Protocol, SetMetric
from benchmark.scoring.metrics.protocols import (
    ANY_METRIC,
    LPIPS_WEIGHTS,
    METRIC,
    METRICS,
    NIQE_WEIGHTS,
    OWN,
    PROTOCOLS,
    SET_METRIC,
    SET_METRICS,
    metrics_of,
    protocol_table,
    set_metrics_of,
    storages_of,
)

__all__ = [
    "ANY_METRIC",
    "LPIPS_WEIGHTS",
    "METRIC",
    "METRICS",
    "NIQE_WEIGHTS",
    "OWN",
    "PROTOCOLS",
    "SET_METRIC",
    "SET_METRICS",
    "WEIGHTS",
    "Metric",
    "Protocol",
    "SetMetric",
    "UndefinedMetric",
    "metrics_of",
    "protocol_table",
    "set_metrics_of",
    "storages_of",
]

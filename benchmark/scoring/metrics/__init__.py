"""Metrics and their protocols. Importing them does not import torch or lpips."""

from benchmark.scoring.metrics.catalogue import (
    ANY_METRIC,
    METRIC,
    METRICS,
    SET_METRIC,
    SET_METRICS,
)
from benchmark.scoring.metrics.checks import UndefinedMetric
from benchmark.scoring.metrics.choice import metrics_of, set_metrics_of, storages_of
from benchmark.scoring.metrics.definitions import WEIGHTS, Metric, Protocol, SetMetric
from benchmark.scoring.metrics.no_reference import NIQE_WEIGHTS
from benchmark.scoring.metrics.perceptual import LPIPS_WEIGHTS
from benchmark.scoring.metrics.protocols import OWN, PROTOCOLS
from benchmark.scoring.metrics.table import protocol_table

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

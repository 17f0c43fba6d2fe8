"""What a choice of protocols asks for: metrics, and ways to store restored images."""

from collections.abc import Iterable

from benchmark.core.errors import UserError, nearest
from benchmark.core.storage import STORAGES, Storage
from benchmark.scoring.metrics.catalogue import METRICS, SET_METRICS
from benchmark.scoring.metrics.definitions import Metric, SetMetric
from benchmark.scoring.metrics.protocols import OWN, PROTOCOLS


def metrics_of(protocols: Iterable[str] | None = None) -> tuple[Metric, ...]:
    """The metrics of images of the named protocols (`OWN` if None or empty), in the order of
    METRICS.

    Raises UserError for an unknown name, and if all protocols are of sets.
    """
    chosen = _known(protocols or OWN)
    found = tuple(metric for metric in METRICS if metric.protocol.name in chosen)
    if not found:
        raise UserError(
            f"None of these protocols scores images: add one that does, such as '{OWN[0]}'."
        )
    return found


def set_metrics_of(protocols: Iterable[str] = ()) -> tuple[SetMetric, ...]:
    """The metrics of sets of the named protocols. Raises UserError for an unknown name."""
    chosen = _known(protocols)
    return tuple(metric for metric in SET_METRICS if metric.protocol.name in chosen)


def _known(protocols: Iterable[str]) -> set[str]:
    chosen = set(protocols)
    for name in sorted(chosen - PROTOCOLS.keys()):
        raise UserError(f"There is no protocol '{name}'.{nearest(name, PROTOCOLS)}")
    return chosen


def storages_of(protocols: Iterable[str] | None = None) -> tuple[Storage, ...]:
    """The ways in which the protocols store restored images; always rounded to 8 bits as well.

    Raises UserError for an unknown name.
    """
    wanted = {metric.protocol.storage for metric in metrics_of(protocols)}
    return tuple(s for s in STORAGES if s in wanted or s == STORAGES[0])

"""The suite: data, weather, training, scores, cost, tables, report. It knows no single method.

What a method file needs is here, so that one import does: `from benchmark import Card, Method`.
So is `evaluate`, which scores a model that has no method file. The rooms below import each other in
one direction only (docs/architecture.md).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.core.alternatives import Alternatives
    from benchmark.core.errors import UserError, WeightsMissing
    from benchmark.core.image_io import to_float, to_uint8
    from benchmark.exchange.evaluate import evaluate
    from benchmark.spec.method import ALL_WEATHERS, Card, LearnedMethod, Method, Settings

__version__ = "0.1.0"

_PLACES = {
    "ALL_WEATHERS": "spec.method",
    "Alternatives": "core.alternatives",
    "Card": "spec.method",
    "LearnedMethod": "spec.method",
    "Method": "spec.method",
    "Settings": "spec.method",
    "UserError": "core.errors",
    "WeightsMissing": "core.errors",
    "evaluate": "exchange.evaluate",
    "to_float": "core.image_io",
    "to_uint8": "core.image_io",
}

__all__ = [
    "ALL_WEATHERS",
    "Alternatives",
    "Card",
    "LearnedMethod",
    "Method",
    "Settings",
    "UserError",
    "WeightsMissing",
    "evaluate",
    "to_float",
    "to_uint8",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for and no more: a verb that reads a table must not wait for OpenCV."""
    if name in _PLACES:
        return getattr(import_module(f"benchmark.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'benchmark' has no attribute '{name}'")

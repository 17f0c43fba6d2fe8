"""What the methods of a run say about themselves, asked in a process of their own."""

import json
from typing import Any

from benchmark.core.errors import one_line
from benchmark.core.json_io import loads
from benchmark.jobs import isolation
from benchmark.jobs.isolation import Failure
from benchmark.spec import registry
from benchmark.spec.method import Method
from benchmark.spec.run_config import Config
from benchmark.spec.variant import Execution, split


def of_entries(config: Config) -> dict[str, dict[str, Any]]:
    """By entry: `card`, `sees_target`, `parameters`, `settings` (by variant) and `facts`.

    If a method cannot say it, its `facts` have the reason, and the other values are empty: the
    statuses of its images are on the board all the same.
    """
    labels, limit = [*config.methods], config.time_limit
    found = isolation.run(lambda: {label: _of_entry(config, label) for label in labels}, limit)
    if not isinstance(found, Failure):
        return found
    found = {}  # a method has ended the process: now each has its own
    for label in labels:
        facts = isolation.run(lambda label=label: _of_entry(config, label), limit)
        found[label] = _unknown(label, facts.reason) if isinstance(facts, Failure) else facts
    return found


def _of_entry(config: Config, label: str) -> dict[str, Any]:
    try:
        kind = registry.load(config.method_of(label))
        parameters = kind.Parameters(**config.entry(label).parameters)
        variants = config.variants_of(label).items()
        found = {
            "card": kind.card.model_dump(mode="json"),
            "sees_target": bool(kind.sees_target),
            "parameters": parameters.model_dump(mode="json"),
            "settings": {name: _settings(kind, values) for name, values in variants},
        }
    except Exception as error:
        return _unknown(label, _reason(error))
    try:
        facts = loads(json.dumps(kind(parameters).facts(), allow_nan=False))
        if not isinstance(facts, dict):
            raise TypeError(f"facts() must return a dict, not {type(facts).__name__}")
    except Exception as error:
        facts = {"not known": _reason(error)}
    return {**found, "facts": facts}


def _settings(kind: type[Method], values: dict[str, Any]) -> dict[str, Any]:
    """The settings of a variant, with defaults; those of the suite if they are set."""
    own, values = split(values)
    execution = Execution(**own).model_dump(mode="json", exclude_defaults=True)
    return {**kind.Variant(**values).model_dump(mode="json"), **execution}


def _unknown(label: str, reason: str) -> dict[str, Any]:
    """For a method that cannot be loaded."""
    card = {
        "title": label,
        "citation": "",
        "licence": "not stated",
        "supervision": "not stated",
        "description": "This method could not be loaded.",
        "control": False,
    }
    empty = {"sees_target": False, "parameters": {}, "settings": {}}
    return {"card": card, **empty, "facts": {"not known": reason}}


def _reason(error: Exception) -> str:
    return one_line(error)[:300]

"""The origins of a run: its manifest, those of merged runs, data sets and submissions."""

from typing import Any

from benchmark.core.errors import UserError
from benchmark.report.parts import link, method_page
from benchmark.report.run_data import RunData
from benchmark.results.merged import runs_of

OWN_SECTIONS = ("config", "datasets", "merged", "from")  # shown in sections of their own


def manifests(data: RunData) -> list[dict[str, Any]]:
    """One entry a run: its `name`, the `facts` of its manifest and its `configuration`.

    A merged run has an entry for each run from which it was merged. Raises UserError if the
    manifest is malformed.
    """
    return [
        {
            "name": part.get("from", data.name),
            "facts": {key: part[key] for key in part if key not in OWN_SECTIONS},
            "configuration": part.get("config"),
        }
        for part in _runs(data)
    ]


def datasets(data: RunData) -> dict[str, dict[str, Any]]:
    """The origin of each data set, by name, from the first manifest that has it."""
    found: dict[str, dict[str, Any]] = {}
    for part in _runs(data):
        for name, card in _mapping(part.get("datasets") or {}, data).items():
            found.setdefault(name, _mapping(card, data))
    return found


def _runs(data: RunData) -> list[dict[str, Any]]:
    """The manifests of the runs that the run was merged from, or its own; none without one."""
    return [part for part in runs_of(data.manifest, data.run_dir) if part]


def _mapping(value: Any, data: RunData) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(
            f"{data.run_dir}/manifest.json has {value!r:.40} instead of names and values; "
            "collect the run again."
        )
    return value


def submitted(data: RunData) -> list[dict[str, Any]]:
    """The methods whose images were restored elsewhere, with authors and stated costs."""
    return [
        {
            "label": data.label(key),
            "href": link(method_page(key[0])),
            "title": card.get("title") or "",
            "citation": card.get("citation") or "",
            "cost": (card.get("facts") or {}).get("cost", ""),
        }
        for key, card in data.cards.items()
        if card.get("submitted")
    ]

"""The runs from which a run was merged, as its manifest names them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError


def runs_of(manifest: Any, folder: Path) -> Iterator[dict[str, Any]]:
    """The manifests of the runs that a run was merged from, which may be merges too; its own if it
    is no merge.

    folder: of the run, for the message. Raises UserError if one of them is malformed.
    """
    if not isinstance(manifest, dict) or not isinstance(manifest.get("merged", []), list):
        raise UserError(
            f"{folder / 'manifest.json'} has {manifest!r:.40} where the names and values of a run "
            "are expected; collect the run again."
        )
    if merged := manifest.get("merged"):
        for part in merged:
            yield from runs_of(part, folder)
    else:
        yield manifest

"""Runs of several machines joined into one run's folder, with one board."""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.board.score_table import IMAGE
from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.exchange.run_diff import CONTENT, Run, differing, read_run
from benchmark.results.layout import write_csv
from benchmark.results.tables import read_cost

UNIT = ["method", "variant", "seed", "dataset"]
SCORE = [*IMAGE, "method", "variant", "seed", "protocol", "metric"]
SHOWN = 5  # conflicts named in a message


def merge_runs(paths: Sequence[Path], out: Path) -> None:
    """Write the run's folder `out` from others; an earlier merge there is replaced as a whole.

    A method with other seeds in another run has all of them. What two runs both have, such as the
    controls, is kept once, with the first run's cost. Restored images are linked, not copied, so
    the runs must stay where they are.

    Raises UserError, and writes nothing, if the runs cannot be one: other test images, data or
    protocols, the same method, seed and image with other scores, or a method set otherwise.
    """
    out = Path(os.path.abspath(out))
    runs = [read_run(path) for path in paths]
    _check_out(out, runs)
    for a, b in combinations(runs, 2):
        _check_data(a, b)
        _check_methods(a, b)
    scores = _join_scores(runs)
    costs = pd.concat([read_cost(run.path) for run in runs], ignore_index=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside `out`, so that relative links fit both.
    new = Path(tempfile.mkdtemp(dir=out.parent, prefix=".merge-"))
    try:
        write_csv(scores, new / "scores.csv")
        write_csv(costs.drop_duplicates([*IMAGE, "method", "variant", "seed"]), new / "cost.csv")
        write_csv(_located_images(runs, out), new / "images.csv")
        _write_json(_cards(runs, out), new / "methods.json")
        _write_json(_manifest(runs, out), new / "manifest.json")
        for run in runs:
            _link_images(run, new)
        umask = os.umask(0)
        os.umask(umask)
        new.chmod(0o777 & ~umask)  # mkdtemp makes folders private
        shutil.rmtree(out, ignore_errors=True)
        new.rename(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _check_out(out: Path, runs: Sequence[Run]) -> None:
    for run in runs:
        if run.path.resolve() == out.resolve():
            raise UserError(f"--out {out} is one of the runs to merge; name another folder.")
        if run.images is None:
            raise UserError(f"{run.path}/images.csv is missing; a merge needs to know the images.")
    if out.exists() and "merged" not in (read_run(out).manifest if _is_run(out) else {}):
        raise UserError(f"{out} is there already and is no earlier merge; name another folder.")


def _is_run(folder: Path) -> bool:
    return (folder / "scores.csv").is_file()


def _check_data(a: Run, b: Run) -> None:
    """Both runs tested on the same images, by the same protocols, with the same data."""
    of_a, of_b = (run.images.set_index(IMAGE)[CONTENT] for run in (a, b))
    only = of_a.index.symmetric_difference(of_b.index)
    if len(only):
        names = _named(["/".join(name) for name in only])
        raise UserError(f"{a.path} and {b.path} have other test images: only one has {names}.")
    other = (of_a != of_b.loc[of_a.index]).any(axis=1)
    if other.any():
        names = _named(["/".join(name) for name in of_a.index[other]])
        raise UserError(f"{a.path} and {b.path} have test images of other content: {names}.")
    protocols = [
        {f"{p}/{m}" for p, m in zip(run.scores["protocol"], run.scores["metric"], strict=True) if p}
        for run in (a, b)
    ]
    if protocols[0] != protocols[1]:
        names = _named(sorted(protocols[0] ^ protocols[1]))
        raise UserError(f"{a.path} and {b.path} have other protocols: only one has {names}.")
    pointers = [run.manifest.get("data", {}).get("data.dvc sha256") for run in (a, b)]
    if None not in pointers and pointers[0] != pointers[1]:
        raise UserError(
            f"{a.path} and {b.path} were made with other data: their manifests have different "
            "checksums of data.dvc. Make one of them again with the other's data."
        )


def _check_methods(a: Run, b: Run) -> None:
    """What both call by one name is the same method in the same setting."""
    faults = []
    for key in a.cards.keys() & b.cards.keys():
        parts = [
            {name: run.cards[key].get(name) for name in ("parameters", "settings", "training")}
            for run in (a, b)
        ]
        faults += [f"{' '.join(key)}: {name} {x} or {y}" for name, x, y in differing(*parts)]
    if faults:
        raise UserError(
            f"{a.path} and {b.path} have methods of one name that are set otherwise: "
            f"{_named(sorted(faults))}. Name one of them otherwise in its configuration."
        )


def _join_scores(runs: Sequence[Run]) -> pd.DataFrame:
    scores = pd.concat([run.scores.assign(run=str(run.path)) for run in runs], ignore_index=True)
    once = scores.drop_duplicates([*SCORE, "value", "status", "reason"])
    twice = once[once.duplicated(SCORE, keep=False)]
    if len(twice):
        first = twice.drop_duplicates([*IMAGE, "method", "variant", "seed"])
        names = [
            f"{row.method} {row.variant} seed {row.seed} on {row.dataset}/{row.weather}/{row.image}"
            for row in first.itertuples()
        ]
        raise UserError(
            f"{' and '.join(dict.fromkeys(twice['run']))} have other scores of the same: "
            f"{_named(names)}. Leave the method out of one run, or name or seed it otherwise."
        )
    return once.drop(columns="run")


def _located_images(runs: Sequence[Run], out: Path) -> pd.DataFrame:
    """images.csv with paths that hold from `out`'s repository, wherever the runs lie."""
    images, root = runs[0].images.copy(), out.parents[1]
    roots = [run.path.resolve().parents[1] for run in runs]
    for role in ("input", "target"):
        images[role] = [_located(path, root, roots) if path else "" for path in images[role]]
    return images


def _located(path: str, root: Path, roots: Sequence[Path]) -> str:
    found = next((other / path for other in roots if (other / path).is_file()), None)
    if (root / path).is_file() or found is None:
        return path
    return str(found)


def _cards(runs: Sequence[Run], out: Path) -> list[dict[str, Any]]:
    cards = {}
    for run in runs:
        for key, card in run.cards.items():
            if curve := card.get("training_curve"):
                path = os.path.relpath(run.path.resolve() / curve, out.resolve())
                card = {**card, "training_curve": Path(path).as_posix()}
            cards.setdefault(key, card)
    return list(cards.values())


def _manifest(runs: Sequence[Run], out: Path) -> dict[str, Any]:
    return {
        "run": out.name,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "merged": [{"from": str(run.path), **run.manifest} for run in runs],
    }


def _link_images(run: Run, out: Path) -> None:
    """Relative links to the folders of a run's restored images, where `out` has none yet."""
    for unit in run.scores[UNIT].drop_duplicates().itertuples(index=False):
        part = Path("restored", unit.method, unit.variant, f"seed{unit.seed}", unit.dataset)
        source, link = run.path.resolve() / part, out / part
        if source.is_dir() and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(source, link.parent.resolve()))


def _write_json(value: Any, path: Path) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

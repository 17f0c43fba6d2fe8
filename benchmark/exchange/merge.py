"""Joins runs of several machines into one run with one leaderboard."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.atomic import atomic_folder
from benchmark.core.errors import UserError
from benchmark.core.json_io import write_json
from benchmark.exchange.run_diff import CONTENT, Run, differing, read_run
from benchmark.results import simulation
from benchmark.results.layout import write_csv
from benchmark.results.schema import IMAGE
from benchmark.results.tables import read_cost, read_sample_scores, read_set_scores

UNIT = ["method", "variant", "seed", "dataset"]
SCORE = [*IMAGE, "method", "variant", "seed", "protocol", "metric"]
MOST_NAMES = 5  # in a message


def merge_runs(paths: Sequence[Path], out: Path) -> None:
    """Merge runs into the folder `out`, which replaces an earlier merge as a whole.

    If a method has seeds in several runs, the merge has all of them. Rows that two runs have, such
    as those of the controls, are kept once, with the cost of the first run. Restored images are
    linked, not copied, so the merged runs must stay in their places. A kill leaves the earlier
    merge or the new one.

    Raises UserError, and writes nothing, if the runs have different test images, data, versions of
    the simulated weather or protocols, different scores of the same method, seed and image, or
    different settings of one method.
    """
    out = Path(os.path.abspath(out))
    runs = [read_run(path) for path in paths]
    _check_out(out, runs)
    simulation.refuse_others((run.path, run.manifest) for run in runs if run.manifest)
    for a, b in combinations(runs, 2):
        _check_data(a, b)
        _check_methods(a, b)
    scores = _join_scores(runs)
    costs = pd.concat([read_cost(run.path) for run in runs], ignore_index=True)
    with atomic_folder(out) as new:
        write_csv(scores, new / "scores.csv")
        for name, read in (("set", read_set_scores), ("sample", read_sample_scores)):
            if tables := [table for run in runs if (table := read(run.path)) is not None]:
                write_csv(_once(pd.concat(tables)), new / f"{name}_scores.csv")
        write_csv(costs.drop_duplicates([*IMAGE, "method", "variant", "seed"]), new / "cost.csv")
        write_csv(_located_images(runs, out), new / "images.csv")
        write_json(new / "methods.json", _cards(runs, out))
        write_json(new / "manifest.json", _manifest(runs, out))
        for run in runs:
            _link_images(run, new)


def _check_out(out: Path, runs: Sequence[Run]) -> None:
    for run in runs:
        if run.path.resolve() == out.resolve():
            raise UserError(f"--out {out} is one of the runs to merge; name another folder.")
        if run.images is None:
            raise UserError(f"{run.path}/images.csv is missing; a merge needs it.")
    if out.exists() and "merged" not in (read_run(out).manifest if _is_run(out) else {}):
        raise UserError(f"{out} exists and is not an earlier merge; name another folder.")


def _is_run(folder: Path) -> bool:
    return (folder / "scores.csv").is_file()


def _check_data(a: Run, b: Run) -> None:
    """Raise UserError unless both runs have the same test images, protocols and data."""
    of_a, of_b = (run.images.set_index(IMAGE)[CONTENT] for run in (a, b))
    only = of_a.index.symmetric_difference(of_b.index)
    if len(only):
        names = _listed(["/".join(name) for name in only])
        raise UserError(f"{a.path} and {b.path} have different test images: only one has {names}.")
    differs = (of_a != of_b.loc[of_a.index]).any(axis=1)
    if differs.any():
        names = _listed(["/".join(name) for name in of_a.index[differs]])
        raise UserError(
            f"{a.path} and {b.path} have test images of one name with different content: {names}."
        )
    protocols = [
        {f"{p}/{m}" for p, m in zip(run.scores["protocol"], run.scores["metric"], strict=True) if p}
        for run in (a, b)
    ]
    if protocols[0] != protocols[1]:
        names = _listed(sorted(protocols[0] ^ protocols[1]))
        raise UserError(f"{a.path} and {b.path} have different protocols: only one has {names}.")
    pointers = [run.manifest.get("data", {}).get("data.dvc sha256") for run in (a, b)]
    if None not in pointers and pointers[0] != pointers[1]:
        raise UserError(
            f"{a.path} and {b.path} were made with different data: their manifests have different "
            "checksums of data.dvc. Run one of them again with the data of the other."
        )


def _check_methods(a: Run, b: Run) -> None:
    """Raise UserError if methods of one name have different parameters, settings or training."""
    differences = []
    for key in a.cards.keys() & b.cards.keys():
        parts = [
            {name: run.cards[key].get(name) for name in ("parameters", "settings", "training")}
            for run in (a, b)
        ]
        differences += [f"{' '.join(key)}: {name} {x} or {y}" for name, x, y in differing(*parts)]
    if differences:
        raise UserError(
            f"{a.path} and {b.path} have methods of one name with different settings: "
            f"{_listed(sorted(differences))}. Rename one of them in its configuration."
        )


def _join_scores(runs: Sequence[Run]) -> pd.DataFrame:
    """The scores of all runs, equal rows once. Raises UserError if scores of one image differ."""
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
            f"{' and '.join(dict.fromkeys(twice['run']))} have different scores of the same: "
            f"{_listed(names)}. Leave the method out of one run, or change its name or seed there."
        )
    return once.drop(columns="run")


def _once(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores of sets, or of samples, of all runs, each once. They are functions of the images,
    and those of one method, seed and image are equal in all runs."""
    named = [name for name in scores if name not in ("value", "status", "reason")]
    return scores.drop_duplicates(named)


def _located_images(runs: Sequence[Run], out: Path) -> pd.DataFrame:
    """images.csv with paths that are valid from the repository of `out`."""
    images, root = runs[0].images.copy(), out.parents[1]
    roots = [run.path.resolve().parents[1] for run in runs]
    for role in ("input", "target"):
        images[role] = [_located(path, root, roots) if path else "" for path in images[role]]
    return images


def _located(path: str, root: Path, roots: Sequence[Path]) -> str:
    """`path` if `root` has it, else the full path below the first of `roots` that has it."""
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
    """Link the folders of a run's restored images into `out`, except those that `out` has already.

    The links are relative. They are right in the final folder too: it lies beside `out`.
    """
    for unit in run.scores[UNIT].drop_duplicates().itertuples(index=False):
        part = Path("restored", unit.method, unit.variant, f"seed{unit.seed}", unit.dataset)
        source, link = run.path.resolve() / part, out / part
        if source.is_dir() and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(source, link.parent.resolve()))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more

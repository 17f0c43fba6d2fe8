"""Images that others restored, in a run: kept in `submissions/NAME/`, which `collect` reads.

A submission has `method.json` (its card), `scores.csv`, `restored.csv` and `images.csv`, the test
images it was scored on; the images lie among the run's own in `restored/NAME/default/seed0/`.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.results import schema
from benchmark.results.layout import RESTORED
from benchmark.results.tables import IMAGES, check_card, read_images, read_table

IMAGE = ["dataset", "weather", "image"]
VARIANT, SEED = "default", "0"
CONTENT = ["input_sha256", "target_sha256"]
STALE = "submitted for another image of this name; submit again"


def folder_of(run_dir: Path, name: str) -> Path:
    """Where a submission's tables lie."""
    return run_dir / "submissions" / name


def names(run_dir: Path) -> list[str]:
    """The submissions of a run, sorted."""
    found = (run_dir / "submissions").glob("*/method.json")
    return sorted(file.parent.name for file in found)


def read(
    run_dir: Path, taken: set[str]
) -> tuple[list[pd.DataFrame], list[pd.DataFrame], list[dict[str, Any]]]:
    """The scores, costs and cards of a run's submissions, for its present test images.

    taken: the run's own methods. Scores of images that show something else by now are `failed`, and
    those of images that the run no longer has are left out. Raises UserError if a submission has
    the name of a method.
    """
    scores, costs, cards = [], [], []
    for name in names(run_dir):
        folder = folder_of(run_dir, name)
        if name in taken:
            raise UserError(
                f"{folder} has the name of a method of the run. Rename or delete the folder."
            )
        again = f"submit '{name}' again, or delete {folder}"
        present = _present(run_dir, read_table(folder / "images.csv", IMAGES, again))
        scores.append(_valid(read_table(folder / "scores.csv", schema.SCORES, again), present))
        restored = read_table(folder / "restored.csv", RESTORED, again)
        costs.append(_valid(restored, present)[list(schema.COST)])
        file = folder / "method.json"
        card = check_card(read_json(file, again), str(file), again)
        if (card["method"], card["variant"]) != (name, VARIANT):
            raise UserError(f"{file} is the card of another method than '{name}'; {again}.")
        cards.append(card)
    return scores, costs, cards


def _present(run_dir: Path, submitted: pd.DataFrame) -> pd.Series:
    """Of the submitted images that the run has: whether they show the same."""
    images = read_images(run_dir)
    if images is None:
        return submitted.set_index(IMAGE)["photo"].notna()
    now, then = (table.set_index(IMAGE)[CONTENT] for table in (images, submitted))
    common = then.index.intersection(now.index)
    return (now.loc[common] == then.loc[common]).all(axis=1)


def _valid(rows: pd.DataFrame, present: pd.Series) -> pd.DataFrame:
    rows = rows[pd.MultiIndex.from_frame(rows[IMAGE]).isin(present.index)].copy()
    stale = ~present.loc[pd.MultiIndex.from_frame(rows[IMAGE])].to_numpy(dtype=bool)
    rows.loc[stale, ["status", "reason"]] = [schema.FAILED, STALE]
    for number in ("value", "seconds"):
        if number in rows:
            rows.loc[stale, number] = float("nan")
    return rows

"""Reads the submissions of a run: images that others restored, scored as a method of the run.

All of a submission is in `submissions/NAME/`: `method.json` (its card), `scores.csv`,
`restored.csv`, `images.csv` (the test images of its scores), and the folder `restored` with its
images. `restored/NAME/default/seed0` of the run is a link to that folder.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.results import schema
from benchmark.results.layout import RESTORED
from benchmark.results.schema import IMAGE
from benchmark.results.tables import IMAGES, check_card, read_images, read_table

VARIANT, SEED = "default", "0"
CONTENT = ["input_sha256", "target_sha256"]
STALE = "submitted for another image of this name; submit again"


def folder_of(run_dir: Path, name: str) -> Path:
    """The folder of a submission."""
    return run_dir / "submissions" / name


def images_link(run_dir: Path, name: str) -> Path:
    """The link to the images of a submission, where a run has the images of its own methods."""
    return run_dir / "restored" / name / VARIANT / f"seed{SEED}"


def names(run_dir: Path) -> list[str]:
    """The submissions of a run, sorted."""
    found = (run_dir / "submissions").glob("[!.]*/method.json")  # temporary folders have a dot
    return sorted(file.parent.name for file in found)


def read(
    run_dir: Path, own_methods: set[str]
) -> tuple[list[pd.DataFrame], list[pd.DataFrame], list[dict[str, Any]]]:
    """The scores, costs and cards of a run's submissions, for its current test images.

    own_methods: names of the run's own methods. If the content of an image has changed since, its
    scores are `failed`; scores of images that the run no longer has are left out. Raises UserError
    if a submission has the name of a method, or a file of it is missing or damaged.
    """
    scores, costs, cards = [], [], []
    for name in names(run_dir):
        folder = folder_of(run_dir, name)
        if name in own_methods:
            raise UserError(
                f"{folder} has the name of a method of the run. Rename or delete the folder."
            )
        again = f"submit '{name}' again, or delete {folder}"
        unchanged = _unchanged(run_dir, read_table(folder / "images.csv", IMAGES, again))
        scores.append(_valid(read_table(folder / "scores.csv", schema.SCORES, again), unchanged))
        restored = read_table(folder / "restored.csv", RESTORED, again)
        costs.append(_valid(restored, unchanged)[list(schema.COST)])
        file = folder / "method.json"
        card = check_card(read_json(file, again), str(file), again)
        if (card["method"], card["variant"]) != (name, VARIANT):
            raise UserError(f"{file} is the card of another method than '{name}'; {again}.")
        cards.append(card)
    return scores, costs, cards


def read_set_scores(run_dir: Path) -> list[pd.DataFrame]:
    """The scores of sets of a run's submissions, where no image of the run has changed since."""
    found = []
    for name in names(run_dir):
        folder = folder_of(run_dir, name)
        again = f"submit '{name}' again, or delete {folder}"
        if not (folder / "set_scores.csv").exists():
            continue
        table = read_table(folder / "set_scores.csv", schema.SET_SCORES, again)
        unchanged = _unchanged(run_dir, read_table(folder / "images.csv", IMAGES, again))
        changed = set(unchanged.index[~unchanged].get_level_values("dataset"))
        found.append(table[~table["dataset"].isin(changed)])
    return found


def _unchanged(run_dir: Path, submitted: pd.DataFrame) -> pd.Series:
    """Whether each submitted image that the run still has is unchanged; indexed by `IMAGE`."""
    images = read_images(run_dir)
    if images is None:
        return submitted.set_index(IMAGE)["photo"].notna()
    now, then = (table.set_index(IMAGE)[CONTENT] for table in (images, submitted))
    common = then.index.intersection(now.index)
    return (now.loc[common] == then.loc[common]).all(axis=1)


def _valid(rows: pd.DataFrame, unchanged: pd.Series) -> pd.DataFrame:
    """The rows of images that the run still has; those of changed images are `failed`."""
    rows = rows[pd.MultiIndex.from_frame(rows[IMAGE]).isin(unchanged.index)].copy()
    stale = ~unchanged.loc[pd.MultiIndex.from_frame(rows[IMAGE])].to_numpy(dtype=bool)
    rows.loc[stale, ["status", "reason"]] = [schema.FAILED, STALE]
    for number in ("value", "seconds"):
        if number in rows:
            rows.loc[stale, number] = float("nan")
    return rows

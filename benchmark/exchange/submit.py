"""Adds restored test images of others to a run, as a method on its leaderboard."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from benchmark.core.atomic import atomic_folder
from benchmark.core.checksum import checksum
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError, nearest
from benchmark.core.image_io import SUFFIXES, image_size, read_image, write_png
from benchmark.core.json_io import read_json, write_json
from benchmark.exchange import submissions
from benchmark.results import schema, simulation
from benchmark.results.layout import RESTORED, write_csv
from benchmark.results.schema import IMAGE
from benchmark.results.tables import (
    read_cost,
    read_images,
    read_methods,
    read_scores,
    read_set_scores,
)
from benchmark.scoring.metrics import PROTOCOLS
from benchmark.scoring.score import score_restored
from benchmark.scoring.score_sets import score_sets
from benchmark.spec.method import Supervision
from benchmark.spec.run_config import Name
from benchmark.weather import PAIRS_VERSION

NO_COST = "not measured: the images were restored elsewhere"
STATED = "as stated with the submission, not measured here"
SUPERVISION = (*get_args(Supervision), "not stated")
MISSING = "the submission has no such image"


@dataclass(frozen=True)
class Submission:
    """The description of a submitted method. seconds: for one image, NaN if not stated."""

    name: str
    title: str = ""
    citation: str = ""
    supervision: str = "not stated"
    seconds: float = float("nan")


def submit(folder: Path, submission: Submission, run_dir: Path) -> list[str]:
    """Score the images of `folder` as a method of a run, and add it to the run's tables.

    folder: DATASET/WEATHER/IMAGE.png, or IMAGE.png for a run of one data set in which no name comes
    twice; any suffix that `read_image` reads, in upper or lower case. A submission of the same name
    is replaced. Returns the faults of single images; each is also the status of its rows.

    All of a submission is one folder, `submissions/NAME/`, and is replaced as a whole: a kill
    leaves the old submission or the new one, and `collect` makes the run's tables from it. After a
    kill, run `submit` or the workflow again: the run's tables may still be those before it.

    Raises UserError, and changes nothing, if the run lacks a table, the name is that of a method,
    the folder has no image of the run at all, or the run has test pairs of another version of the
    simulated weather than this suite.
    """
    images = read_images(run_dir)
    if images is None:
        raise UserError(
            f"{run_dir}/images.csv is missing, which a submission needs: '{PROGRAM} run' with the "
            "run's --config makes it."
        )
    scores, cost, methods = read_scores(run_dir), read_cost(run_dir), read_methods(run_dir)
    _check(submission, methods, run_dir)
    _refuse_other_pairs(run_dir)
    root = run_dir.resolve().parents[1]  # the paths in images.csv are relative to it
    files = find_files(folder, images)
    place = submissions.images_link(run_dir.resolve(), submission.name).relative_to(root)
    with atomic_folder(submissions.folder_of(run_dir, submission.name)) as new:
        restored = new / "restored"
        rows, faults = _copy_images(submission, images, files, root, restored)
        paths = [str(_file_in(restored.resolve(), row)) for row in rows.to_dict("records")]
        given = rows.assign(file=paths)
        protocols = [name for name in PROTOCOLS if (scores["protocol"] == name).any()]
        table = score_restored(given, images, root, protocols, as_given=True)
        write_csv(table, new / "scores.csv")
        if (of_sets := read_set_scores(run_dir)) is not None:
            table = score_sets(given, images, root, of_sets["protocol"].unique())
            write_csv(table, new / "set_scores.csv")
        write_csv(_with_files(rows, restored, place), new / "restored.csv")
        write_csv(images, new / "images.csv")
        write_json(new / "method.json", _card(submission))
        _link_images(run_dir, submission.name)
    _join(run_dir, scores, cost, methods)
    return faults


def find_files(folder: Path, images: pd.DataFrame) -> dict[tuple[str, str, str], Path]:
    """The submitted file of each of the run's images, by (dataset, weather, image).

    Raises UserError if there is none, or if the names in a flat folder are ambiguous.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder '{folder}'.")
    keys = list(images[IMAGE].itertuples(index=False, name=None))
    by_place = {place: _by_stem(folder.joinpath(*place)) for place in {key[:2] for key in keys}}
    found = {key: file for key in keys if (file := by_place[key[:2]].get(key[2]))}
    if found:
        return found
    by_name = _by_stem(folder)
    flat = {key: file for key in keys if (file := by_name.get(key[2]))}
    example = "/".join(keys[0])
    if not flat:
        raise UserError(f"'{folder}' has no image of the run, such as {example}.png.")
    if images["dataset"].nunique() > 1 or images["image"].duplicated().any():
        raise UserError(
            f"'{folder}' has its images side by side, but names such as '{next(iter(flat))[2]}' "
            f"come twice in the run, or it has several data sets. Sort them as {example}.png."
        )
    return flat


def _by_stem(folder: Path) -> dict[str, Path]:
    """The images in a folder by stem; of several with one stem a PNG, or the first of SUFFIXES."""
    first = (".png", *SUFFIXES)
    files = [file for file in sorted(folder.glob("*")) if file.suffix.lower() in SUFFIXES]
    # The last of one stem stays: among equal suffixes, the one in lower case.
    files.sort(key=lambda file: first.index(file.suffix.lower()), reverse=True)
    return {file.stem: file for file in files if file.is_file()}


def _check(submission: Submission, methods: list[dict[str, Any]], run_dir: Path) -> None:
    name = submission.name
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise UserError(
            f"--method {name}: a name has lower-case letters, digits and . _ + - only."
        ) from None
    own = {card["method"] for card in methods} - set(submissions.names(run_dir))
    if name in own:
        raise UserError(f"--method {name}: {run_dir} has a method of this name; choose another.")
    if submission.supervision not in SUPERVISION:
        known = nearest(submission.supervision, SUPERVISION)
        raise UserError(f"--supervision {submission.supervision}: there is no such kind.{known}")


def _refuse_other_pairs(run_dir: Path) -> None:
    file = run_dir / "manifest.json"
    known = simulation.of_run(run_dir, read_json(file)).test_pairs if file.is_file() else ()
    if known not in ((), (PAIRS_VERSION,)):
        raise UserError(
            f"{run_dir} has test pairs of version {known[0]} of the simulated weather, and this "
            f"suite is made for version {PAIRS_VERSION}: submit to a run of this version."
        )


def _copy_images(
    submission: Submission, images: pd.DataFrame, files: dict, root: Path, out: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Write the valid images to `out`; returns the rows of all images and the faults."""
    rows, faults = [], []
    stated = not np.isnan(submission.seconds)
    for image in images.itertuples():
        key = (image.dataset, image.weather, image.image)
        row = dict.fromkeys(RESTORED, "") | {
            **dict(zip(IMAGE, key, strict=True)),
            "method": submission.name,
            "variant": submissions.VARIANT,
            "seed": submissions.SEED,
            "seconds": submission.seconds,
        }
        values, fault = _read(files.get(key), root / image.input)
        if fault:
            faults.append(f"{'/'.join(key)}: {fault}")
            row |= {"status": schema.FAILED, "reason": fault, "seconds": float("nan")}
        else:
            write_png(_file_in(out, row), values)
            row |= {"height": values.shape[0], "width": values.shape[1], "status": schema.OK}
            row["reason"] = STATED if stated else NO_COST
        rows.append(row)
    return pd.DataFrame(rows, columns=list(RESTORED)), faults


def _file_in(folder: Path, row: Mapping[str, Any]) -> Path:
    return folder / row["dataset"] / row["weather"] / f"{row['image']}.png"


def _read(file: Path | None, source: Path) -> tuple[np.ndarray | None, str]:
    """An image's pixels, or its fault. It must have the size of its input, `source`.

    Raises UserError if the input cannot be read.
    """
    if file is None:
        return None, MISSING
    try:
        values = read_image(file)
    except UserError as error:
        return None, str(error)
    try:
        width, height = image_size(source)
    except UserError as error:
        raise UserError(f"An input in images.csv: {error}") from error
    if values.shape[:2] != (height, width):
        return None, f"is {values.shape[1]}x{values.shape[0]}, not {width}x{height} pixels"
    return values, ""


def _with_files(rows: pd.DataFrame, folder: Path, place: Path) -> pd.DataFrame:
    """The rows with the checksum of each valid image in `folder` and its later path in `place`."""
    for index, row in rows[rows["status"] == schema.OK].iterrows():
        checked = [_file_in(place, row).as_posix(), checksum(_file_in(folder, row))]
        rows.loc[index, ["file", "sha256"]] = checked
    return rows


def _link_images(run_dir: Path, name: str) -> None:
    """Make `restored/NAME/default/seed0` a relative link to the images of the submission."""
    link = submissions.images_link(run_dir, name)
    images = submissions.folder_of(run_dir.resolve(), name) / "restored"
    link.parent.mkdir(parents=True, exist_ok=True)
    target = os.path.relpath(images, link.parent.resolve())
    if link.is_symlink() and os.readlink(link) == target:
        return
    if link.is_dir() and not link.is_symlink():  # images of an earlier method of this name
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _card(submission: Submission) -> dict[str, Any]:
    return {
        "label": submission.name,
        "method": submission.name,
        "variant": submissions.VARIANT,
        "title": submission.title or submission.name,
        "citation": submission.citation,
        "supervision": submission.supervision,
        "description": "Images that were restored elsewhere and submitted to this run.",
        "control": False,
        "sees_target": False,
        "submitted": True,
        "facts": {"cost": NO_COST if np.isnan(submission.seconds) else STATED},
    }


def _join(run_dir: Path, scores: pd.DataFrame, cost: pd.DataFrame, methods: list) -> None:
    """Write the run's tables with its own rows and those of all submissions, as `collect` does."""
    submitted = set(submissions.names(run_dir))
    own = [card for card in methods if card["method"] not in submitted]
    more_scores, more_costs, cards = submissions.read(run_dir, {card["method"] for card in own})
    scores, cost = (table[~table["method"].isin(submitted)] for table in (scores, cost))
    # Cards first: a card without scores is a row without values, scores without a card an error.
    write_json(run_dir / "methods.json", [*own, *cards])
    write_csv(pd.concat([scores, *more_scores]), run_dir / "scores.csv")
    write_csv(pd.concat([cost, *more_costs]), run_dir / "cost.csv")
    if (of_sets := read_set_scores(run_dir)) is not None:
        of_sets = of_sets[~of_sets["method"].isin(submitted)]
        more = submissions.read_set_scores(run_dir)
        write_csv(pd.concat([of_sets, *more]), run_dir / "set_scores.csv")

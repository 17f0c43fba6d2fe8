"""Scores a folder of somebody's restored test images into the board of a run."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from benchmark.core.atomic import write_text
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError, nearest
from benchmark.core.image_io import SUFFIXES, read_image, write_png
from benchmark.exchange import submissions
from benchmark.exchange.submissions import IMAGE
from benchmark.results import schema
from benchmark.results.layout import RESTORED, write_csv
from benchmark.results.tables import read_cost, read_images, read_methods, read_scores
from benchmark.scoring.metrics import PROTOCOLS
from benchmark.scoring.score import score_restored
from benchmark.spec.method import Supervision
from benchmark.spec.run_config import Name

NO_COST = "not measured: the images were restored elsewhere"
STATED = "as stated with the submission, not measured here"
SUPERVISION = (*get_args(Supervision), "not stated")
MISSING = "the submission has no such image"


@dataclass(frozen=True)
class Submission:
    """What is said of a method; seconds: for one image, NaN if not stated."""

    name: str
    title: str = ""
    citation: str = ""
    supervision: str = "not stated"
    seconds: float = float("nan")


def submit(folder: Path, submission: Submission, run_dir: Path) -> list[str]:
    """Score the images of `folder` as a method of a run, whose tables then have it.

    folder: DATASET/WEATHER/IMAGE.png, or IMAGE.png for a run of one data set with no name twice;
    any suffix that `read_image` reads. A submission of the same name is replaced. Returns what is
    wrong with single images: each becomes the status of its rows.

    Raises UserError, and changes nothing, if the run lacks a table, the name is taken by a method,
    or the folder has no image of the run at all.
    """
    images = read_images(run_dir)
    if images is None:
        raise UserError(f"{run_dir}/images.csv is missing; a submission needs to know the images.")
    scores, cost, methods = read_scores(run_dir), read_cost(run_dir), read_methods(run_dir)
    _check(submission, methods, run_dir)
    root = run_dir.resolve().parents[1]  # where the paths of images.csv start
    files = find_files(folder, images)
    rows, faults, pixels = _read_all(submission, images, files, root)
    place = run_dir / "restored" / submission.name / submissions.VARIANT / "seed0"
    staged = place.with_name(".partial-seed0")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        for (dataset, weather, image), values in pixels.items():
            write_png(staged / dataset / weather / f"{image}.png", values)
        own = _score(rows, images, staged, root, scores)
        _write(submission, run_dir, rows, own, images, staged, place, root)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    _join(submission.name, run_dir, scores, cost, methods)
    return faults


def find_files(folder: Path, images: pd.DataFrame) -> dict[tuple[str, str, str], Path]:
    """The submitted file of each of the run's images, by (dataset, weather, image).

    Raises UserError if there is none, and for a flat folder whose names would be ambiguous.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder '{folder}'.")
    keys = list(images[IMAGE].itertuples(index=False, name=None))
    found = {key: file for key in keys if (file := _file(folder.joinpath(*key[:2]), key[2]))}
    if found:
        return found
    flat = {key: file for key in keys if (file := _file(folder, key[2]))}
    example = "/".join(keys[0])
    if not flat:
        raise UserError(f"'{folder}' has no image of the run, such as {example}.png.")
    if images["dataset"].nunique() > 1 or images["image"].duplicated().any():
        raise UserError(
            f"'{folder}' has its images side by side, but names such as '{next(iter(flat))[2]}' "
            f"come twice in the run, or it has several data sets. Sort them as {example}.png."
        )
    return flat


def _file(folder: Path, stem: str) -> Path | None:
    candidates = (folder / f"{stem}{suffix}" for suffix in (".png", *SUFFIXES))
    return next((file for file in candidates if file.is_file()), None)


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


def _read_all(submission: Submission, images: pd.DataFrame, files: dict, root: Path):
    """Rows of restored images with their status, the faults, and the pixels of the good ones."""
    rows, faults, pixels = [], [], {}
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
            pixels[key] = values
            row |= {"height": values.shape[0], "width": values.shape[1], "status": schema.OK}
            row["reason"] = STATED if stated else NO_COST
        rows.append(row)
    return pd.DataFrame(rows, columns=list(RESTORED)), faults, pixels


def _read(file: Path | None, source: Path) -> tuple[np.ndarray | None, str]:
    """An image's pixels, or what is wrong with it; it has the size of its input, `source`."""
    if file is None:
        return None, MISSING
    try:
        values = read_image(file)
        with Image.open(source) as degraded:
            width, height = degraded.size
    except UserError as error:
        return None, str(error)
    except OSError as error:
        raise UserError(f"{source}, named in images.csv, cannot be read ({error}).") from error
    if values.shape[:2] != (height, width):
        return None, f"is {values.shape[1]}x{values.shape[0]}, not {width}x{height} pixels"
    return values, ""


def _score(
    rows: pd.DataFrame, images: pd.DataFrame, staged: Path, root: Path, scores: pd.DataFrame
) -> pd.DataFrame:
    """Scores of the staged images by the protocols that the run has."""
    protocols = [name for name in PROTOCOLS if (scores["protocol"] == name).any()]
    names = [f"{r.dataset}/{r.weather}/{r.image}.png" for r in rows.itertuples()]
    files = [str(staged.resolve() / name) for name in names]
    return score_restored(rows.assign(file=files), images, root, protocols)


def _write(submission, run_dir, rows, scores, images, staged, place, root) -> None:
    """Move the images to their place and write the submission's tables, its card last."""
    folder = submissions.folder_of(run_dir, submission.name)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    if staged.exists():
        staged.rename(place)
    for index, row in rows[rows["status"] == schema.OK].iterrows():
        file = place / row["dataset"] / row["weather"] / f"{row['image']}.png"
        whole = file.resolve()
        shown = whole.relative_to(root) if whole.is_relative_to(root) else whole
        rows.loc[index, ["file", "sha256"]] = [shown.as_posix(), checksum(file)]
    write_csv(scores, folder / "scores.csv")
    write_csv(rows, folder / "restored.csv")
    write_csv(images, folder / "images.csv")
    card = _card(submission)
    write_text(folder / "method.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")


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


def _join(name: str, run_dir: Path, scores, cost, methods) -> None:
    """Put the submissions beside the run's own rows, as a later `collect` does."""
    submitted = set(submissions.names(run_dir))
    own = [card for card in methods if card["method"] not in submitted]
    their_scores, their_costs, cards = submissions.read(run_dir, {card["method"] for card in own})
    scores, cost = (table[~table["method"].isin(submitted)] for table in (scores, cost))
    # The card first: a card without scores is a row that is missing, not a broken run.
    methods = json.dumps([*own, *cards], indent=1, ensure_ascii=False) + "\n"
    write_text(run_dir / "methods.json", methods)
    write_csv(pd.concat([scores, *their_scores]), run_dir / "scores.csv")
    write_csv(pd.concat([cost, *their_costs]), run_dir / "cost.csv")

"""Writes a run's results in the formats of others: model cards, evaluation records, Croissant."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.board.published import parts_of
from benchmark.board.score_table import ALL
from benchmark.board.write import read_leaderboard
from benchmark.core.atomic import atomic_folder
from benchmark.core.errors import UserError, nearest
from benchmark.core.json_io import read_json
from benchmark.exchange import croissant, every_eval_ever, model_index
from benchmark.exchange.exported import Export, Result
from benchmark.results.merged import runs_of
from benchmark.results.tables import label, read_methods
from benchmark.scoring.metrics import METRIC

# Each has `write(export, folder)`, and `written(folder)`: the files there that `write` has written.
FORMATS = {
    "every-eval-ever": every_eval_ever,
    "model-index": model_index,
    "croissant": croissant,
}


@dataclass(frozen=True)
class Exported:
    """What was written: the files, and a line for each result that the format cannot hold."""

    files: list[Path]
    left_out: list[str]


def export(run_dir: Path, form: str, out: Path | None = None) -> Exported:
    """Write a run's results to the folder `out`, `RUN/export/FORMAT` if None, replacing it.

    form: of FORMATS. out: new, empty or an earlier export. Results that are not finite are left
    out: JSON has no infinity, and the PSNR of identical images is infinite. Raises UserError, and
    writes nothing, for an unknown format, an `out` with other files, a missing or malformed table,
    or a run without manifest.json.
    """
    if form not in FORMATS:
        raise UserError(f"There is no export format '{form}'.{nearest(form, FORMATS)}")
    usual = run_dir / "export" / form
    out = usual if out is None else out.resolve()
    if out not in (usual, usual.resolve()):
        _check_out(out)
    content, left_out = read(run_dir)
    with atomic_folder(out) as new:
        FORMATS[form].write(content, new)
    return Exported(sorted(path for path in out.rglob("*") if path.is_file()), left_out)


def _check_out(out: Path) -> None:
    """Raise UserError if `out` has anything that is not of an earlier export."""
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not _is_export(out)):
        raise UserError(
            f"{out} exists and is neither an empty folder nor an earlier export without other "
            "files; name another folder."
        )


def _is_export(folder: Path) -> bool:
    """Whether a folder has files of one format, and no others."""
    for form in FORMATS.values():
        files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
        if (written := form.written(folder)) and all(path in written for path in files):
            return True
    return False


def read(run_dir: Path) -> tuple[Export, list[str]]:
    """The finite results of a run, and a line for each of the others.

    A result is the mean of one metric over the images of a method, on one weather of one data set
    or on all of them.
    """
    file = run_dir / "manifest.json"
    if not file.is_file():
        raise UserError(f"{file} is missing; collect the run again.")
    manifest = read_json(file)
    try:
        splits = {name: part.split for name, part in parts_of(manifest, run_dir).items()}
        parts = [*runs_of(manifest, run_dir), manifest]
        export = Export(
            run_dir,
            manifest.get("run") or run_dir.resolve().name,
            max(part["finished"] for part in parts if "finished" in part),
            ", ".join(dict.fromkeys(part["commit"] for part in parts if "commit" in part)),
            {name: facts for part in parts for name, facts in part.get("datasets", {}).items()},
            read_methods(run_dir),
            [],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} is not a run's manifest ({error!r}); collect it again.") from error
    left_out = []
    cards = {(card["method"], card["variant"]): card for card in export.methods}
    for row in read_leaderboard(run_dir).to_dict("records"):
        card = cards.get((row["method"], row["variant"]))
        for key in METRIC if card else ():
            if row[key] == row[key]:  # not NaN: it was measured
                result = _result(row, key, card, splits.get(row["dataset"], ""))
                if result.is_finite():
                    export.results.append(result)
                else:
                    left_out.append(f"{result.name} of {label(card)} is infinite: left out")
    return export, left_out


def _result(row: dict[str, Any], key: str, card: dict[str, Any], split: str) -> Result:
    return Result(
        card,
        row["dataset"],
        split,
        "" if row["weather"] == ALL else row["weather"],
        METRIC[key],
        float(row[key]),
        float(row[f"{key}_low"]),
        float(row[f"{key}_high"]),
        int(row["n_images"]),
    )

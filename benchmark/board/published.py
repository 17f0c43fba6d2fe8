"""Published numbers beside those of a run, on the same images and under the same protocol."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.board.legend import MISSING
from benchmark.board.score_table import ALL
from benchmark.core.errors import UserError, nearest
from benchmark.core.json_io import read_json
from benchmark.core.markdown import cell, markdown_table
from benchmark.core.paths import find
from benchmark.core.validation import parse, read_yaml
from benchmark.data.weight_cards import published_files
from benchmark.results.merged import runs_of
from benchmark.results.tables import Cards, label
from benchmark.scoring.metrics import METRIC, PROTOCOLS
from benchmark.spec.method import Settings

FILE = find("config/published.yaml").absolute()
DIGITS = {"psnr": 2, "ssim": 4, "lpips": 4}  # decimals that papers print
PREFACE = (
    "Published numbers beside those of this run, on the same images. The protocol is the one of "
    "this suite that is closest to how the number was computed (docs/protocols.md). If sources "
    "disagree, all of their numbers are listed, and marked by ≠."
)
GROUP = ["dataset", "split", "weather", "protocol"]  # of the columns below; one table each
HEADS = ("method", "metric", "published", "measured", "difference", "sources")
ALIGN = ("left", "left", "right", "right", "right", "left")
COLUMNS = (
    "dataset",
    "split",
    "weather",
    "protocol",
    "metric",
    "method",
    "published",
    "sources",
    "entry",
    "measured",
    "difference",
    "reason",
    "note",
)


class Row(Settings):
    """A method's numbers as printed by `sources`.

    `entry`: the same method in this suite, if it always has the authors' weights. `weights`: the
    SHA-256 of the authors' weight file; the row is compared with the entries that use it. `note`:
    what is known to be wrong or unusual with the number.
    """

    method: str
    entry: str | None = None
    weights: str | None = None
    note: str = ""
    sources: tuple[str, ...]
    psnr: float | None = None
    ssim: float | None = None
    lpips: float | None = None


class Table(Settings):
    """Numbers on one split of one data set under one protocol.

    `weather`: of the set; `all` for the mean over its weathers. `note`: how the protocol of the
    sources differs from the one named.
    """

    dataset: str
    split: str
    protocol: str
    weather: str = ALL
    note: str = ""
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Part:
    """The images of a run's data set: a card's split, or only a part of it.

    whole: no limit. weathers: those chosen; None for all of the card.
    """

    card: str
    split: str
    whole: bool = True
    weathers: tuple[str, ...] | None = None

    def has_all(self, weather: str) -> bool:
        """Whether the run has every image of one weather, or of `all`."""
        return self.whole and (self.weathers is None or weather in self.weathers)


class Published(Settings):
    """The file: the names of its sources, and its tables."""

    sources: dict[str, str]
    tables: tuple[Table, ...]


def load(path: Path = FILE) -> Published:
    """The published numbers, of the file and of the cards of published weights.

    Raises UserError naming the key at fault.
    """
    published = _with_weights(parse(Published, read_yaml(path), str(path)))
    for table in published.tables:
        where = f"{path}: {table.dataset} {table.split}"
        if table.protocol not in PROTOCOLS:
            raise UserError(
                f"{where}: no protocol '{table.protocol}'.{nearest(table.protocol, PROTOCOLS)}"
            )
        for row in table.rows:
            for source in row.sources:
                if source not in published.sources:
                    raise UserError(
                        f"{where}: {row.method}: no source '{source}'."
                        f"{nearest(source, published.sources)}"
                    )
            printed = _numbers(row)
            if not printed:
                raise UserError(f"{where}: {row.method} has no number.")
            for name in printed:
                if f"{table.protocol}/{name}" not in METRIC:
                    raise UserError(f"{where}: protocol '{table.protocol}' has no metric '{name}'.")
    return published


def _with_weights(published: Published) -> Published:
    """Published numbers, and those on the cards of `config/weights/`."""
    sources = dict(published.sources)
    tables = {(t.dataset, t.split, t.weather, t.protocol): t for t in published.tables}
    for weights in published_files().values():
        source, file = f"weights/{weights.card_name}", weights.file
        sources[source] = weights.card.reported_in
        for figure in file.figures:
            row = Row(
                method=file.title,
                weights=file.sha256,
                note=file.note,
                sources=(source,),
                psnr=figure.psnr,
                ssim=figure.ssim,
            )
            new = Table(
                dataset=figure.dataset, split=figure.split, protocol=weights.card.protocol, rows=()
            )
            key = (new.dataset, new.split, new.weather, new.protocol)
            table = tables.get(key, new)
            tables[key] = table.model_copy(update={"rows": (*table.rows, row)})
    return Published(sources=sources, tables=tuple(tables.values()))


def beside(
    published: Published, board: pd.DataFrame, sets: dict[str, Part], methods: Cards
) -> pd.DataFrame:
    """Published and measured numbers; columns `COLUMNS`, one row a published number.

    board: a run's leaderboard. sets: the images of each of its data sets; published numbers on
    other images are left out. methods: the run's cards. `measured` is NaN, with a reason, if the
    run does not have the method, or not this metric of all images, or only a part of the data set.
    A method with several variants or entries has a row for each.
    """
    rows = []
    for table in published.tables:
        for name, part in sets.items():
            if (part.card, part.split) == (table.dataset, table.split):
                own = board[(board["dataset"] == name) & (board["weather"] == table.weather)]
                for row in table.rows:
                    rows += _rows(table, row, part, own, methods)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _numbers(row: Row) -> dict[str, float]:
    values = {name: getattr(row, name) for name in DIGITS}
    return {name: value for name, value in values.items() if value is not None}


def _rows(
    table: Table, row: Row, part: Part, board: pd.DataFrame, methods: Cards
) -> list[dict[str, Any]]:
    """The rows of one published line; board: the rows of one data set."""
    cards = [card for card in methods if _is_of(row, card)]
    found = []
    for name, printed in _numbers(row).items():
        for card in cards or [None]:
            value, reason = math.nan, "not in the run"
            if card is not None:
                own = (board["method"] == card["method"]) & (board["variant"] == card["variant"])
                metric, whole = f"{table.protocol}/{name}", part.has_all(table.weather)
                value, reason = _measured(board[own], metric, whole)
            found.append({
                "dataset": table.dataset,
                "split": table.split,
                "weather": table.weather,
                "protocol": table.protocol,
                "metric": name,
                "method": row.method,
                "published": printed,
                "sources": " ".join(row.sources),
                "entry": "" if card is None else label(card),
                "measured": value,
                "difference": value - printed,
                "reason": reason,
                "note": row.note,
            })  # fmt: skip
    return found


def _is_of(row: Row, card: dict[str, Any]) -> bool:
    """Whether a method of the run is that of a published line."""
    if row.weights:
        used = card.get("weights") or card.get("facts") or {}
        return used.get("sha256") == row.weights
    return bool(row.entry) and card.get("file") == f"methods/{row.entry}.py"


def _measured(line: pd.DataFrame, metric: str, whole: bool) -> tuple[float, str]:
    """A value of the leaderboard, or NaN with the reason why it is missing.

    whole: whether the run has all images of the published number.
    """
    if not whole:
        return math.nan, "the run has only a part of the images"
    value = float(line[metric].iloc[0]) if len(line) else math.nan
    return value, f"the run has no {metric} of all images" if math.isnan(value) else ""


def to_markdown(table: pd.DataFrame, published: Published) -> str:
    """The table of `beside` as Markdown, with its sources; empty if it has no row."""
    if table.empty:
        return ""
    parts = ["## Published and measured", "", PREFACE, ""]
    notes = notes_of(published)
    for key, rows in table.groupby(GROUP, sort=False):
        lines = [_line(texts) for texts in texts_of(rows)]
        parts += [f"### {caption(*key)}", ""]
        parts += [notes[key], ""] if notes[key] else []
        parts += [markdown_table(HEADS, lines, ALIGN), ""]
        marked = rows[rows["note"] != ""].drop_duplicates(["method", "note"])
        if len(marked):
            parts += [f"- {cell(r.method)} ({r.sources}): {r.note}" for r in marked.itertuples()]
            parts.append("")
    used = {source for sources in table["sources"] for source in sources.split()}
    parts += [f"- {key}: {text}" for key, text in published.sources.items() if key in used]
    return "\n".join(parts) + "\n"


def caption(dataset: str, split: str, weather: str, protocol: str) -> str:
    """The caption of a table: data set, split, weather if not all, protocol."""
    return f"{dataset} {split}{'' if weather == ALL else f', {weather}'}: {protocol}"


def notes_of(published: Published) -> dict[tuple[str, ...], str]:
    """The notes of the tables, by the columns GROUP."""
    return {(t.dataset, t.split, t.weather, t.protocol): t.note for t in published.tables}


def texts_of(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of one table as texts, by name; `sources` is a list, and `disagree` says whether
    they have other numbers. `by` is the entry that was measured, or why none was."""
    printed = rows.groupby(["method", "metric"])["published"].nunique()
    texts = []
    for row in rows.itertuples():
        digits = DIGITS[row.metric]
        texts.append(
            {
                "method": row.method,
                "metric": row.metric.upper(),
                "published": f"{row.published:.{digits}f}",
                "disagree": bool(printed[row.method, row.metric] > 1),
                "measured": MISSING if row.reason else f"{row.measured:.{digits}f}",
                "by": row.reason or row.entry,
                "difference": MISSING if row.reason else f"{row.difference:+.{digits}f}",
                "sources": row.sources.split(),
                "note": row.note,
            }
        )
    return texts


def _line(texts: dict[str, Any]) -> tuple[str, ...]:
    return (
        cell(texts["method"]),
        texts["metric"],
        texts["published"] + " ≠" * texts["disagree"],
        cell(f"{texts['measured']} ({texts['by']})"),
        texts["difference"],
        cell(" ".join(texts["sources"])),
    )


def of_run(run_dir: Path, board: pd.DataFrame, methods: Cards) -> tuple[pd.DataFrame, str]:
    """The table of a run, and as Markdown; both empty if nothing is published on its data sets.

    `manifest.json` says which images the run's data sets have; a run without it has no table.
    Raises UserError if the manifest is malformed.
    """
    file = run_dir / "manifest.json"
    published = load()
    try:
        sets = parts_of(read_json(file), run_dir) if file.is_file() else {}
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} does not say what the run's data sets are ({error!r}); collect the run again."
        ) from error
    table = beside(published, board, sets, methods)
    return table, to_markdown(table, published)


def parts_of(manifest: Any, folder: Path) -> dict[str, Part]:
    """The images of each data set of a run, from the settings in its manifest.

    A merged run has the data sets of the runs from which it was merged. folder: of the run. Raises
    as `runs_of`, and AttributeError, KeyError or TypeError if the settings are malformed.
    """
    return {
        name: Part(
            choice.get("card") or name,
            choice["split"],
            whole=choice.get("limit") is None,
            weathers=None if choice.get("weathers") is None else tuple(choice["weathers"]),
        )
        for run in runs_of(manifest, folder)
        for name, choice in run.get("config", {}).get("datasets", {}).items()
    }

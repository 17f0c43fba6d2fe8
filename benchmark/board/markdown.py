"""The leaderboard as text: Markdown for a file, a short table for the terminal."""

import math
from collections.abc import Sequence

import pandas as pd

from benchmark.board.aggregate import (
    ALL,
    GROUP,
    METRICS,
    NO_REFERENCE,
    score_groups,
)
from benchmark.results.schema import OK
from benchmark.results.tables import Cards, label
from benchmark.scoring.metrics import METRICS as DEFINED
from benchmark.significance.pairwise import ranks

LOWER_IS_BETTER = {metric.key for metric in DEFINED if metric.direction == "lower"}
DECIMALS = {metric.key: metric.decimals for metric in DEFINED}
HEADINGS = {metric.key: metric.heading for metric in DEFINED}
DEFINITIONS = {metric.key: metric.definition for metric in DEFINED}
MISSING = "–"
HARMFUL = "▼"
SUBMITTED = "‡"
HARM = 0.5  # dB
LEGEND = f"† control, {SUBMITTED} submitted, {HARMFUL} worse than the input."
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def leaders(
    scores: pd.DataFrame, methods: Cards, photos: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Who leads each metric: columns dataset, weather, method, variant, metric.

    The methods, controls left out, than which none is better beyond doubt (`contest.ranks`): those
    that may have rank 1. The board claims no winner among them.
    """
    ranked = [(card["method"], card["variant"]) for card in methods if not card.get("control")]
    found = []
    for group in score_groups(scores, photos):
        for metric in METRICS:
            entered = group.contest(ranked, metric)
            places = ranks(entered, metric in LOWER_IS_BETTER) if entered else {}
            for key, (first, _) in places.items():
                if first == 1:
                    found.append((group.dataset, group.weather, *key, metric))
    return pd.DataFrame(found, columns=[*GROUP, "metric"])


def harmful(board: pd.DataFrame, methods: Cards) -> set[tuple[str, str, str, str]]:
    """The rows (dataset, weather, method, variant) with RGB PSNR more than `HARM` dB below the
    input's: those that make its images worse.

    The input is the lowest control. Clear images, whose input is perfect, say nothing here.
    """
    controls = {(card["method"], card["variant"]) for card in methods if card.get("control")}
    found = set()
    for _, part in board.groupby(["dataset", "weather"]):
        keys = pd.MultiIndex.from_frame(part[GROUP[2:]])
        least = part.loc[keys.isin(list(controls)), "rgb/psnr"].min()
        if math.isfinite(least):
            worse = part[(part["rgb/psnr"] < least - HARM).to_numpy()]
            found |= set(worse[GROUP].itertuples(index=False, name=None))
    return found


def devices(cost: pd.DataFrame) -> list[str]:
    """The distinct devices on which the costs were measured."""
    return sorted(set(cost.loc[cost["status"] == OK, "device"]) - {""})


def marks(card: dict, worse: bool) -> str:
    """What follows a method's name: † a control, ‡ submitted, ▼ worse than its input."""
    shown = (("†", card.get("control")), (SUBMITTED, card.get("submitted")), (HARMFUL, worse))
    return "".join(f" {mark}" for mark, holds in shown if holds)


def value_text(row: "pd.Series", metric: str) -> str:
    """A value with its interval, such as `25.47 [24.90, 26.10]`; `–` where it is missing."""
    digits = DECIMALS[metric]
    value, low, high = (float(row[metric + end]) for end in ("", "_low", "_high"))
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞"
    text = f"{value:.{digits}f}"
    return text if math.isnan(low) else f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def seconds_text(value: float) -> str:
    """Seconds with three figures, or `–`."""
    if math.isnan(value):
        return MISSING
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value < 0.01 else f"{value:.3g}"


def count_text(value: float, unit: str = "") -> str:
    """A count with a metric prefix, such as `3.9 M`, `1.1 GFLOP` or `25`; `–` where missing."""
    if math.isnan(value):
        return MISSING
    for size, prefix in PREFIXES:
        if value >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.4g} {unit}".strip()


def to_markdown(
    board: pd.DataFrame,
    methods: Cards,
    *,
    reasons: pd.DataFrame | None = None,
    best: pd.DataFrame | None = None,
    devices: Sequence[str] = (),
) -> str:
    """The leaderboard as Markdown: a table for `all`, then one a weather.

    board: from `leaderboard`. reasons: from `statuses`, for the footnotes of missing values. best:
    from `leaders`, to be set in bold. devices: where the costs were measured.
    """
    parts = ["# Leaderboard", "", _preface(best is not None, devices, methods), ""]
    cards = {(card["method"], card["variant"]): card for card in methods}
    worse = harmful(board, methods)
    bold = set() if best is None else set(best.itertuples(index=False, name=None))
    why = (
        {}
        if reasons is None
        else {
            tuple(row[:4]): row[5]
            for row in reasons[[*GROUP, "status", "reason"]].to_numpy().tolist()
        }
    )
    parts += [
        f"- {HEADINGS[metric]}: {DEFINITIONS[metric]}"
        for metric in METRICS
        if board[metric].notna().any()
    ]
    parts += [""]
    for dataset, rows in board.groupby("dataset", sort=False):
        weathers = list(dict.fromkeys(rows["weather"]))
        if len(weathers) == 2:  # `all` of a single weather says the same twice
            weathers.remove(ALL)
        for weather in weathers:
            part = rows[rows["weather"] == weather]
            heading = f"all {len(weathers) - 1} weathers" if weather == ALL else weather
            parts += [f"## {cell(dataset)}: {cell(heading)}", ""]
            parts += _table(part, cards, bold, worse, why, devices)
    return "\n".join(parts).rstrip() + "\n"


def _preface(has_best: bool, devices: Sequence[str], methods: Cards) -> str:
    lines = [
        "Means over images (over seeds first) with 95 % intervals from a bootstrap over photos, "
        "wider where several seeds differ; one seed says nothing of other trainings. `all` gives "
        "every weather equal weight.",
        "Rank: by PSNR RGB (NIQE without ground truth), the range that paired tests over photos "
        "and seeds leave open, Holm-corrected for all pairs (5 %). Overlapping ranges may be ties.",
        "A value is missing (–) unless every image of the group was scored; the note says why.",
        "Controls are marked † and take no place. Seconds are medians for one image.",
        f"{HARMFUL}: PSNR more than {HARM} dB below the input's: its images are worse.",
    ]
    if has_best:
        lines.insert(
            3,
            "Bold: the best in a metric, and all that no other method is surely better than (5 %).",
        )
    if any(card.get("submitted") for card in methods):
        lines.append(
            f"{SUBMITTED}: images restored elsewhere and submitted; their costs are as stated, or "
            "missing (–) because they were not measured here."
        )
    if len(devices) == 1:
        lines.append(f"Measured on {cell(devices[0])}.")
    elif devices:
        named = "; ".join(f"{number}: {name}" for number, name in enumerate(devices, 1))
        lines.append(f"Measured on several devices, whose numbers column 'on' has. {cell(named)}.")
    return "\n".join(lines)


def _table(
    part: pd.DataFrame, cards, bold: set, worse: set, why: dict, devices: Sequence[str]
) -> list[str]:
    metrics = [metric for metric in METRICS if part[metric].notna().any()]
    costs = ["s", "s/MP", "NFE", "params", "training steps", "training FLOP", "training s"]
    heads = ["method", "supervision", "rank", "seeds", *(HEADINGS[m] for m in metrics), *costs]
    heads += ["on"] if len(devices) > 1 else []
    lines = ["| " + " | ".join(heads) + " |"]
    lines.append("|" + "|".join(["---"] * 2 + ["---:"] * (len(heads) - 2)) + "|")
    notes: list[str] = []
    for _, row in part.iterrows():
        key = (row["dataset"], row["weather"], row["method"], row["variant"])
        card = cards[key[2:]]
        name = cell(label(card)) + marks(card, key in worse)
        if row["status"] != OK:
            reason = why.get(key, "")
            note = f"{row['status']}: {reason}" if reason else row["status"]
            if note not in notes:
                notes.append(note)
            name += f" [{notes.index(note) + 1}]"
        values = [value_text(row, metric) for metric in metrics]
        values = [
            f"**{v}**" if (*key, m) in bold else v for v, m in zip(values, metrics, strict=True)
        ]
        costs = [seconds_text(row["seconds"]), seconds_text(row["seconds_per_megapixel"])]
        counts = [count_text(row["nfe"]), count_text(row["parameters"])]
        counts += [count_text(row["training_steps"]), count_text(row["training_flops"])]
        counts.append(seconds_text(row["training_seconds"]))
        if len(devices) > 1:
            counts.append(device_numbers(row["device"], devices))
        place = [row["supervision"], row["rank"] or MISSING, str(row["n_seeds"])]
        lines.append("| " + " | ".join([name, *place, *values, *costs, *counts]) + " |")
    footnotes = [f"[{number}] {cell(note)}  " for number, note in enumerate(notes, 1)]
    return [*lines, "", *footnotes, *([""] if footnotes else [])]


def device_numbers(names: str, devices: Sequence[str]) -> str:
    """The numbers of a row's devices, such as `1` or `1, 2`."""
    found = [str(number) for number, name in enumerate(devices, 1) if name in names.split("; ")]
    return ", ".join(found) or MISSING


def cell(text: str) -> str:
    """Text that cannot break a Markdown table or smuggle in HTML."""
    text = " ".join(str(text).split())
    for sign in "\\|<>`*[]":
        text = text.replace(sign, "\\" + sign)
    return text


def print_board(board: pd.DataFrame, methods: Cards = ()) -> None:
    """Print the `all` rows of each data set to the terminal, best first, controls last."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cards = {(card["method"], card["variant"]): card for card in methods}
    worse = harmful(board, methods)
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has none, and rich would break names at 80
    for dataset, rows in board[board["weather"] == ALL].groupby("dataset", sort=False):
        metrics = [m for m in ("rgb/psnr", "rgb/ssim", "lpips-alex/lpips") if rows[m].notna().any()]
        against = "scored on RGB" if metrics else "scored without ground truth"
        metrics = metrics or [m for m in NO_REFERENCE if rows[m].notna().any()]
        title = Text(f"{dataset}: all weathers, {against}")
        table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        table.add_column("rank", no_wrap=True)
        table.add_column("method", overflow="fold")
        for heading in (*(HEADINGS[m].replace(" RGB", "") for m in metrics), "seconds", "NFE"):
            table.add_column(heading, justify="right", no_wrap=True)
        for _, row in rows.iterrows():
            key = (row["method"], row["variant"])
            card = cards.get(key, {"method": key[0], "variant": key[1]})
            name = label(card) + marks(card, (row["dataset"], ALL, *key) in worse)
            # Only the first has room for its interval on 80 columns.
            texts = [value_text(row, metric) for metric in metrics]
            texts = [*texts[:1], *(text.split(" ")[0] for text in texts[1:])]
            costs = (seconds_text(row["seconds"]), count_text(row["nfe"]))
            name += "" if row["status"] == OK else f" ({row['status']})"
            table.add_row(row["rank"], Text(name), *texts, *costs)
        console.print(table, markup=False)
    console.print(f"Ranks that overlap may be ties. {LEGEND}", markup=False, highlight=False)

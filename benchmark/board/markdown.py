"""The leaderboard as text: Markdown for a file, a short table for the terminal."""

from collections.abc import Sequence

import pandas as pd

from benchmark.board.aggregate import (
    ALL,
    GROUP,
    METRICS,
)
from benchmark.board.format import (
    DEFINITIONS,
    HARMFUL,
    HEADINGS,
    MISSING,
    SUBMITTED,
    cell,
    count_text,
    device_numbers,
    seconds_text,
    value_text,
)
from benchmark.board.verdicts import HARM, harmful, marks
from benchmark.results.schema import OK
from benchmark.results.tables import Cards, label


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

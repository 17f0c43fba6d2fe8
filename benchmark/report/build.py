"""Builds the report of a run: `report/index.html`, and a page for each method and test image.

Nothing is loaded from a network. The report has copies of inputs and targets, and links to
`restored/` and `figures/` in the run's folder, so the whole folder can be moved.
"""

import math
import re
import shutil
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmark.board import no_harm
from benchmark.board.format import plain_text
from benchmark.board.legend import APART, BETTER, DIFFERENCE, P_HOLM, board_legend
from benchmark.board.score_table import weather_rank
from benchmark.board.uncertainty import LEGEND as UNCERTAINTY_LEGEND
from benchmark.core.atomic import atomic_folder
from benchmark.report.charts import chart_data
from benchmark.report.comparisons import comparison_tables
from benchmark.report.origins import datasets, manifests, submitted
from benchmark.report.parts import (
    board_table,
    board_tables,
    clear_tables,
    column_groups,
    duration,
    link,
    method_page,
    score_texts,
    slug,
    training_curve,
    true_minus,
)
from benchmark.report.photos import by_gain, extremes, report_photos, with_gain
from benchmark.report.provenance import photo_credits
from benchmark.report.published import published_tables
from benchmark.report.run_data import RunData
from benchmark.report.uncertainty import spread_maps, uncertainty_tables
from benchmark.results.layout import restored_image

HERE = Path(__file__).parent
TABLES = (  # of a run; the report links to those that exist
    "leaderboard.csv",
    "leaderboard.md",
    "leaderboard.tex",
    "comparisons.csv",
    "comparisons.md",
    "uncertainty.csv",
)
RANKS = "ranks"  # the figure in the section of comparisons
NIQE = "no-reference/niqe"


def build_report(run_dir: str | Path) -> Path:
    """Write the report of a run; returns the path of its first page.

    Reads `scores.csv`, `cost.csv`, `methods.json` and the leaderboard; and, if they exist,
    `images.csv`, `comparisons.csv`, `manifest.json`, `figures/` and the images. An old report is
    replaced only after the new one is complete. Raises UserError naming the file that is missing or
    malformed, or that changed after the leaderboard was made.
    """
    run_dir = Path(run_dir)
    data = RunData(run_dir)
    with atomic_folder(run_dir / "report") as new:
        shutil.copytree(HERE / "static", new / "static")
        photos = report_photos(data, new)
        _write_image_pages(data, photos, new)
        _write_method_pages(data, photos, new)
        _write_index(data, photos, new)
    return run_dir / "report" / "index.html"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,  # names and reasons come from files and are no HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["minus"] = true_minus
    environment.filters["plain"] = plain_text
    return environment


def _breakable(name: str) -> Markup:
    """A name that a narrow column breaks at spaces and after `_`, but not after a hyphen: CSS makes
    each part a block."""

    def blocks(word: str) -> Markup:
        parts = re.split(r"(?<=_)", word)
        return Markup("").join(Markup("<span>{}</span>").format(part) for part in parts if part)

    words = Markup(" ").join(blocks(word) for word in name.split(" "))
    return Markup('<span class="label">{}</span>').format(words)


ENVIRONMENT = _environment()


def _write(page: Path, template: str, **values: Any) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(ENVIRONMENT.get_template(template).render(values), encoding="utf-8")


def _write_image_pages(data: RunData, photos: list[dict[str, Any]], report: Path) -> None:
    pages = [photo["href"].removeprefix("images/") for photo in photos]
    for number, photo in enumerate(photos):
        cells = _cells(data, photo)
        pictures = [cell for cell in cells if cell["src"]]
        # The slider starts with the input and the best restoration.
        restored = next((cell for cell in pictures if cell["restored"]), None)
        _write(
            report / "images" / f"{slug(*photo['place'])}.html",
            "image.html.j2",
            root="../",
            photo=photo,
            missing=[cell for cell in cells if not cell["src"]],
            pictures=pictures,
            maps=spread_maps(data, photo, report),
            left=pictures[0] if pictures else None,
            right=restored or (pictures[-1] if len(pictures) > 1 else None),
            previous=pages[number - 1] if number else None,
            next=pages[number + 1] if number + 1 < len(pages) else None,
        )


def _cells(data: RunData, photo: dict[str, Any]) -> list[dict[str, Any]]:
    """Input, target if there is one, then the methods without controls: the best first by PSNR (by
    NIQE if there is no target), missing ones last."""
    place = photo["place"]

    def given(name: str, scores: list[str]) -> dict[str, Any]:
        src = f"../{photo['files'][name]}" if name in photo["files"] else ""
        return {"label": name, "src": src, "scores": scores, "href": "", "note": "",
                "restored": False}  # fmt: skip

    paired = bool(photo["target"])
    ranked = []
    for key, card in data.cards.items():
        if card.get("control"):
            continue
        value = -data.score(place, key, "rgb/psnr") if paired else data.score(place, key, NIQE)
        file = restored_image(data.run_dir, key, place)
        ranked.append(
            (
                (math.isnan(value), 0.0 if math.isnan(value) else value),  # NaN comes last
                {
                    "label": data.label(key),
                    "src": file and link(Path("../..") / file.relative_to(data.run_dir)),
                    "scores": score_texts(data, place, key),
                    "href": link(method_page(card["method"])),
                    "note": data.problems.get((*place, *key), ""),
                    "restored": True,
                },
            )
        )
    ranked.sort(key=lambda pair: pair[0])
    of_input = score_texts(data, place, data.input_key) if data.input_key else []
    targets = [given("target", [])] if paired else []
    return [given("input", of_input), *targets, *(cell for _, cell in ranked)]


def _write_method_pages(data: RunData, photos: list[dict[str, Any]], report: Path) -> None:
    for method in data.method_names:
        cards = [card for card in data.methods if card["method"] == method]
        rows = data.board[data.board["method"] == method]
        tables = [
            board_table(data, part, f"{dataset}, every weather", with_weather=True)
            for dataset, part in rows.groupby("dataset", sort=False)
        ]
        chosen = data.chosen(method)
        gains = data.gains(chosen)
        first = {
            **dict.fromkeys(
                ("parameters", "training", "training_identity", "training_seconds", "facts", "file")
            ),
            **cards[0],
        }
        _write(
            report / "methods" / f"{slug(method)}.html",
            "method.html.j2",
            root="../",
            method={
                **_about(cards[0]),
                "parameters": first["parameters"] or {},
                "training": first["training"],
                "identity": first["training_identity"],
                "facts": first["facts"],
                "file": first["file"],
                "training_time": duration(first["training_seconds"]),
                "link": _safe_link(cards[0].get("url")),
            },
            variants=[
                {"label": data.label((method, card["variant"])), "settings": settings}
                for card in cards
                if (settings := _settings(card))
            ],
            tables=tables,
            columns=column_groups(tables),
            chosen=data.label(chosen) if chosen else "",
            curve=training_curve(data, cards[0].get("training_curve")),
            **extremes([] if first.get("control") else with_gain(photos, gains)),
        )


def _settings(card: dict[str, Any]) -> str:
    """The settings of a variant in plain words, without those that are not set."""
    settings = card.get("settings") or {}
    known = {name: plain_text(value) for name, value in settings.items() if value is not None}
    return "; ".join(f"{name} = {text}" for name, text in known.items())


def _about(card: dict[str, Any]) -> dict[str, Any]:
    names = ("title", "citation", "licence", "supervision", "description")
    known = {name: card.get(name) or "not stated" for name in names}
    return {**known, "method": card["method"], "control": bool(card.get("control"))}


def _safe_link(url: str | None) -> str:
    """A card's address if it is a web address, else nothing: no link may run `javascript:`."""
    return url if url and url.startswith(("https://", "http://")) else ""


def _write_index(data: RunData, photos: list[dict[str, Any]], report: Path) -> None:
    names = list(dict.fromkeys(data.board["dataset"]))
    paired = {photo["dataset"] for photo in photos if photo["target"]}
    leading = [key for name in names if name in paired and (key := data.leader(name))]
    ordered = by_gain(photos)
    cards = {card["method"]: card for card in reversed(data.methods)}
    tables = board_tables(data)
    drawn = [_drawn(data, figure) for figure in data.figures]
    _write(
        report / "index.html",
        "index.html.j2",
        root="",
        run=data.name,
        devices=data.devices,
        submitted=submitted(data),
        legend=board_legend(data.methods),
        pair_legend=(DIFFERENCE, P_HOLM, BETTER, APART),
        counts={"methods": len(cards), "variants": len(data.cards), "images": len(data.wide)},
        tables=tables,
        clear={
            "tables": clear_tables(data),
            "heading": no_harm.HEADING,
            "note": no_harm.NOTE,
            "heads": no_harm.HEADS,
        },
        choices=_choices(tables),
        columns=column_groups(tables),
        charts=chart_data(data),
        comparisons=comparison_tables(data),
        uncertainty=uncertainty_tables(data),
        uncertainty_legend=UNCERTAINTY_LEGEND,
        published=published_tables(data),
        ranks=[figure for figure in drawn if figure["name"] == RANKS],
        files=[
            {"name": name, "href": link(f"../{name}")}
            for name in TABLES
            if (data.run_dir / name).is_file()
        ],
        figures=[figure for figure in drawn if figure["name"] != RANKS],
        photos=_photo_groups(data, ordered),
        leader=" and ".join(dict.fromkeys(map(data.label, leading))),
        methods=[
            {**_about(cards[name]), "href": link(method_page(name))} for name in data.method_names
        ],
        manifests=manifests(data),
        datasets=datasets(data),
        credits=photo_credits(photos),
        **extremes(ordered),
    )


def _photo_groups(data: RunData, ordered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The shown images by data set and weather: `name`, `photos`, and how many `all` there are."""
    groups: dict[tuple[str, str], list] = {}
    for photo in sorted(ordered, key=lambda photo: weather_rank(photo["weather"])):
        groups.setdefault((photo["dataset"], photo["weather"]), []).append(photo)
    sizes = {} if data.images is None else data.images.groupby(["dataset", "weather"]).size()
    return [
        {"name": ", ".join(key), "photos": group, "all": int(sizes[key])}
        for key, group in groups.items()
    ]


def _choices(tables: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The values of each filter of the leaderboard, in order; those of weather depend on the data
    set (static/report.js)."""
    rows = [row for table in tables for row in table["rows"]]
    return {
        "dataset": list(dict.fromkeys(table["dataset"] for table in tables)),
        "supervision": list(dict.fromkeys(row["supervision"] for row in rows)),
        "status": list(dict.fromkeys(row["status"] for row in rows)),
    }


def _drawn(data: RunData, figure: dict[str, str]) -> dict[str, Any]:
    """A figure with links to its files."""
    first = data.run_dir / "figures" / figure["file"]
    found = [file for end in (".svg", ".png") if (file := first.with_suffix(end)).is_file()]
    saved = [
        {"name": file.suffix[1:].upper(), "href": link(Path("..") / file.relative_to(data.run_dir))}
        for file in found
    ]
    return {**figure, "href": link(f"../figures/{figure['file']}"), "saved": saved}

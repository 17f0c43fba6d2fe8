"""The tables and figures of docs/does-diffusion-pay.md, from the tables of the study's runs.

    .venv/bin/python -m tools.study --sets
    .venv/bin/python -m tools.study
    .venv/bin/python -m tools.study --run study_small --sets
    .venv/bin/python -m tools.study --run study_small

and so for study_long and study_longest.

With --sets, it scores each level's restored images as a set, where these images are, and counts
the network evaluations from the run's large table of costs. Without, it needs the tables in git.

The board of a run groups images by weather. Here they are grouped by the level of the weather, with
the same statistics.
"""

import argparse
import re
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from benchmark.board.format import interval_text, number_text
from benchmark.board.pairs import Comparisons, compare_all, compare_sets
from benchmark.board.score_table import ScoreTable
from benchmark.board.set_table import set_groups
from benchmark.core.atomic import atomic_path, write_text
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.core.markdown import markdown_table
from benchmark.core.paths import ROOT
from benchmark.report.figures.style import MARKERS, PALETTE, arms, drawing_style, save
from benchmark.results.layout import RESTORED, restored_image, write_csv
from benchmark.results.schema import IMAGE, SET_SCORES
from benchmark.results.tables import read_cost, read_images, read_methods, read_scores, read_table
from benchmark.scoring.metrics import ANY_METRIC
from benchmark.scoring.score_sets import score_sets

PAGE = ROOT / "docs" / "does-diffusion-pay.md"
FIGURES = ROOT / "docs" / "figures"
SETS = "set_scores_by_level.csv"
EVALUATIONS = "evaluations.csv"
BY_LEVEL = "by_level.csv"
LEVELS = ("light", "medium", "heavy")
METRICS = ("rgb/psnr", "lpips-alex/lpips", "kernel-distance-alex/kernel-distance")
PROTOCOLS = ("kernel-distance-alex",)
# Entries that the others are compared with: of the loss of the others, and of the squared error.
REGRESSIONS = ("unet", "unet_mse")
# The levels that have a table on the page, for each run. The worst images, and figures of all
# levels and budgets, are of the first run alone.
OTHERS = ("study_small", "study_long", "study_longest")
TABLES = {"study": LEVELS, **dict.fromkeys(OTHERS, ("heavy",))}
# Runs with the study's network and longer budgets, which are in its figure of the budgets.
LONGER = ("study_long", "study_longest")
# The results that are shown of the worst images: (entry, variant).
SHOWN = (
    ("unet-15", "default"),
    ("unet_lpips-15", "default"),
    ("conditional_diffusion-15", "nfe-10"),
    ("bridge-15", "nfe-10"),
    ("flow_prediction-15", "nfe-10"),
)
SIDE = 240  # of each of these pictures, in pixels
AGAIN = "make the run again: docs/does-diffusion-pay.md has the command"


def by_level(table: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """A table of images with the strength in the place of the weather, and the weather in the name
    of the image. Raises UserError if images.csv does not have the strength of an image."""
    strength = images.drop_duplicates(IMAGE).set_index(IMAGE)["strength"]
    found = strength.reindex(pd.MultiIndex.from_frame(table[IMAGE])).to_numpy()
    if not {*found} <= {*LEVELS}:
        raise UserError(
            f"images.csv: strength must be {', '.join(LEVELS)} for each image; {AGAIN}."
        )
    return table.assign(weather=found, image=table["image"] + " in " + table["weather"])


def score_levels(run: Path) -> None:
    """Score the restored images of each level as a set; writes `SETS` in the run's folder."""
    images = read_images(run)
    tables = [read_table(file, RESTORED, AGAIN) for file in run.glob("restored/*/*/*/levels.csv")]
    if not tables:
        raise UserError(f"{run} has no restored images; {AGAIN}.")
    restored = by_level(pd.concat(tables), images)
    key = ["dataset", "weather", "method", "variant", "seed", "image"]
    scores = score_sets(restored.sort_values(key), by_level(images, images), ROOT, PROTOCOLS)
    write_csv(scores, run / SETS)


def count_evaluations(run: Path) -> None:
    """Write `EVALUATIONS` in the run's folder: the network evaluations an image of each variant."""
    evaluations = read_cost(run).groupby(["method", "variant"], sort=False)["nfe"].first()
    write_csv(evaluations.reset_index(), run / EVALUATIONS)


def show_worst(run: Path, level: str) -> Image.Image:
    """The image of a level on which `unet-15` has the worst LPIPS, of three weathers, each a row:
    the input, the results `SHOWN`, and the target."""
    images = read_images(run).set_index(IMAGE)
    scores = read_scores(run)
    of_level = images["strength"].reindex(pd.MultiIndex.from_frame(scores[IMAGE])) == level
    own = (scores["method"] == SHOWN[0][0]) & (scores["metric"] == "lpips") & of_level.to_numpy()
    worst = scores[own].sort_values("value", ascending=False).drop_duplicates("weather").head(3)
    sheet = Image.new("RGB", (SIDE * (len(SHOWN) + 2), SIDE * len(worst)))
    for row, place in enumerate(worst[IMAGE].itertuples(index=False, name=None)):
        paths = [restored_image(run, key, place) for key in SHOWN]
        files = [ROOT / images.loc[place, "input"], *paths, ROOT / images.loc[place, "target"]]
        for column, file in enumerate(files):
            pixels = Image.fromarray(read_image(file)).resize(
                (SIDE, SIDE), Image.Resampling.LANCZOS
            )
            sheet.paste(pixels, (SIDE * column, SIDE * row))
    return sheet


def compared_by_level(run: Path) -> Comparisons:
    """All pairs of entries of a run, and their places, at each level and at all levels."""
    methods, images = read_methods(run), read_images(run)
    scores = by_level(read_scores(run), images)
    found = compare_all(ScoreTable(scores, methods, by_level(images, images)), METRICS[:2])
    sets = read_table(run / SETS, SET_SCORES, _sets_first(run))
    for group in set_groups(sets, methods):
        found += compare_sets(group)
    return found


def against_regressions(run: Path) -> pd.DataFrame:
    """Each entry against the regressions of its budget: one row for each level, metric and variant.

    Columns: level, metric, method, budget (minutes), variant, nfe, value, and for each regression
    in `REGRESSIONS` the mean paired difference with the ends of its 95 % interval.
    """
    pairs, places = compared_by_level(run).tables()
    evaluations = read_table(run / EVALUATIONS, ("method", "variant", "nfe"), _sets_first(run))
    evaluations = evaluations.set_index(["method", "variant"])["nfe"]
    turned = pairs.rename(columns=_other_side).assign(
        difference=-pairs["difference"],
        difference_low=-pairs["difference_high"],
        difference_high=-pairs["difference_low"],
    )
    on = ["weather", "metric", "method", "variant", "regression"]
    names = {"method_a": "method", "variant_a": "variant", "method_b": "regression"}
    both = pd.concat([pairs, turned]).rename(columns=names).set_index(on)
    table = places[["weather", "metric", "method", "variant", "value"]].reset_index(drop=True)
    table["budget"] = table["method"].str.rsplit("-", n=1).str[-1].astype(int)
    table["nfe"] = [*evaluations.loc[[*zip(table["method"], table["variant"], strict=True)]]]
    for name in REGRESSIONS:
        table["regression"] = name + "-" + table["budget"].astype(str)
        for end in ("", "_low", "_high"):
            found = both["difference" + end].rename(name + end)
            table = table.join(found, on=on)
    table["method"] = table["method"].str.rsplit("-", n=1).str[0]
    return table.drop(columns="regression").rename(columns={"weather": "level"})


def _sets_first(run: Path) -> str:
    return f"run '.venv/bin/python -m tools.study --run {run.name} --sets'"


def _other_side(name: str) -> str:
    return name[:-1] + {"a": "b", "b": "a"}[name[-1]] if re.search("_[ab]$", name) else name


def draw_steps(table: pd.DataFrame, level: str) -> Figure:
    """Quality of the longer budget against network evaluations; the regressions as lines."""
    rows = table[(table["level"] == level) & (table["budget"] == table["budget"].max())]
    swept = _plain(rows) & (rows.groupby("method")["nfe"].transform("nunique") > 1)
    figure = Figure(figsize=(13, 5), layout="constrained")
    for metric, axes in zip(METRICS, figure.subplots(1, len(METRICS)), strict=True):
        part = rows[rows["metric"] == metric]
        for number, (name, points) in enumerate(part[swept.loc[part.index]].groupby("method")):
            points = points.sort_values("nfe")
            style = {
                "color": PALETTE[number % len(PALETTE)],
                "marker": MARKERS[number % len(MARKERS)],
            }
            axes.plot(points["nfe"], points["value"], label=name, **style)
        for name, line in (("unet", "-"), ("unet_mse", "--"), ("unet_lpips", ":")):
            for value in part.loc[part["method"] == name, "value"]:
                axes.axhline(
                    value, color="black", linestyle=line, linewidth=1.5, label=f"regression {name}"
                )
        axes.set_xscale("log")
        ticks = sorted(rows.loc[swept, "nfe"].unique())
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("network evaluations an image (NFE)")
        axes.set_title(ANY_METRIC[metric].axis_label)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False
    )
    return figure


def draw_levels(table: pd.DataFrame) -> Figure:
    """Difference to the regression of the same loss and budget at each level, with intervals."""
    rows = table[(table["budget"] == table["budget"].max()) & (table["nfe"] > 0) & _plain(table)]
    rows = rows[rows["method"].ne("unet") & rows["nfe"].isin([1, 2, 5, 10])]
    names = [*dict.fromkeys(rows["method"])]
    figure = Figure(figsize=(12, 13), layout="constrained")
    grid = figure.subplots(len(METRICS), len(LEVELS), sharey=True, sharex="row")
    for metric, line in zip(METRICS, grid, strict=True):
        for level, axes in zip(LEVELS, line, strict=True):
            for number, nfe in enumerate((1, 2, 5, 10)):
                at = (rows["metric"] == metric) & (rows["level"] == level) & (rows["nfe"] == nfe)
                part = rows[at]
                if part.empty:
                    continue
                places = [names.index(name) + 0.18 * (number - 1.5) for name in part["method"]]
                axes.errorbar(
                    part["unet"], places, xerr=arms(part, "unet"), fmt=MARKERS[number],
                    markersize=4, color=PALETTE[number], linewidth=1, label=f"NFE {nfe}",
                )  # fmt: skip
            axes.axvline(0, color="black", linewidth=1)
            axes.set_yticks(range(len(names)), names)
            axes.set_title(level)
            axes.locator_params(axis="x", nbins=5)
            axes.set_xlabel(f"difference to unet, {ANY_METRIC[metric].axis_label}")
    grid[0, 0].set_ylim(len(names) - 0.5, -0.5)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure


def draw_budgets(table: pd.DataFrame, level: str) -> Figure:
    """Difference to the regression of the same loss and budget, at each budget.

    Shown are the methods that have several numbers of network evaluations at several budgets: the
    fewest of these, and five.
    """
    rows = table[(table["level"] == level) & _plain(table)]
    rows = rows[rows.groupby(["method", "nfe"])["budget"].transform("nunique") > 1]
    by_method = rows.groupby("method")["nfe"]
    shown = rows["nfe"].eq(by_method.transform("min")) | rows["nfe"].eq(5)
    rows = rows[(by_method.transform("nunique") > 1) & shown]
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    for metric, axes in zip(METRICS, figure.subplots(1, len(METRICS)), strict=True):
        part = rows[rows["metric"] == metric]
        for number, ((name, nfe), points) in enumerate(part.groupby(["method", "nfe"])):
            points = points.sort_values("budget")
            axes.errorbar(
                points["budget"] * 1.02 ** (number - 4), points["unet"], arms(points, "unet"),
                capsize=2, color=PALETTE[number // 2], linestyle="-" if nfe == 5 else ":",
                marker=MARKERS[number // 2], markersize=4, label=f"{name}, NFE {nfe:g}",
            )  # fmt: skip
        axes.axhline(0, color="black", linewidth=1)
        axes.set_xscale("log")
        ticks = sorted(rows["budget"].unique())
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("budget (minutes of one core)")
        axes.set_title(f"difference to unet, {ANY_METRIC[metric].axis_label}", fontsize=10)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def _plain(table: pd.DataFrame) -> pd.Series:
    """The rows in the figures. One method has a second sampler, which is in the tables only."""
    return ~table["variant"].str.startswith("ddpm")


def markdown(table: pd.DataFrame, level: str) -> str:
    """The page's table: one row for each entry and variant at a level, the best LPIPS first."""
    index = ["budget", "method", "variant", "nfe"]
    rows = table[table["level"] == level].set_index(index)
    by_metric = {metric: rows[rows["metric"] == metric] for metric in METRICS}
    order = by_metric["lpips-alex/lpips"].sort_values(["budget", "value"], ascending=[False, True])
    lines = []
    for key in order.index:
        line = [
            f"{key[1]}, {key[0]} min",
            f"{key[3]:g}" + ("*" if key[2].startswith("ddpm") else ""),
        ]
        for metric, values in by_metric.items():
            row, form = values.loc[[key]].iloc[0].to_dict(), f".{ANY_METRIC[metric].decimals}f"
            signed = form.replace(".", "+.")
            line += [number_text(row["value"], form), interval_text(row, "unet", signed)]
        lines.append(line)
    heads = ["", "NFE", "PSNR ↑", "to unet", "LPIPS ↓", "to unet", "kernel distance ↓", "to unet"]
    return markdown_table(heads, lines, ["left", *["right"] * 7])


def write_page(tables: dict[str, str]) -> None:
    """Put each table in its place on the page, between two comments with its name."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            raise UserError(f"{PAGE} has no place for its table: add '{begin}' and '{end}'.")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end, 1)[1]}"
    write_text(PAGE, text)


def draw_page(run: Path) -> None:
    """The run's table by level, its figures, and its tables on the page."""
    table = against_regressions(run)
    write_csv(table, run / BY_LEVEL)
    with drawing_style():
        figures = {"steps": draw_steps(table, "heavy")}
        if TABLES[run.name] == LEVELS:
            files = [run.parent / name / BY_LEVEL for name in LONGER]
            longer = [pd.read_csv(file) for file in files if file.is_file()]
            budgets = draw_budgets(pd.concat([table, *longer]), "heavy")
            figures |= {"levels": draw_levels(table), "budgets": budgets}
        for name, figure in figures.items():
            save(figure, FIGURES / f"{run.name}_{name}", vector=False)
    write_page({f"table of {run.name}, {name}": markdown(table, name) for name in TABLES[run.name]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", choices=TABLES, default="study", help="the run's name")
    parser.add_argument(
        "--sets", action="store_true", help="score the images of each level as sets"
    )
    options = parser.parse_args()
    run = ROOT / "results" / options.run
    if not options.sets:
        draw_page(run)
        return
    score_levels(run)
    count_evaluations(run)
    if TABLES[run.name] == LEVELS:
        with atomic_path(FIGURES / f"{run.name}_worst.jpg") as path:
            show_worst(run, "heavy").save(path, "JPEG", quality=88)


if __name__ == "__main__":
    main()

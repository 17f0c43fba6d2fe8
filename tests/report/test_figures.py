"""Figures of a made-up run: which ones, their content, and that they are reproducible."""

import json
import re
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark.board.aggregate import NO_REFERENCE
from benchmark.board.changes import changes, read_changes
from benchmark.board.curves import pareto_front, with_cards
from benchmark.board.score_table import ScoreTable
from benchmark.board.write import read_board, write_leaderboard
from benchmark.core.errors import UserError
from benchmark.report.figures.changes import quality_by_weather
from benchmark.report.figures.draw import draw_figures, quality_by_cost, quality_by_evaluations
from benchmark.report.figures.labels import label_points
from benchmark.report.figures.perception import perception_distortion
from benchmark.report.figures.style import drawing_style, titled
from benchmark.results.tables import read_images, read_methods, read_scores
from benchmark.scoring.metrics import SET_METRIC
from tests.synthetic_run import add_set_scores, card, make_run

LPIPS = "lpips-alex/lpips"
NAMES = (
    "quality_by_cost",
    "quality_by_evaluations",
    "perception_distortion",
    "quality_by_weather",
    "ranks",
    "images",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures") / "results" / "demo"
    make_run(folder, photos=3, weathers=("rain", "haze"), side=32)
    add_set_scores(folder)
    write_leaderboard(folder)
    draw_figures(folder)
    return folder


def board_of(**columns):
    """Rows for the figures: `all` of one data set, with intervals of half a unit on each side."""
    rows = pd.DataFrame({"dataset": "set", "weather": "all", "supervision": "none", **columns})
    rows["control"] = rows.get("control", False)
    rows["input"] = rows["control"]
    rows[[*NO_REFERENCE, *SET_METRIC]] = np.nan
    for metric in ("rgb/psnr", "rgb/ssim", "lpips-alex/lpips"):
        rows[metric] = rows.get(metric, rows["rgb/psnr"])
        rows[f"{metric}_low"], rows[f"{metric}_high"] = rows[metric] - 0.5, rows[metric] + 0.5
    return rows


def test_every_figure_is_drawn_and_listed(run):
    listed = json.loads((run / "figures" / "figures.json").read_text())
    assert [figure["name"] for figure in listed] == list(NAMES)
    for figure in listed:
        assert (run / "figures" / figure["file"]).stat().st_size > 0
        assert (run / "figures" / "test-set" / f"{figure['name']}.png").stat().st_size > 0
        assert figure["title"] and figure["alt"]


def test_svg_is_the_same_every_time_and_has_no_date(run, tmp_path):
    copy = tmp_path / "results" / "demo"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("figures"))
    shutil.copytree(run.parents[1] / "data", tmp_path / "data")
    draw_figures(copy)
    for first in sorted((run / "figures").rglob("*.*g")):
        again = copy / first.relative_to(run)
        assert first.read_bytes() == again.read_bytes(), first.name
    svg = (run / "figures" / "test-set" / "quality_by_cost.svg").read_text()
    assert not re.search(r"<dc:date>|20\d\d-\d\d-\d\d", svg)


def test_pareto_front_by_hand():
    rows = board_of(
        label=list("abcde"),
        seconds_per_megapixel=[1.0, 2.0, 3.0, 3.0, 4.0],
        **{"rgb/psnr": [20.0, 19.0, 22.0, 23.0, 23.0]},
    )
    assert list(pareto_front(rows, "rgb/psnr")["label"]) == ["a", "d"]
    assert list(pareto_front(rows, "lpips-alex/lpips")["label"]) == ["a", "b"]


def test_pareto_front_of_two_metrics_by_hand():
    rows = board_of(label=list("abcd"), **{"rgb/psnr": [30.0, 29.0, 28.0, 28.5]})
    rows[LPIPS] = [0.3, 0.2, 0.25, 0.1]
    assert list(pareto_front(rows, LPIPS, "rgb/psnr")["label"]) == ["a", "b", "d"]
    assert list(pareto_front(rows, "rgb/psnr", LPIPS)["label"]) == ["d", "b", "a"]


def test_the_plane_has_every_method_and_its_fronts(run):
    board, methods = read_board(run).table, read_methods(run)
    rows = with_cards(board, methods)
    drawn = perception_distortion(rows)
    shown = rows[(rows["weather"] == "all") & ~rows["control"] & rows["rgb/psnr"].notna()]
    for axes, metric in zip(drawn.figure.axes, (LPIPS, *SET_METRIC), strict=True):
        texts = [text.get_text() for text in axes.texts]
        assert sorted(texts) == sorted(shown["label"])
        (line,) = (line for line in axes.lines if "Pareto" in str(line.get_label()))
        front = pareto_front(shown, metric, "rgb/psnr")
        assert line.get_xydata() == pytest.approx(front[["rgb/psnr", metric]].to_numpy())
    without = rows.assign(**dict.fromkeys(SET_METRIC, np.nan))
    assert len(perception_distortion(without).figure.axes) == 1
    assert perception_distortion(rows[rows["method"] == "regression"]) is None


def test_sampler_lines_have_the_boards_values():
    settings = [{"sampler": s, "steps": n} for s in ("ddim", "euler") for n in (1, 4)]
    rows = board_of(
        label=["d1", "d4", "e1", "e4", "regression", "input"],
        method=["diffusion"] * 4 + ["regression", "identity"],
        settings=[*settings, {}, {}],
        nfe=[1.0, 4.0, 1.0, 4.0, 1.0, 0.0],
        control=[False] * 5 + [True],
        **{"rgb/psnr": [20.0, 21.0, 22.0, 23.0, 24.0, 10.0]},
    )
    axes = quality_by_evaluations(rows).figure.axes[0]
    lines = {tuple(line.get_ydata()) for line in axes.get_lines() if len(line.get_ydata()) == 2}
    assert {(20.0, 21.0), (22.0, 23.0), (24.0, 24.0), (10.0, 10.0)} <= lines
    legend = {text.get_text() for text in axes.figure.legends[0].get_texts()}
    assert legend == {"diffusion ddim", "diffusion euler", "regression", "input, not restored"}


def test_cost_figure_names_every_point_and_no_two_names_overlap():
    count = 16
    rows = board_of(
        label=[f"a method with number {n}" for n in range(count)],
        seconds_per_megapixel=np.linspace(1, 1.5, count),
        **{"rgb/psnr": np.full(count, 25.0)},
    )
    figure = quality_by_cost(rows).figure
    figure.savefig("/dev/null", format="svg")  # lays it out
    # The extent of the text: that of an annotation includes its arrow.
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == count
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def segments(figure):
    """The lines from names to points of the first axes as drawn, in shares of the axes."""
    figure.draw_without_rendering()  # with the final limits
    axes = figure.axes[0]
    inside = axes.transData + axes.transAxes.inverted()
    return [(inside.transform(text.xy), np.array(text.get_position())) for text in axes.texts]


def turn(a, b, c):
    return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def test_no_two_lines_from_names_to_points_cross():
    generator = np.random.default_rng(3)
    count = 24
    rows = board_of(
        label=[f"m{n}" for n in range(count)],
        seconds_per_megapixel=10 ** generator.uniform(-1, 1, count),
        **{"rgb/psnr": generator.uniform(20, 30, count)},
    )
    rows.loc[0, "rgb/psnr"] = np.inf  # has no point
    lines = segments(quality_by_cost(rows).figure)
    assert len(lines) == count - 1
    for i, (a, b) in enumerate(lines):
        for c, d in lines[:i]:
            assert not (turn(a, b, c) != turn(a, b, d) and turn(c, d, a) != turn(c, d, b))


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_names_stand_in_the_order_of_their_points_and_near_them(scale):
    """For the limits of the drawn axes, not for those before scaling, 0 to 1."""
    heights = np.linspace(0.05, 0.25, 9)
    rows = pd.DataFrame({"x": 30 - 40 * heights, "y": heights, "label": list("abcdefghi")})
    axes = Figure().subplots()
    axes.set_xscale(scale)
    axes.plot(rows["x"], rows["y"], "o")
    label_points(axes, rows, "x", "y")
    limits = axes.get_xlim(), axes.get_ylim()
    lines = segments(axes.figure)
    assert (axes.get_xlim(), axes.get_ylim()) == limits
    points, places = (np.array(ends)[:, 1] for ends in zip(*lines, strict=True))
    assert list(np.argsort(points)) == list(np.argsort(places))
    assert np.abs(points - places).max() < 0.1


def test_no_two_lines_of_the_plane_cross():
    generator = np.random.default_rng(5)
    count = 20
    rows = board_of(
        label=[f"m{n}" for n in range(count)],
        method=[f"m{n}" for n in range(count)],
        settings=[{}] * count,
        nfe=1.0,
        **{"rgb/psnr": generator.uniform(20, 26, count)},
    )
    rows[LPIPS] = generator.uniform(0.05, 0.25, count)
    lines = segments(perception_distortion(rows).figure)
    assert len(lines) == count
    for i, (a, b) in enumerate(lines):
        for c, d in lines[:i]:
            assert not (turn(a, b, c) != turn(a, b, d) and turn(c, d, a) != turn(c, d, b))


def test_bars_are_paired_changes_from_the_input(run):
    """The interval is that of the differences: narrower than that of the scores."""
    scores, cards = read_scores(run), read_methods(run)
    table = ScoreTable(scores, cards, read_images(run))
    rows = with_cards(read_board(run).table, cards)
    figure = quality_by_weather(rows, read_changes(run)).figure
    axes = figure.axes[0]
    assert axes.get_xlabel() == "change of PSNR RGB, dB ↑" and axes.get_title() == "rain"
    names = [text.get_text() for text in axes.get_yticklabels()]
    own = scores[(scores["protocol"] == "rgb") & (scores["metric"] == "psnr")]
    own = own[(own["weather"] == "rain") & (own["variant"] == "default")]
    wide = own.pivot(index="image", columns="method", values="value")
    change = wide["regression"] - wide["identity"]
    bar = axes.patches[names.index("regression")]
    assert bar.get_x() == 0 and bar.get_width() == pytest.approx(change.mean())
    rain = next(group for group in table.groups() if group.weather == "rain")
    found = changes(rain, "rgb/psnr", ("identity", "default")).set_index("method").loc["regression"]
    of_rain = rows[(rows["weather"] == "rain") & (rows["method"] == "regression")].iloc[0]
    unpaired = of_rain["rgb/psnr_high"] - of_rain["rgb/psnr_low"]
    assert found["low"] < change.mean() < found["high"] < found["low"] + unpaired
    assert [text.get_text() for text in axes.texts] == [" skipped"]  # dark-channel in rain


@pytest.mark.parametrize("scale", [1, 0.12, 0.06, 0.01])
def test_numbers_of_small_changes_do_not_overlap(run, scale):
    rows, found = with_cards(read_board(run).table, read_methods(run)), read_changes(run)
    numbers = ["change", "low", "high"]
    with drawing_style():
        figure = quality_by_weather(rows, found.assign(**found[numbers] * scale)).figure
        FigureCanvasAgg(figure).draw()
        for axes in figure.axes:
            low, high = axes.get_xlim()
            shown = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
            boxes = [tick.label1.get_window_extent() for tick in shown]
            assert len(boxes) > 1
            assert all(left.x1 + 3 < right.x0 for left, right in pairwise(boxes))


def test_long_titles_have_several_lines():
    figure = Figure(figsize=(4, 3))
    titled(figure, "A title that is much wider than its figure", "", "a-data-set")
    figure.draw_without_rendering()
    title = figure.get_suptitle()
    assert "\n" in title and " ".join(title.split()).endswith("figure · a-data-set")


def test_a_figure_without_data_is_left_out(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("median"), card("b")], side=8)
    (run / "images.csv").unlink()
    write_leaderboard(run)
    names = {path.stem for path in draw_figures(run)}
    # Without a control, there is nothing to compare with.
    assert names == {"quality_by_cost", "perception_distortion", "figures"}


def test_missing_scores_are_named(tmp_path):
    with pytest.raises(UserError, match=r"scores\.csv is missing"):
        draw_figures(tmp_path)

"""The tables of docs/does-diffusion-pay.md: means and differences by level, and their places."""

import re
import subprocess
import sys

import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.report.figures.style import drawing_style
from tests.synthetic_run import add_set_scores, card, make_run
from tools import study

STEPS = {"nfe-1": 1, "nfe-5": 5, "nfe-10": 10}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two weathers, nine photos, three at each level; two budgets."""
    root = tmp_path_factory.mktemp("study")
    run = root / "results" / "study"
    regressions = [
        card(f"{name}-{budget}", gain=gain + budget / 15, steps=1)
        for name, gain in (("unet", 3), ("unet_mse", 2.5), ("unet_lpips", 2))
        for budget in (5, 15)
    ]
    flows = [
        card(f"flow-{budget}", name, gain=budget / 5 - 0.2 * steps, steps=steps)
        for budget in (5, 15)
        for name, steps in STEPS.items()
    ]
    control = card("identity", control=True)
    make_run(run, 9, ("rain", "haze"), [control, *regressions, *flows], side=16)
    images = pd.read_csv(run / "images.csv")
    numbers = images["photo"].str[1:].astype(int)
    images["strength"] = [study.LEVELS[number % 3] for number in numbers]
    images.to_csv(run / "images.csv", index=False)
    _add_sets(run, root / "relabelled")
    study.count_evaluations(run)
    return run


def _add_sets(run, folder):
    """Invented scores of sets, by level: of the images with rain."""
    folder.mkdir()
    images = pd.read_csv(run / "images.csv")
    for name in ("scores.csv", "images.csv"):
        rain = pd.read_csv(run / name).query("weather == 'rain'")
        study.by_level(rain, images).to_csv(folder / name, index=False)
    add_set_scores(folder)
    (folder / "set_scores.csv").rename(run / study.SETS)


@pytest.fixture(scope="module")
def table(run):
    return study.against_regressions(run)


def test_values_and_differences_are_means_over_the_images_of_a_level(run, table):
    assert {*table["level"]} == {*study.LEVELS, "all"}
    assert {*table["metric"]} == {*study.METRICS}
    scores, images = pd.read_csv(run / "scores.csv"), pd.read_csv(run / "images.csv")
    psnr = scores[(scores["protocol"] == "rgb") & (scores["metric"] == "psnr")]
    psnr = psnr.merge(images[["weather", "image", "photo", "strength"]])
    wide = psnr[psnr["strength"] == "heavy"].pivot(
        index=["photo", "weather"], columns=["method", "variant"], values="value"
    )
    for budget in (5, 15):
        own, other = wide[f"flow-{budget}", "nfe-5"], wide[f"unet-{budget}", "default"]
        row = table[
            (table["level"] == "heavy") & (table["metric"] == "rgb/psnr")
            & (table["method"] == "flow") & (table["budget"] == budget) & (table["nfe"] == 5)
        ].squeeze()  # fmt: skip
        assert row["value"] == pytest.approx(own.mean())
        assert row["unet"] == pytest.approx((own - other).mean())
        assert row["unet_low"] < row["unet"] < row["unet_high"]
        mse = wide[f"unet_mse-{budget}", "default"]
        assert row["unet_mse"] == pytest.approx((own - mse).mean())


def test_differences_of_sets_have_the_interval_of_the_jackknife(run, table):
    sets = pd.read_csv(run / study.SETS, keep_default_na=False)
    heavy = sets[sets["weather"] == "heavy"].set_index(["method", "variant", "left_out"])["value"]
    difference = heavy["flow-15", "nfe-1"] - heavy["unet-15", "default"]
    without = difference.drop("")
    pseudo = difference[""] - (len(without) - 1) * (without - without.mean())
    low, high = stats.t.interval(0.95, len(pseudo) - 1, pseudo.mean(), stats.sem(pseudo))
    row = table[
        (table["level"] == "heavy") & (table["metric"] == study.METRICS[2])
        & (table["method"] == "flow") & (table["budget"] == 15) & (table["nfe"] == 1)
    ].squeeze()  # fmt: skip
    assert (row["unet"], row["unet_low"], row["unet_high"]) == pytest.approx(
        (difference[""], low, high)
    )


def test_a_regression_does_not_differ_from_itself(table):
    own = table[table["method"] == "unet"]
    assert own["unet"].isna().all() and own["unet_mse"].notna().all()


def test_figures_have_a_line_for_each_regression_and_a_point_for_each_result(table):
    with drawing_style():
        steps, levels = study.draw_steps(table, "heavy"), study.draw_levels(table)
        budgets = study.draw_budgets(table, "heavy")
    named = {text.get_text() for text in steps.legends[0].get_texts()}
    assert named == {"flow", *(f"regression {name}" for name in ("unet", "unet_mse", "unet_lpips"))}
    assert len(levels.axes) == 9 and len(budgets.axes) == 3


def test_a_run_with_fewer_regressions_has_a_line_for_those_it_has(run, table):
    alone = table[table["budget"].eq(15) & ~table["method"].isin(["unet_mse", "unet_lpips"])]
    with drawing_style():
        steps = study.draw_steps(alone, "heavy")
    named = {text.get_text() for text in steps.legends[0].get_texts()}
    assert named == {"flow", "regression unet"}
    assert {len(axes.lines) for axes in steps.axes} == {2}


def test_the_page_and_all_its_tables_and_figures_are_made(run, table, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    marks = [
        f"<!-- {end}table of study, {at} -->" for at in study.LEVELS for end in ("", "end of ")
    ]
    page.write_text("\n".join(marks))
    monkeypatch.setattr(study, "PAGE", page)
    monkeypatch.setattr(study, "FIGURES", tmp_path)
    longer = run.parent / "study_longest" / study.BY_LEVEL
    longer.parent.mkdir()
    table.assign(budget=120).to_csv(longer, index=False)
    drawn = []
    monkeypatch.setattr(study, "draw_budgets", lambda rows, level: drawn.append(rows) or Figure())
    study.draw_page(run)
    assert {*drawn[0]["budget"]} == {5, 15, 120}
    assert page.read_text().count("| flow, 15 min |") == 3 * len(STEPS)
    pd.testing.assert_frame_equal(pd.read_csv(run / "by_level.csv"), table, check_dtype=False)
    made = {path.name for path in tmp_path.glob("*.png")}
    assert made == {"study_steps.png", "study_levels.png", "study_budgets.png"}


def test_the_figure_of_the_budgets_has_the_longer_runs_too(table):
    shorter = table[(table["level"] == "heavy") & table["method"].eq("flow")]
    longer = shorter[shorter["budget"] == 15].assign(budget=45, unet=7.0)
    alone = longer[longer["nfe"] == 1].assign(nfe=0.5)  # at one budget: no line
    longer = pd.concat([longer, alone])
    with drawing_style():
        figure = study.draw_budgets(pd.concat([table, longer]), "heavy")
    for axes in figure.axes:
        assert [text.get_text() for text in axes.get_xticklabels()] == ["5", "15", "45"]
        drawn = [container.lines[0].get_ydata() for container in axes.containers]
        assert len(drawn) == 2  # one evaluation, and five
        assert all(len(values) == 3 and values[-1] == 7.0 for values in drawn)


def test_an_image_without_level_is_named(run):
    images = pd.read_csv(run / "images.csv").assign(strength="")
    with pytest.raises(UserError, match="strength must be light, medium, heavy"):
        study.by_level(images, images)


def test_tables_come_into_their_places_and_again(table, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setattr(study, "PAGE", page)
    page.write_text("before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n")
    for _ in range(2):
        study.write_page({"a": "| new |"})
        lines = "before\n<!-- a -->\n\n| new |\n\n<!-- end of a -->\nafter\n"
        assert page.read_text() == lines
    with pytest.raises(UserError, match="add '<!-- b -->'"):
        study.write_page({"b": ""})
    rows = study.markdown(table, "heavy").splitlines()
    assert len(rows) == 2 + len(table[(table["level"] == "heavy")]) / 3


def test_restored_images_are_needed_for_sets(tmp_path, run):
    (tmp_path / "images.csv").write_bytes((run / "images.csv").read_bytes())
    with pytest.raises(UserError, match="no restored images; make the run again"):
        study.score_levels(tmp_path)


def test_the_page_says_how_to_call_it():
    page = study.PAGE.read_text(encoding="utf-8")
    calls = re.findall(r"^ +\.venv/bin/python (.*tools.*?)(?: *#.*)?$", page, re.M)
    assert len(calls) == 10
    for call in calls:
        command = [sys.executable, *call.split(), "--help"]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)

"""Photographs without ground truth, alone and beside pairs, from the card to the report."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark.cli import runs, workflow, workflow_board, workflow_setup
from benchmark.core import paths
from benchmark.core.image_io import write_png
from benchmark.data import cards as datasets
from benchmark.jobs import restore, score
from benchmark.results.schema import NO_TARGET, OK, SKIPPED

METHODS = ("identity", "oracle", "dark_channel", "directional_opening")
UNPAIRED = {"input": "{weather}/{photo}.{suffix}"}
PAIRED = {**UNPAIRED, "target": "clear/{photo}.{suffix}"}


def write_card(folder, name, path, split):
    card = {
        "title": name,
        "path": str(path),
        "weathers": ["haze"],
        "splits": {"test": split},
        "train": "trained/*.png",
        "licence": "none",
        "source": "made here",
        "citation": "none",
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(card))


@pytest.fixture(scope="module", params=[("real",), ("pairs", "real")], ids=["alone", "both"])
def run(request, tmp_path_factory):
    """A run through all verbs; `real` has no ground truth, `pairs` has."""
    root = tmp_path_factory.mktemp("unpaired")
    photos, cards = root / "photos", root / "cards"
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :192]
    for i, folder in enumerate(("clear", "clear", "trained")):
        clear = 120 + 60 * np.sin(x / (5 + 20 * i) + y / 9) + rng.normal(0, 8, x.shape)
        clear = np.clip(clear, 0, 255)[..., None] * [1, 0.9, 0.7]
        write_png(photos / folder / f"{i}.png", clear.astype(np.uint8))
        if folder == "clear":
            write_png(photos / "haze" / f"{i}.png", (0.5 * clear + 110).astype(np.uint8))
    cards.mkdir()
    write_card(cards, "real", photos, UNPAIRED)
    write_card(cards, "pairs", photos, PAIRED)
    config = {
        "name": "small",
        "train_on": "pairs",
        "datasets": {name: {} for name in request.param},
        "protocols": ["rgb", "no-reference"],
        "methods": dict.fromkeys(METHODS),
        "discover": False,
    }
    (root / "small.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(restore, "ROOT", root)
        patch.setattr(score, "ROOT", root)
        patch.setattr(paths, "results", lambda: Path("results"))
        patch.setattr(datasets, "CARDS", cards)
        go_through(root / "small.yaml", request.param)
    return root / "results" / "small"


def go_through(config, names):
    workflow_setup.check(config)
    workflow_setup.images(config)
    for name in names:
        for method in METHODS:
            workflow.restore_dataset(method, "default", name, 0, config)
            workflow.score_dataset(method, name, 0, config)
    workflow_board.collect(config)
    folder = config.parent / "results" / "small"
    for verb in (workflow_board.leaderboard, workflow_board.figures, workflow_board.report):
        verb(folder)
    runs.show("all", config)


def test_scores_have_the_metrics_that_need_no_target(run):
    scores = pd.read_csv(run / "scores.csv", keep_default_na=False)
    real = scores[scores.dataset == "real"].set_index(["method", "protocol"])
    assert set(real.loc["oracle"].reason) == {NO_TARGET}
    assert set(real.loc["directional_opening"].reason) == {"not made for haze"}
    for method in ("identity", "dark_channel"):
        assert set(real.loc[(method, "no-reference"), "status"]) == {OK}
        assert set(real.loc[(method, "rgb"), "reason"]) == {NO_TARGET}
    pairs = scores[(scores.dataset == "pairs") & (scores.method != "directional_opening")]
    assert set(pairs.status) <= {OK}


def test_the_board_ranks_by_the_metrics_available(run):
    board = pd.read_csv(run / "leaderboard.csv").set_index(["dataset", "weather", "method"])
    real = board.loc["real", "all"]
    assert dict(real.status) == {
        "identity": OK,
        "dark_channel": OK,
        "oracle": SKIPPED,
        "directional_opening": SKIPPED,
    }
    assert real.loc["dark_channel", ["no-reference/niqe", "no-reference/piqe"]].notna().all()
    assert real["rgb/psnr"].isna().all()
    if "pairs" in board.index:
        assert board.loc["pairs", "all"].loc["dark_channel", "rgb/psnr"] > 0
    assert "NIQE" in (run / "leaderboard.md").read_text()


def test_figures_and_report_need_no_target(run):
    drawn = {path.name for path in (run / "figures" / "real").iterdir()}
    assert {"quality_by_cost.svg", "quality_by_weather.svg", "images.png"} <= drawn
    page = (run / "report" / "images" / "real--haze--0.html").read_text()
    assert "best NIQE first" in page and ">target<" not in page and "PIQE" in page
    pages = list((run / "report" / "images").glob("pairs--*.html"))
    assert all(
        "best PSNR first" in page.read_text() and ">target<" in page.read_text() for page in pages
    )

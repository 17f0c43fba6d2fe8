"""Scores of folders and runs: every image and metric has a row, with a reason if not scored."""

import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image, write_png
from benchmark.results import schema
from benchmark.results.layout import RESTORED
from benchmark.scoring import folder_pairs
from benchmark.scoring import score as score_module
from benchmark.scoring.metrics import LPIPS_WEIGHTS, METRIC, metrics_of
from benchmark.scoring.score import (
    Absent,
    problems,
    refuse_changed,
    score_images,
    score_pair,
    score_pairs,
    score_restored,
)


def score_folder(restored, target, protocols=None):
    pair_up = folder_pairs.by_stem if target else folder_pairs.without_targets
    pairs = pair_up(*filter(None, (restored, target)))
    return score_pairs(pairs, protocols)


PIXELS = ["rgb", "y-matlab"]
ODD_NAMES = ("with space", "-dash", "quo'te\"s", "new\nline", "雪", "a.b", "001", "NA")


def picture(seed: int, height=33, width=40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    restored, target = tmp_path / "restored", tmp_path / "target"
    for i, name in enumerate(("a", "b", "c")):
        write_png(restored / f"{name}.png", picture(i))
        write_png(target / f"{name}.png", picture(100 + i))
    return restored, target


def test_a_row_an_image_and_metric(folders):
    scores = score_folder(*folders, PIXELS)
    assert tuple(scores.columns) == schema.FOLDER_SCORES
    assert list(scores.image) == [name for name in "abc" for _ in range(4)]
    assert list(scores.metric[:4]) == ["psnr", "ssim", "psnr", "ssim"]
    assert set(scores.status) == {schema.OK} and set(scores.reason) == {""}
    assert problems(scores) == []
    pair = score_pair(picture(1), picture(101), metrics_of(PIXELS))
    assert list(scores.value[4:8]) == [row["value"] for row in pair]


@pytest.mark.skipif(not LPIPS_WEIGHTS.is_file(), reason="no LPIPS backbone: run 'dvc pull'")
def test_scores_do_not_depend_on_the_other_images(folders):
    together = score_folder(*folders)
    for folder in folders:
        (folder / "a.png").unlink()
        (folder / "c.png").unlink()
    alone = score_folder(*folders)
    np.testing.assert_array_equal(together[together.image == "b"].value, alone.value)
    assert len(alone) == len(metrics_of())


def test_an_image_that_cannot_be_scored_has_a_reason(folders):
    restored, target = folders
    write_png(restored / "only restored.png", picture(5))
    write_png(target / "only target.png", picture(5))
    write_png(restored / "b.png", picture(1, 33, 39))
    (restored / "c.png").write_text("not an image")
    write_png(restored / "same.png", picture(6))
    write_png(target / "same.png", picture(6))
    write_png(restored / "tiny.png", picture(7, 1, 1))
    write_png(target / "tiny.png", picture(8, 1, 1))
    scores = score_folder(*folders, ["rgb"]).set_index(["image", "metric"])
    reasons = {
        ("b", "psnr"): "restored is 39x33, target is 40x33",
        ("c", "ssim"): "c.png' is not an image",
        ("only restored", "psnr"): "no target for 'only restored.png'",
        ("only target", "psnr"): "no restored image",
        ("tiny", "ssim"): "SSIM needs 11x11 pixels, the image has 1x1",
    }
    for key, reason in reasons.items():
        assert reason in scores.loc[key, "reason"]
        assert scores.loc[key, "status"] == schema.FAILED
        assert math.isnan(scores.loc[key, "value"])
    assert scores.loc[("same", "psnr"), "value"] == math.inf
    assert scores.loc[("same", "ssim"), "value"] == 1
    assert scores.loc[("tiny", "psnr"), "status"] == schema.OK
    assert scores.status.isin(schema.STATUSES).all()
    assert len(problems(scores.reset_index())) == 5


def test_missing_weights_are_a_status(folders, tmp_path, weights_in):
    for folder in folders:
        for i, name in enumerate("abc"):
            write_png(folder / f"{name}.png", picture(i, 96, 192))
    weights_in(tmp_path)
    scores = score_folder(*folders)
    missing = scores[scores.metric.isin(["lpips", "niqe"])]
    assert set(missing.status) == {schema.WEIGHTS_MISSING}
    assert missing.reason.str.contains("dvc pull").all() and missing.value.isna().all()
    assert set(scores[~scores.index.isin(missing.index)].status) == {schema.OK}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        cv2.error("alloc.cpp: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
    ],
)
def test_too_little_memory_is_a_status_of_its_metric(folders, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(METRIC["rgb/ssim"].__class__, "__call__", full)
    scores = score_folder(*folders, protocols=["rgb"])
    scored = scores[scores.reason.str.startswith("scoring: ")]
    assert len(scored) and set(scored.status) == {schema.OUT_OF_MEMORY}


def test_too_little_memory_for_an_image_is_a_status(folders, monkeypatch):
    def full(path):
        raise MemoryError("no room")

    monkeypatch.setattr(score_module, "read_image", full)
    scores = score_folder(*folders, protocols=["rgb"])
    paired = scores[scores.reason == "scoring: no room"]
    assert len(paired) and set(paired.status) == {schema.OUT_OF_MEMORY}


def test_another_fault_of_a_metric_stops_the_scoring(folders, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(METRIC["rgb/ssim"].__class__, "__call__", broken)
    with pytest.raises(ZeroDivisionError):
        score_folder(*folders, protocols=["rgb"])


def test_a_backbone_of_another_kind_stops_the_scoring(folders, tmp_path, weights_in):
    weights_in(tmp_path)
    (tmp_path / LPIPS_WEIGHTS.name).write_text("text")
    with pytest.raises(UserError, match=LPIPS_WEIGHTS.name):
        score_folder(*folders)


def test_nothing_to_pair_is_an_error(folders, tmp_path):
    restored, target = folders
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="empty' holds no images"):
        score_folder(empty, target)
    with pytest.raises(UserError, match="no folder"):
        score_folder(tmp_path / "nowhere", target)
    with pytest.raises(UserError, match=r"protocol 'rbg'.*'rgb'"):
        score_folder(restored, target, ["rbg"])
    shutil.copy(target / "a.png", target / "a.tif")
    with pytest.raises(UserError, match=r"a\.png.*a\.tif.*same stem"):
        score_folder(restored, target)


def test_odd_names_and_other_suffixes_pair_and_survive_csv(tmp_path):
    from PIL import Image

    for i, name in enumerate(ODD_NAMES):
        write_png(tmp_path / "r" / f"{name}.png", picture(i))
        (tmp_path / "t").mkdir(exist_ok=True)
        Image.fromarray(picture(i)).save(tmp_path / "t" / f"{name}.BMP")
    scores = score_folder(tmp_path / "r", tmp_path / "t", ["rgb"])
    assert set(scores.image) == set(ODD_NAMES)
    assert set(scores[scores.metric == "psnr"].value) == {math.inf}
    scores.to_csv(tmp_path / "s.csv", index=False)
    again = pd.read_csv(tmp_path / "s.csv", dtype={"image": str}, keep_default_na=False)
    assert list(again.image) == list(scores.image) and list(again.value) == list(scores.value)


def test_pairs_keep_their_key_columns_and_their_status(tmp_path):
    write_png(tmp_path / "x.png", picture(1))
    gone = Absent(schema.OUT_OF_MEMORY, "too large")
    scores = score_images(
        [({"image": "x", "seed": 1}, tmp_path / "x.png", tmp_path / "x.png"),
         ({"image": "y", "seed": 2}, gone, tmp_path / "x.png")],
        metrics_of(["rgb"]),
    )  # fmt: skip
    assert list(scores.columns[:2]) == ["image", "seed"]
    assert list(scores.status) == [schema.OK] * 2 + [schema.OUT_OF_MEMORY] * 2
    assert list(scores.reason[2:]) == ["too large"] * 2


def run_tables(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A run of two images, of which the second could not be restored."""
    key = {"dataset": "d", "weather": "rain", "method": "m", "variant": "v", "seed": 0}
    write_png(root / "out" / "one.png", picture(1))
    write_png(root / "data" / "one.png", picture(2))
    key = dict.fromkeys(RESTORED, "") | key
    restored = pd.DataFrame([
        key | {"image": "one", "file": "out/one.png", "status": schema.OK, "reason": ""},
        key | {"image": "two", "status": schema.SKIPPED, "reason": "not made"},
    ])  # fmt: skip
    images = pd.DataFrame([
        {"dataset": "d", "weather": "rain", "image": name, "target": f"data/{name}.png"}
        for name in ("one", "two")
    ])  # fmt: skip
    return restored, images


def test_a_run_is_scored_row_by_row(tmp_path):
    restored, images = run_tables(tmp_path)
    scores = score_restored(restored, images, tmp_path, ["rgb"])
    assert tuple(scores.columns) == schema.SCORES
    assert list(scores.status) == [schema.OK] * 2 + [schema.SKIPPED] * 2
    own = score_pair(read_image(tmp_path / "out/one.png"), picture(2), metrics_of(["rgb"]))
    assert list(scores.value[:2]) == [row["value"] for row in own]
    with pytest.raises(UserError, match=r"images\.csv has no d/rain/two"):
        score_restored(restored, images[:1], tmp_path, ["rgb"])


def test_a_protocol_scores_the_file_that_it_asks_for(tmp_path):
    restored, images = run_tables(tmp_path)
    write_png(tmp_path / "out/truncated/one.png", picture(3))
    restored.loc[0, "truncated_file"] = "out/truncated/one.png"
    names = ["y-matlab", "prenet", "weatherbench"]
    scores = score_restored(restored, images, tmp_path, names).set_index(["image", "protocol"])
    for protocol, file in (("y-matlab", "one.png"), ("prenet", "truncated/one.png")):
        own = score_pair(read_image(tmp_path / "out" / file), picture(2), metrics_of([protocol]))
        assert list(scores.loc[("one", protocol), "value"]) == [row["value"] for row in own]
    assert set(scores.loc[("one", "weatherbench"), "reason"]) == {
        "not stored as jpeg: restore again"
    }
    assert set(scores.loc["two", "reason"]) == {"not made"}
    given = score_restored(restored, images, tmp_path, names, as_given=True)
    psnr = given[given.metric == "psnr"].set_index("protocol").value
    assert psnr["prenet"].iloc[0] == psnr["y-matlab"].iloc[0]


@pytest.mark.parametrize("column", ["", "jpeg_"])
def test_an_image_that_was_changed_since_is_not_scored(tmp_path, column):
    restored, _ = run_tables(tmp_path)
    write_png(tmp_path / "jpeg.png", picture(1))
    file = tmp_path / ("jpeg.png" if column else "out/one.png")
    restored.loc[0, [f"{column}file", f"{column}sha256"]] = [str(file), checksum(file)]
    restored.loc[0, "sha256"] = checksum(tmp_path / "out/one.png")
    assert refuse_changed(restored, tmp_path).equals(restored)
    write_png(file, picture(3))
    changed = refuse_changed(restored, tmp_path)
    assert list(changed.status) == [schema.FAILED, schema.SKIPPED]
    assert changed.reason[0] == "the image changed after it was restored"


def test_without_ground_truth_only_metrics_that_need_none_are_taken(tmp_path):
    restored, images = run_tables(tmp_path)
    scores = score_restored(restored, images.assign(target=""), tmp_path, ["rgb", "no-reference"])
    own = scores[scores.image == "one"].set_index("metric")
    for metric in ("psnr", "ssim"):
        assert own.loc[metric, ["status", "reason"]].tolist() == [
            schema.SKIPPED,
            schema.NO_TARGET,
        ]
    assert own.loc["piqe", "status"] == schema.OK and own.loc["piqe", "value"] > 0
    assert own.loc["niqe", "reason"].startswith("NIQE needs two blocks")
    assert set(scores[scores.image == "two"].reason) == {"not made"}


def test_a_bad_target_leaves_the_metrics_that_need_none(folders):
    restored, target = folders
    write_png(target / "a.png", picture(1, 20, 20))
    (target / "b.png").write_text("not an image")
    scores = score_folder(restored, target, ["rgb", "no-reference"]).set_index(["image", "metric"])
    for image, reason in (("a", "never resized"), ("b", "not an image")):
        assert scores.loc[(image, "psnr"), "status"] == schema.FAILED
        assert reason in scores.loc[(image, "psnr"), "reason"]
        assert scores.loc[(image, "piqe"), "status"] == schema.OK


def test_a_folder_without_targets(folders, tmp_path):
    scores = score_folder(folders[0], None, ["rgb", "no-reference"])
    assert set(scores[scores.metric == "psnr"].reason) == {schema.NO_TARGET}
    assert set(scores[scores.metric == "piqe"].status) == {schema.OK}
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        score_folder(tmp_path / "empty", None)

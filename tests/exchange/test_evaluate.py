"""A module, a function or a method is scored as a run scores it."""

import numpy as np
import pytest
import torch
import yaml

from benchmark import UserError, evaluate
from benchmark.core.image_io import write_png
from benchmark.data import cards
from benchmark.scoring.metrics import metrics_of
from benchmark.scoring.score import score_pair
from benchmark.spec import registry

RGB = {"protocols": ["rgb"]}
METRICS = metrics_of(["rgb"])


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    """A data set `mine` of two pairs; returns (degraded, target), uint8, by name."""
    images = {}
    for number, name in enumerate(("a", "b")):
        random = np.random.default_rng(number)
        images[name] = tuple(random.integers(0, 256, (2, 16, 24, 3), dtype=np.uint8))
        for role, pixels in zip(("input", "target"), images[name], strict=True):
            write_png(tmp_path / "set" / role / f"{name}.png", pixels)
    card = {
        "title": "Mine", "path": str(tmp_path / "set"), "weathers": ["rain"], "licence": "MIT",
        "source": "made up", "citation": "none",
        "splits": {"test": {"input": "input/{photo}.png", "target": "target/{photo}.png"}},
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(card))
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    return images


def darker(x):
    return x / 2


@pytest.mark.parametrize("model", [torch.nn.Identity(), lambda x: x, registry.load("identity")()])
def test_scores_are_those_of_the_saved_images(pairs, model):
    scores = evaluate(model, "mine", **RGB)
    assert set(scores.status) == {"ok"} and list(scores.image) == ["a", "a", "b", "b"]
    for name, (degraded, target) in pairs.items():
        wanted = {row["metric"]: row["value"] for row in score_pair(degraded, target, METRICS)}
        rows = scores[scores.image == name]
        assert dict(zip(rows.metric, rows.value, strict=True)) == wanted


def test_images_are_kept_as_a_submission_has_them(pairs, tmp_path):
    evaluate(darker, "mine", limit=1, out=tmp_path / "out", **RGB)
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("out/**/*.png")] == [
        "out/mine/rain/a.png"
    ]


def test_a_module_is_evaluated_in_evaluation_mode(pairs):
    dropout = torch.nn.Sequential(torch.nn.Dropout(0.9)).train()
    same, kept = evaluate(dropout, "mine", **RGB), evaluate(torch.nn.Identity(), "mine", **RGB)
    assert same.value.equals(kept.value)


def test_a_learned_method_keeps_the_weights_that_it_has(pairs):
    kind = registry.load("regression")
    method = kind(kind.Parameters(network={"width": 8, "multipliers": (1, 2), "blocks": 1}))
    torch.nn.init.constant_(method.network.leave.bias, 2)  # adds so much that all becomes white
    scores = evaluate(method, "mine", **RGB)
    white = np.full((16, 24, 3), 255, np.uint8)
    (wanted, *_) = score_pair(white, pairs["a"][1], METRICS)
    assert scores.value[0] == pytest.approx(wanted["value"])


@pytest.mark.parametrize(
    ("model", "reason"),
    [(lambda x: x * 255, "divide them by 255"), (lambda x: x[..., :4], "shapes must be equal")],
)
def test_a_model_that_fails_has_a_reason_for_each_image(pairs, model, reason):
    scores = evaluate(model, "mine", **RGB)
    assert set(scores.status) == {"failed"} and scores.value.isna().all()
    assert scores.reason.str.contains(reason).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_set": "mien"}, "Did you mean 'mine'"),
        ({"split": "tset"}, "no split 'tset'"),
        ({"weathers": ("snow",)}, "no weather 'snow'"),
        ({"protocols": ["rbg"]}, "rgb"),
    ],
)
def test_what_is_not_there_is_named_before_the_work(pairs, options, message):
    def called(x):
        raise AssertionError("restored before the options were checked")

    with pytest.raises(UserError, match=message):
        evaluate(called, **{"data_set": "mine", **options})

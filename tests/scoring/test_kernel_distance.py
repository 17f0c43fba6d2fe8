"""The kernel distance of sets: against loops, torchmetrics, closed forms, and its invariances."""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.results import schema
from benchmark.scoring.metrics import LPIPS_WEIGHTS, UndefinedMetric, metrics_of, set_metrics_of
from benchmark.scoring.metrics import kernel_distance as kd
from benchmark.scoring.score_sets import left_out_groups, score_sets

NAME = "kernel-distance-alex"


def sets(seed=0, photos=5, width=7, patches=(1, 2, 3)):
    """Features of two sets, of photos with different numbers of patches."""
    rng = np.random.default_rng(seed)
    shapes = [(patches[p % len(patches)], width) for p in range(photos)]
    return [[rng.normal(size=shape) for shape in shapes] for _ in range(2)]


def by_loops(x, y) -> float:
    """MMD² over all pairs of patches of different photos, with the kernel written out."""
    total, count = 0.0, 0
    for p, q in product(range(len(x)), repeat=2):
        if p == q:
            continue
        for (a, c), (b, d) in product(zip(x[p], y[p], strict=True), zip(x[q], y[q], strict=True)):
            terms = [(float(np.dot(u, v)) + 1) ** 3 for u, v in ((a, b), (c, d), (a, d), (c, b))]
            total += terms[0] + terms[1] - terms[2] - terms[3]
            count += 1
    return total / count


def test_equals_loops_over_all_pairs_and_photos_left_out():
    x, y = sets()
    score = kd.kernel_distance(x, y)
    assert score.value == pytest.approx(by_loops(x, y), rel=1e-12)
    for p, value in enumerate(score.left_out):
        rest = [q for q in range(len(x)) if q != p]
        expected = by_loops([x[q] for q in rest], [y[q] for q in rest])
        assert value == pytest.approx(expected, rel=1e-10)


def test_equals_torchmetrics_but_for_the_pairs_of_one_photo():
    """KID's cross term has the pairs of one index too; here they are of one photo."""
    kid = pytest.importorskip("torchmetrics.image.kid")
    import torch

    x, y = (np.concatenate(one) for one in sets(1, photos=9, patches=(1,)))
    theirs = kid.poly_mmd(torch.from_numpy(x), torch.from_numpy(y), degree=3, gamma=1.0, coef=1.0)
    cross = (x @ y.T + 1) ** 3
    off = (cross.sum() - np.trace(cross)) / (9 * 8)
    ours = kd.kernel_distance(x[:, None], y[:, None]).value
    assert ours == pytest.approx(theirs.item() + 2 * cross.mean() - 2 * off, rel=1e-10)


def test_gaussians_have_the_closed_form():
    """In one dimension (ab + 1)³ compares the first three moments: 3 Δ₁² + 3 Δ₂² + Δ₃²."""
    rng, photos = np.random.default_rng(2), 1500
    moments = [(m, m**2 + s**2, m**3 + 3 * m * s**2) for m, s in ((0.3, 0.5), (0.5, 0.3))]
    d1, d2, d3 = (a - b for a, b in zip(*moments, strict=True))
    expected = 3 * d1**2 + 3 * d2**2 + d3**2
    x, y = rng.normal(0.3, 0.5, (photos, 1, 1)), rng.normal(0.5, 0.3, (photos, 1, 1))
    value, left_out = kd.kernel_distance(x, y)
    error = np.sqrt((photos - 1) / photos * ((left_out - left_out.mean()) ** 2).sum())
    assert abs(value - expected) < 4 * error
    assert error < 0.25 * expected


def test_one_distribution_gives_zero_on_average_and_values_below_zero():
    values = []
    for seed in range(200):
        x, y = sets(seed, photos=8, width=3)
        values.append(kd.kernel_distance(x, y).value)
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_equal_sets_give_zero_and_order_does_not_count():
    x, y = sets(3)
    assert kd.kernel_distance(x, x).value == pytest.approx(0, abs=1e-12)
    order = [3, 0, 4, 2, 1]
    moved = kd.kernel_distance([x[p][::-1] for p in order], [y[p] for p in order])
    assert moved.value == pytest.approx(kd.kernel_distance(x, y).value, rel=1e-12)
    swapped = kd.kernel_distance(y, x)
    assert swapped.value == pytest.approx(kd.kernel_distance(x, y).value, rel=1e-12)


def test_two_photos_have_a_value_but_none_without_a_photo():
    value, left_out = kd.kernel_distance(*sets(photos=2))
    assert math.isfinite(value) and np.isnan(left_out).all()
    with pytest.raises(UndefinedMetric, match="differ in size"):
        kd.kernel_distance([np.ones((2, 3))] * 2, [np.ones((1, 3))] * 2)


def noise(seed, height=64, width=64):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_features_are_of_a_grid_in_the_middle():
    image = noise(0, 70, 135)  # 3 pixels above and 3 at the left are outside
    features = kd.patch_features(image, LPIPS_WEIGHTS)
    assert features.shape == (2, 1152) and features.dtype == np.float64
    first, second = image[3:67, 3:67], image[3:67, 67:131]
    for row, patch in zip(features, (first, second), strict=True):
        assert row == pytest.approx(kd.patch_features(patch, LPIPS_WEIGHTS)[0], abs=1e-6)
    assert ((features**2).sum(axis=1) <= 1 + 1e-6).all()  # so that k is in [1, 8]
    with pytest.raises(UndefinedMetric, match="64x63"):
        kd.patch_features(noise(0, 63, 64), LPIPS_WEIGHTS)


def test_features_are_those_of_lpips():
    """LPIPS of two images is the mean of squared differences of the same unit activations."""
    import torch

    from benchmark.scoring.metrics.perceptual import lpips_network, to_tensor

    network, image = lpips_network(LPIPS_WEIGHTS), noise(1)
    with torch.inference_mode():
        layers = network.net(network.scaling_layer(to_tensor(image)))
    means = []
    for layer in (each[0].double().numpy() for each in layers):
        units = layer / (np.sqrt((layer**2).sum(axis=0)) + 1e-10)
        means.append(units.mean(axis=(1, 2)) / np.sqrt(5))
    expected = np.concatenate(means)
    assert kd.patch_features(image, LPIPS_WEIGHTS)[0] == pytest.approx(expected, abs=1e-6)


def test_large_sets_use_fewer_patches_of_each_image(monkeypatch):
    monkeypatch.setattr(kd, "MOST_PATCHES", 20)
    image = noise(2, 64, 64 * 5)
    every = kd.patch_features(image, LPIPS_WEIGHTS, images=4)
    assert len(every) == 5
    assert kd.patch_features(image, LPIPS_WEIGHTS, images=10) == pytest.approx(
        every[[1, 3]], abs=1e-6
    )
    assert kd.patch_features(image, LPIPS_WEIGHTS, images=1000) == pytest.approx(
        every[[2]], abs=1e-6
    )
    photos = [f"p{n:04d}" for n in range(1001)]
    groups = left_out_groups(photos)
    assert len(set(groups.values())) == 200 and groups["p0000"] == "p0000 … p0005"
    assert left_out_groups("ab") == {"a": "a", "b": "b"}


def test_protocols_of_sets_are_apart_from_those_of_images():
    assert {m.protocol.name for m in metrics_of(["rgb", NAME])} == {"rgb"}
    assert [m.key for m in set_metrics_of(["rgb", NAME])] == [f"{NAME}/kernel-distance"]
    with pytest.raises(UserError, match="None of these protocols scores images: add one"):
        metrics_of([NAME])
    with pytest.raises(UserError, match=f"Did you mean '{NAME}'"):
        set_metrics_of(["kernel-distance-ales"])


@pytest.fixture
def tables(tmp_path):
    """Three photos in two weathers: restored images and rows of images.csv."""
    return make_tables(tmp_path, "abc")


def make_tables(tmp_path, photos):
    restored, images = [], []
    for number, photo in enumerate(photos):
        write_png(tmp_path / f"{photo}.png", noise(number))
        for weather in ("rain", "haze"):
            name = {"dataset": "set", "weather": weather, "image": photo}
            file = f"{weather}-{photo}.png"
            write_png(tmp_path / file, noise(number) // (2 if weather == "haze" else 1))
            restored.append({**name, "method": "m", "variant": "v", "seed": "0", "file": file,
                             "status": "ok", "reason": ""})  # fmt: skip
            images.append({**name, "photo": photo, "target": f"{photo}.png"})
    return pd.DataFrame(restored), pd.DataFrame(images), tmp_path


def test_a_row_for_each_set_and_one_without_each_photo(tables):
    scores = score_sets(*tables, ["rgb", NAME])
    assert tuple(scores.columns) == schema.SET_SCORES
    assert list(scores.weather) == ["rain"] * 4 + ["haze"] * 4
    assert list(scores.left_out) == ["", "a", "b", "c"] * 2
    assert scores.value[:4].tolist() == pytest.approx([0] * 4, abs=1e-9)  # equal to the targets
    assert (scores.value[4:] > 1e-4).all() and set(scores.status) == {"ok"}


def test_photos_are_left_out_with_the_same_others_in_every_weather(tmp_path, monkeypatch):
    """Else the groups of two weathers would count as independent of each other on a board."""
    monkeypatch.setattr("benchmark.scoring.score_sets.MOST_LEFT_OUT", 4)
    restored, images, root = make_tables(tmp_path, "abcdefgh")

    def left_out(of_haze):
        part = [
            t[t["weather"].eq("rain") | t["image"].isin([*of_haze])] for t in (restored, images)
        ]
        scores = score_sets(*part, root, [NAME])
        assert {*scores.status} == {"ok"}
        return [[*scores.left_out[scores.weather == weather]][1:] for weather in ("rain", "haze")]

    pairs = ["a … b", "c … d", "e … f", "g … h"]
    assert left_out("bcdefgh") == [pairs, pairs]
    assert left_out("cdefgh") == [pairs, pairs[1:]]
    assert left_out("ab") == [pairs, []]  # one group: each photo is one, and one alone has no value


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"status": "out-of-memory", "reason": "too large"}, "out-of-memory", "1 of 3 images"),
        ({"file": "small.png"}, "failed", "a patch has 64x64 pixels"),
        ({"file": "wide.png"}, "failed", "differ in size"),
        ({"file": "nowhere.png"}, "failed", "nowhere.png"),
        ({"target": ""}, "skipped", schema.NO_TARGET),
        ({"photo": "a"}, "failed", "images of two photos"),
    ],
)
def test_a_set_that_cannot_be_scored_has_a_reason(tables, change, status, reason):
    restored, images, root = tables
    write_png(root / "small.png", noise(0, 32, 32))
    write_png(root / "wide.png", noise(0, 64, 128))
    where = restored.weather == "rain"
    if "photo" not in change:
        where &= restored.image == "b"
    for table in (restored, images):
        for name in table.columns.intersection([*change]):
            table.loc[where, name] = change[name]
    scores = score_sets(restored, images, root, [NAME])
    (row,) = scores[scores.weather == "rain"].itertuples()
    assert (row.status, row.left_out) == (status, "") and reason in row.reason
    assert math.isnan(row.value)
    assert len(scores[scores.weather == "haze"]) == 4


def test_missing_weights_are_a_status(tables, tmp_path, weights_in):
    weights_in(tmp_path / "none")
    scores = score_sets(*tables, [NAME])
    assert set(scores.status) == {"weights-missing"} and len(scores) == 2

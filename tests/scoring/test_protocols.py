"""Papers' protocols and pyiqa's metrics against independent code and official values."""

import csv
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark.board.format import value_text
from benchmark.board.score_table import METRICS as BOARD_METRICS
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.image_io import image_files, read_image
from benchmark.core.storage import JPEG, ROUNDED, TRUNCATED
from benchmark.scoring.metrics import (
    METRIC,
    NIQE_WEIGHTS,
    PROTOCOLS,
    UndefinedMetric,
    by_pyiqa,
    metrics_of,
    protocol_table,
    storages_of,
)
from benchmark.scoring.metrics.papers import crop_target, luma_8bit, to_multiples_of_16
from benchmark.scoring.metrics.pixel import shrunk_by_integer
from benchmark.scoring.score import score_pair
from tests.shared import shared

DOCS = Path(__file__).parents[2] / "docs" / "protocols.md"


def pair(height=64, width=80, seed=0):
    """Smooth blobs and a noisy version of them, uint8."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(20, 230, (height // 8 + 2, width // 8 + 2, 3))
    target = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    restored = target + rng.normal(0, 12, target.shape)
    return tuple(np.clip(image, 0, 255).astype(np.uint8) for image in (restored, target))


def test_the_documented_table_is_that_of_the_code():
    text = DOCS.read_text(encoding="utf-8")
    assert protocol_table() in text
    assert set(re.findall(r"^\| `([a-z-]+)` \|", protocol_table(), re.M)) == set(PROTOCOLS)


def test_the_board_shows_what_the_metrics_say():
    assert tuple(METRIC) == BOARD_METRICS
    for key, metric in METRIC.items():
        arrow = "↓" if metric.direction == "lower" else "↑"
        assert metric.lower_is_better == (arrow == "↓")
        assert metric.heading.endswith(arrow)
        assert metric.reference in metric.definition
        row = {key: 0.12345, f"{key}_low": math.nan, f"{key}_high": math.nan}
        assert value_text(row, key) == f"{0.12345:.{metric.decimals}f}"
        assert metric.text(0.12345) == f"{0.12345:.{metric.decimals}f} {metric.unit}".strip()


def test_restormer_rounds_y():
    restored, target = pair()
    y = [
        np.array([[int(16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255 + 0.5)
                   for r, g, b in row] for row in image.tolist()], np.uint8)
        for image in (target, restored)
    ]  # fmt: skip
    assert (luma_8bit(target)[..., 0] == y[0]).all()
    assert METRIC["restormer/psnr"](restored, target) == pytest.approx(
        peak_signal_noise_ratio(*y), abs=1e-10
    )
    assert METRIC["restormer/ssim"](restored, target) == pytest.approx(
        structural_similarity(*y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False),
        abs=1e-10,
    )


def test_restormer_on_the_rain100l_input():
    """With rounded Y, PSNR is that of the literature and SSIM is 0.0001 lower."""
    folder = shared("real/Rain100L")
    targets = image_files(folder / "target")
    pairs = [(p, targets[stem]) for stem, p in image_files(folder / "input").items()]
    scores = [
        [metric(*map(read_image, paths)) for metric in metrics_of(["restormer"])] for paths in pairs
    ]
    psnr, ssim = np.mean(scores, 0)
    assert (len(scores), round(psnr, 2), round(ssim, 4)) == (100, 26.90, 0.8383)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 80), (64, 80)),
        ((65, 80), (80, 80)),
        ((480, 720), (480, 720)),
        ((460, 620), (464, 624)),
        ((1000, 2000), (512, 1024)),
        ((1500, 1025), (1024, 704)),
        ((1024, 1), (1024, 16)),
    ],
)
def test_sizes_of_the_loaders(size, expected):
    restored, target = pair(*size)
    for image, before in zip(to_multiples_of_16(restored, target), (restored, target), strict=True):
        assert image.shape == (*expected, 3) and image.dtype == np.uint8
        if size == expected:
            assert (image == before).all()


def resized(image):
    return np.asarray(Image.fromarray(image).resize((80, 64), Image.Resampling.LANCZOS))


def test_weatherdiffusion_scores_resized_images_on_y():
    restored, target = pair(60, 75)
    for name in ("psnr", "ssim"):
        ours = METRIC[f"weatherdiffusion/{name}"](restored, target)
        other = METRIC[f"y-matlab/{name}"](resized(restored), resized(target))
        assert ours == other != METRIC[f"y-matlab/{name}"](restored, target)


def test_transweather_reorders_values():
    """The authors' calls on float images, whose planes are read as pixels."""
    import torch

    restored, target = pair(60, 75)
    planes = [
        torch.from_numpy(resized(image).copy()).permute(2, 0, 1).contiguous() / 255
        for image in (restored, target)
    ]
    y = [
        cv2.cvtColor(plane.view(64, 80, 3).numpy(), cv2.COLOR_BGR2YCrCb)[..., 0] for plane in planes
    ]
    assert METRIC["transweather/psnr"](restored, target) == pytest.approx(
        peak_signal_noise_ratio(*y, data_range=1), abs=1e-4
    )
    assert METRIC["transweather/ssim"](restored, target) == pytest.approx(
        structural_similarity(*y, data_range=2), abs=1e-5
    )


def test_reside_pads_with_zeros():
    restored, target = pair()

    def mean(plane):
        return gaussian_filter(plane, 1.5, radius=5, mode="constant")

    values = []
    for channel in range(3):
        x, y = (image[..., channel] / 255 for image in (restored, target))
        mx, my = mean(x), mean(y)
        vx, vy, covariance = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        values.append(
            (2 * mx * my + 1e-4) * (2 * covariance + 9e-4)
            / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
        )  # fmt: skip
    ours = METRIC["reside/ssim"](restored, target)
    assert ours == pytest.approx(np.mean(values), abs=1e-10)
    assert METRIC["reside/psnr"](restored, target) == METRIC["rgb/psnr"](restored, target)


def test_reside_crops_a_larger_target():
    restored, target = pair(460, 620)
    larger = np.pad(target, ((10, 10), (10, 10), (0, 0)), mode="symmetric")
    for metric in metrics_of(["reside"]):
        assert metric(restored, larger) == metric(restored, target)
    # As torchvision's CenterCrop, odd margins included.
    from torchvision.transforms import CenterCrop

    for height, width in ((7, 9), (6, 8), (3, 3)):
        small = np.zeros((height, width, 3), np.uint8)
        expected = np.asarray(CenterCrop((height, width))(Image.fromarray(target[:10, :12])))
        assert (crop_target(small, target[:10, :12])[1] == expected).all()


def test_prenet_scores_truncated_images_as_ssim_m_does():
    """statistic/ssim.m in NumPy: the mirrored mean, every second value, then the Gaussian."""
    assert storages_of(["rgb", "prenet"]) == (ROUNDED, TRUNCATED)
    restored, target = pair()
    assert METRIC["prenet/ssim"](restored, target) == METRIC["y-matlab/ssim"](restored, target)
    restored, target = pair(385, 391)
    small = []
    for image in (restored, target):
        y = 16 + image @ np.array([65.481, 128.553, 24.966]) / 255
        y = np.pad(y, ((0, 1), (0, 1)), mode="symmetric")
        means = (y[:-1, :-1] + y[1:, :-1] + y[:-1, 1:] + y[1:, 1:]) / 4
        small.append(means[::2, ::2])
    expected = structural_similarity(
        *small, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert METRIC["prenet/ssim"](restored, target) == pytest.approx(expected, abs=1e-10)
    assert METRIC["prenet/psnr"](restored, target) == METRIC["y-matlab/psnr"](restored, target)


@pytest.mark.parametrize(("side", "expected"), [(383, 383), (384, 192), (640, 214)])
def test_the_factor_of_ssim_m(side, expected):
    assert shrunk_by_integer(np.zeros((side, 700, 1))).shape[0] == expected


def test_a_factor_of_three_takes_the_mean_around_every_third_pixel():
    plane = np.random.default_rng(0).uniform(0, 255, (640, 700))
    padded = np.pad(plane, 1, mode="symmetric")
    expected = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).mean((2, 3))[::3, ::3]
    assert np.allclose(shrunk_by_integer(plane[..., None])[..., 0], expected)


def test_weatherbench_scores_jpegs_without_their_border():
    assert storages_of(["weatherbench"]) == (ROUNDED, JPEG)
    restored, target = pair()
    for name in ("psnr", "ssim"):
        ours = METRIC[f"weatherbench/{name}"](restored, target)
        other = METRIC[f"y-matlab/{name}"](restored[4:-4, 4:-4], target[4:-4, 4:-4])
        assert ours == pytest.approx(other, abs=1e-10)
    with pytest.raises(UndefinedMetric, match="nothing is left of 80x8 pixels"):
        METRIC["weatherbench/psnr"](restored[:8], target[:8])


def test_only_reside_and_the_resizing_take_images_of_different_sizes():
    restored, target = pair()
    rows = score_pair(restored[:-4], target, metrics_of(PROTOCOLS.keys() - {"dists", "pyiqa"}))
    status = {row["protocol"]: row["status"] for row in rows if row["metric"] == "psnr"}
    assert status == {
        "rgb": "failed", "y-matlab": "failed", "restormer": "failed",
        "reside": "ok", "weatherdiffusion": "ok", "transweather": "ok",
        "prenet": "failed", "weatherbench": "failed",
    }  # fmt: skip
    with pytest.raises(UndefinedMetric, match=r"80x64.*80x60.*never resized"):
        METRIC["reside/psnr"](restored, target[:-4])


@pytest.mark.parametrize("name", ["ms_ssim", "fsim", "vif", "gmsd"])
def test_pyiqas_metrics_tell_identical_from_different(name):
    restored, target = pair(170, 161)
    metric = METRIC[f"pyiqa/{name}"]
    best = 0.0 if name == "gmsd" else 1.0
    assert metric(target, target) == pytest.approx(best, abs=1e-4)
    sign = 1 if metric.direction == "lower" else -1
    assert sign * metric(restored, target) > sign * best + 1e-3


@pytest.mark.parametrize("name", sorted(by_pyiqa.SMALLEST.keys() - {"dists"}))
def test_pyiqas_metrics_are_defined_from_their_smallest_size(name):
    least = by_pyiqa.SMALLEST[name]
    assert math.isfinite(METRIC[f"pyiqa/{name}"](*pair(least, least)))
    with pytest.raises(UndefinedMetric, match=f"{name} needs {least}x{least} pixels"):
        METRIC[f"pyiqa/{name}"](*pair(least - 1, least))


def test_dists_says_how_to_get_its_weights(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"vgg16.*create_metric\('dists'\)"):
        METRIC["dists/dists"](*pair())
    [row] = score_pair(*pair(), metrics_of(["dists"]))
    assert row["status"] == "weights-missing" and math.isnan(row["value"])


def test_damaged_weights_are_named(tmp_path, monkeypatch):
    import torch

    for file in by_pyiqa.DISTS_FILES:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"no weights")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match="cannot build 'dists'"):
        METRIC["dists/dists"](*pair())


# Absolute tolerances for pyiqa's table ResultsCalibra/results_official.csv, which has values of the
# authors' implementations. pyiqa halves images in another way than MS-SSIM's MATLAB code; NIQE
# differs most for the worst images.
TOLERANCES = {
    "pyiqa/ms_ssim": 5e-3,
    "pyiqa/fsim": 2e-4,
    "pyiqa/vif": 5e-4,
    "pyiqa/gmsd": 5e-6,
    "lpips-alex/lpips": 1e-4,
    "no-reference/niqe": 0.5,
    "no-reference/piqe": 0.01,
}


@pytest.mark.parametrize("key", TOLERANCES)
def test_official_values_of_pyiqas_calibration_images(key):
    folder, metric = shared("golden/iqa-pytorch"), METRIC[key]
    with open(folder / "results_official.csv", encoding="utf-8") as file:
        official = {row.pop("Method"): row for row in csv.DictReader(file)}[metric.name]
    for image, value in official.items():
        images = (read_image(folder / part / image) for part in ("dist_dir", "ref_dir"))
        assert metric(*images) == pytest.approx(float(value), abs=TOLERANCES[key]), image


@pytest.mark.skipif(not NIQE_WEIGHTS.is_file(), reason="no NIQE prior: run 'dvc pull'")
def test_niqe_of_the_baboon_is_its_authors():
    """Their MATLAB code gives 5.7296 for MATLAB's Y, which differs from the grey image of pyiqa."""
    baboon = read_image(shared("golden/baboon.png"))
    grey = np.repeat(luma_8bit(baboon).astype(np.uint8), 3, axis=2)
    assert METRIC["no-reference/niqe"](grey) == pytest.approx(5.7296, abs=5e-4)
    assert METRIC["no-reference/niqe"](baboon) == pytest.approx(5.7318, abs=5e-4)

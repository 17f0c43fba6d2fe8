"""Metrics against closed forms, independent libraries, and the numbers of their authors."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.image_io import image_files, read_image
from benchmark.scoring.metrics import (
    LPIPS_WEIGHTS,
    METRICS,
    NIQE_WEIGHTS,
    OWN,
    PROTOCOLS,
    SET_METRICS,
    UndefinedMetric,
    metrics_of,
)
from benchmark.scoring.metrics.no_reference import niqe, piqe
from benchmark.scoring.metrics.perceptual import lpips_alex
from benchmark.scoring.metrics.pixel import luma, psnr, ssim
from tests.shared import shared

EXAMPLES = Path(__file__).parents[1] / "golden" / "lpips"
METRIC = {(m.protocol.name, m.name): m for m in METRICS}
LPIPS = METRIC["lpips-alex", "lpips"]
needs_backbone = pytest.mark.skipif(
    not LPIPS_WEIGHTS.is_file(), reason="no LPIPS backbone in data/weights: run 'dvc pull'"
)


def noisy_pair(height=40, width=57):
    rng = np.random.default_rng(3)
    smooth = np.linspace(20, 200, height * width * 3).reshape(height, width, 3)
    target = np.clip(smooth + rng.normal(0, 25, smooth.shape), 0, 255)
    restored = np.clip(target + rng.normal(0, 12, smooth.shape), 0, 255)
    return restored.astype(np.uint8), target.astype(np.uint8)


def test_metrics_are_data_with_known_protocols():
    assert {m.protocol.name for m in (*METRICS, *SET_METRICS)} == set(PROTOCOLS)
    assert metrics_of(None) == metrics_of([]) == metrics_of(OWN)
    assert len({m.key for m in METRICS}) == len({m.heading for m in METRICS}) == len(METRICS)
    assert all(PROTOCOLS[name].align is None for name in OWN)
    assert [m.name for m in metrics_of(["lpips-alex", "rgb", "rgb"])] == ["psnr", "ssim", "lpips"]
    assert {m.name for m in METRICS if m.direction == "lower"} == {
        "lpips", "niqe", "piqe", "gmsd", "dists",
    }  # fmt: skip
    assert {m.name for m in METRICS if not m.needs_target} == {"niqe", "piqe"}
    with pytest.raises(UserError, match="Did you mean 'y-matlab'"):
        metrics_of(["y-mtlab"])


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.key)
def test_values_are_within_the_limits(metric):
    """Of a darker picture, of noise, and of the negative of the target."""
    assert metric.limits != (-math.inf, math.inf)
    noise, target = (np.resize(image, (192, 192, 3)) for image in noisy_pair())
    noise = np.random.default_rng(0).integers(0, 256, noise.shape).astype(np.uint8)
    for restored in (target // 2, noise, 255 - target):
        try:
            value = metric(restored, target)
        except WeightsMissing as error:  # those of DISTS are not bundled
            pytest.skip(str(error))
        assert metric.limits[0] <= value <= metric.limits[1]


def test_psnr_of_a_constant_offset():
    target = np.full((5, 7, 3), 100, np.uint8)
    for offset in (1, 10, 155):
        expected = 20 * math.log10(255 / offset)
        assert METRIC["rgb", "psnr"](target + np.uint8(offset), target) == pytest.approx(expected)
        # Grey levels become 219 / 255 as far apart on Y.
        on_y = expected + 20 * math.log10(255 / 219)
        assert METRIC["y-matlab", "psnr"](target + np.uint8(offset), target) == pytest.approx(on_y)


def test_luma_spans_16_to_235():
    ends = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)
    assert luma(ends)[0, :, 0] == pytest.approx([16, 235, 81.481])


def test_ssim_of_flat_images():
    """Without variance only the luminance term of eq. 6 is left."""
    c1 = (0.01 * 255) ** 2
    a, b = np.full((20, 20, 3), 100, np.uint8), np.full((20, 20, 3), 140, np.uint8)
    expected = (2 * 100 * 140 + c1) / (100**2 + 140**2 + c1)
    assert METRIC["rgb", "ssim"](a, b) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size", [(11, 11), (40, 57), (64, 12)])
def test_agreement_with_skimage(size):
    restored, target = noisy_pair(*size)
    flavour = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    assert METRIC["rgb", "psnr"](restored, target) == pytest.approx(
        peak_signal_noise_ratio(target, restored, data_range=255), abs=1e-10
    )
    assert METRIC["rgb", "ssim"](restored, target) == pytest.approx(
        structural_similarity(target, restored, channel_axis=2, **flavour), abs=1e-10
    )
    y = [luma(image)[..., 0] for image in (target, restored)]
    assert METRIC["y-matlab", "psnr"](restored, target) == pytest.approx(
        peak_signal_noise_ratio(*y, data_range=255), abs=1e-10
    )
    assert METRIC["y-matlab", "ssim"](restored, target) == pytest.approx(
        structural_similarity(*y, **flavour), abs=1e-10
    )


def test_agreement_and_differences_with_pyiqa():
    import torch
    from pyiqa.archs.psnr_arch import psnr as their_psnr
    from pyiqa.archs.ssim_arch import ssim as their_ssim

    restored, target = noisy_pair()
    x, y = (torch.from_numpy(i / 255.0).permute(2, 0, 1)[None] for i in (restored, target))
    assert METRIC["rgb", "psnr"](restored, target) == pytest.approx(
        their_psnr(x, y, eps=0).item(), abs=1e-9
    )
    # Their window is rounded to float32.
    assert METRIC["rgb", "ssim"](restored, target) == pytest.approx(
        their_ssim(x, y).item(), abs=1e-7
    )
    on_y = METRIC["y-matlab", "psnr"](restored, target)
    assert on_y == pytest.approx(
        their_psnr(x, y, test_y_channel=True, color_space="ycbcr", eps=0).item(), abs=1e-4
    )
    full_range = their_psnr(x, y, test_y_channel=True, eps=0).item()
    assert on_y - full_range == pytest.approx(20 * math.log10(255 / 219), abs=0.02)
    # Their eps caps identical images at 80 dB; ours are infinite.
    assert their_psnr(x, x).item() == pytest.approx(80)
    assert METRIC["rgb", "psnr"](target, target) == math.inf


def test_identical_images_and_symmetry():
    restored, target = noisy_pair()
    for metric in metrics_of(["rgb", "y-matlab"]):
        assert metric(target, target) == (math.inf if metric.name == "psnr" else 1.0)
        assert metric(restored, target) == metric(target, restored)


def test_a_plane_is_scored_like_its_channel():
    restored, target = (image.astype(float) for image in noisy_pair())
    parts = [ssim(restored[..., [c]], target[..., [c]]) for c in range(3)]
    assert ssim(restored, target) == pytest.approx(np.mean(parts), abs=1e-14)
    assert psnr(restored, target) == psnr(target, restored)


@pytest.mark.parametrize("size", [(1, 1), (10, 200), (200, 10)])
def test_small_images_have_psnr_but_no_ssim(size):
    restored, target = noisy_pair(*size)
    assert METRIC["rgb", "psnr"](restored, target) > 0
    with pytest.raises(UndefinedMetric, match="SSIM needs 11x11"):
        METRIC["rgb", "ssim"](restored, target)


def test_unequal_or_wrong_arrays_are_refused():
    restored, target = noisy_pair()
    with pytest.raises(ValueError, match=r"57x39.*57x40.*never resized"):
        METRIC["rgb", "psnr"](restored[1:], target)
    for wrong in (restored.astype(float), restored[..., 0], restored[:0]):
        with pytest.raises(ValueError, match="uint8"):
            METRIC["rgb", "psnr"](wrong, target)
        with pytest.raises(ValueError, match="uint8"):
            METRIC["no-reference", "piqe"](wrong)
    with pytest.raises(ValueError, match="psnr compares with a target"):
        METRIC["rgb", "psnr"](restored)


def test_rain100l_input_has_the_published_scores():
    """26.90 dB and 0.8384 on Y (MATLAB) in the deraining literature; 25.52 dB on RGB."""
    folder = shared("real/Rain100L")
    targets = image_files(folder / "target")
    metrics = [METRIC["rgb", "psnr"], *metrics_of(["y-matlab"])]
    scores = [
        [metric(*pair) for metric in metrics]
        for stem, path in image_files(folder / "input").items()
        for pair in [(read_image(path), read_image(targets[stem]))]
    ]
    psnr_rgb, psnr_y, ssim_y = np.mean(scores, 0)
    assert len(scores) == 100
    assert (round(psnr_rgb, 2), round(psnr_y, 2), round(ssim_y, 4)) == (25.52, 26.90, 0.8384)


@needs_backbone
def test_lpips_has_its_authors_values():
    ref, p0, p1 = (read_image(EXAMPLES / f"ex_{name}.png") for name in ("ref", "p0", "p1"))
    assert LPIPS(ref, p0) == pytest.approx(0.7219, abs=5e-5)
    assert LPIPS(ref, p1) == pytest.approx(0.1376, abs=5e-5)
    assert LPIPS(ref, ref) == 0
    assert LPIPS(ref, p0) == LPIPS(ref, p0)


@needs_backbone
def test_lpips_is_defined_from_31_pixels():
    restored, target = noisy_pair(31, 31)
    assert LPIPS(restored, target) > 0
    with pytest.raises(UndefinedMetric, match="31x31 pixels, the image has 40x30"):
        LPIPS(*noisy_pair(30, 40))


@needs_backbone
def test_building_lpips_is_silent_and_leaves_the_random_state_alone(tmp_path, capfd, recwarn):
    import torch

    pair = noisy_pair()
    expected = LPIPS(*pair)
    copy = tmp_path / "copy.safetensors"  # another path, so that the network is built again
    copy.write_bytes(LPIPS_WEIGHTS.read_bytes())
    state = torch.get_rng_state()
    recwarn.clear()
    capfd.readouterr()
    assert lpips_alex(*pair, copy) == expected
    assert torch.equal(state, torch.get_rng_state())
    assert (list(recwarn), *capfd.readouterr()) == ([], "", "")


def test_a_missing_backbone_says_dvc_pull(tmp_path):
    with pytest.raises(WeightsMissing, match=r"gone\.safetensors.*dvc pull"):
        lpips_alex(*noisy_pair(), tmp_path / "gone.safetensors")


@pytest.mark.parametrize("fault", ["text", "lacks", "unknown", "shape"])
def test_a_wrong_backbone_is_named(tmp_path, fault):
    import torch
    from safetensors.torch import save_file
    from torchvision.models import alexnet

    path = tmp_path / "other.safetensors"
    state = {f"features.{k}": v for k, v in alexnet(weights=None).features.state_dict().items()}
    match fault:
        case "lacks":
            del state["features.6.bias"]
        case "unknown":
            state["features.99.bias"] = torch.zeros(3)
        case "shape":
            state["features.6.bias"] = torch.zeros(3)
    if fault == "text":
        path.write_text("weights")
    else:
        save_file(state, path)
    message = {
        "text": "not a whole",
        "lacks": "lacks.*features.6.bias",
        "unknown": "unknown.*features.99.bias",
        "shape": r"features.6.bias.*\(3,\)",
    }[fault]
    with pytest.raises(UserError, match=rf"other\.safetensors.*{message}"):
        lpips_alex(*noisy_pair(), path)


def textured(height=200, width=200):
    """Smooth structure of several sizes with a little noise."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    waves = sum(np.sin(x / a + y / b) for a, b in ((5, 9), (13, -7), (31, 17)))
    grey = 128 + 25 * waves + rng.normal(0, 3, waves.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def save_prior(path, mean, covariance):
    np.savez(path, mu_pris_param=np.full((1, 36), mean), cov_pris_param=covariance)
    return path


def test_niqe_measures_in_units_of_its_prior(tmp_path):
    """If the covariance c of the prior is much larger than the image's own, eq. 10 is
    sqrt(2 / c) times the distance of the means: c four times as large halves it."""
    narrow = niqe(textured(), save_prior(tmp_path / "a.npz", 0.0, 1e12 * np.eye(36)))
    wide = niqe(textured(), save_prior(tmp_path / "b.npz", 0.0, 4e12 * np.eye(36)))
    assert narrow / wide == pytest.approx(2, rel=1e-6)
    far = niqe(textured(), save_prior(tmp_path / "c.npz", 1e6, 1e12 * np.eye(36)))
    assert far == pytest.approx(math.sqrt(2 * 36), rel=1e-4)


@pytest.mark.skipif(not NIQE_WEIGHTS.is_file(), reason="no NIQE prior: run 'dvc pull'")
def test_niqe_finds_noise_unnatural():
    photo = read_image(NIQE_WEIGHTS.parents[1] / "photos" / "test" / "colosseum.png")
    noise = np.random.default_rng(0).normal(0, 40, photo.shape)
    noisy = np.clip(photo + noise, 0, 255).astype(np.uint8)
    clean = METRIC["no-reference", "niqe"](photo)
    assert 2 < clean < 8 < METRIC["no-reference", "niqe"](noisy)
    assert METRIC["no-reference", "niqe"](photo, noisy) == clean  # a target is not used


def test_piqe_finds_noise_and_blocks():
    image = textured()
    noise = np.random.default_rng(0).normal(0, 40, image.shape)
    blocks = image[4::16, 4::16].repeat(16, 0).repeat(16, 1)[:200, :200]
    clean = piqe(image)
    assert 0 <= clean < piqe(np.clip(image + noise, 0, 255).astype(np.uint8)) <= 100
    assert clean < piqe(blocks) <= 100


def test_no_reference_metrics_are_undefined_without_blocks_or_texture(recwarn):
    with pytest.raises(UndefinedMetric, match="two blocks of 96x96 pixels, the image has 191x96"):
        niqe(textured(96, 191), NIQE_WEIGHTS)
    with pytest.raises(UndefinedMetric, match="16x16 pixels, the image has 40x15"):
        piqe(textured(15, 40))
    black = np.zeros((200, 200, 3), np.uint8)
    with pytest.raises(UndefinedMetric, match="PIQE is not defined"):
        piqe(black)
    if NIQE_WEIGHTS.is_file():
        with pytest.raises(UndefinedMetric, match="NIQE is not defined"):
            niqe(black, NIQE_WEIGHTS)
    assert not [w for w in recwarn if "cov" in str(w.message)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"gone\.npz.*dvc pull"),
        ({"other": np.zeros(3)}, "does not hold NIQE's prior"),
        ({"mu_pris_param": np.zeros(3), "cov_pris_param": np.eye(3)}, r"mu_pris_param.*\(3,\)"),
        ("text", "does not hold NIQE's prior"),
    ],
)
def test_a_missing_or_wrong_prior_is_named(tmp_path, content, message):
    path = tmp_path / "gone.npz"
    if isinstance(content, dict):
        np.savez(path, **content)
    elif content:
        path.write_text(content)
    with pytest.raises(WeightsMissing if content is None else UserError, match=message):
        niqe(textured(), path)


def test_importing_the_metrics_imports_nothing_slow():
    program = (
        "import sys, benchmark.scoring.metrics\n"
        "print([m for m in ('torch', 'lpips', 'pyiqa', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.skipif(not LPIPS_WEIGHTS.is_file(), reason="no data: run 'dvc pull'")
def test_bundled_pairs_agree_with_skimage():
    """Degraded test images, one for each weather; skimage's rgb2ycbcr does not round Y either."""
    from skimage.color import rgb2ycbcr

    flavour = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    data = LPIPS_WEIGHTS.parents[1]
    target = read_image(data / "photos" / "test" / "moose.png")
    y = rgb2ycbcr(target)[..., 0]
    for weather in ("rain", "haze", "raindrop", "snow", "mix"):
        restored = read_image(data / "pairs" / "test" / weather / "moose.png")
        other = rgb2ycbcr(restored)[..., 0]
        expected = (
            peak_signal_noise_ratio(target, restored, data_range=255),
            structural_similarity(target, restored, channel_axis=2, **flavour),
            peak_signal_noise_ratio(y, other, data_range=255),
            structural_similarity(y, other, **flavour),
        )
        ours = [metric(restored, target) for metric in metrics_of(["rgb", "y-matlab"])]
        assert ours == pytest.approx(expected, abs=1e-9)

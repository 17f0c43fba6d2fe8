"""The controls and the classical methods against references and closed forms."""

import numpy as np
import pytest
import torch

from methods.classical.haze import atmospheric_light, dark_channel
from methods.dark_channel import DarkChannel
from methods.directional_opening import DirectionalOpening, blobs, line, opening, streaks
from methods.identity import Identity
from methods.oracle import Oracle

CLASSICAL = [DarkChannel, DirectionalOpening]
SHAPES = [(1, 1), (1, 9), (9, 1), (2, 3), (17, 40)]


def random_image(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def as_batch(*images):
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).astype(np.float32).copy())


def as_image(batch):
    return batch[0].numpy().transpose(1, 2, 0)


def restore(method, batch):
    return method.restore(batch, method.Variant(), [torch.Generator() for _ in batch])


def psnr(image, target):
    return -10 * np.log10(np.mean((image - target) ** 2) + 1e-12)


def test_dark_channel_is_the_minimum_of_each_patch():
    image = random_image(11, 8, 3)
    dark = dark_channel(image, 2)
    for row, column in [(0, 0), (5, 4), (10, 7), (3, 0)]:
        patch = image[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
        assert dark[row, column] == patch.min()


def clear_scene(height=96, width=96):
    """Random colours, none of them bright, with a black pixel in every patch."""
    scene = 0.15 + 0.6 * random_image(height, width, 3)
    scene[::5, ::5] = 0
    return scene


@pytest.mark.parametrize("depth", ["constant", "ramp"])
def test_dehazing_inverts_koschmieder(depth):
    scene, light = clear_scene(), np.array([0.9, 0.92, 0.95], np.float32)
    rows = np.linspace(0.4, 0.8, 96) if depth == "ramp" else np.full(96, 0.6)
    t = np.tile(rows[:, None, None], (1, 96, 1)).astype(np.float32)
    t[:16, :16] = 0  # infinitely far: has the colour of the atmospheric light
    hazy = scene * t + light * (1 - t)
    np.testing.assert_allclose(atmospheric_light(hazy, 7, 0.001), light, atol=1e-6)

    method = DarkChannel(DarkChannel.Parameters(omega=1, guide_radius=8))
    restored = as_image(restore(method, as_batch(hazy)))
    far_from_sky = np.s_[40:, 40:]  # near the sky, windows of the filter mix both
    assert psnr(hazy[far_from_sky], scene[far_from_sky]) < 16
    assert psnr(restored[far_from_sky], scene[far_from_sky]) > 32


def test_a_clear_image_with_dark_pixels_stays_as_it_is():
    scene = clear_scene()
    restored = as_image(restore(DarkChannel(), as_batch(scene)))
    np.testing.assert_allclose(restored, scene, atol=1e-6)


@pytest.mark.parametrize("angle", np.arange(0, 180, 10))
@pytest.mark.parametrize("length", [1, 2, 7, 9, 10])
def test_openings_by_lines_never_add_light_and_are_idempotent(angle, length):
    assert line(length, angle).sum() >= max(1, length * 0.7)
    plane = random_image(30, 25)
    opened = opening(plane, length, angle)
    assert (opened <= plane).all()
    np.testing.assert_array_equal(line(length, angle), line(length, angle)[::-1, ::-1])
    np.testing.assert_array_equal(opening(opened, length, angle), opened)


def test_streaks_and_blobs_are_distinguished():
    plane = np.full((60, 60), 0.2, np.float32)
    plane[20:45, 30:32] = 0.8
    vertical = streaks(plane, 90, 7, 9)
    np.testing.assert_allclose(plane - vertical, 0.2, atol=1e-6)
    assert streaks(plane, 0, 7, 9).max() == 0
    assert blobs(plane, 9).max() == 0
    plane[:] = 0.2
    plane[10:14, 10:14] = 0.9
    np.testing.assert_allclose(plane - blobs(plane, 9), 0.2, atol=1e-6)


def smooth_image(size=128):
    y, x = np.mgrid[:size, :size] / size
    planes = [0.4 + 0.2 * np.sin(3 * x + 2 * y + phase) for phase in range(3)]
    return np.stack(planes, axis=2).astype(np.float32)


def rainy(image, slant):
    """Two-pixel streaks, 25 rows long, moving `slant` columns in each row."""
    rng, rain = np.random.default_rng(3), image.copy()
    for top, left in zip(rng.integers(0, 100, 60), rng.integers(10, 110, 60), strict=True):
        for step in range(25):
            column = left + round(slant * step)
            rain[top + step : top + step + 1, column : column + 2] += 0.25
    return rain.clip(0, 1)


def snowy(image):
    snow = image.copy()
    rng = np.random.default_rng(4)
    for top, left in rng.integers(2, 120, (60, 2)):
        snow[top : top + 4, left : left + 4] = 0.95
    return snow


@pytest.mark.parametrize("weather", ["upright rain", "slanting rain", "snow"])
def test_weather_on_a_smooth_image_is_removed(weather):
    clean = smooth_image()
    slant = {"upright rain": 0, "slanting rain": 0.3}.get(weather)
    degraded = snowy(clean) if weather == "snow" else rainy(clean, slant)
    restored = as_image(restore(DirectionalOpening(), as_batch(degraded)))
    assert psnr(restored, clean) > psnr(degraded, clean) + 8


def test_without_weather_nothing_is_removed():
    grain = (smooth_image() + 0.2 * (random_image(128, 128, 3) - 0.5)).clip(0, 1)
    for clean in (smooth_image(), grain):
        assert psnr(as_image(restore(DirectionalOpening(), as_batch(clean))), clean) > 45


def test_weather_removal_never_brightens():
    degraded = rainy(smooth_image(), 0.3)
    restored = as_image(restore(DirectionalOpening(), as_batch(degraded)))
    assert (restored <= degraded).all()


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("content", ["black", "white", "grey", "noise"])
def test_any_image_gives_a_valid_image(method, shape, content):
    levels = {"black": 0.0, "white": 1.0, "grey": 0.5}
    image = random_image(*shape, 3)
    if content in levels:
        image[:] = levels[content]
    batch = as_batch(image)
    before = batch.clone()
    restored = restore(method(), batch)
    assert restored.shape == batch.shape and restored.dtype == torch.float32
    assert torch.isfinite(restored).all()
    assert restored.min() >= 0 and restored.max() <= 1
    assert torch.equal(batch, before)


@pytest.mark.parametrize("method", CLASSICAL)
def test_an_image_does_not_depend_on_its_batch_nor_on_the_run(method):
    images = [rainy(smooth_image(), 0.2), random_image(128, 128, 3)]
    together = restore(method(), as_batch(*images))
    for image, restored in zip(images, together, strict=True):
        assert torch.equal(restore(method(), as_batch(image))[0], restored)


def test_the_controls_return_input_and_target():
    degraded, target = as_batch(random_image(4, 5, 3)), as_batch(random_image(4, 5, 3, seed=1))
    assert torch.equal(restore(Identity(), degraded), degraded)
    assert Oracle.sees_target
    oracle = Oracle()
    assert torch.equal(oracle.restore(degraded, oracle.Variant(), [], target=target), target)

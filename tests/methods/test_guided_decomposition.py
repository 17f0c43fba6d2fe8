"""Guided decomposition: which light it removes, and which it keeps."""

import numpy as np
import pytest

from methods.guided_decomposition import GuidedDecomposition, Parameters, weather_layer
from tests.methods.test_classical import (
    as_batch,
    as_image,
    psnr,
    rainy,
    random_image,
    smooth_image,
    snowy,
)


def restored(image):
    method = GuidedDecomposition()
    return as_image(method.restore(as_batch(image), method.Variant(), []))


@pytest.mark.parametrize("degrade", [lambda x: rainy(x, 0), lambda x: rainy(x, 0.3), snowy])
@pytest.mark.parametrize(("opacity", "gain"), [(0.3, 3), (1, 0.8)])
def test_weather_on_a_smooth_image_is_reduced(degrade, opacity, gain):
    """Faint weather more than strong weather, which is an edge for the guided filter."""
    clean = smooth_image()
    degraded = clean + opacity * (degrade(clean) - clean)
    assert psnr(restored(degraded), clean) > psnr(degraded, clean) + gain


@pytest.mark.parametrize("level", [0.0, 0.37, 1.0])
def test_a_flat_image_stays_as_it_is(level):
    image = np.full((20, 30, 3), level, np.float32)
    np.testing.assert_allclose(restored(image), image, atol=1e-6)


def test_a_smooth_image_is_hardly_changed():
    assert psnr(restored(smooth_image()), smooth_image()) > 50


def test_an_edge_stays_an_edge():
    """Filters that keep edges keep a step; a blur would halve it."""
    step = np.full((40, 40, 3), 0.2, np.float32)
    step[:, 20:] = 0.8
    after = restored(step)
    assert (after[:, 20] - after[:, 19]).min() > 0.9 * 0.6


def test_dark_detail_is_not_removed():
    plane = np.full((60, 60), 0.5)
    bright, dark = plane.copy(), plane.copy()
    bright[10:50, 30] += 0.2
    dark[10:50, 30] -= 0.2
    on_line = np.s_[15:45, 30]
    assert weather_layer(bright, Parameters())[on_line].mean() > 0.1
    assert weather_layer(dark, Parameters())[on_line].max() == 0


@pytest.mark.parametrize("content", ["rain", "noise"])
def test_the_same_light_is_subtracted_from_all_channels_and_none_added(content):
    image = rainy(smooth_image(), 0.3) if content == "rain" else random_image(31, 47, 3)
    taken = image - restored(image)
    assert taken.min() >= -1e-6
    inside = restored(image).min(axis=2) > 0  # where the result is not clipped at 0
    assert np.ptp(taken, axis=2)[inside].max() < 1e-6
    assert taken.max() > 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_tiny_black_and_white_images_stay_as_they_are(shape, level):
    image = np.full((*shape, 3), level, np.float32)
    np.testing.assert_allclose(restored(image), image, atol=1e-6)

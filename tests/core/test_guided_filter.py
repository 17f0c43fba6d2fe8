"""The guided filter against its definition and its limits."""

import numpy as np
import pytest

from benchmark.core.guided_filter import (
    box_mean,
    guided_coefficients,
    guided_filter,
    reflected_box_mean,
)


def random_image(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def fitted_windows(guide, source, radius, eps):
    """The guided filter by definition: a penalised least-squares fit in each window, then means."""
    height, width = source.shape
    guide = guide.reshape(height, width, -1).astype(np.float64)
    total, count = np.zeros(source.shape), np.zeros(source.shape)
    for row in range(height):
        for column in range(width):
            rows = slice(max(0, row - radius), row + radius + 1)
            columns = slice(max(0, column - radius), column + radius + 1)
            inside = guide[rows, columns].reshape(-1, guide.shape[2])
            n, channels = inside.shape
            # n eps |a|² as extra equations: sqrt(n eps) a = 0, with b unpenalised.
            equations = np.block(
                [
                    [inside, np.ones((n, 1))],
                    [np.sqrt(n * eps) * np.eye(channels), np.zeros((channels, 1))],
                ]
            )
            values = np.concatenate([source[rows, columns].ravel(), np.zeros(channels)])
            fit = np.linalg.lstsq(equations, values, rcond=None)[0]
            total[rows, columns] += guide[rows, columns] @ fit[:-1] + fit[-1]
            count[rows, columns] += 1
    return total / count


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("radius, eps", [(1, 1e-3), (3, 1e-1), (50, 1e-2)])
def test_guided_filter_is_the_mean_of_window_fits(channels, radius, eps):
    guide, source = random_image(9, 12, *channels), random_image(9, 12, seed=1)
    expected = fitted_windows(guide, source, radius, eps)
    np.testing.assert_allclose(guided_filter(guide, source, radius, eps), expected, atol=1e-8)


def test_box_mean_counts_only_pixels_inside():
    image = random_image(5, 7, 3)
    means = box_mean(image, 2)
    np.testing.assert_allclose(means[0, 0], image[:3, :3].mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(means[2, 3], image[:5, 1:6].mean(axis=(0, 1)), rtol=1e-6)
    whole = np.broadcast_to(image.mean(axis=(0, 1)), image.shape)
    np.testing.assert_allclose(box_mean(image, 99), whole, rtol=1e-6)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_without_a_guiding_edge_the_guided_filter_is_two_box_means(channels):
    source, twice = random_image(12, 10), box_mean(box_mean(random_image(12, 10), 2), 2)
    flat_guide = np.full((12, 10, *channels), 0.3)
    np.testing.assert_allclose(guided_filter(flat_guide, source, 2, 1e-3), twice, atol=1e-9)
    busy_guide = random_image(12, 10, *channels, seed=2)
    np.testing.assert_allclose(guided_filter(busy_guide, source, 2, 1e9), twice, atol=1e-8)


def test_the_image_guides_itself_unchanged_for_a_tiny_eps():
    image = random_image(12, 10)
    np.testing.assert_allclose(guided_filter(image, image, 2, 1e-9), image, atol=1e-6)


def test_coefficients_with_a_reflected_border_against_loops():
    rng = np.random.default_rng(0)
    guide = rng.random((9, 11)).astype(np.float32)
    source = rng.random((9, 11)).astype(np.float32)
    radius, epsilon = 2, 0.01
    a = np.zeros((9, 11))
    b = np.zeros((9, 11))
    padded_guide = np.pad(guide, radius, "symmetric").astype(np.float64)
    padded_source = np.pad(source, radius, "symmetric").astype(np.float64)
    for i in range(9):
        for j in range(11):
            g = padded_guide[i : i + 5, j : j + 5]
            s = padded_source[i : i + 5, j : j + 5]
            a[i, j] = (np.mean(g * s) - g.mean() * s.mean()) / (g.var() + epsilon)
            b[i, j] = s.mean() - a[i, j] * g.mean()
    found_a, found_b = guided_coefficients(guide, source, radius, epsilon, mean=reflected_box_mean)
    middle = np.s_[2:-2, 2:-2]
    for found, expected in ((found_a, a), (found_b, b)):
        windows = np.lib.stride_tricks.sliding_window_view(expected, (5, 5))
        assert np.allclose(found[middle], windows.mean(axis=(2, 3)), atol=1e-4)

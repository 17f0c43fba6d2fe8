"""The simulated weather: closed forms, and properties of every kind of weather."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import UserError
from benchmark.weather import STRENGTHS, WEATHERS, degrade, training_pair
from benchmark.weather.depth import depth_map
from benchmark.weather.haze import add_haze, draw_airlight, koschmieder
from benchmark.weather.layers import (
    blob_pyramids,
    blur,
    draw_lines,
    place_sprite,
    poisson_points,
    pyramid,
    smooth_field,
    wide_blur,
    window,
)


def scene(height=96, width=128):
    """A picture with a bright sky, a textured ground and coloured blocks."""
    rng = np.random.default_rng(3)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky, ground = np.float32([0.7, 0.8, 0.95]), np.float32([0.25, 0.3, 0.15])
    image = sky * (1 - rows) + ground * rows + np.zeros((height, width, 3), np.float32)
    image[height // 2 :, width // 4 : width // 2] = (0.8, 0.2, 0.1)
    image += rng.normal(0, 0.03, image.shape).astype(np.float32)
    return image.clip(0, 1)


def psnr(a, b):
    return -10 * np.log10(np.mean((a.astype(np.float64) - b) ** 2) + 1e-12)


# ---- every weather --------------------------------------------------------------------------


@pytest.mark.parametrize("weather", WEATHERS)
def test_zero_strength_returns_the_image(weather):
    image = scene()
    degraded, parameters = degrade(image, weather, 0.0, np.random.default_rng(0))
    assert np.array_equal(degraded, image)
    assert degraded is not image
    assert parameters == {}


@pytest.mark.parametrize("weather", WEATHERS)
def test_result_is_an_image_and_the_input_stays(weather):
    image = scene()
    before = image.copy()
    for seed in range(8):
        degraded, parameters = degrade(image, weather, 0.9, np.random.default_rng(seed))
        assert degraded.shape == image.shape
        assert degraded.dtype == np.float32
        assert degraded.min() >= 0
        assert degraded.max() <= 1
        assert json.loads(json.dumps(parameters)) == parameters
    assert np.array_equal(image, before)


@pytest.mark.parametrize("weather", WEATHERS)
def test_same_generator_state_gives_the_same_bits(weather):
    a, drawn_a = degrade(scene(), weather, 0.7, np.random.default_rng(5))
    degrade(scene(50, 40), weather, 0.4, np.random.default_rng(6))  # must have no effect
    b, drawn_b = degrade(scene(), weather, 0.7, np.random.default_rng(5))
    c, _ = degrade(scene(), weather, 0.7, np.random.default_rng(7))
    assert np.array_equal(a, b)
    assert drawn_a == drawn_b
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("weather", WEATHERS)
def test_stronger_weather_is_further_from_the_clean_image(weather):
    image = scene()
    means = []
    for low, high in STRENGTHS.values():
        rng = np.random.default_rng(11)
        means.append(
            np.mean(
                [
                    psnr(degrade(image, weather, rng.uniform(low, high), rng)[0], image)
                    for _ in range(40)
                ]
            )
        )
    assert means[0] > means[1] + 2
    assert means[1] > means[2] + 1


@pytest.mark.parametrize("weather", WEATHERS)
def test_vanishing_weather_approaches_the_clean_image(weather):
    image = scene()
    for seed in range(5):
        degraded, _ = degrade(image, weather, 0.002, np.random.default_rng(seed))
        assert psnr(degraded, image) > 40


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 3), (33, 17), (257, 3)])
def test_every_size_works(weather, size):
    image = np.random.default_rng(1).random((*size, 3), dtype=np.float32)
    for seed in range(12):
        degraded, _ = degrade(image, weather, 1.0, np.random.default_rng(seed))
        assert degraded.shape == image.shape
        assert np.isfinite(degraded).all()


@settings(max_examples=40, deadline=None)
@given(
    weather=st.sampled_from(WEATHERS),
    strength=st.floats(0, 1),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    level=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_any_arguments_give_an_image(weather, strength, height, width, level, seed):
    image = np.full((height, width, 3), level, np.float32)
    degraded, _ = degrade(image, weather, strength, np.random.default_rng(seed))
    assert degraded.shape == image.shape
    assert degraded.min() >= 0
    assert degraded.max() <= 1


def test_read_only_and_strided_images_work():
    image = scene()[:, ::-1]
    image.setflags(write=False)
    for weather in WEATHERS:
        reversed_copy, _ = degrade(np.ascontiguousarray(image), weather, 0.8, generator())
        assert np.array_equal(degrade(image, weather, 0.8, generator())[0], reversed_copy)


def generator():
    return np.random.default_rng(2)


def test_strength_intervals_are_apart_and_in_range():
    bounds = [bound for interval in STRENGTHS.values() for bound in interval]
    assert list(STRENGTHS) == ["light", "medium", "heavy"]
    assert bounds == sorted(bounds)
    assert bounds[0] > 0
    assert bounds[-1] <= 1


# ---- refused arguments ----------------------------------------------------------------------


def test_unknown_weather_names_the_nearest():
    with pytest.raises(UserError, match=r"'haez'.*haze"):
        degrade(scene(), "haez", 0.5, generator())


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_out_of_range_is_refused(strength):
    with pytest.raises(UserError, match="strength"):
        degrade(scene(), "rain", strength, generator())


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float64),
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 4), np.float32),
        np.zeros((0, 4, 3), np.float32),
        np.full((4, 4, 3), 1.01, np.float32),
        np.full((4, 4, 3), -0.01, np.float32),
        np.full((4, 4, 3), np.nan, np.float32),
        [[0.0]],
    ],
)
def test_bad_images_are_refused(image):
    with pytest.raises(UserError, match="image"):
        degrade(image, "haze", 0.5, generator())


# ---- haze -----------------------------------------------------------------------------------


def test_koschmieder_is_its_formula():
    rng = np.random.default_rng(0)
    image = rng.random((4, 5, 3), dtype=np.float32)
    transmission = rng.random((4, 5), dtype=np.float32)
    airlight = [0.9, 0.8, rng.random((4, 5), dtype=np.float32)]
    result = koschmieder(image, transmission, airlight)
    for i in range(4):
        for j in range(5):
            for c, light in enumerate((0.9, 0.8, float(airlight[2][i, j]))):
                t = float(transmission[i, j])
                assert result[i, j, c] == pytest.approx(
                    image[i, j, c] * t + light * (1 - t), abs=1e-6
                )


def test_koschmieder_limits():
    image = scene(8, 8)
    assert np.allclose(koschmieder(image, np.ones((8, 8), np.float32), [0.9] * 3), image)
    assert np.allclose(koschmieder(image, np.zeros((8, 8), np.float32), [0.9] * 3), 0.9)


def test_haze_transmission_is_exponential_in_depth(monkeypatch):
    depth = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    monkeypatch.setattr("benchmark.weather.haze.depth_map", lambda image, rng: (depth, {}))
    black, white = np.zeros((3, 4, 3), np.float32), np.ones((3, 4, 3), np.float32)
    seen = 0
    for seed in range(10):
        hazy_black, drawn = add_haze(black, 0.6, np.random.default_rng(seed))
        hazy_white, _ = add_haze(white, 0.6, np.random.default_rng(seed))
        if "patchiness" in drawn:
            continue
        seen += 1
        # Black and white objects differ by exactly the transmission, for any airlight.
        expected = np.exp(-drawn["beta"] * depth)
        difference = hazy_white - hazy_black
        assert np.allclose(difference, expected[..., None], atol=1e-3)
        assert drawn["mean_transmission"] == pytest.approx(expected.mean(), abs=1e-3)
    assert seen >= 3


def test_haze_pulls_towards_the_airlight():
    image = scene()
    hazy, _ = add_haze(image, 1.0, np.random.default_rng(4))
    assert hazy.std() < 0.8 * image.std()


def test_airlight_is_light_and_nearly_grey():
    rng = np.random.default_rng(0)
    for _ in range(50):
        airlight, _ = draw_airlight((20, 30), rng)
        means = [float(np.mean(a)) for a in airlight]
        assert min(means) >= 0.3
        assert max(means) <= 1.1
        assert max(means) - min(means) < 0.25


def test_depth_is_relative_and_varied():
    rng = np.random.default_rng(0)
    depths = []
    for _ in range(20):
        depth, _ = depth_map(scene(), rng)
        assert depth.shape == (96, 128)
        assert depth.dtype == np.float32
        assert depth.min() >= 0
        assert depth.max() <= 1 + 1e-6
        depths.append(depth)
    assert np.std(depths, axis=0).mean() > 0.1


# ---- layers ---------------------------------------------------------------------------------


def test_line_brightness_is_its_weight_and_its_place_is_right():
    one = np.ones(1)
    canvas = draw_lines(
        (41, 41), 20 * one, 20 * one, 0 * one, 30 * one, 0.5 * one, 1.0, generator()
    )
    assert np.unravel_index(canvas.argmax(), canvas.shape)[1] == 20
    # A ripple of up to 0.45 goes along the line.
    assert 0.25 < canvas[20, 20] < 0.75
    assert canvas[:, :12].max() < 1e-3
    assert canvas[38:].max() < 0.05


def test_lines_lean_by_their_angle():
    one = np.ones(1)
    for angle in (-0.6, 0.0, 0.4):
        canvas = draw_lines(
            (61, 61), 30 * one, 30 * one, angle * one, 40 * one, one, 0.7, generator()
        )
        rows, columns = np.mgrid[:61, :61] - 30.0
        covariance = (canvas * rows * columns).sum()
        spread = np.arctan2(2 * covariance, (canvas * (rows**2 - columns**2)).sum()) / 2
        assert spread == pytest.approx(angle, abs=0.03)


def test_lines_add_up():
    x, y = np.array([10.0, 20.0]), np.array([15.0, 18.0])
    two = draw_lines((40, 40), x, y, x * 0, x * 0 + 9, x * 0 + 1, 0.0, generator())
    assert two.sum() > 9
    assert not draw_lines((40, 40), x[:0], x[:0], x[:0], x[:0], x[:0], 1.0, generator()).any()


def test_lines_outside_leave_no_trace():
    x = np.array([-100.0, 500.0, 20.0])
    y = np.array([20.0, 20.0, 900.0])
    assert not draw_lines((40, 40), x, y, x * 0, x * 0 + 9, x * 0 + 1, 1.0, generator()).any()


def test_points_have_their_density():
    rng = np.random.default_rng(0)
    counts = [poisson_points((50, 80), 0.01, 10, rng)[0].size for _ in range(200)]
    assert np.mean(counts) == pytest.approx(0.01 * 70 * 100, rel=0.05)


def test_wide_blur_is_a_blur():
    image = smooth_field((64, 96), 10, np.random.default_rng(0))
    assert np.abs(wide_blur(image, 8.0) - blur(image, 8.0)).max() < 0.05
    assert wide_blur(image, 8.0).mean() == pytest.approx(image.mean(), abs=0.01)


def test_smooth_field_is_in_range():
    field = smooth_field((37, 53), 9.0, np.random.default_rng(0))
    assert field.shape == (37, 53)
    assert field.dtype == np.float32
    assert 0 <= field.min() < field.max() <= 1


def test_sprites_keep_their_area_and_place():
    disc = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 24
    levels = pyramid(disc.astype(np.float32))
    assert [level.shape[0] for level in levels] == [64, 32, 16, 8, 4]
    for size in (12.0, 20.0, 50.0):
        box = window((80, 90), 40.0, 35.0, size)
        mask = place_sprite(levels, box, 40.0, 35.0, (size, size), 0.7)
        assert mask.sum() == pytest.approx(disc.mean() * size**2, rel=0.06)
        rows, columns = np.mgrid[box[0] : box[1], box[2] : box[3]]
        assert (mask * rows).sum() / mask.sum() == pytest.approx(35.0, abs=0.3)
        assert (mask * columns).sum() / mask.sum() == pytest.approx(40.0, abs=0.3)


def test_window_outside_is_none():
    assert window((10, 10), -50.0, 5.0, 10) is None
    assert window((10, 10), 0.0, 0.0, 3) == (0, 4, 0, 4)


def test_blobs_are_closed_shapes_and_reproducible():
    bank, again = (blob_pyramids(6, (2, 5), 0.3, seed=1) for _ in range(2))
    for levels, same in zip(bank, again, strict=True):
        blob = levels[0]
        assert np.array_equal(blob, same[0])
        border = np.concatenate((blob[0], blob[-1], blob[:, 0], blob[:, -1]))
        assert border.max() < 0.2
        assert 0.03 < blob.mean() < 0.9


# ---- properties of each weather -------------------------------------------------------------


def test_rain_only_brightens_a_dark_scene_and_is_grey():
    dark = np.full((100, 100, 3), 0.1, np.float32)
    for seed in range(10):
        rainy, drawn = degrade(dark, "rain", 0.7, np.random.default_rng(seed))
        assert rainy.mean() > dark.mean()
        assert sum(layer["streaks"] for layer in drawn["layers"]) > 0
        if "veil" not in drawn:
            assert np.ptp(rainy, axis=2).max() < 0.01
            assert rainy.min() >= 0.1 - 1e-6


def test_raindrops_leave_glass_between_them_clear():
    image = scene(256, 256)
    shares = []
    for seed in range(10):
        wet, drawn = degrade(image, "raindrop", 0.5, np.random.default_rng(seed))
        if drawn["smear"] == drawn["glare"] == 0:
            shares.append(np.mean(np.abs(wet - image).max(axis=2) < 2 / 255))
    assert np.mean(shares) > 0.35


def test_snow_hides_more_of_a_dark_scene_than_of_a_white_one():
    dark, white = np.zeros((90, 90, 3), np.float32), np.full((90, 90, 3), 0.95, np.float32)
    change = [
        np.abs(degrade(image, "snow", 0.8, np.random.default_rng(3))[0] - image).mean()
        for image in (dark, white)
    ]
    assert change[0] > 4 * change[1]


def test_mix_has_two_or_three_kinds_in_the_order_of_the_light():
    order = ["haze", "rain", "snow", "raindrop"]
    seen = set()
    for seed in range(60):
        _, drawn = degrade(scene(24, 24), "mix", 0.6, np.random.default_rng(seed))
        kinds = [part["weather"] for part in drawn["parts"]]
        assert len(kinds) in (2, 3)
        assert kinds == sorted(kinds, key=order.index)
        assert all(0 < part["strength"] <= 0.6 for part in drawn["parts"])
        seen |= set(kinds)
    assert seen == set(order)


# ---- training pairs -------------------------------------------------------------------------


def photo(height=200, width=150):
    return (scene(height, width) * 255).round().astype(np.uint8)


def test_training_pairs_are_images_and_reproducible():
    for seed in range(30):
        clean, degraded = training_pair(photo(), 64, np.random.default_rng(seed))
        for image in (clean, degraded):
            assert image.shape == (64, 64, 3)
            assert image.dtype == np.float32
            assert image.flags.c_contiguous
            assert image.min() >= 0
            assert image.max() <= 1
        again = training_pair(photo(), 64, np.random.default_rng(seed))
        assert np.array_equal(clean, again[0])
        assert np.array_equal(degraded, again[1])


def test_some_training_pairs_are_clear_and_most_are_not():
    rng = np.random.default_rng(0)
    pairs = [training_pair(photo(), 16, rng) for _ in range(600)]
    clear = np.mean([np.array_equal(a, b) for a, b in pairs])
    assert 0.1 < clear < 0.25
    assert all(a is not b for a, b in pairs)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (20, 30)])
def test_small_photos_are_enlarged(size):
    clean, degraded = training_pair(photo(*size), 32, generator())
    assert clean.shape == degraded.shape == (32, 32, 3)


def test_bad_photos_and_crops_are_refused():
    with pytest.raises(UserError, match="photo"):
        training_pair(scene(), 32, generator())
    with pytest.raises(UserError, match="photo"):
        training_pair(np.zeros((5, 5), np.uint8), 32, generator())
    with pytest.raises(UserError, match="crop"):
        training_pair(photo(), 0, generator())

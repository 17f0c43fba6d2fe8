"""The recipes of the training pairs, version 2: closed forms and properties."""

import cv2
import numpy as np
import pytest

from benchmark.weather import STRENGTHS, WEATHERS, pairs, training_pair
from benchmark.weather.details import add_details, stored
from benchmark.weather.drop_look import draw_bright_look, draw_sharp_look
from benchmark.weather.light import cover, to_linear, to_srgb
from benchmark.weather.mix import COMBINATIONS
from benchmark.weather.raindrop import add_raindrops
from benchmark.weather.room import inverse_depth, room_depth
from benchmark.weather.streaks import add_dense_rain, add_sharp_rain, streak_texture
from benchmark.weather.surfaces import add_surface
from benchmark.weather.veil import add_veil, draw_airlight
from benchmark.weather.view import tone_table
from tests.weather.test_weather import photo, psnr, scene

RECIPES = {recipe.__name__: recipe for recipes in pairs._RECIPES.values() for recipe, _ in recipes}


def generator(seed=2):
    return np.random.default_rng(seed)


# ---- every recipe ---------------------------------------------------------------------------


def test_shares_are_probabilities():
    assert {*pairs._RECIPES} == {*pairs._SHARES} == {*WEATHERS}
    for recipes in pairs._RECIPES.values():
        assert sum(share for _, share in recipes) == pytest.approx(1)
    assert sum(pairs._SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_an_image_and_leaves_its_input(name):
    image = scene()
    before = image.copy()
    for seed in range(6):
        degraded, drawn = RECIPES[name](image, 0.9, generator(seed))
        assert degraded.shape == image.shape
        assert degraded.dtype == np.float32
        assert np.isfinite(degraded).all()
        assert -0.01 < degraded.min() < degraded.max() < 6
        assert isinstance(drawn, dict)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_depends_on_its_generator_alone(name):
    a, b, c = (RECIPES[name](scene(), 0.7, generator(seed))[0] for seed in (5, 5, 6))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_fades_into_clear_weather(name):
    image = scene()
    means = []
    for low, high in ((0.001, 0.001), *STRENGTHS.values()):
        rng = generator(11)
        results = [RECIPES[name](image, rng.uniform(low, high), rng)[0] for _ in range(25)]
        means.append(np.mean([psnr(result.clip(0, 1), image) for result in results]))
    assert means[0] > 40
    assert means[1] > means[2] > means[3]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (33, 17)])
def test_a_recipe_works_at_every_size(name, size):
    image = np.random.default_rng(1).random((*size, 3), dtype=np.float32)
    for seed in range(5):
        assert np.isfinite(RECIPES[name](image, 1.0, generator(seed))[0]).all()


# ---- light ----------------------------------------------------------------------------------


def test_linear_light_is_iec_61966():
    known = {0.0: 0.0, 0.04045: 0.0031308, 0.5: 0.2140411, 0.735357: 0.5, 1.0: 1.0}
    values = np.array([*known], np.float32).reshape(1, -1)
    assert to_linear(values).ravel() == pytest.approx([*known.values()], abs=1e-5)
    levels = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    assert to_srgb(to_linear(levels)) == pytest.approx(levels, abs=1e-5)


def test_covering_in_linear_light_halves_photons():
    black, half = np.zeros((2, 2, 3), np.float32), np.full((2, 2), 0.5, np.float32)
    assert cover(black, half, (1.0, 1.0, 1.0), linear=False) == pytest.approx(0.5, abs=1e-6)
    assert cover(black, half, (1.0, 1.0, 1.0), linear=True) == pytest.approx(0.735357, abs=1e-5)


# ---- rooms and haze -------------------------------------------------------------------------


def test_inverse_depth_is_that_of_the_nearest_plane():
    walls = {"left": 1.0, "right": 3.0, "ceiling": 1.5, "floor": 1.2, "back": 5.0}
    view = 0.7
    inverse = inverse_depth((30, 40), view, 0.0, 0.0, walls)
    for row, column in ((0, 0), (29, 39), (15, 20), (29, 20), (15, 0), (3, 33)):
        u = (column + 0.5 - 20) / 20 * view
        v = (row + 0.5 - 15) / 20 * view
        # How far along the ray (u, v, 1) each plane is, where it is ahead.
        hits = [
            walls["left"] / -u if u < 0 else np.inf,
            walls["right"] / u if u > 0 else np.inf,
            walls["ceiling"] / -v if v < 0 else np.inf,
            walls["floor"] / v if v > 0 else np.inf,
            walls["back"],
        ]
        assert 1 / inverse[row, column] == pytest.approx(min(hits), rel=1e-5)


def test_a_turned_camera_sees_the_wall_at_a_slant():
    far = {"left": 1e3, "right": 1e3, "ceiling": 1e3, "floor": 1e3, "back": 4.0}
    inverse = inverse_depth((9, 9), 0.5, 0.3, 0.0, far)
    steps = np.diff(inverse[4])
    assert steps == pytest.approx(-np.sin(0.3) / 4 * 0.5 / 4.5, abs=1e-5)  # affine in the column
    assert inverse[4, 4] == pytest.approx(np.cos(0.3) / 4, rel=1e-5)


def test_room_depth_is_relative_and_varied():
    depths = [room_depth(scene(), generator(seed))[0] for seed in range(12)]
    for depth in depths:
        assert depth.shape == (96, 128)
        assert depth.dtype == np.float32
        assert 0 < depth.min() < depth.max() == 1
    assert np.std(depths, axis=0).mean() > 0.05


def test_veil_follows_its_law(monkeypatch):
    depth = np.linspace(0.1, 1, 12, dtype=np.float32).reshape(3, 4)
    for name in ("depth_map", "room_depth"):
        monkeypatch.setattr(f"benchmark.weather.veil.{name}", lambda image, rng: (depth, {}))
    black, white = np.zeros((3, 4, 3), np.float32), np.ones((3, 4, 3), np.float32)
    monkeypatch.setattr("benchmark.weather.veil.draw_airlight", lambda image, rng: [0.9, 0.8, 0.7])
    seen = set()
    for seed in range(40):
        of_black, drawn = add_veil(black, 0.8, generator(seed))
        of_white, _ = add_veil(white, 0.8, generator(seed))
        if drawn["linear"]:
            of_black, of_white = to_linear(of_black), to_linear(of_white)
        passing = of_white - of_black
        expected = np.exp(-drawn["density"] * depth)[..., None]
        if np.allclose(passing, expected, atol=2e-3):  # without banks of fog
            seen.add(drawn["linear"])
    assert seen == {False, True}


def test_veils_are_light_and_heavy():
    rng = generator(0)
    farthest = [
        np.exp(-add_veil(scene(24, 24), (1 - rng.random()) ** 0.8, rng)[1]["density"])
        for _ in range(300)
    ]
    assert min(farthest) < 0.06
    assert max(farthest) > 0.98
    assert np.mean(np.array(farthest) > 0.7) > 0.05


def test_airlight_is_white_or_fits_the_scene():
    rng = generator(0)
    lights = np.array([draw_airlight(np.full((8, 8, 3), 0.2, np.float32), rng) for _ in range(400)])
    assert lights.min() >= 0.05
    assert lights.max() <= 1
    white = (lights >= 0.95).all(axis=1) & (np.ptp(lights, axis=1) == 0)
    dim = lights.max(axis=1) < 0.3
    assert 0.5 < white.mean() < 0.8
    assert 0.01 < dim.mean() < 0.15


# ---- rain -----------------------------------------------------------------------------------


def test_sharp_rain_only_adds_light_and_is_grey():
    image = scene()
    for seed in range(10):
        change = add_sharp_rain(image, 0.9, generator(seed))[0] - image
        assert change.min() >= -1e-6
        assert np.ptp(change, axis=2).max() < 1e-5


def test_sharp_rain_covers_as_much_as_in_rain100l():
    dark = np.full((200, 200, 3), 0.2, np.float32)
    covered = [
        np.mean(add_sharp_rain(dark, 0.7, generator(seed))[0][..., 0] > 0.23) for seed in range(40)
    ]
    assert 0.04 < np.median(covered) < 0.35


def test_dense_rain_is_bright_on_dark_and_dark_on_bright_ground():
    image = np.full((64, 128, 3), 0.02, np.float32)
    image[:, 64:] = 0.98
    seen = 0
    for seed in range(40):
        rainy, drawn = add_dense_rain(image, 0.8, generator(seed))
        if "veil" in drawn or drawn["light"] > 0.9:
            continue
        seen += 1
        assert rainy[:, :60].mean() > image[:, :60].mean()
        assert rainy[:, 68:].mean() < image[:, 68:].mean()
    assert seen > 3


def test_texture_has_its_brightness_length_and_direction():
    rng = generator(3)
    streaks = streak_texture((400, 400), 2e-4, 40, 0.5, 0.3, rng)
    assert streaks.shape == (400, 400)
    assert streaks.min() >= 0
    # Drops a pixel, each of the length, and 1 to 2 bright over a width of σ √(2π).
    assert streaks.mean() == pytest.approx(2e-4 * 40 * 1.5 * 0.5 * np.sqrt(2 * np.pi), rel=0.25)
    rows, columns = np.gradient(cv2.GaussianBlur(streaks, (0, 0), 1.0))
    # The structure tensor's weaker direction is that of the streaks.
    angle = 0.5 * np.arctan2(2 * (rows * columns).sum(), (columns**2 - rows**2).sum())
    assert -angle == pytest.approx(0.3, abs=0.05)


def test_no_drop_gives_no_texture():
    assert not streak_texture((20, 30), 0.0, 9, 0.5, -0.4, generator()).any()


# ---- drops ----------------------------------------------------------------------------------


def test_sharp_drops_are_small_and_leave_the_glass_clear():
    image = scene(200, 200)
    for seed in range(6):
        rng = generator(seed)
        wet, _ = add_raindrops(image, 0.6, rng, draw_sharp_look(0.6, rng), 0.2)
        changed = np.abs(wet - image).max(axis=2) > 0.02
        assert 0.001 < changed.mean() < 0.4


def test_drops_in_focus_show_the_scene_upside_down():
    image = np.zeros((120, 120, 3), np.float32)
    image[:60] = 0.9  # a bright sky over dark ground
    brighter_below = []
    for seed in range(30):
        rng = generator(seed)
        wet, drawn = add_raindrops(image, 0.9, rng, draw_sharp_look(0.9, rng), 0.3)
        if drawn["highlight"] == 0:
            # On the ground, drops show the sky; in the sky, the ground.
            brighter_below.append(wet[64:].mean() - image[64:].mean())
            assert wet[:56].mean() <= image[:56].mean() + 0.02
    assert np.mean(brighter_below) > 0


def test_bright_drops_brighten_a_dark_scene():
    dark = np.full((100, 100, 3), 0.05, np.float32)
    dark[:10] = 1.0
    rng = generator(1)
    changes = [
        add_raindrops(dark, 0.9, rng, draw_bright_look(0.9, rng))[0][20:].mean() for _ in range(10)
    ]
    assert np.mean(changes) > 0.08


# ---- what must stay -------------------------------------------------------------------------


def test_details_change_a_part_of_the_picture():
    image = scene()
    before = image.copy()
    for seed in range(60):
        detailed = add_details(image, generator(seed))
        assert detailed.shape == image.shape
        assert detailed.dtype == np.float32
        assert 0 <= detailed.min() <= detailed.max() <= 1
    assert np.array_equal(image, before)
    for size in ((1, 1), (2, 9), (16, 16)):
        for seed in range(20):
            add_details(np.full((*size, 3), 0.5, np.float32), generator(seed))


def test_surfaces_are_grey_and_cover_a_part():
    image = np.zeros((60, 80, 3), np.float32)
    image[..., 0] = 1  # red, so that what is covered is known
    covered, colourful = [], []
    for seed in range(60):
        surface = add_surface(image, generator(seed))
        assert surface.shape == image.shape
        assert surface.dtype == np.float32
        assert np.isfinite(surface).all()
        where = surface[..., 1] > 0.1
        covered.append(where.mean())
        colourful.append(np.ptp(np.median(surface[where], axis=0)) if where.any() else 0)
    assert 0.2 < np.median(covered) < 0.8
    assert np.median(colourful) < 0.08
    assert np.array_equal(image[..., 1], np.zeros((60, 80), np.float32))


def test_stored_pairs_keep_what_they_share():
    clean = scene(48, 48)
    degraded = (clean + np.float32(0.1)).clip(0, 1)
    changed = 0
    for seed in range(30):
        a, b = stored(clean, clean.copy(), generator(seed), 1.0)
        assert np.array_equal(a, b)  # a clear pair stays one
        c, d = stored(clean, degraded, generator(seed), 1.0)
        assert np.array_equal(a, c)
        assert 0 <= d.min() <= d.max() <= 1
        changed += not np.array_equal(a, clean)
        assert psnr(d - c, degraded - clean) > 20  # the same noise, the same blocks
    assert changed > 20
    a, b = stored(clean, degraded, generator(), 0.0)
    assert a is clean
    assert b is degraded


def test_tones_never_change_their_order():
    for seed in range(100):
        table = tone_table(generator(seed))
        assert table.shape == (1, 256, 3)
        assert table.dtype == np.float32
        assert 0 <= table.min() <= table.max() <= 1
        assert np.diff(table, axis=1).min() >= -1e-6


def test_pairs_of_one_weather_use_its_recipes_only(monkeypatch):
    used = []

    def recipe(recipes, rng):
        used.append(recipes)
        return lambda image, strength, rng: (image, {})

    monkeypatch.setattr(pairs, "_recipe", recipe)
    for seed in range(20):
        training_pair(photo(40, 40), 16, generator(seed), ("snow",))
    assert set(used) == {pairs._SNOW}


def test_a_mix_has_all_kinds_in_the_order_of_the_light():
    drawn = [pairs.add_mix(scene(9, 9), 0.5, generator(seed))[1] for seed in range(60)]
    assert {tuple(each["weathers"]) for each in drawn} == {*COMBINATIONS}

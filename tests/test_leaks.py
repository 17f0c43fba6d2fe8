"""A photograph is found again by what it shows; a run that trains on it is refused."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark import datasets, leaks
from benchmark.config import Config
from benchmark.errors import UserError
from benchmark.leaks import SAME_PHOTO, difference_hash


def scene(seed):
    """Random blobs of several sizes, 150×225 pixels, each octave half as strong as the last."""
    rng = np.random.default_rng(seed)
    octaves = [rng.standard_normal((3 * 2**i, 4 * 2**i, 3)) / 2**i for i in range(5)]
    blobs = sum(cv2.resize(o, (225, 150), interpolation=cv2.INTER_CUBIC) for o in octaves)
    return Image.fromarray(np.clip(128 + 50 * blobs, 0, 255).astype(np.uint8))


def cropped(image):
    """As bundled targets are made: short side scaled, cropped about the centre."""
    image = image.resize((96, 64), Image.Resampling.LANCZOS)
    return image.crop((16, 0, 80, 64))


def as_is(image):
    return image


def small(image):
    return image.resize((120, 80), Image.Resampling.BICUBIC)


def brighter(image):
    return image.point(lambda value: 30 + 0.7 * value)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    paths = [tmp_path_factory.mktemp("train") / f"train{i}.png" for i in range(5)]
    for seed, path in enumerate(paths):
        scene(seed).save(path)
    return paths


def images_of(*targets):
    rows = [("mine", f"scene {i}", "", str(target)) for i, target in enumerate(targets)]
    return pd.DataFrame(rows, columns=["dataset", "photo", "input", "target"])


@pytest.mark.parametrize("change", [as_is, cropped, small, brighter])
@pytest.mark.parametrize(
    ("suffix", "options"), [("png", {}), ("jpg", {"quality": 60}), ("tif", {}), ("webp", {})]
)
def test_a_photo_trained_on_is_refused_in_any_form(tmp_path, photos, change, suffix, options):
    other, again = tmp_path / "other.png", tmp_path / f"again.{suffix}"
    scene(100).save(other)
    change(scene(3)).save(again, **options)
    message = rf"\(1\):\n  mine: photo 'scene 1', .*again\.{suffix} is '.*train3\.png'\nTake"
    with pytest.raises(UserError, match=message):
        leaks.check(images_of(other, again), photos)


def test_other_photos_are_not(tmp_path, photos):
    targets = []
    for seed in range(100, 120):
        targets.append(tmp_path / f"{seed}.png")
        cropped(scene(seed)).save(targets[-1])
    leaks.check(images_of(*targets), photos)


def test_without_a_target_the_input_is_looked_at(photos):
    with pytest.raises(UserError, match="scene 0"):
        leaks.check(images_of("").assign(input=str(photos[0])), photos)


def test_a_target_of_several_images_is_named_once(tmp_path, photos):
    with pytest.raises(UserError, match=r"\(1\)"):
        leaks.check(images_of(photos[0], photos[0]), photos)


def test_bits_tell_where_grey_rises_to_the_right(tmp_path):
    """A ramp up, then down, on the central square of a wide image: known by hand."""
    square = 10 * (8 - np.abs(np.arange(17) - 8)).astype(np.uint8)
    wide = np.full((17, 27), 255, np.uint8)
    wide[:, 5:22] = square
    Image.fromarray(wide).save(tmp_path / "x.png")
    expected = np.tile(np.arange(16) < 8, (16, 1))
    assert (difference_hash(tmp_path / "x.png").reshape(16, 16) == expected).all()


def test_an_unreadable_photo_is_named(tmp_path, photos):
    (tmp_path / "broken.png").write_bytes(b"not an image")
    for tested, trained in [("broken.png", photos[0]), (photos[0], tmp_path / "broken.png")]:
        with pytest.raises(UserError, match=r"broken\.png"):
            leaks.check(images_of(tmp_path / tested), [trained])


@pytest.mark.parametrize("split", ["val", "test"])
def test_bundled_photos_are_apart_by_a_wide_margin(split):
    values = {"name": "x", "train_on": "photos", "methods": {}}
    images = datasets.find_images(Config(**values, datasets={"photos": {"split": split}}))
    photos = datasets.training_photos("photos")
    leaks.check(images, photos)
    trained = np.stack([difference_hash(photo) for photo in photos])
    for target in images.target.unique():
        differing = (trained != difference_hash(datasets.ROOT / target)).sum(axis=1)
        assert differing.min() > 2 * SAME_PHOTO

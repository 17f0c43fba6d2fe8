"""A test photograph is found in the training data by its content, and the run is refused."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.core.errors import UserError
from benchmark.data import cards, leakage, set_images, training_files
from benchmark.data.leakage import (
    BITS,
    SAME_PHOTO_BITS,
    describe_match,
    difference_hash,
    find_candidates,
    make_fingerprint,
)
from benchmark.spec.run_config import Config
from tests.shared import shared


def scene(seed):
    """Random blobs of several sizes, 150×225 pixels, each octave half as strong as the last."""
    rng = np.random.default_rng(seed)
    octaves = [rng.standard_normal((3 * 2**i, 4 * 2**i, 3)) / 2**i for i in range(5)]
    blobs = sum(cv2.resize(o, (225, 150), interpolation=cv2.INTER_CUBIC) for o in octaves)
    return Image.fromarray(np.clip(128 + 50 * blobs, 0, 255).astype(np.uint8))


def cropped(image):
    """As bundled targets are made: short side scaled, centre cropped."""
    image = image.resize((96, 64), Image.Resampling.LANCZOS)
    return image.crop((16, 0, 80, 64))


def as_is(image):
    return image


def small(image):
    return image.resize((120, 80), Image.Resampling.BICUBIC)


def brighter(image):
    return image.point(lambda value: 30 + 0.7 * value)


def mirrored(image):
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def turned(image):
    return image.transpose(Image.Transpose.ROTATE_90)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    paths = [tmp_path_factory.mktemp("train") / f"train{i}.png" for i in range(5)]
    for seed, path in enumerate(paths):
        scene(seed).save(path)
    return paths


def images_of(*targets):
    rows = [("mine", f"scene {i}", "", str(target)) for i, target in enumerate(targets)]
    return pd.DataFrame(rows, columns=["dataset", "photo", "input", "target"])


@pytest.mark.parametrize("change", [as_is, cropped, small, brighter, mirrored, turned])
@pytest.mark.parametrize(
    ("suffix", "options"), [("png", {}), ("jpg", {"quality": 60}), ("tif", {}), ("webp", {})]
)
def test_a_training_photo_is_refused_in_any_form(tmp_path, photos, change, suffix, options):
    other, again = tmp_path / "other.png", tmp_path / f"again.{suffix}"
    scene(100).save(other)
    change(scene(3)).save(again, **options)
    how = r"(is|has the pixels of) '.*train3\.png'\nRemove"
    message = rf"\(1\):\n  mine: photo 'scene 1', .*again\.{suffix} {how}"
    with pytest.raises(UserError, match=message):
        leakage.check(images_of(other, again), photos)


def test_other_photos_are_accepted(tmp_path, photos):
    targets = []
    for seed in range(100, 120):
        targets.append(tmp_path / f"{seed}.png")
        cropped(scene(seed)).save(targets[-1])
    leakage.check(images_of(*targets), photos)


def test_without_a_target_the_input_is_compared(photos):
    with pytest.raises(UserError, match="scene 0"):
        leakage.check(images_of("").assign(input=str(photos[0])), photos)


def test_a_target_of_several_images_is_named_once(tmp_path, photos):
    with pytest.raises(UserError, match=r"\(1\)"):
        leakage.check(images_of(photos[0], photos[0]), photos)


def test_bits_are_set_where_grey_rises_to_the_right():
    """A ramp up, then down, in the central square of a wide image: the hash is known."""
    square = 10 * (8 - np.abs(np.arange(17) - 8)).astype(np.uint8)
    wide = np.full((17, 27), 255, np.uint8)
    wide[:, 5:22] = square
    assert (difference_hash(wide) == np.tile(np.arange(16) < 8, (16, 1))).all()


@pytest.fixture(scope="module")
def trained():
    return [make_fingerprint(photo) for photo in training_files.training_photos("photos")]


def test_crops_are_found_wherever_they_lie(tmp_path, trained):
    """Crops at random places, 60 to 90 % wide and high, half of them mirrored, scaled by 0.7 and
    saved as JPEG of quality 60; each against ten photographs. At most one in ten is missed."""
    rng = np.random.default_rng(0)
    trained, crops = trained[:10], []
    for number in range(30):
        image = Image.open(trained[number % 10].path)
        width, height = (round(side * rng.uniform(0.6, 0.9)) for side in image.size)
        left, top = rng.integers(image.width - width), rng.integers(image.height - height)
        part = image.crop((left, top, left + width, top + height))
        part = mirrored(part) if number % 2 else part
        part.resize((7 * width // 10, 7 * height // 10)).save(tmp_path / "x.jpg", quality=60)
        crops.append(make_fingerprint((tmp_path / "x.jpg").rename(tmp_path / f"{number}.jpg")))
    candidates = find_candidates(crops, trained)
    found = [(i, j) for i, j in candidates if describe_match(crops[i], trained[j])]
    assert all(j == i % 10 for i, j in found)
    assert len(found) >= 27
    turned_round = {(i, j) for j, i in find_candidates(trained, crops)}
    assert turned_round >= set(found)


def test_too_many_photos_are_compared_only_as_a_whole_with_a_message(tmp_path, monkeypatch, capsys):
    """Above the limit a turned photo is still found; a crop is found only below it."""
    photos = training_files.training_photos("photos")[:5]
    again, part = tmp_path / "again.png", tmp_path / "part.png"
    with Image.open(photos[2]) as image:
        image.crop((40, 30, 40 + 3 * image.width // 4, 30 + 3 * image.height // 4)).save(part)
    with Image.open(photos[3]) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(again)
    with pytest.raises(UserError, match=r"\(2\)"):
        leakage.check(images_of(again, part), photos)
    monkeypatch.setattr(leakage, "CROP_PAIRS", 9)
    with pytest.raises(UserError, match=r"\(1\):\n  mine: photo 'scene 0'"):
        leakage.check(images_of(again, part), photos)
    assert "mine: 2 test and 5 training photographs are too many" in capsys.readouterr().err
    monkeypatch.setattr(leakage, "CROP_PAIRS", 5)  # the limit holds for each data set
    with pytest.raises(UserError, match=r"\(2\)"):
        leakage.check(images_of(again, part).assign(dataset=["one", "other"]), photos)


def test_flat_images_match_only_by_their_pixels(tmp_path):
    for value in (10, 20):
        Image.new("RGB", (40, 30), (value,) * 3).save(tmp_path / f"{value}.png")
    Image.new("RGB", (40, 30), (10,) * 3).save(tmp_path / "again.png")
    fingerprints = [make_fingerprint(tmp_path / f"{name}.png") for name in ("10", "20", "again")]
    assert describe_match(fingerprints[0], fingerprints[2]) == "has the pixels of"


def test_real_repeats_of_rain100l_are_found_and_no_others():
    """The nine repeats of the card `rain100l`, some of them turned or saved again."""
    folder = shared("real/Rain100L/target")
    fingerprints = [make_fingerprint(path) for path in sorted(folder.iterdir())]
    found = {
        frozenset((fingerprints[i].path.stem, fingerprints[j].path.stem))
        for i, j in find_candidates(fingerprints, fingerprints)
        if i < j and describe_match(fingerprints[i], fingerprints[j])
    }
    card = cards.load_card("rain100l")
    numbers = [{int("".join(filter(str.isdigit, stem))) for stem in pair} for pair in found]
    assert sorted(map(sorted, numbers)) == sorted(
        sorted(int(photo) for photo in group) for group in card.same_photo
    )


def test_an_unreadable_photo_is_named(tmp_path, photos):
    (tmp_path / "broken.png").write_bytes(b"not an image")
    for tested, trained in [("broken.png", photos[0]), (photos[0], tmp_path / "broken.png")]:
        with pytest.raises(UserError, match=r"broken\.png"):
            leakage.check(images_of(tmp_path / tested), [trained])


def test_without_training_photos_there_is_nothing_to_refuse(photos):
    leakage.check(images_of(photos[0]), [])


@pytest.mark.parametrize("split", ["val", "test"])
def test_bundled_photos_differ_by_a_wide_margin(split, trained):
    values = {"name": "x", "train_on": "photos", "methods": {}}
    images = set_images.find_images(Config(**values, datasets={"photos": {"split": split}}))
    targets = [make_fingerprint(cards.ROOT / target) for target in images.target.unique()]
    candidates = find_candidates(targets, trained)
    assert not [(i, j) for i, j in candidates if describe_match(targets[i], trained[j])]
    hashes = np.stack([photo.hashes[0] for photo in trained])
    for target in targets:
        assert (BITS - hashes @ target.hashes[0]).min() / 2 > 1.9 * SAME_PHOTO_BITS

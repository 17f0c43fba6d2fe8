"""Training on a data set's pairs: they are aligned, loaders do not matter, faults are named."""

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from benchmark.core.errors import UserError
from benchmark.core.image_io import image_size, read_image, to_float, write_png
from benchmark.data import cards, training_files
from benchmark.spec.training_settings import Training
from benchmark.training import crops as training_data
from tests.training.test_loop import run, same

HEIGHT, WIDTH = 40, 56


@pytest.fixture
def pairs(tmp_path):
    """Two pairs. An input is the negative of its target; a pixel's value is its position."""
    found = []
    for i in range(2):
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        clean = np.stack([4 * y, 4 * x, np.full_like(x, 100 * i)], axis=-1).astype(np.uint8)
        for folder, image in (("input", 255 - clean), ("gt", clean)):
            write_png(tmp_path / "set" / folder / f"{i}.png", image)
        found.append((tmp_path / "set/input" / f"{i}.png", tmp_path / "set/gt" / f"{i}.png"))
    return found


def test_crops_are_aligned_squares_of_the_images_and_reach_every_edge(pairs):
    crops = training_data.crops(pairs, 16, seed=0, first=0, count=300)
    tops, lefts, flips, photos = set(), set(), set(), set()
    for clean, degraded in (crops[i] for i in range(300)):
        assert clean.shape == degraded.shape == (3, 16, 16)
        assert torch.allclose(clean + degraded, torch.ones(3, 16, 16))
        y, x = (clean[:2] * 255 / 4).round()
        assert (y.diff(dim=0) == 1).all()
        assert (x.diff(dim=1) == x[0, 1] - x[0, 0]).all()
        tops.add(int(y.min()))
        lefts.add(int(x.min()))
        flips.add(int(x[0, 1] - x[0, 0]))
        photos.add(int((clean[2, 0, 0] * 255).round()))
    assert tops == set(range(HEIGHT - 16 + 1))
    assert lefts == set(range(WIDTH - 16 + 1))
    assert flips == {-1, 1}
    assert photos == {0, 100}


def test_a_pair_depends_on_its_seed_and_index_only(pairs):
    whole = training_data.crops(pairs, 16, seed=3, first=0, count=10)
    later = training_data.crops(pairs, 16, seed=3, first=4, count=6)
    other = training_data.crops(pairs, 16, seed=4, first=0, count=10)
    assert all(torch.equal(a, b) for a, b in zip(whole[5], later[1], strict=True))
    assert not all(torch.equal(whole[i][0], other[i][0]) for i in range(10))


def test_an_image_smaller_than_the_crop_is_mirrored(pairs):
    clean, degraded = training_data.crops(pairs, 64, seed=0, first=0, count=1)[0]
    assert clean.shape == (3, 64, 64)
    assert torch.equal(clean[:, HEIGHT:], clean[:, 2 * HEIGHT - 64 : HEIGHT].flip(1))
    assert torch.allclose(clean + degraded, torch.ones(3, 64, 64))


@pytest.mark.parametrize("kind", ["L", "P", "RGBA", "I;16", "turned"])
def test_files_of_every_kind_are_cut_as_they_are_read(tmp_path, kind):
    """A crop as large as the image is what `read_image` gives, or its mirror image."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 4), np.uint8)
    file, exif = tmp_path / "x.png", Image.Exif()
    if kind == "turned":
        exif[0x0112] = 6
    elif kind == "I;16":
        Image.fromarray(noise.view(np.uint16)[..., 0]).save(file)
    image = Image.fromarray(noise if kind == "RGBA" else noise[..., :3])
    if kind != "I;16":
        image.convert({"turned": "RGB"}.get(kind, kind)).save(file, exif=exif)
    whole = torch.from_numpy(to_float(read_image(file))).permute(2, 0, 1)
    crops = training_data.crops([(file, file)], 24, seed=0, first=0, count=20)
    found = [crops[i] for i in range(20)]
    assert all(torch.equal(*pair) for pair in found)
    assert sum(torch.equal(clean, whole) for clean, _ in found) in range(1, 20)
    assert all(torch.equal(c, whole) or torch.equal(c, whole.flip(2)) for c, _ in found)


def test_images_that_are_not_kept_decoded_are_read_at_each_use(pairs):
    photos = [target for _, target in pairs]
    for source in (photos, pairs):
        whole, part, none = (
            training_data.crops(source, 16, 0, 0, 20, decoded_bytes=most) for most in (2**20, 1, 0)
        )
        assert len(whole.decoded) == sum(map(len, pairs)) if source is pairs else len(photos)
        assert len(part.decoded) == 1  # the first image has all bytes that are allowed
        assert len(none.decoded) == 0
        for i in range(20):
            for other in (part, none):
                assert all(torch.equal(a, b) for a, b in zip(whole[i], other[i], strict=True))


def test_no_folder_is_listed_while_training(pairs, card, monkeypatch):
    card()
    source = training_files.training_source("mine")
    kinds = source, [target for _, target in source]
    for kind in kinds:  # images are decoded before the first step
        training_data.crops(kind, 16, seed=0, first=0, count=4)

    def listed(*_):
        raise AssertionError("a folder is listed")

    for name in ("scandir", "listdir", "walk"):
        monkeypatch.setattr(f"os.{name}", listed)
    with pytest.raises(AssertionError, match="is listed"):
        training_files.training_source("mine")
    for kind in kinds:
        crops = training_data.crops(kind, 16, seed=0, first=0, count=4)
        assert len([crops[i] for i in range(4)]) == 4


def test_training_is_the_same_with_any_number_of_loaders(pairs, tmp_path):
    stages = ({"share": 1, "batch": 2, "crop": 16},)
    settings = Training(steps=3, stages=stages, warmup=1, workers=0)
    first = run(pairs, tmp_path / "0", settings, name="regression")[1]
    loaders = settings.model_copy(update={"workers": 2})
    assert same(first, run(pairs, tmp_path / "2", loaders, name="regression")[1])


@pytest.fixture
def card(tmp_path, monkeypatch, pairs):
    """A function that writes a card with the key `train` and returns the folder of its set."""
    monkeypatch.setattr(cards, "CARDS", tmp_path)

    def card(**train):
        values = {
            "title": "t", "path": str(tmp_path / "set"), "weathers": ["mix"], "splits": {},
            "train": {"input": "input/{photo}.png", "target": "gt/{photo}.png", **train},
            "licence": "l", "source": "s", "citation": "c",
        }  # fmt: skip
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
        return tmp_path / "set"

    return card


def test_a_card_names_pairs_and_which_to_leave_out(card, pairs):
    card()
    assert training_files.training_source("mine") == pairs
    assert training_files.training_photos("mine") == [target for _, target in pairs]
    assert training_files.sound_source("mine", ("mix",)) == pairs
    card(without=["0.*"])
    assert training_files.training_source("mine") == pairs[1:]


def test_allweathers_card_leaves_out_outdoor_rains_test_photographs(tmp_path, monkeypatch):
    """im_0301 to im_0350 in every strength of rain, and no other file of the sets in the folder."""
    outdoor = [
        f"im_{number:04d}_s{streaks}_a{veil:02d}.png"
        for number in range(296, 356) for streaks in (80, 85, 90, 95, 100) for veil in (4, 5, 6)
    ]  # fmt: skip
    others = ["0_rain.png", "301_rain.png", "beautiful_smile_00003.jpg", "im_3010_s80_a04.png"]
    others += ["city_read_03010.jpg", "im_0300.png", "im_0351.png"]
    for folder in ("input", "gt"):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for name in (*outdoor, *others):
            (tmp_path / "set" / folder / name).touch()
    values = yaml.safe_load((cards.CARDS / "allweather.yaml").read_text(encoding="utf-8"))
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    (tmp_path / "allweather.yaml").write_text(
        yaml.safe_dump({**values, "path": str(tmp_path / "set")})
    )
    source = training_files.training_source("allweather")
    kept = {name for name in outdoor if not 301 <= int(name[3:7]) <= 350} | {*others}
    assert len(outdoor) - 750 + len(others) == len(kept)  # Test1 has 750 inputs
    assert {path.name for path, _ in source} == kept
    assert {path.name for path in training_files.training_photos("allweather")} == kept


@pytest.mark.parametrize(
    ("train", "says"),
    [
        ({"without": ["*"]}, "mine.yaml: train: no pair of mix"),
        ({"target": "clear/{photo}.png"}, r"clear/0\.png.* is missing"),
        ({"target": "gt/{name}.png"}, "train.target: '{name}' is not in the input"),
        ({"targets": "gt"}, "unknown key 'targets'. Did you mean 'target'"),
    ],
)
def test_faults_of_a_card_are_named(card, train, says):
    card(**train)
    with pytest.raises(UserError, match=says):
        training_files.sound_source("mine", ("mix",))


def test_pairs_of_a_weather_that_the_set_lacks(card):
    card()
    with pytest.raises(UserError, match="no pair of rain"):
        training_files.sound_source("mine", ("rain",))


def test_pairs_of_two_sizes_are_refused_before_training_and_in_it(card, pairs):
    card()
    write_png(pairs[1][0], np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(UserError, match=r"input/1\.png' \(9×8\) and .*gt/1\.png' \(56×40\)"):
        training_files.sound_source("mine", ("mix",))
    crops = training_data.crops(pairs[1:], 16, seed=0, first=0, count=1)
    with pytest.raises(UserError, match=r"input/1\.png.* is 9×8"):
        crops[0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (9, 5)), (3, (9, 5)), (6, (5, 9))])
def test_the_size_in_a_header_is_that_of_the_image_as_shown(tmp_path, suffix, orientation, size):
    image, exif = Image.new("RGB", (9, 5)), Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / f"photo.{suffix}", exif=exif)
    assert image_size(tmp_path / f"photo.{suffix}") == size
    assert read_image(tmp_path / f"photo.{suffix}").shape[1::-1] == size


def test_a_file_that_is_no_image_has_no_size(tmp_path):
    (tmp_path / "no.png").write_bytes(b"none")
    with pytest.raises(UserError, match=r"no\.png"):
        image_size(tmp_path / "no.png")

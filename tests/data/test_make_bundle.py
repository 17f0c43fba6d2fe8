"""Making the bundled data set, with three small photographs."""

import csv
import hashlib
import json
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.cli import main
from benchmark.core.colour import icc_profile
from benchmark.core.errors import UserError
from benchmark.core.image_decoding import EXIF_ORIENTATION
from benchmark.core.image_io import read_image, write_png
from benchmark.core.seeds import numpy_generator
from benchmark.data import make_bundle, make_pairs
from benchmark.data.make_bundle import HELD_OUT, make_data
from benchmark.data.make_pairs import remake_pairs
from benchmark.weather import STRENGTHS, WEATHERS, degrade

SMALL = {"test": ["tower"], "val": ["goat"]}


@pytest.fixture
def photos(tmp_path):
    return three_photos(tmp_path)


def three_photos(parent):
    """Three photographs of other shapes than the targets, with their manifest."""
    folder = parent / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    sizes = {"tower": (300, 280), "goat": (200, 330), "hill": (360, 800)}
    lines = ["file,width,height,licence,author,source,kind"]
    for name, (height, width) in sizes.items():
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.BICUBIC).save(folder / f"{name}.png")
        lines.append(
            f'{name}.png,{width},{height},CC-BY-SA-4.0,"Ann, B.",https://x.org/{name},hill'
        )
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def data(made, tmp_path):
    """A copy of `made`, for a test that changes it."""
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The data set of the three photographs, made once. Read only."""
    folder = tmp_path_factory.mktemp("made")
    make_data(three_photos(folder), folder / "data", held_out=SMALL)
    return folder / "data"


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "alexnet_features.safetensors").write_bytes(b"features")
    (folder / "niqe_pris_params.npz").write_bytes(b"prior")
    return folder


def contents(folder):
    """Checksum of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_making_the_data_twice_gives_the_same_bits(photos, weights, tmp_path):
    first = make_data(photos, tmp_path / "a", weights=weights, held_out=SMALL)
    second = make_data(photos, tmp_path / "b", weights=weights, held_out=SMALL)
    assert first == second
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    other = make_data(photos, tmp_path / "c", seed=1, held_out=SMALL)
    assert other["pairs"] != first["pairs"]


def test_layout_and_manifest_agree(photos, weights, tmp_path):
    out = tmp_path / "data"
    manifest = make_data(photos, out, weights=weights, held_out=SMALL)
    assert json.loads((out / "manifest.json").read_text()) == manifest
    found = contents(out)
    found.pop("manifest.json")
    assert {f["path"]: f["sha256"] for f in manifest["files"]} == found
    assert all((out / f["path"]).stat().st_size == f["bytes"] for f in manifest["files"])
    expected = {"README.md", "photos/manifest.csv", "photos/train/hill.jpg"}
    expected |= {"photos/val/goat.png", "photos/test/tower.png"}
    expected |= {f"pairs/val/{w}/goat.png" for w in WEATHERS}
    expected |= {f"pairs/test/{w}/tower.png" for w in WEATHERS}
    expected |= {"weights/lpips_alexnet_features.safetensors", "weights/niqe_pris_params.npz"}
    assert set(found) == expected
    for entry in manifest["files"]:
        if entry["path"].endswith((".png", ".jpg")):
            with Image.open(out / entry["path"]) as image:
                assert image.size == (entry["width"], entry["height"])
                assert image.mode == "RGB"
    assert not [path for path in out.rglob(".partial*")]


def test_sizes(made):
    folder = made / "photos"
    with Image.open(folder / "train" / "hill.jpg") as image:
        assert image.size == (640, 288)
    for path in ("val/goat.png", "test/tower.png"):
        with Image.open(folder / path) as image:
            assert image.size == (256, 256)


def train_files(photos, out):
    """Checksum of every photograph, if all are for training."""
    make_data(photos, out, held_out={})
    return contents(out / "photos" / "train")


def test_a_turned_photo_is_written_upright(photos, tmp_path):
    with Image.open(photos / "hill.png") as image:
        image.load()
    image.transpose(Image.Transpose.ROTATE_270).save(photos / "hill.png")
    upright = train_files(photos, tmp_path / "upright")
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    image.save(photos / "hill.png", exif=exif)
    assert train_files(photos, tmp_path / "turned") == upright


def test_transparent_parts_of_a_photo_are_white(photos, tmp_path):
    with Image.open(photos / "hill.png") as image:
        image.load()
    image.putalpha(0)
    image.save(photos / "hill.png")
    train_files(photos, tmp_path / "data")
    assert read_image(tmp_path / "data" / "photos" / "train" / "hill.jpg").min() >= 254


def test_a_colour_profile_does_not_change_the_data(photos, tmp_path):
    without = train_files(photos, tmp_path / "without")
    with Image.open(photos / "hill.png") as image:
        image.load()
    image.save(photos / "hill.png", icc_profile=icc_profile(9, 1))
    assert train_files(photos, tmp_path / "with") == without


def test_pairs_are_their_target_in_the_weather_described(made):
    out, manifest = made, json.loads((made / "manifest.json").read_text())
    assert len(manifest["pairs"]) == 2 * len(WEATHERS)
    for pair in manifest["pairs"]:
        low, high = STRENGTHS[pair["level"]]
        assert low <= pair["strength"] <= high
        target = np.asarray(Image.open(out / pair["target"])).astype(np.float32) / np.float32(255)
        rng = numpy_generator("pair", 0, pair["split"], pair["weather"], pair["photo"])
        rng.uniform()  # the strength
        expected, parameters = degrade(target, pair["weather"], pair["strength"], rng)
        degraded = np.asarray(Image.open(out / pair["degraded"])) / 255
        assert np.abs(degraded - expected).max() <= 0.5 / 255 + 1e-6
        assert parameters == pair["parameters"]


def test_another_photo_does_not_change_the_pictures_of_the_others(made, photos, tmp_path):
    shutil.copy(photos / "hill.png", photos / "zebra.png")
    with (photos / "manifest.csv").open("a") as handle:
        handle.write("zebra.png,800,360,CC0-1.0,,https://x.org,animal\n")
    make_data(photos, tmp_path / "b", held_out={**SMALL, "test": ["tower", "zebra"]})
    before, after = contents(made), contents(tmp_path / "b")
    same = [path for path in before if path.endswith((".png", ".jpg"))]
    assert same
    assert all(before[path] == after[path] for path in same)


def test_levels_rotate_so_that_every_weather_has_each_equally_often(tmp_path, monkeypatch):
    monkeypatch.setattr(make_pairs, "write_image", lambda path, pixels: None)
    target = np.full((8, 8, 3), 128, np.uint8)
    for names in HELD_OUT.values():
        pairs = []
        for i, name in enumerate(sorted(names)):
            pairs += make_pairs.write_pairs(tmp_path, "test", name, i, target, 0)
        for weather in WEATHERS:
            levels = [pair["level"] for pair in pairs if pair["weather"] == weather]
            assert {levels.count(level) for level in STRENGTHS} == {len(names) / 3}


def test_splits_do_not_share_photos():
    assert not set(HELD_OUT["test"]) & set(HELD_OUT["val"])
    assert all(len(set(names)) == len(names) for names in HELD_OUT.values())


def test_licences_are_passed_on(made):
    with (made / "photos" / "manifest.csv").open(newline="") as handle:
        rows = {row["file"]: row for row in csv.DictReader(handle)}
    assert set(rows) == {"train/hill.jpg", "val/goat.png", "test/tower.png"}
    row = rows["test/tower.png"]
    assert (row["licence"], row["author"]) == ("CC-BY-SA-4.0", "Ann, B.")
    assert (row["source"], row["split"]) == ("https://x.org/tower", "test")
    assert (row["width"], row["height"]) == ("256", "256")
    assert "256" in row["changes"]
    readme = (made / "README.md").read_text()
    assert "CC-BY-SA-4.0: 3" in readme
    assert "share-alike" in readme
    assert str(made.parent) not in readme


@pytest.mark.parametrize("seed", [0, 3])
def test_the_command_in_the_readme_makes_the_same_data(
    photos, weights, tmp_path, monkeypatch, seed
):
    monkeypatch.setattr(make_bundle, "HELD_OUT", SMALL)
    make_data(photos, tmp_path / "first", seed, weights=weights)
    readme = (tmp_path / "first" / "README.md").read_text()
    command = next(line for line in readme.splitlines() if line.startswith("    python"))
    program, *arguments = shlex.split(command.removeprefix("    python -m "))
    places = {"PHOTOS": photos, "WEIGHTS": weights, "data": tmp_path / "again"}
    arguments = [str(places.get(argument, argument)) for argument in arguments]
    monkeypatch.setattr("sys.argv", [program, *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert program == "benchmark" and not end.value.code
    assert contents(tmp_path / "again") == contents(tmp_path / "first")


def test_the_manifest_names_the_module_that_made_it(photos, tmp_path):
    manifest = make_data(photos, tmp_path / "data", held_out=SMALL)
    assert manifest["generator"] == make_bundle.__name__


def test_overwriting_needs_the_option_and_keeps_other_files(photos, tmp_path):
    out = tmp_path / "data"
    make_data(photos, out, held_out={"test": ["hill"], "val": ["goat"]})
    (out / "weights").mkdir()
    (out / "weights" / "mine.safetensors").write_bytes(b"mine")
    with pytest.raises(UserError, match="not empty"):
        make_data(photos, out, held_out=SMALL)
    make_data(photos, out, held_out=SMALL, overwrite=True)
    assert not (out / "photos" / "test" / "hill.png").exists()
    assert (out / "weights" / "mine.safetensors").read_bytes() == b"mine"


def test_missing_manifest_is_named(photos, tmp_path):
    os.remove(photos / "manifest.csv")
    with pytest.raises(UserError, match=r"manifest\.csv is missing"):
        make_data(photos, tmp_path / "data", held_out=SMALL)


def test_manifest_without_licences_is_refused(photos, tmp_path):
    (photos / "manifest.csv").write_text("file,author\ntower.png,Ann\n")
    with pytest.raises(UserError, match="licence, source"):
        make_data(photos, tmp_path / "data", held_out={})


@pytest.mark.parametrize("row", ["short.png", "a.png,1,1,CC0,Ann,x,hill,more", ",1,1,CC0,,,"])
def test_a_row_of_another_length_is_refused(photos, tmp_path, row):
    with (photos / "manifest.csv").open("a") as handle:
        handle.write(f"{row}\n")
    with pytest.raises(
        UserError, match=r"manifest\.csv: the row of .* or names no file: correct it"
    ):
        make_data(photos, tmp_path / "data", held_out=SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pairs": [{"split": "../x", "photo": "goat"}]},
            r": pairs\.0\.split: '\.\./x' cannot name",
        ),
        ({"pairs": [{"split": "val", "photo": "a/b"}]}, r": pairs\.0\.photo: 'a/b' cannot name"),
        ({"pairs": ["x"]}, r": pairs\.0: Input should be a valid dictionary"),
        ({"files": [3]}, r": files\.0: Input should be a valid dictionary"),
        ({"files": None}, ": files: Input should be a valid list"),
        ({"seed": "0"}, ": seed: Input should be a valid integer"),
        ("[" * 5000, " is not valid JSON"),
    ],
)
def test_a_wrong_manifest_of_the_pairs_is_named(data, tmp_path, change, message):
    file = data / "manifest.json"
    text = change
    if isinstance(change, dict):
        text = json.dumps(json.loads(file.read_text()) | change)
    file.write_text(text)
    with pytest.raises(UserError, match=rf"manifest\.json{message}.*dvc pull"):
        remake_pairs(data, tmp_path / "again")
    assert not (tmp_path / "again").exists() and not (tmp_path / "x").exists()


@pytest.mark.parametrize("file", ["/etc/passwd", "../hill.png"])
def test_a_photo_elsewhere_is_refused(photos, tmp_path, file):
    with (photos / "manifest.csv").open("a") as handle:
        handle.write(f"{file},1,1,CC0-1.0,,,\n")
    with pytest.raises(UserError, match=rf"manifest\.csv: '{file}' is not in the folder"):
        make_data(photos, tmp_path / "data", held_out=SMALL)


def test_two_photos_of_one_name_are_refused(photos, tmp_path):
    with (photos / "manifest.csv").open("a") as handle:
        handle.write("tower.jpg,1,1,CC0-1.0,,,\n")
    with pytest.raises(UserError, match="two files with one name"):
        make_data(photos, tmp_path / "data", held_out=SMALL)


@pytest.mark.parametrize("damage", ["missing", "truncated", "text"])
def test_damaged_photos_are_named_and_nothing_is_written(photos, tmp_path, damage):
    path = photos / "hill.png"
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_text("not a picture")
    with pytest.raises(UserError, match=r"hill\.png"):
        make_data(photos, tmp_path / "data", held_out=SMALL)
    assert not (tmp_path / "data").exists()


def test_unknown_held_out_photo_is_named(photos, tmp_path):
    with pytest.raises(UserError, match="'castle'"):
        make_data(photos, tmp_path / "data", held_out={"test": ["castle"], "val": []})


def test_missing_weights_are_named(photos, weights, tmp_path):
    os.remove(weights / "niqe_pris_params.npz")
    with pytest.raises(UserError, match="niqe_pris_params"):
        make_data(photos, tmp_path / "data", weights=weights, held_out=SMALL)


def test_out_must_be_a_folder(photos, tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(UserError, match="not a folder"):
        make_data(photos, tmp_path / "data", held_out=SMALL)


def test_pairs_are_made_again_bit_for_bit_from_the_data_alone(data, tmp_path):
    assert remake_pairs(data, tmp_path / "again") == []
    for path in (tmp_path / "again").rglob("*.png"):
        assert path.read_bytes() == (data / path.relative_to(tmp_path / "again")).read_bytes()


def test_pairs_that_differ_because_of_a_changed_target_are_named(data, tmp_path):
    target = next((data / "photos" / "val").glob("*.png"))
    write_png(target, 255 - read_image(target))
    differing = remake_pairs(data, tmp_path / "again")
    assert {Path(path).stem for path in differing} == {target.stem}


def test_without_a_manifest_the_error_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"manifest\.json is missing; run 'dvc pull"):
        remake_pairs(tmp_path, tmp_path / "again")

"""Data sets that a run makes itself: every photograph in every weather at every level."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmark.core.atomic import PARTIAL
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image, write_png
from benchmark.data import cards, file_index, made_sets, set_images
from benchmark.spec.run_config import Config
from benchmark.weather import STRENGTHS, degrade

CARD = {
    "title": "A set that is made",
    "weathers": ["rain", "snow"],
    "splits": {
        "test": {"input": "inputs/{weather}/{photo}-{level}.png", "target": "targets/{photo}.png"}
    },
    "made": {"photos": "data/clean/*.png", "levels": ["light", "heavy"], "seed": 3},
    "manifest": "manifest.json",
    "pairs": {"test": 8},
    "licence": "none",
    "source": "made here",
    "citation": "none",
}


@pytest.fixture
def card(tmp_path, monkeypatch):
    """Writes the card of a set made of two small photographs."""
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    monkeypatch.setattr(file_index, "CACHE", tmp_path / "cache.sqlite")
    monkeypatch.setenv("UNWEATHER_DATA", str(tmp_path / "data"))
    rng = np.random.default_rng(0)
    for photo in ("big-tree", "house"):
        pixels = rng.integers(0, 256, (24, 32, 3), np.uint8)
        write_png(tmp_path / "data" / "clean" / f"{photo}.png", pixels)

    def card(**changes):
        values = {**CARD, "path": str(tmp_path / "set"), **changes}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
        return tmp_path / "set"

    return card


def run_of(**choice):
    return Config(
        name="run", datasets={"mine": choice}, train_on="photos", methods={"identity": {}}
    )


def bytes_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_made_set_has_every_weather_at_every_level(card):
    folder = card()
    assert made_sets.make("mine")
    images = set_images.find_images(run_of())
    assert len(images) == 2 * 2 * 2
    assert {*images.photo} == {"big-tree", "house"}
    assert images.groupby(["weather", "strength"]).size().eq(2).all()
    row = images[images.image == "big-tree-heavy"].iloc[0]
    assert row.input.endswith("set/inputs/rain/big-tree-heavy.png")
    assert not [*folder.parent.glob(f"{PARTIAL}*")]


def test_pictures_are_their_target_in_the_weather_of_the_manifest(card):
    folder = card()
    made_sets.make("mine")
    for pair in yaml.safe_load((folder / "manifest.json").read_text())["pairs"]:
        low, high = STRENGTHS[pair["level"]]
        assert low <= pair["strength"] <= high
        target = read_image(folder / pair["target"])
        _, weather, name = pair["degraded"].split("/")
        rng = made_sets.numpy_generator(
            "made pair", 3, weather, pair["level"], name.rsplit("-", 1)[0]
        )
        rng.uniform()  # the strength
        expected, _ = degrade(
            target.astype(np.float32) / np.float32(255), weather, pair["strength"], rng
        )
        degraded = read_image(folder / pair["degraded"])
        assert np.abs(degraded / 255 - expected).max() <= 0.5 / 255 + 1e-6


def test_it_is_made_again_only_if_something_has_changed(card, tmp_path, monkeypatch):
    folder = card()
    assert made_sets.make("mine")
    first = bytes_of(folder)
    assert not made_sets.make("mine")
    card(made={**CARD["made"], "seed": 4})
    assert made_sets.make("mine")
    other = bytes_of(folder)
    assert first.keys() == other.keys() and first != other
    card()
    assert made_sets.make("mine")
    assert bytes_of(folder) == first, "the same seed makes the same bits"

    pixels = read_image(tmp_path / "data/clean/house.png")
    write_png(tmp_path / "data/clean/house.png", 255 - pixels)
    assert made_sets.make("mine")
    changed = {path for path, content in bytes_of(folder).items() if content != first[path]}
    assert {path.name.split(".")[0].split("-")[0] for path in changed} == {"house", "manifest"}

    reached = made_sets.reach.reached_by
    monkeypatch.setattr(
        made_sets.reach, "reached_by", lambda *r: reached("benchmark.weather:degrade")
    )
    assert made_sets.make("mine"), "the simulation has changed"


def test_a_kill_while_an_earlier_set_is_removed_leaves_the_new_one(card, monkeypatch):
    card()
    made_sets.make("mine")
    card(made={**CARD["made"], "seed": 4})

    def killed(path, **_):
        (Path(path) / "manifest.json").unlink(missing_ok=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            made_sets.make("mine")
    assert not made_sets.make("mine")
    assert len(set_images.find_images(run_of())) == 2 * 2 * 2


def test_files_of_others_in_a_made_set_are_not_deleted(card):
    folder = card()
    made_sets.make("mine")
    (folder / "targets" / "notes.txt").write_text("mine")
    assert not made_sets.make("mine")
    card(made={**CARD["made"], "seed": 4})
    with pytest.raises(UserError, match=r"targets/notes\.txt.* is not of the set.*move it"):
        made_sets.make("mine")
    (folder / "targets" / "notes.txt").unlink()
    assert made_sets.make("mine")


OTHER_SET = {"identity": "0" * 64, "name": "other", "files": [], "pairs": []}


@pytest.mark.parametrize("manifest", [None, {"version": 3, "files": []}, [], OTHER_SET])
def test_another_set_in_the_folder_is_left_alone(card, manifest):
    folder = card()
    write_png(folder / "mine.png", np.zeros((4, 4, 3), np.uint8))
    if manifest is not None:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    before = bytes_of(folder)
    with pytest.raises(UserError, match="has other files than the set 'mine'"):
        made_sets.make("mine")
    assert bytes_of(folder) == before


def test_a_damaged_manifest_is_named_and_the_folder_left_alone(card):
    folder = card()
    made_sets.make("mine")
    (folder / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest\.json is not valid JSON.*move .* away"):
        made_sets.make("mine")
    assert (folder / "targets" / "house.png").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"made": None, "manifest": None}, "is not made here"),
        ({"made": {"photos": "data/none/*.png"}}, r"made\.photos: no file matches"),
        ({"made": {"photos": "../clean/*.png"}}, "photos must be below the project"),
        ({"manifest": None}, "manifest: manifest.json"),
        ({"made": {"photos": "data/clean/*.png", "levels": ["weak"]}}, r"made\.levels"),
        ({"made": {"photos": "data/clean/*.png", "sed": 1}}, "Did you mean 'seed'"),
    ],
)
def test_a_card_at_fault_is_named(card, changes, message):
    card(**changes)
    with pytest.raises(UserError, match=message):
        made_sets.make("mine")


def test_only_sets_that_are_made_are_made_for_a_run(card):
    card()
    assert made_sets.in_run(run_of()) == ["mine"]
    card(made=None)
    assert made_sets.in_run(run_of()) == []

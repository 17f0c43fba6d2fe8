"""Cards: pairing by patterns, and everything wrong with a set said at once."""

import json

import numpy as np
import pytest
import yaml

from benchmark import datasets
from benchmark.config import Config
from benchmark.errors import UserError
from benchmark.images import write_png

CARD = {
    "title": "A set",
    "weathers": ["haze"],
    "splits": {"test": {"input": "hazy/{photo}_{level}.png", "target": "clear/{photo}.png"}},
    "licence": "none",
    "source": "made here",
    "citation": "none",
}


@pytest.fixture
def card(tmp_path, monkeypatch):
    """Writes a card, and a set in RESIDE's layout: two hazy versions of each of two photos."""
    monkeypatch.setattr(datasets, "CARDS", tmp_path)
    for photo in ("a b", "c"):
        write_png(tmp_path / "set" / "clear" / f"{photo}.png", np.zeros((4, 4, 3), np.uint8))
        for level in (1, 2):
            path = tmp_path / "set" / "hazy" / f"{photo}_{level}.png"
            write_png(path, np.full((4, 4, 3), level, np.uint8))

    def card(**changes):
        values = {**CARD, "path": str(tmp_path / "set"), **changes}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
        return tmp_path / "set"

    return card


def find(**choice):
    values = {"name": "x", "train_on": "mine", "methods": {}, "datasets": {"mine": choice}}
    return datasets.find_images(Config(**values))


def test_pairs_by_pattern_and_photos_of_several_images(card):
    card()
    images = find()
    assert list(images.image) == ["a b_1", "a b_2", "c_1", "c_2"]
    assert list(images.photo) == ["a b", "a b", "c", "c"]
    assert [path.split("/")[-1] for path in images.target] == ["a b.png"] * 2 + ["c.png"] * 2
    assert images.input_sha256.nunique() == 2
    assert len(find(limit=1)) == 1


def test_all_faults_are_listed_at_once(card):
    folder = card()
    for photo in ("a b", "c"):
        (folder / "clear" / f"{photo}.png").unlink()
    with pytest.raises(UserError, match=r"(?s)4 faults.*a b\.png is missing.*c\.png is missing"):
        find()


def test_a_damaged_file_is_found_by_the_manifest(card):
    folder = card(manifest="manifest.json")
    files = [{"path": "hazy/c_1.png", "sha256": "0" * 64}]
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    files.append({"path": "photos/gone.jpg", "sha256": "0" * 64})
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    with pytest.raises(UserError, match=r"(?s)c_1\.png differs from .*gone\.jpg is missing"):
        datasets.verify("mine")


@pytest.mark.parametrize("text", ["{", "[]", '{"files": [{}]}'])
def test_a_damaged_manifest_is_named(card, text):
    (card(manifest="manifest.json") / "manifest.json").write_text(text)
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        find()


@pytest.mark.parametrize(
    ("changes", "choice", "message"),
    [
        ({}, {"split": "tset"}, "Did you mean 'test'"),
        ({}, {"weathers": ["haz"]}, "Did you mean 'haze'"),
        ({"weathers": ["hase"]}, {}, "Did you mean 'haze'"),
        ({"titel": "x"}, {}, "Did you mean 'title'"),
        ({"path": "nowhere"}, {}, "no haze image matches nowhere"),
        ({"manifest": "none.json"}, {}, r"none\.json is missing"),
    ],
)
def test_bad_cards_and_choices_are_named(card, changes, choice, message):
    card(**changes)
    with pytest.raises(UserError, match=message):
        find(**choice)


def test_training_photos_must_be_there(card):
    card()
    with pytest.raises(UserError, match="no 'train' pattern"):
        datasets.training_photos("mine")
    card(train="train/*.jpg")
    with pytest.raises(UserError, match="matches no file"):
        datasets.training_photos("mine")
    with pytest.raises(UserError, match="Did you mean 'mine'"):
        datasets.training_photos("mien")

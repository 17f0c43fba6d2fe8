"""Cards: pairing by patterns, and errors that list all the faults of a set."""

import json

import numpy as np
import pytest
import yaml

from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.core.paths import ROOT
from benchmark.data import cards, file_index, set_images, training_files
from benchmark.spec.run_config import Config

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
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    monkeypatch.setattr(file_index, "CACHE", tmp_path / "cache.sqlite")
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


def find(entry="mine", **choice):
    values = {"name": "x", "train_on": "mine", "methods": {}, "datasets": {entry: choice}}
    return set_images.find_images(Config(**values))


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
    with pytest.raises(UserError, match=r"(?s)2 faults.*a b\.png' is missing.*c\.png' is missing"):
        find()


def test_a_damaged_file_is_found_by_the_manifest(card):
    folder = card(manifest="manifest.json")
    files = [{"path": "hazy/c_1.png", "sha256": "0" * 64}]
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    files += [{"path": p, "sha256": "0" * 64} for p in ("photos/gone.jpg", "x" * 300, "a\0b")]
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    with pytest.raises(UserError, match=r"(?s)c_1\.png' differs from .*gone\.jpg' is missing"):
        cards.verify("mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", ": Input should be a valid dictionary"),
        ('{"files": [{}]}', r": files\.0\.path: Field required.*files\.0\.sha256"),
        ("[" * 5000, "is not valid JSON"),
        ('"\udcff"', "is not valid JSON"),
        ('{"files": [{"path": 3, "sha256": ""}]}', r": files\.0\.path: .* valid string"),
        ('{"files": [{"path": "a", "sha256": 3}]}', r": files\.0\.sha256: .* valid string"),
        ('{"files": [], "pairs": {}}', ": pairs: Input should be a valid list"),
        ('{"files": [], "pairs": [{}]}', r": pairs\.0\.degraded: .*pairs\.0\.level"),
        (
            '{"files": [], "pairs": [{"degraded": "a", "level": "light"}]}',
            r": pairs\.0\.degraded: 'a' is not in 'files'",
        ),
    ],
)
def test_a_damaged_manifest_is_named_with_its_key(card, text, message):
    file = card(manifest="manifest.json") / "manifest.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    named = r"(?s)manifest\.json' \(the card's 'manifest'\) ?"
    with pytest.raises(UserError, match=named + message) as caught:
        find()
    assert str(caught.value).endswith("; run 'dvc pull --force'.")


def test_a_manifest_gives_the_strength_of_an_image(card):
    folder = card(manifest="manifest.json")
    files = [{"path": "hazy/c_1.png", "sha256": "0" * 64}]
    pairs = [{"degraded": "hazy/c_1.png", "level": "light", "more": 3}]
    (folder / "manifest.json").write_text(json.dumps({"files": files, "pairs": pairs, "seed": 0}))
    assert list(find().strength) == ["", "", "light", ""]


@pytest.mark.parametrize(
    ("changes", "choice", "message"),
    [
        ({}, {"split": "tset"}, "Did you mean 'test'"),
        ({}, {"weathers": ["haz"]}, "Did you mean 'haze'"),
        ({"weathers": ["hase"]}, {}, "Did you mean 'haze'"),
        ({"titel": "x"}, {}, "Did you mean 'title'"),
        ({"path": "x" * 300}, {}, "path: too long, or has a zero byte"),
        ({"path": "a\0b"}, {}, "path: too long, or has a zero byte"),
        ({"train": "x" * 300}, {}, "train and manifest must be below"),
        (
            {"splits": {"test": {"input": "x" * 300 + "{photo}"}}},
            {},
            "test: patterns must be below",
        ),
        (
            {"path": "nowhere"},
            {},
            rf"no haze image matches {ROOT}/nowhere/hazy/\{{photo\}}_\{{level\}}\.png",
        ),
        ({"manifest": "none.json"}, {}, r"none\.json' \(the card's 'manifest'\) is missing"),
        ({"pairs": {"tets": 3}}, {}, "pairs: no split 'tets'.*Did you mean 'test'"),
        ({"splits": {"test": {"input": {"rain": "x"}}}}, {}, "input has no pattern for haze"),
        (
            {"splits": {"test": {"input": "x", "target": {"rain": "x"}}}},
            {},
            "target has no pattern for haze",
        ),
        (
            {"splits": {"test": {"input": "hazy/{image}.png", "target": "clear/{photo}.png"}}},
            {},
            r"splits\.test\.target: '\{photo\}' is not in the input",
        ),
        (
            {"splits": {"test": {"input": "hazy/{photo}.png", "target": "clear/*.png"}}},
            {},
            r"mine\.yaml': splits\.test\.target: takes .* such as \{photo\}, and no '\*'",
        ),
        (
            {"train": {"input": "hazy/{photo}.png", "target": "clear/*.png"}},
            {},
            r"train\.target: takes the names of the input",
        ),
        ({}, {"card": "mien"}, "Did you mean 'mine'"),
    ],
)
def test_bad_cards_and_choices_are_named(card, changes, choice, message):
    card(**changes)
    with pytest.raises(UserError, match=message):
        find(**choice)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_on": "mien"}, "train_on: There is no data set card 'mien'.*mean 'mine'"),
        ({"train_on": "testonly"}, r"train_on: config/datasets/testonly\.yaml has no 'train'"),
        ({"datasets": {"mien": {}}}, "datasets.mien: .*Did you mean 'mine'"),
        ({"datasets": {"a": {"card": "mien"}}}, "datasets.a: .*Did you mean 'mine'"),
        ({"datasets": {"mine": {"split": "tset"}}}, "datasets.mine: .*no split 'tset'.*'test'"),
        ({"datasets": {"mine": {"weathers": ["rian"]}}}, "datasets.mine: .*no weather 'rian'"),
    ],
)
def test_what_a_run_chooses_is_checked_before_it_starts(card, tmp_path, changes, message):
    card(train="train/*.jpg")
    (tmp_path / "mine.yaml").rename(tmp_path / "kept")
    card()
    (tmp_path / "mine.yaml").rename(tmp_path / "testonly.yaml")
    (tmp_path / "kept").rename(tmp_path / "mine.yaml")
    values = {"name": "x", "train_on": "mine", "methods": {}, "datasets": {"mine": {}}}
    cards.check_choices(Config(**values), "run.yaml")
    with pytest.raises(UserError, match=f"^run.yaml: {message}"):
        cards.check_choices(Config(**{**values, **changes}), "run.yaml")


def test_training_photos_must_exist(card):
    card()
    with pytest.raises(UserError, match="no 'train' pattern"):
        training_files.training_photos("mine")
    card(train="train/*.jpg")
    with pytest.raises(UserError, match="matches no file"):
        training_files.training_photos("mine")
    with pytest.raises(UserError, match="Did you mean 'mine'"):
        training_files.training_photos("mien")


def test_too_few_pairs_are_an_error(card):
    card(pairs={"test": 5})
    with pytest.raises(UserError, match="4 of the 5 images of split 'test' are there"):
        find(limit=1)
    card(pairs={"test": 4})
    assert len(find()) == 4


def test_too_few_pairs_and_missing_targets_are_in_one_error(card):
    folder = card(pairs={"test": 5})
    (folder / "clear" / "c.png").unlink()
    with pytest.raises(UserError, match=r"(?s)2 faults.*4 of the 5.*c\.png' is missing"):
        find()


def test_more_pairs_than_on_the_card_are_an_error(card):
    card(pairs={"test": 3})
    with pytest.raises(UserError, match="4 of the 3 images of split 'test' are there"):
        find()


def test_pairs_of_different_sizes_and_broken_images_are_in_one_error(card):
    folder = card()
    write_png(folder / "clear" / "c.png", np.zeros((5, 4, 3), np.uint8))
    (folder / "hazy" / "a b_2.png").write_bytes(b"no image")
    message = r"(?s)3 faults.*a b_2\.png' is not an image.*c_1\.png' has 4×4 pixels, its target 4×5"
    with pytest.raises(UserError, match=message):
        find()


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        (
            {"path": "not/there", "source": "https://a.b"},
            r"\(1 fault\).*Get the set with 'python -m benchmark fetch mine'",
        ),
        ({"path": "not/there"}, f"Put the images into the folder {ROOT}/not/there"),
        (
            {"pairs": {"test": 3}, "archives": [{"file": "a.zip"}]},
            r"\(1 fault\).*Move .*/set away and fetch the set again",
        ),
        ({"pairs": {"test": 3}}, r"\(1 fault\).*Add, crop, rename or remove images in .*/set "),
    ],
)
def test_the_remedy_fits_the_set(card, changes, remedy):
    """A set without archives and without an address is the user's own: it cannot be fetched."""
    card(**changes)
    with pytest.raises(UserError, match=rf"(?s){remedy}.* in config/datasets/mine\.yaml\.$"):
        find()


def test_a_set_that_is_made_here_is_not_asked_for_elsewhere(card, tmp_path):
    card(path=str(tmp_path / "made"), manifest="manifest.json", made={"photos": "data/*.png"})
    with pytest.raises(UserError, match=r"not there yet: the first run with the set makes it\.$"):
        cards.verify("mine")


def test_the_first_faults_of_a_kind_are_shown_with_the_number_of_the_others(card):
    folder = card()
    for i in range(30):
        (folder / "hazy" / f"lost{i:02}_1.png").write_bytes(b"")
    with pytest.raises(UserError, match="60 faults") as caught:
        find()
    message = str(caught.value)
    assert message.count("is missing") == message.count("not an image") == 20
    assert message.count("and 10 more missing files") == 1
    assert message.count("and 10 more unreadable files") == 1


def test_content_is_compared_with_the_card(card):
    folder = card()
    stated = set_images.split_checksum("mine", "test")
    card(content={"test": stated})
    assert len(find()) == 4
    write_png(folder / "hazy" / "c_2.png", np.full((4, 4, 3), 9, np.uint8))
    with pytest.raises(UserError, match="files of split 'test' are not those of the card's check"):
        find()
    assert len(find(limit=1)) == 1  # a part of the images has no checksum on the card
    card(content={"tset": stated})
    with pytest.raises(UserError, match=r"content: no split 'tset'.*Did you mean 'test'"):
        find()


def test_the_number_of_pairs_is_checked_only_if_all_weathers_are_used(card):
    card(weathers=["haze", "rain"], pairs={"test": 9})
    with pytest.raises(UserError, match="8 of the 9"):
        find()
    assert len(find(weathers=["rain"])) == 4


def test_repeated_photos_count_as_one(card):
    card(same_photo=[["c", "a b"]])
    assert set(find().photo) == {"c"}


def test_photographs_without_ground_truth_have_no_target(card):
    folder = card(splits={"test": {"input": "hazy/{photo}.{suffix}"}})
    (folder / "hazy" / "notes.txt").write_text("not an image")
    images = find()
    assert list(images.photo) == list(images.image) == ["a b_1", "a b_2", "c_1", "c_2"]
    assert set(images.target) == set(images.target_sha256) == {""}


def test_two_inputs_with_one_name_are_an_error(card):
    folder = card(splits={"test": {"input": "hazy/{photo}.{suffix}"}})
    (folder / "hazy" / "c_1.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="2 haze images are called 'c_1'"):
        find()


SCENES = {"test": {"input": "{scene}/degraded-{frame}.png", "target": "{scene}/gt-{frame}.png"}}


def test_images_of_scene_folders_have_the_scene_in_their_names(card):
    folder = card(splits=SCENES)
    for scene in ("s1", "s2"):
        for name in ("degraded-000", "gt-000"):
            write_png(folder / scene / f"{name}.png", np.zeros((4, 4, 3), np.uint8))
    images = find()
    assert list(images.image) == ["s1-degraded-000", "s2-degraded-000"]
    assert [path[-13:] for path in images.target] == ["s1/gt-000.png", "s2/gt-000.png"]
    assert set_images.target_of("mine", None, "s2-degraded-000") == folder / "s2" / "gt-000.png"
    lines = set_images.left_out("mine", "test")  # those of the fixture alone
    assert all("clear/" in line or "hazy/" in line for line in lines)


def test_suffixes_match_in_any_case(card):
    folder = card()
    write_png(folder / "clear" / "d.png", np.zeros((4, 4, 3), np.uint8))
    (folder / "clear" / "d.png").rename(folder / "clear" / "d.PNG")
    (folder / "hazy" / "c_2.png").rename(folder / "hazy" / "d_1.Png")
    images = find().set_index("image")
    assert images.target["d_1"] == str(folder / "clear" / "d.PNG")


def test_images_that_match_nothing_are_listed(card):
    folder = card()
    for name in ("preview.jpg", "c_3.jxl", "notes.txt"):
        (folder / "hazy" / name).write_bytes(b"")
    assert set_images.left_out("mine", "test") == [
        "mine test: no pattern of the card matches hazy/c_3.jxl (JPEG XL is not read: convert it "
        "to PNG): left out",
        "mine test: no pattern of the card matches hazy/preview.jpg: left out",
    ]
    for number in range(20):
        (folder / "hazy" / f"x{number}.gif").write_bytes(b"")
    lines = set_images.left_out("mine", "test")
    assert len(lines) == 21 and "matches 2 more" in lines[-1]


@pytest.mark.parametrize(
    ("name", "split", "image", "target"),
    [
        ("outdoor_rain", None, "im_0001_s80_a04", "gt/im_0001.png"),
        ("raindrop", "test_b", "1_rain", "test_b/gt/1_clean.*"),
        ("sots_outdoor", None, "1401_1_0.8", "gt/1401.png"),
        ("rainds", None, "7", "test_set/gt/7.png"),
        ("sots_indoor", None, "1401", None),
    ],
)
def test_a_card_gives_the_target_of_a_restored_file(name, split, image, target):
    found = set_images.target_of(name, split, image)
    assert found == (target and cards.load_card(name).folder / target)


def test_an_entry_may_have_another_name_than_its_card(card):
    card()
    images = find("hazy-ones", card="mine")
    assert set(images.dataset) == {"hazy-ones"} and len(images) == 4


# Card, split, weather; then an input, its target and its photo, with the names of the authors.
PUBLISHED = [
    ("rain100l", "test", "rain", "rainy/rain-001.png", "norain-001.png", "001"),
    ("rain100l", "test", "rain", "rainy/rain-014.png", "norain-014.png", "005"),
    ("rain100h", "test", "rain", "rainy/rain-100.png", "norain-100.png", "100"),
    ("raindrop", "test_a", "raindrop", "test_a/data/0_rain.png", "test_a/gt/0_clean.png", "0"),
    ("raindrop", "test_b", "raindrop", "test_b/data/9_rain.jpg", "test_b/gt/9_clean.jpg", "9"),
    ("sots_indoor", "test", "haze", "hazy/1400_10.png", "gt/1400.png", "1400"),
    ("sots_outdoor", "test", "haze", "hazy/0001_0.8_0.2.jpg", "gt/0001.png", "0001"),
    ("outdoor_rain", "test1", "mix", "in/im_0301_s80_a04.png", "gt/im_0301.png", "im_0301"),
    ("outdoor_rain", "test1", "mix", "input/im_0350_s100_a06.png", "gt/im_0350.png", "im_0350"),
    ("snow100k", "small", "snow", "Snow100K-S/synthetic/a_1.jpg", "Snow100K-S/gt/a_1.jpg", "a_1"),
    ("snow100k", "medium", "snow", "Snow100K-M/synthetic/a.jpg", "Snow100K-M/gt/a.jpg", "a"),
    ("snow100k", "large", "snow", "Snow100K-L/synthetic/a.jpg", "Snow100K-L/gt/a.jpg", "a"),
    ("rainds", "test", "rain", "test_set/rainstreak/2.png", "test_set/gt/2.png", "2"),
    ("rainds", "test", "raindrop", "test_set/raindrop/2.png", "test_set/gt/2.png", "2"),
    ("rainds", "test", "mix", "test_set/rainstreak_raindrop/2.png", "test_set/gt/2.png", "2"),
    ("o_haze", "test", "haze", "hazy/01_outdoor_hazy.jpg", "GT/01_outdoor_GT.jpg", "01"),
    ("allweather", "train", "mix", "input/0_rain.png", "gt/0_rain.png", "0_rain"),
    ("allweather", "train", "mix", "input/city_1.jpg", "gt/city_1.jpg", "city_1"),
    ("weatherbench", "test", "snow", "snow/test/input/1.jpg", "snow/test/target/1.jpg", "1"),
    ("raindrop_clarity", "night", "raindrop", "NightRainDrop_Train/Drop/00001/00006.png",
     "NightRainDrop_Train/Clear/00001/00006.png", "00001"),
    ("weatherstream", "test", "haze", "WeatherStream_test/a_fog/fog_degraded-000.png",
     "WeatherStream_test/a_fog/fog_gt.png", "a_fog"),
    ("cdd11", "test", "mix", "haze_rain/00001.png", "clear/00001.png", "00001"),
    ("cdd11", "low_light", "mix", "low_haze_snow/00001.png", "clear/00001.png", "00001"),
    ("cdd11", "low_light", "haze", "low_haze/00001.png", "clear/00001.png", "00001"),
    ("csd", "test", "snow", "test2000/Snow/1.tif", "test2000/Gt/1.tif", "1"),
    ("realrain1k", "heavy", "rain", "RealRain-1k-H/test/input/3.png",
     "RealRain-1k-H/test/target/3.png", "3"),
    ("bsds500", "test", "clear", "images/test/1.jpg", "images/test/1.jpg", "1"),
    ("rtts", "test", "haze", "JPEGImages/AM_Bing_211.png", None, "AM_Bing_211"),
    ("plain", "test", "mix", "input/x.png", "target/x.png", "x"),
    ("unpaired", "test", "snow", "snow/x.jpg", None, "x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "split", "weather", "source", "target", "photo"), PUBLISHED)
def test_cards_match_the_published_layouts(
    tmp_path, monkeypatch, name, split, weather, source, target, photo
):
    values = yaml.safe_load((cards.CARDS / f"{name}.yaml").read_text(encoding="utf-8"))
    values |= {"path": str(tmp_path / "set"), "pairs": {}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    for file in filter(None, (source, target)):
        write_png(tmp_path / "image.png", np.zeros((4, 4, 3), np.uint8))
        (tmp_path / "set" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "image.png").rename(tmp_path / "set" / file)
    row = find(split=split, weathers=[weather]).iloc[0]
    assert (row.input, row.photo) == (str(tmp_path / "set" / source), photo)
    assert row.target == (str(tmp_path / "set" / target) if target else "")


def test_every_card_is_valid_and_tested_above():
    names = {path.stem for path in cards.CARDS.glob("*.yaml")}
    assert names == {row[0] for row in PUBLISHED} | {"photos", "clear", "levels"}
    for name in names:
        cards.load_card(name)

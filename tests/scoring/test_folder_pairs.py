"""Images of two folders pair by name, by an expression, or by a rule; the others are named."""

from pathlib import Path

import pytest

from benchmark.core.errors import UserError
from benchmark.scoring import folder_pairs
from benchmark.scoring.score import Absent


@pytest.fixture
def folders(tmp_path):
    """Writes empty files: pairing reads names only."""

    def folders(ours, theirs):
        for folder, names in (("restored", ours), ("target", theirs)):
            (tmp_path / folder).mkdir(exist_ok=True)
            for name in names:
                (tmp_path / folder / name).touch()
        return tmp_path / "restored", tmp_path / "target"

    return folders


def names(pairs):
    """[(image, restored file, target file)], with reasons in place of absent images."""
    return [
        (key["image"], *(p.reason if isinstance(p, Absent) else p.name for p in pair))
        for key, *pair in pairs
    ]


@pytest.mark.parametrize(
    ("expression", "restored", "target"),
    [
        (r"(im_\d+)", "im_0001_s80_a04.png", "im_0001.png"),
        (r"(\d+)", "1_rain.jpg", "1_clean.png"),
        (r"^(\d+)", "1401_1_0.8.png", "1401.jpg"),
    ],
)
def test_an_expression_pairs_by_its_group(folders, expression, restored, target):
    pairs = folder_pairs.by_expression(*folders([restored], [target]), expression)
    assert names(pairs) == [(Path(restored).stem, restored, target)]


def test_several_images_have_one_target_and_others_none(folders):
    found = folders(["1_a.png", "1_b.png", "3.png", "x.png"], ["1.png", "2.png", "y.png"])
    assert names(folder_pairs.by_expression(*found, r"(\d+)")) == [
        ("1_a", "1_a.png", "1.png"),
        ("1_b", "1_b.png", "1.png"),
        ("2", "no restored image", "2.png"),
        ("3", "3.png", "no target for '3.png'"),
        ("x", "x.png", "no target for 'x.png'"),
    ]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(", "not a regular expression"),
        (r"\d+", "has no group"),
        (r"(z+)", "pairs nothing: it finds nothing in"),
        (r"([a-z])", "'.*a1.png' and '.*a2.png' are both the target of 'a'"),
    ],
)
def test_an_expression_that_does_not_fit_is_refused(folders, expression, message):
    with pytest.raises(UserError, match=message):
        folder_pairs.by_expression(*folders(["a.png"], ["a1.png", "a2.png"]), expression)


def test_nothing_in_common_says_how_to_pair(folders):
    with pytest.raises(UserError, match=r"--card NAME.*--pair 'REGEX'"):
        folder_pairs.by_stem(*folders(["1_rain.png"], ["1_clean.png"]))


def test_a_rule_names_what_does_not_match(folders):
    restored, target = folders(["1.png", "x.png"], ["one.png"])
    rule = {"1": target / "one.png"}.get
    assert names(folder_pairs.by_rule(restored, rule, "the card 'c'")) == [
        ("1", "1.png", "one.png"),
        ("x", "x.png", "the name 'x.png' does not match the card 'c'"),
    ]
    with pytest.raises(UserError, match=r"No image .* pairs by the card 'c'"):
        folder_pairs.by_rule(restored, {}.get, "the card 'c'")


def test_kinds_that_are_not_read_are_named(folders):
    restored, _ = folders(["a.png", "b.jxl", "c.NEF", "notes.txt"], [])
    assert folder_pairs.unread(restored) == [
        "b.jxl: JPEG XL is not read: convert it to PNG",
        "c.NEF: a camera's RAW file is not read: convert it to PNG",
    ]


def test_comparisons_and_maps_of_restored_photos_are_no_results(folders):
    ours = ["a.png", "a-compare.jpg", "a-uncertainty.png", "b-compare.jpg"]
    pairs = folder_pairs.by_stem(*folders(ours, ["a.png"]))
    # There is no photo b: b-compare may be any picture.
    assert [key["image"] for key, *_ in pairs] == ["a", "b-compare"]


def test_a_folder_without_images_is_named(folders):
    empty, target = folders(["a.jxl"], ["a.png"])
    for pair in (folder_pairs.by_stem, lambda *both: folder_pairs.by_expression(*both, "(.)")):
        with pytest.raises(UserError, match=r"restored' holds no images\. a\.jxl: JPEG XL"):
            pair(empty, target)
    (target / "a.png").unlink()
    (target / "deep").mkdir()
    (empty / "a.png").touch()
    with pytest.raises(UserError, match=r"target' holds no images\. Images in its sub-folders"):
        folder_pairs.by_stem(empty, target)

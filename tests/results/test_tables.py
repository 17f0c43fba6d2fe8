"""Tables and cards that a run has written: read, or refused with the file and key at fault."""

import json

import pytest

from benchmark.core.errors import UserError
from benchmark.results.tables import check_card, read_cost, read_methods, read_scores, read_table

CARD = {"method": "mine", "variant": "default", "supervision": "none"}


def test_a_card_is_returned_unchanged_with_its_further_keys():
    card = {**CARD, "control": True, "training_steps": 3, "training_flops": float("nan"), "x": [1]}
    assert check_card(card, "here", "again") is card
    assert check_card({**CARD, "title": None, "facts": None}, "here", "again")["title"] is None


@pytest.mark.parametrize("key", ["method", "variant", "supervision"])
@pytest.mark.parametrize("value", [None, 3, ["x"]])
def test_a_card_needs_texts(key, value):
    with pytest.raises(UserError, match=rf"^here: {key}: .*; again\.$"):
        check_card({**CARD, key: value}, "here", "again")
    with pytest.raises(UserError, match=rf"^here: {key}: Field required; again\.$"):
        check_card({k: v for k, v in CARD.items() if k != key}, "here", "again")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[(key, 3) for key in ("label", "title", "citation", "url", "licence", "description")],
        ("file", ["methods/mine.py"]),
        ("training_curve", {}),
        *[(f"training_{what}", "3") for what in ("steps", "flops", "seconds")],
        *[(f"training_{what}", 10**400) for what in ("steps", "flops", "seconds")],
        *[(f"training_{what}", -(10**301)) for what in ("steps", "flops", "seconds")],
        *[(key, [1]) for key in ("parameters", "settings", "training", "facts")],
    ],
)
def test_a_wrong_value_on_a_card_is_named(key, value):
    with pytest.raises(UserError, match=rf"^here: {key}: .*; again\.$"):
        check_card({**CARD, key: value}, "here", "again")


@pytest.mark.parametrize("card", [[], None, "mine", 3])
def test_a_card_must_have_keys(card):
    with pytest.raises(UserError, match=r"^here: Input should be a valid dictionary.*; again\.$"):
        check_card(card, "here", "again")


def test_a_wrong_card_is_named_by_its_place(tmp_path):
    (tmp_path / "methods.json").write_text(json.dumps([CARD, {**CARD, "url": 3}]))
    with pytest.raises(UserError, match=r"methods\.json: card 1: url: .*; collect the run again"):
        read_methods(tmp_path)


def test_a_missing_table_is_named_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"scores\.csv is missing; run 'python -m benchmark run'"):
        read_scores(tmp_path)
    with pytest.raises(UserError, match=r"cost\.csv is missing; restore the images first"):
        read_cost(tmp_path)


@pytest.mark.parametrize("content", [b"", b'a,b\n1,"', b"a,b\n1,2\n1,2,3\n", b"a,b\n\xff,1\n"])
def test_a_damaged_table_is_named(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.csv is not a readable CSV \(.*\); again\."):
        read_table(tmp_path / "x.csv", ["a", "b"], "again")


def test_names_are_texts_and_numbers_are_numbers(tmp_path):
    (tmp_path / "x.csv").write_text("image,value\nNA,1.5\nnull,\n")
    table = read_table(tmp_path / "x.csv", ["image", "value"], "again")
    assert list(table.image) == ["NA", "null"]
    assert table.value[0] == 1.5 and table.value.isna()[1]
    (tmp_path / "x.csv").write_text("image,value\na,1.5\nb,much\n")
    with pytest.raises(UserError, match=r"x\.csv, line 3: value is 'much', not a number; again"):
        read_table(tmp_path / "x.csv", ["image", "value"], "again")

"""Two runs give the same results, for some methods; `python -m tests.campaigns.twice`: for all."""

import pytest

from benchmark.core.paths import ROOT
from tests.campaigns import twice


def test_every_method_has_an_entry():
    assert len(twice.load().methods) > 20


def test_a_method_without_an_entry_is_named(monkeypatch):
    known = twice.registry.available()
    monkeypatch.setattr(twice.registry, "available", lambda: [*known, "new_one"])
    with pytest.raises(ValueError, match="no entry of new_one"):
        twice.load()


def test_failures_and_differences_are_reported():
    first = {"a": ("ok", "", "1"), "b": ("skipped", "r", "nan", "failed", "s", ""), "c": ("ok",)}
    second = {**first, "a": ("ok", "", "2")}
    assert twice.wrong(first, second) == ["b: skipped r nan failed s ", "a: not the same twice"]
    assert not twice.wrong({"c": ("ok",)}, {"c": ("ok",)})


@pytest.mark.skipif(
    not (ROOT / "data" / "manifest.json").exists(), reason="the data are not here: run 'dvc pull'"
)
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_trained_and_restored_twice(tmp_path, precision):
    config = twice.load(precision, only=["unet_adamw", "dark_channel"])
    assert config.training_of("unet_adamw").precision == precision
    first, second = (twice.run(config, tmp_path / name) for name in ("first", "second"))
    assert [*first] == [
        "restore dark_channel default", "train unet_adamw", "restore unet_adamw default"
    ]  # fmt: skip
    assert not twice.wrong(first, second)

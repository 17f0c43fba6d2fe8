"""Weight files that are missing."""

import pytest
from torch import nn

from benchmark.core import paths, weights
from benchmark.core.errors import WeightsMissing


@pytest.mark.parametrize(("installed", "remedy"), [(False, "run 'dvc pull'"), (True, "--project")])
def test_a_missing_file_says_where_bundled_weights_come_from(
    tmp_path, monkeypatch, installed, remedy
):
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project" if installed else paths.CODE)
    with pytest.raises(WeightsMissing, match=rf"gone\.safetensors is missing.*{remedy}") as caught:
        weights.load(nn.Linear(1, 1), tmp_path / "gone.safetensors")
    assert ("dvc" in str(caught.value)) != installed

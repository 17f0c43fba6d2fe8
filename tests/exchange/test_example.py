"""The example puts a model on a copy of the reference board, and leaves the reference as it is."""

import shutil

import pandas as pd

from benchmark.board.write import read_leaderboard
from examples import evaluate_my_model
from tests.synthetic_run import card, make_run


def test_the_example_puts_the_model_beside_the_reference_methods(tmp_path, monkeypatch, capsys):
    reference = tmp_path / "results" / "reference"
    make_run(reference, 2, ("rain",), [card("regression", gain=2.0)], side=16)
    before = {path: path.read_bytes() for path in reference.iterdir() if path.is_file()}

    def restored(model, data_set, out):  # as if the model returned the targets
        shutil.copytree(tmp_path / "data/rain/target", tmp_path / out / "test-set/rain")
        return pd.DataFrame({"weather": ["rain"], "metric": ["psnr"], "value": [31.25]})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate_my_model, "evaluate", restored)
    monkeypatch.setattr(evaluate_my_model, "DATA_SETS", ("test-set",))
    evaluate_my_model.main()
    board = read_leaderboard(tmp_path / "results/my_board")
    assert {"regression", "my_model"} <= set(board.method)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert "31.25" in capsys.readouterr().out

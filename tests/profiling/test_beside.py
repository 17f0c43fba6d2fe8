"""Training steps of another version beside those of this one."""

import pytest

from benchmark.core.errors import UserError
from benchmark.profiling import beside
from benchmark.profiling.settings import Network

NETWORK = Network(method="regression")


def test_a_step_is_the_difference_of_two_trainings(monkeypatch, tmp_path):
    """10 s of start in this version and 20 in the other; steps of 1 and 3 s."""

    def seconds(checkout, network, steps):
        return 20 + 3 * steps if checkout == tmp_path else 10 + steps

    monkeypatch.setattr(beside, "_training_seconds", seconds)
    assert beside.step_speedup(tmp_path, NETWORK) == pytest.approx(3)


def test_a_folder_without_the_suite_is_refused(tmp_path):
    (tmp_path / "benchmark").mkdir()
    with pytest.raises(UserError, match="name the folder of a checkout"):
        beside.check_checkout(tmp_path)
    (tmp_path / "benchmark/__main__.py").touch()
    beside.check_checkout(tmp_path)


def test_a_training_that_fails_says_why(tmp_path):
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark/__init__.py").touch()
    (tmp_path / "benchmark/__main__.py").write_text("raise SystemExit('no such verb')")
    with pytest.raises(UserError, match="no such verb"):
        beside.step_speedup(tmp_path, NETWORK)

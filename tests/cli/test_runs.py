"""The verbs for finished runs: what `show` prints, and what is said of a run that is not there."""

import re

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.board.write import write_leaderboard
from benchmark.cli.app import app
from benchmark.core import paths
from benchmark.core.errors import UserError
from tests.synthetic_run import make_run

VALUES = {"train_on": "photos", "datasets": {"photos": {}}, "methods": {"identity": {}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the configurations mine.yaml and other.yaml, and the run of the first."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("mine", "other"):
        values = {"name": name, "discover": False, **VALUES}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    make_run(folder / "results" / "mine", photos=2, weathers=("rain", "haze"), side=8)
    write_leaderboard(folder / "results" / "mine")
    return folder


@pytest.fixture
def call(folder, monkeypatch):
    """Call a verb in the folder; returns what it prints. Raises what it raises."""
    monkeypatch.setattr(paths, "ROOT", folder)
    monkeypatch.chdir(folder)

    def call(*arguments):
        return CliRunner().invoke(app, arguments, catch_exceptions=False).output

    return call


def test_show_prints_one_weather(call, folder):
    board = pd.read_csv(folder / "results/mine/leaderboard.csv")
    own = board[(board["method"] == "dark-channel") & (board["weather"] == "haze")].iloc[0]
    value = f"{own['rgb/psnr']:.2f}"
    line = next(line for line in call("show", "--config", "mine.yaml").splitlines()
                if "dark-channel" in line)  # fmt: skip
    assert "–" in line and value not in line
    text = call("show", "--config", "mine.yaml", "--weather", "haze")
    assert text.startswith("test-set: haze, scored on RGB")
    assert value in next(line for line in text.splitlines() if "dark-channel" in line)


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("leaderboard", r"'results/mine/leaderboard\.md': \d+ rows"),
        ("figures", r"'results/mine/figures': \d+ files"),
        ("report", r"'results/mine/report/index\.html': open it in a browser"),
    ],
)
def test_what_makes_a_file_names_it(call, folder, verb, line):
    text = call(verb, "results/mine")
    assert re.fullmatch(f"{line}\n", text), text
    assert (folder / text.split("'")[1]).exists()


def test_show_names_the_weathers_that_there_are(call):
    message = "mine has no weather 'hase'. Did you mean 'haze'? Known: all, haze, rain."
    with pytest.raises(UserError) as error:
        call("show", "--config", "mine.yaml", "--weather", "hase")
    assert str(error.value).endswith(message)


def test_a_run_that_is_not_there_is_named_with_its_command_and_the_runs_that_are(call):
    with pytest.raises(UserError) as error:
        call("show", "--config", "other.yaml")
    assert str(error.value) == (
        "results/other is missing; 'python -m benchmark run --config other.yaml' makes it. "
        "Known: mine."
    )
    here, typo = "results/mine", "results/mina"
    message = (
        f"{typo} is missing; 'python -m benchmark run' with its --config makes it. "
        "Did you mean 'mine'? Known: mine."
    )
    for verb in (("compare", here, typo), ("merge", here, typo, "--out", "results/both"),
                 ("leaderboard", typo), ("export", typo)):  # fmt: skip
        with pytest.raises(UserError) as error:
            call(*verb)
        assert str(error.value) == message


def test_a_run_that_is_not_done_is_told_from_one_that_is_not_there(call, folder):
    (folder / "results" / "begun").mkdir(exist_ok=True)
    with pytest.raises(UserError, match=r"begun has no scores\.csv: the run is not done; "):
        call("report", "results/begun")


def test_what_is_no_run_is_told_what_a_run_is(call, folder):
    with pytest.raises(UserError, match=r"mine\.yaml is a configuration\. .*: results/NAME"):
        call("compare", "mine.yaml", "results/mine")
    (folder / "config").mkdir(exist_ok=True)
    with pytest.raises(UserError, match=r"A run is a folder such as results/NAME\.$"):
        call("compare", "results/mine", "config/deep")

"""`run` with a small program in the place of Snakemake: Ctrl-C, and where the results are."""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress

import psutil
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.core.paths import ROOT
from tests.forks import forked

# It takes Ctrl-C as it comes, also one that comes before it waits for it.
STAND_IN = """\
#!{python} -IS
import pathlib, signal, time
folder = pathlib.Path({folder!r})
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
(folder / "started").touch()
signal.sigwait([signal.SIGINT])
"""
CLEANS_UP = "time.sleep(0.4)\n(folder / 'cleaned').touch()\n"
NEVER_ENDS = "while True: signal.sigwait([signal.SIGINT])\n"


@pytest.fixture
def config(tmp_path):
    """A configuration in an empty folder."""
    values = {
        "name": "mine", "train_on": "photos", "datasets": {"photos": {}},
        "methods": {"identity": {}}, "discover": False,
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "mine.yaml"


@pytest.fixture
def start(config, monkeypatch):
    """Starts `run` in a process group of its own, as a shell does; the stand-in has started too."""
    groups = []

    def run():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        app(["run", "--config", str(config)])

    def start(after_ctrl_c):
        program = config.with_name("stand-in")
        text = STAND_IN.format(python=sys.executable, folder=str(config.parent))
        program.write_text(text + after_ctrl_c)
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        process = forked(run)
        groups.append(process.pid)
        deadline = time.monotonic() + 60
        while not config.with_name("started").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return process

    yield start
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def test_ctrl_c_lets_snakemake_clean_up(start, config):
    process = start(CLEANS_UP)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert config.with_name("cleaned").exists()


def press_ctrl_c(process):
    """The exit status, if the process then ends; None if not."""
    os.killpg(process.pid, signal.SIGINT)
    with suppress(psutil.TimeoutExpired):
        return process.wait(0.4)


def test_a_second_ctrl_c_kills_snakemake(start):
    process = start(NEVER_ENDS)
    assert press_ctrl_c(process) is None
    # On a busy machine the next may come so early that it counts as the same.
    assert next(filter(None, (press_ctrl_c(process) for _ in range(100)))) == 130
    with pytest.raises(ProcessLookupError):  # nothing of its group is left
        os.killpg(process.pid, 0)


def test_the_board_of_a_checkout_is_printed_from_any_folder(config, monkeypatch):
    printed = []
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    monkeypatch.setattr("benchmark.board.write.print_leaderboard", printed.append)
    monkeypatch.chdir(config.parent)
    done = CliRunner().invoke(app, ["run", "--config", "mine.yaml"])
    assert done.exit_code == 0, done.output
    assert printed == [ROOT / "results/mine"]
    assert f"Tables: {ROOT}/results/mine/leaderboard.md" in done.output

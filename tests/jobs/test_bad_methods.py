"""Whatever a method does to its process, the run gets a board, on which the method has a status."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import methods
from benchmark.cli import workflow, workflow_board, workflow_setup
from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.core.paths import ROOT
from benchmark.data import cards
from benchmark.jobs import isolation, records, restore, score
from benchmark.results.layout import RunFolder
from benchmark.results.tables import read_methods
from benchmark.spec import config_reader, registry
from tests import run_jobs

SOURCE = """\
import os, resource, signal, sys, time
import torch
from benchmark import Card, LearnedMethod, Method, UserError
{at_import}

class M({base}):
    card = Card(title="t", citation="c", licence="MIT", supervision="none", description="d")

    def __init__(self, parameters=None):
        super().__init__(parameters)
        {init}

    def build(self):
        {build}
        return torch.nn.Conv2d(3, 3, 1)

    def loss(self, clean, degraded, generator):
        {loss}
        return (self.network(degraded) - clean).abs().mean()

    def restore(self, degraded, variant, generators):
        {restore}
        return degraded

    def facts(self):
        {facts}
        return {{}}
"""
NEEDS_MEMORY = """\
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + 2**28, now + 2**28))
        return degraded + torch.ones(2**30).sum()"""
EXIT, MOVE, CLOSE = "os._exit(0)", "os.chdir('/')", "os.closerange(1, 3)"
# The places where each method does something, and the status that it then has.
BAD = {
    "import_missing": ({"at_import": "import not_there"}, "failed"),
    "import_exit": ({"at_import": EXIT}, "failed"),
    "import_leave": ({"at_import": "sys.exit(0)"}, "failed"),
    "init_raise": ({"init": "1 / 0"}, "failed"),
    "init_user_error": ({"init": "raise UserError('x')"}, "failed"),
    "init_exit": ({"init": EXIT}, "failed"),
    "init_move": ({"init": MOVE}, "ok"),
    "facts_raise": ({"facts": "1 / 0"}, "ok"),
    "facts_tensor": ({"facts": "return {'a': torch.ones(1)}"}, "ok"),
    "facts_nan": ({"facts": "return {'a': float('nan')}"}, "ok"),
    "facts_list": ({"facts": "return [1]"}, "ok"),
    "facts_exit": ({"facts": EXIT}, "ok"),
    "restore_exit": ({"restore": EXIT}, "failed"),
    "restore_leave": ({"restore": "sys.exit(0)"}, "failed"),
    "restore_move": ({"restore": MOVE}, "ok"),
    "restore_close": ({"restore": CLOSE}, "ok"),
    "restore_close_twice": ({"restore": "sys.stdout.close()"}, "ok"),
    "restore_in_place": ({"restore": "degraded.mul_(0.5)"}, "ok"),
    "restore_killed": ({"restore": "os.kill(os.getpid(), signal.SIGKILL)"}, "failed"),
    "restore_late": ({"restore": "time.sleep(600)"}, "timed-out"),
    "restore_memory": ({"restore": NEEDS_MEMORY}, "out-of-memory"),
    "restore_none": ({"restore": "return None"}, "failed"),
    "build_raise": ({"base": "LearnedMethod", "build": "1 / 0"}, "failed"),
    "build_close": ({"base": "LearnedMethod", "build": CLOSE}, "ok"),
    "loss_close": ({"base": "LearnedMethod", "loss": CLOSE}, "ok"),
    "loss_exit": ({"base": "LearnedMethod", "loss": EXIT}, "failed"),
    "loss_user_error": ({"base": "LearnedMethod", "loss": "raise UserError('x')"}, "failed"),
    "loss_move": ({"base": "LearnedMethod", "loss": MOVE}, "ok"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of all bad methods and the control."""
    importlib.import_module("benchmark.jobs.train")  # the forked processes then need not
    root = tmp_path_factory.mktemp("bad")
    photos = root / "photos"
    rng = np.random.default_rng(0)
    for folder in ("clear", "rain", "train"):
        image = rng.integers(100, 120, (16, 16, 3)).astype(np.uint8)
        write_png(photos / folder / "a.png", image)
    (root / "methods").mkdir()
    shutil.copy(ROOT / "methods" / "identity.py", root / "methods")
    places = dict.fromkeys(("at_import", "init", "build", "loss", "restore", "facts"), "pass")
    for name, (deeds, _) in BAD.items():
        source = SOURCE.format(**{"base": "Method", **places, **deeds})
        (root / "methods" / f"{name}.py").write_text(source)
    card = {
        "title": "t", "path": str(photos), "weathers": ["rain"], "train": "train/*.png",
        "licence": "none", "source": "here", "citation": "none",
        "splits": {"test": {"input": "{weather}/{photo}.png", "target": "clear/{photo}.png"}},
    }  # fmt: skip
    config = {
        "name": "bad", "train_on": "own", "datasets": {"own": {}}, "protocols": ["rgb"],
        "methods": {"identity": None, **dict.fromkeys(BAD), "restore_late": {"time_limit": 0.01}},
        "discover": False,
        "training": {
            "steps": 1, "stages": [{"share": 1, "batch": 1, "crop": 16}], "warmup": 0, "workers": 0
        },
    }  # fmt: skip
    (root / "cards").mkdir()
    (root / "cards" / "own.yaml").write_text(yaml.safe_dump(card))
    file = root / "bad.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(registry, "FOLDER", root / "methods")
        patch.setattr(methods, "__path__", [str(root / "methods")])
        patch.setattr(cards, "CARDS", root / "cards")
        patch.setattr(isolation, "GRACE_SECONDS", 0.1)
        for job in (restore, score):
            patch.setattr(job, "ROOT", root)
        patch.setattr(paths, "results", lambda: Path("results"))
        # As the workflow calls the jobs: for a user, a failure ends with an error.
        patch.setattr(records, "refuse_other", lambda *_: None)
        workflow_setup.check(file)
        workflow_setup.images(file)
        for name in config["methods"]:
            if BAD.get(name, ({},))[0].get("base"):
                workflow.train(name, 0, 1, file, 1, "planned")
            workflow.restore_dataset(name, "default", "own", 0, file, 1, "planned")
            workflow.score_dataset(name, "own", 0, file)
        workflow_board.collect(file)
        workflow_board.leaderboard(root / "results" / "bad")
    return root / "results" / "bad"


def test_each_method_has_its_status_and_the_others_go_on(run):
    scores = pd.read_csv(run / "scores.csv").groupby("method").first()
    assert scores.status["identity"] == "ok"
    expected = {name: status for name, (_, status) in BAD.items()}
    assert scores.status[[*expected]].to_dict() == expected
    assert scores.reason[scores.status != "ok"].str.len().gt(0).all()
    reasons = {
        "restore_killed": "ended by SIGKILL",
        "restore_late": "not done after 0.01 minutes",
        "restore_memory": "allocate memory",
    }
    for name, reason in reasons.items():
        assert reason in scores.reason[name]
        log = f"logs/restore/{name}/default/seed0/own.log"
        assert scores.reason[name].endswith(f"(log: results/bad/{log})")
    board = pd.read_csv(run / "leaderboard.csv")
    assert set(board.method) == {"identity", *BAD}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("import_missing", "ModuleNotFoundError: No module named 'not_there'"),
        ("restore_none", "returned NoneType"),  # a table in which every image failed
    ],
)
def test_a_user_who_calls_a_job_that_fails_gets_an_error(run, monkeypatch, name, reason):
    monkeypatch.chdir(run.parents[1])
    monkeypatch.setattr(paths, "results", lambda: Path("results"))
    monkeypatch.setattr(cards, "CARDS", run.parents[1] / "cards")
    monkeypatch.setattr(registry, "FOLDER", run.parents[1] / "methods")
    with pytest.raises(UserError, match=f"restore {name} default 0 own: failed: .*{reason}"):
        workflow.restore_dataset(name, "default", "own", 0, Path("bad.yaml"))
    table = pd.read_csv(run / f"restored/{name}/default/seed0/own.csv")
    assert table.reason.str.contains(reason).all() and not table.reason.str.contains("log:").any()


def test_a_method_that_changes_its_input_restores_the_same_as_one_that_does_not(run):
    """The suite calls `restore` twice at a new size; both calls get the image as it is."""
    scores = pd.read_csv(run / "scores.csv").set_index(["method", "metric"]).value
    halved, kept = scores["restore_in_place", "psnr"], scores["identity", "psnr"]
    # About 110 of 255 in both images: half of it is 55 below the target, a quarter 82.
    assert halved == pytest.approx(20 * np.log10(255 / 55), abs=0.5)
    assert kept > halved


def test_data_that_are_not_there_are_no_failure_of_the_method(tmp_path, monkeypatch):
    """As before the data are pulled. The next workflow trains as if nothing had been called."""
    card = {
        "title": "t", "path": str(tmp_path / "not-pulled"), "weathers": ["rain"],
        "train": "*.png", "licence": "none", "source": "here", "citation": "none",
        "splits": {"test": {"input": "{weather}/{photo}.png", "target": "clear/{photo}.png"}},
    }  # fmt: skip
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(card))
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    file = tmp_path / "empty.yaml"
    unet = {"unet": {"method": "regression"}}
    values = {"name": "empty", "train_on": "own", "datasets": {"own": {}}, "methods": unet}
    file.write_text(yaml.safe_dump(values | {"discover": False}))
    run = RunFolder(tmp_path / "results")
    with pytest.raises(UserError, match=r"own.yaml: train: .* matches no file. Put the images"):
        run_jobs.train(config_reader.load(file), run, "unet", 0)
    assert not run.path.exists()


def test_facts_that_cannot_be_had_say_why(run):
    facts = {card["method"]: card["facts"] for card in read_methods(run)}
    assert facts["facts_raise"] == {"not known": "ZeroDivisionError: division by zero"}
    for name in ("facts_tensor", "facts_nan", "facts_list", "facts_exit", "import_missing"):
        assert [*facts[name]] == ["not known"]
    assert facts["identity"] == {}


def test_nothing_was_written_elsewhere(run):
    assert {path.name for path in run.parents[1].iterdir()} == {
        "photos", "methods", "cards", "bad.yaml", "results",
    }  # fmt: skip
    trained = json.loads((run / "train" / "loss_move" / "seed0" / "training.json").read_text())
    assert trained["status"] == "ok"
    assert (run / "train" / "loss_move" / "seed0" / "weights.safetensors").exists()

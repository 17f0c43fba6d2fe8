"""A change re-runs exactly what depends on it: jobs whose identity differs after an edit."""

import json
import shutil
import subprocess
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import pytest

from benchmark.core.paths import ROOT
from benchmark.jobs.identity import PERCEPTUAL, Identities, Identity
from benchmark.spec import config_reader
from benchmark.spec.variant import Execution
from tests.jobs import jobs_after_edits
from tests.jobs.jobs_after_edits import picture
from tests.preloaded import python

CARD = """\
title: t
path: mine
weathers: [rain, haze]
train: "train/*.png"
splits: {test: {input: "test/{weather}/{photo}.png", target: "test/clean/{photo}.png"}}
licence: l
source: s
citation: c
"""
CONFIG = """\
name: edits
datasets:
  mine: {}
  rainy: {card: mine, weathers: [rain]}
train_on: mine
protocols: [rgb]
discover: false
seeds: [0]
training: {steps: 8, workers: 0, stages: [{share: 1, batch: 2, crop: 16}]}
methods:
  identity: {}
  oracle: {}
  dark_channel: {}
  unet: {method: regression}
  rain: {method: regression, weathers: [rain]}
  nafnet: {method: regression, parameters: {network: {type: nafnet}}}
  perceptual: {method: regression, parameters: {loss: rmse+ssim+lpips}}
  given: {method: regression, weights: mine/given.safetensors}
  diffusion:
    method: conditional_diffusion
    variants: {ddim: {sampler: ddim, steps: 2}, ddpm: {sampler: ddpm, steps: 2}}
  student: {method: consistency_distillation, teacher: diffusion}
"""
SAMPLERS = "methods/diffusion/samplers"
TRAINED = {"unet", "rain", "nafnet", "perceptual", "diffusion", "student"}
METHODS = TRAINED | {"identity", "oracle", "dark_channel", "given"}


def text(file, old, new):
    return {"file": file, "old": old, "new": new}


def edit(old, new):
    return text("config/edits.yaml", old, new)


def card(old, new):
    return text("config/datasets/mine.yaml", old, new)


def at(kinds: str, *labels: str, rest: str = "*") -> list[str]:
    """Patterns of jobs: kinds of work, each for the entries `labels`."""
    return [f"{kind} {label} {rest}" for kind in kinds.split() for label in labels]


TRAINS = at("train restore score", *TRAINED)
BOARD = ["board"]
IMAGES = ["images"]
DONE_AGAIN = at("restore score", *METHODS)
# name: (steps, patterns of the jobs that run again)
EDITS = {
    # What is not data, setting or meaning of a source.
    "a comment in a card": ([card("title: t", "# a comment\ntitle: t")], []),
    "a comment in the configuration": ([edit("seeds:", "# a comment\nseeds:")], []),
    "comments and docstrings": (
        [text("benchmark/core/errors.py", '"""', '"""In other words: '),
         text("benchmark/training/loop.py", "def train(", "# a comment\ndef train("),
         text("methods/regression.py", '"""', '"""In other words: ')], []),
    "sources that no entry reaches": (
        [text(f"{SAMPLERS}/plms.py", "return ", "return 1.0 * "),
         text("methods/networks/restormer.py", "import torch\n", "import torch\n\nN = 1\n")], []),
    "loader processes and checkpoints": (
        [edit("workers: 0", "workers: 2, checkpoint_seconds: 5")], []),
    # What the board says.
    "the licence in a card": ([card("licence: l", "licence: another")], BOARD),
    "the order of entries": ([edit("  identity: {}\n  oracle: {}", "  oracle: {}\n  identity: {}")],
                             BOARD),
    "a time limit": ([edit("seeds:", "time_limit: 9\nseeds:")], BOARD),
    # Training data.
    "a train pattern": ([card("train/*.png", "train/[ab].png")], [*TRAINS, *IMAGES]),
    "another set to train on": (
        [{"file": "config/datasets/other.yaml",
          "text": CARD.replace("train/*.png", "train/[bc].png")},
         edit("train_on: mine", "train_on: other")], [*TRAINS, *IMAGES, *BOARD]),
    "a training photograph replaced": (
        [{"file": "mine/train/a.png", "picture": 99}], [*TRAINS, *IMAGES]),
    "a training photograph added": (
        [{"file": "mine/train/z.png", "picture": 99}], [*TRAINS, *IMAGES]),
    "a training photograph removed": ([{"file": "mine/train/a.png"}], [*TRAINS, *IMAGES]),
    "a training photograph renamed": (
        [{"file": "mine/train/a.png", "rename": "mine/train/aa.png"}], []),
    # Test data.
    "a test image of two sets replaced": (
        [{"file": "mine/test/rain/k.png", "picture": 99}], [*DONE_AGAIN, *IMAGES]),
    "a test image of one set replaced": (
        [{"file": "mine/test/haze/k.png", "picture": 99}],
        [*at("restore score", *METHODS, rest="*mine"), *IMAGES]),
    "a pair added": (
        [{"file": "mine/test/haze/n.png", "picture": 98},
         {"file": "mine/test/clean/n.png", "picture": 99}],
        [*at("restore score", *METHODS, rest="*mine"), *IMAGES]),
    "a target replaced": (
        [{"file": "mine/test/clean/k.png", "picture": 99}],
        [*at("score", *METHODS), *at("restore", "oracle"), *IMAGES]),
    "a target deleted": (
        [{"file": "mine/test/clean/k.png"}],
        [*at("score", *METHODS), *at("restore", "oracle"), *IMAGES]),
    "a limit of images": (
        [edit("weathers: [rain]}\ntrain", "weathers: [rain], limit: 1}\ntrain")],
        [*at("restore score", *METHODS, rest="*rainy"), *IMAGES, *BOARD]),
    "a data set added": (
        [edit("  mine: {}\n", "  mine: {}\n  hazy: {card: mine, weathers: [haze]}\n")],
        [*at("restore score", *METHODS, rest="*hazy"), *IMAGES, *BOARD]),
    # Settings.
    "steps": ([edit("steps: 8", "steps: 9")], [*TRAINS, *BOARD]),
    "accumulate": ([edit("steps: 8", "steps: 8, accumulate: 2")], [*TRAINS, *BOARD]),
    "an entry's training": (
        [edit("unet: {method: regression}", "unet: {method: regression, training: {steps: 9}}")],
        [*at("train restore score", "unet"), *BOARD]),
    "parameters": (
        [edit("loss: rmse+ssim+lpips", "loss: rmse+ssim")],
        [*at("train restore score", "perceptual"), *BOARD]),
    "a specialist's weathers": (
        [edit("weathers: [rain]}\n  nafnet", "weathers: [haze]}\n  nafnet")],
        [*at("train restore score", "rain"), *BOARD]),
    "a teacher's parameters": (
        [edit("method: conditional_diffusion\n",
              "method: conditional_diffusion\n    parameters: {timesteps: 500}\n")],
        [*at("train restore score", "diffusion", "student"), *BOARD]),
    "a variant added": (
        [edit("variants: {", "variants: {more: {sampler: ddim, steps: 3}, ")],
        ["restore diffusion more *", *at("score", "diffusion"), *BOARD]),
    "samples of a variant": (
        [edit("ddim: {sampler: ddim, steps: 2}", "ddim: {sampler: ddim, steps: 2, samples: 3}")],
        ["restore diffusion ddim *", *at("score score-samples", "diffusion"), *BOARD]),
    "a variant removed": (
        [edit(", ddpm: {sampler: ddpm, steps: 2}", "")], [*at("score", "diffusion"), *BOARD]),
    "a seed added": (
        [edit("seeds: [0]", "seeds: [0, 1]")],
        [*(f"* {m} *1*" for m in METHODS), *(f"train {m} 1" for m in TRAINED), *BOARD]),
    "a protocol": ([edit("[rgb]", "[rgb, y-matlab]")], [*at("score", *METHODS), *BOARD]),
    "a protocol of sets": (
        [edit("[rgb]", "[rgb, kernel-distance-alex]")], [*at("score-sets", *METHODS), *BOARD]),
    "an entry added": (
        [edit("  identity: {}", "  identity: {}\n  directional_opening: {}")],
        [*at("restore score", "directional_opening"), *BOARD]),
    # Sources by meaning.
    "initial weights": (
        [text("benchmark/spec/build.py", "torch.manual_seed(", "torch.random.manual_seed(")],
        [*at("train", *TRAINED, "given"), *DONE_AGAIN]),
    "a loss": (
        [text("methods/regression.py", "2 * clean - 1)", "2.0 * clean - 1)")],
        at("train restore score", "unet", "rain", "nafnet", "perceptual")),
    "what a method does while restoring": (
        [text("methods/regression.py", "(x + self.network(x) + 1) / 2",
              "(x + 1.0 * self.network(x) + 1) / 2")],
        at("restore score", "unet", "rain", "nafnet", "perceptual", "given")),
    "a sampler": (
        [text(f"{SAMPLERS}/ddpm.py", "return ", "return 1.0 * ")],
        ["restore diffusion ddpm *", *at("score", "diffusion")]),
    "a network": (
        [text("methods/networks/nafnet.py", "().__init__()", "().__init__()\n        pass")],
        at("train restore score", "nafnet")),
    "how images are scored": (
        [text("benchmark/scoring/score.py", "return score_images(pairs, metrics).reindex",
              "return score_images(pairs, [*metrics]).reindex")], at("score", *METHODS)),
    # Files that settings name, and the machine.
    "given weights": (
        [{"file": "mine/given.safetensors", "text": "other"}],
        at("train restore score", "given")),
    "the weights of a metric": (
        [{"file": "data/weights/lpips.safetensors", "text": "other"}],
        [*at("score", *METHODS), *at("train restore", "perceptual")]),
    "processes": ([{"resolved": {"processes": 2}}], TRAINS),
    "bfloat16": ([{"resolved": {"bf16": True}}], TRAINS),
    "threads": ([{"resolved": {"threads": 1}}], DONE_AGAIN),
}  # fmt: skip


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> dict[str, tuple[list[str], list[str]]]:
    """By edit: the jobs that run again, and all jobs after it."""
    project = tmp_path_factory.mktemp("edits") / "project"
    for name in ("benchmark", "methods"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = {"config/datasets/mine.yaml": CARD, "config/edits.yaml": CONFIG}
    files |= {"mine/given.safetensors": "weights", "data/weights/lpips.safetensors": "weights"}
    for name, content in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    for number, name in enumerate("abc"):
        picture(project / f"mine/train/{name}.png", number)
    for number, name in enumerate("klm"):
        for folder in ("clean", "rain", "haze"):
            picture(project / f"mine/test/{folder}/{name}.png", 10 + number)
    edits = project.parent / "edits.json"
    edits.write_text(json.dumps([steps for steps, _ in EDITS.values()]))
    program = Path(jobs_after_edits.__file__)
    command = [python(), program, "config/edits.yaml", edits]

    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(EDITS, json.loads(done.stdout), strict=True))


def test_only_a_perceptual_loss_makes_a_training_depend_on_the_metrics_weights(monkeypatch):
    """By the definition that it means, and by no other name that ends like it."""
    module, name = PERCEPTUAL.split(":")
    assert hasattr(import_module(module), name)
    config = config_reader.load(ROOT / "config" / "smoke.yaml")
    for definition, depends in ((PERCEPTUAL, True), ("methods.mine:START_WEIGHTS", False)):
        identities = Identities(config)
        found = Identity({}, {definition: "0"})
        monkeypatch.setattr(identities, "_with_sources", lambda *_, found=found: found)
        assert ("weights of metrics" in identities.training("unet", 0).parts) == depends


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_re_runs_what_depends_on_it(name, planned):
    _, patterns = EDITS[name]
    found = planned[name]
    extra = [job for job in found if not any(fnmatch(job, pattern) for pattern in patterns)]
    idle = [pattern for pattern in patterns if not any(fnmatch(job, pattern) for job in found)]
    assert (extra, idle) == ([], [])


def test_the_defaults_of_a_variant_are_those_with_which_results_were_made():
    """An identity has a variant's settings as the configuration names them. If a default of these
    changes, restored images that are there count as made with the new one: add it to the identity.
    """
    assert Execution().model_dump() == {"samples": None, "precision": "float32", "compile": False}

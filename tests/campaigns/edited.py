"""Edits a finished run's settings, data and sources, runs the workflow again, and undoes the edits.

    python -m tests.campaigns.edited --sequences 40 --seed 0

A sequence is three random edits. The workflow runs after the third, and with probability one half
after the first and after the second. Then all are undone, and it runs again. After each run
scores.csv must have the same bytes as after a run from nothing with the same edits. Prints in how
many comparisons each edit took part, and exits with 1 if a table differed.
"""

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.core.paths import ROOT
from tests.clone import snakemake

CONFIG = "config/nano.yaml"
FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)", re.M)
SCORES = "results/nano/scores.csv"
TEXT = """\
name: nano
train_on: own
datasets: {own: {}}
protocols: [rgb]
seeds: [0]
training: {steps: 2, stages: [{share: 1, batch: 2, crop: 16}], warmup: 1, workers: 0}
methods:
  identity:
  unet:
    method: regression
    parameters: &tiny {network: {width: 8, multipliers: [1, 2], blocks: 1}}
  conditional_diffusion:
    parameters: *tiny
    variants: {ddim: {sampler: ddim, steps: 2}, ddpm: {sampler: ddpm, steps: 2}}
discover: false
"""
CARD = """\
title: Own pictures
path: own
weathers: [rain]
train: "train/*.png"
splits: {test: {input: "{weather}/{photo}.png", target: "clean/{photo}.png"}}
licence: none
source: this campaign
citation: none
"""
Edit = Callable[[Path], None]


def replaced(name: str, old: str, new: str) -> Edit:
    """An edit that replaces a text in a file."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, name
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def picture(name: str, seed: int) -> Edit:
    """An edit that writes another picture: smooth, with a little noise."""

    def edit(folder: Path) -> None:
        rng = np.random.default_rng(seed)
        small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((48, 48), Image.Resampling.BICUBIC)).astype(int)
        noisy = (pixels + rng.integers(-8, 9, pixels.shape)).clip(0, 255).astype(np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(folder / name)

    return edit


def both(*edits: Edit) -> Edit:
    return lambda folder: [edit(folder) for edit in edits]


EDITS: dict[str, Edit] = {
    "steps": replaced(CONFIG, "steps: 2, stages", "steps: 3, stages"),
    "batch": replaced(CONFIG, "batch: 2", "batch: 3"),
    "width": replaced(CONFIG, "width: 8", "width: 12"),
    "seed": replaced(CONFIG, "seeds: [0]", "seeds: [1]"),
    "variant": replaced(CONFIG, "sampler: ddpm, steps: 2", "sampler: ddpm, steps: 3"),
    "protocol": replaced(CONFIG, "[rgb]", "[rgb, y-matlab]"),
    "entry": replaced(CONFIG, "  identity:\n", "  identity:\n  directional_opening:\n"),
    "workers": replaced(CONFIG, "workers: 0", "workers: 1"),
    "training photograph": picture("own/train/a.png", 91),
    "more training photographs": picture("own/train/z.png", 92),
    "test image": picture("own/rain/k.png", 93),
    "target": picture("own/clean/l.png", 94),
    "pair": both(picture("own/rain/n.png", 95), picture("own/clean/n.png", 96)),
    "fewer pairs": replaced(CONFIG, "{own: {}}", "{own: {limit: 1}}"),
    "loss": replaced("methods/regression.py", "2 * clean - 1)", "2 * clean - 0.9)"),
    "sampler": replaced("methods/diffusion/samplers/ddpm.py", "return ", "return 0.9 * "),
    "initial weights": replaced(
        "benchmark/spec/build.py", 'named_seed("weights"', 'named_seed("first weights"'
    ),
    "comment": replaced("benchmark/training/loop.py", "def train(", "# A comment.\ndef train("),
}


def project(folder: Path) -> Path:
    """A copy of the suite with a data set and a configuration of its own."""
    for name in ("benchmark", "methods", "workflow", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("data.dvc", ".dvc"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "data").symlink_to(ROOT / "data")
    (folder / CONFIG).write_text(TEXT, encoding="utf-8")
    (folder / "config/datasets/own.yaml").write_text(CARD, encoding="utf-8")
    for number, name in enumerate("abc"):
        picture(f"own/train/{name}.png", number)(folder)
    for number, name in enumerate("kl"):
        for place in ("rain", "clean"):
            picture(f"own/{place}/{name}.png", 10 + 2 * number + (place == "clean"))(folder)
    return folder


def restored_files(folder: Path, clean: Path, edits: set[str]) -> None:
    """Give a project the files that it has with exactly these edits; results stay."""
    for name in ("benchmark", "methods", "config", "own"):
        _copy_changed(clean / name, folder / name)
    for name in EDITS:
        if name in edits:
            EDITS[name](folder)


def _copy_changed(source: Path, target: Path) -> None:
    """Make two folders equal; files that are equal already are not touched."""
    kept = {p.relative_to(source) for p in source.rglob("*") if p.is_file()}
    for path in [p for p in target.rglob("*") if p.is_file() and "__pycache__" not in p.parts]:
        if path.relative_to(target) not in kept:
            path.unlink()
    for name in kept:
        if (
            not (target / name).exists()
            or (target / name).read_bytes() != (source / name).read_bytes()
        ):
            shutil.copyfile(source / name, target / name)


class Campaign:
    """clean: the project without edits. edited: the one that is edited. boards: scores.csv of runs
    from nothing, by their edits."""

    def __init__(self, folder: Path):
        self.clean, self.edited = project(folder / "clean"), project(folder / "edited")
        self.fresh, self.boards = folder / "fresh", {}
        self.compared: Counter[str] = Counter()
        self.jobs: Counter[str] = Counter()
        self.faults: list[str] = []
        self.runs = 0

    def run(self, folder: Path) -> bytes:
        """Run the workflow of a project; returns its scores.csv."""
        done = snakemake(folder, SCORES, "--config", f"run={CONFIG}")
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        if folder == self.edited:
            self.jobs.update(FINISHED.findall(done.stdout + done.stderr))
        return (folder / SCORES).read_bytes()

    def from_nothing(self, edits: frozenset[str]) -> bytes:
        if edits not in self.boards:
            project(self.fresh)
            restored_files(self.fresh, self.clean, set(edits))
            self.boards[edits] = self.run(self.fresh)
            shutil.rmtree(self.fresh)
        return self.boards[edits]

    def check(self, edits: set[str]) -> None:
        """Edit the project so, run its workflow, and compare."""
        restored_files(self.edited, self.clean, edits)
        same = self.run(self.edited) == self.from_nothing(frozenset(edits))
        self.compared.update(edits or {"none"})
        self.runs += 1
        if not same:
            self.faults.append(", ".join(sorted(edits)) or "none")
        print(
            f"{'same' if same else 'DIFFERENT'}: {', '.join(sorted(edits)) or 'none'}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    os.environ["DVC_STAGE"] = "campaign"  # the data are there and not pulled
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder))
        campaign.check(set())
        for _ in range(arguments.sequences):
            edits = draw.sample([*EDITS], 3)
            for number in (1, 2, 3):
                if number == 3 or draw.random() < 0.5:
                    campaign.check({*edits[:number]})
            campaign.check(set())
    print("\n| edit | comparisons |\n|---|---:|")
    for name in ("none", *EDITS):
        print(f"| {name} | {campaign.compared[name]} |")
    print(
        f"\n{campaign.runs} runs, {len(campaign.boards)} of them also made from nothing; jobs: "
        f"{dict(campaign.jobs)}; {len(campaign.faults)} boards differ"
    )
    sys.exit(bool(campaign.faults))


if __name__ == "__main__":
    main()

"""Wrong settings: configurations, cards, manifests, published numbers, DVC's files."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random

import yaml

from benchmark.board import published, published_markdown
from benchmark.board import published_numbers as printed
from benchmark.board.write import read_leaderboard
from benchmark.core.paths import ROOT
from benchmark.data import cards as datasets
from benchmark.data import pull, set_images, training_files
from benchmark.results.tables import read_methods
from benchmark.spec import config_checks, config_reader, run_config
from tests.campaigns import mutations
from tests.campaigns.targets.common import CARD, cards_in, write, wrong_json, wrong_yaml
from tests.campaigns.targets.images import pictures

CONFIGS = ("smoke", "default", "reference", "formulations", "pretrained")
# Settings of a DVC repository without git.
DVC_CONFIG = """[core]
    no_scm = true
    analytics = false
    remote = store
['remote "store"']
    url = ../store
    verify = true
"""


@cache
def _tree(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def configuration(folder: Path, random: Random):
    for name in CONFIGS:  # they extend each other
        write(folder / f"{name}.yaml", (ROOT / f"config/{name}.yaml").read_bytes())
    tree = _tree(ROOT / "config" / f"{random.choice(CONFIGS)}.yaml")
    path = write(folder / "run.yaml", wrong_yaml(tree, random))
    yield path.name
    config = config_reader.load(path)
    config_checks.check_methods(config, str(path))
    for label in config.methods:
        config.training_of(label), config.weathers_of(label), config.seeds_of(label)
        [config.weights_of(label, seed) for seed in config.seeds_of(label)]


def dataset_card(folder: Path, random: Random):
    cards = sorted((ROOT / "config/datasets").glob("*.yaml"))
    chosen = random.choice([*cards, ROOT / "config/datasets/photos.yaml"])
    path = write(folder / "cards" / "mine.yaml", wrong_yaml(_tree(chosen), random))
    with cards_in(path.parent):
        yield path.name, "'mine'", "'manifest'"
        found = datasets.load_card("mine")
        split = next(iter(found.splits), "test")
        training_files.training_photos("mine") if found.train else None
        run = {"name": "x", "train_on": "mine", "methods": {}, "discover": False,
               "datasets": {"mine": {"split": split, "limit": 1}}}  # fmt: skip
        set_images.find_images(run_config.Config(**run))


def dataset_manifest(folder: Path, random: Random):
    kept = {"files": [{"path": "a.png", "bytes": 3, "sha256": "0" * 64}],
            "pairs": [{"degraded": "a.png", "level": "light", "photo": "a"}]}  # fmt: skip
    path = write(folder / "set" / "manifest.json", wrong_json(kept, random))
    write(folder / "set" / "a.png", pictures()[0][1])
    splits = {"test": {"input": "{photo}.png"}}
    content = {**CARD, "path": str(path.parent), "manifest": path.name, "splits": splits}
    write(folder / "cards" / "mine.yaml", yaml.safe_dump(content))
    with cards_in(folder / "cards"):
        yield path.name, "'mine'"
        datasets.verify("mine")
        run = {"name": "x", "train_on": "mine", "methods": {}, "datasets": {"mine": {}}}
        set_images.find_images(run_config.Config(**run))


def published_numbers(folder: Path, random: Random):
    path = write(folder / "published.yaml", wrong_yaml(_tree(printed.FILE), random))
    yield path.name
    found = printed.load(path)
    sets = {table.dataset: published.Part(table.dataset, table.split) for table in found.tables}
    board, methods = _reference()
    published_markdown.to_markdown(published.beside(found, board, sets, methods), found)


@cache
def _reference():
    run = ROOT / "results" / "reference"
    return read_leaderboard(run), read_methods(run)


def dvc_files(folder: Path, random: Random):
    """A DVC repository is pulled: wrong pointer, settings or files of the remote."""
    repository = folder / "repository"
    if not repository.exists():
        write(repository / ".dvc" / "config", DVC_CONFIG)
        write(repository / "data" / "a.txt", "a")
        for verb in (["add", "data"], ["push"]):
            command = [sys.executable, "-m", "dvc", *verb, "--quiet"]
            subprocess.run(command, cwd=repository, check=True)
    store = [path for path in (folder / "store").rglob("*") if path.is_file()]
    files = [repository / "data.dvc", repository / ".dvc" / "config"]
    chosen = random.choice([*files, *files, *store])
    good = chosen.read_bytes()
    chosen.chmod(0o644)  # DVC protects what it stores
    if chosen.suffix == ".dvc":
        write(chosen, wrong_yaml(yaml.safe_load(good), random))
    elif chosen.name == "config":
        write(chosen, mutations.of_text(good.decode(), random))
    else:
        write(chosen, mutations.of_bytes(good, random))
    try:
        yield "data.dvc", ".dvc/config", "DVC remote"
        pull.pull(repository)
    finally:
        write(chosen, good)


TARGETS = {
    "configuration": configuration,
    "data set card": dataset_card,
    "data set manifest": dataset_manifest,
    "published numbers": published_numbers,
    "DVC pointer, settings, remote": dvc_files,
}

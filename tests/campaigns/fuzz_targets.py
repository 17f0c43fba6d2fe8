"""What is read from files, each with valid examples, a way of making them wrong, and its readers.

A target is called with a folder and a `Random`; it writes a wrong file there and reads it. What it
yields are names one of which an error has to tell: the file, or the key in it.
"""

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import torch
import yaml
from PIL import Image

from benchmark import checkpoints, datasets, images, jobs, training_jobs, training_sets, weights
from benchmark import config as configuration
from benchmark.metrics import no_reference, perceptual
from benchmark.registry import ROOT, load
from benchmark.run import RunFolder, collect
from tests.campaigns import mutations, workspace
from tests.synthetic_run import card, make_run

Target = Callable[[Path, Random], tuple[str, ...]]
CONFIGS = ("smoke", "default", "reference", "formulations", "pretrained")
NETWORK = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}


def _write(path: Path, content: str | bytes) -> Path:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _yaml(tree, random: Random) -> str:
    try:
        text = yaml.safe_dump(mutations.of_tree(tree, random), allow_unicode=True)
    except yaml.YAMLError:
        text = yaml.safe_dump(tree)
    return mutations.of_text(text, random) if random.random() < 0.3 else text


@cache
def _tree(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def config_file(folder: Path, random: Random) -> str:
    for name in CONFIGS:  # what is extended
        _write(folder / f"{name}.yaml", (ROOT / f"config/{name}.yaml").read_bytes())
    tree = _tree(ROOT / "config" / f"{random.choice(CONFIGS)}.yaml")
    path = _write(folder / "run.yaml", _yaml(tree, random))
    yield path.name
    config = configuration.load(path)
    configuration.check_methods(config, str(path))
    for label in config.methods:
        config.training_of(label), config.weathers_of(label), config.seeds_of(label)
        [config.weights_of(label, seed) for seed in config.seeds_of(label)]


def dataset_card(folder: Path, random: Random) -> str:
    cards = sorted((ROOT / "config/datasets").glob("*.yaml"))
    chosen = random.choice([*cards, ROOT / "config/datasets/photos.yaml"])
    path = _write(folder / "cards" / "mine.yaml", _yaml(_tree(chosen), random))
    datasets.CARDS, kept = path.parent, datasets.CARDS
    try:
        yield path.name, "'mine'", "'manifest'"
        found = datasets.load_card("mine")
        split = next(iter(found.splits), "test")
        training_sets.training_photos("mine") if found.train else None
        run = {"name": "x", "train_on": "mine", "methods": {}, "discover": False,
               "datasets": {"mine": {"split": split, "limit": 1}}}  # fmt: skip
        datasets.find_images(configuration.Config(**run))
    finally:
        datasets.CARDS = kept


def dataset_manifest(folder: Path, random: Random) -> str:
    kept = {"files": [{"path": "a.png", "bytes": 3, "sha256": "0" * 64}],
            "pairs": [{"degraded": "a.png", "level": "light", "photo": "a"}]}  # fmt: skip
    text = json.dumps(mutations.of_tree(kept, random))
    if random.random() < 0.3:
        text = mutations.of_text(text, random)
    path = _write(folder / "set" / "manifest.json", text)
    _write(folder / "set" / "a.png", _pictures()[0][1])
    content = {"title": "x", "path": str(path.parent), "weathers": ["rain"], "licence": "x",
               "source": "x", "citation": "x", "manifest": path.name,
               "splits": {"test": {"input": "{photo}.png"}}}  # fmt: skip
    _write(folder / "cards" / "mine.yaml", yaml.safe_dump(content))
    datasets.CARDS, before = folder / "cards", datasets.CARDS
    try:
        yield path.name, "'mine'"
        datasets.verify("mine")
        run = {"name": "x", "train_on": "mine", "methods": {}, "datasets": {"mine": {}}}
        datasets.find_images(configuration.Config(**run))
    finally:
        datasets.CARDS = before


@cache
def _pictures() -> list[tuple[str, bytes]]:
    """Small images of every kind that is read, and some that are refused."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    colour = Image.fromarray(pixels)
    grey16 = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    made = []
    for image, suffix, options in (
        (colour, "png", {}), (colour, "jpg", {"exif": _turned()}), (colour, "webp", {}),
        (colour, "bmp", {}), (colour, "tif", {"compression": "tiff_lzw"}), (colour, "tif", {}),
        (colour.convert("P"), "png", {}), (colour.convert("L"), "jpg", {}), (grey16, "png", {}),
        (grey16, "tif", {}), (colour.convert("CMYK"), "jpg", {}),
        (colour.convert("RGBA"), "png", {}),
        (colour.convert("1"), "tif", {"compression": "group4"}), (colour.convert("P"), "gif", {}),
        (colour.convert("CMYK"), "tif", {}), (colour.convert("RGBA"), "webp", {"lossless": True}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        image.save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()), **options)
        made.append((suffix, buffer.getvalue()))
    return made


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[images.EXIF_ORIENTATION] = 6
    return exif


def image_file(folder: Path, random: Random) -> str:
    suffix, data = random.choice(_pictures())
    path = _write(folder / f"image.{suffix}", mutations.of_bytes(data, random))
    yield path.name
    pixels = images.read_image(path)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


@cache
def _method():
    torch.manual_seed(0)
    kind = load("regression")
    return kind(kind.Parameters(**NETWORK))


def weight_file(folder: Path, random: Random) -> str:
    path = folder / "weights.safetensors"
    if not (folder / "good").exists():
        weights.save(_method().network, folder / "raw.safetensors")
        weights.export(folder / "raw.safetensors", folder / "good", {"status": "ok"})
    _write(path, mutations.of_bytes((folder / "good").read_bytes(), random))
    yield path.name
    network = _method().build()
    weights.load(network, path)
    weights.exported_facts(path)


def torch_checkpoint(folder: Path, random: Random) -> str:
    buffer = io.BytesIO()
    content = {"state_dict": {"a.weight": torch.ones(3, 3)}, "epoch": 3, "name": "x"}
    legacy = random.random() < 0.5
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    path = _write(folder / "weights.pth", mutations.of_bytes(buffer.getvalue(), random))
    yield path.name
    checkpoints.read(path)


def metric_weights(folder: Path, random: Random) -> str:
    name = random.choice(("lpips_alexnet_features.safetensors", "niqe_pris_params.npz"))
    data = (ROOT / "data/weights" / name).read_bytes()
    path = folder / name
    head = mutations.of_bytes(data[:4000], random)  # where the names and shapes are
    _write(path, head + data[4000:] if random.random() < 0.5 else mutations.of_bytes(data, random))
    yield path.name
    if path.suffix == ".npz":
        no_reference._prior(path)
    else:
        perceptual.lpips_network.__wrapped__(path)


def _run_of(folder: Path) -> Path:
    run = folder / "results" / "mine"
    if not run.exists():
        cards = [card("identity", control=True), card("median", gain=1.0)]
        make_run(run, photos=2, weathers=("rain", "haze"), cards=cards, side=16)
        for path in run.rglob("*"):
            if path.is_file():
                _write(folder / "good" / path.relative_to(run), path.read_bytes())
    for path in (folder / "good").rglob("*"):
        if path.is_file():
            _write(run / path.relative_to(folder / "good"), path.read_bytes())
    return run


TABLES = ("scores.csv", "cost.csv", "images.csv", "methods.json", "manifest.json")


def _spoiled_run(folder: Path, random: Random) -> tuple[Path, str]:
    run = _run_of(folder)
    name = random.choice(TABLES)
    good = (folder / "good" / name).read_text(encoding="utf-8")
    if name.endswith(".csv"):
        text = mutations.of_table(good, random)
    else:
        text = json.dumps(mutations.of_tree(json.loads(good), random))
        text = mutations.of_text(text, random) if random.random() < 0.2 else text
    _write(run / name, text)
    return run, name


def board_tables(folder: Path, random: Random) -> str:
    from benchmark.leaderboard import print_leaderboard, write_leaderboard

    run, name = _spoiled_run(folder, random)
    yield name, "scores.csv", "methods.json"
    write_leaderboard(run)
    print_leaderboard(run)


def report_tables(folder: Path, random: Random) -> str:
    from benchmark.figures import draw_figures
    from benchmark.report import build_report

    run, name = _spoiled_run(folder, random)
    yield name, "scores.csv", "methods.json", "images.csv"
    if random.random() < 0.2:
        draw_figures(run)
    build_report(run)


def run_parts(folder: Path, random: Random) -> str:
    """The parts of a run that later jobs read: training.json, the tables of images and scores."""
    path = _write(folder / "tiny.yaml", workspace.TEXT.replace("limit: 2", "limit: 1"))
    config, run = configuration.load(path), RunFolder(folder / "results" / "tiny")
    training = run.training("unet", 0) / "training.json"
    units = [(label, "default", 0, "photos") for label in config.methods]
    if not run.images.exists():
        run.path.mkdir(parents=True)
        datasets.find_images(config).to_csv(run.images, index=False)
        training_jobs.train(config, run, "unet", 0)
        for unit in units:
            jobs.restore(config, run, *unit)
            jobs.score(config, run, *unit)
    files = [
        training,
        run.images,
        *(run.restored(*u) for u in units),
        *(run.scores(*u) for u in units),
    ]
    chosen = random.choice(files)
    good = chosen.read_text(encoding="utf-8")
    if chosen.suffix == ".json":
        text = json.dumps(mutations.of_tree(json.loads(good), random))
    else:
        text = mutations.of_table(good, random)
    _write(chosen, text)
    try:
        yield chosen.name, "images.csv", "unet", "photos.csv"
        for unit in units:
            jobs.score(config, run, *unit) if chosen in files[:4] else None
        collect(config, run)
    finally:
        _write(chosen, good)


TARGETS: dict[str, Target] = {
    "configuration": config_file,
    "data set card": dataset_card,
    "data set manifest": dataset_manifest,
    "image": image_file,
    "weights (safetensors)": weight_file,
    "checkpoint (torch)": torch_checkpoint,
    "metric weights": metric_weights,
    "tables of a run: leaderboard": board_tables,
    "tables of a run: figures, report": report_tables,
    "parts of a run": run_parts,
}

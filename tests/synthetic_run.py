"""An invented run for tests of leaderboards, figures and reports: tables, cards, small images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.core.image_io import read_image, write_png
from benchmark.results.schema import COST, OK, SAMPLE_SCORES, SCORES, SET_SCORES, SKIPPED
from benchmark.results.tables import IMAGES
from benchmark.scoring.metrics.ensembles import ensemble_scores

PAIRS = (
    ("rgb", "psnr"),
    ("rgb", "ssim"),
    ("y-matlab", "psnr"),
    ("y-matlab", "ssim"),
    ("lpips-alex", "lpips"),
)
DEVICE = "cpu: made up, 2 threads"
NASTY = "<script>alert('x')</script> & \"y\""
NASTY_SET = "set '\"<b>&#% {{7*7}}"


def card(method: str, variant: str = "default", gain: float = 0.0, **more) -> dict:
    """A method card. `gain`: by how many dB the invented scores are better than the input's."""
    return {
        "label": method if variant == "default" else f"{method} {variant}",
        "method": method,
        "variant": variant,
        "title": method.replace("-", " ").capitalize(),
        "citation": "A. Author, A Paper, 2020",
        "url": "https://example.org/paper",
        "licence": "MIT",
        "supervision": "none",
        "description": "A made-up method.",
        "control": False,
        "parameters": {"width": 48},
        "settings": {},
        "training": None,
        "training_seconds": None,
        "training_curve": None,
        "gain": gain,
        **more,
    }


def score_rows(dataset, weather, image, card, values, seed=0) -> list[dict]:
    """The five rows of scores.csv of one image; `values` in the order of PAIRS."""
    key = (dataset, weather, image, card["method"], card["variant"], str(seed))
    return [
        dict(zip(SCORES, (*key, *pair, value, OK, ""), strict=True))
        for pair, value in zip(PAIRS, values, strict=True)
    ]


def cost_row(dataset, weather, image, card, seconds=1.0, nfe=0, parameters=0, side=256) -> dict:
    key = (dataset, weather, image, card["method"], card["variant"], "0")
    cost = (side, side, seconds, np.nan, nfe, parameters, 1e9 * nfe, 5e8, DEVICE, OK, "")
    return dict(zip(COST, (*key, *cost), strict=True))


def default_cards() -> list[dict]:
    sampled = [
        card(
            "diffusion",
            f"{sampler}-{steps}",
            2 + np.log2(steps) / 4,
            supervision="paired",
            sampler=sampler,
            steps=steps,
            settings={"sampler": sampler, "steps": steps, "eta": 0.0},
            training={"steps": 3000, "batch": 16},
            training_seconds=900.0,
            training_curve="training/diffusion.csv",
        )
        for sampler in ("ddim", "dpm-solver")
        for steps in (1, 4, 10)
    ]
    return [
        card("identity", control=True),
        card("oracle", gain=np.inf, control=True, sees_target=True),
        card("dark-channel", gain=0.8),
        card("median", gain=-0.7),
        card("regression", gain=3.2, supervision="paired"),
        *sampled,
    ]


def make_run(
    run: Path, photos=4, weathers=("rain", "haze", "raindrop", "snow"), cards=None, side=48
):
    """Write a whole invented run into the folder `run`, .../results/NAME; returns its cards."""
    from PIL import Image

    cards = default_cards() if cards is None else cards
    run.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    root, scores, cost, images = run.parents[1], [], [], []
    for w, weather in enumerate(weathers):
        for p in range(photos):
            image = f"photo{p:02d}"
            ramp = np.linspace(0, 200, side)[None, :, None] + np.zeros((side, 1, 3))
            clean = np.clip(ramp + 20 * np.sin(np.arange(side) / 5 + p)[:, None, None], 0, 255)
            noise = generator.normal(0, 30, clean.shape)
            hashes = ("0" * 64, "1" * 64)  # only scoring reads them
            paths = {kind: f"data/{weather}/{kind}/{image}.png" for kind in ("input", "target")}
            for kind, pixels in (("input", clean + noise), ("target", clean)):
                _save(Image, root / paths[kind], pixels)
            row = (
                "test-set",
                weather,
                image,
                f"p{p}",
                "medium",
                paths["input"],
                paths["target"],
                *hashes,
            )
            images.append(row)
            base = 18 + 3 * w + generator.normal(0, 1.5)
            for c in cards:
                gain = c["gain"] + generator.normal(0, 0.3)
                if c["method"] == "dark-channel" and weather != "haze":
                    row = (*row[:3], c["method"], c["variant"], "0")
                    skip = ("", SKIPPED, "made for haze only")
                    scores += [(*row, *pair, *skip) for pair in PAIRS]
                    continue
                psnr = base + gain
                ssim = float(np.clip(0.6 + 0.05 * gain + 0.02 * w, 0, 1))
                lpips = float(np.clip(0.35 - 0.04 * gain, 0, 1))
                values = (psnr, ssim, psnr + 1.3, min(1, ssim + 0.02), lpips)
                scores += [
                    tuple(r.values())
                    for r in score_rows("test-set", weather, image, c, map(float, values))
                ]
                steps = c.get("steps", 1 if c["method"] == "regression" else 0)
                cost.append(
                    cost_row("test-set", weather, image, c, 0.02 + 0.17 * steps, steps, 3.9e6)
                )
                path = f"{c['method']}/{c['variant']}/seed0/test-set/{weather}/{image}.png"
                mixed = clean + noise * float(np.exp(-max(c["gain"], 0) / 2))
                _save(Image, run / "restored" / path, mixed)
    pd.DataFrame(scores, columns=SCORES).to_csv(run / "scores.csv", index=False)
    pd.DataFrame(cost, columns=COST).to_csv(run / "cost.csv", index=False)
    pd.DataFrame(images, columns=IMAGES).to_csv(run / "images.csv", index=False)
    kept = [{k: v for k, v in c.items() if k != "gain"} for c in cards]
    (run / "methods.json").write_text(json.dumps(kept), encoding="utf-8")
    curve = pd.DataFrame({"step": range(1, 301), "loss": np.linspace(1, 0.1, 300)})
    (run / "training").mkdir(exist_ok=True)
    curve.to_csv(run / "training" / "diffusion.csv", index=False)
    manifest = {
        "commit": "0123abc",
        "config": {"name": "made-up", "seeds": [0], "weathers": list(weathers)},
        "versions": {"numpy": np.__version__},
        "hardware": {"cpu": "made up", "threads": 2},
        "times": {"restore": 12.5},
    }
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return kept


def make_nasty_run(run: Path) -> None:
    """An invented run with markup in all texts: names, cards, reasons, credits."""
    make_run(run, photos=3, weathers=("rain", "haze"), side=32)
    cards = json.loads((run / "methods.json").read_text())
    for c in cards:
        if c["method"] == "median":
            c |= {"label": NASTY, "title": NASTY, "citation": NASTY, "url": "javascript:alert(1)"}
            c |= {"parameters": {NASTY: [NASTY]}}
    (run / "methods.json").write_text(json.dumps(cards))
    for name in ("scores.csv", "cost.csv", "images.csv"):
        table = pd.read_csv(run / name, dtype=str, keep_default_na=False)
        table["dataset"] = NASTY_SET
        if name == "scores.csv":
            table.loc[table["status"] == SKIPPED, "reason"] = NASTY
        table.to_csv(run / name, index=False)
    for folder in list((run / "restored").glob("*/*/*/test-set")):
        folder.rename(folder.with_name(NASTY_SET))
    manifest = json.loads((run / "manifest.json").read_text())
    origin = {key: NASTY for key in ("title", "licence", "source", "citation", "overlaps")}
    manifest["datasets"] = {NASTY_SET: origin}
    (run / "manifest.json").write_text(json.dumps(manifest))
    photographers = pd.DataFrame(
        {
            "file": ["rain/target/photo00.png", "rain/target/photo01.png"],
            "author": ["A. Photographer", NASTY],
            "licence": ["CC-BY-4.0", NASTY],
            "source": ["https://example.org/photo?a=1&b=<2>", "javascript:alert(1)"],
        }
    )
    photographers.to_csv(run.parents[1] / "data" / "manifest.csv", index=False)


def add_set_scores(run: Path) -> None:
    """A table of scores of sets for a run: a method with more gain is closer to the targets."""
    scores = pd.read_csv(run / "scores.csv", dtype=str, keep_default_na=False)
    images = pd.read_csv(run / "images.csv", dtype=str, keep_default_na=False)
    psnr = scores[(scores["protocol"] == "rgb") & (scores["metric"] == "psnr")]
    psnr = psnr.merge(images[["dataset", "weather", "image", "photo"]])
    rows = []
    for names, part in psnr.groupby(["dataset", "weather", "method", "variant", "seed"]):
        names = (*names, "kernel-distance-alex", "kernel-distance")
        if set(part["status"]) != {OK}:
            rows.append((*names, "", "", SKIPPED, "made for haze only"))
            continue
        distance = np.exp(-part["value"].astype(float).to_numpy() / 10)
        left_out = ["", *part["photo"]]
        without = [distance, *(np.delete(distance, p) for p in range(len(distance)))]
        rows += [
            (*names, photo, float(rest.mean()), OK, "")
            for photo, rest in zip(left_out, without, strict=True)
        ]
    pd.DataFrame(rows, columns=SET_SCORES).to_csv(run / "set_scores.csv", index=False)


def add_samples(run: Path, key=("diffusion", "ddim-4"), count=4, same=False) -> None:
    """Further samples of a variant, and the table of their scores. same: all as the first."""
    images = pd.read_csv(run / "images.csv", dtype=str, keep_default_na=False)
    generator, rows, root = np.random.default_rng(5), [], run.parents[1]
    for image in images.to_dict("records"):
        names = ("dataset", "weather", "image")
        folder = run / "restored" / Path(*key) / "seed0" / image["dataset"]
        first = read_image(folder / image["weather"] / f"{image['image']}.png")
        stack = [first]
        for number in range(1, count):
            noise = 0 if same else generator.normal(0, 12, first.shape)
            pixels = np.clip(first + noise, 0, 255).astype(np.uint8)
            write_png(
                folder / "samples" / str(number) / image["weather"] / f"{image['image']}.png",
                pixels,
            )
            stack.append(pixels)
        found = ensemble_scores(np.stack(stack), read_image(root / image["target"]), generator)
        values = {n: getattr(found, n) for n in ("variance", "squared_error", "crps")}
        values |= {"absolute_error": found.absolute_error, "diversity": 0.01}
        values |= {f"rank-{rank}": share for rank, share in enumerate(found.ranks)}
        values |= {"mean/rgb/psnr": 30.0, "mean/rgb/ssim": 0.9, "mean/lpips-alex/lpips": 0.1}
        start = (*(image[name] for name in names), *key, "0", count)
        rows += [(*start, name, value, OK, "") for name, value in values.items()]
    table = pd.DataFrame(rows, columns=SAMPLE_SCORES)
    if (file := run / "sample_scores.csv").exists():
        table = pd.concat([pd.read_csv(file, dtype=str, keep_default_na=False), table])
    table.to_csv(file, index=False)


def add_clear_set(run: Path) -> None:
    """A second data set of a run, "clear": the images of its first weather in weather "clear"."""
    for name in ("scores.csv", "cost.csv", "images.csv"):
        table = pd.read_csv(run / name, dtype=str, keep_default_na=False)
        clear = table[table["weather"] == table["weather"].iloc[0]]
        clear = clear.assign(dataset="clear", weather="clear")
        pd.concat([table, clear]).to_csv(run / name, index=False)


def _save(image_module, path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_module.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)

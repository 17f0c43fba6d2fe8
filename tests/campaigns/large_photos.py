"""Photos larger than a tile: tiles that decide alone, and tiles that follow the whole photo.

    python -m tests.campaigns.large_photos

Enlarges bundled photos, adds weather and restores them with the method that `restore` takes, both
ways. Prints a table for docs/choices.md: PSNR, and the largest step in brightness across an edge
between tiles, in levels of 255, where the clean photo has none (less than FLAT); means over photos.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmark.core.image_io import read_image, to_float
from benchmark.core.paths import ROOT
from benchmark.core.seeds import numpy_generator
from benchmark.spec import config_reader, given_weights
from benchmark.spec.build import build
from benchmark.weather import WEATHERS, degrade
from tests.seams import seam_steps

PHOTOS = ["chateaudechambord", "dragonfly-by-bolly", "fortsumter", "giraffe"]
CLEAR = "clear"
FLAT = 2  # levels
CONFIG = ROOT / "config" / "pretrained.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048, help="the long side, in pixels")
    parser.add_argument("--photos", nargs="+", default=PHOTOS, help="names in data/photos/train")
    parser.add_argument("--weathers", nargs="+", default=[*WEATHERS, CLEAR])
    parser.add_argument("--strength", type=float, default=0.6)
    parser.add_argument("--method", default="unet_lpips", help="entry of config/pretrained.yaml")
    options = parser.parse_args()
    config = config_reader.load(CONFIG)
    method = build(config, options.method, 0)
    given_weights.load(method, config.weights_of(options.method, 0))
    method.network.eval().to(memory_format=torch.channels_last)
    print("| | input | tiles alone | following | step, tiles alone | following | CPU s | |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for weather in options.weathers:
        rows = [measure(method, name, weather, options) for name in options.photos]
        means = np.mean(rows, axis=0)
        print(f"| {weather} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |", flush=True)


def measure(method, name: str, weather: str, options) -> list[float]:
    """Three PSNR, two steps, two times: of tiles alone and of those that follow the photo."""
    clean, degraded = pair(name, weather, options)
    images, seconds = [degraded], []
    for settings in (method.Variant(context=0), method.Variant()):
        start = time.process_time()
        with torch.inference_mode():
            images.append(method.restore(degraded, settings, []))
        seconds.append(time.process_time() - start)
    flat = seam_steps(clean, settings) < FLAT
    steps = [seam_steps(image, settings)[flat].max() for image in images[1:]]
    return [*(psnr(image, clean) for image in images), *steps, *seconds]


def pair(name: str, weather: str, options) -> tuple[Tensor, Tensor]:
    photo = to_float(read_image(Path("data/photos/train") / f"{name}.jpg"))
    scale = options.side / max(photo.shape[:2])
    clean = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    degraded = clean
    if weather != CLEAR:
        rng = numpy_generator("large photos", name, weather)
        degraded, _ = degrade(clean, weather, options.strength, rng)
    return tuple(torch.from_numpy(x.transpose(2, 0, 1)[None].copy()) for x in (clean, degraded))


def psnr(image: Tensor, clean: Tensor) -> float:
    """In dB; at most 60, where a clear photo is as it was."""
    return min(60.0, -10 * (image.clamp(0, 1) - clean).square().mean().log10().item())


if __name__ == "__main__":
    main()

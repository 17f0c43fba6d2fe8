"""The suite's scoring against the usual loop over pyiqa's and lpips' metrics, on the CPU.

Values differ a little: for SSIM, pyiqa rounds Y and replaces negative structure terms by 0; for
PSNR, it adds 1e-8 to the error.
"""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image, to_float
from benchmark.profiling.timing import seconds_of
from benchmark.results import schema
from benchmark.scoring.metrics import LPIPS_WEIGHTS, metrics_of
from benchmark.scoring.metrics.perceptual import lpips_network
from benchmark.scoring.score import score_images

Pair = tuple[Path, Path]  # restored, target
METRICS = metrics_of(("rgb", "y-matlab", "lpips-alex"))


def scoring_speed(pairs: Sequence[Pair], repeats: int) -> tuple[float, float]:
    """(time of the usual loop over that of the suite, largest absolute difference of a value).

    Raises UserError if a pair cannot be scored.
    """
    usual, cpu = usual_loop(), torch.device("cpu")
    difference = np.abs(suite_scores(pairs) - usual(pairs)).max()  # also warms up both
    own, theirs = [], []
    for _ in range(repeats):
        own.append(seconds_of(lambda: suite_scores(pairs), cpu))
        theirs.append(seconds_of(lambda: usual(pairs), cpu))
    return statistics.median(theirs) / statistics.median(own), float(difference)


def suite_scores(pairs: Sequence[Pair]) -> np.ndarray:
    """The suite's values, (pairs, METRICS). Raises UserError if a pair cannot be scored."""
    table = score_images([({"image": i}, *pair) for i, pair in enumerate(pairs)], METRICS)
    failed = table[table.status != schema.OK]
    if len(failed):
        raise UserError(f"scoring: {failed.reason.iloc[0]}")
    return table.value.to_numpy().reshape(len(pairs), len(METRICS))


def usual_loop() -> Callable[[Sequence[Pair]], np.ndarray]:
    """A function that returns the values of pyiqa and lpips, (pairs, METRICS).

    It reads each file once.
    """
    import pyiqa

    options = ({"test_y_channel": False}, {"test_y_channel": True, "color_space": "ycbcr"})
    metrics = [
        pyiqa.create_metric(name, device="cpu", **option)
        for option in options
        for name in ("psnr", "ssim")
    ]
    lpips = lpips_network(LPIPS_WEIGHTS)  # of the package lpips, with the bundled backbone

    @torch.inference_mode()
    def loop(pairs: Sequence[Pair]) -> np.ndarray:
        rows = []
        for pair in tqdm(pairs, "pyiqa and lpips", unit="image"):
            x, y = (_tensor(path) for path in pair)
            row = [metric(x, y).item() for metric in metrics]
            rows.append([*row, lpips(2 * x - 1, 2 * y - 1).item()])
        return np.array(rows)

    return loop


def _tensor(path: Path) -> torch.Tensor:
    return torch.from_numpy(to_float(read_image(path))).permute(2, 0, 1)[None]

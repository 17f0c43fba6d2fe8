"""Scores of pairs that are shipped, against frozen values of other implementations.

`tests/golden/freeze_scores.py` made the pairs and the values; it needs nothing of the suite.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.core.image_io import read_image
from benchmark.scoring.metrics import metrics_of

FOLDER = Path(__file__).parents[1] / "golden" / "calibration"
SCORES = json.loads((FOLDER / "scores.json").read_text(encoding="utf-8"))["scores"]
WEATHERS = ("rain", "haze", "raindrop", "snow", "mix")
# Absolute, in dB for PSNR; torchmetrics computes PSNR in float32.
TOLERANCES = {"psnr": 1e-9, "ssim": 1e-10, "torchmetrics psnr": 5e-6}
# As a paper would print them: the mean over the pairs, PSNR in dB and SSIM.
PRINTED = {
    "rgb": (17.67, 0.6846),
    "y-matlab": (19.33, 0.7395),
    "restormer": (19.33, 0.7389),
    "reside": (17.53, 0.6967),
}


def pair(weather: str, protocol: str) -> tuple[np.ndarray, np.ndarray]:
    """A restored image and its target. For `reside` the input lacks ten pixels at each edge, as
    inputs of SOTS do."""
    restored, target = (
        read_image(FOLDER / f"{weather}_{part}.png") for part in ("input", "target")
    )
    return (restored[10:-10, 10:-10], target) if protocol == "reside" else (restored, target)


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("protocol", PRINTED)
def test_scores_are_those_of_other_implementations(protocol, weather):
    others = SCORES[protocol][weather]
    assert len(others) >= 2 and "numpy" in others
    for metric in metrics_of([protocol]):
        ours = metric(*pair(weather, protocol))
        for library, values in others.items():
            name = f"{library} {metric.name}"
            tolerance = TOLERANCES.get(name, TOLERANCES[metric.name])
            assert ours == pytest.approx(values[metric.name], abs=tolerance), name


@pytest.mark.parametrize("protocol", PRINTED)
def test_means_have_the_printed_digits(protocol):
    scores = [[m(*pair(w, protocol)) for m in metrics_of([protocol])] for w in WEATHERS]
    psnr, ssim = np.mean(scores, 0)
    assert (round(psnr, 2), round(ssim, 4)) == PRINTED[protocol]

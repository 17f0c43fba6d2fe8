"""A copy of the repository with a run of seconds, which a campaign may damage."""

import shutil
from pathlib import Path

from benchmark.core.paths import ROOT

NAME = "tiny"
CONFIG = f"config/{NAME}.yaml"
RUN = f"results/{NAME}"
# A checkpoint after every step. No metric that takes seconds to load.
TEXT = """name: tiny
train_on: photos
datasets: {photos: {split: val, weathers: [rain], limit: 2}}
protocols: [rgb, y-matlab]
training:
  {steps: 6, stages: [{share: 1, batch: 2, crop: 16}], warmup: 1, workers: 0,
   checkpoint_seconds: 0.001}
methods:
  identity:
  unet: {method: regression, parameters: {network: {width: 8, multipliers: [1, 2], blocks: 1}}}
discover: false
"""


def make(folder: Path) -> Path:
    """Copy the code to `folder`, link the data, add the configuration. Returns `folder`."""
    for name in ("benchmark", "methods", "workflow", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "data.dvc", folder)
    (folder / "data").symlink_to(ROOT / "data")
    (folder / CONFIG).write_text(TEXT, encoding="utf-8")
    return folder

"""Scores a model on a data set from Python, without a configuration or a file in methods/."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
from torch import Tensor, nn

from benchmark.core import device, weights
from benchmark.core.paths import ROOT
from benchmark.core.storage import STORAGES
from benchmark.data import set_images
from benchmark.restoring import dataset
from benchmark.scoring.metrics import metrics_of, storages_of
from benchmark.scoring.score import score_restored
from benchmark.spec.method import Card, LearnedMethod, Method, Settings
from benchmark.spec.run_config import Config, DatasetChoice

FILES = [column for storage in STORAGES for column in storage.columns]
PROTOCOLS = ("rgb", "y-matlab", "lpips-alex")  # those of a run by default


def evaluate(
    method: Callable[[Tensor], Tensor] | Method,
    data_set: str = "photos",
    *,
    split: str = "test",
    weathers: tuple[str, ...] | None = None,
    limit: int | None = None,
    protocols: Iterable[str] = PROTOCOLS,
    name: str = "model",
    out: Path | str | None = None,
) -> pd.DataFrame:
    """Restore the images of a data set and score them as a run does.

    method: a torch module or another function from float32 (1, 3, H, W) in [0, 1] to the same; or a
    `Method` whose network has its weights, which restores with the default settings of its
    `Variant`. A module is put into evaluation mode and moved to the device that a run would use.
    data_set, split, weathers, limit: a card of `config/datasets/` and the part of it, as in a
    configuration. protocols: names as `python -m benchmark protocols` prints them. out: a folder
    for the restored images, `DATA_SET/WEATHER/IMAGE.png`, as `python -m benchmark submit` reads
    them; None: they are not kept.

    Returns the scores of each image: columns dataset, weather, image, method, variant, seed,
    protocol, metric, value, status, reason. An image that fails has a status and a reason in place
    of the value. Raises UserError for an unknown data set, split, weather or protocol, and if the
    data set does not agree with its card.
    """
    protocols = tuple(protocols)
    metrics_of(protocols)  # an unknown name is an error before the work, not after it
    choice = DatasetChoice(split=split, weathers=weathers, limit=limit)
    images = set_images.find_images(
        Config(name="evaluate", datasets={data_set: choice}, train_on=data_set, methods={})
    )
    method = method if isinstance(method, Method) else Called(method)
    with tempfile.TemporaryDirectory() as scratch:
        file = None
        if isinstance(method, LearnedMethod):  # restoring loads weights from a file
            file = Path(scratch) / "weights.safetensors"
            weights.save(method.network, file)
        storages = storages_of(protocols)
        job = dataset.Job(name, "default", 0, method, method.Variant(), file, storages=storages)
        folder = Path(out or scratch).resolve() / data_set
        restored = dataset.restore(job, images, ROOT, folder)
        files = restored[FILES].astype(object).fillna("")  # "": not stored, as in a table on disk
        restored = restored.assign(**files)
        return score_restored(restored, images, ROOT, protocols)


class Called(Method):
    """A function or a module as a method."""

    card = Card(title="", citation="", licence="", supervision="none", description="")

    def __init__(self, call: Callable[[Tensor], Tensor]):
        super().__init__()
        self.call = call
        if isinstance(call, nn.Module):
            self.network = call.eval().to(device.choose())

    def restore(self, degraded: Tensor, variant: Settings, generators: list) -> Tensor:
        return self.call(degraded)

    def evaluations(self, variant: Settings) -> int:
        return 0 if self.network is None else 1

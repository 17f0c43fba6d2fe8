"""A run's folder, `results/NAME/`: the path of each part, and the list of its units."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.core.atomic import atomic_path
from benchmark.core.storage import STORAGES
from benchmark.results import schema
from benchmark.spec.run_config import Config

# Columns of the table of restored images: the cost of each, and file and SHA-256 in each storage;
# empty in a storage that no protocol of the run asks for.
RESTORED = (*schema.COST, *(column for storage in STORAGES for column in storage.columns))
# Columns of the table of further samples of restored images.
SAMPLES = ("dataset", "weather", "image", "sample", "file", "sha256")
# The remedy for a table that is missing and for one that is faulty.
AGAIN = (
    "run 'python -m benchmark run' with the run's --config again (a faulty file has to be deleted "
    "first)"
)
RECORD = ".attempts.json"


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run; `path` is `results/NAME`."""

    path: Path

    @property
    def images(self) -> Path:
        return self.path / "images.csv"

    @property
    def resolved(self) -> Path:
        """What the run took from the machine, see `benchmark.jobs.resolve`."""
        return self.path / "resolved.json"

    @property
    def config(self) -> Path:
        """The configuration with which the workflow has started."""
        return self.path / "config.yaml"

    def training(self, label: str, seed: int) -> Path:
        """Folder of training.json, weights.safetensors and curve.csv."""
        return self.path / "train" / label / f"seed{seed}"

    def restored(self, label: str, variant: str, seed: int, dataset: str) -> Path:
        """The table of restored images; the images are beside it in a folder of the same name."""
        return self.path / "restored" / label / variant / f"seed{seed}" / f"{dataset}.csv"

    def samples(self, label: str, variant: str, seed: int, dataset: str) -> Path:
        """The table of further samples, of a variant that draws some."""
        return self.restored(label, variant, seed, dataset).with_suffix(".samples.csv")

    def log(self, work: str, *names: str | int) -> Path:
        """The log of a job, e.g. logs/train/unet/seed0.log by log("train", "unet", "seed0")."""
        return self._file("logs", work, *names, suffix=".log")

    def identity(self, work: str, *names: str | int) -> Path:
        """What decided the result of a job, see `benchmark.jobs.records`."""
        return self._file("identities", work, *names, suffix=".json")

    def kept(self, work: str, *names: str | int) -> Path:
        """The rows of a job's last result, see `benchmark.jobs.kept`."""
        return self._file("kept", work, *names, suffix=".csv")

    def attempts(self, work: str, *names: str | int) -> Path:
        """The record of a job's last attempt, see `benchmark.jobs.last_attempt`."""
        return self.log(work, *names).with_suffix(RECORD)

    def _file(self, kind: str, work: str, *names: str | int, suffix: str) -> Path:
        """A file of a job, in a folder for each name but the last: names joined in one could meet
        those of another job."""
        *folders, last = map(str, names)
        return self.path.joinpath(kind, work, *folders, f"{last}{suffix}")

    def scores(self, label: str, seed: int, dataset: str) -> Path:
        """The table of scores of all variants of an entry."""
        return self.path / "scores" / label / f"seed{seed}" / f"{dataset}.csv"

    def sample_scores(self, label: str, seed: int, dataset: str) -> Path:
        """The table of scores of samples, of an entry's variants that draw some."""
        return self.path / "sample_scores" / label / f"seed{seed}" / f"{dataset}.csv"

    def set_scores(self, label: str, seed: int, dataset: str) -> Path:
        """The table of scores of sets, of all variants of an entry."""
        return self.path / "set_scores" / label / f"seed{seed}" / f"{dataset}.csv"


def seed_folders(folder: Path) -> list[Path]:
    """The folders `seedN` in a folder, in the order of their numbers: seed2 before seed10."""
    found = {int(path.name[4:]): path for path in folder.glob("seed*") if path.name[4:].isdecimal()}
    return [found[seed] for seed in sorted(found)]


def restored_image(run_dir: Path, key: tuple[str, str], place: tuple[str, str, str]) -> Path | None:
    """The restored image at (dataset, weather, image) of the first seed of (method, variant) that
    has it; None if no seed has it."""
    dataset, weather, image = place
    for seed in seed_folders(run_dir / "restored" / key[0] / key[1]):
        file = seed / dataset / weather / f"{image}.png"
        if file.is_file():
            return file
    return None


def sample_files(run_dir: Path, key: tuple[str, str], place: tuple[str, str, str]) -> list[Path]:
    """All samples of a restored image, of the first seed that has it; one without further ones."""
    first = restored_image(run_dir, key, place)
    if first is None:
        return []
    _, weather, image = place
    folder = first.parents[1] / "samples"
    found = {int(path.name): path for path in folder.glob("*") if path.name.isdecimal()}
    further = [found[number] / weather / f"{image}.png" for number in sorted(found)]
    return [first, *(file for file in further if file.is_file())]


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table atomically, numbers in full precision."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def units(config: Config) -> list[tuple[str, str, int, str]]:
    """Every (entry, variant, seed, data set) that a run restores, in the order of the tables."""
    return [
        (label, variant, seed, dataset)
        for label in config.methods
        for variant in config.variants_of(label)
        for seed in config.seeds_of(label)
        for dataset in config.datasets
    ]


def score_units(config: Config) -> list[tuple[str, int, str]]:
    """Every (entry, seed, data set) that a run scores; a unit has all variants of the entry."""
    found = ((label, seed, dataset) for label, _, seed, dataset in units(config))
    return list(dict.fromkeys(found))

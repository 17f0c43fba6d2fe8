"""A run's configuration: its keys, and what they mean for each entry."""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.spec import registry, sources
from benchmark.spec import variant as variants
from benchmark.spec.method import ALL_WEATHERS, Settings
from benchmark.spec.training_settings import Training

LONGEST_NAME = 64  # names are folders, and parts of file names, which may have 255 characters
LARGEST_SEED = 2**32 - 1


def check_entry_name(name: str) -> str:
    """The name of an entry, a data set or a variant. Raises ValueError if it cannot be one."""
    if len(name) > LONGEST_NAME:
        raise ValueError(f"'{name[:20]}…' has {len(name)} characters, more than {LONGEST_NAME}")
    if re.search(r"(.+)\1{19}$", name):  # what Snakemake calls a periodic wildcard
        raise ValueError(f"'{name}' repeats itself: choose another name")
    if re.fullmatch(r"[a-z0-9][a-z0-9_.+-]*", name):
        return name
    allowed = re.sub(r"[^a-z0-9_.+-]+", "-", name.lower()).strip("_.+-")
    raise ValueError(
        f"'{name}' cannot be a name: lower-case letters, digits and . _ + - only."
        + (f" Did you mean '{allowed}'?" if allowed else "")
    )


# Names become folder names and Snakemake wildcards.
Name = Annotated[str, AfterValidator(check_entry_name)]


def _check_repeated(values: tuple | None) -> tuple | None:
    twice = [value for value, count in Counter(values or ()).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice: remove one")
    return values


Unrepeated = AfterValidator(_check_repeated)
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), Unrepeated]


class DatasetChoice(Settings):
    """The part of a data set that a run restores.

    `card`: the name of the card in `config/datasets/`. Default: the name of the entry. With it, a
    run may have several splits of one set. `weathers`: default: all of the card. `limit`: the
    largest number of images per weather; default: all.
    """

    card: Name | None = None
    split: str = "test"
    weathers: Annotated[tuple[str, ...] | None, Field(min_length=1), Unrepeated] = None
    limit: int | None = Field(default=None, ge=1)


class WeightFile(Settings):
    """A file of weights to use instead of training; `weights: FILE` is short for `{file: FILE}`.

    `file`: a path from the repository root. It may be a file of `export-weights`, or one of another
    program: `.safetensors`, of `torch.save`, `.caffemodel`. The weights are found in it by their
    names. Where several parts would fit, or for a method that must be told, `key` (keys of nested
    dicts, joined by dots) and `prefix` (of the names) say which part to use.
    """

    file: str
    key: str = ""
    prefix: str = ""

    @property
    def path(self) -> Path:
        return paths.weight_file(self.file)


class Restoring(Settings):
    """How test images are restored.

    `batch_gib`: on a GPU, images of one size are restored in batches whose tensors take at most
    this many GiB, as counted by their shapes. Leave room for the weights and for what the kernels
    need themselves. A CPU restores one image at a time.
    """

    batch_gib: float = Field(default=8, gt=0)


class MethodEntry(Settings):
    """A method in a run: its file, its parameters, how it is trained, and its variants.

    `method`: the name of the file in `methods/`. Default: the name of the entry. `parameters`: of
    the method. `training`: values that replace those of the run's `training`. `seeds`, `weights`,
    `time_limit`: replace those of the run. `weathers`: the weathers on which a specialist is
    trained and which it restores. Default: all that the method is made for. `teacher`: the entry
    that the method is distilled from. `initial_weights`: from which the training starts, as in
    fine-tuning: the name of another entry, or a file as for `weights`. `goes_on_from`: another
    entry that differs only in the length of its training, with the schedule `constant`; this one
    goes on from the state before that one's decay. The weights are those of a training from the
    start. `variants`: name → settings for restoring: those of the method's `Variant`, and those of
    `benchmark/spec/variant.py`.
    """

    method: str | None = None
    parameters: dict[str, Any] = {}
    training: dict[str, Any] = {}
    seeds: Seeds | None = None
    weathers: Annotated[
        tuple[Literal[*ALL_WEATHERS], ...] | None, Field(min_length=1), Unrepeated
    ] = None
    teacher: str | None = None
    initial_weights: str | WeightFile | None = None
    goes_on_from: str | None = None
    weights: WeightFile | None = None
    time_limit: float | None = Field(default=None, gt=0)
    variants: dict[Name, dict[str, Any]] = {}

    @field_validator("weights", mode="before")
    @classmethod
    def _path_is_file(cls, value):
        return {"file": value} if isinstance(value, str) else value

    @field_validator("parameters", "training", "variants", mode="before")
    @classmethod
    def _empty_is_default(cls, value):
        return value or {}


class Config(Settings):
    """The configuration of a run, which writes `results/NAME/`.

    `datasets`: the sets to restore and score. `train_on`: the card of the set with the training
    data, by default the bundled photographs. `restoring`: see `Restoring`. `training`, `seeds`: for
    all entries that do not set their own. `methods`: entries by name. `discover`: also run every
    other method in `methods/`, with its defaults, except those in `leave_out`. `weights`: files of
    `export-weights` to use instead of training; a path from the repository root in which `{entry}`
    and `{seed}` are replaced. `time_limit`: minutes; the limit for training an entry, and for
    restoring a data set with a variant.

    A file may have the key `extends`: the name of another file in the same folder. Keys that it
    does not set are taken from there. If it sets `methods`, only the entries named there are run;
    one without a value is taken from there.
    """

    name: Name
    seeds: Seeds = (0,)
    datasets: dict[Name, DatasetChoice] = Field(min_length=1)
    protocols: Annotated[tuple[str, ...], Field(min_length=1), Unrepeated] = (
        "rgb", "y-matlab", "lpips-alex",
    )  # fmt: skip
    train_on: Name = "photos"
    training: Training = Training()
    restoring: Restoring = Restoring()
    weights: str | None = None
    time_limit: float | None = Field(default=None, gt=0)
    methods: dict[Name, MethodEntry]
    discover: bool = True
    leave_out: tuple[str, ...] = ()

    @field_validator("methods", "datasets", mode="before")
    @classmethod
    def _empty_entries(cls, value):
        if isinstance(value, list):
            raise ValueError("write each entry as 'name:' without a hyphen; its settings are below")
        return {k: v or {} for k, v in value.items()} if isinstance(value, dict) else value

    def entry(self, label: str) -> MethodEntry:
        """The entry `label`; UserError with the nearest name if there is none."""
        if label not in self.methods:
            raise UserError(
                f"No method entry '{label}' in the run.{registry.nearest(label, self.methods)}"
            )
        return self.methods[label]

    def card_of(self, dataset: str) -> str:
        """The name of the card of a data set entry."""
        return self.datasets[dataset].card or dataset

    def method_of(self, label: str) -> str:
        """The name of the method file of an entry."""
        return self.entry(label).method or label

    def training_of(self, label: str) -> Training:
        """The run's training settings, with the entry's own values in their place."""
        return Training(**{**self.training.model_dump(), **self.entry(label).training})

    def seeds_of(self, label: str) -> tuple[int, ...]:
        """The seeds with which an entry is trained and restores."""
        seeds = self.entry(label).seeds
        return self.seeds if seeds is None else seeds

    def weathers_of(self, label: str) -> tuple[str, ...]:
        """The weathers on which an entry is trained and which it restores."""
        return self.entry(label).weathers or ALL_WEATHERS

    def weights_of(self, label: str, seed: int) -> WeightFile | None:
        """The weight file to use instead of training an entry, or None if there is none."""
        weights = self.entry(label).weights or (self.weights and WeightFile(file=self.weights))
        if not weights or not sources.learns(self.method_of(label)):
            return None
        file = weights.file.replace("{entry}", label).replace("{seed}", str(seed))
        return weights.model_copy(update={"file": file})

    def initial_entry_of(self, label: str) -> str | None:
        """The entry from whose weights the training of another one starts, or None."""
        initial = self.entry(label).initial_weights
        return initial if isinstance(initial, str) and initial in self.methods else None

    def initial_file_of(self, label: str, seed: int) -> WeightFile | None:
        """The file from whose weights the training of an entry starts, or None."""
        initial = self.entry(label).initial_weights
        if initial is None or self.initial_entry_of(label):
            return None
        given = WeightFile(file=initial) if isinstance(initial, str) else initial
        return given.model_copy(update={"file": given.file.replace("{seed}", str(seed))})

    def trains(self, label: str) -> bool:
        """Whether an entry is trained in this run: its method learns and no weights are given."""
        if not sources.learns(self.method_of(label)):
            return False
        return not (self.entry(label).weights or self.weights)

    def time_limit_of(self, label: str) -> float | None:
        """Minutes after which a job of an entry is stopped, or None for no limit."""
        return self.entry(label).time_limit or self.time_limit

    def samples_of(self, label: str, variant: str) -> int:
        """How many restorations of each image a variant draws; 1 if it does not say."""
        own, _ = variants.split(self.variants_of(label)[variant])
        return variants.Execution(**own).samples or 1

    def variants_of(self, label: str) -> dict[str, dict[str, Any]]:
        """Settings by variant name. An entry without variants has one, `default`."""
        return self.entry(label).variants or {"default": {}}

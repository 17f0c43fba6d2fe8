"""A run's configuration: read from YAML, checked, every fault named with what to do."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    StringConstraints,
    field_validator,
)

from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.core.validation import parse, read_yaml
from benchmark.spec import registry, sources
from benchmark.spec.method import ALL_WEATHERS, Settings
from benchmark.spec.training_settings import Training

# Names become folder names and Snakemake wildcards.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.+-]*$")]


class DatasetChoice(Settings):
    """Which part of a data set is restored: `weathers` and `limit` (images a weather) narrow it.

    `card` is the file in `config/datasets/`; it defaults to the entry's own name, so that a run may
    have several splits of one set.
    """

    card: Name | None = None
    split: str = "test"
    weathers: tuple[str, ...] | None = None
    limit: int | None = Field(default=None, ge=1)


class MethodEntry(Settings):
    """One line of the board's making: a method file with its parameters, and its variants.

    `method` is the file in `methods/`; it defaults to the entry's own name. `training` replaces
    single values of the run's `training`, `seeds` the run's `seeds`. `weathers`: what a specialist
    is trained on and restores; all that the method is made for if none. `teacher`: the entry that
    it is distilled from. `weights` and `time_limit` replace the
    run's.
    """

    method: str | None = None
    parameters: dict[str, Any] = {}
    training: dict[str, Any] = {}
    seeds: tuple[NonNegativeInt, ...] | None = Field(default=None, min_length=1)
    weathers: tuple[Literal[*ALL_WEATHERS], ...] | None = Field(default=None, min_length=1)
    teacher: str | None = None
    weights: str | None = None
    time_limit: float | None = Field(default=None, gt=0)
    variants: dict[Name, dict[str, Any]] = {}

    @field_validator("parameters", "training", "variants", mode="before")
    @classmethod
    def _empty_is_default(cls, value):
        return value or {}


class Config(Settings):
    """A whole run: `results/NAME/` is what it writes.

    `datasets` are restored and scored; the clean photographs of the set `train_on` are trained on.
    `discover`: also run, with its defaults, every method in `methods/` that is neither named here
    nor in `leave_out`. `weights`: files of `export-weights` to use in place of training, a path
    below the repository in which `{entry}` and `{seed}` stand for theirs. `time_limit`: minutes
    that training an entry, and restoring a data set with a variant of it, may take.

    A file with the key `extends`, the name of another beside it, starts from that one's keys.
    """

    name: Name
    seeds: tuple[NonNegativeInt, ...] = Field(default=(0,), min_length=1)
    datasets: dict[Name, DatasetChoice] = Field(min_length=1)
    protocols: tuple[str, ...] = ("rgb", "y-matlab", "lpips-alex")
    train_on: Name
    training: Training = Training()
    weights: str | None = None
    time_limit: float | None = Field(default=None, gt=0)
    methods: dict[Name, MethodEntry]
    discover: bool = True
    leave_out: tuple[str, ...] = ()

    @field_validator("methods", "datasets", mode="before")
    @classmethod
    def _empty_entries(cls, value):
        return {k: v or {} for k, v in value.items()} if isinstance(value, dict) else value

    def entry(self, label: str) -> MethodEntry:
        """The entry called `label`; UserError with the nearest name if there is none."""
        if label not in self.methods:
            raise UserError(
                f"No method entry '{label}' in the run.{registry.nearest(label, self.methods)}"
            )
        return self.methods[label]

    def card_of(self, dataset: str) -> str:
        """The name of the card behind a data set entry."""
        return self.datasets[dataset].card or dataset

    def method_of(self, label: str) -> str:
        """The name of the method file behind an entry."""
        return self.entry(label).method or label

    def training_of(self, label: str) -> Training:
        """The run's training settings with the entry's own on top."""
        return Training(**{**self.training.model_dump(), **self.entry(label).training})

    def seeds_of(self, label: str) -> tuple[int, ...]:
        """The seeds an entry is trained and restored with."""
        seeds = self.entry(label).seeds
        return self.seeds if seeds is None else seeds

    def weathers_of(self, label: str) -> tuple[str, ...]:
        """The kinds of weather an entry is trained on and restores."""
        return self.entry(label).weathers or ALL_WEATHERS

    def weights_of(self, label: str, seed: int) -> Path | None:
        """The file of an entry that comes trained, if it does."""
        weights = self.entry(label).weights or self.weights
        if weights is None or not sources.learns(self.method_of(label)):
            return None
        return paths.ROOT / weights.replace("{entry}", label).replace("{seed}", str(seed))

    def trains(self, label: str) -> bool:
        """Whether an entry is trained in this run: it learns, and does not come with weights."""
        if not sources.learns(self.method_of(label)):
            return False
        return not (self.entry(label).weights or self.weights)

    def time_limit_of(self, label: str) -> float | None:
        """Minutes after which a job of an entry is ended, if there is a limit."""
        return self.entry(label).time_limit or self.time_limit

    def variants_of(self, label: str) -> dict[str, dict[str, Any]]:
        """Variant names and settings; an entry that names none has one, `default`."""
        return self.entry(label).variants or {"default": {}}


def load(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises UserError that names the file and the key at fault: not YAML, unknown key, wrong type,
    unknown method or data set. Methods' own parameters are checked by `check_methods`, which has to
    import them.
    """
    path = Path(path)
    config = parse(Config, _read(path), str(path))
    for label in config.methods:
        try:
            registry.check_name(config.method_of(label))
        except UserError as error:
            raise UserError(f"{path}: methods.{label}: {error}") from None
        parse(Training, config.entry(label).training, f"{path}: methods.{label}.training")
    for label, entry in config.methods.items():
        _check_teacher(config, label, entry, path)
        if entry.weights and not sources.learns(config.method_of(label)):
            raise UserError(f"{path}: methods.{label}.weights: the method does not learn.")
    for name in config.leave_out:
        try:
            registry.check_name(name)
        except UserError as error:
            raise UserError(f"{path}: leave_out: {error}") from None
    if config.discover:
        used = {config.method_of(label) for label in config.methods} | {*config.leave_out}
        found = {name: MethodEntry() for name in registry.available() if name not in used}
        config = config.model_copy(update={"methods": {**config.methods, **found}})
    if not config.methods:
        raise UserError(f"{path}: methods: none is named. Add one, or let 'discover' find them.")
    return config


def _read(path: Path, extended: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The keys and values of a file and, below them, of those it extends."""
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values; it holds {type(values).__name__}.")
    if "extends" not in values:
        return values
    base = path.parent / str(values.pop("extends"))
    if base in (*extended, path):
        raise UserError(f"{path}: extends: '{base.name}' extends this file.")
    try:
        return {**_read(base, (*extended, path)), **values}
    except UserError as error:
        raise UserError(f"{path}: extends: {error}") from None


def _check_teacher(config: Config, label: str, entry: MethodEntry, path: Path) -> None:
    if entry.teacher is None:
        return
    try:
        teacher = config.entry(entry.teacher)
    except UserError as error:
        raise UserError(f"{path}: methods.{label}.teacher: {error}") from None
    if teacher.teacher is not None or not sources.learns(config.method_of(entry.teacher)):
        raise UserError(
            f"{path}: methods.{label}.teacher: '{entry.teacher}' must be an entry that learns, and "
            "not from another."
        )
    for seed in config.seeds_of(label):
        if seed not in config.seeds_of(entry.teacher):
            raise UserError(
                f"{path}: methods.{label}.seeds: '{entry.teacher}' is not trained with seed {seed}."
            )


def check_methods(config: Config, where: str) -> None:
    """Check every entry's parameters, variants and teacher against what its method declares."""
    for label in config.methods:
        method = registry.load(config.method_of(label))
        if config.entry(label).teacher and not method.has_teacher():
            raise UserError(
                f"{where}: methods.{label}.teacher: '{config.method_of(label)}' learns from none."
            )
        parse(
            method.Parameters,
            config.entry(label).parameters,
            f"{where}: methods.{label}.parameters",
        )
        for variant, settings in config.variants_of(label).items():
            parse(method.Variant, settings, f"{where}: methods.{label}.variants.{variant}")

"""A run's configuration: read from YAML and checked; errors name the file and the key at fault."""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, field_validator

from benchmark.core import paths
from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError, nearest, one_line
from benchmark.core.validation import faults, parse, read_yaml
from benchmark.spec import registry, sources
from benchmark.spec import variant as variants
from benchmark.spec.method import ALL_WEATHERS, Settings
from benchmark.spec.training_settings import Training

LONGEST_NAME = 64  # names are folders, and parts of file names, which may have 255 characters
LARGEST_SEED = 2**32 - 1
REFERENCE = "reference"  # the tables of this run are in the repository


def _check_name(name: str) -> str:
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
Name = Annotated[str, AfterValidator(_check_name)]


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


def load(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises UserError with the file and the key at fault: not YAML, unknown key, wrong type, unknown
    method, a teacher that does not fit. `check_methods` checks the methods' own parameters, for
    which it imports the methods.
    """
    path = Path(path)
    config = parse(Config, _read(path), str(path))
    if config.name == REFERENCE and REFERENCE not in (path.stem, path.parent.name):
        raise UserError(
            f"{path}: name: the tables of the run '{REFERENCE}' are in the repository and would be "
            "overwritten. Choose another name."
        )
    for label in config.methods:
        try:
            registry.check_name(config.method_of(label))
        except UserError as error:
            raise UserError(f"{path}: methods.{label}: {error}") from None
        training = {**config.training.model_dump(), **config.entry(label).training}
        parse(Training, training, f"{path}: methods.{label}.training")
        for variant, settings in config.variants_of(label).items():
            place = f"{path}: methods.{label}.variants.{variant}"
            parse(variants.Execution, variants.split(settings)[0], place)
    for label, entry in config.methods.items():
        _check_source(config, label, "teacher", path)
        _check_source(config, label, "initial_weights", path)
        _check_shorter(config, label, path)
        if entry.weights and not sources.learns(config.method_of(label)):
            raise UserError(
                f"{path}: methods.{label}.weights: the method does not learn. Remove the key."
            )
    for name in config.leave_out:
        try:
            registry.check_name(name)
        except UserError as error:
            raise UserError(f"{path}: leave_out: {error}") from None
    if config.discover:
        config = _discover(config, path)
    if not config.methods:
        raise UserError(f"{path}: methods: none is named. Add one, or set 'discover: true'.")
    for label in config.methods:
        sources.learns(config.method_of(label))  # reads the file, which may not be valid Python
    return config


def _discover(config: Config, path: Path) -> Config:
    """The configuration with an entry for each method file that no entry uses.

    Raises UserError for a file whose name cannot be an entry's, or is that of another entry.
    """
    used = {config.method_of(label) for label in config.methods} | {*config.leave_out}
    found = [name for name in registry.available() if name not in used]
    for name in found:
        file = paths.from_root(registry.file_of(name))
        if name in config.methods:
            raise UserError(
                f"{path}: methods.{name} runs '{config.method_of(name)}', and there is a method "
                f"{file} of the same name. Rename the file, or add '{name}' to leave_out."
            )
        try:
            _check_name(name)
        except ValueError as error:
            raise UserError(f"{file}: {error} Rename the file.") from None
    entries = {name: MethodEntry() for name in found}
    return config.model_copy(update={"methods": {**config.methods, **entries}})


def freeze(config: Config, source: str, file: Path) -> None:
    """Write a configuration as it was loaded, with all entries, so that `load` gives it again.

    source: where it comes from; stands in the first line.
    """
    values = config.model_dump(mode="json", exclude_unset=True, exclude={"leave_out"})
    values["methods"] = {
        label: entry.model_dump(mode="json", exclude_unset=True)
        for label, entry in config.methods.items()
    }
    text = yaml.safe_dump(values | {"discover": False}, sort_keys=False, allow_unicode=True)
    write_text(file, f"# {source} as it was when the workflow started. Edit that file.\n{text}")


def _read(path: Path, extended: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The keys and values of a file, completed from the file that it extends.

    A key of the file replaces that of the other. An entry of `methods` without a value is that of
    the other, if it has one of this name.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values; it holds {type(values).__name__}.")
    if "extends" not in values:
        return values
    base = path.parent / str(values.pop("extends"))
    if base in (*extended, path):
        raise UserError(f"{path}: extends: '{base.name}' extends this file.")
    try:
        given = _read(base, (*extended, path))
    except UserError as error:
        raise UserError(f"{path}: extends: {error}") from None
    own, others = values.get("methods"), given.get("methods")
    if isinstance(own, dict) and isinstance(others, dict):
        values["methods"] = {
            name: others.get(name) if entry is None else entry for name, entry in own.items()
        }
    return {**given, **values}


def _check_source(config: Config, label: str, key: str, path: Path) -> None:
    """Check the entry from which another one is distilled, or from whose weights it starts."""
    name, where = getattr(config.entry(label), key), f"{path}: methods.{label}.{key}"
    if name is None:
        return
    learns = sources.learns(config.method_of(label))
    if key == "initial_weights" and (config.entry(label).weights or not learns):
        raise UserError(f"{where}: the entry is not trained. Remove the key.")
    if key == "initial_weights" and config.initial_entry_of(label) is None:
        return
    try:
        source = config.entry(name)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    depends = source.teacher is not None or source.initial_weights is not None
    if depends or not sources.learns(config.method_of(name)):
        raise UserError(
            f"{where}: '{name}' must be an entry that learns and has no teacher or initial weights "
            "itself."
        )
    _check_seeds(config, label, name, path)


def _check_seeds(config: Config, label: str, source: str, path: Path) -> None:
    """Check that the entry from which another one starts is trained with each of its seeds."""
    for seed in config.seeds_of(label):
        if seed not in config.seeds_of(source):
            raise UserError(
                f"{path}: methods.{label}.seeds: '{source}' is not trained with seed {seed}. Add "
                "the seed there, or remove it here."
            )


def _check_shorter(config: Config, label: str, path: Path) -> None:
    """Check the entry from whose state before its decay the training of another one goes on."""
    name, where = config.entry(label).goes_on_from, f"{path}: methods.{label}.goes_on_from"
    if name is None or config.weights:  # with weights for all entries, nothing is trained
        return
    try:
        config.entry(name)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    for entry in (label, name):
        if not config.trains(entry) or config.training_of(entry).schedule != "constant":
            raise UserError(f"{where}: '{entry}' must be trained, with the schedule constant.")
    _check_seeds(config, label, name, path)
    differing = _decided_apart_from_length(config, label, name)
    if differing:
        raise UserError(
            f"{where}: '{name}' must differ only in steps and decay_steps, not in "
            f"{', '.join(differing)}."
        )
    own, other = config.training_of(label).branch, config.training_of(name).branch
    if other >= own:
        raise UserError(
            f"{where}: the decay of '{name}' starts at step {other}, which must be before that of "
            f"'{label}', step {own}."
        )


def _decided_apart_from_length(config: Config, *labels: str) -> list[str]:
    """What differs between the trainings of two entries, beside the numbers of steps."""
    parts = []
    for label in labels:
        entry, settings = config.entry(label), config.training_of(label).deciding()
        settings = {f"training.{k}": v for k, v in settings.items()}
        own = {k: getattr(entry, k) for k in ("parameters", "teacher", "initial_weights")}
        own |= {"method": config.method_of(label), "weathers": config.weathers_of(label)}
        parts.append(own | settings)
    lengths = ("training.steps", "training.decay_steps")
    return [key for key in parts[0] if key not in lengths and parts[0][key] != parts[1][key]]


def check_memory(config: Config, where: str, memory: int) -> None:
    """Raise UserError for a training whose pairs alone, of one part of a batch, need more memory.

    memory: bytes.
    """
    for label in config.methods:
        if not config.trains(label):
            continue
        settings = config.training_of(label)
        for stage in settings.stages:
            needed = stage.pair_bytes(settings.accumulate)
            if needed > memory:
                raise UserError(
                    f"{where}: methods.{label}: training.stages: {stage.batch} pairs of "
                    f"{stage.crop}×{stage.crop} pixels need {needed / 2**30:.3g} GiB, and this "
                    f"machine has {memory / 2**30:.3g}. Choose a smaller batch or crop, or more "
                    "parts ('accumulate')."
                )


def _check_teacher(config: Config, label: str, needed: bool, where: str) -> list[str]:
    """A warning if an entry lacks the teacher that it needs. Raises UserError for one too many."""
    teacher, name = config.entry(label).teacher, config.method_of(label)
    key = f"{where}: methods.{label}.teacher"
    if teacher and not needed:
        raise UserError(f"{key}: '{name}' takes no teacher. Remove the key.")
    if needed and not teacher and config.trains(label):
        return [f"{key}: '{name}' learns from another entry, and none is named: it will fail"]
    return []


def check_methods(config: Config, where: str) -> list[str]:
    """Check every entry's parameters, variants and teacher against its method's declarations.

    Returns a warning for each method whose file cannot be imported (its results will be `failed`)
    and for each that a method has about a variant. Raises UserError with `where` (the
    configuration's file) and the key at fault.
    """
    warnings = []
    for label in config.methods:
        try:
            method = registry.load(config.method_of(label))
        except UserError:
            raise
        except Exception as error:  # what an import raises
            of_card = isinstance(error, ValidationError)
            reason = "; ".join(faults(error)) if of_card else one_line(error)
            warnings.append(
                f"{where}: methods.{label}: methods/{config.method_of(label)}.py cannot be "
                f"imported, and its results will be failed ({reason})"
            )
            continue
        for weather in method.card.weathers:
            if weather not in ALL_WEATHERS:
                raise UserError(
                    f"methods/{config.method_of(label)}.py: card.weathers: there is no weather "
                    f"'{weather}'.{nearest(weather, ALL_WEATHERS)}"
                )
        parameters = parse(
            method.Parameters,
            config.entry(label).parameters,
            f"{where}: methods.{label}.parameters",
        )
        warnings += _check_teacher(config, label, method.needs_teacher(parameters), where)
        for variant, settings in config.variants_of(label).items():
            place = f"{where}: methods.{label}.variants.{variant}"
            _, values = variants.split(settings)
            checked = parse(method.Variant, values, place)
            warnings += [
                f"{place}: {text}" for text in method.variant_warnings(parameters, checked)
            ]
    return warnings

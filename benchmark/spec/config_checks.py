"""Checks of a configuration's entries against each other and against their methods."""

from pathlib import Path

from pydantic import ValidationError

from benchmark.core.errors import UserError, nearest, one_line
from benchmark.core.validation import faults, parse
from benchmark.spec import registry, sources
from benchmark.spec.method import ALL_WEATHERS
from benchmark.spec.run_config import Config
from benchmark.spec.training_settings import Training
from benchmark.spec.variant import Execution, split


def check_entries(config: Config, path: Path) -> None:
    """Check all entries as far as that is possible without importing their methods.

    path: the configuration's file. Raises UserError, naming it and the key, for an unknown method,
    settings of a training or of the suite that are not valid, and entries that do not fit together.
    """
    for label in config.methods:
        try:
            registry.check_name(config.method_of(label))
        except UserError as error:
            raise UserError(f"{path}: methods.{label}: {error}") from None
        training = {**config.training.model_dump(), **config.entry(label).training}
        parse(Training, training, f"{path}: methods.{label}.training")
        for variant, settings in config.variants_of(label).items():
            place = f"{path}: methods.{label}.variants.{variant}"
            parse(Execution, split(settings)[0], place)
    for label, entry in config.methods.items():
        _check_source(config, label, "teacher", path)
        _check_source(config, label, "initial_weights", path)
        _check_shorter(config, label, path)
        if entry.weights and not sources.learns(config.method_of(label)):
            raise UserError(
                f"{path}: methods.{label}.weights: the method does not learn. Remove the key."
            )


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
            _, values = split(settings)
            checked = parse(method.Variant, values, place, also=Execution.model_fields)
            warnings += [
                f"{place}: {text}" for text in method.variant_warnings(parameters, checked)
            ]
    return warnings


def _check_teacher(config: Config, label: str, needed: bool, where: str) -> list[str]:
    """A warning if an entry lacks the teacher that it needs. Raises UserError for one too many."""
    teacher, name = config.entry(label).teacher, config.method_of(label)
    key = f"{where}: methods.{label}.teacher"
    if teacher and not needed:
        raise UserError(f"{key}: '{name}' takes no teacher. Remove the key.")
    if needed and not teacher and config.trains(label):
        return [f"{key}: '{name}' learns from another entry, and none is named: it will fail"]
    return []

"""Reads a run's configuration from YAML; errors name the file and the key at fault."""

from pathlib import Path
from typing import Any

import yaml

from benchmark.core import paths
from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.core.validation import parse, read_yaml
from benchmark.spec import registry, sources
from benchmark.spec.config_checks import check_entries
from benchmark.spec.run_config import Config, MethodEntry, check_entry_name

REFERENCE = "reference"  # the tables of this run are in the repository


def load(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises UserError with the file and the key at fault: not YAML, unknown key, wrong type, unknown
    method, a teacher that does not fit. `check_methods` checks the methods' own parameters, for
    which it imports the methods.
    """
    path = Path(path)
    config = parse(Config, _read(path), str(path), also=["extends"])
    if config.name == REFERENCE and REFERENCE not in (path.stem, path.parent.name):
        raise UserError(
            f"{path}: name: the tables of the run '{REFERENCE}' are in the repository and would be "
            "overwritten. Choose another name."
        )
    check_entries(config, path)
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
            check_entry_name(name)
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

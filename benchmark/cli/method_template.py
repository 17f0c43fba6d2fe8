"""Writes the file of a new method from a template. The method runs before it is changed."""

import keyword
import re
from pathlib import Path

from benchmark.cli.app import DEFAULT
from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.core.paths import find
from benchmark.core.validation import read_yaml
from benchmark.spec import registry

TEMPLATES = Path(__file__).parent / "templates"


def write_method(name: str, learned: bool) -> Path:
    """Write `methods/NAME.py` from a template; returns the path.

    learned: use the template with a network. Raises UserError if the name is not valid for a module
    or is taken by a method, a folder or an entry of the default configuration.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(
            f"'{name}' cannot name a method: use lower-case letters, digits and underscores, start "
            "with a letter, and use no keyword of Python."
        )
    path = registry.FOLDER / f"{name}.py"
    taken = (f / part for f in (registry.FOLDER, *registry.PACKAGED) for part in (path.name, name))
    if any(map(Path.exists, taken)):
        raise UserError(f"methods/ has a '{name}' already: choose another name, or edit it.")
    if (runs := _run_by_the_default(name)) != name:
        raise UserError(
            f"'{name}' is an entry of {DEFAULT}, which runs the method '{runs}': choose another "
            "name."
        )
    write_text(path, method_source(name, learned))
    return path


def _run_by_the_default(entry: str) -> str:
    """The method that an entry of the default configuration runs; the entry's own name if none."""
    try:
        return read_yaml(find(DEFAULT))["methods"][entry]["method"]
    except (UserError, LookupError, TypeError):  # no such entry; 'check' says what else is wrong
        return entry


def method_source(name: str, learned: bool) -> str:
    """The source code of a method with the valid name `name`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    words = [word for word in name.split("_") if word]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (it is Python, not HTML)
    )
    template = environment.get_template(f"{'learned_' if learned else ''}method.py.jinja")
    return template.render(
        title=" ".join(words).capitalize(), class_name="".join(map(str.capitalize, words))
    )

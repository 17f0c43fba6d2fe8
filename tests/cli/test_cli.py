"""The command line as a shell sees it: exit codes, lists, help; and the commands that docs name."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import click
import numpy as np
import pytest
import typer
import yaml
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli import app, card_tables
from benchmark.cli.app import FACTS, GENERAL
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.core.paths import ROOT
from benchmark.spec import registry
from tests.preloaded import python

COMMAND = typer.main.get_command(app)
DOCS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def benchmark(folder, *arguments, program=("-m", "benchmark")):
    """Run a verb in a folder, as a shell does: for what `CliRunner` cannot tell."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return subprocess.run(
        [python(), *program, *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A folder with a configuration, mine.yaml, and a photo."""
    values = {
        "name": "mine",
        "train_on": "photos",
        "datasets": {"photos": {}},
        "methods": {"identity": {}},
        "discover": False,
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path


def test_a_bad_photo_is_1_and_the_good_one_is_restored(folder):
    options = ("--out", "out", "--config", "mine.yaml", "--method", "identity")
    (folder / "bad.png").write_text("a text")
    done = benchmark(folder, "restore", "bad.png", "photo.png", *options)
    assert done.returncode == 1
    assert "not restored: 'bad.png' is not an image" in done.stderr
    assert "error: 1 of 2 photos were not restored" in done.stderr
    assert "Traceback" not in done.stderr
    assert (read_image(folder / "out/photo.png") == read_image(folder / "photo.png")).all()


@pytest.mark.parametrize(
    ("photo", "out", "message"),
    [
        ("photo.png", "notes.txt", "--out: 'notes.txt' is a file. Name a folder."),
        ("photo.png", "notes.txt/deep", "--out: 'notes.txt' is a file. Name a folder."),
        ("notes.txt", "out", "'notes.txt' is no image of a kind that is read"),
    ],
)
def test_what_cannot_be_restored_or_written_is_refused_before_a_method_is_loaded(
    folder, monkeypatch, photo, out, message
):
    monkeypatch.chdir(folder)
    (folder / "notes.txt").write_text("a text")
    monkeypatch.setattr("benchmark.cli.photos.open_run", lambda _: pytest.fail("it was started"))
    done = CliRunner().invoke(app, ["restore", photo, "--out", out])
    assert isinstance(done.exception, UserError), done.output
    assert str(done.exception).startswith(message)


def test_photos_are_restored_without_the_packages_of_a_run(folder):
    code = "import sys; sys.modules['psutil'] = None; from benchmark.cli import main; main()"
    options = ("--out", "out", "--config", "mine.yaml", "--method", "identity")
    done = benchmark(folder, "restore", "photo.png", *options, program=("-c", code))
    assert done.returncode == 0, done.stderr
    assert (folder / "out/photo.png").exists()


@pytest.mark.parametrize("module", ["typer", "pydantic"])
def test_without_the_environment_it_is_said_how_to_get_it(folder, module):
    code = (
        "import runpy, sys; sys.argv = ['', 'list', 'datasets']; "
        f"sys.modules[{module!r}] = None; runpy.run_module('benchmark', run_name='__main__')"
    )
    done = benchmark(folder, program=("-c", code))
    assert done.returncode == 1
    assert f"this needs the package {module}" in done.stderr and "make setup" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_value_is_named_without_pydantics_words():
    done = CliRunner().invoke(app, ["restore", "photo.png", "--weather", "fog"])
    assert done.exit_code == 2
    assert "Invalid value for '--weather': 'fog' is not one of 'all', 'rain'" in done.stderr


def test_an_option_of_all_verbs_after_the_verb_says_where_to_write_it():
    done = CliRunner().invoke(app, ["list", "--data", "data"])
    assert done.exit_code == 2
    assert "No such option: --data. Write it before the verb" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("restore",),
        ("restore", "photo.png", "--out", "out", "--stepz", "2"),
        ("restore", "photo.png", "--out", "out", "--steps", "2"),
        ("restore", "photo.png", "--out", "out", "--method", "identity", "--budget", "3"),
        ("restore", "photo.png", "--out", "out", "--budget", "-1"),
        ("list", "nothing"),
    ],
)
def test_wrong_usage_is_2(folder, monkeypatch, arguments):
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "Usage:" in done.stderr
    assert not (folder / "out").exists()


def test_wrong_usage_is_2_for_a_shell_too(folder):
    assert benchmark(folder, "nothing").returncode == 2


def test_ctrl_c_is_130_and_leaves_no_half_file(folder):
    (folder / "photo.png").rename(folder / "original")
    for number in range(400):
        (folder / f"{number:03}.png").symlink_to("original")
    command = ["restore", ".", "--out", "out", "--compare", "--config", "mine.yaml"]
    running = subprocess.Popen(
        [python(), "-m", "benchmark", *command, "--method", "identity"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell's background jobs ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 300
    # A whole file, not a partial one, whose name starts with a dot.
    while not list((folder / "out").glob("[0-9]*.png")) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 130, error
    assert "Traceback" not in error
    written = list((folder / "out").iterdir())
    assert 0 < len(written) < 800
    for file in written:
        assert not file.name.startswith(".partial")
        read_image(file)


def test_all_is_well_is_0(folder):
    done = benchmark(folder, "list", "metrics", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["name"] == "rgb/psnr"


def test_every_method_is_listed_with_what_it_takes():
    cards = {card["name"]: card for card in card_tables.methods()}
    assert list(cards) == registry.available()
    assert cards["regression"]["learns"] and not cards["identity"]["learns"]
    assert "steps" in cards["conditional_diffusion"]["settings"]


def test_lists_are_whole(capsys):
    sets = {card["name"]: card for card in card_tables.data_sets()}
    assert set(sets) == {path.stem for path in (ROOT / "config/datasets").glob("*.yaml")}
    assert sets["photos"]["pairs"] == {"val": 45, "test": 60}
    metrics = {card["name"]: card for card in card_tables.metrics()}
    assert metrics["lpips-alex/lpips"]["better"] == "lower"
    assert metrics["rgb/psnr"]["better"] == "higher"
    for what, cards in (("datasets", sets), ("metrics", metrics)):
        card_tables.print_table(what, list(cards.values()))
        shown = capsys.readouterr().out
        assert all(name in shown for name in cards)


def test_a_broken_method_is_listed_with_what_is_wrong(monkeypatch, capsys):
    def load(name):
        raise SyntaxError("no colon")

    monkeypatch.setattr(registry, "available", lambda: ["mine"])
    monkeypatch.setattr(registry, "load", load)
    cards = card_tables.methods()
    assert cards == [{"name": "mine", "error": "SyntaxError: no colon"}]
    card_tables.print_table("methods", cards)
    assert "mine has an error: SyntaxError: no colon" in capsys.readouterr().out


def parse(arguments):
    """Check that a command's verb and options are known; click's error if not."""
    verb = COMMAND.commands.get(arguments[0])
    assert verb is not None, f"there is no verb {arguments[0]}"
    known = {option for parameter in verb.params for option in parameter.opts}
    known |= {option for parameter in verb.params for option in parameter.secondary_opts}
    for argument in arguments[1:]:
        if argument.startswith("--"):
            option = argument.split("=")[0]
            assert option in known | {"--help"}, f"{arguments[0]} has no option {option}"
    # Values too are checked, but nothing that is required has to be there.
    if "--help" not in arguments:
        verb.make_context(arguments[0], arguments[1:], resilient_parsing=True)


def test_every_verb_has_help_and_examples_that_parse():
    assert set(FACTS) == set(COMMAND.commands)
    for verb, command in COMMAND.commands.items():
        assert command.help, f"{verb} does not say what it does"
        for parameter in command.params:
            assert parameter.help, f"{verb}: {parameter.name} does not say what it is"
        assert FACTS[verb].examples, f"{verb} has no example"
        for example in FACTS[verb].examples:
            assert example.split()[0] == verb
            parse(shlex.split(example))
    for example in GENERAL[:-1]:
        parse(shlex.split(example))


def test_the_help_of_a_verb_ends_with_its_examples():
    help_text = CliRunner().invoke(app, ["list", "--help"]).output
    assert f"Examples:\n    {PROGRAM} list\n    {PROGRAM} list datasets\n" in help_text


@pytest.mark.parametrize(
    ("verb", "beside_others", "networks"),
    [
        ("train", "always", True),
        ("ui", "always", False),
        ("restore", "if busy", True),
        ("restore-dataset", "never", True),  # a workflow gives it all cores
        ("show", "never", False),
    ],
)
def test_a_verb_gets_the_threads_and_the_memory_that_suit_it(
    monkeypatch, verb, beside_others, networks
):
    calls = []
    module = sys.modules["benchmark.cli.app"]  # by this name, the package has the application
    monkeypatch.setattr(module, "prepare", lambda *facts: calls.append(facts))
    CliRunner().invoke(app, [verb, "--no-such-option"])
    assert calls == [(beside_others, networks)]


def commands_in(text):
    """Every `python -m benchmark VERB ...` and `unweather VERB ...` of a text, up to the end of its
    line or code."""
    text = re.sub(r"\\\n\s*", " ", text)
    program = r"(?:python -m benchmark|(?<=`)unweather|(?<=    )unweather)"
    before = r"(?: --(?:data|project) \S+)*"
    for found in re.findall(rf"{program}{before} +([^`\n#|&>]+)", text):
        arguments = shlex.split(found.rstrip(" .,;:"))
        if arguments and not arguments[0].startswith("--") and arguments[0] != "VERB":
            yield [argument.strip("[]…") for argument in arguments]


@pytest.mark.parametrize("page", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_of_the_docs_are_known(page):
    for arguments in commands_in(page.read_text(encoding="utf-8")):
        try:
            parse(arguments)
        except (AssertionError, click.ClickException) as error:
            pytest.fail(f"{' '.join(arguments)}: {error}")


def test_a_wrong_command_would_be_found():
    text = (
        "Call `python -m benchmark restore a.jpg --outt b`, or\n    python -m benchmark rest a.jpg"
    )
    first, second = commands_in(text)
    with pytest.raises(AssertionError, match="no option --outt"):
        parse(first)
    with pytest.raises(AssertionError, match="no verb rest"):
        parse(second)


def test_the_readme_names_commands():
    assert len(list(commands_in((ROOT / "README.md").read_text(encoding="utf-8")))) >= 3

"""The documentation: its site is whole and needs no network, and what it names exists."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import textwrap
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
import yaml

import methods
from benchmark.board.markdown import short_table
from benchmark.board.write import read_board
from benchmark.core.paths import ROOT
from benchmark.results.tables import label, read_methods
from benchmark.scoring.metrics import METRIC, Metric, catalogue
from benchmark.spec import registry
from tests.cli.test_cli import COMMAND, parse
from tests.cli.test_new_method import contract_tests
from tests.methods import test_contract

DOCS = ROOT / "docs"
REFERENCE = ROOT / "results" / "reference"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *PAGES]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FOLDERS = "benchmark|methods|tests|config|workflow|docs|data|data-store|results/reference"
# Files that the guide tells the reader to make.
TO_MAKE = {"config/mine.yaml", "methods/median.py"}
# Options of DVC and of Snakemake's SLURM plugin.
OTHER_OPTIONS = {
    "--local",
    "--slurm-no-account",
    "--slurm-status-command",
    "--slurm-init-seconds-before-status-checks",
}


class Fetched(HTMLParser):
    """What a page loads when it is opened, by its HTML."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        loads = attributes.get("rel") in ("stylesheet", "icon", "preconnect", "preload")
        if tag in ("script", "img", "iframe", "source") and "src" in attributes:
            self.found.append(attributes["src"])
        elif tag == "link" and loads:
            self.found.append(attributes["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_built(site):
    pages = {page.relative_to(DOCS).with_suffix("") for page in PAGES}
    built = {page.relative_to(site).with_suffix("") for page in site.rglob("*.html")}
    assert pages and pages <= built


def test_the_home_page_shows_the_reference_board(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    assert "the reference board -->" not in text
    board = read_board(REFERENCE).table
    first = board[board["weather"] == "all"].iloc[0]
    assert f"{first['rgb/psnr']:.2f} [{first['rgb/psnr_low']:.2f}, " in text
    assert 'href="reference/report/index.html"' in text


def test_the_tables_of_the_readme_are_those_of_the_reference_run():
    board, cards = read_board(REFERENCE), read_methods(REFERENCE)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert short_table(board, cards).strip() in text
    _, *lines = text.split("| PSNR / LPIPS |")[1].split("\n\n")[0].splitlines()
    rows = [line.strip("| ") for line in lines[1:]]
    values = {
        (label(card), row["weather"]): row
        for _, row in board.table.iterrows()
        for card in cards
        if (card["method"], card["variant"]) == (row["method"], row["variant"])
    }
    weathers = ("rain", "haze", "raindrop", "snow", "mix")
    clear = (REFERENCE / "leaderboard.md").read_text().split("### clear: 12 photographs")[1]
    assert len(rows) > 10
    for row in rows:
        name, *cells, unchanged = row.split(" | ")
        name = name.removesuffix(" †")
        median, tenth = unchanged.split(" / ")
        assert f"| {name} | {median} | {tenth} |" in clear
        for weather, cell in zip(weathers, cells, strict=True):
            known = values[name, weather]
            texts = (METRIC[m].text(known[m]).split()[0] for m in ("rgb/psnr", "lpips-alex/lpips"))
            if cell != "–":
                assert cell == " / ".join(texts), (name, weather)


def test_nothing_is_fetched_from_a_network(site):
    """What pages and style sheets load lies in the site."""
    for page in site.rglob("*.html"):
        for source in Fetched(page.read_text(encoding="utf-8")).found:
            assert not re.match(r"(\w+:)?//", source), f"{page.name} loads {source}"
            inside = page.name != "404.html" and not source.startswith("data:")
            if inside:  # the references of 404.html are from the site's root
                file = page.parent / unquote(source.split("?")[0])
                assert file.exists(), f"{page.name}: {source}"
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", text), sheet.name


def test_every_page_is_in_the_navigation():
    """A page that is missing from mkdocs.yml is found by no reader."""

    def pages(entries):
        for entry in entries:
            if isinstance(entry, str):
                yield entry
            else:
                for value in entry.values():
                    yield from [value] if isinstance(value, str) else pages(value)

    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    # From `nav` on: what is before it has tags that only MkDocs reads.
    named = list(pages(yaml.safe_load(settings[settings.index("\nnav:") :])["nav"]))
    assert sorted(named) == sorted(page.name for page in PAGES)


def test_formulas_are_set_without_a_network(site):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("no chromium here: the site is not tried in a browser")
    faults = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=BROWSER, args=("--no-sandbox", "--disable-gpu")
        )
        page = browser.new_page()
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("requestfailed", lambda request: faults.append(f"not found: {request.url}"))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:", "blob:"))
                or faults.append(f"net: {request.url}")
            ),
        )
        for name in ("mathematics", "formulations", "unsupervised", "statistics", "protocols"):
            page.goto((site / f"{name}.html").as_uri())
            marked = page.locator(".arithmatex").count()
            assert marked and page.locator(".arithmatex .katex").count() == marked, name
            assert page.locator(".katex-error").count() == 0, name
            assert "$" not in page.locator("article p").all_inner_texts(), name
        browser.close()
    assert not faults


def codes(text):
    """The inline code of a page, and its indented lines."""
    yield from re.findall(r"`([^`\n]+)`", text)
    yield from re.findall(r"^ {4,}(\S.*)$", text, re.M)


def paths_in(text):
    """Every path of the repository that a text names, without placeholders such as NAME."""
    found = re.findall(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*)", text)
    for path in found:
        path = path.rstrip(".-")
        if not re.search(r"(^|/)[A-Z]{3,}[./]", path.removesuffix("README.md")):
            yield path


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_every_path_exists(page):
    missing = [
        path
        for path in paths_in(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists() and path not in TO_MAKE
        if not path.startswith("data/") or (ROOT / "data").is_dir()  # before it is pulled
    ]
    assert not missing


def test_a_wrong_path_would_be_found():
    text = "See `benchmark/metrics.py`, `config/datasets/NAME.yaml` and `benchmark/core/seeds.py`."
    assert list(paths_in(text)) == ["benchmark/metrics.py", "benchmark/core/seeds.py"]


def test_the_walk_of_an_image_names_functions_that_exist():
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    steps = re.findall(r"^\d+\. `([\w/]+\.py)`, `(\w+)`", text, re.M)
    assert len(steps) > 30
    for file, function in steps:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert function in defined, f"{file} has no {function}"


def test_the_rooms_are_those_that_the_linter_knows():
    linted = re.search(r"^layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    rooms = re.findall(r'"(\w+)"', linted[1])[::-1]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^ {6}(\w+)/ ", readme, re.M) == rooms
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = page.split("## The rooms")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == rooms[::-1]


def options_of(module):
    """The options of a command line made with argparse, by its source."""
    return set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', module.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_every_option_exists(page):
    """Of verbs that are named without `python -m benchmark`, and of the other modules.

    tests/cli/test_cli.py tests whole commands.
    """
    callers = (COMMAND, *COMMAND.commands.values())
    ours = {option for verb in callers for p in verb.params for option in p.opts}
    campaigns = {option for file in (ROOT / "tests/campaigns").glob("*.py")
                 for option in options_of(file)}  # fmt: skip
    for code in codes(page.read_text(encoding="utf-8")):
        words = code.split("#")[0].split()
        if words[0] in COMMAND.commands and any(word.startswith("--") for word in words):
            parse(words)
        elif words[0].startswith("--"):
            named = {word.split("=")[0] for word in words if word.startswith("--")}
            assert named <= ours | campaigns | OTHER_OPTIONS, code
        elif found := re.match(r"python -m ((?:benchmark|tests)\.[\w.]+)(.*)", code):
            spec = importlib.util.find_spec(found[1])
            assert spec and set(re.findall(r"--[\w-]+", found[2])) <= options_of(
                ROOT / f"{found[1].replace('.', '/')}.py"
            ), code


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for code in codes(page.read_text(encoding="utf-8")):
        if found := re.match(r"make ([a-z-]+)", code):
            assert found[1] in targets, code


def example_of(page, first_line):
    """The indented Python example that starts with a line."""
    text = page.read_text(encoding="utf-8")
    start = text.index(f"    {first_line}")
    return textwrap.dedent(re.match(r"(?: {4}.*\n|\n)+", text[start:])[0])


@pytest.fixture
def median(tmp_path, monkeypatch):
    """The README's method, alone in a folder that stands for methods/."""
    example = example_of(ROOT / "README.md", '"""Median filter')
    (tmp_path / "median.py").write_text(example, encoding="utf-8")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(methods, "__path__", [str(tmp_path), *methods.__path__])
    yield "median"
    sys.modules.pop("methods.median", None)


@pytest.mark.parametrize(("test", "chosen"), list(contract_tests()))
def test_the_method_of_the_readme_keeps_the_contract(median, test, chosen):
    test(test_contract.make(median), **chosen)


def test_the_metric_of_the_guide_can_be_made():
    names = {**vars(catalogue), "mean_absolute_error": lambda restored, target: 0.0}
    metric = eval(example_of(DOCS / "adding-a-metric.md", "Metric("), names)
    assert isinstance(metric, Metric) and metric.key == "rgb/mae"

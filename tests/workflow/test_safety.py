"""Foreign files, names and tables run no code and lead to no file outside their folder."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark.board.write import write_leaderboard
from benchmark.cli import workflow, workflow_board, workflow_setup
from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.core.paths import ROOT
from benchmark.data import cards
from benchmark.jobs import restore, score
from benchmark.report.build import build_report
from benchmark.results.tables import read_scores
from tests.synthetic_run import card, make_run

HOSTILE = (
    "a b", "it's", 'say "x"', "new\nline", "日本", "-rf", "$(touch pwned)", "`touch pwned`",
    "; touch pwned", "a#b?c%20d", "<img src=x onerror=alert(1)>", "=1+1", "{photo}", "&amp;", "NA",
    "..x", "a\\b", "%2e%2e",
)  # fmt: skip


class References(HTMLParser):
    """Collects the references and the elements of a page."""

    def __init__(self):
        super().__init__()
        self.found, self.elements = [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.found += [value for name, value in attributes if name in ("src", "href") and value]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of all verbs except `figures`, on images with hostile names."""
    root = tmp_path_factory.mktemp("hostile")
    rng, photos = np.random.default_rng(0), root / "it's a $(touch pwned) set"
    for name in HOSTILE:
        clean = rng.integers(0, 200, (16, 16, 3)).astype(np.uint8)
        write_png(photos / "clear" / f"{name}.png", clean)
        write_png(photos / "rain" / f"{name}.png", clean + np.uint8(9))
    write_png(photos / "trained.png", rng.integers(0, 99, (16, 24, 3)).astype(np.uint8))
    values = {
        "title": "<b>Hostile</b>", "path": str(photos), "weathers": ["rain"],
        "train": "trained.png", "licence": "none", "source": "here", "citation": "none",
        "splits": {"test": {"input": "{weather}/{photo}.png", "target": "clear/{photo}.png"}},
    }  # fmt: skip
    (root / "cards").mkdir()
    (root / "cards" / "hostile.yaml").write_text(yaml.safe_dump(values))
    config = {
        "name": "small", "train_on": "hostile", "datasets": {"hostile": {}}, "protocols": ["rgb"],
        "methods": {"identity": None, "oracle": None}, "discover": False,
    }  # fmt: skip
    (root / "it's $(touch pwned).yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(paths, "results", lambda: root / "results")
        for job in (restore, score):
            patch.setattr(job, "ROOT", root)
        patch.setattr(cards, "CARDS", root / "cards")
        file = root / "it's $(touch pwned).yaml"
        workflow_setup.images(file)
        for method in config["methods"]:
            workflow.restore_dataset(method, "default", "hostile", 0, file)
            workflow.score_dataset(method, "hostile", 0, file)
        workflow_board.collect(file)
        workflow_board.leaderboard(root / "results" / "small")
        workflow_board.report(root / "results" / "small")
    return root / "results" / "small"


def test_images_of_any_name_are_restored_and_scored(run):
    scores = read_scores(run)
    assert set(scores.image) == {*HOSTILE}
    assert set(scores.status) == {"ok"}
    assert not list(run.parents[1].rglob("pwned"))
    assert not (ROOT / "pwned").exists()


def test_every_link_to_a_hostile_name_leads_to_its_file(run):
    pages = list((run / "report").rglob("*.html"))
    assert len(pages) == 1 + 2 + len(HOSTILE)
    for page in pages:
        references = References()
        references.feed(page.read_text(encoding="utf-8"))
        for reference in references.found:
            if not reference.startswith(("https:", "data:", "#")):
                target = page.parent / unquote(re.sub(r"[#?].*", "", reference))
                assert target.is_file(), (page, reference)
        assert not any("onerror" in attributes for _, attributes in references.elements)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input", "../{photo}.png"), ("input", "/etc/{photo}.png"),
        ("target", "rain/../../{photo}"), ("train", "../*.png"), ("manifest", "/etc/passwd"),
    ],
)  # fmt: skip
def test_a_card_cannot_lead_out_of_its_path(tmp_path, monkeypatch, key, value):
    split = {"input": "{photo}.png", "target": "{photo}.jpg"}
    values = {"title": "x", "path": str(tmp_path), "weathers": ["rain"], "licence": "x",
              "source": "x", "citation": "x", "splits": {"test": split}}  # fmt: skip
    (split if key in split else values)[key] = value
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    with pytest.raises(UserError, match=r"mine\.yaml': .*without '\.\.'"):
        cards.load_card("mine")


def run_with_wrong_column(folder, table, column, value):
    """A finished run with `value` in all rows of a column of a table."""
    run = folder / "results" / "run"
    make_run(run, photos=1, weathers=("rain",), cards=[card("identity", control=True)], side=16)
    rows = pd.read_csv(run / table, dtype=str, keep_default_na=False)
    rows[column] = value
    rows.to_csv(run / table, index=False)
    return run


@pytest.mark.parametrize("column", ["image", "weather", "dataset", "method"])
@pytest.mark.parametrize("value", ["../../x", "/tmp/x", "..", ""])
def test_names_in_tables_cannot_be_paths(tmp_path, column, value):
    run = run_with_wrong_column(tmp_path, "scores.csv", column, value)
    with pytest.raises(UserError, match=rf"scores\.csv: {column} .* cannot name a file"):
        read_scores(run)


def test_a_report_copies_images_and_no_other_files(tmp_path):
    (tmp_path / "secret.png").write_text("a key")
    run = run_with_wrong_column(tmp_path, "images.csv", "target", "secret.png")
    write_leaderboard(run)
    with pytest.raises(UserError, match=r"secret\.png' is not an image"):
        build_report(run)
    assert not (run / "report").exists()


def test_no_code_executes_the_content_of_a_file():
    """By ruff's rules from flake8-bandit: no pickle, eval, exec, shell, unsafe yaml.load, …"""
    tops = ("benchmark", "methods")
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "json", *tops]
    command += ["--select", "S", "--ignore", "S101,S603,S606,S607"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert json.loads(done.stdout) == []
    sources = [path.read_text() for top in tops for path in (ROOT / top).rglob("*.py")]
    loads = [call for text in sources for call in re.findall(r"torch\.load\([^)]*\)", text)]
    assert loads and all("weights_only=True" in call for call in loads)
    assert not any("allow_pickle" in text for text in sources)

"""The report of a made-up run: it is whole, escaped, offline, and works in a browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote

import pandas as pd
import pytest

from benchmark.errors import UserError
from benchmark.leaderboard import write_leaderboard
from benchmark.report import build_report
from benchmark.report.parts import duration, slug
from tests.synthetic_run import card, make_run

NASTY = "<script>alert('x')</script> & \"y\""
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


class Page(HTMLParser):
    """What a page refers to, by tag and attribute, and the tags it has."""

    def __init__(self, path):
        super().__init__()
        self.links, self.fetched, self.images, self.tags = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if tag == "option":
            self.fetched.append(attributes["value"])
        if tag in ("img", "script", "link", "source", "iframe"):
            self.fetched.append(attributes.get("src") or attributes.get("href"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "results" / "demo"
    make_run(folder, photos=3, weathers=("rain", "haze"), side=32)
    cards = json.loads((folder / "methods.json").read_text())
    for c in cards:
        if c["method"] == "median":
            c |= {"label": NASTY, "title": NASTY, "citation": NASTY, "url": "javascript:alert(1)"}
            c |= {"parameters": {NASTY: [NASTY]}}
    (folder / "methods.json").write_text(json.dumps(cards))
    scores = pd.read_csv(folder / "scores.csv")
    scores.loc[scores["status"] == "skipped", "reason"] = NASTY
    scores.to_csv(folder / "scores.csv", index=False)
    drawing = folder / "figures" / "test-set" / "made_up.svg"
    drawing.parent.mkdir(parents=True)
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
    shown = {"dataset": "test-set", "name": "made_up", "title": "Made up", "alt": NASTY}
    listed = [{**shown, "file": "test-set/made_up.svg"}]
    (folder / "figures" / "figures.json").write_text(json.dumps(listed))
    write_leaderboard(folder)
    build_report(folder)
    return folder


@pytest.fixture(scope="module")
def pages(run):
    return {path: Page(path) for path in sorted((run / "report").rglob("*.html"))}


def test_there_is_a_page_an_image_and_a_page_a_method(run):
    assert len(list((run / "report" / "images").glob("*.html"))) == 6
    assert len(list((run / "report" / "methods").glob("*.html"))) == 6
    assert not list(run.glob(".report-*"))


def test_all_references_are_relative_and_exist(pages, run):
    """Nothing is fetched from a network, and the folder of the run can be moved."""
    for path, page in pages.items():
        local = [link for link in page.links if not link.startswith("https://")]
        for reference in page.fetched + local:
            assert not re.match(r"(https?:)?//|/|javascript:", reference), (path.name, reference)
            if not reference.startswith(("data:", "#")):
                target = (path.parent / unquote(reference.partition("#")[0])).resolve()
                assert target.is_file(), (path.name, reference)
                assert target.is_relative_to(run.resolve())
    styles = [css.read_text() for css in (run / "report" / "static").rglob("*.css")]
    assert not any(re.search(r"@import|url\(\s*['\"]?(https?:)?//", css) for css in styles)


def test_names_and_reasons_are_text_not_html(pages):
    for path, page in pages.items():
        assert "<script>alert" not in path.read_text(encoding="utf-8")
        assert page.tags.count("script") == 3
    index = next(path for path in pages if path.name == "index.html")
    assert "&lt;script&gt;alert" in index.read_text(encoding="utf-8")


def test_every_image_says_what_it_shows(pages):
    for page in pages.values():
        assert all(image.get("alt") for image in page.images)
        assert all("lazy" in image.get("loading", "lazy") for image in page.images)


def test_index_has_values_intervals_status_and_manifest(run):
    board = pd.read_csv(run / "leaderboard.csv")
    row = board[(board["method"] == "regression") & (board["weather"] == "all")].iloc[0]
    text = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert f"{row['rgb/psnr']:.2f}" in text
    assert f"[{row['rgb/psnr_low']:.2f}, {row['rgb/psnr_high']:.2f}]" in text
    assert ">skipped<" in text
    assert "0123abc" in text and "made up, 2 threads" in text


def test_method_page_has_card_and_curve(run):
    text = (run / "report" / "methods" / "diffusion.html").read_text(encoding="utf-8")
    for part in ("A. Author, A Paper, 2020", "MIT", "15 min 0 s", "sampler = ddim", "<svg"):
        assert part in text
    plain = (run / "report" / "methods" / "median.html").read_text(encoding="utf-8")
    assert "Training curve" not in plain
    assert "javascript:alert" not in plain


def test_bundled_components_come_with_their_licences(run):
    vendor = run / "report" / "static" / "vendor"
    assert (vendor / "README.md").is_file()
    assert all(any(folder.glob("LICENSE")) for folder in vendor.iterdir() if folder.is_dir())


def test_building_again_replaces_the_old_report(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("a ..b")], side=8)
    write_leaderboard(run)
    build_report(run)
    (run / "report" / "stale.html").write_text("old")
    (run / "manifest.json").unlink()
    (run / "images.csv").unlink()
    page = build_report(run)
    assert not (run / "report" / "stale.html").exists()
    assert "no manifest.json" in page.read_text()


def test_an_error_keeps_the_old_report(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("a")], side=8)
    write_leaderboard(run)
    build_report(run)
    (tmp_path / "data" / "rain" / "input" / "photo00.png").unlink()
    with pytest.raises(UserError, match=r"photo00\.png, named in images.csv, is missing"):
        build_report(run)
    assert (run / "report" / "index.html").is_file()
    assert not list(run.glob(".report-*"))


def test_slugs_are_safe_and_one_for_one():
    assert slug("set", "rain", "photo01") == "set--rain--photo01"
    names = [("a", "b"), ("a--b",), ("a/b",), ("a b",), ("a", "-b"), ("../a",), ("ä",), ("ö",)]
    slugs = [slug(*parts) for parts in names]
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) and "/" not in name for name in slugs)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (75.4, "1 min 15 s"), (7260, "2 h 1 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def in_browser(page, profile):
    """The page's DOM after its scripts ran, and what they wrote to the console."""
    found = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={profile}", "--enable-logging=stderr",
            "--virtual-time-budget=4000", "--dump-dom", page.resolve().as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return found.stdout, [line for line in found.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(
    BROWSER is None, reason="no chromium here: the pages are not tried in a browser"
)
def test_sorting_filtering_and_the_slider_work_in_a_browser(run, tmp_path):
    index = run / "report" / "tried.html"
    act = """<script>
      const late = document.querySelector("details:has(table)");
      late.open = true;
      const input = document.querySelector(".datatable-input");
      document.querySelectorAll(".datatable-sorter")[1].click();
      setTimeout(() => { input.value = "ddim";
        input.dispatchEvent(new Event("input", {bubbles: true})); }, 500);
    </script></body>"""
    text = (run / "report" / "index.html").read_text(encoding="utf-8")
    index.write_text(text.replace("</body>", act), encoding="utf-8")
    try:
        dom, console = in_browser(index, tmp_path / "profile")
    finally:
        index.unlink()
    assert console == []
    tables = re.findall(r"<table.*?</table>", dom, re.DOTALL)
    rows = re.findall(r"diffusion[^<]*</a>.*?data-order=\"([^\"]+)", tables[0])
    assert len(rows) == 3  # only those with "ddim"
    assert rows == sorted(rows, key=float)  # the board itself is best first
    assert "PSNR RGB ↑</button>" in tables[1]  # a folded table keeps its headings
    image = next((run / "report" / "images").glob("*.html"))
    dom, console = in_browser(image, tmp_path / "profile2")
    assert console == []
    assert re.search(r"<img-comparison-slider[^>]*class=\"rendered", dom)

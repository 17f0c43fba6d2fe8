"""The report of a made-up run: it is whole, escaped and offline."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pandas as pd
import pytest

from benchmark.errors import UserError
from benchmark.leaderboard import write_leaderboard
from benchmark.report import build_report
from benchmark.report.parts import duration, slug
from tests.synthetic_run import NASTY, NASTY_SET, card, make_nasty_run, make_run


class Page(HTMLParser):
    """What a page refers to, by tag and attribute, and the tags it has."""

    def __init__(self, path):
        super().__init__()
        self.links, self.fetched, self.images, self.tags, self.ids = [], [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.ids.append(attributes.get("id"))
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if tag == "option" and "images" in attributes["value"]:
            self.fetched.append(attributes["value"])
        if tag in ("img", "script", "link", "source", "iframe"):
            found = attributes.get("src") or attributes.get("href")
            self.fetched += [found] if found else []  # the charts' values lie in the page itself


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "results" / "demo"
    make_nasty_run(folder)
    drawing = folder / "figures" / NASTY_SET / "made_up.svg"
    drawing.parent.mkdir(parents=True)
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
    shown = {"dataset": NASTY_SET, "name": "made_up", "title": "Made up", "alt": NASTY}
    listed = [{**shown, "file": f"{NASTY_SET}/made_up.svg"}]
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
                name, _, place = reference.partition("#")
                target = (path.parent / unquote(name)).resolve()
                assert target.is_file(), (path.name, reference)
                assert target.is_relative_to(run.resolve())
                assert not place or place in pages[target].ids
            if reference.startswith("#"):
                assert reference[1:] in page.ids, (path.name, reference)
    styles = [css.read_text() for css in (run / "report" / "static").rglob("*.css")]
    assert not any(re.search(r"@import|url\(\s*['\"]?(https?:)?//", css) for css in styles)


def test_names_and_reasons_are_text_not_html(pages):
    for path, page in pages.items():
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text and "<b>" not in text
        assert page.tags.count("script") == (7 if path.name == "index.html" else 3)
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


def test_photographers_are_named_beside_their_photographs(run):
    index = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert "2 with their authors and licences" in index
    assert 'href="https://example.org/photo?a=1&amp;b=&lt;2&gt;"' in index
    named = [
        page.name
        for page in (run / "report" / "images").glob("*.html")
        if "A. Photographer; licence: CC-BY-4.0" in page.read_text(encoding="utf-8")
    ]
    assert len(named) == 1 and "rain--photo00" in named[0]


def test_charts_have_the_boards_values(run):
    index = (run / "report" / "index.html").read_text(encoding="utf-8")
    text = re.search(r'id="chart-data">(.*?)</script>', index, re.DOTALL)[1]
    charts = json.loads(text)
    board = pd.read_csv(run / "leaderboard.csv")
    assert len(charts["rows"]) == len(board)
    for row, expected in zip(charts["rows"], board.to_dict("records"), strict=True):
        assert (row["dataset"], row["weather"]) == (NASTY_SET, expected["weather"])
        if expected["status"] == "skipped" or row["control"]:
            continue
        ends = [expected["rgb/psnr" + end] for end in ("", "_low", "_high")]
        assert row["values"]["rgb/psnr"][:3] == pytest.approx(ends, abs=1e-4)
        seconds = expected["seconds_per_megapixel"]
        assert row["costs"]["seconds_per_megapixel"][0] == pytest.approx(seconds, rel=1e-3)
    swept = {row["series"] for row in charts["rows"]}
    assert swept == {None, "diffusion ddim", "diffusion dpm-solver"}
    oracle = next(row for row in charts["rows"] if row["label"] == "oracle")
    assert "rgb/psnr" not in oracle["values"]  # infinite: it has no place on an axis


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

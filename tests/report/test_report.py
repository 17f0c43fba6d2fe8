"""The report of a made-up run: it is complete, escaped, and needs no network."""

import json
import re
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from PIL import Image

from benchmark.board.legend import BETTER, DIFFERENCE, P_HOLM, board_legend
from benchmark.board.pairs import write_comparisons
from benchmark.board.write import write_leaderboard
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image, write_png
from benchmark.exchange.merge import merge_runs
from benchmark.report import photos as report_photos
from benchmark.report import shown_images
from benchmark.report.build import ENVIRONMENT, build_report
from benchmark.report.comparisons import SHOWN, comparison_tables
from benchmark.report.figures.draw import draw_figures
from benchmark.report.parts import duration, slug, true_minus
from benchmark.report.run_data import RunData
from benchmark.results.layout import restored_image
from benchmark.results.schema import IMAGE, NO_TARGET
from tests.synthetic_run import (
    NASTY,
    NASTY_SET,
    add_clear_set,
    add_set_scores,
    card,
    make_nasty_run,
    make_run,
)


class Page(HTMLParser):
    """The links, files, images, tags and ids of a page."""

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
            self.fetched += (
                [found] if found else []
            )  # the data of the charts are in the page itself


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


def small_run(folder, cards, change=None):
    """A run of one weather with its report; `change` edits it first. Returns the index page."""
    make_run(folder, photos=2, weathers=("rain",), cards=cards, side=8)
    if change:
        change(folder)
    write_leaderboard(folder)
    return build_report(folder).read_text(encoding="utf-8")


def edit_csv(path, **columns):
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.assign(**columns).to_csv(path, index=False)


@pytest.fixture(scope="module")
def pages(run):
    return {path: Page(path) for path in sorted((run / "report").rglob("*.html"))}


def test_there_is_a_page_an_image_and_a_page_a_method(run):
    assert len(list((run / "report" / "images").glob("*.html"))) == 6
    assert len(list((run / "report" / "methods").glob("*.html"))) == 6
    assert not list(run.glob(".report-*"))


def check_references(pages, run):
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


def test_all_references_are_relative_and_exist(pages, run):
    """Nothing is loaded from a network, and the folder of the run can be moved."""
    check_references(pages, run)
    styles = [css.read_text() for css in (run / "report" / "static").rglob("*.css")]
    assert not any(re.search(r"@import|url\(\s*['\"]?(https?:)?//", css) for css in styles)


def test_names_and_reasons_are_text_not_html(pages):
    for path, page in pages.items():
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text and "<b>" not in text
        drawn = path.name in ("index.html", "diffusion.html")  # with charts, or a training curve
        assert page.tags.count("script") == (8 if drawn else 3)
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
    for part in ("A. Author, A Paper, 2020", "MIT", "15 min 0 s", "sampler = ddim"):
        assert part in text
    description = "Training loss, from 1 at step 1 to 0.1 at step 300."
    assert f"<figcaption>{description}</figcaption>" in text
    curve = json.loads(re.search(r'id="curve-data">(.*?)</script>', text, re.DOTALL)[1])
    expected = pd.read_csv(run / "training" / "diffusion.csv")[["step", "loss"]].to_numpy()
    assert curve["text"] == description
    assert curve["points"] == [pytest.approx(point, rel=1e-5) for point in expected.tolist()]
    plain = (run / "report" / "methods" / "median.html").read_text(encoding="utf-8")
    assert "Training curve" not in plain
    assert "javascript:alert" not in plain


def test_entries_of_one_method_are_told_apart_by_name(tmp_path):
    cards = [card(name, title="Regression") for name in ("unet", "unet_lpips")]
    run = tmp_path / "results" / "demo"
    methods = small_run(run, cards).partition('id="methods"')[2].partition("</table>")[0]
    rows = re.findall(r'<th scope="row"><a [^>]*>(.*?)</a></th><td>(.*?)</td>', methods)
    assert [(re.sub("<.*?>", "", name), title) for name, title in rows] == [
        ("unet", "Regression"),
        ("unet_lpips", "Regression"),
    ]
    page = (run / "report" / "methods" / "unet_lpips.html").read_text(encoding="utf-8")
    heading = re.sub("<.*?>", "", re.search("<h1>(.*?)</h1>", page)[1])
    assert heading == "unet_lpips: Regression" and f"<title>{heading}" in page


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
    numbers = {(row["series"], row["series_number"]) for row in charts["rows"]}
    assert numbers == {(None, None), ("diffusion ddim", 0), ("diffusion dpm-solver", 1)}
    oracle = next(row for row in charts["rows"] if row["label"] == "oracle")
    assert "rgb/psnr" not in oracle["values"]  # infinite: an axis cannot show it


def test_bundled_components_come_with_their_licences(run):
    vendor = run / "report" / "static" / "vendor"
    assert (vendor / "README.md").is_file()
    assert all(any(folder.glob("LICENSE")) for folder in vendor.iterdir() if folder.is_dir())


def test_building_again_replaces_the_old_report(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("a b#?%")], side=8)
    write_leaderboard(run)
    build_report(run)
    (run / "report" / "stale.html").write_text("old")
    (run / "manifest.json").unlink()
    (run / "images.csv").unlink()
    write_leaderboard(run)
    page = build_report(run)
    assert not (run / "report" / "stale.html").exists()
    assert "no manifest.json" in page.read_text()


def test_an_error_keeps_the_old_report(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("a")], side=8)
    write_leaderboard(run)
    build_report(run)
    (tmp_path / "data" / "rain" / "input" / "photo00.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"photo00\.png"):
        build_report(run)
    assert (run / "report" / "index.html").is_file()
    assert not list(run.glob(".report-*"))


def test_a_report_of_tables_alone_has_no_dead_link(tmp_path):
    """As of a clone without the data: no images, and figures that are listed but were left out."""
    run = tmp_path / "results" / "demo"
    make_run(run, photos=2, weathers=("rain",), cards=[card("a", gain=1.0), card("b")], side=8)
    write_leaderboard(run)
    shutil.rmtree(tmp_path / "data")
    shutil.rmtree(run / "restored")
    (run / "figures").mkdir()
    listed = {"dataset": "test-set", "name": "images", "title": "x", "alt": "x", "file": "a.png"}
    (run / "figures" / "figures.json").write_text(json.dumps([listed]))
    build_report(run)
    pages = {path: Page(path) for path in (run / "report").rglob("*.html")}
    check_references(pages, run)
    assert not any(page.images for page in pages.values())
    image = (run / "report" / "images" / "test-set--rain--photo00.html").read_text()
    assert "Without a picture" in image and "PSNR" in image


def test_of_a_large_set_the_extreme_and_some_drawn_images_have_pages(tmp_path, monkeypatch):
    for name, number in (("ALL_SHOWN", 8), ("RANDOM", 3), ("EXTREMES", 1)):
        monkeypatch.setattr(shown_images, name, number)
    monkeypatch.setattr(report_photos, "EXTREMES", 1)
    run = tmp_path / "results" / "large"
    cards = [card("identity", control=True), card("first", gain=2), card("second", gain=1)]
    make_run(run, photos=12, weathers=("rain",), cards=cards, side=8)
    add_clear_set(run)
    write_leaderboard(run)
    data = RunData(run)
    places = set(shown_images.shown_images(data)[IMAGE].itertuples(index=False))
    for method in ("first", "second"):
        gains = data.gains((method, "default"))
        for dataset in ("test-set", "clear"):
            of_set = gains[gains.index.get_level_values("dataset") == dataset]
            assert {of_set.idxmin(), of_set.idxmax()} <= {tuple(place) for place in places}
    assert 2 * 3 <= len(places) <= 2 * (3 + 4)
    build_report(run)
    assert len(list((run / "report/images").glob("*.html"))) == len(places)
    page = (run / "report/index.html").read_text()
    assert "of 12 images, the best, the worst and drawn ones" in page
    assert f"{data.gains(data.leader('clear')).max():+.2f} dB" in page


@pytest.mark.parametrize("clear", [True, False])
def test_clear_photographs_have_a_table_of_medians(tmp_path, clear):
    run = tmp_path / "results" / "demo"
    cards = [card("identity", control=True), card("first", gain=2), card("second", gain=1)]
    make_run(run, photos=3, weathers=("rain",), cards=cards, side=8)
    if clear:
        add_clear_set(run)
        scores = pd.read_csv(run / "scores.csv", keep_default_na=False)
        same = (scores["dataset"] == "clear") & (scores["method"] == "identity")
        scores.loc[same & (scores["metric"] == "psnr"), "value"] = np.inf
        scores.to_csv(run / "scores.csv", index=False)
    write_leaderboard(run)
    build_report(run)
    page = (run / "report/index.html").read_text()
    assert ("Clear photographs: PSNR RGB" in page) == clear
    if clear:
        table = page.split("<caption>clear: 3 photographs</caption>")[1].split("</table>")[0]
        rows = re.findall(r'href="methods/(\w+)\.html".*?</th>(.*?)</tr>', table, re.DOTALL)
        shown = {name: re.findall(r">([^<>]+)</td>", cells) for name, cells in rows}
        scores = pd.read_csv(run / "scores.csv")
        of_set = (scores["dataset"] == "clear") & (scores["protocol"] == "rgb")
        psnr = scores[of_set & (scores["metric"] == "psnr")].groupby("method")["value"]
        assert shown.keys() == {"identity", "first", "second"}
        assert shown["identity"] == ["∞"] * 3
        for name in ("first", "second"):
            values = sorted(psnr.get_group(name))
            expected = [values[1], values[0], values[0]]
            assert [float(text) for text in shown[name]] == pytest.approx(expected, abs=0.005)


def test_settings_are_plain_words_and_those_that_are_not_set_are_left_out(tmp_path):
    run = tmp_path / "results" / "demo"
    own = {
        "settings": {"memory": None, "eta": 0.0030000001, "small": False, "times": [1, 0.5]},
        "parameters": {"patch": None, "shared": True, "network": {"width": 12345, "heads": []}},
        "training": {"steps": 18000, "stages": [{"share": None, "batch": 16}], "clip": 1.0},
    }
    make_run(run, photos=1, weathers=("rain",), cards=[card("first", **own)], side=8)
    write_leaderboard(run)
    build_report(run)
    page = (run / "report/methods/first.html").read_text()
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "eta = 0.003; small = no; times = 1, 0.5" in text
    assert "patch – shared yes network width 12,345 heads –" in text
    assert "steps 18,000 stages share – batch 16 clip 1" in text
    assert not re.search(r"None|True|False", text)


def test_an_image_without_weather_has_no_gain(tmp_path):
    run = tmp_path / "results" / "demo"
    cards = [card("identity", control=True), card("first", gain=2)]
    make_run(run, photos=3, weathers=("rain",), cards=cards, side=8)
    scores = pd.read_csv(run / "scores.csv")
    psnr = (scores["protocol"] == "rgb") & (scores["metric"] == "psnr")
    perfect = psnr & (scores["method"] == "identity") & (scores["image"] == "photo01")
    scores.loc[perfect, "value"] = float("inf")
    scores.to_csv(run / "scores.csv", index=False)
    write_leaderboard(run)
    gains = RunData(run).gains(("first", "default"))
    assert [*gains.index.get_level_values("image")] == ["photo00", "photo02"]
    build_report(run)
    assert "inf dB" not in (run / "report/index.html").read_text()


def test_what_browsers_cannot_show_becomes_a_png(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("a")], side=8)
    source = tmp_path / "data" / "rain" / "input" / "photo00.png"
    pixels = read_image(source)
    Image.fromarray(pixels).save(source.with_suffix(".TIF"))
    edit_csv(run / "images.csv", input="data/rain/input/photo00.TIF")
    write_leaderboard(run)
    build_report(run)
    page = Page(run / "report" / "images" / "test-set--rain--photo00.html")
    shown = [run / "report" / "images" / unquote(image["src"]) for image in page.images]
    assert {file.suffix for file in shown} == {".png"}
    assert any((read_image(file) == pixels).all() for file in shown)


def test_pictures_of_equal_names_in_two_sets_stay_apart(tmp_path):
    run = tmp_path / "results" / "demo"
    small_run(run, [card("a")])
    found = {}
    for place in ("first/rain/test", "second/rain/test"):
        file = tmp_path / place / "input" / "0001.png"
        file.parent.mkdir(parents=True)
        write_png(file, np.full((8, 8, 3), len(place), np.uint8))
        path = f"{place}/input/0001.png"
        copied = report_photos._copied(RunData(run), path, run / "report", found)
        assert (read_image(run / "report" / unquote(copied)) == len(place)).all()
    assert len({*found.values()}) == 2


def test_that_there_is_no_target_hides_no_other_reason(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=3, weathers=("rain",), cards=[card("a")], side=8)
    scores = pd.read_csv(run / "scores.csv", keep_default_na=False)
    of = {image: scores["image"] == f"photo0{image}" for image in range(3)}
    first = ~scores.duplicated("image")
    for image, rest in ((0, "ok"), (1, "failed"), (2, "skipped")):
        scores.loc[of[image] & first, ["status", "reason"]] = ["skipped", NO_TARGET]
        reason = NO_TARGET if rest == "skipped" else "why" if rest == "failed" else ""
        scores.loc[of[image] & ~first, ["status", "reason"]] = [rest, reason]
    scores.to_csv(run / "scores.csv", index=False)
    write_leaderboard(run)
    problems = {key[2]: text for key, text in RunData(run).problems.items()}
    assert problems == {"photo01": "failed: why", "photo02": f"skipped: {NO_TARGET}"}


def test_the_first_seed_is_the_lowest_number(tmp_path):
    """As everywhere: seed 2 comes before seed 10."""
    for seed in (10, 2):
        folder = tmp_path / "restored" / "a" / "default" / f"seed{seed}" / "set" / "rain"
        folder.mkdir(parents=True)
        (folder / "x.png").write_bytes(b"")
    (tmp_path / "restored" / "a" / "default" / "seed10" / "set" / "rain" / "y.png").write_bytes(b"")
    seed_of = {
        image: file.parts[-4]
        for image in ("x", "y")
        if (file := restored_image(tmp_path, ("a", "default"), ("set", "rain", image)))
    }
    assert seed_of == {"x": "seed2", "y": "seed10"}
    assert restored_image(tmp_path, ("a", "default"), ("set", "rain", "z")) is None


@pytest.mark.parametrize("figures", [3, ["x"], [{"name": "ranks", "file": "a.svg"}]])
def test_a_damaged_list_of_figures_is_named(tmp_path, figures):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("a")], side=8)
    write_leaderboard(run)
    (run / "figures").mkdir()
    (run / "figures" / "figures.json").write_text(json.dumps(figures))
    with pytest.raises(UserError, match=r"figures\.json is damaged"):
        build_report(run)


def test_names_break_after_underscores_and_stay_text():
    made = ENVIRONMENT.from_string("{{ name | breakable }}").render(name="a_<b>_c & d")
    shown = "<span>a_</span><span>&lt;b&gt;_</span><span>c</span> <span>&amp;</span> <span>d</span>"
    assert made == f'<span class="label">{shown}</span>'


def test_slugs_are_safe_and_one_for_one():
    assert slug("set", "rain", "photo01") == "set--rain--photo01"
    names = [("a", "b"), ("a--b",), ("a/b",), ("a b",), ("a", "-b"), ("../a",), ("ä",), ("ö",)]
    slugs = [slug(*parts) for parts in names]
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) and "/" not in name for name in slugs)
    long = slug("x" * 200, "a"), slug("x" * 200, "b")
    assert long[0] != long[1] and max(map(len, long)) < 200


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (75.4, "1 min 15 s"), (7260, "2 h 1 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_ranks_stand_on_the_board_and_controls_have_none(run):
    board = pd.read_csv(run / "leaderboard.csv", dtype=str, keep_default_na=False)
    text = (run / "report" / "index.html").read_text(encoding="utf-8")
    every = text.split('<section class="board"')[1].split("</section>")[0]
    shown = re.findall(r'data-label="([^"]*)".*?data-order="[^"]*">([^<]*)', every, re.DOTALL)
    expected = board[board["weather"] == "all"]["rank"].replace("", "–")
    assert [rank for _, rank in shown] == list(expected)
    assert "1" in expected.iloc[0] and set(expected) >= {"–"}
    assert dict(shown)["identity"] == dict(shown)["oracle"] == "–"


def test_the_legend_is_that_of_the_files(run):
    text = (run / "report" / "index.html").read_text(encoding="utf-8")
    for term, words in (*board_legend([]), DIFFERENCE, P_HOLM, BETTER):
        assert f"<li><strong>{term}</strong>: {escape(words)}</li>" in text


def test_a_report_of_an_older_leaderboard_is_refused(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("a")], side=8)
    with pytest.raises(UserError, match=r"leaderboard\.csv is missing; run `python -m benchmark"):
        build_report(run)
    write_leaderboard(run)
    edit_csv(run / "cost.csv", seconds="2.0")
    for make in (build_report, draw_figures):
        with pytest.raises(
            UserError, match=r"cost\.csv changed after the leaderboard was made; run"
        ):
            make(run)
    write_leaderboard(run)
    assert build_report(run).is_file()


def test_comparisons_are_the_rows_method_minus_the_columns(run):
    """Differences and shares are those of the scores themselves."""
    scores = pd.read_csv(run / "scores.csv", dtype={"value": float}, keep_default_na=False,
                         na_values={"value": [""]})  # fmt: skip
    labels = {(c["method"], c["variant"]): c["label"] for c in RunData(run).methods}
    tables = comparison_tables(RunData(run))
    assert [table["weather"] for table in tables] == ["all", "all", "rain", "rain", "haze", "haze"]
    for table, metric, sign in zip(tables[:2], ("psnr", "lpips"), (1, -1), strict=True):
        own = scores[(scores["metric"] == metric) & (scores["protocol"] != "y-matlab")]
        wide = own.pivot(index=["weather", "image"], columns=["method", "variant"], values="value")
        wide.columns = [labels[key] for key in wide.columns]
        assert table["metric"].startswith(metric.upper()) and not table["note"]
        heads = [head["label"] for head in table["heads"]]
        assert len(table["rows"]) == len(heads) > 5
        for number, row in enumerate(table["rows"], 1):
            assert len(row["cells"]) == number and row["blank"] == len(heads) - number
            for head, cell in zip(heads, row["cells"], strict=False):
                difference = wide[row["label"]] - wide[head]
                half = 0.5 * 10 ** -len(cell["text"].partition(".")[2])
                assert float(cell["text"]) == pytest.approx(difference.mean(), abs=1.01 * half)
                better = 100 * ((sign * difference > 0) + 0.5 * (difference == 0)).mean()
                assert float(cell["better"]) == pytest.approx(better, abs=0.51)
                low, high = json.loads(cell["interval"].replace("+", ""))
                assert low <= float(cell["text"]) <= high


def test_minus_signs_are_no_hyphens(run):
    text = (run / "report" / "index.html").read_text(encoding="utf-8")
    section = text.split('id="comparisons"')[1].split('id="charts"')[0]
    numbers = re.findall(r'<td class="number">.*?</td>', section, re.DOTALL)
    assert not any(re.search(r"-\d", number) for number in numbers)
    assert any(re.search(r"\[−\d.*, −\d", number) for number in numbers)
    assert true_minus("-1.50 [-2.00, +0.10] / ddim-10, -∞") == "−1.50 [−2.00, +0.10] / ddim-10, −∞"


def test_only_the_best_are_compared(tmp_path):
    run = tmp_path / "results" / "demo"
    cards = [card(f"m{n:02d}", gain=2.0 * n) for n in range(SHOWN + 3)]
    make_run(run, photos=3, weathers=("rain",), cards=cards, side=8)
    write_leaderboard(run)
    psnr, _ = comparison_tables(RunData(run))
    names = [psnr["heads"][0]["label"], *(row["label"] for row in psnr["rows"])]
    assert names == [f"m{n:02d}" for n in range(SHOWN + 2, 2, -1)]
    pairs = pd.read_csv(run / "comparisons.csv").query("weather == 'all'")
    pairs = pairs[pairs["method_a"].isin(names) & pairs["method_b"].isin(names)]
    apart = [cell["apart"] for row in psnr["rows"] for cell in row["cells"]]
    pairs = pairs[pairs["metric"] == "rgb/psnr"]
    assert len(apart) > sum(apart) == (pairs["p_holm"] < 0.05).sum() > 0


@pytest.mark.parametrize("photos", [2, 3])
def test_sets_of_few_photos_are_said_to_be_too_small_to_compare(tmp_path, photos):
    run = tmp_path / "results" / "demo"
    make_run(run, photos, ("rain",), [card("a", gain=3.0), card("b", gain=1.0)], side=8)
    add_set_scores(run)
    write_leaderboard(run)
    text = build_report(run).read_text(encoding="utf-8")
    assert ("needs 3 photos for an interval and a test" in text) == (photos < 3)
    captions = re.findall(r'aria-label="Comparisons, ([^"]*)"', text)
    assert ("test-set, rain: kernel distance ↓" in captions) == (photos == 3)


@pytest.mark.parametrize(
    "change", [lambda pairs: pairs.assign(difference=1.0), lambda pairs: pairs.head(0)]
)
def test_comparisons_of_other_scores_are_refused(tmp_path, change):
    run = tmp_path / "results" / "demo"
    small_run(run, [card("a", gain=3.0), card("b", gain=1.0)])
    change(pd.read_csv(run / "comparisons.csv")).to_csv(run / "comparisons.csv", index=False)
    message = r"comparisons\.csv does not have the difference of b and a in rgb/psnr .* again\."
    with pytest.raises(UserError, match=message):
        build_report(run)
    write_comparisons(run)
    build_report(run)


def test_a_broken_comparisons_file_is_named_and_a_missing_one_is_noted(tmp_path):
    run = tmp_path / "results" / "demo"
    small_run(run, [card("a", gain=1.0), card("b")])
    (run / "comparisons.csv").unlink()
    text = build_report(run).read_text(encoding="utf-8")
    assert "no comparisons.csv with two methods" in text
    write_comparisons(run)
    edit_csv(run / "comparisons.csv", p_holm="often")
    with pytest.raises(
        UserError, match=r"comparisons\.csv, line 2: p_holm is 'often', not a number; .* again"
    ):
        build_report(run)


def test_published_numbers_are_shown_with_their_sources(tmp_path):
    def on_rain100l(folder):
        manifest = {"config": {"datasets": {"test-set": {"card": "rain100l", "split": "test"}}}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        scores = pd.read_csv(folder / "scores.csv")
        rounded = scores[scores["protocol"] == "y-matlab"].assign(protocol="restormer")
        pd.concat([scores, rounded]).to_csv(folder / "scores.csv", index=False)

    identity = card("identity", control=True, file="methods/identity.py")
    cards = [identity, card("a", gain=1.0)]
    run = tmp_path / "results" / "demo"
    text = small_run(run, cards, on_rain100l)
    section = text.split('id="published"')[1].split("<h2")[0]
    value = pd.read_csv(run / "leaderboard.csv").query("method == 'identity'")["y-matlab/psnr"]
    difference = true_minus(f"{value.iloc[0] - 26.90:+.2f}")
    assert f">{value.iloc[0]:.2f} <" in section and f">{difference}<" in section
    assert section.count("≠</abbr>") == 4  # Restormer's PSNR and SSIM, by two sources
    assert 'href="#source-mmagic"' in section and 'id="source-mmagic"' in section
    assert "not in the run" in section
    assert 'id="published"' not in small_run(tmp_path / "results" / "other", cards)


def test_a_merged_run_names_its_devices_and_its_runs(tmp_path):
    runs = [tmp_path / "results" / name for name in ("first", "second")]
    for run, method in zip(runs, ("a", "b"), strict=True):
        make_run(run, 2, ("rain",), [card("identity", control=True), card(method)], side=8)
        origin = {"test-set": {"title": f"Set of {run.name}", "licence": "MIT"}}
        manifest = {"commit": f"of {run.name}", "datasets": origin, "config": {"name": run.name}}
        (run / "manifest.json").write_text(json.dumps(manifest))
        edit_csv(run / "cost.csv", device=f"device of {run.name}")
    values = pd.read_csv(runs[0] / "scores.csv").query("method == 'identity'")
    other = pd.read_csv(runs[1] / "scores.csv").query("method != 'identity'")
    pd.concat([values, other]).to_csv(runs[1] / "scores.csv", index=False)
    merge_runs(runs, tmp_path / "results" / "both")
    write_leaderboard(tmp_path / "results" / "both")
    text = build_report(tmp_path / "results" / "both").read_text(encoding="utf-8")
    assert "1: device of first; 2: device of second" in text
    row = re.search(r'data-label="b".*?</tr>', text, re.DOTALL)[0]
    assert re.findall(r'data-order="[^"]*">([^<]*)</td>', row)[-1] == "2"
    assert "Set of first" in text and "Set of second" not in text
    assert "Merged from 2 runs" in text and "of first" in text and "of second" in text


def test_who_submitted_is_named(tmp_path):
    cards = [
        card("a", gain=1.0, submitted=True, citation="Someone, 2024", facts={"cost": "as stated"}),
        card("b", submitted=True, citation="", facts={"cost": "not measured"}),
    ]
    text = small_run(tmp_path / "results" / "demo", cards)
    assert "Someone, 2024. Cost as stated." in text
    assert "no citation stated. Cost not measured." in text
    assert len(re.findall(r"</a> ‡", text)) == 2


@pytest.mark.parametrize("manifest", [[], {"datasets": ["x"]}, {"merged": ["x"]}])
def test_a_manifest_of_another_kind_is_named(tmp_path, manifest):
    def change(folder):
        (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(UserError, match=r"manifest\.json"):
        small_run(tmp_path / "results" / "demo", [card("a")], change)

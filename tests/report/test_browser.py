"""The report in a real browser, without a network: sorting, filters, charts, slider."""

import json
import shutil

import pandas as pd
import pytest

from benchmark.board.curves import pareto_front, with_cards
from benchmark.board.score_table import ALL
from benchmark.board.write import write_leaderboard
from benchmark.report.build import build_report
from benchmark.report.figures.style import PALETTE
from tests.synthetic_run import (
    NASTY,
    NASTY_SET,
    add_clear_set,
    add_samples,
    add_set_scores,
    make_nasty_run,
)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="chromium is not installed: the report is not opened in a browser"
)
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
LINE_OF_INPUT = "Dashed line: input, not restored."
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    run = tmp_path_factory.mktemp("browser") / "results" / "demo"
    make_nasty_run(run)
    add_set_scores(run)
    add_samples(run)
    add_samples(run, ("regression", "default"), same=True)
    add_clear_set(run)
    write_leaderboard(run)
    return build_report(run).parent


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def opened(browser):
    """Opens pages; fails if one writes to the console, raises, opens a dialog or uses a network."""
    contexts, faults = [], []

    def open_page(path, **settings):
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on("requestfailed", lambda request: faults.append(f"not found: {request.url}"))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:")) or faults.append(f"net: {request.url}")
            ),
        )
        page.goto(path.resolve().as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def board_rows(page):
    return page.locator("section.board:visible tbody tr")


def names(page):
    return board_rows(page).locator("th a").all_inner_texts()


def board_heads(page):
    heads = page.locator("table.sortable:visible").first.locator("thead th").all_inner_texts()
    return [head.strip() for head in heads]


def column(page, heading):
    place = board_heads(page).index(heading)
    return board_rows(page).locator(f":scope > :nth-child({place + 1})")


def shown_values(page, heading):
    """The values of a column, without missing ones."""
    texts = column(page, heading).all_inner_texts()
    return [float(text.split()[0]) for text in texts if text.strip() != "–"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_opens_clean_and_fits_a_phone(report, opened, scheme):
    first = [report / "index.html"]
    first += [sorted((report / kind).glob("*.html"))[0] for kind in ("images", "methods")]
    for path in first:
        page = opened(path, viewport=PHONE, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path.name
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, paper.strip("rgb()").split(","))) > 3 * 128
        assert light == (scheme == "light")


def test_the_leaderboard_sorts_by_any_column(report, opened):
    page = opened(report / "index.html")
    heading = page.get_by_role("button", name="LPIPS")
    heading.first.click()
    values = shown_values(page, "LPIPS ↓")
    assert values == sorted(values) and len(set(values)) > 3
    heads = page.locator("section.board:visible thead th[aria-sort=ascending]")
    assert heads.all_inner_texts() == ["LPIPS ↓"]
    heading.first.click()
    assert shown_values(page, "LPIPS ↓") == values[::-1]


def test_missing_values_come_last_in_both_directions(report, opened):
    """Also among the rows that a filter shows."""
    page = opened(report / "index.html")
    every = len(names(page))
    for words, rows in (("", every), ("d", None)):
        page.get_by_role("searchbox", name="words").fill(words)
        for heading in ("PSNR RGB", "rank"):
            for _ in range(2):
                page.get_by_role("button", name=heading).first.click()
                title = {"PSNR RGB": "PSNR RGB ↑"}.get(heading, heading)
                texts = column(page, title).all_inner_texts()
                missing = [text.strip() == "–" for text in texts]
                assert missing == sorted(missing) and any(missing)
                assert rows in (None, len(texts))


def test_the_leaderboard_sorts_by_rank_and_controls_come_last(report, opened):
    page = opened(report / "index.html")
    every = names(page)
    page.get_by_role("button", name="rank").first.click()
    ranks = [text for text in column(page, "rank").all_inner_texts() if text != "–"]
    ends = [tuple(map(int, (rank.split("–") * 2)[:2])) for rank in ranks]
    assert ends == sorted(ends) and len(ends) > 5
    assert sorted(names(page)[len(ends) :]) == ["dark-channel", "identity", "oracle"]
    assert sorted(names(page)) == sorted(every)


def test_comparisons_keep_their_names_in_sight_on_a_phone(report, opened):
    page = opened(report / "index.html", viewport=PHONE)
    table = page.locator("table.pairs").first
    name = table.locator("tbody th").last
    left = name.bounding_box()["x"]
    table.locator("..").evaluate("box => box.scrollLeft = 300")
    assert table.locator("..").evaluate("box => box.scrollLeft") == 300
    assert name.bounding_box()["x"] == left
    # The best method heads the first column; all others are rows.
    best = table.locator("thead th").nth(1).inner_text().split("\n")[0]
    assert best.startswith(names(page)[0])
    assert (
        table.locator("tbody tr").count() == len(names(page)) - 4
    )  # the best, the controls, and one without scores


def test_the_leaderboard_filters(report, opened):
    page = opened(report / "index.html")
    every = names(page)
    assert page.locator("#found").inner_text() == f"{len(every)} of {len(every)} rows"
    page.locator("select[name=supervision]").select_option("paired")
    paired = names(page)
    assert paired and all(name.startswith(("diffusion", "regression")) for name in paired)
    assert page.locator("#found").inner_text() == f"{len(paired)} of {len(every)} rows"
    page.get_by_role("searchbox", name="words").fill("ddim")
    assert sorted(names(page)) == ["diffusion ddim-1", "diffusion ddim-10", "diffusion ddim-4"]
    page.get_by_role("button", name="Reset").click()
    page.get_by_text(f"{len(every)} of {len(every)} rows", exact=True).wait_for()
    assert names(page) == every
    page.locator("select[name=status]").select_option("skipped")
    assert names(page) == ["dark-channel"]
    page.locator("select[name=weather]").select_option("haze")
    assert board_rows(page).all_inner_texts() == ["No such row"]  # the method was made for haze
    page.locator("select[name=status]").select_option("")
    assert sorted(names(page)) == sorted(every)


def test_columns_are_chosen(report, opened):
    page = opened(report / "index.html")
    few = ["method", "rank", "PSNR RGB ↑", "SSIM RGB ↑", "LPIPS ↓", "seconds", "NFE", "supervision"]
    assert board_heads(page) == few
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="PSNR Y").check()
    page.get_by_role("checkbox", name="LPIPS").uncheck()
    chosen = [head for head in few if head != "LPIPS ↓"]
    chosen.insert(4, "PSNR Y ↑")
    assert board_heads(page) == chosen
    page.locator("select[name=weather]").select_option("haze")
    assert board_heads(page) == chosen
    page.locator("#columns").get_by_role("button", name="Reset").click()
    page.wait_for_function("!location.search.includes('columns')")
    assert board_heads(page) == few
    method = opened(report / "methods" / "diffusion.html")
    assert board_heads(method)[:4] == ["method", "weather", "rank", "PSNR RGB ↑"]
    assert "FLOPs" not in board_heads(method)


def test_the_board_fits_its_page_and_a_phone_shows_a_value(report, opened):
    page = opened(report / "index.html", viewport={"width": 1366, "height": 900})
    box = page.locator("section.board:visible .datatable-container")
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    page = opened(report / "index.html", viewport=PHONE)
    name = board_rows(page).first.locator("th").bounding_box()
    assert name["width"] <= PHONE["width"] / 2


def weathers(page):
    return page.locator("select[name=weather] option").all_inner_texts()


def test_it_opens_on_the_main_data_set_and_offers_the_weathers_of_the_chosen_one(report, opened):
    page = opened(report / "index.html")
    assert page.locator("select[name=dataset]").input_value() == NASTY_SET
    assert weathers(page) == ["all", "rain", "haze"]
    assert page.locator("section.board:visible caption").inner_text().endswith("all 2 weathers")
    page.locator("select[name=weather]").select_option("haze")
    page.locator("select[name=dataset]").select_option("clear")
    assert weathers(page) == ["clear"] and len(names(page)) > 5
    assert page.locator("section.pairs:visible caption").first.inner_text().startswith("clear")
    page.locator("select[name=dataset]").select_option(NASTY_SET)
    assert page.locator("select[name=weather]").input_value() == "all"


def test_a_view_can_be_linked(report, opened):
    page = opened(report / "index.html")
    page.locator("select[name=weather]").select_option("haze")
    page.locator("select[name=supervision]").select_option("paired")
    page.get_by_role("searchbox", name="words").fill("ddim")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="PSNR Y").check()
    page.locator("select[name=cost]").select_option("nfe")
    shown, address = names(page), page.url
    page.reload()
    assert page.url == address and names(page) == shown and len(shown) == 3
    assert page.locator("select[name=weather]").input_value() == "haze"
    assert page.locator("select[name=cost]").input_value() == "nfe"
    assert "PSNR Y ↑" in board_heads(page)
    page.get_by_role("link", name="Comparisons", exact=True).click()
    assert names(page) == shown and page.url == address + "#comparisons"
    # What another run's address names is left at its default.
    page.goto(page.url.split("?")[0] + "?dataset=other&weather=hail&nothing=1&columns=no")
    assert page.locator("select[name=weather]").input_value() == "all"
    assert len(names(page)) > 5


def test_comparisons_follow_the_filters(report, opened):
    page = opened(report / "index.html")
    pairs = page.locator("section.pairs:visible")
    assert pairs.locator("caption").all_inner_texts() == [
        f"{NASTY_SET}, all 2 weathers: PSNR RGB ↑", f"{NASTY_SET}, all 2 weathers: LPIPS ↓",
        f"{NASTY_SET}, all 2 weathers: kernel distance ↓",
    ]  # fmt: skip
    page.locator("select[name=weather]").select_option("rain")
    assert "rain: PSNR" in pairs.locator("caption").first.inner_text()
    page.get_by_role("searchbox", name="words").fill("ddim")
    table = pairs.first.locator("table")
    assert table.locator("tbody tr:visible").count() == 2  # three methods: two rows, two columns
    assert table.locator("thead th:visible").count() == 3
    assert table.locator("tbody tr:visible").last.locator("td:visible").count() == 2
    page.get_by_role("searchbox", name="words").fill("median")
    assert pairs.count() == 0 and page.locator("#no-pairs").is_visible()


def test_charts_and_filters_work_without_comparisons(report, opened, tmp_path):
    run = shutil.copytree(report.parent, tmp_path / "demo")
    (run / "comparisons.csv").unlink()
    page = opened(build_report(run).parent / "index.html")
    assert page.locator("#no-pairs").count() == 0 and page.locator("#cost-chart a").count() > 3
    page.get_by_role("searchbox", name="words").fill("ddim")
    assert names(page)


def test_the_cost_chart_names_its_points_and_its_front(report, opened):
    page = opened(report / "index.html")
    marks = page.locator("#cost-chart a")
    labels = [mark.locator("*").first.get_attribute("aria-label") for mark in marks.all()]
    board = pd.read_csv(report.parent / "leaderboard.csv")
    cards = json.loads((report.parent / "methods.json").read_text())
    of_all = (board["weather"] == ALL) & (board["dataset"] == NASTY_SET)
    rows = with_cards(board[of_all], cards)
    timed = rows[~rows["control"] & rows["rgb/psnr"].notna()]
    assert sorted(text.split(", PSNR")[0] for text in labels) == sorted(timed["label"])
    assert any(text.startswith(NASTY) for text in labels)
    front = page.locator("#cost-chart svg[aria-description]").get_attribute("aria-description")
    expected = list(pareto_front(timed, "rgb/psnr")["label"])
    assert front == f"On the Pareto front: {', '.join(expected)}"
    page.locator("select[name=metric]").select_option("lpips-alex/lpips")
    front = page.locator("#cost-chart svg[aria-description]").get_attribute("aria-description")
    expected = list(pareto_front(timed, "lpips-alex/lpips")["label"])
    assert front == f"On the Pareto front: {', '.join(expected)}"


def test_the_line_of_the_input_is_named_below_the_charts_where_it_covers_no_mark(report, opened):
    page = opened(report / "index.html")
    for chart in ("#cost-chart", "#steps-chart"):
        assert page.locator(f"{chart} figcaption").inner_text() == LINE_OF_INPUT
        assert "not restored" not in page.locator(f"{chart} svg[aria-description]").inner_html()


def test_a_point_with_the_focus_shows_its_name_and_leads_to_its_method(report, opened):
    page = opened(report / "index.html")
    page.locator("select[name=cost]").focus()
    page.keyboard.press("Tab")  # from the last field to the chart's first point
    tip = page.locator("#cost-chart [aria-label=tip]")
    tip.get_by_text("PSNR RGB").wait_for()
    shown = page.evaluate("document.activeElement.firstElementChild.getAttribute('aria-label')")
    assert shown.split(", ")[0] in tip.text_content()
    page.keyboard.press("Enter")
    page.wait_for_url("**/methods/*.html")


def test_the_filters_hold_for_the_charts_too(report, opened):
    page = opened(report / "index.html")
    assert page.locator("#steps-chart a").count() == 6  # two samplers at three step counts
    page.get_by_role("searchbox", name="words").fill("dpm")
    assert page.locator("#steps-chart a").count() == 3
    assert page.locator("#cost-chart a").count() == 3
    page.get_by_role("searchbox", name="words").fill("median")
    assert "No method shown" in page.locator("#steps-chart").inner_text()


def test_a_series_has_the_colour_of_the_drawn_figure_whichever_are_shown(report, opened):
    page = opened(report / "index.html")
    lines = page.locator("#steps-chart svg[aria-label] [aria-label=line] path")
    assert [line.get_attribute("stroke") for line in lines.all()] == PALETTE.as_hex()[:2]
    page.get_by_role("searchbox", name="words").fill("dpm")
    assert lines.get_attribute("stroke") == PALETTE.as_hex()[1]


def test_a_link_underlines_the_words_of_its_name(report, opened):
    page = opened(report / "index.html")
    words = page.locator("a .label span")
    lines = words.evaluate_all("all => all.map((one) => getComputedStyle(one).textDecorationLine)")
    assert lines and set(lines) == {"underline"}


def test_every_tick_of_a_logarithmic_axis_has_its_label(report, opened):
    page = opened(report / "index.html")
    for chart in ("#cost-chart", "#steps-chart"):
        ticks = page.locator(f"{chart} [aria-label='x-axis tick'] path")
        labels = page.locator(f"{chart} [aria-label='x-axis tick label'] text")
        texts = labels.all_text_contents()
        assert len(texts) == ticks.count() > 1 and all(float(text) > 0 for text in texts)


CURVE = "Training loss, from 1 at step 1 to 0.1 at step 300."


def test_the_training_curve_is_drawn_with_its_name(report, opened):
    page = opened(report / "methods" / "diffusion.html")
    curve = page.get_by_role("img", name=CURVE)
    assert curve.count() == 1
    line = curve.locator("[aria-label=line] path").get_attribute("d")
    assert line.count("L") == 299 and "NaN" not in line
    box = curve.bounding_box()
    assert box["width"] > 300 and box["height"] > 200


def test_without_scripts_the_training_curve_is_described(report, opened):
    page = opened(report / "methods" / "diffusion.html", java_script_enabled=False)
    assert page.get_by_text(CURVE).is_visible()
    assert page.locator("svg").count() == 0


def test_the_slider_moves_by_keyboard_and_shows_what_is_chosen(report, opened):
    page = opened(sorted((report / "images").glob("*.html"))[0])
    slider = page.get_by_role("slider")
    assert slider.get_attribute("aria-valuenow") == "50"
    slider.focus()
    page.keyboard.down("ArrowLeft")
    page.wait_for_function(
        "document.querySelector('img-comparison-slider').getAttribute('aria-valuenow') < 45"
    )
    page.keyboard.up("ArrowLeft")
    page.get_by_label("Right").select_option(label="target")
    right = page.locator("#right")
    assert right.get_attribute("alt") == "target" and "target" in right.get_attribute("src")
    assert right.evaluate("image => image.decode().then(() => image.naturalWidth)") == 32


def test_without_scripts_every_table_is_there(report, opened):
    page = opened(report / "index.html", java_script_enabled=False)
    assert page.locator("section.board:visible").count() == 4  # all, rain, haze; clear
    assert (
        page.locator("section.pairs:visible").count() == 11
    )  # in PSNR, LPIPS and, of one set, the kernel distance
    assert not page.locator("select[name=supervision]").is_visible()


def test_markup_in_names_is_shown_as_text(report, opened):
    page = opened(report / "index.html")
    assert NASTY in names(page)
    assert page.locator("select[name=dataset]").input_value() == NASTY_SET
    # The components do not turn the page's text into markup either.
    assert page.locator("main script:not(#chart-data), main b").count() == 0
    page.get_by_role("searchbox", name="words").fill("<script>")
    assert names(page) == [NASTY, "dark-channel"]  # in the label of one, the reason of the other

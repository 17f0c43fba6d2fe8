"""What MkDocs adds to the site: the reference board on the home page, and the reference report."""

import shutil
from pathlib import Path

from benchmark.board.markdown import short_table
from benchmark.board.write import read_board
from benchmark.core.paths import ROOT
from benchmark.results.tables import read_methods

RUN = ROOT / "results" / "reference"
PLACE = "<!-- the reference board -->"
# What the report links to, in the same places beside it.
PARTS = ("report", "figures", "leaderboard.*", "comparisons.*")


def on_page_markdown(markdown: str, **_) -> str:
    """Put the reference board, all weathers of the main data set, in its place on a page."""
    if PLACE not in markdown:
        return markdown
    return markdown.replace(PLACE, short_table(read_board(RUN), read_methods(RUN)))


def on_post_build(config, **_) -> None:
    """Copy the report of the reference run into the site, if it was built ('make docs' does)."""
    if not (RUN / "report").is_dir():
        return
    site = Path(config["site_dir"]) / "reference"
    site.mkdir(parents=True, exist_ok=True)
    for part in (path for pattern in PARTS for path in RUN.glob(pattern)):
        if part.is_dir():
            shutil.copytree(part, site / part.name, dirs_exist_ok=True)
        else:
            shutil.copy(part, site)

"""The documentation as a site: built without a warning, whole, and without a network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import yaml

from benchmark.core.paths import ROOT

DOCS = ROOT / "docs"


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
    pages = {page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")}
    built = {page.relative_to(site).with_suffix("") for page in site.rglob("*.html")}
    assert pages and pages <= built


def test_nothing_is_fetched_from_a_network(site):
    """What pages and style sheets load lies in the site."""
    for page in site.rglob("*.html"):
        for source in Fetched(page.read_text(encoding="utf-8")).found:
            assert not re.match(r"(\w+:)?//", source), f"{page.name} loads {source}"
            if page.name != "404.html":  # its references are from the site's root
                assert (page.parent / source.split("?")[0]).exists(), f"{page.name}: {source}"
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

    named = list(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    assert sorted(named) == sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))

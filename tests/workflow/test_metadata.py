"""Files that catalogues and citation managers read."""

import pytest
import yaml

import benchmark
from benchmark.core.paths import ROOT


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == benchmark.__version__
    assert citation["license"] == "MIT" and citation["type"] == "software"
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_the_citation_fits_its_schema():
    cli = pytest.importorskip("cffconvert", reason="cffconvert is not installed")
    cli.Citation((ROOT / "CITATION.cff").read_text(encoding="utf-8")).validate()


def test_the_workflow_catalogue_finds_what_it_needs():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] and usage["report"]
    assert (ROOT / "workflow" / "Snakefile").is_file()
    page = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    named = {path.name for path in (ROOT / "config").glob("*.yaml")}
    assert all(f"`{name}`" in page for name in named)
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme

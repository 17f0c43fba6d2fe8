"""The table of libraries in docs/protocols.md says what the installed libraries compute."""

import re

import pytest

from benchmark.core.paths import ROOT
from tests.golden.score_libraries import CALLS, calibration_pairs, differences, installed, text

PAGE = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
ROWS = {
    tuple(row.split(" | ")[:3]): row
    for row in re.findall(r"^\| (.* \| `.*/.*` \| .*) \|$", PAGE, re.M)
}


@pytest.mark.parametrize("library", dict.fromkeys(call.library for call in CALLS))
def test_the_differences_are_those_of_the_page(library):
    number = installed(library)
    if number is None:
        pytest.skip(f"{library} is not installed: make setup GROUPS=references")
    pairs = calibration_pairs()
    for call in (call for call in CALLS if call.library == library):
        row = ROWS[f"{library} {number}", f"`{call.text}`", f"`{call.metric}`"].split(" | ")
        assert row[3] == text(call, differences(call, pairs)), call.text

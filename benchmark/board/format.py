"""How numbers, names and missing values are written in every table of a run."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.board.legend import INFINITE, MISSING
from benchmark.scoring.metrics import ANY_METRIC

# The metrics of a table without room for all; `uncertainty.csv` has columns of them too.
MAIN = ("rgb/psnr", "rgb/ssim", "lpips-alex/lpips")
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def value_text(row: "pd.Series", metric: str) -> str:
    """A value with its interval, such as `25.47 [24.90, 26.10]`; `–` if it is missing."""
    digits = ANY_METRIC[metric].decimals
    value, low, high = (float(row[metric + end]) for end in ("", "_low", "_high"))
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return INFINITE
    text = f"{value:.{digits}f}"
    return text if math.isnan(low) else f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def whole_text(value: float) -> str:
    """A whole number, in groups of three digits from 10,000 on."""
    return f"{value:,.0f}" if abs(value) >= 9999.5 else f"{value:.0f}"


def plain_text(value: Any) -> str:
    """A value of a JSON file in plain words and numbers: `–` for one that is missing, `yes` or
    `no`, numbers with at most six figures, whole ones with all (`whole_text`), lists with commas,
    named values with colons."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return whole_text(value)
    if isinstance(value, float):
        if math.isnan(value):
            return MISSING
        whole = value.is_integer() and abs(value) < 1e15
        return whole_text(value) if whole else number_text(value, ",.6g")
    if isinstance(value, Mapping):
        named = (f"{key}: {plain_text(item)}" for key, item in value.items())
        return "; ".join(named) or MISSING
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(plain_text, value)) or MISSING
    return str(value)


def seconds_text(value: float) -> str:
    """Seconds with three figures, or `–`."""
    if math.isnan(value):
        return MISSING
    return whole_text(value) if value >= 100 else f"{value:.2g}" if value < 0.01 else f"{value:.3g}"


def count_text(value: float, unit: str = "") -> str:
    """A count with a metric prefix, such as `3.9 M`, `1.1 GFLOP` or `25`; `–` if missing."""
    if math.isnan(value):
        return MISSING
    for size, prefix in PREFIXES:
        if value >= 0.9995 * size:  # which three figures round up to it
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.4g} {unit}".strip()


def device_numbers(names: str, devices: Sequence[str]) -> str:
    """The numbers of a row's devices, such as `1` or `1, 2`."""
    found = [str(number) for number, name in enumerate(devices, 1) if name in names.split("; ")]
    return ", ".join(found) or MISSING


def number_text(value: float, form: str) -> str:
    """A number in a format such as `.2f`; `–` if it is missing."""
    return MISSING if math.isnan(value) else f"{value:{form}}".replace("inf", INFINITE)


def interval_text(row: dict, name: str, form: str) -> str:
    """A value with its interval from the columns NAME, NAME_low and NAME_high."""
    value, low, high = (row.get(name + end, math.nan) for end in ("", "_low", "_high"))
    text = number_text(value, form)
    return text if math.isnan(low) else f"{text} [{low:{form}}, {high:{form}}]"


def broken(name: str, width: int) -> str:
    """A name in lines of at most `width` characters where it can be broken: after spaces and
    underscores, not within words."""
    lines = [""]
    for part in re.findall(r"[^ _]+[ _]?|[ _]", name):
        if len(lines[-1] + part.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def p_text(p: float, named: bool = False) -> str:
    """A p-value with three decimals, `<0.001` below."""
    if math.isnan(p):
        return MISSING
    text = "<0.001" if p < 0.001 else f"{p:.3f}"
    return ("p " if text.startswith("<") else "p = ") + text.replace("<", "< ") if named else text

"""The whole study by the workflow, from nothing: every entry, tiny and for two or three steps.

    python -m tests.campaigns.study

It makes a clone, in it the data set of the study, and a board with all entries, and fails if an
entry has no score, or if a longer training does not go on from a shorter one. Takes minutes; of the
tests, tests/workflow/test_study.py has the same in parts.
"""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmark.core.paths import ROOT
from tests.clone import clone, snakemake

STUDY = ROOT / "config" / "study.yaml"
TINY = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}
LEAST = {"batch": 4, "crop": 16}


def tiny_study(*labels: str) -> dict[str, Any]:
    """The study with small networks, short trainings and the first variant of each entry, on one
    picture. labels: the entries; all if there are none."""
    values = yaml.safe_load(STUDY.read_text())
    values |= {"name": "tiny", "datasets": {"levels": {"weathers": ["rain"], "limit": 1}}}
    values["protocols"] = ["rgb"]
    values["training"] |= {"workers": 0, "warmup": 0, "stages": [{"steps": 1, **LEAST}, LEAST]}
    entries = {label: values["methods"][label] for label in labels or values["methods"]}
    for entry in filter(None, entries.values()):
        entry["training"] = {"steps": 2 + ("goes_on_from" in entry), "decay_steps": 1}
        entry["parameters"] = entry.get("parameters", {}) | TINY
        entry["variants"] = dict([*entry.get("variants", {}).items()][:1])
    return values | {"methods": entries}


def make(folder: Path) -> Path:
    """Make the board of the tiny study in a new clone at `folder`; returns the run's folder."""
    made = clone(folder)
    (made / "config" / "tiny.yaml").write_text(yaml.safe_dump(tiny_study()))
    done = snakemake(made, "--config", "run=config/tiny.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return made / "results" / "tiny"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = make(Path(folder) / "repository")
        scores = pd.read_csv(run / "scores.csv")
        print(scores.groupby(["method", "status"]).size().unstack(fill_value=0).to_string())
        assert {*scores.method} == {*tiny_study()["methods"]} and scores.status.eq("ok").all()
        assert [*(run / "train/unet_mse-5/seed0").glob("kept-*.pt")]
        assert len([*(Path(folder) / "repository/datasets/levels/inputs").rglob("*.png")]) == 180


if __name__ == "__main__":
    main()

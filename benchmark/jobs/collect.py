"""Joins the parts of a run into the tables that leaderboard, figures and report are made from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.json_io import write_json
from benchmark.exchange import submissions
from benchmark.jobs import method_facts, records
from benchmark.results import schema, simulation, training_record
from benchmark.results.layout import AGAIN, RESTORED, RunFolder, score_units, units, write_csv
from benchmark.results.tables import read_table
from benchmark.spec import sources
from benchmark.spec.run_config import Config


def collect(config: Config, run: RunFolder) -> None:
    """Join the parts of a run, and its submissions, into scores.csv, cost.csv and methods.json.

    If the run scores sets of images, or draws samples, also into set_scores.csv or
    sample_scores.csv. Raises UserError if a part or a submission is missing or damaged.
    """
    submitted_scores, submitted_costs, submitted_cards = submissions.read(
        run.path, {*config.methods}
    )
    submitted_sets = submissions.read_set_scores(run.path)
    costs = [read_table(run.restored(*unit), RESTORED, AGAIN) for unit in units(config)]
    costs = [table[list(schema.COST)] for table in costs]
    write_csv(pd.concat([*_scores(config, run), *submitted_scores]), run.path / "scores.csv")
    write_csv(pd.concat([*costs, *submitted_costs]), run.path / "cost.csv")
    sets = [
        read_table(run.set_scores(*unit), schema.SET_SCORES, AGAIN)
        for unit in records.set_units(config)
    ]
    samples = [
        read_table(run.sample_scores(*unit), schema.SAMPLE_SCORES, AGAIN)
        for unit in records.sample_units(config)
    ]
    _join([*sets, *submitted_sets] if sets else [], run.path / "set_scores.csv")
    _join(samples, run.path / "sample_scores.csv")
    methods = method_facts.of_entries(config)
    cards = [
        _card(config, run, label, variant, methods[label])
        for label in config.methods
        for variant in config.variants_of(label)
    ]
    write_json(run.path / "methods.json", [*cards, *submitted_cards])


def _join(tables: Sequence[pd.DataFrame], file: Path) -> None:
    """Write the rows of all tables; no file if there are none."""
    if tables:
        write_csv(pd.concat(tables), file)
    else:
        file.unlink(missing_ok=True)


def _scores(config: Config, run: RunFolder) -> list[pd.DataFrame]:
    """The scores of every unit of a run, in the order of `units`."""
    tables = {
        unit: read_table(run.scores(*unit), schema.SCORES, AGAIN) for unit in score_units(config)
    }
    scores = []
    for label, variant, seed, dataset in units(config):
        table = tables[label, seed, dataset]
        scores.append(table[table.variant == variant])
        if scores[-1].empty:
            raise UserError(
                f"{run.scores(label, seed, dataset)} has no row of variant '{variant}'; {AGAIN}."
            )
    return scores


def _card(
    config: Config, run: RunFolder, label: str, variant: str, method: dict[str, Any]
) -> dict[str, Any]:
    """The card of an entry's variant for methods.json: method, settings, training.

    method: what `method_facts.of_entries` says about the entry.
    """
    settings = method["settings"].get(variant, {})
    card = {
        "label": label if variant == "default" else f"{label} {variant}",
        "method": label,
        "variant": variant,
        "file": f"methods/{config.method_of(label)}.py",
        **method["card"],
        "sees_target": method["sees_target"],
        "parameters": method["parameters"],
        "settings": settings,
        "training": None,
        "training_seconds": None,
        "training_steps": None,
        "training_flops": None,
        "training_curve": None,
        "training_identity": None,
        "training_simulation": None,
        "facts": method["facts"],
    }
    if sources.learns(config.method_of(label)):
        folder = run.training(label, config.seeds_of(label)[0])
        trained = training_record.read(folder, AGAIN)
        card["training"] = trained.get("settings")
        card["weights"] = trained.get("weights")
        for fact in ("seconds", "steps", "flops", "identity"):
            card[f"training_{fact}"] = trained.get(fact)
        card["training_simulation"] = simulation.of_training(trained)
        if (folder / "curve.csv").exists():
            card["training_curve"] = (folder / "curve.csv").relative_to(run.path).as_posix()
    return card

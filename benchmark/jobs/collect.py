"""Gathers the parts of a run into the tables that everything later is made from."""

import json
from typing import Any

import pandas as pd

from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.results import schema, training_record
from benchmark.results.layout import AGAIN, RESTORED, RunFolder, score_units, units, write_csv
from benchmark.results.tables import read_table
from benchmark.spec import registry
from benchmark.spec.method import LearnedMethod
from benchmark.spec.run_config import Config


def collect(config: Config, run: RunFolder, submitted: tuple = ((), (), ())) -> None:
    """Join the parts of a run into scores.csv, cost.csv and methods.json.

    submitted: further scores, costs and cards, from `submissions.read`.
    """
    their_scores, their_costs, their_cards = submitted
    costs = [read_table(run.restored(*unit), RESTORED, AGAIN) for unit in units(config)]
    costs = [table[list(schema.COST)] for table in costs]
    write_csv(pd.concat([*_scores(config, run), *their_scores]), run.path / "scores.csv")
    write_csv(pd.concat([*costs, *their_costs]), run.path / "cost.csv")
    entries = [
        _describe(config, run, label, variant)
        for label in config.methods
        for variant in config.variants_of(label)
    ]
    entries += their_cards
    write_text(run.path / "methods.json", json.dumps(entries, indent=1, ensure_ascii=False) + "\n")


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


def _describe(config: Config, run: RunFolder, label: str, variant: str) -> dict[str, Any]:
    """What the report says of an entry's variant: card, settings, training."""
    name = config.method_of(label)
    method = registry.load(name)
    parameters = method.Parameters(**config.entry(label).parameters)
    settings = method.Variant(**config.variants_of(label)[variant]).model_dump(mode="json")
    described = {
        "label": label if variant == "default" else f"{label} {variant}",
        "method": label,
        "variant": variant,
        "file": f"methods/{name}.py",
        **method.card.model_dump(mode="json"),
        "sees_target": method.sees_target,
        "parameters": parameters.model_dump(mode="json"),
        "settings": settings,
        "sampler": settings.get("sampler"),
        "steps": settings.get("steps"),
        "training": None,
        "training_seconds": None,
        "training_steps": None,
        "training_flops": None,
        "training_curve": None,
        "facts": method(parameters).facts(),
    }
    if issubclass(method, LearnedMethod):
        folder = run.training(label, config.seeds_of(label)[0])
        trained = training_record.read(folder, AGAIN)
        described["training"] = trained.get("settings")
        for fact in ("seconds", "steps", "flops"):
            described[f"training_{fact}"] = trained.get(fact)
        if (folder / "curve.csv").exists():
            described["training_curve"] = (folder / "curve.csv").relative_to(run.path).as_posix()
    return described

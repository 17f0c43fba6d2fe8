"""Every Eval Ever 0.3.0: one JSON file a method and variant (github.com/evaleval).

The folders are those of its data store, which its validator asks for.
"""

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmark import __version__
from benchmark.core.checksum import json_digest
from benchmark.core.json_io import write_json
from benchmark.exchange.exported import BOUNDS, NAME, Export, Result, file_name
from benchmark.results.tables import label

SCHEMA = "0.3.0"


def write(export: Export, out: Path) -> None:
    """Write data/unweather/unweather/METHOD-VARIANT/UUID.json for each method with results.

    The names are collection, developer, model and a UUID of version 4. The UUID comes from the
    record's digest, so that the same run is always the same files.
    """
    for card, results in export.of_methods():
        content = record(export, card, results)
        name = UUID(bytes=bytes.fromhex(json_digest(content))[:16], version=4)
        write_json(out / "data" / NAME / NAME / file_name(card) / f"{name}.json", content)


def written(folder: Path) -> set[Path]:
    """The files in a folder that `write` has written."""
    return set(folder.glob(f"data/{NAME}/{NAME}/*/*.json"))


def record(export: Export, card: dict[str, Any], results: list[Result]) -> dict[str, Any]:
    """The record of one method. All further details are strings, as the schema wants them."""
    finished = str(int(datetime.fromisoformat(export.finished).timestamp()))
    details = {
        "deployment_type": "self_deployed",
        "model_availability": "unknown",
        "supervision": str(card["supervision"]),
        "citation": str(card.get("citation") or "not stated"),
        "parameters": json.dumps(card.get("parameters") or {}),
        "settings": json.dumps(card.get("settings") or {}),
        "weights_sha256": str((card.get("weights") or {}).get("sha256") or "none"),
    }
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{NAME}-{export.run}/{label(card)}/{finished}",
        "evaluation_timestamp": finished,
        "retrieved_timestamp": finished,
        "source_metadata": {
            "source_name": f"{NAME}, run {export.run}",
            "source_type": "evaluation_run",
            "source_organization_name": "not stated",
            "evaluator_relationship": "other",
        },
        "eval_library": {
            "name": NAME,
            "version": __version__,
            "additional_details": {"commit": export.commit},
        },
        "model_info": {
            "name": str(card.get("title") or label(card)),
            "id": f"{NAME}/{file_name(card)}",
            "additional_details": details,
        },
        "evaluation_results": [_result(export, result) for result in results],
    }


def _result(export: Export, result: Result) -> dict[str, Any]:
    metric = result.metric
    low, high = BOUNDS.get(metric.name, (None, None))
    score: dict[str, Any] = {"score": result.value}
    uncertainty: dict[str, Any] = {"num_samples": result.images}
    if result.has_interval():
        uncertainty["confidence_interval"] = {
            "lower": result.low,
            "upper": result.high,
            "confidence_level": 0.95,
            "method": "bootstrap over photographs",
        }
    return {
        "evaluation_result_id": result.name,
        "evaluation_name": result.name,
        "source_data": _source(export, result),
        "metric_config": {
            "evaluation_description": metric.definition,
            "metric_id": f"{NAME}.{metric.key}",
            "metric_name": metric.title,
            "metric_kind": metric.name,
            "metric_unit": metric.unit or "none",
            "lower_is_better": metric.lower_is_better,
            "score_type": "continuous",
            "min_score": _bound(low),
            "max_score": _bound(high),
        },
        "score_details": score | {"uncertainty": uncertainty},
    }


def _bound(value: float | None) -> float | str | None:
    return "Infinity" if value == math.inf else value


def _source(export: Export, result: Result) -> dict[str, Any]:
    origin = export.origins.get(result.dataset, {})
    details = {
        "split": result.split or "not stated",
        "weather": result.weather or "all",
        "licence": str(origin.get("licence") or "not stated"),
        "citation": str(origin.get("citation") or "not stated"),
    }
    source = str(origin.get("source") or "")
    data = {"dataset_name": result.dataset, "additional_details": details}
    if source.startswith("http"):
        return data | {"source_type": "url", "url": [source]}
    return data | {"source_type": "other"}

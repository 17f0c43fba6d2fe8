"""Model cards of the Hugging Face hub: a Markdown file a method, results under `model-index`."""

from pathlib import Path
from typing import Any

import yaml

from benchmark.core.atomic import write_text
from benchmark.exchange.exported import NAME, Export, Result, file_name
from benchmark.results.tables import label

KEY = "model-index"


def write(export: Export, out: Path) -> None:
    """Write METHOD-VARIANT.md for each method with results."""
    for card, results in export.of_methods():
        front = {KEY: [{"name": label(card), "results": grouped(export, results)}]}
        text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
        write_text(out / f"{file_name(card)}.md", f"---\n{text}---\n\n{_body(export, card)}\n")


def written(folder: Path) -> set[Path]:
    """The files in a folder that `write` has written: they begin with the key of the results."""
    files, start = folder.glob("*.md"), f"---\n{KEY}:\n".encode()
    return {file for file in files if file.is_file() and file.read_bytes().startswith(start)}


def grouped(export: Export, results: list[Result]) -> list[dict[str, Any]]:
    """One result for each data set and weather, with all of its metrics.

    The weather is `config`: the hub takes results whose data sets differ in name or arguments alone
    for the same.
    """
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.dataset, result.split, result.weather), []).append(result)
    found = []
    for (dataset, split, weather), group in groups.items():
        title = export.origins.get(dataset, {}).get("title") or dataset
        data = {"type": dataset, "name": title, "config": weather or "all"}
        found.append({
            "task": {"type": "image-to-image", "name": "Weather removal"},
            "dataset": data | ({"split": split} if split else {}),
            "metrics": [
                {"type": r.metric.key, "value": r.value, "name": r.metric.title} for r in group
            ],
        })  # fmt: skip
    return found


def _body(export: Export, card: dict[str, Any]) -> str:
    title = str(card.get("title") or label(card))
    return (
        f"{title}. {card.get('description') or ''}\n\nResults of {NAME}, run {export.run}, commit "
        f"{export.commit}. Metrics are named PROTOCOL/METRIC."
    )

"""Croissant 1.1 (mlcommons.org): the tables of a run with a description of their columns."""

import shutil
from pathlib import Path
from typing import Any

from benchmark.core.checksum import checksum
from benchmark.core.json_io import write_json
from benchmark.exchange.exported import NAME, Export
from benchmark.results import schema
from benchmark.results.tables import NUMBERS

VERSION = "http://mlcommons.org/croissant/1.1"
TABLES = {"scores": schema.SCORES, "cost": schema.COST}
FILE = "croissant.json"
MEANING = {
    "scores": "One row for each image, method, variant, seed and metric.",
    "cost": "One row for each restored image: seconds, network evaluations, memory.",
}
# The context that Croissant 1.1 prescribes: its terms, and those of JSON-LD and Dublin Core.
TERMS = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field",
    "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset",
    "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated",
    "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    **{term: f"cr:{term}" for term in TERMS},
}


def write(export: Export, out: Path) -> None:
    """Copy the tables to the folder and write croissant.json beside them."""
    for name in TABLES:
        shutil.copyfile(export.run_dir / f"{name}.csv", out / f"{name}.csv")
    write_json(out / FILE, description(export, out))


def written(folder: Path) -> set[Path]:
    """The files in a folder that `write` has written; none without its croissant.json."""
    if not (folder / FILE).is_file():
        return set()
    return {folder / FILE, *(folder / f"{name}.csv" for name in TABLES)}


def description(export: Export, folder: Path) -> dict[str, Any]:
    """The description of the tables in `folder`."""
    sets = ", ".join(export.origins)
    cited = {str(origin["citation"]) for origin in export.origins.values() if "citation" in origin}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": f"{NAME}-{export.run}",
        "description": f"Scores and costs of weather removal on {sets}, by {NAME}, commit "
        f"{export.commit}.",
        "citeAs": "; ".join(sorted(cited)) or "none",
        "version": "1.0.0",
        "datePublished": export.finished,
        "distribution": [_file(folder / f"{name}.csv") for name in TABLES],
        "recordSet": [_records(name, columns) for name, columns in TABLES.items()],
    }


def _file(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "text/csv",
        "sha256": checksum(path),
    }


def _records(name: str, columns: tuple[str, ...]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": MEANING[name],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": f"{name}/{column}",
                "description": column.replace("_", " "),
                "dataType": "sc:Float" if column in NUMBERS else "sc:Text",
                "source": {"fileObject": {"@id": f"{name}.csv"}, "extract": {"column": column}},
            }
            for column in columns
        ],
    }

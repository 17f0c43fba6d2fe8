"""Loads the weights that a configuration names instead of a training."""

from typing import Any

from benchmark.core import foreign_checkpoints, weight_search, weights
from benchmark.core.checksum import checksum
from benchmark.core.errors import WeightsMissing
from benchmark.core.paths import from_root, where_the_data_come_from
from benchmark.spec.method import LearnedMethod
from benchmark.spec.run_config import WeightFile


def load(method: LearnedMethod, given: WeightFile) -> dict[str, Any]:
    """Load a weight file into a method's network; returns what it says about its training.

    For a file of `export-weights`, the record of the training, unchecked. For any other, `weights`:
    the file's name and SHA-256, and the part of it that was used. Raises WeightsMissing if there is
    no file, UserError if it cannot be read or does not fit.
    """
    path, where = given.path, from_root(given.path)
    if not path.exists():
        raise WeightsMissing(
            f"{where} is missing. Published weights: 'python -m benchmark list weights'. Bundled: "
            f"{where_the_data_come_from()}."
        )
    if path.suffix == ".safetensors" and (facts := weights.exported_facts(path)) is not None:
        weights.load(method.network, path)
        return facts
    content = foreign_checkpoints.read_any(path)
    tensors = weight_search.named_tensors(content)
    if given.key or given.prefix:
        tensors = weight_search.chosen(tensors, given.key, given.prefix, where)
    found = weight_search.fitting(
        tensors, method.network, method.authors_names(), where, method.card.title
    )
    method.network.load_state_dict(
        method.from_authors(found.state) if found.authors_names else found.state
    )
    used = ".".join(filter(None, (given.key, given.prefix.strip("."), found.part)))
    return {"status": "ok", "weights": {"file": path.name, "sha256": checksum(path), "part": used}}

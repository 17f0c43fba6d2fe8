"""Compares two runs: their manifests, and the scores of each method that both have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.board.score_table import METRICS, ScoreGroup, ScoreTable
from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.core.seeds import numpy_generator
from benchmark.results import simulation
from benchmark.results.schema import GROUP, IMAGE
from benchmark.results.tables import read_images, read_methods, read_scores
from benchmark.significance.intervals import mean_interval
from benchmark.significance.paired_tests import holm, paired_test
from benchmark.significance.pairwise import Key, seed_means_of, variance_of_difference
from benchmark.significance.variances import Variance, stratified_mean

COLUMNS = (
    *GROUP,
    "metric",
    "n_images",
    "n_photos",
    "n_seeds_a",
    "n_seeds_b",
    "a",
    "b",
    "difference",
    "difference_low",
    "difference_high",
    "effect",
    "p",
    "p_holm",
    "equal_images",
)
# Keys of a manifest that differ between any two runs.
IGNORED = {"run", "finished", "config.name", "config_file"}
CONTENT = ["input_sha256", "target_sha256"]


@dataclass(frozen=True)
class Run:
    """The tables of a run. images is None, and manifest {}, if the run has no such file."""

    path: Path
    scores: pd.DataFrame
    cards: dict[Key, dict[str, Any]]
    images: pd.DataFrame | None
    manifest: dict[str, Any]


@dataclass(frozen=True)
class RunComparison:
    """The result of `compare`.

    table: columns `COLUMNS`, one row for each common method, data set, weather and metric;
    differences are b - a. manifest: keys that differ, as (key, value in a, value in b). methods:
    the same for the cards. only_a, only_b: methods that only one run has. common, images_a,
    images_b, changed: numbers of images; `changed` have the same name but different content and
    are left out.
    """

    a: Run
    b: Run
    table: pd.DataFrame
    manifest: list[tuple[str, Any, Any]]
    methods: list[tuple[str, Any, Any]]
    only_a: list[Key]
    only_b: list[Key]
    common: int
    images_a: int
    images_b: int
    changed: int


def read_run(path: str | Path) -> Run:
    """Read a run's folder. Raises UserError naming the table that is missing or malformed."""
    path = Path(path)
    manifest = path / "manifest.json"
    cards = {(card["method"], card["variant"]): card for card in read_methods(path)}
    return Run(
        path,
        read_scores(path),
        cards,
        read_images(path),
        read_json(manifest) if manifest.is_file() else {},
    )


def compare(path_a: str | Path, path_b: str | Path) -> RunComparison:
    """Compare run b with run a on the images that both have.

    Where a method has the same seeds in both runs, its seeds are paired. p-values are corrected
    with Holm's method over all rows of one metric. Raises UserError if the runs have no image or no
    method in common, or other versions of the simulated weather.
    """
    a, b = read_run(path_a), read_run(path_b)
    simulation.refuse_others((run.path, run.manifest) for run in (a, b) if run.manifest)
    in_a, in_b = (_image_index(run.scores) for run in (a, b))
    common = in_a.intersection(in_b)
    changed = _changed(a.images, b.images, common)
    common = common.difference(changed)
    keys = [key for key in a.cards if key in b.cards]
    for what, found in (("image", len(common)), ("method with its variant", len(keys))):
        if not found:
            raise UserError(f"{a.path} and {b.path} have no {what} in common.")
    rows = [
        row
        for pair in _common_groups(a, b, common)
        for metric in METRICS
        for row in _compare_group(*pair, keys, metric)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["p_holm"] = table.groupby("metric")["p"].transform(lambda p: holm(p.to_numpy()))
    return RunComparison(
        a,
        b,
        table,
        manifest=differing(a.manifest, b.manifest),
        methods=_differing_cards(a, b, keys),
        only_a=[key for key in a.cards if key not in b.cards],
        only_b=[key for key in b.cards if key not in a.cards],
        common=len(common),
        images_a=len(in_a),
        images_b=len(in_b),
        changed=len(changed),
    )


def _image_index(scores: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(scores[IMAGE].drop_duplicates())


def _changed(
    a: pd.DataFrame | None, b: pd.DataFrame | None, common: pd.MultiIndex
) -> pd.MultiIndex:
    """The common images whose content differs; none if a run has no images.csv."""
    if a is None or b is None:
        return common[:0]
    of_a, of_b = (
        images.drop_duplicates(IMAGE).set_index(IMAGE)[CONTENT].reindex(common).fillna("")
        for images in (a, b)
    )
    return common[(of_a != of_b).any(axis=1).to_numpy()]


def _common_groups(
    a: Run, b: Run, common: pd.MultiIndex
) -> Iterator[tuple[ScoreGroup, ScoreGroup]]:
    """The score groups of both runs on the common images, in pairs and in the order of run a."""
    tables = []
    for run in (a, b):
        scores = run.scores[pd.MultiIndex.from_frame(run.scores[IMAGE]).isin(common)]
        tables.append(ScoreTable(scores, [*run.cards.values()], a.images))
    of_b = {(group.dataset, group.weather): group for group in tables[1].groups()}
    for group in tables[0].groups():
        yield group, of_b[group.dataset, group.weather]


def _compare_group(
    a: ScoreGroup, b: ScoreGroup, keys: Sequence[Key], metric: str
) -> list[dict[str, Any]]:
    """Rows of `COLUMNS` for the methods that have the metric on every image in both runs."""
    both = a.complete(metric), b.complete(metric)
    complete = [key for key in keys if all(key in own for own in both)]
    if not complete:
        return []
    of_a, of_b = (own[complete].to_numpy() for own in both)
    with np.errstate(invalid="ignore"):
        differences = np.where(of_a == of_b, 0.0, of_b - of_a)  # two infinite values are equal
    seeds = _seeds(a, b, complete, metric)
    generator = numpy_generator("compare", a.dataset, a.weather, metric)
    test = paired_test(differences, a.photos, a.strata, seeds)
    known = np.where(np.isnan(test.difference), np.nan, differences)  # no interval around infinity
    ends = mean_interval(known, a.photos, generator, a.strata, seeds)
    return [
        {
            **dict(zip(GROUP, (a.dataset, a.weather, *key), strict=True)),
            "metric": metric,
            "n_images": len(differences),
            "n_photos": len(np.unique(a.photos)),
            "n_seeds_a": len(a.seed_means[(*key, metric)]),
            "n_seeds_b": len(b.seed_means[(*key, metric)]),
            "a": stratified_mean(of_a[:, i], a.strata)[0],
            "b": stratified_mean(of_b[:, i], b.strata)[0],
            "difference": test.difference[i],
            "difference_low": ends.low[i],
            "difference_high": ends.high[i],
            "effect": test.effect[i],
            "p": test.p[i],
            "equal_images": int((differences[:, i] == 0).sum()),
        }
        for i, key in enumerate(complete)
    ]


def _seeds(a: ScoreGroup, b: ScoreGroup, keys: Sequence[Key], metric: str) -> Variance:
    """The variance that seeds add to each method's difference between the runs: (len(keys),).

    Equal seeds are paired. The same code and settings make the same training of a seed, so it adds
    nothing; where they are other ones, the variance is that of the differences of the pairs.
    """
    of_a, of_b = (seed_means_of(run.seed_means.xs(metric, level="metric")) for run in (a, b))
    return Variance.join([variance_of_difference(of_a[k], of_b[k], paired=True) for k in keys])


def _differing_cards(a: Run, b: Run, keys: Sequence[Key]) -> list[tuple[str, Any, Any]]:
    """The parameters, settings and training in which the cards of common methods differ."""
    found = []
    for key in keys:
        parts = [
            {name: run.cards[key].get(name) for name in ("parameters", "settings", "training")}
            for run in (a, b)
        ]
        found += [(f"{' '.join(key)}: {name}", x, y) for name, x, y in differing(*parts)]
    return found


def differing(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The dotted keys of nested dictionaries whose values differ; a missing value is None."""
    flat_a, flat_b = _flat(a), _flat(b)
    return [
        (key, flat_a.get(key), flat_b.get(key))
        for key in dict.fromkeys([*flat_a, *flat_b])
        if flat_a.get(key) != flat_b.get(key) and key not in IGNORED
    ]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat

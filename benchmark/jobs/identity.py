"""What decides the result of each job of a run, and a digest of it: the job's identity.

    training    method, parameters, settings that can change the weights, weathers, seed, teacher or
                initial weights, contents of the training files, sources, what the run resolved
    restoring   identity of the training, variant, batch, contents of the test images, sources
    scoring     identities of the restorings, targets, protocols, weights of metrics, sources
                (images, sets of images and samples are scored by jobs of their own)

An identity is the workflow's parameter of its job: the job runs again when it changes, and only
then. The job writes it beside its results (`records`), and a training's checkpoint carries it.
Nothing here imports torch or a method: planning must be fast.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from typing import Any

import pandas as pd

from benchmark.core import paths
from benchmark.core.checksum import json_digest
from benchmark.data import content
from benchmark.data.cards import load_card
from benchmark.jobs.resolve import Resolved
from benchmark.scoring.metrics import WEIGHTS, set_metrics_of, storages_of
from benchmark.spec import reach, sources
from benchmark.spec.run_config import Config

TRAINING = ("benchmark.training.loop:train", "benchmark.spec.build:build")
TAKING_WEIGHTS = ("benchmark.spec.given_weights:load", "benchmark.spec.build:build")
RESTORING = ("benchmark.restoring.dataset:restore", "benchmark.spec.build:build")
SCORING = ("benchmark.scoring.score:score_restored",)
SCORING_SAMPLES = ("benchmark.scoring.score_samples:score_samples",)
SAMPLING = ("benchmark.restoring.samples:draw",)
SCORING_SETS = ("benchmark.scoring.score_sets:score_sets",)
PATTERNS = ("*.safetensors", "*.npz")
# A training that reaches this definition has a perceptual loss.
PERCEPTUAL = "benchmark.scoring.metrics.perceptual:LPIPS_WEIGHTS"


@dataclass(frozen=True)
class Identity:
    """parts: by name, JSON values: settings as they are, digests of files and sources.

    definitions: the digest of every definition of the sources that the job reaches.
    """

    parts: dict[str, Any]
    definitions: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of the parts."""
        return json_digest(self.parts)


class Identities:
    """The identities of all jobs of a run. Data and sources are read once for each object."""

    def __init__(self, config: Config, resolved: Resolved | None = None):
        self.config = config
        self.resolved = (resolved or Resolved()).model_dump(mode="json")
        self.training = cache(self._training)
        self.test_images = cache(self._test_images)
        self.training_files = cache(content.training_digest)
        self.file = cache(content.file_digest)

    def _training(self, label: str, seed: int) -> Identity:
        """Of the training of an entry that learns."""
        config = self.config
        entry, method = config.entry(label), config.method_of(label)
        parts = {"method": method, "parameters": entry.parameters, "seed": seed}
        if given := config.weights_of(label, seed):
            parts["weights"] = [self.file(given.path), given.key, given.prefix]
            without = reach.NOT_IN_TRAINING | reach.NOT_IN_RESTORING
            return self._with_sources(parts, label, {}, without, TAKING_WEIGHTS)
        weathers = config.weathers_of(label)
        parts |= {
            "settings": config.training_of(label).deciding(),
            "weathers": [*weathers],
            "teacher": entry.teacher and self.training(entry.teacher, seed).digest,
            "initial weights": self._initial_weights(label, seed),
            "training files": self.training_files(config.train_on, weathers),
            "resolved": self._resolved("device", "bf16", "processes"),
        }
        identity = self._with_sources(parts, label, {}, reach.NOT_IN_TRAINING, TRAINING)
        if PERCEPTUAL in identity.definitions:
            identity.parts["weights of metrics"] = self.metric_weights
        return identity

    def _initial_weights(self, label: str, seed: int) -> Any:
        """The training of the entry, or the file, from whose weights a training starts."""
        if name := self.config.initial_entry_of(label):
            return self.training(name, seed).digest
        if given := self.config.initial_file_of(label, seed):
            return [self.file(given.path), given.key, given.prefix]
        return None

    def restoring(self, label: str, variant: str, seed: int, dataset: str) -> Identity:
        """Of the restoring of a data set with a variant."""
        config = self.config
        method, settings = config.method_of(label), config.variants_of(label)[variant]
        columns = content.PAIRS if sources.sees_target(method) else content.INPUTS
        on_cpu = self.resolved["device"] == "cpu"
        parts = {
            "method": method,
            "parameters": config.entry(label).parameters,
            "files": self._named_files(config.entry(label).parameters),
            "variant": settings,
            "weathers": [*config.weathers_of(label)],
            "storages": [asdict(storage) for storage in storages_of(config.protocols)],
            "seed": seed,
            "training": self.training(label, seed).digest if sources.learns(method) else None,
            "images": content.images_digest(self.test_images(dataset), columns),
            "resolved": self._resolved("device", "threads"),
            # On a CPU one image at a time; on a GPU as many as the memory setting allows.
            "batch": 1 if on_cpu else {"gib": config.restoring.batch_gib},
        }
        roots = RESTORING + (SAMPLING if config.samples_of(label, variant) > 1 else ())
        return self._with_sources(parts, label, settings, reach.NOT_IN_RESTORING, roots)

    def scoring_samples(self, label: str, seed: int, dataset: str) -> Identity:
        """Of the scoring of the samples of an entry's variants that draw some."""
        protocols = [name for name in self.config.protocols if not set_metrics_of([name])]
        variants = [
            v for v in self.config.variants_of(label) if self.config.samples_of(label, v) > 1
        ]
        return self._scoring(
            label, seed, dataset, content.PAIRS, protocols, SCORING_SAMPLES, variants
        )

    def scoring(self, label: str, seed: int, dataset: str) -> Identity:
        """Of the scoring of all variants of an entry."""
        protocols = [name for name in self.config.protocols if not set_metrics_of([name])]
        return self._scoring(label, seed, dataset, content.PAIRS, protocols, SCORING)

    def scoring_sets(self, label: str, seed: int, dataset: str) -> Identity:
        """Of the scoring of all variants of an entry as sets of images."""
        protocols = [metric.protocol.name for metric in set_metrics_of(self.config.protocols)]
        columns = (*content.PAIRS, "photo")
        return self._scoring(label, seed, dataset, columns, protocols, SCORING_SETS)

    def _scoring(
        self,
        label: str,
        seed: int,
        dataset: str,
        columns: Sequence[str],
        protocols: Sequence[str],
        roots: Sequence[str],
        variants: Sequence[str] = (),
    ) -> Identity:
        """columns: of images.csv. variants: that are scored; all if empty."""
        variants = variants or [*self.config.variants_of(label)]
        parts = {
            "restorings": {v: self.restoring(label, v, seed, dataset).digest for v in variants},
            "images": content.images_digest(self.test_images(dataset), columns),
            "protocols": [*protocols],
            "weights of metrics": self.metric_weights,
            "sources": (found := reach.reached_by(*roots)).digest,
        }
        return Identity(parts, found.definitions)

    def images(self) -> Identity:
        """Of images.csv: the test images, and what is checked with them."""
        config = self.config
        trained = [label for label in config.methods if config.trains(label)]
        parts = {
            "test images": {
                name: content.images_digest(self.test_images(name)) for name in config.datasets
            },
            "training files": sorted(
                {self.training_files(config.train_on, config.weathers_of(m)) for m in trained}
            ),
        }
        return Identity(parts, {})

    def board(self) -> Identity:
        """Of the collected tables: the order of the entries, and what is said about them."""
        config = self.config
        about = {"title", "path", "licence", "source", "citation", "overlaps"}
        named = sorted({*map(config.card_of, config.datasets)})
        values = config.model_dump(mode="json", exclude={"training", "methods"})
        entries = {
            label: entry.model_dump(mode="json", exclude={"training"})
            | ({"training": config.training_of(label).deciding()} if config.trains(label) else {})
            for label, entry in config.methods.items()
        }
        # A list, because the order counts and a digest sorts the keys of dictionaries.
        parts = {
            "configuration": values,
            "entries": [*entries.items()],
            "cards": [load_card(name).model_dump(mode="json", include=about) for name in named],
        }
        return Identity(parts, {})

    @cached_property
    def metric_weights(self) -> dict[str, str]:
        """The digest of each weight file of the metrics that need one."""
        files = sorted(path for each in PATTERNS for path in WEIGHTS.glob(each))
        return {path.name: self.file(path) for path in files}

    def _test_images(self, dataset: str) -> pd.DataFrame:
        return content.test_images(dataset, self.config.datasets[dataset])

    def _resolved(self, *names: str) -> dict[str, Any]:
        return {name: self.resolved[name] for name in names}

    def _named_files(self, parameters: dict[str, Any]) -> dict[str, str]:
        """The digest of each file that parameters name, such as a published checkpoint."""
        names = [v for v in parameters.values() if isinstance(v, str) and paths.fits_files(v)]
        files = {name: paths.weight_file(name) for name in names}
        return {name: self.file(path) for name, path in files.items() if path.is_file()}

    def _with_sources(
        self,
        parts: dict[str, Any],
        label: str,
        variant: dict[str, Any],
        without: frozenset[str],
        roots: Sequence[str],
    ) -> Identity:
        """An identity of these parts and of the sources that a job of an entry reaches."""
        config = self.config
        settings = {
            **config.entry(label).parameters, **variant, "weathers": config.weathers_of(label),
        }  # fmt: skip
        found = reach.reached_for_entry(
            config.method_of(label), json.dumps(settings), without, tuple(roots)
        )
        return Identity({**parts, "sources": found.digest}, found.definitions)

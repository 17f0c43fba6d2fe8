"""The training job of a run: one entry and seed; and the export of trained weights."""

from pathlib import Path
from typing import Any

from benchmark.core import weights
from benchmark.core.checksum import checksum
from benchmark.core.errors import NotWritten, UserError, WeightsMissing, is_disk_fault
from benchmark.data.training_files import sound_source, training_source
from benchmark.jobs.identity import Identity
from benchmark.jobs.isolation import Failure
from benchmark.jobs.restore import trained_weights
from benchmark.restoring.rows import failure_of
from benchmark.results import schema, simulation, training_record
from benchmark.results.layout import AGAIN, RunFolder
from benchmark.spec import given_weights, sources
from benchmark.spec.build import build
from benchmark.spec.method import LearnedMethod
from benchmark.spec.run_config import Config, WeightFile
from benchmark.training import crops, loop, step


def train(
    config: Config, run: RunFolder, label: str, seed: int, identity: Identity
) -> dict[str, Any] | Failure:
    """Train an entry, or take the weights that its configuration names; returns the content of
    training.json, which `outcome.write_training` writes.

    A checkpoint of the same identity is continued.

    A failure of the method, or of a file of the training data, becomes a status there and on the
    board, and the other methods go on. Raises UserError, which stops the run, if the entry does not
    learn, if there are no training data at all, if given weights or a part of the run are damaged,
    or if the disk is full.
    """
    if not sources.learns(config.method_of(label)):
        raise UserError(f"'{label}' has nothing to train.")
    folder = run.training(label, seed).absolute()  # a method may change the working folder
    settings, weathers = config.training_of(label), config.weathers_of(label)
    given, teacher = config.weights_of(label, seed), config.entry(label).teacher
    if not given:
        training_source(config.train_on, weathers)  # data that were not pulled are no failure of it
    taught = trained_weights(run, teacher, seed) if teacher and not given else None
    initial = config.initial_entry_of(label)
    started = trained_weights(run, initial, seed) if initial and not given else None
    try:
        method = build(config, label, seed)
    except Exception as error:
        return Failure(**failure_of(error))
    if given:
        try:
            return _take_weights(method, given, folder)
        except WeightsMissing as error:
            return Failure(**failure_of(error))
    try:
        start = _start_from(method, config, label, seed, started)
        if taught:
            _learn_from(method, config, teacher, seed, *taught)
        source = sound_source(config.train_on, weathers)
        flops = step.training_flops(method, settings)
        shorter = config.entry(label).goes_on_from
        before = shorter and run.training(shorter, seed).absolute()
        facts = loop.train(method, source, settings, seed, folder, identity.parts, weathers, before)
    except NotWritten:
        raise
    except Exception as error:
        if is_disk_fault(error):
            raise NotWritten.because(folder, error) from error
        return Failure(**failure_of(error))
    return {
        "status": schema.OK,
        "identity": identity.digest,
        **facts,
        "flops": flops,
        "settings": {**settings.model_dump(mode="json"), **start},
        "weathers": weathers,
        simulation.KEY: crops.simulation_version(source),
    }


def _take_weights(method: LearnedMethod, given: WeightFile, folder: Path) -> dict[str, Any]:
    """Write the weights of a file into the training's folder; returns its training facts."""
    facts = training_record.check(given_weights.load(method, given), f"{given.file}: training")
    folder.mkdir(parents=True, exist_ok=True)
    weights.save(method.network, folder / "weights.safetensors")
    (folder / "curve.csv").unlink(missing_ok=True)
    return {**facts, simulation.KEY: simulation.of_training(facts)}


def export_weights(config: Config, run: RunFolder, out: Path) -> list[Path]:
    """Write the weights of a run's trained entries to `out/ENTRY-SEED.safetensors`, half precision.

    Entries whose training failed or is not done yet are left out. Returns the files.
    """
    written = []
    for label in config.methods:
        for seed in config.seeds_of(label):
            folder = run.training(label, seed)
            if not (folder / "training.json").exists():
                continue
            trained = training_record.read(folder, AGAIN)
            if trained["status"] != schema.OK:
                continue
            file = out / f"{label}-{seed}.safetensors"
            weights.export(folder / "weights.safetensors", file, trained)
            written.append(file)
    return written


def _start_from(
    method: LearnedMethod,
    config: Config,
    label: str,
    seed: int,
    started: tuple[Path, Failure | None] | None,
) -> dict[str, str]:
    """Load the weights from which the training starts, if any; returns what to say about them.

    started: the weights of another entry, or why there are none; None for those of a file.
    """
    name = config.initial_entry_of(label)
    if started is None:
        given = config.initial_file_of(label, seed)
        if given is None:
            return {}
        given_weights.load(method, given)
        return {"initial_weights": given.file, "initial_sha256": checksum(given.path)}
    file, failure = started
    if failure:
        raise RuntimeError(f"'{name}', from which it starts, was not trained: {failure.reason}")
    weights.load(method.network, file)
    return {"initial_weights": name, "initial_sha256": checksum(file)}


def _learn_from(
    method: LearnedMethod,
    config: Config,
    teacher: str,
    seed: int,
    file: Path,
    failure: Failure | None,
) -> None:
    """Give a method its trained teacher."""
    if failure:
        raise RuntimeError(f"its teacher '{teacher}' was not trained: {failure.reason}")
    trained = build(config, teacher, seed)
    weights.load(trained.network, file)
    method.learn_from(trained)

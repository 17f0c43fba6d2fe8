"""The training job of a run: one entry and seed; and the export of trained weights."""

import traceback
from pathlib import Path
from typing import Any

from accelerate import PartialState

from benchmark.core import weights
from benchmark.core.checksum import checksum
from benchmark.core.errors import DISK_FAULTS, NotWritten, UserError, WeightsMissing
from benchmark.core.json_io import write_json
from benchmark.data.training_files import training_source
from benchmark.jobs.isolation import Failure
from benchmark.jobs.restore import trained_weights
from benchmark.restoring import dataset
from benchmark.results import schema, training_record
from benchmark.results.layout import AGAIN, RunFolder
from benchmark.spec.build import build
from benchmark.spec.method import LearnedMethod
from benchmark.spec.run_config import Config
from benchmark.training import loop, step


def train(config: Config, run: RunFolder, label: str, seed: int) -> dict[str, Any]:
    """Train an entry, or take the weights that its configuration names; write training.json.

    A failure of the method becomes a status there and on the board, and the other methods go on. A
    UserError (for example missing data) stops the run. Returns the content of training.json.
    """
    folder = run.training(label, seed)
    settings, weathers = config.training_of(label), config.weathers_of(label)
    try:
        method = build(config, label, seed)
        if not isinstance(method, LearnedMethod):
            raise UserError(f"'{label}' has nothing to train.")
        if file := config.weights_of(label, seed):
            result = _take_weights(method, file, folder)
        else:
            teacher = _load_teacher(config, run, label, seed, method)
            source = training_source(config.train_on, weathers)
            flops = step.training_flops(method, settings)
            facts = loop.train(method, source, settings, seed, folder, teacher, weathers)
            result = {
                "status": schema.OK,
                **facts,
                "flops": flops,
                "settings": settings.model_dump(mode="json"),
                "weathers": weathers,
            }
    except WeightsMissing as error:
        result = {"status": schema.WEIGHTS_MISSING, "reason": str(error)}
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FAULTS:
            raise NotWritten.because(folder, error) from error
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
        result = _failure(run, label, seed, dataset.status_of(error), reason)
    if PartialState().is_main_process:
        write_json(folder / "training.json", result)
    return result


def write_failure(run: RunFolder, label: str, seed: int, failure: Failure) -> None:
    """Write the training.json of a training whose process was killed before it could write it."""
    result = _failure(run, label, seed, failure.status, failure.reason)
    write_json(run.training(label, seed) / "training.json", result)


def _failure(run: RunFolder, label: str, seed: int, status: str, reason: str) -> dict[str, Any]:
    log = run.log("train", label, f"seed{seed}")
    return {"status": status, "reason": f"training: {reason} (log: {log})"}


def _take_weights(method: LearnedMethod, file: Path, folder: Path) -> dict[str, Any]:
    """Copy an exported weight file into the training's folder; returns its training facts."""
    facts = training_record.check(weights.exported_facts(file), f"{file}: training")
    weights.load(method.network, file)
    folder.mkdir(parents=True, exist_ok=True)
    weights.save(method.network, folder / "weights.safetensors")
    (folder / "curve.csv").unlink(missing_ok=True)
    return facts


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


def _load_teacher(
    config: Config, run: RunFolder, label: str, seed: int, method: LearnedMethod
) -> str:
    """Give a method its trained teacher, if the entry names one.

    Returns the checksum of the teacher's weights, or "".
    """
    name = config.entry(label).teacher
    if name is None:
        return ""
    file, failure = trained_weights(run, name, seed)
    if failure:
        raise RuntimeError(f"its teacher '{name}' was not trained: {failure}")
    teacher = build(config, name, seed)
    weights.load(teacher.network, file)
    method.learn_from(teacher)
    return checksum(file)

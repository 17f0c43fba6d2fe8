"""Restores the user's own photos with a trained method."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmark.core import device
from benchmark.core.checksum import checksum
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError, WeightsMissing, nearest, one_line
from benchmark.core.paths import is_utf8, shown, where_the_data_come_from
from benchmark.core.validation import parse
from benchmark.restoring import computing, dataset, output
from benchmark.restoring.change import Usual, blend, change
from benchmark.restoring.comparison import write_comparison
from benchmark.restoring.photo_formats import header, refuse_unreadable, written_as
from benchmark.restoring.photo_io import Photo, check_size, read_photo, sentence, write_photo
from benchmark.restoring.photo_names import Output
from benchmark.restoring.samples import sample_generator
from benchmark.restoring.spread import Spread, write_map
from benchmark.results.layout import RunFolder
from benchmark.spec import given_weights, sources
from benchmark.spec.build import build
from benchmark.spec.method import Method, Settings
from benchmark.spec.run_config import Config, WeightFile
from benchmark.spec.variant import Execution, split

SAMPLE = 384  # side in pixels of the picture by which a method's speed is measured


@dataclass(frozen=True)
class Restorer:
    """A method with its weights on the device, and its settings.

    name: for headings. samples: how many restorations of a photo are drawn for the map of its
    uncertainty. strength: share of the method's change that a photo gets, in [0, 1]. usual:
    the change that the method makes to pictures with weather; None if it is not known. execution:
    the variant's settings that the suite carries out; of them, its own `samples` do not count.
    """

    name: str
    method: Method
    settings: Settings
    machine: torch.device
    strength: float = 1.0
    usual: Usual | None = None
    samples: int = 1
    execution: Execution = dataset.AS_USUAL


@dataclass(frozen=True)
class Outcome:
    """What became of a photo. problem: why it was not restored; empty if it was. notes: sentences
    on what its owner should know. uncertainty: one on how much its restorations differ."""

    photo: Path
    problem: str = ""
    notes: tuple[str, ...] = ()
    uncertainty: str = ""


def restorer(
    config: Config,
    where: Path,
    run: RunFolder,
    label: str,
    variant: str | None = None,
    steps: int | None = None,
    strength: float = 1.0,
    usual: Usual | None = None,
    samples: int = 1,
) -> Restorer:
    """An entry of a run, ready to restore.

    where: the run's file, for messages. variant: the entry's first if None. steps: in place of the
    variant's own. strength, usual, samples: of `Restorer`. Raises UserError if there is no such
    entry or variant, or if the method has no steps or needs the ground truth; WeightsMissing if its
    weights are missing.
    """
    variants = config.variants_of(label)
    variant = variant or next(iter(variants))
    if variant not in variants:
        raise UserError(f"'{label}' has no variant '{variant}'.{nearest(variant, variants)}")
    method = build(config, label, config.seeds_of(label)[0])
    if method.sees_target:
        raise UserError(f"'{label}' needs the ground truth and cannot restore a photo.")
    values: dict[str, Any] = {**variants[variant]}
    name = label if variant == "default" else f"{label} {variant}"
    if steps is not None:
        if "steps" not in method.Variant.model_fields:
            raise UserError(f"'{label}' does not work in steps: leave out --steps.")
        values["steps"], name = steps, f"{label} with {steps} steps"
    place = f"{where}: methods.{label}.variants.{variant}"
    own, values = split(values)
    settings, execution = parse(method.Variant, values, place), parse(Execution, own, place)
    machine = device.choose()
    file = weights_of(config, where, run, label)
    if isinstance(file, WeightFile):
        given_weights.load(method, file)
        dataset.place(method, machine)
    else:
        dataset.ready(method, file, machine)
    computing.prepare(method, execution)
    return Restorer(name, method, settings, machine, strength, usual, samples, execution)


def weights_of(config: Config, where: Path, run: RunFolder, label: str) -> Path | WeightFile | None:
    """An entry's weight file: of the run's training, or else that named in the configuration.

    None for a method that does not learn. Raises WeightsMissing, which says what to run.
    """
    if not sources.learns(config.method_of(label)):
        return None
    seed = config.seeds_of(label)[0]
    trained = run.training(label, seed) / "weights.safetensors"
    if trained.exists():
        return trained
    named = config.weights_of(label, seed)
    if named is None:
        raise WeightsMissing(f"'{label}' is not trained ({trained} is missing): {remedy(where)}.")
    if not named.path.exists():
        raise WeightsMissing(
            f"The weights of '{label}' are missing ({shown(named.path)}): "
            f"{where_the_data_come_from()}, or choose another --config whose run is complete."
        )
    return named


def weights_checksum(config: Config, run: RunFolder, label: str) -> str:
    """The SHA-256 of an entry's weights; empty if the method does not learn or has none.

    Of weights that the configuration names, it is that of the named file: a run has a copy of it
    in another form.
    """
    try:
        file = weights_of(config, Path(), run, label)
    except WeightsMissing:
        return ""
    named = config.weights_of(label, config.seeds_of(label)[0])
    if file and named and named.path.exists():
        file = named.path
    return checksum(file) if file else ""


def restore_photos(restorer: Restorer, results: list[Output]) -> list[Outcome]:
    """Restore photos one by one; a photo that fails does not stop the others."""
    sizes = [found.megapixels if (found := header(r.photo)) else 0.0 for r in results]
    outcomes = []
    digits = 1 if sum(sizes) >= 1 else 3
    done = f"{{n:.{digits}f}}/{{total:.{digits}f}} MP"
    form = f"{{desc}}: {{percentage:3.0f}}%|{{bar}}| {done} [{{elapsed}}<{{remaining}}]{{postfix}}"
    with tqdm(total=sum(sizes), desc=restorer.name, bar_format=form) as bar:
        for number, (result, size) in enumerate(zip(results, sizes, strict=True), 1):
            bar.set_postfix_str(f"photo {number} of {len(results)}")
            start = bar.n
            try:
                with _progress(restorer, bar, size):
                    outcomes.append(_restore_one(restorer, result))
            except Exception as error:
                outcomes.append(Outcome(result.photo, problem=_reason(result.photo, error)))
            bar.update(start + size - bar.n)
    return outcomes


def seconds_per_megapixel(restorer: Restorer, sizes: Sequence[tuple[int, int]]) -> float:
    """The time that a megapixel of such photos takes here, by a picture of `SAMPLE` pixels.

    sizes: (width, height) of the photos; tiles overlap more in some than in others. A smaller
    picture goes first, because the first call of a network takes longer. Raises UserError if the
    method fails on them: then it would fail on every photo.
    """
    for side in (SAMPLE // 4, SAMPLE):
        picture = torch.rand(1, 3, side, side, device=restorer.machine)
        start = time.perf_counter()
        try:
            dataset.to_pixels(_run(restorer, picture, "sample"))
        except ValueError as error:
            raise UserError(
                f"{restorer.name} cannot restore a photo: {error}. Choose another --method, "
                "--variant or --steps."
            ) from error
        seconds = time.perf_counter() - start
    evaluated = sum(_evaluated(restorer, *size) for size in sizes)
    return seconds * 1e6 / SAMPLE**2 * evaluated / sum(map(math.prod, sizes))


def _restore_one(restorer: Restorer, result: Output) -> Outcome:
    """Restore a photo; returns the notes on it."""
    name = shown(result.photo)
    if not is_utf8(result.photo.name):
        raise UserError(f"The name of {name} is not valid UTF-8. Rename the file.")
    refuse_unreadable(result.photo)
    kind = written_as(result.restored)
    if found := header(result.photo):  # before the computation, which may take minutes
        check_size(result.restored, found.width, found.height)
    photo = read_photo(result.photo)
    degraded = dataset.to_tensor(photo.pixels, restorer.machine)
    pixels = dataset.to_pixels(_run(restorer, degraded, result.photo.name))
    notes = [*photo.warnings, *_change_notes(restorer, photo, pixels, name)]
    uncertainty = ""
    if result.uncertainty:
        spread = _spread(restorer, degraded, result.photo.name, pixels)
        uncertainty = f"{name}: {write_map(result.uncertainty, spread, restorer.strength)}."
    del degraded
    pixels = blend(photo.pixels, pixels, restorer.strength)
    lost = write_photo(result.restored, pixels, photo)
    if photo.alpha is not None and not kind.alpha:
        lost.append("transparency (it becomes white)")
    notes += [f"{name}: its {part} is not kept in {shown(result.restored)}." for part in lost]
    if result.comparison:
        write_comparison(result.comparison, photo.pixels, pixels, restorer.name)
    return Outcome(result.photo, notes=tuple(notes), uncertainty=uncertainty)


def _spread(restorer: Restorer, degraded: torch.Tensor, name: str, first: np.ndarray) -> np.ndarray:
    """The standard deviation (H, W) of `restorer.samples` restorations, in levels.

    first: the first of them. Where the second is the same, noise plays no part, and no more are
    drawn.
    """
    spread = Spread(first)
    for number in range(1, restorer.samples):
        pixels = dataset.to_pixels(_run(restorer, degraded, name, number))
        spread.add([pixels])
        if number == 1 and (pixels == first).all():
            break
    return spread.map()


def _run(restorer: Restorer, degraded: torch.Tensor, name: str, sample: int = 0) -> torch.Tensor:
    generator = sample_generator("photo", name, sample=sample)
    arithmetic = device.arithmetic(restorer.machine, restorer.execution.precision)
    with torch.inference_mode(), arithmetic:
        restored = restorer.method.restore(degraded, restorer.settings, [generator])
    output.check(restored, degraded)
    return restored


def _change_notes(restorer: Restorer, photo: Photo, pixels, name: str) -> list[str]:
    if restorer.usual is None:
        return []
    verdict = restorer.usual.verdict(change(photo.pixels, pixels))
    return [f"{name}: {verdict}"] if verdict else []


@contextmanager
def _progress(restorer: Restorer, bar: tqdm, megapixels: float) -> Iterator[None]:
    """Inside, the bar advances with each call of the method's network, up to a photo's size."""
    network = restorer.method.network
    if network is None or not megapixels:
        yield
        return
    # The photo's shape is not known yet, only its size: tiles of a square one are about as many.
    side = round((megapixels * 1e6) ** 0.5)
    share = megapixels / max(1, restorer.method.evaluations(restorer.settings))
    share /= restorer.samples
    share /= _evaluated(restorer, side, side)
    end = bar.n + megapixels

    def advance(_, inputs: tuple[torch.Tensor, ...], __) -> None:
        batch, height, width = len(inputs[0]), *inputs[0].shape[-2:]
        bar.update(max(0.0, min(share * batch * height * width, end - bar.n)))

    hook = network.register_forward_hook(advance)
    try:
        yield
    finally:
        hook.remove()


def _evaluated(restorer: Restorer, width: int, height: int) -> int:
    """The pixels of all tiles of a photo, and of the photo at low resolution that they follow.

    Its own pixels if the method works without tiles.
    """
    tile, overlap, context = (
        getattr(restorer.settings, name, 0) for name in ("tile", "overlap", "context")
    )
    if not tile or max(width, height) <= tile:
        return width * height
    pixels = 1
    for side in (width, height):
        pixels *= side if side <= tile else tile * -(-(side - overlap) // (tile - overlap))
    if context:
        factor = -(-max(width, height) // min(context, tile))
        pixels += -(-width // factor) * -(-height // factor)
    return pixels


def _reason(photo: Path, error: Exception) -> str:
    """An error as a sentence that names the photo."""
    return sentence(photo, str(error) if isinstance(error, UserError) else one_line(error))


def remedy(where: Path) -> str:
    """The command that makes the run of a configuration file, for messages on missing results."""
    return f"run '{PROGRAM} run --config {where}'"

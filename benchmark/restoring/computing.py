"""Calls a method's `restore`: times it, counts what it takes, and computes batches.

`Computer.restore` returns a result or an exception for each image: what one image does to a method
must not hit the others.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmark.core import device, heap, streams
from benchmark.core.flops import flop_counter
from benchmark.core.seeds import torch_generator
from benchmark.restoring import output, shapes
from benchmark.restoring.units import Size, Unit
from benchmark.spec.method import LearnedMethod, Method, Settings
from benchmark.spec.variant import Execution

GIB = 2**30
Restored = tuple[Tensor, dict[str, Any]] | Exception  # (1, 3, H, W) on the device, and its cost


def prepare(method: Method, execution: Execution) -> None:
    """Set the precision of this process, and compile the network if the execution says so."""
    device.allow_tf32(execution.precision == "tf32")
    if execution.compile and isinstance(method, LearnedMethod):
        # torch's compiler needs this call; the setting that `device.choose` makes does not reach
        # it.
        torch.use_deterministic_algorithms(True)
        method.network.compile(dynamic=False)


class Computer:
    """Restores images with one method, on one device.

    settings: of the method's `Variant`. seed: of the noise.
    """

    def __init__(
        self,
        method: Method,
        settings: Settings,
        seed: int,
        machine: torch.device,
        execution: Execution,
    ):
        self.method, self.settings, self.seed, self.machine = method, settings, seed, machine
        self.execution = execution
        self.needs: dict[Size, shapes.Needs] = {}
        self._warm: set[Size] = set()  # of single images that were computed
        self._end: float | None = None  # of the last batch
        self._last: Size | None = None  # of the last single image
        prepare(method, execution)

    def batch_of(self, size: Size, gib: float) -> int:
        """How many images of a size fit into `gib` GiB of tensors; 1 if that is not known.

        Also 1 for a variant with a limit of `memory` of its own: its tiles depend on the batch, and
        an image's result must not.
        """
        if getattr(self.settings, "memory", None) is not None:
            return 1
        found = shapes.needs(self.method, self.settings, size)
        if found is None:
            return 1
        self.needs[size] = found
        return int(gib * GIB // max(found.tensors, 1))

    def restore(
        self, unit: Unit, rows: Sequence[Any], images: list[list[Tensor]]
    ) -> list[Restored]:
        """The results of a unit, in the order of its images.

        rows: of images.csv, with dataset, weather and image, which seed the noise. images: for each
        its input and, for a method that sees it, the target: float32 (1, 3, H, W) in [0, 1] on the
        CPU.
        """
        if len(rows) > 1:
            self._end = self._end or time.perf_counter()
            try:
                return self._batch(rows, images)
            except Exception:  # of one of them: alone, the others are restored
                self._end = None
                return [self._single(Unit(unit.images, unit.size), row, x) for row, x in
                        zip(rows, images, strict=True)]  # fmt: skip
        self._end = None
        return [self._single(unit, rows[0], images[0])]

    def _single(self, unit: Unit, row: Any, images: list[Tensor]) -> Restored:
        try:
            size = tuple(images[0].shape[-2:])
            if size != self._last:  # else the peak would be that of a larger image
                heap.give_back_freed_memory()
            self._last = size
            if unit.again or (unit.timed and size not in self._warm):  # the warm-up failed
                with self._counted(size):
                    self._call([row], images)
            device.reset_peak_memory(self.machine)
            inputs = self._moved(images)
            with self._counted(size), device.Stopwatch(self.machine) as watch:
                restored = self._run([row], inputs)
            self._warm.add(size)
            streams.reopen_closed()
            output.check(restored, images[0])
        except Exception as error:
            return error
        cost = {"peak_memory_bytes": device.peak_memory(self.machine)}
        if unit.timed:
            cost["seconds"] = round(watch.seconds, 6)
        return restored, self._cost(size) | cost

    def _batch(self, rows: Sequence[Any], images: list[list[Tensor]]) -> list[Restored]:
        """All images at once. Their time goes from the end of the batch before to that of this one,
        so it has the waiting for images that were not decoded in time."""
        together = [torch.cat(kind) for kind in zip(*images, strict=True)]
        restored = self._call(rows, together)
        streams.reopen_closed()
        output.check(restored, together[0])
        device.wait(self.machine)
        start, self._end = self._end, time.perf_counter()
        cost = {"batch_seconds": round((self._end - start) / len(rows), 6)}
        cost |= self._cost(tuple(together[0].shape[-2:]))
        return [(restored[n : n + 1], cost) for n in range(len(rows))]

    def _cost(self, size: Size) -> dict[str, Any]:
        return {
            "width": size[1],
            "height": size[0],
            "nfe": self.method.evaluations(self.settings),
            "flops": self.needs[size].flops,
            "device": device.describe(self.machine),
        }

    @contextmanager
    def _counted(self, size: Size) -> Iterator[None]:
        """Count the operations of the first call with images of a size, which is a warm-up.

        Counting by shapes alone would take longer: for it, torch imports its compiler. A network
        that is compiled shows no operations when it computes.
        """
        if self.execution.compile and size not in self.needs:
            self.needs[size] = shapes.needs(self.method, self.settings, size) or shapes.Needs()
        if size in self.needs:
            yield
            return
        with flop_counter() as counter:
            yield
        self.needs[size] = shapes.Needs(counter.get_total_flops() or None)

    def _call(self, rows: Sequence[Any], images: list[Tensor]) -> Tensor:
        return self._run(rows, self._moved(images))

    def _run(self, rows: Sequence[Any], images: list[Tensor]) -> Tensor:
        # The seed depends on the image's name only, not on the images restored before it.
        names = [("restore", row.dataset, row.weather, row.image, self.seed) for row in rows]
        generators = [torch_generator(*name) for name in names]
        with torch.inference_mode(), device.arithmetic(self.machine, self.execution.precision):
            return self.method.restore(images[0], self.settings, generators, *images[1:])

    def _moved(self, images: list[Tensor]) -> list[Tensor]:
        """Copies on the device: a method may change its input in place."""
        return [image.to(self.machine, copy=True).contiguous() for image in images]

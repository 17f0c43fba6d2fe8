"""What restoring an image of a size takes, from the shapes of the tensors alone."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.core.flops import flop_counter
from benchmark.core.memory import PeakMemory
from benchmark.core.seeds import torch_generator
from benchmark.spec.hollow import hollow
from benchmark.spec.method import LearnedMethod, Method, Settings


@dataclass(frozen=True)
class Needs:
    """flops: floating-point operations; None if torch counts none, or they are not known. tensors:
    the most bytes of tensors at a time, without weights; None if that is not known."""

    flops: int | None = None
    tensors: int | None = None


def needs(
    method: Method, settings: Settings, size: tuple[int, int], memory: bool = False
) -> Needs | None:
    """Of one image of (height, width), without computing; None if the method must compute for it.

    The networks of a learned method run on tensors without content (`hollow`); another method runs
    on such an image itself, if it can. memory: whether to count `tensors` too, which takes as long
    again.
    """
    place = "cpu" if isinstance(method, LearnedMethod) else "meta"
    tensors = PeakMemory() if memory else nullcontext()
    try:
        with _placed(method, place), hollow(method), flop_counter() as counter, tensors:
            image = torch.zeros(1, 3, *size, device=place)
            _restore(method, settings, image, *([image] if method.sees_target else []))
    except Exception:  # it reads values, as NumPy does, or does more than call its network
        return None
    return Needs(counter.get_total_flops() or None, tensors.peak if memory else None)


def counted(method: Method, settings: Settings, images: list[Tensor]) -> Needs:
    """As `needs`, by computing once for an image (and its target) on the method's device."""
    with flop_counter() as counter:
        _restore(method, settings, *images)
    return Needs(counter.get_total_flops() or None)


def _restore(method: Method, settings: Settings, image: Tensor, *target: Tensor) -> None:
    with torch.inference_mode():
        method.restore(image, settings, [torch_generator("shapes")], *target)


@contextmanager
def _placed(method: Method, place: str) -> Iterator[None]:
    device = method.device
    method.device = place
    try:
        yield
    finally:
        method.device = device

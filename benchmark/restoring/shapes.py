"""What restoring an image of a size takes, from the shapes of the tensors alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

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


def needs(method: Method, settings: Settings, size: tuple[int, int]) -> Needs | None:
    """Of one image of (height, width), without computing; None if the method must compute for it.

    The networks of a learned method run on tensors without content (`hollow`); another method runs
    on such an image itself, if it can.
    """
    place = "cpu" if isinstance(method, LearnedMethod) else "meta"
    tensors = PeakMemory()
    try:
        with _placed(method, place), hollow(method), flop_counter() as counter, tensors:
            image = torch.zeros(1, 3, *size, device=place)
            target = [image] if method.sees_target else []
            with torch.inference_mode():
                method.restore(image, settings, [torch_generator("shapes")], *target)
    except Exception:  # it reads values, as NumPy does, or does more than call its network
        return None
    return Needs(counter.get_total_flops() or None, tensors.peak)


@contextmanager
def _placed(method: Method, place: str) -> Iterator[None]:
    device = method.device
    method.device = place
    try:
        yield
    finally:
        method.device = device

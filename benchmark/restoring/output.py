"""Refuses what a method may not return, and says what it probably forgot."""

import torch

LARGEST_EXCESS = 1.0  # far more than a method overshoots by, and far less than 255
ONE_SIDED = 0.1  # a network that diverged strays to both sides: its scores say how bad it is


def check(restored: torch.Tensor, degraded: torch.Tensor) -> None:
    """Raise ValueError, with a hint, unless `restored` can be a restoration of `degraded`.

    It must be a floating-point tensor of the same shape. Values outside [0, 1] are allowed, since
    the suite clips them, but not if they exceed 1 by more than LARGEST_EXCESS on average and hardly
    fall below 0: these are 8-bit levels.
    """
    if not isinstance(restored, torch.Tensor):
        raise ValueError(
            f"restore() returned {type(restored).__name__}, expected a torch.Tensor like the input."
        )
    if not restored.is_floating_point():
        kind = str(restored.dtype).removeprefix("torch.")
        hint = " Divide 8-bit values by 255." if kind == "uint8" else ""
        raise ValueError(f"restore() returned {kind}, expected float32 in [0, 1].{hint}")
    if restored.shape != degraded.shape:
        raise ValueError(
            f"restore() returned the shape {tuple(restored.shape)} for an input of "
            f"{tuple(degraded.shape)}: the shapes must be equal."
        )
    above = (restored - 1).clamp(min=0).mean()
    below = (-restored).clamp(min=0).mean()
    if above > LARGEST_EXCESS and below < ONE_SIDED * above and torch.isfinite(above):
        low, high = restored.min().item(), restored.max().item()
        raise ValueError(
            f"restore() returned values from {low:.3g} to {high:.3g}, expected [0, 1]. If they are "
            "8-bit levels, divide them by 255."
        )

"""Refuses what a method may not return, and says what it probably forgot."""

import torch

from benchmark.core.image_io import parts

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
    above, below = _mean_beyond(restored)
    if above > LARGEST_EXCESS and below < ONE_SIDED * above and torch.isfinite(above):
        low, high = restored.min().item(), restored.max().item()
        raise ValueError(
            f"restore() returned values from {low:.3g} to {high:.3g}, expected [0, 1]. If they are "
            "8-bit levels, divide them by 255."
        )


def _mean_beyond(restored: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean excess above 1 and the mean shortfall below 0, of (B, C, H, W)."""
    rows = restored.movedim(-2, 0)
    above, below = torch.zeros((), device=restored.device), torch.zeros((), device=restored.device)
    for part in parts(rows.shape):
        above = above + (rows[part] - 1).clamp_(min=0).sum(dtype=torch.float32)
        below = below + (-rows[part]).clamp_(min=0).sum(dtype=torch.float32)
    return above / restored.numel(), below / restored.numel()

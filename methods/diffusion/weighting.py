"""Loss weights: the weight of the error at each time.

A weighting is a function `(target, snr) -> weight` of the prediction target and of the
signal-to-noise ratio ᾱ_t / (1 - ᾱ_t) as (B, 1, 1, 1) (`Schedule.snr`); the weight has the same
shape and multiplies the squared error of that target. Finite for 0 <= snr <= inf.
"""

import torch
from torch import Tensor

from benchmark import Alternatives
from methods.diffusion.targets import Target


def plain(target: Target, snr: Tensor) -> Tensor:
    """1 at every time: equation (12) of docs/mathematics.md for ε, the same form for x0 and v."""
    return torch.ones_like(snr)


def min_snr(target: Target, snr: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR-γ (Hang et al., 2023): min(SNR, γ) on the squared error of x0.

    The squared errors are related by |Δε|² = SNR |Δx0|² and |Δv|² = (SNR + 1) |Δx0|². So the same
    loss has the weight min(SNR, γ) / SNR on ε and min(SNR, γ) / (SNR + 1) on v. Where SNR = 0 (zero
    terminal SNR) the weight of x0 and v is 0: that time is not trained, because noise alone has no
    information on x0. With a condition there is information; use `plain` then.
    """
    if target == "x0":
        return snr.clamp(max=gamma)
    if target == "v":
        return snr.clamp(max=gamma) / (snr + 1)
    return gamma / snr.clamp(min=gamma)


def edm(target: Target, snr: Tensor, deviation: float) -> Tensor:
    """1 + s² SNR on the squared error of x0 (Karras et al., 2022, table 1: 1/c_out², times s²).

    deviation: s, that of the residual (`methods.diffusion.preconditioning`). The network's own
    output then has the same weight at all times. Infinite at t = 0 (infinite SNR), which is no
    training time. Raises ValueError for another target than x0.
    """
    if target != "x0":
        raise ValueError(f"weighting 'edm' is made for the target x0, not for {target}")
    return 1 + deviation**2 * snr


WEIGHTINGS: Alternatives = {"plain": plain, "min-snr": min_snr, "edm": edm}

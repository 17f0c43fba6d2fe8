"""Prediction targets of the network: the noise ε, the clean image x0, or the velocity v.

    x_t = a x0 + b ε,  v = a ε - b x0,  a = √ᾱ_t,  b = √(1 - ᾱ_t),  a² + b² = 1

(Salimans and Ho, 2022, section 4 and appendix D). Given x_t and t, each of the three determines the
others exactly. There are two exceptions: ε does not determine x0 where a = 0, and x0 does not
determine ε where b = 0.
"""

from typing import Literal

import torch
from torch import Tensor

Target = Literal["epsilon", "x0", "v"]


def to_x0(target: Target, prediction: Tensor, x_t: Tensor, signal, noise) -> Tensor:
    """The clean image for a prediction of any target.

    prediction, x_t: (B, C, H, W); signal = √ᾱ_t and noise = √(1 - ᾱ_t): numbers, or tensors that
    broadcast with x_t. Raises ValueError for `epsilon` where signal is 0.
    """
    if target == "x0":
        return prediction
    if target == "v":
        return signal * x_t - noise * prediction
    if _any_zero(signal):
        raise ValueError(
            "ε does not determine x0 where ᾱ = 0 (zero terminal SNR): set target to x0 or v"
        )
    return (x_t - noise * prediction) / signal


def to_epsilon(x0: Tensor, x_t: Tensor, signal, noise) -> Tensor:
    """ε = (x_t - √ᾱ_t x0) / √(1 - ᾱ_t), from equation (5); arguments as for `to_x0`.

    Raises ValueError where `noise` is 0 (t = 0), because x_t then has no noise.
    """
    if _any_zero(noise):
        raise ValueError("x0 does not determine ε where ᾱ = 1 (t = 0)")
    return (x_t - signal * x0) / noise


def from_x0(target: Target, x0: Tensor, epsilon: Tensor, signal, noise) -> Tensor:
    """The value of the target for a known x0 and ε, (B, C, H, W); else as for `to_x0`."""
    if target == "x0":
        return x0
    if target == "v":
        return signal * epsilon - noise * x0
    return epsilon


def _any_zero(value) -> bool:
    return bool((torch.as_tensor(value) == 0).any())

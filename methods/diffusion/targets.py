"""What the network predicts: the noise ε, the clean image x0, or the velocity v.

Given x_t and t, any one of the three determines the others exactly:
x_t = a x0 + b ε and v = a ε - b x0 with a = √ᾱ_t, b = √(1 - ᾱ_t), a² + b² = 1
(Salimans and Ho, 2022, section 4 and appendix D). Two conversions fail at an end: x0 from ε where
a = 0, and ε from x0 where b = 0.
"""

from typing import Literal

import torch
from torch import Tensor

Target = Literal["epsilon", "x0", "v"]


def to_x0(target: Target, prediction: Tensor, x_t: Tensor, signal, noise) -> Tensor:
    """The clean image that a prediction stands for.

    signal = √ᾱ_t and noise = √(1 - ᾱ_t): numbers, or tensors that broadcast against x_t. Raises
    ValueError for `epsilon` where signal is 0: noise alone says nothing of x0.
    """
    if target == "x0":
        return prediction
    if target == "v":
        return signal * x_t - noise * prediction
    if _any_zero(signal):
        raise ValueError("x0 cannot be had from ε where ᾱ = 0 (zero terminal SNR): predict x0 or v")
    return (x_t - noise * prediction) / signal


def to_epsilon(x0: Tensor, x_t: Tensor, signal, noise) -> Tensor:
    """The noise that leads from x0 to x_t by equation (5).

    Raises ValueError where `noise` is 0 (t = 0): there is none in x_t.
    """
    if _any_zero(noise):
        raise ValueError("ε cannot be had from x0 where ᾱ = 1 (t = 0)")
    return (x_t - signal * x0) / noise


def from_x0(target: Target, x0: Tensor, epsilon: Tensor, signal, noise) -> Tensor:
    """What the network should predict, for a known x0 and ε."""
    if target == "x0":
        return x0
    if target == "v":
        return signal * epsilon - noise * x0
    return epsilon


def _any_zero(value) -> bool:
    return bool((torch.as_tensor(value) == 0).any())

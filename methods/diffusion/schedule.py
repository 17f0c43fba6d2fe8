"""Noise schedules: how much of the clean image is left at each time.

Time runs t = 0, 1, ..., T; ᾱ_0 = 1 (no noise) and, for a sound schedule, ᾱ_T ≈ 0 (noise alone).
Everything is float64 on the CPU; samplers read single numbers from here.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """ᾱ_0 ... ᾱ_T as a float64 tensor of T + 1 values, falling from 1.

    Raises ValueError if ᾱ does not start at 1, does not fall, or leaves (0, 1].
    """

    alpha_bar: Tensor

    def __post_init__(self):
        a = self.alpha_bar
        if a.dtype != torch.float64 or a.ndim != 1 or len(a) < 2:
            raise ValueError("alpha_bar must be a 1-D float64 tensor of T + 1 >= 2 values")
        if a[0] != 1 or not bool((a[1:] < a[:-1]).all()) or a[-1] < 0:
            raise ValueError("alpha_bar must start at 1, fall at every step and stay at or above 0")

    @classmethod
    def from_betas(cls, betas: Tensor) -> "Schedule":
        """ᾱ_t = Π_{s<=t} (1 - β_s), from β_1 ... β_T."""
        one = torch.ones(1, dtype=torch.float64)
        return cls(torch.cat([one, torch.cumprod(1 - betas.double(), dim=0)]))

    @property
    def T(self) -> int:
        """The last time, at which sampling starts."""
        return len(self.alpha_bar) - 1

    def beta(self, t: int) -> float:
        """β_t = 1 - ᾱ_t / ᾱ_{t-1}, for t = 1 ... T."""
        return 1 - (self.alpha_bar[t] / self.alpha_bar[t - 1]).item()

    def signal(self, t: int) -> float:
        """√ᾱ_t, the share of x0 in x_t (equation 5)."""
        return math.sqrt(self.alpha_bar[t].item())

    def noise(self, t: int) -> float:
        """√(1 - ᾱ_t), the share of ε in x_t (equation 5)."""
        return math.sqrt(1 - self.alpha_bar[t].item())

    def diffuse(self, x0: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """Equation (5): x_t = √ᾱ_t x0 + √(1 - ᾱ_t) ε, for (B, C, H, W) images and (B,) times."""
        signal, noise = self.coefficients(t, x0)
        return signal * x0 + noise * epsilon

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ_t and √(1 - ᾱ_t) for (B,) times, as (B, 1, 1, 1) of the type and device of `like`."""
        a = self.alpha_bar[t.cpu()].view(-1, 1, 1, 1)
        return a.sqrt().to(like), (1 - a).sqrt().to(like)


def linear(T: int = 1000, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """β rising linearly (Ho et al., 2020, section 4).

    The ends are those for T = 1000 and are scaled by 1000 / T for other T, so that ᾱ_T stays about
    the same (4e-5); β is capped at 0.999 for very small T.
    """
    betas = torch.linspace(first, last, T, dtype=torch.float64) * (1000 / T)
    return Schedule.from_betas(betas.clamp(max=0.999))


def cosine(T: int = 1000, offset: float = 0.008) -> Schedule:
    """ᾱ_t = f(t) / f(0), f(t) = cos²(π/2 (t/T + s) / (1 + s)) (Nichol and Dhariwal, 2021, eq. 17).

    β is capped at 0.999 as there, which keeps ᾱ_T above 0.
    """
    t = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2
    betas = 1 - f[1:] / f[:-1]
    return Schedule.from_betas(betas.clamp(max=0.999))


SCHEDULES = {"linear": linear, "cosine": cosine}


def uniform_timesteps(T: int, steps: int) -> list[int]:
    """`steps` times from T down to about T / steps, evenly spaced; sampling then ends at t = 0.

    The first is always T: there x_T is noise alone, which is what sampling starts from. Raises
    ValueError unless 1 <= steps <= T.
    """
    if not 1 <= steps <= T:
        raise ValueError(f"steps must lie between 1 and T = {T}, not {steps}")
    # Integer arithmetic rounds half up and cannot repeat a time while steps <= T.
    return [(2 * T * (steps - i) + steps) // (2 * steps) for i in range(steps)]

"""Noise schedules: the share of the clean image at each time.

Times are t = 0, 1, ..., T; ᾱ_0 = 1 (no noise) and ᾱ_T should be about 0 (noise alone). All values
are float64. They lie on the CPU, where samplers read single numbers; training looks them up on its
device (`values_at`). Equation numbers in brackets are those of
docs/mathematics.md.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from benchmark import Alternatives


@dataclass(frozen=True)
class Schedule:
    """ᾱ_0 ... ᾱ_T as a float64 tensor of T + 1 values, falling from 1; ᾱ_T may be 0.

    Raises ValueError if ᾱ does not start at 1, does not fall, or becomes negative.
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

    def half_log_snr(self, t: int) -> float:
        """λ_t = log(√ᾱ_t / √(1 - ᾱ_t)), the time of fast solvers (Lu et al., 2022, DPM-Solver).

        +inf at t = 0; -inf where ᾱ_t = 0.
        """
        return 0.5 * torch.logit(self.alpha_bar[t]).item()

    def diffuse(self, x0: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """Equation (5): x_t = √ᾱ_t x0 + √(1 - ᾱ_t) ε, for (B, C, H, W) images and (B,) times."""
        signal, noise = self.coefficients(t, x0)
        return signal * x0 + noise * epsilon

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ_t and √(1 - ᾱ_t) for (B,) times, as (B, 1, 1, 1) of the type and device of `like`."""
        a = values_at(self.alpha_bar, t, like)
        return a.sqrt().to(like), (1 - a).sqrt().to(like)

    def snr(self, t: Tensor, like: Tensor) -> Tensor:
        """Signal-to-noise ratio ᾱ_t / (1 - ᾱ_t) for (B,) times, shaped like `coefficients`."""
        a = values_at(self.alpha_bar, t, like)
        return (a / (1 - a)).to(like)


def values_at(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Values of a table (T + 1,) at times (B,), as (B, 1, 1, 1) on the device of `like`."""
    return on_device(table, like.device)[t.to(like.device)].view(-1, 1, 1, 1)


def on_device(table: Tensor, device: torch.device) -> Tensor:
    """The table on a device. It is copied once, because a copy waits for the device."""
    if table.device == device:
        return table
    copy = _copied(table, device)
    if type(copy) is not Tensor:  # without values, where only memory is estimated: not to be kept
        _copied.cache_clear()
    return copy


@lru_cache(maxsize=16)
def _copied(table: Tensor, device: torch.device) -> Tensor:
    return table.to(device)


def linear(T: int = 1000, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """β rising linearly (Ho et al., 2020, section 4).

    `first` and `last` are for T = 1000; for other T they are scaled by 1000 / T, so that ᾱ_T stays
    about the same (4e-5). β is at most 0.999, which matters for very small T.
    """
    betas = torch.linspace(first, last, T, dtype=torch.float64) * (1000 / T)
    return Schedule.from_betas(betas.clamp(max=0.999))


def scaled_linear(T: int = 1000, first: float = 0.0015, last: float = 0.0195) -> Schedule:
    """√β rising linearly (Rombach et al., 2022, in their code); scaled for other T as `linear`.

    `first` and `last` are those of their first latent models, with ᾱ_T = 1.5e-4.
    """
    betas = torch.linspace(first**0.5, last**0.5, T, dtype=torch.float64) ** 2 * (1000 / T)
    return Schedule.from_betas(betas.clamp(max=0.999))


def cosine(T: int = 1000, offset: float = 0.008) -> Schedule:
    """ᾱ_t = f(t) / f(0), f(t) = cos²(π/2 (t/T + s) / (1 + s)) (Nichol and Dhariwal, 2021, eq. 17).

    β is at most 0.999, as published, which keeps ᾱ_T above 0.
    """
    t = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2
    betas = 1 - f[1:] / f[:-1]
    return Schedule.from_betas(betas.clamp(max=0.999))


def sigmoid(T: int = 1000, start: float = -3.0, end: float = 3.0, tau: float = 1.0) -> Schedule:
    """ᾱ_t = (σ(end/τ) - σ(u_t/τ)) / (σ(end/τ) - σ(start/τ)), u_t = start + (end - start) t/T.

    σ is the logistic function (Jabri, Fleet and Chen, 2022; Chen, 2023). ᾱ is at least 1e-9, as
    published.
    """
    t = torch.arange(T + 1, dtype=torch.float64) / T
    curve = torch.sigmoid((start + t * (end - start)) / tau)
    return Schedule(((curve[-1] - curve) / (curve[-1] - curve[0])).clamp(min=1e-9))


def edm(
    T: int = 1000, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> Schedule:
    """Noise levels with σ^(1/ρ) evenly spaced (Karras et al., 2022, equation 5).

    Karras et al. give the network x0 + σ ε. Divided by √(1 + σ²) this is our x_t, with
    ᾱ = 1 / (1 + σ²). t = T has σ_max, t = 1 has σ_min.
    """
    falling = torch.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), T, dtype=torch.float64)
    sigma = torch.cat([torch.zeros(1, dtype=torch.float64), (falling**rho).flip(0)])
    return Schedule(1 / (1 + sigma**2))


SCHEDULES: Alternatives = {
    "linear": linear,
    "scaled-linear": scaled_linear,
    "cosine": cosine,
    "sigmoid": sigmoid,
    "edm": edm,
}


def zero_terminal_snr(schedule: Schedule) -> Schedule:
    """The schedule with ᾱ_T = 0 exactly (Lin et al., 2024, algorithm 1).

    √ᾱ is shifted so that its last value is 0, then scaled so that √ᾱ_1 stays the same. Raises
    ValueError for T = 1, where both are the same value.
    """
    if schedule.T < 2:
        raise ValueError("zero terminal SNR needs a schedule of at least 2 times, not T = 1")
    root = schedule.alpha_bar[1:].sqrt()
    shifted = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    return Schedule(torch.cat([schedule.alpha_bar[:1], shifted**2]))


def uniform_timesteps(T: int, steps: int) -> list[int]:
    """`steps` times from T down to about T / steps, evenly spaced; t = 0 follows the last.

    The first is always T, because sampling starts from noise alone. Raises ValueError unless
    1 <= steps <= T.
    """
    if not 1 <= steps <= T:
        raise ValueError(f"steps must lie between 1 and T = {T}, not {steps}")
    # Integer arithmetic rounds half up and cannot repeat a time while steps <= T.
    return [(2 * T * (steps - i) + steps) // (2 * steps) for i in range(steps)]

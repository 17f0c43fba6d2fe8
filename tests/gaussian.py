"""Gaussian data, with a known best denoiser and exact probability flow."""

import math

import torch

DOUBLE = torch.float64


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def no_noise():
    raise AssertionError("a deterministic sampler asked for noise")


class Gaussian:
    """The best denoiser E[x0 given x_t] for data N(mean, deviation²).

    `calls` has the points (x, t) of all calls.
    """

    mean, deviation = 0.3, 0.5

    def __init__(self, schedule):
        self.schedule = schedule
        self.calls = []

    def __call__(self, x, t):
        self.calls.append((x, t))
        a, b, s2 = self.schedule.signal(t), self.schedule.noise(t), self.deviation**2
        return self.mean + a * s2 / (a**2 * s2 + b**2) * (x - a * self.mean)

    def spread(self, t):
        """Standard deviation of x_t; its mean is √ᾱ_t times that of the data."""
        return math.hypot(self.schedule.signal(t) * self.deviation, self.schedule.noise(t))

    def flow(self, x_T, t=0):
        """x_t of the exact probability flow from x_T: it keeps quantiles."""
        quantile = (x_T - self.schedule.signal(self.schedule.T) * self.mean) / self.spread(
            self.schedule.T
        )
        return self.schedule.signal(t) * self.mean + self.spread(t) * quantile

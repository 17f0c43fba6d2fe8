"""Gaussian data, of which the best denoiser and the exact probability flow are known."""

import math

import torch

DOUBLE = torch.float64


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def no_noise():
    raise AssertionError("a deterministic sampler asked for noise")


class Gaussian:
    """Data N(mean, deviation²): its best denoiser E[x0 given x_t] is known in closed form.

    Keeps the points (x, t) at which it was asked.
    """

    mean, deviation = 0.3, 0.5

    def __init__(self, schedule):
        self.schedule = schedule
        self.asked = []

    def __call__(self, x, t):
        self.asked.append((x, t))
        a, b, s2 = self.schedule.signal(t), self.schedule.noise(t), self.deviation**2
        return self.mean + a * s2 / (a**2 * s2 + b**2) * (x - a * self.mean)

    def spread(self, t):
        """Standard deviation of x_t; its mean is √ᾱ_t times that of the data."""
        return math.hypot(self.schedule.signal(t) * self.deviation, self.schedule.noise(t))

    def flow(self, x_T, t=0):
        """Where the exact probability flow takes x_T by time t: quantiles are kept."""
        quantile = (x_T - self.schedule.signal(self.schedule.T) * self.mean) / self.spread(
            self.schedule.T
        )
        return self.schedule.signal(t) * self.mean + self.spread(t) * quantile

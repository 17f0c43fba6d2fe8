"""Every sampler against the same scheduler of diffusers, at the same times.

diffusers counts times from 0 and keeps noise levels in float32. Where it reads levels that can be
replaced they are set to ours in float64, and x is compared at every evaluation: to 1e-9, or to 1e-5
for its multistep solver, which steps in float32. DDIM and DDPM are compared as they come, to 1e-3.
Its solvers end at σ = 0 (`final_sigmas_type="zero"`), as ours do.
"""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.samplers.ddim import ddim
from methods.diffusion.samplers.ddpm import ddpm
from methods.diffusion.schedule import linear
from methods.diffusion.targets import to_x0
from methods.diffusion.timesteps import log_snr, quadratic, uniform
from tests.gaussian import DOUBLE, no_noise, randn

SCHEDULE = linear(1000)
SHAPE = (1, 3, 4, 4)


def epsilon(x_t):
    """A network that predicts noise: any smooth function."""
    return torch.sin(3 * x_t)


def recorder(points):
    """The denoiser for the noise prediction `epsilon`; it records the points of its calls."""

    def denoise(x_t, t):
        points.append(x_t)
        signal, noise = SCHEDULE.signal(t), SCHEDULE.noise(t)
        return to_x0("epsilon", epsilon(x_t), x_t, signal, noise)

    return denoise


def sigmas(times):
    """σ = √(1-ᾱ)/√ᾱ at the times and at the end, float64."""
    levels = [SCHEDULE.noise(t) / SCHEDULE.signal(t) for t in times]
    return torch.tensor([*levels, 0.0], dtype=DOUBLE)


def assert_same(ours, theirs, tolerance):
    """Relative to the largest value, point by point."""
    for a, b in zip(ours, theirs, strict=True):
        assert ((a - b).abs().max() / b.abs().max().clamp(min=1)).item() <= tolerance


TIMES = {
    "uniform": uniform(SCHEDULE, 8),
    "quadratic": quadratic(SCHEDULE, 9),
    "log-snr": log_snr(SCHEDULE, 20),
    "one": [1000],
    "two": [1000, 400],
    "late start": uniform(SCHEDULE, 5, start=600),
}
COUNTERPARTS = {
    "dpm-solver-2m": lambda: DPMSolverMultistepScheduler(
        solver_order=2, lower_order_final=False, final_sigmas_type="zero"
    ),
    "dpm-solver-2s": lambda: DPMSolverSinglestepScheduler(
        solver_order=2, lower_order_final=True, final_sigmas_type="zero"
    ),
    "unipc": lambda: UniPCMultistepScheduler(
        solver_order=2, solver_type="bh2", lower_order_final=True, final_sigmas_type="zero"
    ),
}


@pytest.mark.parametrize("name", COUNTERPARTS)
@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_exponential_integrators_equal_diffusers(name, times):
    theirs = COUNTERPARTS[name]()
    theirs.set_timesteps(len(times))
    # `step` reads the levels, and the number and order of the times.
    theirs.sigmas = sigmas(times)
    theirs.timesteps = torch.tensor([t - 1 for t in times])
    x, expected = randn(*SHAPE), []
    start = x
    for t in theirs.timesteps:
        expected.append(x)
        x = theirs.step(epsilon(x), t, x).prev_sample

    points = []
    out = SAMPLERS[name].function(recorder(points), start, SCHEDULE, times, no_noise)
    assert_same([*points, out], [*expected, x], 1e-5 if name == "dpm-solver-2m" else 1e-9)


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_3m_equals_diffusers_except_its_second_derivative(times):
    """diffusers' third-order update takes half the second derivative (see `dpm_solver_3m`).

    So the two agree for estimates on a line in λ, along which it is 0, and differ otherwise.
    """
    theirs = DPMSolverMultistepScheduler(
        solver_order=3,
        lower_order_final=False,
        final_sigmas_type="zero",
        prediction_type="sample",
    )

    def estimates(power):
        def denoise(x_t, t):
            return torch.full_like(x_t, SCHEDULE.half_log_snr(t) ** power)

        return denoise

    def both(denoise):
        theirs.set_timesteps(timesteps=[t - 1 for t in times])
        theirs.sigmas = sigmas(times)
        x = start = randn(*SHAPE)
        expected = []
        for t in theirs.timesteps:
            expected.append(x)
            x = theirs.step(denoise(x, t.item() + 1), t, x).prev_sample

        points = []

        def recorded(x_t, t):
            points.append(x_t)
            return denoise(x_t, t)

        SAMPLERS["dpm-solver-3m"].function(recorded, start, SCHEDULE, times, no_noise)
        return points, expected

    assert_same(*both(estimates(1)), 1e-5)
    points, expected = both(estimates(2))
    assert_same(points[:3], expected[:3], 1e-5)
    if len(times) > 3:
        assert (points[3] - expected[3]).abs().max() > 1e-4


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_heun_equals_diffusers(steps):
    """diffusers steps with x/√ᾱ and scales it for each evaluation, as the paper does.

    From t = 600, so that σ falls less than tenfold in each step (see `heun_step`).
    """
    times = uniform(SCHEDULE, steps, start=600)
    theirs = HeunDiscreteScheduler(
        beta_start=1e-4, beta_end=0.02, prediction_type="epsilon", timestep_spacing="trailing"
    )
    theirs.set_timesteps(steps)
    levels = sigmas(times)
    theirs.sigmas = torch.cat([levels[:1], levels[1:-1].repeat_interleave(2), levels[-1:]])
    repeated = torch.tensor(times, dtype=DOUBLE)
    theirs.timesteps = torch.cat([repeated[:1], repeated[1:].repeat_interleave(2)])
    start = randn(*SHAPE)
    x, expected = start / SCHEDULE.signal(times[0]), []
    for t in theirs.timesteps:
        expected.append(theirs.scale_model_input(x, t))
        x = theirs.step(epsilon(expected[-1]), t, x).prev_sample

    points = []
    out = SAMPLERS["heun"].function(recorder(points), start, SCHEDULE, times, no_noise)
    assert_same([*points, out], [*expected, x], 1e-9)


@pytest.mark.parametrize("steps", [1, 3, 4, 10, 50])
def test_plms_equals_diffusers(steps):
    """PNDM without Runge-Kutta steps (`skip_prk_steps`), with two calls at its second time.

    Not for 2 steps, in the first of which σ would fall more than tenfold (see `heun_step`).
    """
    theirs = PNDMScheduler(
        skip_prk_steps=True, set_alpha_to_one=True, timestep_spacing="leading", steps_offset=0
    )
    theirs.set_timesteps(steps)
    theirs.alphas_cumprod = SCHEDULE.alpha_bar[1:]
    # The spacing of diffusers: multiples of 1000 // steps from 0 up, the last step to ᾱ = 1.
    times = [1000 // steps * i + 1 for i in reversed(range(steps))]
    x = start = randn(*SHAPE)
    expected = []
    for t in theirs.timesteps:
        expected.append(x)
        x = theirs.step(epsilon(x), t, x).prev_sample

    points = []
    out = SAMPLERS["plms"].function(recorder(points), start, SCHEDULE, times, no_noise)
    assert_same([*points, out], [*expected, x], 1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 10, 50])
def test_ddim_equals_diffusers(steps, eta):
    """With their 'trailing' spacing, which also starts at t = T."""
    theirs = DDIMScheduler(
        1000, clip_sample=False, timestep_spacing="trailing", set_alpha_to_one=True
    )
    theirs.set_timesteps(steps)
    x = start = randn(1, 3, 8, 8).float()
    generator = torch.Generator().manual_seed(3)
    for t in theirs.timesteps:
        x = theirs.step(epsilon(x), t, x, eta=eta, generator=generator).prev_sample

    generator = torch.Generator().manual_seed(3)
    times = [t + 1 for t in theirs.timesteps.tolist()]
    assert uniform(SCHEDULE, steps) == times
    ours = ddim(
        recorder([]),
        start,
        SCHEDULE,
        times,
        lambda: torch.randn(start.shape, generator=generator),
        eta=eta,
    )
    assert_same([ours], [x], 1e-3)


@pytest.mark.parametrize("steps", [10, 100])
def test_ddpm_equals_diffusers(steps):
    theirs = DDPMScheduler(1000, clip_sample=False, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    x = start = randn(1, 3, 8, 8).float()
    generator = torch.Generator().manual_seed(3)
    for t in theirs.timesteps:
        x = theirs.step(epsilon(x), t, x, generator=generator).prev_sample

    generator = torch.Generator().manual_seed(3)
    ours = ddpm(
        recorder([]),
        start,
        SCHEDULE,
        uniform(SCHEDULE, steps),
        lambda: torch.randn(start.shape, generator=generator),
    )
    assert_same([ours], [x], 1e-3)

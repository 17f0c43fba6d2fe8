"""Noise schedules, the times of samplers, and the weights of the loss."""

from functools import partial

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from scipy.special import expit

from methods.diffusion.schedule import (
    SCHEDULES,
    Schedule,
    cosine,
    edm,
    linear,
    scaled_linear,
    sigmoid,
    zero_terminal_snr,
)
from methods.diffusion.targets import from_x0
from methods.diffusion.timesteps import SPACINGS, log_snr, noised_start, quadratic, uniform
from methods.diffusion.weighting import WEIGHTINGS, min_snr, plain
from tests.gaussian import DOUBLE, randn


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("T", [1, 2, 10, 1000])
def test_schedule_falls_from_one_to_about_zero(make, T):
    schedule = make(T)
    assert schedule.T == T
    assert schedule.alpha_bar[0] == 1
    assert (schedule.alpha_bar.diff() < 0).all()
    assert 0 < schedule.alpha_bar[-1] < (1e-3 if T > 2 else 0.999)
    betas = torch.tensor([schedule.beta(t) for t in range(1, T + 1)], dtype=DOUBLE)
    assert torch.allclose(torch.cumprod(1 - betas, 0), schedule.alpha_bar[1:], rtol=1e-6)


def test_schedules_equal_diffusers():
    ours = {
        "linear": (linear(1000), {}),
        "squaredcos_cap_v2": (cosine(1000), {}),
        "scaled_linear": (scaled_linear(1000), {"beta_start": 0.0015, "beta_end": 0.0195}),
    }
    for name, (schedule, ends) in ours.items():
        theirs = DDPMScheduler(1000, beta_schedule=name, **ends).alphas_cumprod.double()
        assert torch.allclose(schedule.alpha_bar[1:], theirs, rtol=2e-4, atol=1e-7)


def test_sigmoid_is_the_published_curve():
    """Symmetric about t = T/2, where half the variance is signal; values by scipy's logistic."""
    a = sigmoid(1000).alpha_bar
    assert torch.allclose(a + a.flip(0), torch.ones(1, dtype=DOUBLE), atol=2e-9)
    for t in (100, 500, 900):
        expected = (expit(3) - expit(6 * t / 1000 - 3)) / (expit(3) - expit(-3))
        assert abs(a[t].item() - expected) < 1e-12
    assert a[-1] == 1e-9


def test_edm_has_the_published_noise_levels():
    """σ = 80 ... 0.002 with σ^(1/7) evenly spaced, for the paper's 18 steps."""
    schedule = edm(18)
    sigma = (1 / schedule.alpha_bar[1:] - 1).sqrt()
    assert abs(sigma[-1] - 80) < 1e-9
    assert abs(sigma[0] - 0.002) < 1e-9
    steps = (sigma ** (1 / 7)).diff()
    assert torch.allclose(steps, steps[:1], rtol=1e-6)
    # The second level of the paper's 18: (80^(1/7) + (0.002^(1/7) - 80^(1/7)) / 17)^7.
    assert abs(sigma[-2] - 57.586) < 1e-3


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
def test_zero_terminal_snr_equals_diffusers(make):
    schedule = make(100)
    betas = torch.tensor([schedule.beta(t) for t in range(1, 101)], dtype=DOUBLE)
    theirs = torch.cumprod(1 - rescale_zero_terminal_snr(betas), 0)
    ours = zero_terminal_snr(schedule)
    assert ours.alpha_bar[-1] == 0
    assert abs(ours.alpha_bar[1] - schedule.alpha_bar[1]) < 1e-12
    assert torch.allclose(ours.alpha_bar[1:], theirs, rtol=1e-6, atol=1e-12)
    assert ours.half_log_snr(100) == -float("inf")
    assert ours.beta(100) == 1


def test_zero_terminal_snr_needs_two_times():
    assert zero_terminal_snr(linear(2)).alpha_bar[-1] == 0
    with pytest.raises(ValueError, match="T = 1"):
        zero_terminal_snr(linear(1))


@pytest.mark.parametrize(
    "alpha_bar",
    [
        [1.0],
        [0.9, 0.5],
        [1.0, 0.5, 0.6],
        [1.0, 0.5, -0.1],
        [1.0, 0.5, 0.5],
        [1.0, 0.0, 0.0],
        [1.0, float("nan"), 0.1],
    ],
)
def test_invalid_schedule_is_refused(alpha_bar):
    with pytest.raises(ValueError, match="alpha_bar"):
        Schedule(torch.tensor(alpha_bar, dtype=DOUBLE))


def test_half_log_snr_and_snr_agree():
    schedule = cosine(50)
    t = torch.arange(1, 51)
    snr = schedule.snr(t, torch.zeros(1, dtype=DOUBLE))
    assert snr.shape == (50, 1, 1, 1)
    halves = torch.tensor([schedule.half_log_snr(i) for i in t.tolist()], dtype=DOUBLE)
    assert torch.allclose(snr.flatten().log() / 2, halves, atol=1e-9)
    assert schedule.half_log_snr(0) == float("inf")


SCHEDULES_AND_ZERO = {
    **{name: make(300) for name, make in SCHEDULES.items()},
    "one time": linear(1),
    "two times": edm(2),
    "zero": zero_terminal_snr(cosine(300)),
    "only zero": Schedule(torch.tensor([1.0, 0.0], dtype=DOUBLE)),
}


@pytest.mark.parametrize("spacing", SPACINGS.values(), ids=SPACINGS)
@pytest.mark.parametrize("schedule", SCHEDULES_AND_ZERO.values(), ids=SCHEDULES_AND_ZERO)
def test_spacings_give_the_requested_number_of_different_times(spacing, schedule):
    for start in {1, 2, 7, schedule.T - 1, schedule.T} & set(range(1, schedule.T + 1)):
        for steps in {1, 2, 3, 5, start // 2, start - 1, start} & set(range(1, start + 1)):
            times = spacing(schedule, steps, start)
            assert all(isinstance(t, int) for t in times)
            assert times[0] == start
            assert len(times) == steps == len(set(times))
            assert times == sorted(times, reverse=True)
            assert times[-1] >= 1
        assert spacing(schedule, start, start) == list(range(start, 0, -1))
    assert spacing(schedule, 1) == [schedule.T]
    for steps in (0, -1, schedule.T + 1):
        with pytest.raises(ValueError, match="steps"):
            spacing(schedule, steps)
    for start in (0, -1, schedule.T + 1):
        with pytest.raises(ValueError, match="start"):
            spacing(schedule, 1, start)


def test_spacings_are_even_in_their_own_variable():
    schedule = linear(1000)
    assert uniform(schedule, 4) == [1000, 750, 500, 250]
    assert uniform(schedule, 3, start=500) == [500, 333, 167]
    assert quadratic(schedule, 4) == [1000, 562, 250, 62]
    fine = edm(20_000)
    halves = [fine.half_log_snr(t) for t in [*log_snr(fine, 8), 1]]
    steps = torch.tensor(halves).diff()
    assert torch.allclose(steps, steps.mean(), atol=0.01)


def test_noised_start_is_a_noised_condition():
    schedule, condition, noise = linear(100), randn(2, 3, 4, 4), randn(2, 3, 4, 4, seed=1)
    t = torch.tensor([30, 30])
    assert torch.allclose(
        noised_start(condition, schedule, 30, noise), schedule.diffuse(condition, t, noise)
    )
    assert noised_start(condition, zero_terminal_snr(schedule), 100, noise).equal(noise)
    for t0 in (0, -1, 101):
        with pytest.raises(ValueError, match="start"):
            noised_start(condition, schedule, t0, noise)


TARGETS = ("epsilon", "x0", "v")


@pytest.mark.parametrize("target", TARGETS)
def test_min_snr_is_the_same_loss_for_every_target(target):
    """The weighted squared error of each target is min(SNR, γ) times that of x0."""
    schedule, t = cosine(1000), torch.tensor([1, 200, 500, 900, 999])
    x0, wrong, x_t = randn(5, 3, 2, 2), randn(5, 3, 2, 2, seed=1), randn(5, 3, 2, 2, seed=2)
    signal, noise = schedule.coefficients(t, x0)
    true, predicted = (
        from_x0(target, x, (x_t - signal * x) / noise, signal, noise) for x in (x0, wrong)
    )
    snr = schedule.snr(t, x0)
    loss = min_snr(target, snr) * (true - predicted) ** 2
    assert torch.allclose(loss, snr.clamp(max=5) * (x0 - wrong) ** 2, rtol=1e-6)


def test_min_snr_has_the_published_values():
    """γ = 5 at SNR 2 and 20."""
    snr = torch.tensor([2.0, 20.0]).view(-1, 1, 1, 1)
    expected = {"x0": [2.0, 5.0], "epsilon": [1, 5 / 20], "v": [2 / 3, 5 / 21]}
    for target, values in expected.items():
        assert torch.allclose(min_snr(target, snr).flatten(), torch.tensor(values))
    assert (plain("v", snr) == 1).all()


@pytest.mark.parametrize("weighting", WEIGHTINGS.values(), ids=WEIGHTINGS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_weights_are_finite_at_both_ends(weighting, target, dtype):
    schedule = zero_terminal_snr(linear(1000))
    if weighting is WEIGHTINGS["edm"]:
        if target != "x0":
            with pytest.raises(ValueError, match="made for the target x0"):
                weighting(target, torch.ones(1, 1, 1, 1), deviation=0.2)
            return
        weighting = partial(weighting, deviation=0.2)
    snr = schedule.snr(torch.tensor([0, 1, 500, 999, 1000]), torch.zeros(1, dtype=dtype))
    if isinstance(weighting, partial):  # t = 0, of infinite SNR, is no training time
        snr[0] = snr[1]
    weight = weighting(target, snr)
    assert weight.shape == (5, 1, 1, 1)
    assert weight.dtype == dtype
    assert weight.isfinite().all()
    assert (weight >= 0).all()

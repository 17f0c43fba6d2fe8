"""The equations of the conditional model, numbered as in docs/mathematics.md."""

import math

import pytest
import torch
from safetensors.torch import load_file

from methods.diffusion.samplers.ddim import ddim
from methods.diffusion.samplers.ddpm import ddpm
from methods.diffusion.schedule import cosine, linear, zero_terminal_snr
from methods.diffusion.targets import from_x0, to_epsilon, to_x0
from methods.diffusion.timesteps import uniform
from methods.networks.ddpm_unet import DDPMUNet
from tests.gaussian import DOUBLE, no_noise, randn
from tests.shared import shared


def test_equation_3_closed_form_has_the_moments_of_repeated_steps():
    """Repeating (1) from a fixed x0 gives the mean and variance that (3) states."""
    schedule, x0, n = linear(50), 0.7, 200_000
    x = torch.full((n,), x0, dtype=DOUBLE)
    for t in range(1, 31):
        beta = schedule.beta(t)
        x = math.sqrt(1 - beta) * x + math.sqrt(beta) * randn(n, seed=t)
    mean, variance = schedule.signal(30) * x0, schedule.noise(30) ** 2
    assert abs(x.mean() - mean) < 5 * math.sqrt(variance / n)
    assert abs(x.var() - variance) < 5 * variance * math.sqrt(2 / n)


def test_equation_5_is_a_sample_of_3():
    schedule = linear(50)
    x0 = torch.full((100_000, 1, 1, 1), -0.3, dtype=DOUBLE)
    t = torch.full((len(x0),), 20)
    x = schedule.diffuse(x0, t, randn(*x0.shape))
    assert abs(x.mean() - schedule.signal(20) * -0.3) < 0.02
    assert abs(x.std() - schedule.noise(20)) < 0.02


def test_equations_6_and_7_variances_of_independent_noises_add():
    schedule, t = linear(50), 17
    a_t, a_before = 1 - schedule.beta(t), 1 - schedule.beta(t - 1)
    sum_ = math.sqrt(a_t * (1 - a_before)) * randn(500_000, seed=1)
    sum_ += math.sqrt(1 - a_t) * randn(500_000, seed=2)
    assert abs(sum_.std() / math.sqrt(1 - a_t * a_before) - 1) < 0.005


def test_equation_9_is_bayes_rule():
    """q(x_{t-1} given x_t, x0) ∝ q(x_t given x_{t-1}) q(x_{t-1} given x0), integrated on a grid."""
    schedule, t, x0, x_t = linear(20), 9, 0.4, -0.2
    grid = torch.linspace(-8, 8, 400_001, dtype=DOUBLE)
    beta = schedule.beta(t)
    log_q = -((x_t - math.sqrt(1 - beta) * grid) ** 2) / (2 * beta)
    log_q -= (grid - schedule.signal(t - 1) * x0) ** 2 / (2 * schedule.noise(t - 1) ** 2)
    q = torch.softmax(log_q, 0)
    mean = (q * grid).sum()
    variance = (q * (grid - mean) ** 2).sum()

    epsilon = (x_t - schedule.signal(t) * x0) / schedule.noise(t)
    mu = (x_t - beta / schedule.noise(t) * epsilon) / math.sqrt(1 - beta)
    beta_tilde = schedule.noise(t - 1) ** 2 / schedule.noise(t) ** 2 * beta
    assert abs(mean - mu) < 1e-8
    assert abs(variance - beta_tilde) < 1e-8


def test_equations_10_and_11_are_the_step_of_ddpm():
    schedule, x, z = linear(30), randn(1, 3, 4, 4), randn(1, 3, 4, 4, seed=5)
    epsilon = randn(1, 3, 4, 4, seed=6)
    seen = []

    def denoise(x_t, t):
        seen.append((t, x_t))
        return to_x0("epsilon", epsilon, x_t, schedule.signal(t), schedule.noise(t))

    ddpm(denoise, x, schedule, [30, 29], lambda: z)
    t, beta = 30, schedule.beta(30)
    mu = (x - beta / schedule.noise(t) * epsilon) / math.sqrt(1 - beta)
    beta_tilde = schedule.noise(t - 1) ** 2 / schedule.noise(t) ** 2 * beta
    assert torch.allclose(seen[1][1], mu + math.sqrt(beta_tilde) * z, atol=1e-10)


def test_equation_13_is_the_step_of_ddim_without_noise():
    schedule, x, epsilon = linear(30), randn(1, 3, 4, 4), randn(1, 3, 4, 4, seed=6)
    seen = []

    def denoise(x_t, t):
        seen.append(x_t)
        return to_x0("epsilon", epsilon, x_t, schedule.signal(t), schedule.noise(t))

    ddim(denoise, x, schedule, [30, 29], no_noise)
    x0 = (x - schedule.noise(30) * epsilon) / schedule.signal(30)
    expected = schedule.signal(29) * x0 + schedule.noise(29) * epsilon
    assert torch.allclose(seen[1], expected, atol=1e-10)


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_ddim_with_eta_one_is_ddpm(steps):
    schedule, x = cosine(40), randn(2, 3, 4, 4)
    times = uniform(schedule, steps)

    def denoise(x_t, t):
        return torch.tanh(x_t * 0.7 + t / 40)

    def noises():
        seeds = iter(range(100, 200))
        return lambda: randn(2, 3, 4, 4, seed=next(seeds))

    ancestral = ddpm(denoise, x, schedule, times, noises())
    assert torch.allclose(
        ddim(denoise, x, schedule, times, noises(), eta=1.0), ancestral, atol=1e-10
    )


def test_targets_convert_into_each_other():
    x0, epsilon, schedule = randn(4, 3, 2, 2), randn(4, 3, 2, 2, seed=1), cosine()
    for t in (1, 500, 999):
        a, b = schedule.signal(t), schedule.noise(t)
        x_t = a * x0 + b * epsilon
        for target in ("epsilon", "x0", "v"):
            back = to_x0(target, from_x0(target, x0, epsilon, a, b), x_t, a, b)
            assert torch.allclose(back, x0, atol=1e-8)
            assert torch.allclose(to_epsilon(back, x_t, a, b), epsilon, atol=1e-8)


def test_impossible_conversions_are_refused():
    """Where ᾱ = 0, x_t is noise alone and ε does not determine x0. At t = 0 there is no noise."""
    schedule, x, prediction = zero_terminal_snr(linear(10)), randn(2, 3, 2, 2), randn(2, 3, 2, 2)
    signal, noise = schedule.signal(10), schedule.noise(10)
    with pytest.raises(ValueError, match="ᾱ = 0"):
        to_x0("epsilon", prediction, x, signal, noise)
    with pytest.raises(ValueError, match="ᾱ = 0"):
        to_x0("epsilon", prediction, x, *schedule.coefficients(torch.tensor([3, 10]), x))
    assert to_x0("v", prediction, x, signal, noise).equal(-prediction)
    assert to_x0("x0", prediction, x, signal, noise).equal(prediction)
    with pytest.raises(ValueError, match="ᾱ = 1"):
        to_epsilon(prediction, x, schedule.signal(0), schedule.noise(0))


@pytest.fixture(scope="module")
def golden():
    network = DDPMUNet(width=32, multipliers=(1, 2, 2), blocks=1)
    network.load_state_dict(load_file(shared("golden/tiny_weights.safetensors")), strict=True)
    return network.eval(), load_file(shared("golden/tiny_io.safetensors"))


def test_network_equals_the_reference_implementation(golden):
    network, values = golden
    with torch.inference_mode():
        output = network(values["net_input"], values["net_t"])
    assert torch.allclose(output, values["net_output"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [5, 10, 25])
def test_ddim_equals_the_reference_implementation(golden, steps):
    """The reference starts below T, at index 1000 - 1000/steps; the sampler takes any times."""
    network, values = golden
    schedule, condition = linear(), values["ddim_cond"]

    def denoise(x_t, t):
        times = torch.full((len(x_t),), t - 1)
        epsilon = network(torch.cat([condition, x_t], dim=1), times)
        return to_x0("epsilon", epsilon, x_t, schedule.signal(t), schedule.noise(t))

    times = [i + 1 for i in reversed(range(0, 1000, 1000 // steps))]
    with torch.inference_mode():
        out = ddim(denoise, values["ddim_x_T"], schedule, times, no_noise)
    expected = values[f"ddim_{steps}"]
    assert (out - expected).abs().max() < 1e-4 * expected.abs().max()

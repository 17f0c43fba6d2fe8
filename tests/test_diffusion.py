"""The equations of the conditional model, numbered as in the README's mathematics section."""

import itertools
import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from safetensors.torch import load_file

from methods.diffusion.samplers import ddim, ddpm
from methods.diffusion.schedule import Schedule, cosine, linear, uniform_timesteps
from methods.diffusion.targets import from_x0, to_epsilon, to_x0
from methods.networks.ddpm_unet import DDPMUNet
from tests.shared import shared

DOUBLE = torch.float64


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def no_noise():
    raise AssertionError("a deterministic sampler asked for noise")


@pytest.mark.parametrize("make", [linear, cosine])
@pytest.mark.parametrize("T", [1, 10, 1000])
def test_schedule_falls_from_one_to_about_zero(make, T):
    schedule = make(T)
    assert schedule.T == T
    assert schedule.alpha_bar[0] == 1
    assert (schedule.alpha_bar.diff() < 0).all()
    assert schedule.alpha_bar[-1] < (1e-3 if T > 1 else 0.999)
    betas = torch.tensor([schedule.beta(t) for t in range(1, T + 1)], dtype=DOUBLE)
    assert torch.allclose(torch.cumprod(1 - betas, 0), schedule.alpha_bar[1:], rtol=1e-9)


def test_schedules_equal_diffusers():
    ours = {"linear": linear(1000), "squaredcos_cap_v2": cosine(1000)}
    for name, schedule in ours.items():
        theirs = DDPMScheduler(1000, beta_schedule=name).alphas_cumprod.double()
        assert torch.allclose(schedule.alpha_bar[1:], theirs, rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize(
    "alpha_bar", [[1.0], [0.9, 0.5], [1.0, 0.5, 0.6], [1.0, 0.5, -0.1], [1.0, 0.5, 0.5]]
)
def test_unsound_schedule_is_refused(alpha_bar):
    with pytest.raises(ValueError, match="alpha_bar"):
        Schedule(torch.tensor(alpha_bar, dtype=DOUBLE))


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
    times = uniform_timesteps(40, steps)

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


@pytest.mark.parametrize("T", [1, 2, 7, 1000])
def test_timesteps_start_at_the_last_time_and_are_as_many_as_asked(T):
    for steps in {1, 2, 3, T // 2, T - 1, T} & set(range(1, T + 1)):
        times = uniform_timesteps(T, steps)
        assert times[0] == T
        assert len(times) == steps == len(set(times))
        assert times == sorted(times, reverse=True)
        assert times[-1] >= 1
    assert uniform_timesteps(T, T) == list(range(T, 0, -1))
    for steps in (0, -1, T + 1):
        with pytest.raises(ValueError, match="steps"):
            uniform_timesteps(T, steps)


def test_timesteps_that_do_not_fall_are_refused():
    for times in ([], [3, 3], [1, 2], [0], [5, 0]):
        with pytest.raises(ValueError, match="timesteps"):
            ddim(lambda x, t: x, randn(1, 1, 1, 1), linear(10), times, no_noise)


@pytest.mark.parametrize("sampler", [ddpm, ddim])
@pytest.mark.parametrize("steps", [1, 3, 10])
def test_nfe_is_the_number_of_steps(sampler, steps):
    calls = []

    def denoise(x, t):
        calls.append(t)
        return x * 0

    sampler(denoise, randn(1, 1, 2, 2), linear(10), uniform_timesteps(10, steps), lambda: 0)
    assert calls == uniform_timesteps(10, steps)


class Gaussian:
    """Data N(mean, deviation²): its best denoiser E[x0 given x_t] is known in closed form."""

    mean, deviation = 0.3, 0.5

    def __init__(self, schedule):
        self.schedule = schedule

    def __call__(self, x, t):
        a, b, s2 = self.schedule.signal(t), self.schedule.noise(t), self.deviation**2
        return self.mean + a * s2 / (a**2 * s2 + b**2) * (x - a * self.mean)

    def flow(self, x_T):
        """Where the exact probability flow takes x_T: quantiles are kept."""
        a, b = self.schedule.signal(self.schedule.T), self.schedule.noise(self.schedule.T)
        spread = math.sqrt(a**2 * self.deviation**2 + b**2)
        return self.mean + self.deviation * (x_T - a * self.mean) / spread


def test_ddim_error_falls_in_first_order_on_gaussian_data():
    schedule = cosine()
    data, x = Gaussian(schedule), randn(64, 1, 1, 1)
    errors = []
    for steps in (25, 50, 100, 200):
        out = ddim(data, x, schedule, uniform_timesteps(1000, steps), no_noise)
        errors.append((out - data.flow(x)).abs().max().item())
    ratios = [a / b for a, b in itertools.pairwise(errors)]
    assert errors[-1] < 0.02
    assert all(1.6 < ratio < 2.6 for ratio in ratios), ratios


@pytest.mark.parametrize(("sampler", "steps"), [(ddpm, 1000), (ddim, 200)])
def test_samplers_reach_the_distribution_of_gaussian_data(sampler, steps):
    schedule, n = cosine(), 20_000
    seeds = iter(range(1, 2000))
    out = sampler(
        Gaussian(schedule),
        randn(n, 1, 1, 1, seed=0),
        schedule,
        uniform_timesteps(1000, steps),
        lambda: randn(n, 1, 1, 1, seed=next(seeds)),
    )
    assert abs(out.mean() - Gaussian.mean) < 0.02
    assert abs(out.std() / Gaussian.deviation - 1) < 0.03


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 10, 50])
def test_ddim_equals_diffusers(steps, eta):
    """An independent implementation, with its 'trailing' spacing, which also starts at t = T."""
    theirs = DDIMScheduler(
        1000, clip_sample=False, timestep_spacing="trailing", set_alpha_to_one=True
    )
    theirs.set_timesteps(steps)
    x = start = randn(1, 3, 8, 8).float()
    generator = torch.Generator().manual_seed(3)
    for t in theirs.timesteps:
        x = theirs.step(torch.sin(3 * x), t, x, eta=eta, generator=generator).prev_sample

    schedule, generator = linear(), torch.Generator().manual_seed(3)

    def denoise(x_t, t):
        return to_x0("epsilon", torch.sin(3 * x_t), x_t, schedule.signal(t), schedule.noise(t))

    ours = ddim(
        denoise,
        start,
        schedule,
        [t + 1 for t in theirs.timesteps.tolist()],
        lambda: torch.randn(start.shape, generator=generator),
        eta=eta,
    )
    assert uniform_timesteps(1000, steps) == [t + 1 for t in theirs.timesteps.tolist()]
    assert torch.allclose(ours, x, rtol=1e-3, atol=1e-3 * x.abs().max().item())


@pytest.mark.parametrize("steps", [10, 100])
def test_ddpm_equals_diffusers(steps):
    theirs = DDPMScheduler(1000, clip_sample=False, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    x = start = randn(1, 3, 8, 8).float()
    generator = torch.Generator().manual_seed(3)
    for t in theirs.timesteps:
        x = theirs.step(torch.sin(3 * x), t, x, generator=generator).prev_sample

    schedule, generator = linear(), torch.Generator().manual_seed(3)

    def denoise(x_t, t):
        return to_x0("epsilon", torch.sin(3 * x_t), x_t, schedule.signal(t), schedule.noise(t))

    ours = ddpm(
        denoise,
        start,
        schedule,
        uniform_timesteps(1000, steps),
        lambda: torch.randn(start.shape, generator=generator),
    )
    assert torch.allclose(ours, x, rtol=1e-3, atol=1e-3 * x.abs().max().item())


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
    """The reference starts below T, at index 1000 - 1000/steps: the sampler takes any times."""
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

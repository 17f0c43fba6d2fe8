"""The other diffusion formulations against closed forms, simulation and Bayes' rule."""

import itertools
import math

import pytest
import torch
from pydantic import ValidationError

from benchmark.core.flops import flop_counter
from benchmark.spec import registry
from methods.bridge import OrnsteinUhlenbeckBridge
from methods.diffusion import process
from methods.diffusion.conditional import per_image_noise, random_times
from methods.diffusion.process import sample_posterior
from methods.mean_reverting_sde import MeanRevertingSDE
from methods.networks.losses import restoration_error
from methods.residual_shift import ShiftingChain
from tests.methods.preconditioned import Network, estimating, of_process, of_schedule
from tests.methods.test_contract import SMALL

DOUBLE = torch.float64
STEPS_IN_A_CHAIN = {
    "predict_and_refine": 6, "residual_shift": 15, "mean_reverting_sde": 100, "bridge": 100,
}  # fmt: skip


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def make(name, **parameters):
    kind = registry.load(name)
    torch.manual_seed(0)
    method = kind(kind.Parameters(**SMALL, **parameters))
    method.network.eval()
    return method


def restore(method, degraded, **variant):
    generators = [torch.Generator().manual_seed(i) for i in range(len(degraded))]
    with torch.inference_mode():
        return method.restore(degraded, method.Variant(**variant), generators)


def pictures(count=2, size=16, seed=0):
    """Clean and degraded images in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(count, 3, size, size, generator=generator)
    return clean, 0.5 * clean + 0.3 * torch.rand(clean.shape, generator=generator)


def process_of(method):
    """The process of residual shifting, of the SDE or of the bridge."""
    names = [name for name in ("chain", "sde", "bridge") if hasattr(method, name)]
    return getattr(method, names[0])


def bayes(log_q, low=-8.0, high=8.0):
    """Mean and standard deviation of a density given by its logarithm, on a fine grid."""
    grid = torch.linspace(low, high, 400_001, dtype=DOUBLE)
    q = torch.softmax(log_q(grid), 0)
    mean = (q * grid).sum()
    return mean.item(), (q * (grid - mean) ** 2).sum().sqrt().item()


def same_moments(x, mean, deviation):
    """Whether samples have a mean and a standard deviation, within five standard errors."""
    n = x.numel()
    return abs(x.mean() - mean) < 5 * deviation / math.sqrt(n) and abs(
        x.std() - deviation
    ) < 5 * deviation / math.sqrt(2 * n)


# Common parts


def test_noise_of_an_image_depends_on_its_generator_only():
    def generators(*seeds):
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    together = per_image_noise((3, 4, 5), generators(1, 2, 3))
    assert together.shape == (3, 3, 4, 5)
    assert (per_image_noise((3, 4, 5), generators(2)) == together[1:2]).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_start_share_is_the_share_of_training_at_the_last_time(share):
    t = random_times(10_000, 15, share, torch.Generator().manual_seed(0))
    assert t.min() >= 1 and t.max() == 15
    expected = share + (1 - share) / 15
    assert abs((t == 15).double().mean() - expected) < 0.02


def test_the_last_step_of_a_chain_is_the_denoisers_estimate():
    asked = []

    def posterior(x, x0, t, s):
        asked.append((t, s))
        return x0, 0.5

    out = sample_posterior(lambda x, t: x + t, randn(2), posterior, [7, 3], lambda: 2.0)
    assert asked == [(7, 3)]
    assert torch.allclose(out, randn(2) + 7 + 1 + 3)


@pytest.mark.parametrize("name", STEPS_IN_A_CHAIN)
@pytest.mark.parametrize("steps", [1, 3, None])
def test_evaluations_and_times_are_those_of_the_variant(name, steps):
    """`None` stands for T. The first time is T, where the chain ends, and all times fall."""
    T = STEPS_IN_A_CHAIN[name]
    method = make(name, T=T)
    times = []

    def hook(network, inputs, output):
        times.append(inputs[1][0].item() if len(inputs) > 1 else None)

    method.network.register_forward_hook(hook)
    steps = steps or T
    restore(method, pictures(1, 8)[1], steps=steps)
    assert len(times) == method.evaluations(method.Variant(steps=steps))
    if name == "predict_and_refine":
        assert times.pop(0) is None, "the predictor comes first"
    assert len(times) == steps
    assert times[0] == 1.0
    assert all(s < t for t, s in itertools.pairwise(times))


@pytest.mark.parametrize("name", STEPS_IN_A_CHAIN)
def test_more_steps_than_times_are_refused(name):
    method = make(name, T=5)
    with pytest.raises(ValueError, match="between 1 and T = 5"):
        restore(method, pictures(1, 8)[1], steps=6)
    with pytest.raises(ValidationError, match="steps"):
        method.Variant(steps=-1)


@pytest.mark.parametrize("name", STEPS_IN_A_CHAIN)
def test_tiles_give_nearly_the_whole_image(name, monkeypatch):
    """The estimate is the condition at every pixel, so a difference can come from seams only."""
    method, (_, degraded) = make(name), pictures(1, 48)
    evaluated = "refined" if name == "predict_and_refine" else "predict"
    monkeypatch.setattr(method, evaluated, lambda condition, x_t, t: condition[:, -3:])
    tiles = restore(method, degraded, steps=2, tile=32, overlap=8)
    assert torch.allclose(tiles, restore(method, degraded, steps=2), atol=1e-5)


# Predict and refine


def perfect_refiner(method, clean, degraded, offset):
    """A predictor with the error `offset` everywhere, and a refiner that corrects this error."""
    x0, deviation = 2 * clean - 1, method.parameters.residual_deviation
    base, coefficients = x0 + offset, of_schedule(method.schedule, deviation)
    refiner = estimating(lambda y, x_t, t: x0, coefficients, deviation, lambda condition: base)

    def answer(x, t):
        assert torch.allclose(x[:, :3], 2 * degraded - 1)
        return base - x if t is None else refiner(x, t)

    method.network = Network(answer)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("steps", [1, 3, 10])
def test_a_perfect_refiner_corrects_a_wrong_prediction(sampler, steps):
    method, (clean, degraded) = make("predict_and_refine"), pictures()
    perfect_refiner(method, clean, degraded, offset=0.2)
    restored = restore(method, degraded, sampler=sampler, steps=steps)
    assert torch.allclose(restored, clean, atol=1e-5)


def test_without_steps_the_result_is_the_prediction():
    method, (clean, degraded) = make("predict_and_refine"), pictures()
    perfect_refiner(method, clean, degraded, offset=0.2)
    restored = restore(method, degraded, steps=0)
    assert torch.allclose(restored, clean + 0.1, atol=1e-5)  # 0.2 in the [-1, 1] scale
    assert method.evaluations(method.Variant(steps=0)) == 1


def test_predict_and_refine_loss_is_the_error_of_prediction_and_of_refined_image():
    method, (clean, degraded) = make("predict_and_refine"), pictures()
    perfect_refiner(method, clean, degraded, offset=0.2)
    loss = method.loss(clean, degraded, torch.Generator().manual_seed(0))
    prediction, target = 2 * clean - 1 + 0.2, 2 * clean - 1  # the refined image has no error
    assert loss.item() == pytest.approx(restoration_error(prediction, target).item(), abs=1e-5)
    assert loss.item() > math.sqrt(0.2**2 + 0.01**2) - 0.01  # the error alone, without SSIM


def test_refiner_sees_the_residual_under_the_schedules_noise(monkeypatch):
    """At every time, the noisy residual minus its share of the residual is standard normal; the
    residual is in units of its deviation."""
    method = make("predict_and_refine", start_share=0.0, residual_deviation=0.3)
    clean, degraded = pictures(8, 32)
    residual, seen = 0.15, []
    method.network = Network(lambda x, t: 2 * clean - 1 - residual - x)

    def refined(inputs, r_t, t):
        assert torch.allclose(inputs[:, 3:], 2 * clean - 1 - residual)
        signal, noise = method.schedule.coefficients(t, r_t)
        seen.append((r_t - signal * residual / 0.3) / noise)
        return inputs[:, 3:]

    monkeypatch.setattr(method, "refined", refined)
    method.loss(clean, degraded, torch.Generator().manual_seed(0))
    assert same_moments(seen[0].double(), 0.0, 1.0)


def test_both_networks_learn_and_the_refiner_is_the_smaller():
    kind = registry.load("predict_and_refine")
    torch.manual_seed(0)
    network = kind(kind.Parameters()).network
    with flop_counter() as predicting:
        network(torch.rand(1, 3, 32, 32))
    with flop_counter() as refining:
        network(torch.rand(1, 6, 32, 32), torch.rand(1))
    assert refining.get_total_flops() < 0.3 * predicting.get_total_flops()

    method = make("predict_and_refine")
    # Convolutions that start at zero give no gradient to the layers before them.
    for parameter in method.network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    method.loss(*pictures(), torch.Generator().manual_seed(0)).backward()
    for name, parameter in method.network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


# Residual shifting


def test_shifting_schedule_has_the_published_ends():
    chain = ShiftingChain.geometric(T=15, kappa=2.0, power=0.3)
    assert chain.T == 15
    assert chain.eta[0] == 0
    assert chain.eta[1].item() == pytest.approx(0.0004)  # (0.04 / 2)²
    assert chain.eta[15].item() == pytest.approx(0.999)
    assert (chain.eta.diff() > 0).all()
    assert ShiftingChain.geometric(kappa=0.5).eta[1].item() == pytest.approx(0.001)  # the lower


def test_shifting_schedule_is_geometric_in_the_power_of_time():
    """p = 1: constant ratios. Any p: log η is linear in (t - 1)^p."""
    eta = ShiftingChain.geometric(T=15, power=1.0).eta[1:]
    ratios = eta[1:] / eta[:-1]
    assert torch.allclose(ratios, ratios[:1], rtol=1e-12)
    eta = ShiftingChain.geometric(T=15, power=0.3).eta
    slopes = [math.log(eta[t] / eta[1]) / (t - 1) ** 0.3 for t in range(2, 16)]
    assert slopes == pytest.approx([slopes[0]] * 14, rel=1e-12)


@pytest.mark.parametrize("eta", [[0.0], [0.1, 0.5], [0.0, 0.5, 0.4], [0.0, 0.5, 1.1]])
def test_invalid_shifting_chain_is_refused(eta):
    with pytest.raises(ValueError, match="eta"):
        ShiftingChain(torch.tensor(eta, dtype=DOUBLE), 1.0)


def test_invalid_shifting_parameters_are_refused():
    with pytest.raises(ValueError, match="kappa"):
        ShiftingChain(torch.tensor([0.0, 1.0], dtype=DOUBLE), 0.0)
    with pytest.raises(ValueError, match="T must be at least 2"):
        ShiftingChain.geometric(T=1)


def test_shifting_step_by_step_has_the_closed_forms_moments():
    """q(x_t given x_{t-1}) = N(x_{t-1} + α_t (y - x0), κ² α_t), α_t = η_t - η_{t-1}, repeated."""
    chain, x0, y, n = ShiftingChain.geometric(), 0.7, -0.2, 200_000
    x = torch.full((n,), x0, dtype=DOUBLE)
    for t in range(1, 12):
        alpha = (chain.eta[t] - chain.eta[t - 1]).item()
        x = x + alpha * (y - x0) + chain.kappa * math.sqrt(alpha) * randn(n, seed=t)
    eta = chain.eta[11].item()
    mean, deviation = x0 + eta * (y - x0), chain.kappa * math.sqrt(eta)
    assert same_moments(x, mean, deviation)

    full = torch.full((n, 1, 1, 1), 1.0, dtype=DOUBLE)
    closed = process.diffuse(
        chain, x0 * full, y * full, torch.full((n,), 11), randn(n, 1, 1, 1, seed=99)
    )
    assert same_moments(closed, mean, deviation)


@pytest.mark.parametrize(("t", "s"), [(2, 1), (9, 8), (15, 14), (15, 3), (11, 6)])
def test_shifting_posterior_is_bayes_rule(t, s):
    """q(x_s given x_t, x0) ∝ q(x_t given x_s) q(x_s given x0), both of the forward chain."""
    chain, x0, y, x_t = ShiftingChain.geometric(), 0.4, -0.3, 0.1
    eta_t, eta_s = chain.eta[t].item(), chain.eta[s].item()
    var_s, var_step = chain.kappa**2 * eta_s, chain.kappa**2 * (eta_t - eta_s)

    def log_q(x_s):
        likelihood = (x_t - x_s - (eta_t - eta_s) * (y - x0)) ** 2 / var_step
        return -0.5 * (likelihood + (x_s - x0 - eta_s * (y - x0)) ** 2 / var_s)

    mean, deviation = chain.posterior(*(torch.tensor(v) for v in (x_t, x0, y)), t, s)
    expected_mean, expected_deviation = bayes(log_q)
    assert mean.item() == pytest.approx(expected_mean, abs=1e-6)
    assert deviation == pytest.approx(expected_deviation, rel=1e-5)


def test_shifting_posterior_at_zero_is_the_clean_image():
    mean, deviation = ShiftingChain.geometric().posterior(
        randn(4), randn(4, seed=1), randn(4, seed=2), 1, 0
    )
    assert (mean == randn(4, seed=1)).all() and deviation == 0


# The mean-reverting SDE


def test_theta_has_the_values_of_the_authors_code():
    """θ̄ and √v of their cosine schedule at λ = 10/255, T = 100, e^{-θ̄_T} = 0.005."""
    sde = MeanRevertingSDE.cosine()
    assert sde.T == 100
    published = {1: 0.0001764, 10: 0.0147432, 25: 0.1588918, 50: 1.0193714, 75: 2.8262174}
    for t, theta_bar in published.items():
        assert sde.theta_bar[t].item() == pytest.approx(theta_bar, rel=1e-3)
    assert math.exp(-sde.theta_bar[100].item()) == pytest.approx(0.005)
    deviations = sde.coefficients(torch.tensor([1, 50, 100]), randn(1))[1].flatten()
    assert deviations.tolist() == pytest.approx([0.00073652, 0.03657391, 0.03921520], rel=1e-3)


def test_mean_reverting_posterior_has_the_values_of_the_authors_code():
    """Their optimal earlier state from x_t = 0.3, x0 = -0.2, μ = 0, and its deviation."""
    sde = MeanRevertingSDE.cosine()
    x_t, x0, mu = (torch.tensor(v, dtype=DOUBLE) for v in (0.3, -0.2, 0.0))
    for t, mean, deviation in [(50, 0.2711224, 0.0122983), (100, 0.2701388, 0.0169992)]:
        ours = sde.posterior(x_t, x0, mu, t, t - 1)
        assert ours[0].item() == pytest.approx(mean, abs=1e-5)
        assert ours[1] == pytest.approx(deviation, rel=1e-4)


@pytest.mark.parametrize("theta_bar", [[0.0], [0.1, 0.5], [0.0, 0.5, 0.5]])
def test_invalid_sde_is_refused(theta_bar):
    with pytest.raises(ValueError, match="theta_bar"):
        MeanRevertingSDE(torch.tensor(theta_bar, dtype=DOUBLE), 1.0)
    with pytest.raises(ValueError, match="level"):
        MeanRevertingSDE(torch.tensor([0.0, 1.0], dtype=DOUBLE), -1.0)


def test_equation_6_has_the_moments_of_the_simulated_sde():
    """Euler's method for dx = θ (μ - x) dt + σ dw, σ² = 2 λ² θ, with many small steps."""
    sde, x0, mu, n, parts = MeanRevertingSDE.cosine(T=20, level=0.3), 0.7, -0.4, 40_000, 40
    x = torch.full((n,), x0, dtype=DOUBLE)
    generator = torch.Generator().manual_seed(0)
    for t in range(1, 13):
        theta_dt = (sde.theta_bar[t] - sde.theta_bar[t - 1]).item() / parts
        for _ in range(parts):
            noise = torch.randn(n, generator=generator, dtype=DOUBLE)
            x += theta_dt * (mu - x) + sde.level * math.sqrt(2 * theta_dt) * noise
    theta_bar = sde.theta_bar[12].item()
    mean = mu + (x0 - mu) * math.exp(-theta_bar)
    deviation = sde.level * math.sqrt(1 - math.exp(-2 * theta_bar))
    assert abs(x.mean() - mean) < 0.01
    assert abs(x.std() / deviation - 1) < 0.02

    full = torch.ones(n, 1, 1, 1, dtype=DOUBLE)
    closed = process.diffuse(sde, x0 * full, mu * full, torch.full((n,), 12), randn(n, 1, 1, 1))
    assert same_moments(closed, mean, deviation)


@pytest.mark.parametrize(("t", "s"), [(2, 1), (50, 49), (100, 99), (100, 20), (60, 30)])
def test_mean_reverting_posterior_is_bayes_rule(t, s):
    """p(x_s given x_t, x0) ∝ p(x_t given x_s) p(x_s given x0), both from proposition 3.1."""
    sde, x0, mu, x_t = MeanRevertingSDE.cosine(level=0.2), 0.4, -0.3, 0.1

    def log_transition(x, start, theta_bar):
        variance = sde.level**2 * (1 - math.exp(-2 * theta_bar))
        return -((x - mu - (start - mu) * math.exp(-theta_bar)) ** 2) / (2 * variance)

    bar_t, bar_s = sde.theta_bar[t].item(), sde.theta_bar[s].item()
    expected_mean, expected_deviation = bayes(
        lambda x_s: log_transition(x_t, x_s, bar_t - bar_s) + log_transition(x_s, x0, bar_s), -3, 3
    )
    mean, deviation = sde.posterior(*(torch.tensor(v).double() for v in (x_t, x0, mu)), t, s)
    assert mean.item() == pytest.approx(expected_mean, abs=1e-6)
    assert deviation == pytest.approx(expected_deviation, rel=1e-5)


def test_posterior_steps_become_the_reverse_sde():
    """The mean tends to Euler's step of dx = [θ (μ - x) - σ² ∇log p] dt as steps get shorter."""
    x_t, x0, mu = (torch.tensor(v, dtype=DOUBLE) for v in (0.1, 0.4, -0.3))
    errors = []
    for T in (100, 200, 400, 800):
        sde, t = MeanRevertingSDE.cosine(T, level=0.2), T // 2
        theta_dt = (sde.theta_bar[t] - sde.theta_bar[t - 1]).item()
        kept, deviation = sde.coefficients(torch.tensor([t]), x_t)
        score = -(x_t - mu - (x0 - mu) * kept) / deviation**2
        euler = x_t - theta_dt * (mu - x_t) + 2 * sde.level**2 * theta_dt * score
        mean, spread = sde.posterior(x_t, x0, mu, t, t - 1)
        errors.append((mean - euler).abs().item())
    assert spread == pytest.approx(sde.level * math.sqrt(2 * theta_dt), rel=0.01)
    ratios = [a / b for a, b in itertools.pairwise(errors)]
    assert all(3.4 < ratio < 4.6 for ratio in ratios), ratios  # a step's error: second order


def test_noise_and_clean_image_convert_into_each_other():
    sde, x0, mu, epsilon = MeanRevertingSDE.cosine(), *(randn(3, 3, 2, 2, seed=i) for i in range(3))
    t = torch.tensor([1, 50, 100])
    x_t = process.diffuse(sde, x0, mu, t, epsilon)
    assert torch.allclose(sde.to_x0(epsilon, x_t, mu, t), x0, atol=1e-9)


# Whole methods: the start, perfect networks, Gaussian data


PROCESSES = {
    "residual_shift": ShiftingChain.geometric(last=0.5),
    "mean_reverting_sde": MeanRevertingSDE.cosine(left=0.5),
    "bridge": OrnsteinUhlenbeckBridge.cosine(),
}


@pytest.mark.parametrize("kind", PROCESSES.values(), ids=PROCESSES)
def test_training_at_the_end_is_with_what_sampling_starts_from(kind):
    """y + noise, though by its equations the process still has half of the residual there."""
    generator = torch.Generator().manual_seed(0)
    x0, y, x_t, t, epsilon = process.training_sample(kind, *pictures(), 1.0, generator)
    assert (t == kind.T).all()
    assert torch.allclose(x_t, y + kind.end_deviation * epsilon, atol=1e-6)
    left = process.diffuse(kind, x0, y, t, epsilon) - x_t
    expected = 0 if kind is PROCESSES["bridge"] else 0.5
    assert left.std().item() == pytest.approx(expected * (x0 - y).std().item(), rel=0.3)


@pytest.mark.parametrize("kind", PROCESSES.values(), ids=PROCESSES)
def test_training_before_the_end_is_by_the_equations(kind):
    generator = torch.Generator().manual_seed(0)
    x0, y, x_t, t, epsilon = process.training_sample(kind, *pictures(8), 0.0, generator)
    earlier = t < kind.T
    assert earlier.any()
    assert torch.allclose(x_t[earlier], process.diffuse(kind, x0, y, t, epsilon)[earlier])


@pytest.mark.parametrize("name", ["residual_shift", "mean_reverting_sde", "bridge"])
def test_at_the_end_the_estimate_is_the_degraded_image_and_the_networks_answer(name):
    """Whatever the noise of x_T is: a regression in units of the residual."""
    method, (_, degraded) = make(name), pictures()
    y, kind = 2 * degraded - 1, process_of(method)
    method.network = Network(lambda x, t: 0.1 * x[:, :3] + x[:, 3:])
    x_T = y + kind.end_deviation * randn(*y.shape).float()
    estimate = method.predict(y, x_T, torch.full((len(y),), kind.T))
    assert torch.allclose(estimate, y + 0.35 * 0.1 * y, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters", "deviation"),
    [
        ("residual_shift", {"kappa": 0.5}, 0.5 * math.sqrt(0.999)),
        ("mean_reverting_sde", {"noise_level": 0.1}, 0.2),
        ("bridge", {}, 0.0),
    ],
)
def test_sampling_starts_at_the_degraded_image_and_noise(name, parameters, deviation, monkeypatch):
    method, (_, degraded) = make(name, **parameters), pictures(1, 128)
    started = []
    monkeypatch.setattr(method, "predict", lambda y, x_t, t: started.append(x_t) or y)
    restore(method, degraded, steps=1)
    (x_T,), y = started, 2 * degraded - 1
    assert same_moments((x_T - y).double(), 0.0, deviation) if deviation else torch.equal(x_T, y)


@pytest.mark.parametrize("steps", [1, 3, 15])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("residual_shift", {}),
        ("mean_reverting_sde", {}),
        ("mean_reverting_sde", {"target": "epsilon"}),
        ("bridge", {}),
    ],
)
def test_a_perfect_network_has_no_loss_and_returns_the_clean_image(name, parameters, steps):
    method, (clean, degraded) = make(name, **parameters), pictures()
    x0 = 2 * clean - 1

    def noise(x, t):
        mu, x_t = x[:, :3], x[:, 3:]
        kept, deviation = of_process(method.sde)(t, x)
        return (x_t - mu - kept * (x0 - mu)) / deviation

    kind = process_of(method)
    deviation = method.parameters.residual_deviation
    perfect = estimating(lambda y, x_t, t: x0, of_process(kind), deviation)
    method.network = Network(noise) if parameters else perfect
    assert method.loss(clean, degraded, torch.Generator().manual_seed(0)) < 1e-3
    assert torch.allclose(restore(method, degraded, steps=steps), clean, atol=1e-3)


def best_denoiser(method, mean, deviation):
    """E[x0 given x_t] (of the residual: predict and refine) for data N(mean, deviation²).

    With x_t = a x0 + c + b ε: mean + a s² / (a² s² + b²) (x_t - c - a mean).
    """

    def gain(a, b):
        return a * deviation**2 / (a**2 * deviation**2 + b**2).clamp(min=1e-12)  # bridge: 0 at T

    scale = method.parameters.residual_deviation
    if hasattr(method, "schedule"):
        units = of_schedule(method.schedule, scale)

        def residual(condition, x_t, t):
            a, b = units(t, x_t)
            return mean + gain(a, b) * (x_t - a * mean)

        # The network does not see the prediction, -0.5, to which the residual is added.
        refiner = estimating(
            lambda y, x_t, t: residual(y, x_t + 0.5, t) - 0.5, units, scale, lambda y: 0 * y - 0.5
        )
        return Network(lambda x, t: -0.5 - x if t is None else refiner(x, t))

    kind = process_of(method)

    def x0(condition, x_t, t):
        a, b = of_process(kind)(t, x_t)
        return mean + gain(a, b) * (x_t - (1 - a) * condition - a * mean)

    return estimating(x0, of_process(kind), scale)


@pytest.mark.parametrize(
    ("name", "parameters", "variant", "offset"),
    [
        ("predict_and_refine", {}, {"sampler": "ddim", "steps": 1000}, -0.5),
        ("residual_shift", {"T": 300, "kappa": 1.0, "power": 1.0}, {"steps": 300}, 0.0),
        ("mean_reverting_sde", {"T": 300, "noise_level": 0.2}, {"steps": 300}, 0.0),
        ("bridge", {"T": 300, "noise_level": 0.2}, {"steps": 300}, 0.0),
    ],
)
def test_gaussian_data_is_sampled_with_its_distribution(name, parameters, variant, offset):
    """With the best denoiser and many steps, samples have the right mean and standard deviation."""
    method, mean, deviation = make(name, **parameters), 0.3, 0.2
    method.network = best_denoiser(method, mean, deviation)
    restored = 2 * restore(method, torch.full((1, 3, 96, 96), 0.4), **variant) - 1
    assert abs(restored.mean() - (mean + offset)) < 0.01
    assert abs(restored.std() / deviation - 1) < 0.03


@pytest.mark.parametrize("name", [*STEPS_IN_A_CHAIN, "diffusion_prior"])
def test_more_steps_than_times_are_warned_of(name):
    method = make(name, T=20)
    allowed, refused = (method.Variant(steps=steps) for steps in (20, 21))
    assert method.variant_warnings(method.parameters, allowed) == []
    (warning,) = method.variant_warnings(method.parameters, refused)
    assert "21 are more than the T = 20 times" in warning
    with pytest.raises(ValueError, match="21"):
        restore(method, torch.rand(1, 3, 16, 16), steps=21)

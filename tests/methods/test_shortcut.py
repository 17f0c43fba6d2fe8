"""The shortcut model: what one step learns from two, against exactly solved cases."""

import math

import pytest
import torch

from benchmark.core.flops import flop_counter
from methods import shortcut
from methods.diffusion import straight_line
from methods.diffusion.conditional import share_of
from tests.methods.preconditioned import estimating, of_line
from tests.methods.test_formulations import DOUBLE, make, pictures, randn, restore


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def jump(method, function):
    """Replaces the network so that the prediction is function(x_t, t, s)."""
    sigma = method.line(torch.zeros(1)).sigma

    def answer(condition, x_t, times):
        t, length = (times[:, i].view(-1, 1, 1, 1) for i in (0, 1))
        return function(x_t, t, t - length)

    deviation = method.parameters.residual_deviation
    method.network = estimating(answer, of_line(sigma), deviation, noise_seen=True)


def steps(count):
    """Random steps t to s that are longer than the shortest of which the network is told."""
    s = 0.6 * torch.rand(count, generator=generator(3), dtype=DOUBLE)
    return s + 0.2 + 0.2 * torch.rand(count, generator=generator(4), dtype=DOUBLE), s


def arguments(count=4):
    """A condition, x_t, t and s."""
    shape = (count, 3, 8, 8)
    return 0.3 * randn(*shape), 0.3 * randn(*shape, seed=1), *steps(count)


def test_a_straight_path_to_one_image_is_its_own_target():
    """The velocity is constant along the path: every step's line ends at the same image."""
    method, x0 = make("shortcut"), 0.4
    jump(method, lambda x, t, s: torch.full_like(x, x0))
    assert torch.allclose(method.two_steps(*arguments()), torch.tensor(x0, dtype=DOUBLE))


def test_one_step_with_the_target_leads_to_where_two_half_steps_lead():
    method = make("shortcut")
    jump(method, lambda x, t, s: (0.5 * x**2 - 0.3 * t + 0.4 * s).clamp(-1, 1))
    condition, x_t, t, s = arguments()
    m = (t + s) / 2
    x_m = straight_line.step(x_t, method.predict(condition, x_t, t, m), t, m)
    x_s = straight_line.step(x_m, method.predict(condition, x_m, m, s), m, s)
    target = method.two_steps(condition, x_t, t, s)
    assert torch.allclose(straight_line.step(x_t, target, t, s), x_s)


def test_target_is_a_mean_of_the_two_predictions():
    """The weights of docs/formulations.md; in a step to t = 0 the second prediction has all."""
    method = make("shortcut")
    jump(method, lambda x, t, s: 0 * x + torch.where(t - s > 0.9 * t, 1.0, 0.0) * t)
    condition, x_t, t, _ = arguments()
    s = torch.zeros_like(t)
    assert torch.allclose(method.two_steps(condition, x_t, t, s)[:, 0, 0, 0], t / 2)

    jump(method, lambda x, t, s: 0 * x + t)
    condition, x_t, t, s = arguments()
    m = (t + s) / 2
    first, second = (s / m) * (1 - m / t) / (1 - s / t), (1 - s / m) / (1 - s / t)
    assert torch.allclose(first + second, torch.ones_like(t))
    expected = first * t + second * m
    assert torch.allclose(method.two_steps(condition, x_t, t, s)[:, 0, 0, 0], expected)


def exact_jump(deviation, sigma):
    """For x0 ~ N(0, deviation²) and start ~ N(0, sigma²), the flow's exact step as a prediction."""

    def spread(t):
        return ((1 - t) ** 2 * deviation**2 + t**2 * sigma**2).sqrt()

    def function(x, t, s):
        whole = straight_line.end(x, x * spread(s) / spread(t), *(v.flatten() for v in (t, s)))
        limit = (1 - t) * deviation**2 / spread(t) ** 2 * x  # s = t: E[x0 given x_t]
        return torch.where(t - s < 1e-6, limit, whole)

    return function


def test_exact_steps_of_the_gaussian_case_are_their_own_target():
    method = make("shortcut", start="degraded")
    jump(method, exact_jump(0.2, 0.3))
    condition, x_t, t, s = arguments()
    target = method.two_steps(condition, 0.3 * x_t, t, s)
    assert torch.allclose(target, method.predict(condition, 0.3 * x_t, t, s))


@pytest.mark.parametrize(
    ("parameters", "sigma"), [({"start": "degraded", "sigma": 0.15}, 0.3), ({"start": "noise"}, 1)]
)
@pytest.mark.parametrize("count", [1, 2, 5, 10])
def test_any_number_of_steps_is_exact_in_the_gaussian_case(count, parameters, sigma):
    """Euler's method needs many: one step of it would give the mean, 0, and no variance."""
    method = make("shortcut", **parameters)
    jump(method, exact_jump(0.2, sigma))
    degraded = torch.full((1, 3, 64, 64), 0.5)  # 0 in the scale of the network
    restored = 2 * restore(method, degraded, steps=count) - 1
    noise = torch.randn((3, 64, 64), generator=generator(0))
    assert torch.allclose(restored[0], 0.2 * noise, atol=1e-4)


def test_shorter_steps_than_the_shortest_are_those_of_the_flow():
    method, lengths = make("shortcut", most_steps=16), []
    method.network.register_forward_hook(lambda m, inputs, out: lengths.append(inputs[1][:, 1]))
    images = torch.zeros(1, 3, 8, 8)
    for count in (1, 4, 8, 9, 100):
        t, s = torch.tensor([1.0]), torch.tensor([1 - 1 / count])
        method.predict(images, images, t, s)
    assert torch.cat(lengths).tolist() == pytest.approx([1, 1 / 4, 1 / 8, 0, 0])


def test_trained_steps_are_those_of_a_sampler():
    """n even steps, n log-uniform: their beginnings and ends are multiples of 1/n."""
    method = make("shortcut", most_steps=32)
    t, s = (time.double() for time in method.random_steps(20_000, generator()))
    n = (1 / (t - s)).round()
    assert n.min() == 1 and n.max() == 16
    assert torch.allclose(t * n, (t * n).round(), atol=1e-4)
    assert ((s >= -1e-6) & (t <= 1 + 1e-6)).all()
    for number in (1, 2, 16):
        expected = math.log((number + 1) / number) / math.log(17)
        assert abs((n == number).double().mean() - expected) < 0.01


def test_a_quarter_of_the_pairs_learns_from_two_steps():
    counts = [share_of(shortcut.JUMPS, pairs, generator(7)) for pairs in (4, 8, 16)]
    assert counts == [1, 2, 4]
    alone = [share_of(shortcut.JUMPS, 1, generator(seed)) for seed in range(997)]
    assert abs(sum(alone) / 997 - 0.25) < 0.01
    assert {*alone} == {0, 1}


def test_flops_are_in_proportion_to_the_pairs_counted():
    method = make("shortcut")

    def flops(pairs):
        with flop_counter() as counter:
            method.loss(*torch.rand(2, pairs, 3, 16, 16), generator())
        return counter.get_total_flops()

    assert flops(2 * method.pairs_counted) == pytest.approx(2 * flops(method.pairs_counted))


def test_the_pairs_of_the_flow_have_the_clean_image_as_target():
    """Without steps to learn from (one pair, a seed that draws none), it is the flow's loss."""
    method, flow = make("shortcut"), make("flow")
    clean, degraded = pictures(1)
    x0 = 2 * clean - 1
    jump(method, lambda x, t, s: x0)
    assert share_of(shortcut.JUMPS, 1, generator(0)) == 0
    assert method.loss(clean, degraded, generator(0)) < 1e-5
    assert flow.parameters.sigma == method.parameters.sigma


def test_no_gradient_goes_through_the_two_steps():
    method = make("shortcut")
    for parameter in method.network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    assert not method.two_steps(*(x.float() for x in arguments())).requires_grad
    method.loss(*pictures(4), generator()).backward()
    for name, parameter in method.network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("start", ["degraded", "noise"])
@pytest.mark.parametrize("count", [1, 3])
def test_each_step_is_one_evaluation_that_knows_where_it_ends(start, count):
    method, times = make("shortcut", start=start), []
    method.network.register_forward_hook(lambda m, inputs, out: times.append(inputs[1][0]))
    restore(method, pictures(1, 8)[1], steps=count)
    assert len(times) == count == method.evaluations(method.Variant(steps=count))
    expected = torch.tensor([[i / count, 1 / count] for i in range(count, 0, -1)])
    assert torch.allclose(torch.stack(times), expected, atol=1e-6)


@pytest.mark.parametrize("denoiser", ["nafnet", "transformer", "restormer"])
def test_other_networks_take_two_times(denoiser):
    from tests.core.test_flops import TINY

    kind = type(make("shortcut"))
    method = kind(kind.Parameters(denoiser=denoiser, network=TINY[denoiser]))
    assert method.loss(*pictures(4), generator()).isfinite()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("start", {"start": "prediction"}),
        ("sigma", {"sigma": -1}),
        ("sigma: start 'noise'", {"sigma": 0.1, "start": "noise"}),
        ("most_steps", {"most_steps": 1}),
        ("start_share", {"start_share": 2}),
    ],
)
def test_impossible_parameters_are_named(name, parameters):
    with pytest.raises(ValueError, match=name):
        make("shortcut", **parameters)

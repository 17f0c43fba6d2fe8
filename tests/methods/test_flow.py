"""Rectified flow against exactly solved Gaussian cases; its starts, limits and teacher."""

import itertools
import math

import pytest
import torch
import yaml

from benchmark.core import weights
from benchmark.core.errors import UserError
from benchmark.results.layout import RunFolder
from benchmark.spec import config_checks, config_reader, registry
from benchmark.spec.training_settings import Training
from benchmark.training.optimisation import build_optimizer
from methods.diffusion import straight_line
from tests import run_jobs
from tests.methods.preconditioned import Network, estimating, of_line
from tests.methods.test_contract import SMALL
from tests.methods.test_formulations import (
    DOUBLE,
    make,
    pictures,
    randn,
    restore,
    same_moments,
)

STARTS = ["prediction", "degraded", "noise"]


def taught(**parameters):
    """A flow from the prediction of a regression with random weights."""
    teacher = make("regression")
    torch.nn.init.normal_(teacher.network.leave.weight, std=0.02)
    method = make("flow", start="prediction", **parameters)
    method.learn_from(teacher)
    return method, teacher


def perfect(method, x0):
    """The network whose estimate is x0 at every time."""
    p = method.parameters
    sigma = None if p.start == "noise" else 2 * p.sigma
    deviation = 0.15 if p.start == "prediction" else 0.35
    return estimating(lambda condition, x_t, t: x0, of_line(sigma), deviation)


# The line and Euler's method


def test_a_point_lies_on_the_line_between_image_and_start():
    x0, start = randn(2, 3, 4, 4), randn(2, 3, 4, 4, seed=1)
    ends = straight_line.point(x0, start, torch.tensor([0.0, 1.0]))
    assert (ends[0] == x0[0]).all() and (ends[1] == start[1]).all()
    middle = straight_line.point(x0, start, torch.tensor([0.25, 0.25]))
    assert torch.allclose(middle, 0.75 * x0 + 0.25 * start)


def test_a_step_with_the_true_image_stays_on_the_line():
    x0, start = randn(2, 3, 4, 4), randn(2, 3, 4, 4, seed=1)
    t, s = torch.tensor([0.8, 0.5], dtype=DOUBLE), torch.tensor([0.3, 0.0], dtype=DOUBLE)
    x_t, x_s = (straight_line.point(x0, start, time) for time in (t, s))
    assert torch.allclose(straight_line.step(x_t, x0, t, s), x_s)
    assert torch.allclose(straight_line.end(x_t, x_s, t, s), x0)


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_euler_asks_once_a_step_and_returns_the_last_answer(steps):
    asked = []

    def denoise(x, t):
        asked.append(t)
        return torch.full_like(x, t)

    x = straight_line.euler(denoise, randn(2), steps)
    assert asked == [i / steps for i in range(steps, 0, -1)]
    assert (x == 1 / steps).all()


def best(mean, known, unknown, sigma):
    """E[x0 given x_t] for f ~ N(mean, known), x0 = f + N(0, unknown), start = f + N(0, sigma²).

    So x_t has the variance S = known + (1-t)² unknown + t² sigma².
    """

    def denoise(x, t):
        variance = known + (1 - t) ** 2 * unknown + (t * sigma) ** 2
        return mean + (known + (1 - t) * unknown) / variance * (x - mean)

    return denoise


@pytest.mark.parametrize(("known", "unknown", "sigma"), [(0.04, 0.02, 0.1), (0.0, 0.25, 1.0)])
def test_gaussian_case_is_solved_with_euler_at_first_order(known, unknown, sigma):
    """The flow keeps quantiles; its error falls in proportion to the length of the steps."""
    start = 0.3 + randn(50)
    exact = 0.3 + math.sqrt((known + unknown) / (known + sigma**2)) * (start - 0.3)
    errors = []
    for steps in (40, 80, 160, 320):
        x = straight_line.euler(best(0.3, known, unknown, sigma), start, steps)
        errors.append((x - exact).abs().max().item())
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert all(0.9 < order < 1.1 for order in orders), orders
    assert errors[-1] < 0.01


def test_one_step_in_the_gaussian_case_is_the_mean_given_the_start():
    """Its gain known/(known + sigma²) is that of a regression on the start: too little variance."""
    start = 0.3 + randn(50)
    x = straight_line.euler(best(0.3, 0.04, 0.02, 0.1), start, 1)
    assert torch.allclose(x, 0.3 + 0.04 / 0.05 * (start - 0.3))


def test_start_share_is_the_share_of_training_at_the_start():
    t = straight_line.random_times(10_000, 0.3, torch.Generator().manual_seed(0))
    assert abs((t == 1).double().mean() - 0.3) < 0.02
    others = t[t < 1].double()
    assert others.min() > 0
    assert same_moments(others, 0.5, 1 / math.sqrt(12))


@pytest.mark.parametrize("sigma", [None, 0.0, 0.2])
@pytest.mark.parametrize("t", [0.1, 0.6, 1.0])
def test_without_network_the_estimate_is_the_best_linear_one(sigma, t):
    """Base plus the regression of x0 - base on what x_t adds to it, over samples."""
    base, residual = randn(1, 3, 1, 90_000), 0.3 * randn(1, 3, 1, 90_000, seed=1)
    line = straight_line.Line(base, sigma)
    time = torch.tensor([t], dtype=DOUBLE)
    start = line.start(randn(*base.shape, seed=2))
    x_t = straight_line.point(base + residual, start, time)
    ours = line.estimate(lambda x: 0 * x[:, :3], base, x_t, time, 0.3)
    offset = x_t - base * ((1 - t) if sigma is None else 1)
    power = offset.square().mean()
    slope = (residual * offset).mean() / power if power > 1e-12 else 0
    assert torch.allclose(ours, base + slope * offset, atol=0.02)


def test_noise_of_each_pixel_is_taken_into_account():
    """Without noise x0 is known; with it, the estimate is that of the same noise everywhere."""
    base, x0 = randn(1, 3, 4, 8), randn(1, 3, 4, 8, seed=1)
    sigma = torch.zeros(1, 1, 4, 8, dtype=DOUBLE)
    sigma[..., 4:] = 0.2
    line, t = straight_line.Line(base, sigma), torch.tensor([0.6], dtype=DOUBLE)
    x_t = straight_line.point(x0, line.start(randn(1, 3, 4, 8, seed=2)), t)

    def network(x):
        return torch.ones_like(x[:, :3])

    ours = line.estimate(network, base, x_t, t, 0.3)
    assert torch.allclose(ours[..., :4], x0[..., :4])
    even = straight_line.Line(base, 0.2).estimate(network, base, x_t, t, 0.3)
    assert torch.allclose(ours[..., 4:], even[..., 4:])


def test_a_line_without_noise_is_solved_by_what_is_known():
    """σ = 0: on the way, x_t and the base give x0 itself. At the start the network decides."""
    base, x0 = randn(2, 3, 4, 4), randn(2, 3, 4, 4, seed=1)
    line, t = straight_line.Line(base, 0.0), torch.tensor([0.3, 1.0], dtype=DOUBLE)
    x_t = straight_line.point(x0, line.start(randn(2, 3, 4, 4, seed=2)), t)
    estimate = line.estimate(lambda x: torch.ones_like(x[:, :3]), base, x_t, t, 0.5)
    assert torch.allclose(estimate[0], x0[0])
    assert torch.allclose(estimate[1], base[1] + 0.5)


# The method


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_perfect_network_has_no_loss_and_returns_the_clean_image(start, steps):
    method, (clean, degraded) = make("flow", start=start), pictures()

    flow = perfect(method, 2 * clean - 1)
    method.taught = True
    method.network = Network(lambda x, t: 0.1 + 0 * x if t is None else flow(x, t))
    assert method.loss(clean, degraded, torch.Generator().manual_seed(0)) < 1e-5
    assert torch.allclose(restore(method, degraded, steps=steps), clean, atol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "deviation"),
    [
        ({"start": "prediction", "sigma": 0.1}, 0.2),
        ({"start": "degraded", "sigma": 0.03}, 0.06),
        ({"start": "noise"}, 1.0),
    ],
)
def test_sampling_and_training_begin_at_the_start(parameters, deviation, monkeypatch):
    method, (clean, degraded) = make("flow", start_share=1, **parameters), pictures(1, 128)
    method.taught = True
    y, seen = 2 * degraded - 1, []
    method.network = Network(lambda x, t: 0 * x[:, :3] + 0.1)

    def predict(condition, x_t, t):
        assert (t == 1).all() and torch.allclose(condition[:, :3], y)
        seen.append((condition[:, -3:], x_t))
        return condition[:, -3:]

    monkeypatch.setattr(method, "predict", predict)
    restore(method, degraded, steps=1)
    method.loss(clean, degraded, torch.Generator().manual_seed(0))
    expected = {"prediction": (y + 0.1).clamp(-1, 1), "degraded": y, "noise": y}
    for base, x_t in seen:
        assert torch.allclose(base, expected[parameters["start"]])
        noise = x_t if parameters["start"] == "noise" else x_t - base
        assert same_moments(noise.double(), 0.0, deviation)


def test_where_the_start_is_noise_the_network_does_not_see_it():
    """At t = 1 its noise says nothing about the image."""
    method, seen = make("flow", start="noise"), []
    method.network = Network(lambda x, t: seen.append(x) or 0 * x[:, :3])
    _, degraded = pictures()
    restore(method, degraded, steps=1)
    assert torch.equal(seen[0], torch.cat([2 * degraded - 1, 0 * degraded], dim=1))


@pytest.mark.parametrize("steps", [1, 4])
def test_without_noise_the_result_does_not_depend_on_the_generator(steps):
    method, _ = taught(sigma=0)
    torch.nn.init.normal_(method.network.refiner.leave.weight, std=0.02)
    _, degraded = pictures(1)
    variant = method.Variant(steps=steps)
    first, second = (
        method.restore(degraded, variant, [torch.Generator().manual_seed(i)]) for i in (0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.allclose(first, restore(make("flow"), degraded, steps=steps))


def test_an_untrained_flow_returns_the_teachers_image_in_one_step():
    """Its correction of the prediction is zero, so training begins where the regression ended."""
    method, teacher = taught(sigma=0.1)
    _, degraded = pictures()
    variant = teacher.Variant()
    with torch.no_grad():
        expected = teacher.restore(degraded, variant, []).clamp(0, 1)
    assert torch.allclose(restore(method, degraded, steps=1), expected, atol=1e-6)
    assert method.evaluations(method.Variant(steps=3)) == 4


def test_noise_of_the_residual_is_where_the_teacher_changed_something():
    method = make("flow", start="prediction", sigma_of="residual", sigma=0.5)
    y = torch.zeros(1, 3, 24, 48)
    prediction = y.clone()
    prediction[..., 24:] = 0.4
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    start = method.line(torch.cat([y, prediction], dim=1)).start(noise)
    change = start - prediction
    assert (change[..., :20] == 0).all()
    assert torch.allclose(change[..., 28:], 0.5 * 0.4 * noise[..., 28:], atol=1e-6)


def test_an_image_without_weather_gets_no_noise():
    """y = f(y) with sigma_of: residual: every number of steps returns it as it is."""
    method, (clean, _) = make("flow", start="prediction", sigma_of="residual", sigma=1), pictures()
    for steps in (1, 4):
        assert torch.allclose(restore(method, clean, steps=steps), clean, atol=1e-6)


def test_without_the_condition_the_network_sees_x_t_alone():
    method, _ = taught(condition=False)
    seen = []
    method.network.refiner.register_forward_hook(lambda m, inputs, out: seen.append(inputs[0]))
    _, degraded = pictures()
    restore(method, degraded, steps=1)
    method.loss(*pictures(), torch.Generator().manual_seed(0))
    assert [x.shape[1] for x in seen] == [3, 3]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start": "predction"}, "start"),
        ({"sigma": -0.1}, "sigma"),
        ({"start": "noise", "sigma": 0.1}, "sigma: start 'noise'"),
        ({"start": "noise", "condition": False}, "condition: start 'noise'"),
        ({"start": "degraded", "sigma_of": "residual"}, "sigma_of: start 'degraded'"),
        ({"loss": "l3"}, "loss"),
    ],
)
def test_impossible_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make("flow", **parameters)


# The teacher


def test_the_teacher_is_kept_as_it_is_and_saved_with_the_flow(tmp_path):
    method, teacher = taught()
    before = {k: v.clone() for k, v in teacher.network.state_dict().items()}
    for kind in ("muon", "adamw"):
        optimizer = build_optimizer(method.network, Training(optimizer=kind))
        method.loss(*pictures(), torch.Generator().manual_seed(0)).backward()
        optimizer.step()
    kept = method.network.predictor.state_dict()
    assert all(torch.equal(kept[k], v) for k, v in before.items())
    changed = method.network.refiner.leave.weight
    assert changed.abs().sum() > 0

    weights.save(method.network, tmp_path / "weights.safetensors")
    again = make("flow", start="prediction")
    weights.load(again.network, tmp_path / "weights.safetensors")
    _, degraded = pictures()
    assert torch.equal(restore(again, degraded, steps=2), restore(method, degraded, steps=2))


def test_a_teacher_that_does_not_fit_is_refused():
    kind = registry.load("flow")
    with pytest.raises(UserError, match="start 'degraded' takes no teacher"):
        make("flow").learn_from(make("regression"))
    prediction = make("flow", start="prediction")
    for teacher in (make("conditional_diffusion"), registry.load("regression")()):
        with pytest.raises(UserError, match="regression entry with the same network"):
            prediction.learn_from(teacher)
    with pytest.raises(UserError, match="needs 'teacher'"):
        kind(kind.Parameters(start="prediction", **SMALL)).loss(*pictures(), torch.Generator())


def run_of(tmp_path, **flow):
    values = {
        "name": "tiny",
        "train_on": "photos",
        "datasets": {"photos": {"split": "val"}},
        "training": {"steps": 1, "stages": [{"share": 1, "batch": 1, "crop": 16}], "workers": 0},
        "methods": {
            "unet": {"method": "regression", "parameters": {**SMALL, "loss": "mse"}},
            "flow": {"parameters": {**SMALL, "start": "prediction"}, **flow},
        },
        "discover": False,
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return config_reader.load(path), RunFolder(tmp_path / "results")


def test_a_run_trains_the_teacher_and_the_flow(tmp_path):
    config, run = run_of(tmp_path, teacher="unet")
    assert config_checks.check_methods(config, "run.yaml") == []
    assert run_jobs.train(config, run, "unet", 0)["status"] == "ok"
    assert run_jobs.train(config, run, "flow", 0)["status"] == "ok"
    method = make("flow", start="prediction")
    weights.load(method.network, run.training("flow", 0) / "weights.safetensors")
    teacher = make("regression")
    weights.load(teacher.network, run.training("unet", 0) / "weights.safetensors")
    for name, value in teacher.network.state_dict().items():
        assert torch.equal(method.network.predictor.state_dict()[name], value)


def test_a_flow_without_its_teacher_is_announced_and_fails_by_name(tmp_path):
    config, run = run_of(tmp_path)
    (warning,) = config_checks.check_methods(config, "run.yaml")
    assert "methods.flow.teacher" in warning
    result = run_jobs.train(config, run, "flow", 0)
    assert result["status"] == "failed" and "needs 'teacher'" in result["reason"]


def test_a_teacher_for_a_start_without_one_is_refused(tmp_path):
    config, _ = run_of(tmp_path, teacher="unet", parameters={**SMALL, "start": "noise"})
    with pytest.raises(UserError, match=r"methods\.flow\.teacher: .* takes no teacher"):
        config_checks.check_methods(config, "run.yaml")

"""The optimiser's groups and arithmetic, the learning rate, and the moving average."""

import pytest
import torch
from torch import nn

from benchmark.spec import registry
from benchmark.spec.training_settings import Training
from benchmark.training import optimisation
from benchmark.training.optimisation import MovingAverage, build_optimizer, learning_rate


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 5)
        self.shared = self.linear
        self.convolution = nn.Conv2d(4, 8, 3)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.norm = nn.LayerNorm(4)
        self.gain = nn.Parameter(torch.zeros(1, 4, 1, 1))
        self.positions = nn.Parameter(torch.zeros(2, 3, 4, 5))


def test_muon_gets_the_matrices_and_adamw_the_rest():
    network = Layers()
    matrices, others = build_optimizer(network, Training()).param_groups
    assert matrices["use_muon"] and not others["use_muon"]
    names = {id(p): name for name, p in network.named_parameters()}
    assert {names[id(p)] for p in matrices["params"]} == {"linear.weight", "convolution.weight"}
    assert {names[id(p)] for p in others["params"]} == {
        "linear.bias", "convolution.bias", "depthwise.weight", "depthwise.bias",
        "norm.weight", "norm.bias", "gain", "positions",
    }  # fmt: skip


@pytest.mark.parametrize("denoiser", ["unet", "nafnet", "transformer", "restormer"])
def test_every_parameter_of_a_denoiser_is_in_one_group(denoiser):
    kind = registry.load("conditional_diffusion")
    network = kind(kind.Parameters(denoiser=denoiser)).network
    grouped = [p for g in build_optimizer(network, Training()).param_groups for p in g["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, network.parameters()))


def expected_update(gradient: torch.Tensor, momentum: float = 0.95) -> torch.Tensor:
    """Muon's first update of a matrix, by its singular values in float64.

    Five times s ← a s + b s³ + c s⁵ for the singular values s of the gradient over its norm.
    """
    matrix = ((1 - momentum) * (1 + momentum) * gradient.double()).flatten(1)
    u, s, v = torch.linalg.svd(matrix / matrix.norm(), full_matrices=False)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (u * s @ v).view_as(gradient)


@pytest.mark.parametrize(("native", "tolerance"), [(False, 1e-5), (True, 0.05)])
def test_muons_first_step_is_that_of_the_singular_values(monkeypatch, native, tolerance):
    """Tall, wide and 4-D weights, in float32 where bfloat16 is not native."""
    monkeypatch.setattr(optimisation, "native_bf16", lambda device: native)
    network = nn.ModuleList([nn.Linear(6, 9), nn.Linear(9, 6), nn.Conv2d(3, 5, 3)])
    weights = [layer.weight for layer in network]
    before = [weight.detach().clone() for weight in weights]
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    gradients = [weight.grad.clone() for weight in weights]
    build_optimizer(network, Training(learning_rate=0.1)).step()
    for weight, old, gradient in zip(weights, before, gradients, strict=True):
        size = 0.1 * 0.2 * max(len(old), old[0].numel()) ** 0.5
        wanted = old * (1 - 0.1 * 0.01) - size * expected_update(gradient).float()
        assert (weight - wanted).abs().max() < tolerance * size


def test_average_is_the_exponential_moving_average():
    """a ← d a + (1 - d) x with d = min(decay, (1 + n) / (10 + n)), and a ← x at first."""
    network = nn.Linear(1, 1, bias=False)
    network.register_buffer("count", torch.zeros(()))
    average, expected = MovingAverage(network, 0.9), 0.0
    for n in range(200):
        network.weight.data.fill_(n + 5)
        network.count.fill_(n)
        average.update(network)
        kept = min(0.9, (1 + n) / (10 + n)) if n else 0
        expected = kept * expected + (1 - kept) * (n + 5)
        if n == 100:  # a resumed average goes on in the same way
            resumed = MovingAverage(network, 0.9)
            resumed.load_state_dict(average.state_dict())
            average = resumed
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert average.module.count == 199


def test_a_constant_learning_rate_falls_in_the_last_steps():
    stages = ({"batch": 1, "crop": 16},)
    factor = learning_rate(
        Training(steps=100, warmup=10, schedule="constant", decay_steps=20, stages=stages)
    )
    assert factor(0) == pytest.approx(0.1)
    assert factor(9) == factor(50) == factor(80) == pytest.approx(1)
    assert factor(90) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0)


def test_learning_rate_warms_up_and_falls_to_zero():
    factor = learning_rate(Training(steps=100, warmup=10))
    assert factor(0) == pytest.approx(0.1)
    assert factor(9) == pytest.approx(1)
    assert factor(55) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0)

"""The FLOPs counted without computing are those of the real computation."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmark.core.flops import flop_counter
from benchmark.core.seeds import torch_generator
from benchmark.planning import microbenchmarks
from benchmark.spec.hollow import hollow
from benchmark.spec.registry import load
from benchmark.training import step
from methods.networks.any_size import tiled

TINY = {
    "unet": {"width": 8, "multipliers": (1, 2)},
    "nafnet": {"width": 8, "encoder": (1,), "middle": 1, "decoder": (1,)},
    "transformer": {"width": 8, "encoder": (2,), "middle": 2, "decoder": (1,)},
    "restormer": {"width": 8, "blocks": (1, 1), "heads": (1, 2), "refinement": 1},
}
METHODS = [
    ("regression", {}),
    ("conditional_diffusion", {"steps": 3}),
    ("predict_and_refine", {"steps": 2}),
    ("residual_shift", {}),
    ("mean_reverting_sde", {}),
    ("bridge", {"steps": 2}),
    ("flow", {"steps": 2}),
    ("shortcut", {"steps": 2}),
    ("consistency_distillation", {"steps": 2}),
    ("diffusion_prior", {"guidance": "haze", "start": 0.1, "steps": 2, "through_network": True}),
]


@pytest.fixture(autouse=True)
def _plain_attention():
    """Attention as matrix products: a fused kernel computes its weights twice for the gradient."""
    with sdpa_kernel(SDPBackend.MATH):
        yield


def make(name, denoiser="unet"):
    kind = load(name)
    method = kind(kind.Parameters(denoiser=denoiser, network=TINY[denoiser]))
    if method.needs_teacher(method.parameters):
        method.learn_from(make("conditional_diffusion", denoiser))
    return method


def of_training(method):
    pair = torch.rand(2, 2, 3, 32, 32)
    return step.step_flops(method, *pair)


def of_restoring(method, settings):
    with torch.inference_mode(), flop_counter() as counter:
        image = torch.rand(1, 3, 40, 32)
        method.restore(image, method.Variant(**settings), [torch_generator("x")])
    return counter.get_total_flops()


@pytest.mark.parametrize(("name", "settings"), METHODS)
def test_a_network_without_content_has_the_same_counts(name, settings):
    method = make(name)
    network = method.network
    computed = of_training(method), of_restoring(method, settings)
    with hollow(method):
        assert method.network is not network
        assert (of_training(method), of_restoring(method, settings)) == computed
    assert method.network is network
    assert all(p.grad is None for p in network.parameters())
    assert of_training(method) == computed[0] > 0


@pytest.mark.parametrize("denoiser", ["nafnet", "transformer", "restormer"])
def test_every_denoiser_can_run_without_content(denoiser):
    method = make("conditional_diffusion", denoiser)
    computed = of_training(method), of_restoring(method, {})
    with hollow(method):
        assert (of_training(method), of_restoring(method, {})) == computed


def test_a_network_without_content_returns_zeros_and_no_gradient():
    method = make("regression")
    torch.nn.init.normal_(method.network.leave.weight)
    x = torch.rand(1, 3, 16, 24, requires_grad=True)
    with hollow(method):
        y = method.network(x)
        y.sum().backward()
        assert y.shape == x.shape
        assert not y.any()
    assert not x.grad.any()
    assert method.network(x).any()


def test_tiles_cost_as_much_as_their_pixels():
    """96×64 pixels in tiles of 32 without overlap are six tiles."""
    method = make("regression")
    variant = method.Variant(tile=32, overlap=0)
    with torch.no_grad(), flop_counter() as counter:
        tiled(method.network, torch.rand(1, 3, 64, 96), 32, 0)
    assert microbenchmarks.restoring_flops(method, variant, (96, 64)) == counter.get_total_flops()

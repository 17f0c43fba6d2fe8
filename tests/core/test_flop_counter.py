"""FLOPs of operations that torch's own counter gets wrong, against closed forms and itself."""

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmark.core.flops import flop_counter
from benchmark.core.seeds import torch_generator
from benchmark.spec import registry
from benchmark.training import step


def counted(run, counter=flop_counter):
    with counter() as count:
        run()
    return count.get_total_flops()


def plain_counter():
    return FlopCounterMode(display=False)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("needs_input_gradient", [False, True])
def test_flops_of_grouped_convolutions(transposed, needs_input_gradient):
    """As many as the groups' convolutions done one by one, which torch counts correctly."""
    convolve = F.conv_transpose2d if transposed else F.conv2d
    x = torch.randn(2, 8, 9, 7, requires_grad=needs_input_gradient)
    weight = torch.randn(8, 2, 3, 3, requires_grad=True)

    def grouped():
        convolve(x, weight, stride=2, groups=4).sum().backward()

    def one_by_one():
        for part, own in zip(x.split(2, dim=1), weight.split(2), strict=True):
            convolve(part, own, stride=2).sum().backward()

    assert counted(grouped) == counted(one_by_one, plain_counter) > 0


@pytest.mark.parametrize("inference", [False, True])
def test_flops_of_attention(inference):
    """Q Kᵀ and the weights times V. The gradient: four products, and the weights once more."""
    q, k, v = torch.randn(3, 2, 3, 16, 8, requires_grad=True)
    product = 2 * 2 * 3 * 16 * 16 * 8

    def attend():
        with torch.inference_mode(inference):
            return F.scaled_dot_product_attention(q, k, v)

    assert counted(attend) == 2 * product
    with sdpa_kernel(SDPBackend.MATH):
        assert counted(attend, plain_counter) == 2 * product
    if not inference:
        assert counted(lambda: attend().sum().backward()) == (2 + 5) * product


def test_flops_of_a_network_without_special_cases_are_torchs_own():
    kind = registry.load("conditional_diffusion")
    torch.manual_seed(0)
    method = kind(kind.Parameters(network={"width": 8, "multipliers": (1, 2), "blocks": 1}))
    torch.nn.init.normal_(method.network.leave.weight, std=0.05)
    pair = torch.rand(2, 2, 3, 16, 16)

    def learn():
        method.loss(*pair, torch_generator("x")).backward()
        method.network.zero_grad()

    with sdpa_kernel(SDPBackend.MATH):  # attention by plain products, which torch counts
        assert step.step_flops(method, *pair) == counted(learn, plain_counter) > 0
    assert all(p.grad is None for p in method.network.parameters())

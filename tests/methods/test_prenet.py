"""PReNet: its size and equations are those of the paper."""

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from benchmark.core.errors import UserError
from benchmark.spec import given_weights
from benchmark.spec.run_config import WeightFile
from methods.prenet import Parameters, PReNet, ProgressiveNetwork


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def images(height=24, width=19, batch=2):
    clean = torch.rand(batch, 3, height, width)
    return (0.7 * clean + 0.3 * torch.rand_like(clean)).clamp(0, 1), clean


def test_has_the_published_number_of_parameters():
    """168,963 for any number of stages."""
    for stages in (1, 6):
        network = ProgressiveNetwork(stages)
        assert sum(p.numel() for p in network.parameters()) == 168_963


def test_stages_are_the_papers_equations():
    """Two stages written out with one convolution for each gate."""
    network, y = ProgressiveNetwork(stages=2, width=4, blocks=2), images(7, 9)[0]
    kernels = network.memory.gates.weight.chunk(4)
    biases = network.memory.gates.bias.chunk(4)
    x, h, c = y, torch.zeros(2, 4, 7, 9), torch.zeros(2, 4, 7, 9)
    for _ in range(2):
        f_in = network.enter(torch.cat([y, x], dim=1)).clamp(min=0)
        i, f, g, o = (
            F.conv2d(torch.cat([f_in, h], dim=1), kernel, bias, padding=1)
            for kernel, bias in zip(kernels, biases, strict=True)
        )
        c = c / (1 + (-f).exp()) + g.tanh() / (1 + (-i).exp())
        h = c.tanh() / (1 + (-o).exp())
        r = h
        for block in network.blocks:
            inner = block.conv2(block.conv1(r).clamp(min=0)).clamp(min=0)
            r = (r + inner).clamp(min=0)
        x = y + network.leave(r)
    assert torch.allclose(network(y), x, atol=1e-5)


def test_more_stages_change_the_answer():
    y = images()[0]
    network = ProgressiveNetwork(stages=1)
    once = network(y)
    network.stages = 2
    assert not torch.allclose(network(y), once, atol=1e-4)


def test_every_parameter_learns():
    method = PReNet(Parameters(stages=2, width=8, blocks=2))
    degraded, clean = images()
    method.loss(clean, degraded, torch.Generator()).backward()
    without = [n for n, p in method.network.named_parameters() if not p.grad.any()]
    assert without == []


def test_loss_is_zero_for_a_perfect_network_only():
    method = PReNet(Parameters(stages=1, width=4, blocks=1))
    degraded, clean = images()
    method.network = lambda x: clean
    assert method.loss(clean, degraded, torch.Generator()).item() == pytest.approx(0, abs=1e-6)
    method.network = lambda x: x
    assert method.loss(clean, degraded, torch.Generator()) > 0.01


@pytest.mark.parametrize("key", ["stages", "width", "blocks"])
def test_impossible_parameters_are_refused(key):
    with pytest.raises(ValidationError, match=key):
        Parameters(**{key: 0})


# --- the authors' files ---


def authors_state(memory, shared):
    """Random weights with the names and shapes of the authors' files."""
    blocks = 1 if shared else 5
    sizes = {"conv0.0": (32, 6), "conv.0": (3, 32)}
    sizes |= {f"res_conv{k + 1}.{n}": (32, 32) for k in range(blocks) for n in (0, 2)}
    sizes |= {f"conv_{gate}.0": (32, 64) for gate in "ifgo" if memory}
    shapes = {f"{name}.weight": (*size, 3, 3) for name, size in sizes.items()}
    shapes |= {f"{name}.bias": size[:1] for name, size in sizes.items()}
    return {name: 0.05 * torch.randn(shape) for name, shape in shapes.items()}


def as_the_authors_write_it(state, y, memory, shared):
    """The equations of the paper with a convolution for each name of the authors."""

    def conv(name, x):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    x, h, c = y, torch.zeros(len(y), 32, *y.shape[2:]), torch.zeros(len(y), 32, *y.shape[2:])
    for _ in range(6):
        r = conv("conv0.0", torch.cat([y, x], dim=1)).relu()
        if memory:
            both = torch.cat([r, h], dim=1)
            i, f, o = (conv(f"conv_{gate}.0", both).sigmoid() for gate in "ifo")
            c = f * c + i * conv("conv_g.0", both).tanh()
            r = h = o * c.tanh()
        for k in range(1, 6):
            block = "res_conv1" if shared else f"res_conv{k}"
            r = (r + conv(f"{block}.2", conv(f"{block}.0", r).relu()).relu()).relu()
        x = y + conv("conv.0", r)
    return x


NETWORKS = {"PReNet": (True, False), "PReNet_r": (True, True), "PRN": (False, False),
            "PRN_r": (False, True)}  # fmt: skip


def loaded(memory, shared, state, folder):
    torch.save(state, folder / "net_latest.pth")
    method = PReNet(Parameters(memory=memory, shared=shared))
    given_weights.load(method, WeightFile(file=str(folder / "net_latest.pth")))
    return method


@pytest.mark.parametrize("name", NETWORKS)
def test_authors_files_give_the_papers_equations(name, tmp_path):
    memory, shared = NETWORKS[name]
    state, y = authors_state(memory, shared), images(7, 9)[0]
    method = loaded(memory, shared, state, tmp_path)
    with torch.no_grad():
        assert torch.allclose(
            method.network(y), as_the_authors_write_it(state, y, memory, shared), atol=1e-5
        )
    assert sum(p.numel() for p in method.network.parameters()) == sum(
        map(torch.numel, state.values())
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_of_another_of_the_four_is_refused(name, tmp_path):
    for other in NETWORKS.keys() - {name}:
        with pytest.raises(UserError, match=r"net_latest\.pth does not fit PReNet with these para"):
            loaded(*NETWORKS[name], authors_state(*NETWORKS[other]), tmp_path)

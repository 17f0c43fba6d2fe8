"""Requirements for every method. They test a new file in methods/ without further code."""

from contextlib import contextmanager

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from benchmark.restoring import output
from benchmark.spec import registry, sources
from benchmark.spec.method import ALL_WEATHERS, LearnedMethod
from tests.methods.test_checkpoint import tiny_checkpoint
from tests.methods.test_weatherdiff import tiny_weatherdiff

SMALL = {"network": {"width": 8, "multipliers": (1, 2), "blocks": 1}}
SMALLER = {**SMALL, "stages": 2, "width": 8, "blocks": 1}  # of networks that are no denoisers
FEW = {"iterations": 20}  # of a method that fits a network to each image


def make(name):
    kind = registry.load(name)
    torch.manual_seed(0)
    small = {k: v for k, v in SMALLER.items() if k in kind.Parameters.model_fields}
    method = kind(kind.Parameters(**small))
    if isinstance(method, LearnedMethod):
        method.network.eval()
    return method


def variant_of(method):
    return method.Variant(**{k: v for k, v in FEW.items() if k in method.Variant.model_fields})


def restore(method, degraded, seeds):
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    target = (degraded,) if method.sees_target else ()
    with torch.inference_mode():
        return method.restore(degraded, variant_of(method), generators, *target)


@pytest.fixture(params=registry.available())
def method(request, tmp_path, monkeypatch):
    if request.param == "weatherdiff":  # its weights are published, not trained here
        return tiny_weatherdiff(tmp_path, monkeypatch)
    if request.param == "checkpoint":
        return tiny_checkpoint(tmp_path)
    return make(request.param)


def test_card_has_all_texts_and_known_weathers(method):
    card = method.card
    for field in ("title", "citation", "licence", "description"):
        assert getattr(card, field), f"card: '{field}' is empty"
    unknown = {*card.weathers} - {*ALL_WEATHERS}
    assert not unknown, f"card: unknown weathers {unknown}, known are {ALL_WEATHERS}"


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 5), (40, 33)], ids="{0[0]}x{0[1]}".format)
def test_restores_any_size_to_float32_in_0_to_1(method, size):
    degraded = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    before = degraded.clone()
    restored = restore(method, degraded, [0])
    output.check(restored, degraded)  # its errors say what was expected
    assert restored.dtype == torch.float32, f"restore() returned {restored.dtype}, not float32"
    assert torch.isfinite(restored).all(), "restore() returned NaN or infinite values"
    assert torch.equal(degraded, before), "restore() changed its input: work on a copy"


def test_an_image_does_not_depend_on_its_batch(method):
    batch = torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    together = restore(method, batch, [0, 1, 2])
    alone = restore(method, batch[1:2], [1])
    difference = (together[1:2] - alone).abs().max().item()
    assert difference <= 2e-4, (
        f"an image restored in a batch of three differs by {difference:.2g} from the same image "
        "restored alone: compute statistics for each image, and take its noise from generators[i]"
    )


def test_same_seed_same_image(method):
    degraded = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    first, second = (restore(method, degraded, [5]) for _ in range(2))
    assert torch.equal(first, second), (
        "two calls with the same generator seed gave different images: draw all random numbers "
        "from the generators that restore() is given"
    )


def test_evaluations_are_what_is_declared(method):
    """The method declares its NFE; here it is counted."""
    network = getattr(method, "network", None)
    calls = []
    if network is not None:
        network.register_forward_hook(lambda *_: calls.append(1))
        restore(method, torch.rand(1, 3, 24, 24), [0])
    else:  # it has no network, or builds one for each image
        with outermost_calls(calls):
            restore(method, torch.rand(1, 3, 24, 24), [0])
    declared = method.evaluations(variant_of(method))
    assert len(calls) == declared, (
        f"evaluations() declares {declared} network evaluations an image, {len(calls)} were made"
    )


@contextmanager
def outermost_calls(calls):
    """Appends to `calls` for each call of a torch module that is not inside the call of another."""
    running = []

    def leave(module, *_):
        running.pop()
        if not running:
            calls.append(module)

    enter = register_module_forward_pre_hook(lambda module, *_: running.append(module))
    exit_ = register_module_forward_hook(leave)
    try:
        yield
    finally:
        enter.remove()
        exit_.remove()


def test_learned_method_learns_a_pair(method):
    """Forty steps on one pair lower the loss."""
    if not isinstance(method, LearnedMethod):
        pytest.skip("the method does not learn")
    if method.needs_teacher(method.parameters):
        pytest.skip("the method learns from a teacher: tested in test_distillation.py")
    generator = torch.Generator().manual_seed(2)
    # Squares of one colour: a prior of clean images cannot learn independent pixels.
    clean = torch.rand(4, 3, 4, 4, generator=generator).repeat_interleave(4, 2)
    clean = clean.repeat_interleave(4, 3)
    degraded = 0.5 * clean + 0.4
    method.network.train()
    optimizer = torch.optim.AdamW(method.network.parameters(), lr=3e-3)
    losses = []
    for step in range(40):
        loss = method.loss(clean, degraded, torch.Generator().manual_seed(step % 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    first, last = sum(losses[:4]) / 4, sum(losses[-4:]) / 4
    assert last < 0.8 * first, (
        f"40 steps on one pair took the loss from {first:.3g} to {last:.3g}, expected below "
        f"{0.8 * first:.3g}: does loss() depend on the network, and does its gradient reach it?"
    )


def test_is_known_to_learn_without_being_imported(method, request):
    name = request.node.callspec.params["method"]
    assert sources.learns(name) == isinstance(method, LearnedMethod), (
        "derive from LearnedMethod, or from a class of methods/ that does, by that name"
    )


@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_diffusion_takes_exactly_the_steps_asked(sampler, steps):
    kind = registry.load("conditional_diffusion")
    method = kind(kind.Parameters(T=5, **SMALL))
    times = []
    method.network.register_forward_hook(lambda m, inputs, out: times.append(inputs[1][0].item()))
    variant = kind.Variant(sampler=sampler, steps=steps)
    method.network.eval()
    method.restore(torch.rand(1, 3, 16, 16), variant, [torch.Generator().manual_seed(0)])
    assert len(times) == steps == method.evaluations(variant)
    assert times[0] == 1.0


@pytest.mark.parametrize("target", ["epsilon", "x0", "v"])
def test_diffusion_loss_is_zero_for_a_perfect_network(target):
    kind = registry.load("conditional_diffusion")
    method = kind(kind.Parameters(target=target, **SMALL))
    clean, degraded = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)

    class Perfect(torch.nn.Module):
        def forward(self, x, t):
            condition, x_t = x[:, :3], x[:, 3:]
            assert torch.allclose(condition, 2 * degraded - 1)
            x0 = 2 * clean - 1
            a, b = method.schedule.coefficients((t * 1000).round().long(), x_t)
            epsilon = (x_t - a * x0) / b
            return {"epsilon": epsilon, "x0": x0 - condition, "v": a * epsilon - b * x0}[target]

    method.network = Perfect()
    assert method.loss(clean, degraded, torch.Generator().manual_seed(0)) < 1e-4


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 5), (0.5, 80, 120), (1.0, 200, 200)])
def test_start_share_is_the_share_of_training_at_the_last_time(share, low, high):
    kind = registry.load("conditional_diffusion")
    method = kind(kind.Parameters(start_share=share, **SMALL))
    times = []
    method.network.register_forward_hook(lambda m, inputs, out: times.append(inputs[1]))
    images = torch.rand(200, 3, 8, 8)
    method.loss(images, images, torch.Generator().manual_seed(0))
    assert low <= (times[0] == 1.0).sum() <= high
    assert times[0].min() > 0

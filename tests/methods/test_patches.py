"""Sampling on overlapping patches: the grid, the mean, and the variant of conditional diffusion."""

import pytest
import torch

from benchmark.core.errors import UserError
from benchmark.core.validation import parse
from methods.conditional_diffusion import ConditionalDiffusion
from methods.diffusion.conditional_settings import Parameters, Variant
from methods.diffusion.patches import pad_to_patch, patch_mean, patch_starts, published_timesteps

TINY = {"width": 8, "multipliers": (1, 2), "blocks": 1}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# --- grid and mean ---


@pytest.mark.parametrize(
    ("length", "patch", "stride", "starts"),
    [
        (64, 64, 16, [0]),
        (96, 64, 16, [0, 16, 32]),  # fits: the published grid
        (97, 64, 16, [0, 16, 32, 33]),
        (65, 64, 16, [0, 1]),
        (10, 4, 4, [0, 4, 6]),
    ],
)
def test_last_patch_is_flush_with_the_edge(length, patch, stride, starts):
    assert patch_starts(length, patch, stride) == starts


@pytest.mark.parametrize(("length", "patch", "stride"), [(7, 8, 4), (8, 4, 5), (8, 4, 0)])
def test_grids_with_gaps_are_refused(length, patch, stride):
    with pytest.raises(ValueError, match="stride"):
        patch_starts(length, patch, stride)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (31, 8), (16, 20)])
@pytest.mark.parametrize("stride", [1, 3, 8])
def test_the_mean_of_a_pixel_wise_function_is_that_function(size, stride):
    """As if it were evaluated on the whole image: no gap, no seam, no pixel counted zero times."""
    x = torch.randn(2, 4, *size, generator=generator(), dtype=torch.float64)
    out = patch_mean(lambda patches: patches[:, :3] ** 2, x, 8, stride, 7)
    assert torch.allclose(out, x[:, :3] ** 2, rtol=1e-12)


def test_mean_is_over_the_patches_that_cover_a_pixel():
    """Patches of 4 at 0, 3 and 6; each returns the place where it starts. Computed by hand."""
    x = torch.arange(10.0).expand(1, 1, 4, 10)
    out = patch_mean(lambda p: p[..., :1, :1].expand(p.shape), x, 4, 3, 2)
    expected = [0, 0, 0, 1.5, 3, 3, 4.5, 6, 6, 6]
    assert out[0, 0].tolist() == [expected] * 4


def test_the_batch_limits_what_is_evaluated_at_once_and_changes_no_result():
    x, network = torch.randn(2, 6, 25, 40, generator=generator()), torch.nn.Conv2d(6, 3, 3)
    sizes = []

    def evaluate(patches):
        sizes.append(len(patches))
        return torch.nn.functional.pad(network(patches), (1, 1, 1, 1))

    with torch.inference_mode():
        outputs = [patch_mean(evaluate, x, 16, 8, batch) for batch in (1, 7, 1000)]
    assert max(sizes[:24]) == 1
    assert sizes[-5:] == [7, 7, 7, 3, 24]
    for out in outputs[1:]:
        assert torch.allclose(out, outputs[0], atol=1e-5)
    with pytest.raises(ValueError, match="batch"):
        patch_mean(evaluate, x, 16, 8, 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (64, 64), (63, 70)])
def test_padding_repeats_the_last_row_and_column_up_to_a_patch(size):
    x = torch.rand(1, 3, *size, generator=generator())
    padded = pad_to_patch(x, 64)
    assert padded.shape[-2:] == tuple(max(side, 64) for side in size)
    rows = torch.arange(padded.shape[-2]).clamp(max=size[0] - 1)
    columns = torch.arange(padded.shape[-1]).clamp(max=size[1] - 1)
    assert (padded == x[..., rows[:, None], columns]).all()


# --- conditional diffusion, sampled on patches ---


def make_method(**parameters):
    """A small model whose last layer is not zero, as if it were trained."""
    torch.manual_seed(0)
    method = ConditionalDiffusion(Parameters(network=TINY, **parameters))
    torch.nn.init.normal_(method.network.leave.weight, std=0.05)
    method.network.eval()
    return method


def restore(method, degraded, seeds=(0,), **settings):
    variant = method.Variant(steps=3, **settings)
    with torch.inference_mode():
        return method.restore(degraded, variant, [generator(seed) for seed in seeds])


def by_patches(method, degraded, seeds=(0,), **settings):
    return restore(method, degraded, seeds, patch=64, stride=16, tile_batch=16, **settings)


@pytest.mark.parametrize("target", ["x0", "epsilon", "v"])
def test_one_patch_is_the_whole_image(target):
    method, degraded = make_method(target=target), torch.rand(1, 3, 64, 64)
    assert torch.allclose(by_patches(method, degraded), restore(method, degraded), atol=1e-5)
    larger = torch.rand(1, 3, 64, 70)
    assert not torch.allclose(by_patches(method, larger), restore(method, larger), atol=1e-3)


@pytest.mark.parametrize("size", [(64, 64), (97, 70), (20, 81)])
def test_patches_of_a_network_that_sees_single_pixels_change_nothing(size):
    method, degraded = make_method(), torch.rand(1, 3, *size)
    method.predict = lambda condition, x_t, t: 0.5 * condition - 0.2 * x_t + 1e-4 * t[0]
    restored = by_patches(method, degraded)
    assert restored.shape == degraded.shape
    if min(size) >= 64:  # a smaller image is padded, so that its noise differs
        assert torch.allclose(restored, restore(method, degraded), atol=1e-5)


def test_an_image_on_patches_does_not_depend_on_its_batch():
    method, images = make_method(), torch.rand(3, 3, 70, 64, generator=generator(1))
    together = by_patches(method, images, seeds=(0, 1, 2))
    assert torch.allclose(together[1:2], by_patches(method, images[1:2], seeds=(1,)), atol=1e-5)


@pytest.mark.parametrize(
    ("spacing", "times"), [("uniform", [1000, 750]), ("published", [751, 501])]
)
def test_spacing_says_where_sampling_on_patches_starts(spacing, times):
    method, seen = make_method(), []
    method.network.register_forward_hook(lambda m, inputs, out: seen.append(inputs[1]))
    variant = method.Variant(steps=4, spacing=spacing, patch=32, stride=32, tile_batch=2)
    method.restore(torch.rand(1, 3, 64, 32), variant, [generator()])
    assert [len(t) for t in seen] == [2] * 4  # an evaluation of both patches for each step
    assert [round(t[0].item() * 1000) for t in seen[:2]] == times


def test_published_times_need_steps_that_divide_T():
    method = make_method(T=990)
    with pytest.raises(UserError, match=r"990 is not a multiple of 25 steps.*spacing: uniform"):
        method.restore(torch.rand(1, 3, 64, 64), Variant(steps=25, spacing="published"), [])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"patch": 16, "stride": 17}, "stride: must be at most patch = 16, not 17"),
        ({"patch": 0}, "patch"),
        ({"spacing": "published", "start": 0.5}, "start must be 1"),
    ],
)
def test_wrong_settings_of_patches_are_refused(settings, says):
    with pytest.raises(UserError, match=f"run.yaml: .*{says}"):
        parse(Variant, settings, "run.yaml")


def test_published_times_are_the_reference_implementations():
    assert published_timesteps(1000, 25)[:2] == [961, 921]
    assert published_timesteps(1000, 25)[-1] == 1
    assert published_timesteps(1000, 1000) == list(range(1000, 0, -1))
    for steps in (0, 3, 999, 1001):
        with pytest.raises(ValueError, match="divide"):
            published_timesteps(1000, steps)

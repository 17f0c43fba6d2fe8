"""Methods on images of any size, with the largest tiles that fit into the memory."""

import pytest
import torch
from pydantic import ValidationError

from methods.networks.memory import peak_bytes
from methods.networks.tile_settings import TileSettings
from tests.methods.test_contract import make

TILED = ["regression", "conditional_diffusion", "predict_and_refine", "residual_shift"]
TILED += ["mean_reverting_sde", "bridge", "flow", "shortcut"]


def restore(method, degraded, **settings):
    generators = [torch.Generator().manual_seed(i) for i in range(len(degraded))]
    with torch.inference_mode():
        return method.restore(degraded, method.Variant(**settings), generators)


def pictures(height, width):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def local(name):
    """The method with a network of single pixels, for which tiles make no difference."""
    method = make(name)

    class Half(torch.nn.Module):
        def forward(self, x, t=None):
            return 0.5 * x[:, :3] - 0.2

    method.network = Half()
    return method


@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize("batch", [1, 3])
def test_tiles_of_any_batch_give_the_whole_images_result(name, batch):
    method, degraded = local(name), pictures(150, 97)
    tiles = restore(method, degraded, tile=64, overlap=16, tile_batch=batch, context=0)
    assert torch.allclose(tiles, restore(method, degraded), atol=1e-5)


@pytest.mark.parametrize("name", TILED)
def test_memory_makes_tiles_smaller_and_is_kept(name):
    method, degraded = make(name), pictures(300, 200)
    sizes = []
    forward = method.network.forward

    def spy(x, *t):
        sizes.append((type(x).__name__, *x.shape[-2:]))
        return forward(x, *t)

    method.network.forward = spy
    limit = 3 * 2**20
    restored = restore(method, degraded, memory=limit / 2**30)
    evaluated = {size for kind, *size in sizes if kind == "Tensor" for size in [tuple(size)]}
    assert restored.shape == degraded.shape
    assert torch.isfinite(restored).all()
    assert all(max(size) < 300 for size in evaluated)
    method.network.forward = forward
    if name == "regression":
        side = max(max(size) for size in evaluated)
        assert peak_bytes(method.network, 3, side) <= limit < peak_bytes(method.network, 3, 320)


def test_too_little_memory_is_refused_with_the_amount_needed():
    with pytest.raises(ValueError, match=r"need .* MiB, more than the 0\.1 MiB allowed"):
        restore(make("regression"), pictures(100, 100), memory=1e-4)


def test_an_image_within_one_tile_needs_no_smaller_ones():
    settings = TileSettings(memory=1.0)
    assert settings.tiles(lambda x: x, 3, pictures(100, 65)) == (128, 32, 1)


@pytest.mark.parametrize("settings", [{"tile": 8}, {"overlap": 768}, {"memory": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        TileSettings(**settings)

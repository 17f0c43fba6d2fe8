"""Networks on images of any size, whole and in tiles."""

import pytest
import torch

from methods.networks.any_size import pad_to_multiple, tiled
from methods.networks.unet import SelfAttention, UNet


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small(**options):
    network = UNet(width=8, multipliers=(1, 2), blocks=1, **options)
    for parameter in network.parameters():
        if not parameter.any():  # zero weights would hide the layers before them
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (16, 16), (33, 18)])
def test_unet_takes_any_size(size):
    x = torch.rand(2, 3, *size)
    assert small()(x).shape == (2, 3, *size)


def test_untrained_unet_returns_zeros():
    assert (UNet(width=8)(torch.rand(1, 3, 16, 16)) == 0).all()


def test_time_changes_the_answer():
    network = small(in_channels=6, time=True)
    x = torch.rand(2, 6, 16, 16)
    assert not torch.allclose(network(x, torch.tensor([0.1, 0.1])), network(x, torch.ones(2)))


def test_images_of_a_batch_do_not_see_each_other():
    network, x = small(), torch.rand(3, 3, 20, 20)
    alone = torch.cat([network(one[None]) for one in x])
    assert torch.allclose(network(x), alone, atol=1e-5)


def test_self_attention_equals_its_definition():
    """softmax(q k' / √d) v for each head, written out."""
    block, x = SelfAttention(16, heads=4), torch.randn(2, 16, 3, 5)
    q, k, v = block.qkv(block.norm(x)).flatten(2).reshape(2, 3, 4, 4, 15).unbind(1)
    weights = torch.softmax(torch.einsum("bhdi,bhdj->bhij", q, k) / 2, dim=-1)
    mixed = torch.einsum("bhij,bhdj->bhdi", weights, v).reshape(2, 16, 3, 5)
    assert torch.allclose(block(x), x + block.out(mixed), atol=1e-5)


def test_padding_repeats_the_edge():
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_multiple(x, 4)
    assert padded.shape == (1, 1, 4, 4)
    assert (padded[..., :2, :3] == x).all()
    assert (padded[..., 2:, :3] == x[..., -1:, :]).all()


@pytest.mark.parametrize("size", [(10, 10), (11, 40), (64, 23), (100, 101)])
@pytest.mark.parametrize(("tile", "overlap"), [(16, 0), (16, 4), (16, 15), (24, 9)])
def test_tiles_cover_every_pixel_and_blend_to_one(size, tile, overlap):
    """A function of single pixels gives the same result in tiles."""
    x = torch.rand(1, 3, *size)
    out = tiled(lambda part: part * 2 + 1, x, tile, overlap)
    assert torch.allclose(out, x * 2 + 1, atol=1e-6)


def test_tiles_are_no_larger_than_asked_and_overlap_enough():
    seen = []

    def evaluate(part):
        seen.append(tuple(part.shape[-2:]))
        return part

    tiled(evaluate, torch.rand(1, 3, 50, 20), tile=16, overlap=8)
    assert set(seen) == {(16, 16)}
    assert len(seen) == 6 * 2


def test_an_image_of_one_tile_is_evaluated_whole():
    seen = []
    tiled(lambda part: seen.append(part) or part, torch.rand(1, 3, 16, 9), tile=16, overlap=4)
    assert len(seen) == 1


@pytest.mark.parametrize(("tile", "overlap"), [(16, 16), (16, -1), (0, 0)])
def test_impossible_tiles_are_refused(tile, overlap):
    with pytest.raises(ValueError, match="overlap"):
        tiled(lambda part: part, torch.rand(1, 3, 32, 32), tile, overlap)

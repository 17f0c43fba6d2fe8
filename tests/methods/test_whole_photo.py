"""Tiles that follow the whole photo: seams, halos, and what stays as it is."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmark.core.guided_filter import guided_filter
from methods.networks.memory import PeakMemory
from methods.networks.tile_settings import TileSettings
from methods.networks.whole_photo import EPS, RADIUS, WholePhoto, reduce
from tests.methods.test_contract import make
from tests.methods.test_tile_settings import restore
from tests.seams import seam_steps

LEVEL = 1 / 255


def scene(height, width):
    """A hazy scene (1, 3, H, W) and its sky (H, W): planes of ground behind each other, further and
    paler upwards, below a grey sky with dark towers."""
    y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    x = torch.linspace(0, 1, width)[None].expand(height, width)
    ground = 0.35 + 0.15 * torch.sin(9 * x + 4 * y) * torch.sin(7 * y)
    depth = ((1 - y) * 6).floor() / 6
    towers = torch.stack([(x - c).abs() < 0.02 for c in (0.12, 0.3, 0.47, 0.68, 0.9)]).any(0)
    sky = (y < 0.45) & ~(towers & (y > 0.15))
    clear = torch.where(y < 0.45, 0.25, ground)
    hazy = torch.where(sky, 0.75 + 0.03 * x, 0.75 + (clear - 0.75) * torch.exp(-1.2 * depth))
    return torch.stack([hazy, 0.98 * hazy, 0.96 * hazy])[None].contiguous(), sky


def own_airlight(x):
    """A stand-in for a network: it takes the haze for what all of its input has in common, and
    brightens whatever has a lower mean than its input."""
    mean = x.mean(dim=(-2, -1), keepdim=True)
    return 0.45 + 1.5 * (x - mean)


def with_halo(x):
    """A stand-in that whitens what is beside a tower: 38 levels, fading from 54 to 86 pixels."""
    dark = (x < 0.6).float()
    row = dark.mean(dim=-2, keepdim=True)  # towers, and what stands above them, are straight
    near = F.avg_pool2d(row, (1, 141), stride=1, padding=(0, 70)).clamp(max=0.14) / 0.14
    return x + 0.15 * near * (1 - dark)


def test_no_tile_edge_of_12_megapixels_has_a_larger_step_than_the_whole_image():
    photo, _ = scene(3000, 4000)
    tiled, alone = TileSettings(), TileSettings(context=0)
    whole = seam_steps(own_airlight(photo), tiled)
    assert (seam_steps(tiled.restore(own_airlight, photo), tiled) < whole + 2).all()
    assert (seam_steps(alone.restore(own_airlight, photo), alone) > whole + 20).any()


def test_the_mean_colour_is_that_of_the_tiles():
    photo, _ = scene(330, 400)
    settings, alone = (TileSettings(tile=100, overlap=16, context=c) for c in (40, 0))
    means = [s.restore(own_airlight, photo).mean(dim=(-2, -1)) for s in (settings, alone)]
    assert torch.allclose(*means, atol=1e-5)


def test_a_tower_keeps_its_edge_and_loses_its_halo():
    """A network that makes halos at full resolution only, where it sees little around a tower."""
    photo, sky = (x[..., :270, :] for x in scene(600, 800))
    settings, alone = (TileSettings(tile=384, overlap=32, context=c) for c in (200, 0))

    def network(x):
        return with_halo(x) if x.shape[-1] > 200 else x

    restored, whitened = (s.restore(network, photo)[0, 0] for s in (settings, alone))
    assert (whitened - photo[0, 0])[sky].max() > 35 * LEVEL
    change = (restored - photo[0, 0])[sky]
    assert (change - change.median()).abs().max() < 10 * LEVEL
    tower = (photo[0, 0, 200] < 0.6).int().diff().nonzero().flatten()
    steps = [image[200].diff()[tower] for image in (photo[0, 0], restored)]
    assert torch.allclose(*steps, atol=5 * LEVEL)


def whole(photo, factor, scale=1):
    return WholePhoto(reduce(photo, factor), tuple(photo.shape[-2:]), factor, scale)


@pytest.mark.parametrize(("top", "left", "height", "width"), [
    (0, 0, 100, 100), (30, 20, 100, 140), (107, 31, 103, 139), (110, 70, 100, 100), (3, 3, 15, 15)
])  # fmt: skip
def test_a_tile_that_is_as_the_whole_photo_stays(top, left, height, width):
    """With blocks of 7 pixels, which begin inside the tile, and end at the photo's border."""
    photo = torch.rand(2, 3, 210, 170, generator=torch.Generator().manual_seed(0))
    tile = photo[..., top : top + height, left : left + width]
    assert torch.allclose(whole(photo, 7).match(tile, top, left), tile, atol=1e-6)
    lighter = WholePhoto(reduce(photo, 7) + 0.1, (210, 170), 7)
    assert torch.allclose(lighter.match(tile, top, left), tile + 0.1, atol=1e-6)


@pytest.mark.parametrize("scale", [1, 2])
def test_at_full_resolution_it_is_the_guided_filter(scale):
    """Factor 1: tile + q, where q is the filtered difference with the tile as the guide."""
    tile, photo = torch.rand(2, 2, 3, 20, 23, generator=torch.Generator().manual_seed(0))
    found = whole(scale * photo, 1, scale).match(scale * tile, 0, 0) / scale
    for image, channel in np.ndindex(2, 3):
        guide, wanted = (x[image, channel].numpy() for x in (tile, photo))
        expected = guide + guided_filter(guide, wanted - guide, RADIUS, EPS)
        assert np.allclose(found[image, channel].numpy(), expected, atol=1e-5)


def test_a_photo_that_is_far_larger_than_its_tiles_follows_in_several_steps():
    sizes = []
    settings = TileSettings(tile=32, overlap=8)
    settings.restore(lambda x: sizes.append(tuple(x.shape[-2:])) or x, scene(300, 400)[0])
    assert set(sizes) == {(19, 25), (32, 32)}  # 400 to 100 and to 25 pixels, a quarter each time


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (7, 9), (9, 7)])
def test_blocks_at_the_border_have_the_pixels_that_are_left(size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    small = reduce(x, 4)
    assert small.shape[-2:] == tuple(-(-side // 4) for side in size)
    top, left = ((side - 1) // 4 * 4 for side in size)
    assert torch.allclose(small[..., -1, -1], x[..., top:, left:].mean(dim=(-2, -1)))


# Methods

NAMES = [
    "regression", "conditional_diffusion", "predict_and_refine", "residual_shift",
    "mean_reverting_sde", "aodnet", "gcanet", "prenet",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_within_one_tile_is_the_same_bit_for_bit(name):
    method, photo = make(name), scene(40, 60)[0]
    assert torch.equal(
        restore(method, photo, tile=64, overlap=16, context=20),
        restore(method, photo, tile=64, overlap=16, context=0),
    )


@pytest.mark.parametrize("name", NAMES)
def test_tiles_of_every_learned_method_follow_the_whole_photo(name):
    """The network sees a photo of 20 pixels once, whole; then the method's tiles follow it."""
    method, photo = make(name), scene(50, 70)[0]
    sizes = []
    forward = method.network.forward
    method.network.forward = lambda x, *t: sizes.append(x.shape[-2:]) or forward(x, *t)
    settings = {"tile": 32, "overlap": 8}
    followed = restore(method, photo, **settings, context=20)
    assert {(13, 18), (32, 32)} == {tuple(size) for size in sizes}
    assert torch.equal(followed, restore(method, photo, **settings, context=20))
    assert followed.shape == photo.shape


@pytest.mark.parametrize("target", ["epsilon", "v"])
def test_predictions_of_noise_become_images_before_they_are_matched(target):
    x0, photo = make("conditional_diffusion"), scene(50, 70)[0]
    method = type(x0)(x0.parameters.model_copy(update={"target": target}))
    restored = restore(method, photo, tile=32, overlap=8, context=20, steps=2)
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_a_batch_of_photos_is_that_of_each_alone():
    photos = torch.cat([scene(50, 70)[0], scene(50, 70)[0].flip(-1)])
    settings = TileSettings(tile=32, overlap=8, context=20)
    apart = [settings.restore(own_airlight, photo) for photo in photos.split(1)]
    assert torch.allclose(settings.restore(own_airlight, photos), torch.cat(apart), atol=1e-6)


def test_beside_the_result_no_buffer_is_as_large_as_the_photo():
    settings = TileSettings(tile=64, overlap=16, context=64)
    peaks = []
    for side in (200, 600):
        photo = torch.zeros(1, 3, side, side)
        with PeakMemory() as memory:
            settings.restore(lambda tile: tile + 0, photo)
        peaks.append(memory.peak - 4 * photo.numel())
    assert peaks[1] < 1.5 * peaks[0]

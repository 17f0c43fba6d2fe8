"""Tiles of large images: their grid, shifts and memory."""

import itertools

import pytest
import torch
from scipy.stats import qmc

from methods.networks.any_size import grid_shift, tiled
from methods.networks.memory import PeakMemory, peak_bytes, tile_for
from methods.networks.unet import UNet

MIB = 2**20


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def per_pixel(x):
    return x * 2 + 1


def small_unet(**options):
    torch.manual_seed(0)
    network = UNet(width=8, multipliers=(1, 2), blocks=1, **options)
    torch.nn.init.normal_(network.leave.weight, std=0.1)
    return network.eval()


def evenly(length, tile, overlap):
    count = 1
    while count * tile - (count - 1) * overlap < length:
        count += 1
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def shifted(length, tile, overlap, shift):
    places = [-shift]
    while places[-1] + tile < length:
        places.append(places[-1] + tile - overlap)
    return places


def written_out(evaluate, x, tile, overlap, shift):
    """The blend pixel by pixel: weights of a tile are at its place in the grid; it is evaluated at
    its place inside the image."""
    size = x.shape[-2:]
    grids = [
        shifted(length, tile, overlap, s) if s else evenly(length, tile, overlap)
        for length, s in zip(size, shift, strict=True)
    ]
    total, blended = torch.zeros(size), torch.zeros_like(x)
    for top, left in itertools.product(*grids):
        inside = [min(max(p, 0), n - tile) for p, n in zip((top, left), size, strict=True)]
        window = (..., *(slice(p, p + tile) for p in inside))
        part = torch.zeros_like(x)
        part[window] = evaluate(x[window])
        for i, j in itertools.product(range(size[0]), range(size[1])):
            ends = [min(i - top + 1, top + tile - i), min(j - left + 1, left + tile - j)]
            if min(ends) > 0:
                weight = min(ends[0] / (overlap + 1), 1) * min(ends[1] / (overlap + 1), 1)
                blended[..., i, j] += weight * part[..., i, j]
                total[i, j] += weight
    return blended / total


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (1, 4)])
def test_equals_the_blend_written_out(shift):
    def evaluate(part):
        return part + part.mean(dim=(2, 3), keepdim=True)

    x = rand(1, 3, 23, 20)
    expected = written_out(evaluate, x, 9, 4, shift)
    assert torch.allclose(tiled(evaluate, x, 9, 4, shift), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (16, 16), (17, 16), (23, 64), (1, 5000)])
@pytest.mark.parametrize("shift", [(0, 0), (1, 1), (5, 11), (11, 5), (12, 1000)])
def test_any_size_at_any_shift_is_covered_and_blends_to_one(size, shift):
    x = rand(1, 2, *size)
    out = tiled(per_pixel, x, tile=16, overlap=4, shift=shift)
    assert torch.allclose(out, per_pixel(x), atol=1e-6)


@pytest.mark.parametrize("shift", [(0, 0), (0, 7)])
def test_a_strip_goes_through_a_network(shift):
    network, x = small_unet(), rand(1, 3, 1, 5000)
    with torch.no_grad():
        out = tiled(network, x, tile=512, overlap=16, shift=shift, batch=4)
    assert out.shape == x.shape
    assert out.isfinite().all()
    assert out.std() > 0


def places(size, tile, overlap, shift):
    """Places of the tiles, read from an image with the coordinates of each pixel."""
    rows, columns = torch.meshgrid(*(torch.arange(float(s)) for s in size), indexing="ij")
    seen = []

    def evaluate(part):
        assert part.shape[-2:] == (min(tile, size[0]), min(tile, size[1]))
        assert (part.diff(dim=-2)[:, 0] == 1).all(), "rows that are not neighbours in the image"
        assert (part.diff(dim=-1)[:, 1] == 1).all(), "columns that are not neighbours"
        seen.append((int(part[0, 0, 0, 0]), int(part[0, 1, 0, 0])))
        return part

    tiled(evaluate, torch.stack([rows, columns])[None], tile, overlap, shift)
    return seen


def test_a_shift_moves_the_inner_tiles_and_keeps_those_at_the_border_flush():
    lefts = [left for _, left in places((8, 60), tile=16, overlap=4, shift=(0, 5))]
    assert lefts == [0, 7, 19, 31, 43, 44]  # 12 apart, 5 to the left of 12, 24, ...


@pytest.mark.parametrize("length", [17, 28, 29, 61, 100])
@pytest.mark.parametrize("overlap", [0, 4, 15])
def test_tiles_overlap_enough_at_every_shift(length, overlap):
    for shift in range(16 - overlap):
        lefts = [left for _, left in places((1, length), 16, overlap, (0, shift))]
        assert (lefts[0], lefts[-1]) == (0, length - 16)
        assert all(0 < b - a <= 16 - overlap for a, b in itertools.pairwise(lefts))


def test_shifts_of_the_whole_grid_change_nothing():
    assert places((40, 40), 16, 4, (12, 24)) == places((40, 40), 16, 4, (0, 0))


def test_grid_shifts_are_the_halton_sequence():
    """scipy's, unscrambled, in bases 2 and 3; the stride is tile - overlap = 648."""
    expected = (648 * qmc.Halton(2, scramble=False).random(50) + 1e-6).astype(int)
    assert [grid_shift(i, 712, 64) for i in range(50)] == [tuple(row) for row in expected.tolist()]
    assert grid_shift(0, 712, 64) == (0, 0)


def test_shifted_steps_have_seams_in_different_places():
    """For a network with errors at a tile's ends, the mean of several steps has smaller errors."""

    def evaluate(part):
        error = torch.zeros_like(part)
        error[..., [0, -1]] = 1
        return error

    x = torch.zeros(1, 1, 1, 200)
    steps = [tiled(evaluate, x, 16, 2, grid_shift(i, 16, 2)) for i in range(8)]
    inside = slice(1, -1)  # the ends of the image are ends of tiles in every step
    errors = [step[..., inside].max() for step in steps]
    assert min(errors) > 0.2
    assert torch.stack(steps).mean(0)[..., inside].max() < 0.4 * min(errors)


@pytest.mark.parametrize(("step", "tile", "overlap"), [(-1, 16, 4), (0, 4, 4), (0, 4, -1)])
def test_impossible_shifts_are_refused(step, tile, overlap):
    with pytest.raises(ValueError, match="shift"):
        grid_shift(step, tile, overlap)


@pytest.mark.parametrize("batch", [2, 3, 7, 100])
def test_result_does_not_depend_on_the_batch_of_tiles(batch):
    network, x = small_unet(), rand(2, 3, 50, 45)
    with torch.no_grad():
        one = tiled(network, x, 24, 8, (3, 5))
        assert torch.allclose(tiled(network, x, 24, 8, (3, 5), batch), one, atol=1e-6)
    together = tiled(per_pixel, x, 24, 8, batch=batch)
    assert torch.equal(together, tiled(per_pixel, x, 24, 8)), "the blend itself is exact"


def test_tiles_are_evaluated_in_batches_of_the_given_size():
    sizes = []
    tiled(lambda part: sizes.append(len(part)) or part, rand(2, 3, 30, 30), 12, 2, batch=4)
    assert sizes == [8, 8, 2]  # 3 × 3 tiles of two images


def test_several_tensors_have_the_same_tiles():
    a, b = rand(2, 3, 40, 33), rand(2, 1, 40, 33, seed=1)
    out = tiled(lambda p, q: p * q, (a, b), 16, 4, (3, 5), batch=3)
    assert torch.allclose(out, a * b, atol=1e-6)
    assert torch.equal(tiled(lambda p, q: p * q, (a, b), 40, 4), a * b)


def test_impossible_batches_and_sizes_are_refused():
    with pytest.raises(ValueError, match="batch"):
        tiled(per_pixel, rand(1, 3, 32, 32), 16, 4, batch=0)
    with pytest.raises(ValueError, match="size"):
        tiled(torch.add, (rand(1, 3, 32, 32), rand(1, 3, 32, 31)), 16, 4)


def test_the_input_is_unchanged():
    x = rand(1, 3, 40, 40)
    before = x.clone()
    tiled(lambda part: part, x, 16, 4)
    assert torch.equal(x, before)


def test_gradients_pass_through_tiles():
    x = rand(1, 3, 20, 20).requires_grad_()
    tiled(per_pixel, x, 8, 2, batch=2).sum().backward()
    assert torch.allclose(x.grad, torch.full_like(x, 2.0), atol=1e-5)


# Memory


def test_peak_memory_counts_living_tensors():
    with PeakMemory() as memory:
        a = torch.ones(1000)  # 4000 bytes
        b = a.view(10, 100) + 1  # a view takes no memory; its sum does
        del a
        b.mul_(2)
        c = torch.ones(500)
    assert (memory.peak, memory.live) == (8000, 6000)
    del b, c
    assert memory.live == 0


@pytest.mark.parametrize("channels_last", [False, True])
def test_peak_without_computing_is_the_peak_of_computing(channels_last):
    network = small_unet(attention=not channels_last)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    with torch.no_grad(), PeakMemory() as memory:
        network(torch.rand(2, 3, 64, 64))
    assert peak_bytes(network, 3, 64, batch=2) == memory.peak


def test_peak_of_a_convolution_is_its_input_and_output():
    convolution = torch.nn.Conv2d(3, 8, 3, padding=1)
    assert peak_bytes(convolution, 3, 128) == 4 * (3 + 8) * 128**2


def test_peak_is_found_under_inference_mode_too():
    network = small_unet()
    with torch.inference_mode():
        assert peak_bytes(network, 3, 64) == peak_bytes(network, 3, 64)


def tiled_peak(side, **options):
    """Bytes at the peak without the result and the input."""
    network, x = small_unet(attention=False), torch.rand(1, 3, side, side)
    with torch.no_grad(), PeakMemory() as memory:
        tiled(network, x, tile=64, overlap=16, **options)
    return memory.peak - 4 * 3 * side * side


def test_memory_depends_on_the_tile_and_not_on_the_image():
    # Only the place and the weights of each tile grow, by a few hundred bytes.
    assert tiled_peak(600) == pytest.approx(tiled_peak(200), rel=0.02)
    assert tiled_peak(600, batch=3) < 3.1 * tiled_peak(600)
    needed = peak_bytes(small_unet(attention=False), 3, 64)
    assert needed <= tiled_peak(600) <= 1.1 * needed


@pytest.mark.parametrize(("channels", "batch"), [(3, 1), (3, 4), ((2, 1), 1)])
def test_tile_is_the_largest_that_fits(channels, batch):
    network = small_unet()
    evaluate = network if channels == 3 else lambda a, b: network(torch.cat([a, b], dim=1))
    side = tile_for(evaluate, channels, 20 * MIB, batch)
    assert side % 64 == 0
    assert peak_bytes(evaluate, channels, side, batch) <= 20 * MIB
    assert peak_bytes(evaluate, channels, side + 64, batch) > 20 * MIB


def test_tile_is_known_exactly_for_a_convolution():
    convolution = torch.nn.Conv2d(3, 1, 1)  # 16 bytes a pixel
    assert tile_for(convolution, 3, 16 * 320**2) == 320
    assert tile_for(convolution, 3, 16 * 320**2 - 1) == 256
    assert tile_for(convolution, 3, 10**12) == 4096
    assert tile_for(convolution, 3, 16 * 320**2, multiple=100, largest=250) == 200


def test_too_little_memory_for_a_tile_is_refused_with_the_amount_needed():
    with pytest.raises(ValueError, match=r"64 pixels need .* MiB, more than the 0\.1 MiB allowed"):
        tile_for(small_unet(), 3, MIB // 10)

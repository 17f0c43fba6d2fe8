"""Published checkpoints by file: which are loaded, which are refused, and their results."""

import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.DRUNet import DRUNet
from spandrel.architectures.MixDehazeNet import MixDehazeNet
from spandrel.architectures.NAFNet import NAFNet
from spandrel.architectures.SwinIR import SwinIR
from spandrel.architectures.Uformer import Uformer

from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.validation import parse
from benchmark.restoring import dataset
from methods.checkpoint import Checkpoint, Parameters, Variant

SMALL_SWINIR = {"embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 8, "mlp_ratio": 2}


def nafnet(**changes):
    sizes = {"width": 8, "middle_blk_num": 1, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}
    return NAFNet(**{**sizes, **changes})


def swinir(**changes):
    return SwinIR(**{**SMALL_SWINIR, "img_size": 16, **changes})


def drunet():
    return DRUNet(in_nc=4, out_nc=3, nc=[4, 8, 8, 8], nb=2)


def uformer():
    return Uformer(embed_dim=4, depths=[1] * 9, num_heads=[1] * 9, win_size=8)


def mixdehazenet():
    return MixDehazeNet(embed_dims=[8] * 5, depths=[1] * 5)


def signed(network, x):
    """Input and output of MixDehazeNet are in [-1, 1]."""
    return (network(2 * x - 1) + 1) / 2


def with_noise_level(network, x):
    """DRUNet takes the level of the noise as input: spandrel sets 15 grey levels."""
    return network(torch.cat([x, torch.full_like(x[:, :1], 15 / 255)], dim=1))


def plain(network, x):
    return network(x)


def parallel(state):
    """The format of training scripts for several GPUs."""
    return {"epoch": 9, "state_dict": {f"module.{name}": value for name, value in state.items()}}


# Network, the format of its authors' file, and their way to call it.
PUBLISHED = {
    "NAFNet": (nafnet, lambda state: {"params": state}, plain),
    "SwinIR": (swinir, lambda state: {"params": state}, plain),
    "DRUNet": (drunet, lambda state: state, with_noise_level),
    "Uformer": (uformer, parallel, plain),
    "MixDehazeNet": (mixdehazenet, parallel, signed),
}


def filled(make):
    """A network with random weights everywhere; authors start some of them at 0."""
    torch.manual_seed(0)
    network = make().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter += 0.02 * torch.randn_like(parameter)
    return network


def publish(name, folder):
    """The network, and a file of its weights in the published format."""
    make, wrap, _ = PUBLISHED[name]
    network = filled(make)
    torch.save(wrap(network.state_dict()), folder / f"{name}.pth")
    return network, folder / f"{name}.pth"


def method_of(path):
    return Checkpoint(Parameters(weights=str(path)))


def tiny_checkpoint(folder):
    return method_of(publish("NAFNet", folder)[1])


def image(height, width, count=1):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def restore(method, degraded, **settings):
    with torch.inference_mode():
        return method.restore(degraded, Variant(**settings), [torch.Generator()] * len(degraded))


# --- results ---


@pytest.mark.parametrize("name", PUBLISHED)
def test_result_is_the_networks_own(name, tmp_path):
    network, path = publish(name, tmp_path)
    call = PUBLISHED[name][2]
    degraded = image(128, 128, count=2)
    with torch.inference_mode():
        expected = call(network, degraded).clamp(0, 1)
    assert (expected - degraded).abs().max() > 0.01
    method = method_of(path)
    assert torch.allclose(restore(method, degraded), expected, atol=1e-5)
    assert method.facts()["architecture"] == name


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("size", [(1, 1), (13, 5), (40, 33)])
def test_any_size_is_restored(name, size, tmp_path):
    degraded = image(*size)
    restored = restore(method_of(publish(name, tmp_path)[1]), degraded)
    assert restored.shape == degraded.shape
    assert torch.isfinite(restored).all()


def test_sizes_between_are_padded_and_cropped(tmp_path):
    """DRUNet takes multiples of 8; the image is mirrored at its last row and column."""
    network, path = publish("DRUNet", tmp_path)
    degraded = image(21, 30)
    padded = torch.nn.functional.pad(degraded, (0, 2, 0, 3), mode="reflect")
    with torch.inference_mode():
        expected = with_noise_level(network, padded).clamp(0, 1)[..., :21, :30]
    assert torch.allclose(restore(method_of(path), degraded), expected, atol=1e-6)


def test_large_images_are_restored_in_tiles(tmp_path):
    """The receptive field is 3 pixels wide on each side, so the middle of a tile does not depend on
    its edge. The blend fades out the pixels that depend on the padding."""
    network = filled(lambda: Compact(num_feat=4, num_conv=1, upscale=1))
    torch.save({"params": network.state_dict()}, tmp_path / "x.pth")
    method = method_of(tmp_path / "x.pth")
    sizes = []
    method.network.register_forward_hook(lambda m, inputs, out: sizes.append(inputs[0].shape[-2:]))
    degraded = image(100, 70)
    tiles = restore(method, degraded, tile=48, overlap=16, context=0)
    assert len(sizes) > 4
    assert max(max(size) for size in sizes) == 48
    assert torch.allclose(tiles, restore(method, degraded), atol=0.02)


@pytest.mark.parametrize("name", ["NAFNet", "DRUNet", "MixDehazeNet"])
def test_memory_bounds_the_tiles(name, tmp_path):
    degraded = image(160, 130)
    restored = restore(method_of(publish(name, tmp_path)[1]), degraded, memory=0.5)
    assert restored.shape == degraded.shape


def test_tiles_are_evaluated_one_at_a_time():
    with pytest.raises(UserError, match="tile_batch"):
        parse(Variant, {"tile_batch": 2}, "run.yaml")


# --- files ---


def test_networks_of_spandrel_extra_arches_are_known_where_it_is_installed(tmp_path):
    extra = pytest.importorskip("spandrel_extra_arches.architectures.Restormer")
    sizes = {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1}
    network = filled(lambda: extra.Restormer(**sizes, heads=[1, 1, 1, 1]))
    torch.save({"params": network.state_dict()}, tmp_path / "x.pth")
    assert method_of(tmp_path / "x.pth").facts()["architecture"] == "Restormer"


def test_a_part_of_a_file_can_be_named(tmp_path):
    network, _ = publish("NAFNet", tmp_path)
    state = {f"part.{name}": value for name, value in network.state_dict().items()}
    others = {"x": {"a.weight": torch.ones(2)}}
    torch.save({"mine": state, **others}, tmp_path / "x.pth")
    parts = Parameters(weights=str(tmp_path / "x.pth"), key="mine", prefix="part.")
    assert Checkpoint(parts).facts()["architecture"] == "NAFNet"
    with pytest.raises(UserError, match=r"x\.pth has no network that spandrel.*mine\.part\.intro"):
        restore(method_of(tmp_path / "x.pth"), image(8, 8))


def test_formats_hold_the_same_weights(tmp_path):
    network, path = publish("NAFNet", tmp_path)
    state = network.state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"params": state}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"params": {k: v.half() for k, v in state.items()}}, tmp_path / "half.pt")
    expected = restore(method_of(path), image(16, 16))
    for name in ("a.safetensors", "old.pth"):
        assert (restore(method_of(tmp_path / name), image(16, 16)) == expected).all()
    half = restore(method_of(tmp_path / "half.pt"), image(16, 16))
    assert half.dtype == torch.float32
    assert torch.allclose(half, expected, atol=1e-2)


def test_no_file_is_weights_missing(tmp_path):
    for parameters in (Parameters(), Parameters(weights=str(tmp_path / "none.pth"))):
        method = Checkpoint(parameters)
        with pytest.raises(WeightsMissing, match="Set parameters"):
            restore(method, image(8, 8))
        assert method.facts() == {}


def test_facts_name_architecture_and_file(tmp_path):
    path = publish("NAFNet", tmp_path)[1]
    facts = method_of(path).facts()
    assert facts["architecture"] == "NAFNet"
    assert len(facts["sha256"]) == 64
    torch.save({"params": filled(nafnet).state_dict(), "more": 1}, path)
    assert method_of(path).facts()["sha256"] != facts["sha256"]


def test_the_board_counts_parameters(tmp_path):
    network, path = publish("NAFNet", tmp_path)
    count = dataset.ready(method_of(path), None, torch.device("cpu"))
    assert count == sum(p.numel() for p in network.parameters()) > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Compact(num_feat=4, num_conv=1, upscale=2), "RealESRGAN Compact for SR, scale 2"),
        (lambda: nafnet(img_channel=1), "NAFNet for Restoration, scale 1, 1 to 1 channels"),
        (
            lambda: swinir(upscale=4, upsampler="pixelshuffledirect"),
            "SwinIR for SR, scale 4, 3 to 3 channels",
        ),
        (
            lambda: torch.nn.Linear(2, 2),
            "no network that spandrel recognises.*params.weight 2×2.*knows ATD",
        ),
    ],
)
def test_other_networks_are_refused_by_name(tmp_path, make, message):
    path = tmp_path / "x.pth"
    torch.save({"params": make().state_dict()}, path)
    with pytest.raises(UserError, match=rf"x\.pth.*{message}"):
        restore(method_of(path), image(8, 8))
    assert method_of(path).facts() == {}


def test_weights_that_do_not_fit_their_names_are_refused(tmp_path):
    state = nafnet().state_dict()
    state["intro.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"x\.pth has no network that spandrel recognises"):
        restore(method_of(tmp_path / "x.pth"), image(8, 8))


class Malicious:
    """Unpickling this makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
def test_code_in_a_file_is_not_run(tmp_path, suffix, legacy):
    path, made = tmp_path / f"x{suffix}", tmp_path / "made"
    content = {"params": nafnet().state_dict(), "extra": Malicious(made)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"asks for posix\.mkdir"):
        restore(method_of(path), image(8, 8))
    assert not made.exists()
    torch.load(path, weights_only=False)  # the file is dangerous: pickle runs its code
    assert made.exists()


def web_page(path):
    path.write_text("<html>404</html>")


def bare_pickle(path):
    path.write_bytes(pickle.dumps({"params": 1}))


def another_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


def cut_off(path):
    torch.save(nafnet().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-700])


def cut_off_legacy(path):
    torch.save(nafnet().state_dict(), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-700])


def numbers(path):
    torch.save({"a": 1, "b": [2]}, path)


@pytest.mark.parametrize(
    "make", [web_page, bare_pickle, another_zip, cut_off, cut_off_legacy, numbers]
)
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_files_that_are_no_checkpoint_are_refused_by_name(tmp_path, make, name):
    make(tmp_path / name)
    with pytest.raises(UserError, match=name):
        restore(method_of(tmp_path / name), image(8, 8))

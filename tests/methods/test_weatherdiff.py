"""The published model: its networks, its sampling, and its authors' files."""

import hashlib
import io
import os
import pickle
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.core import foreign_checkpoints
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.validation import parse
from benchmark.restoring import dataset
from methods import weatherdiff
from methods.networks.ddpm_unet import DDPMUNet
from methods.weatherdiff import MODELS, Parameters, Variant, WeatherDiff
from tests.shared import shared

GOLDEN = Path(__file__).parents[1] / "golden" / "weatherdiff_reference.safetensors"
TINY = {
    "width": 32,
    "multipliers": (1, 2),
    "blocks": 1,
    "attention": (8,),
    "image_size": 16,
}


def reference_weights(sizes):
    """Random weights that need no file: numpy's stream, names in alphabetical order."""
    rng = np.random.default_rng(20230101)
    with torch.device("meta"):
        shapes = DDPMUNet(**sizes).state_dict()
    state = {}
    for name, value in sorted(shapes.items()):
        values = rng.standard_normal(tuple(value.shape))
        if values.ndim > 1:
            values /= np.sqrt(values[0].size)
        else:
            values = 0.1 * values + ("norm" in name and name.endswith("weight"))
        state[name] = torch.from_numpy(values).float()
    return state


def tiny_weatherdiff(folder, monkeypatch):
    """The method with networks small enough to test, and a file of weights for them."""
    monkeypatch.setitem(MODELS, "WeatherDiff64", TINY)
    monkeypatch.setitem(MODELS, "WeatherDiff128", {**TINY, "multipliers": (1, 1, 2)})
    file = folder / "tiny.safetensors"
    save_file(reference_weights(TINY), file)
    return WeatherDiff(Parameters(weights=str(file)))


def publish(path, state, **changes):
    """A checkpoint as the authors' training script writes it."""
    device = torch.device("cpu")
    parallel = {f"module.{name}": value for name, value in state.items()}
    moments = {
        i: {"step": 1, "exp_avg": torch.zeros_like(v), "exp_avg_sq": torch.zeros_like(v)}
        for i, v in enumerate(state.values())
    }
    groups = [{"lr": 2e-5, "betas": (0.9, 0.999), "amsgrad": False, "params": list(moments)}]
    content = {
        "epoch": 37,
        "step": 1_200_000,
        "state_dict": {name: value + 1 for name, value in parallel.items()},
        "optimizer": {"state": moments, "param_groups": groups},
        "ema_helper": parallel,
        "params": Namespace(config="allweather.yml", resume="", sampling_timesteps=25, seed=61),
        "config": Namespace(data=Namespace(image_size=64), optim=Namespace(), device=device),
    }
    torch.save({**content, **changes}, path)
    return path


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    return tiny_weatherdiff(tmp_path, monkeypatch)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def relative_error(out, expected):
    return ((out - expected).abs().max() / expected.abs().max()).item()


# --- networks ---


@pytest.mark.parametrize(
    ("model", "parameters", "digest"),
    [
        (
            "WeatherDiff64",
            82_962_435,
            "3760e06ea8e38cdc728a2fdf870486b56491e584bc9a368ea744ec091fbf25af",
        ),
        (
            "WeatherDiff128",
            85_606_147,
            "fc18940c69bb45406e3510360269652f573b046b2970c6ff3f6539b6e3047ca5",
        ),
    ],
)
def test_networks_have_the_published_names_and_shapes(model, parameters, digest):
    """The digest is that of the lines 'NAME SHAPE', sorted, of the reference implementation."""
    with torch.device("meta"):
        state = DDPMUNet(**MODELS[model]).state_dict()
    lines = [f"{name} {list(value.shape)}" for name, value in sorted(state.items())]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == digest
    assert WeatherDiff(Parameters(model=model)).facts()["network_parameters"] == parameters


def test_forward_pass_equals_the_reference_implementation(tiny):
    values = load_file(GOLDEN)
    with torch.inference_mode():
        output = tiny.network(values["net_input"], values["net_t"])
    assert torch.allclose(output, values["net_output"], rtol=1e-4, atol=1e-5)


# --- sampling ---


@pytest.mark.parametrize("batch", [5, 64])
def test_patch_sampling_equals_the_reference_implementation(tiny, batch):
    values = load_file(GOLDEN)
    with torch.inference_mode():
        out = tiny.sample(
            values["patch_image01"], values["patch_x_T"], Variant(steps=10, stride=8, batch=batch)
        )
    assert relative_error(2 * out - 1, values["patch_output_10"]) < 1e-4


def test_patch_sampling_of_64_pixel_patches_equals_the_reference_implementation(
    tmp_path, monkeypatch
):
    sizes = {"width": 32, "multipliers": (1, 2, 2), "blocks": 1, "image_size": 64}
    monkeypatch.setitem(MODELS, "WeatherDiff64", sizes)
    method = WeatherDiff(Parameters(weights=str(shared("golden/tiny_weights.safetensors"))))
    values = load_file(shared("golden/tiny_io.safetensors"))
    with torch.inference_mode():
        out = method.sample(values["patch_image01"], values["patch_x_T"], Variant(steps=10))
    assert relative_error(2 * out - 1, values["patch_output_10"]) < 1e-4


@pytest.mark.parametrize(("times", "first"), [("published", 801), ("uniform", 1000)])
def test_where_sampling_starts_is_a_setting(tiny, times, first):
    seen = []
    tiny.network.register_forward_hook(lambda m, inputs, out: seen.append(inputs[1][0].item()))
    tiny.restore(torch.rand(1, 3, 16, 16), Variant(steps=5, times=times), [generator()])
    assert seen[0] == first - 1  # the network counts from 0
    assert len(seen) == 5


def test_steps_that_do_not_divide_the_times_are_refused_as_published():
    with pytest.raises(UserError, match=r"30 steps do not divide 1000.* they would be 31"):
        parse(Variant, {"steps": 30}, "run.yaml")
    assert Variant(steps=30, times="uniform").steps == 30


def test_a_perfect_network_leads_to_the_clean_image(tiny):
    """Whatever the patches and times; its condition is the clean image."""
    clean = torch.rand(1, 3, 21, 37, generator=generator(1))
    schedule = weatherdiff.linear(1000)

    class Perfect(torch.nn.Module):
        def forward(self, x, t):
            a, b = schedule.coefficients(t + 1, x)
            return (x[:, 3:] - a * x[:, :3]) / b

    tiny.__dict__["network"] = Perfect()
    for times in ("published", "uniform"):
        out = tiny.restore(clean, Variant(steps=4, stride=5, times=times), [generator()])
        assert torch.allclose(out, clean, atol=1e-4)


# --- the authors' files ---


@pytest.fixture
def published(tiny, tmp_path):
    """The tiny model's averaged weights in a file of the published format, and the method on it."""
    path = publish(tmp_path / "WeatherDiff64.pth.tar", reference_weights(TINY))
    return path, WeatherDiff(Parameters(weights=str(path)))


def same(network, state):
    loaded = network.state_dict()
    return loaded.keys() == state.keys() and all((loaded[k] == state[k]).all() for k in state)


def test_published_file_is_loaded_and_converted_once(published, monkeypatch):
    path, method = published
    assert same(method.network, reference_weights(TINY))
    assert not any(p.requires_grad for p in method.network.parameters())
    converted = path.with_name("WeatherDiff64.pth.tar.safetensors")
    assert load_file(converted).keys() == reference_weights(TINY).keys()

    with monkeypatch.context() as patch:
        patch.setattr(
            foreign_checkpoints, "read", lambda path: pytest.fail("the checkpoint was read again")
        )
        assert same(WeatherDiff(method.parameters).network, reference_weights(TINY))

    changed = {name: value * 2 for name, value in reference_weights(TINY).items()}
    publish(path, changed)  # newer than the converted file
    os.utime(converted, ns=(0, path.stat().st_mtime_ns - 1))
    assert same(WeatherDiff(method.parameters).network, changed)
    assert same(WeatherDiff(method.parameters).network, load_file(converted))


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(published, monkeypatch):
    path, method = published

    def read_only(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(weatherdiff, "atomic_path", read_only)
    assert same(method.network, reference_weights(TINY))
    assert [p.suffix for p in path.parent.iterdir() if "64" in p.name] == [".tar"]


def test_half_precision_weights_are_widened(tiny, tmp_path):
    file = tmp_path / "half.safetensors"
    save_file({k: v.half() for k, v in reference_weights(TINY).items()}, file)
    network = WeatherDiff(Parameters(weights=str(file))).network
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_without_weights_the_status_says_so_and_where_to_get_them(tiny, tmp_path):
    for file in (None, str(tmp_path / "none.pth.tar")):
        method = WeatherDiff(Parameters(weights=file))
        with pytest.raises(WeightsMissing, match=r"IGITUGraz/WeatherDiffusion.*weights: PATH"):
            dataset.ready(method, None, torch.device("cpu"))


def test_the_board_counts_the_networks_parameters(tiny):
    count = sum(value.numel() for value in reference_weights(TINY).values())
    assert dataset.ready(tiny, None, torch.device("cpu")) == count


def test_weights_of_the_other_model_are_named(tiny, tmp_path):
    other = reference_weights({**TINY, "multipliers": (1, 1, 2)})
    files = [tmp_path / "a.safetensors", publish(tmp_path / "b.pth.tar", other)]
    save_file(other, files[0])
    for file in files:
        with pytest.raises(UserError, match="weights of WeatherDiff128, not of WeatherDiff64"):
            WeatherDiff(Parameters(weights=str(file))).network  # noqa: B018
    assert not (tmp_path / "b.pth.tar.safetensors").exists()


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "conv_in.bias"), r"1 tensors .*conv_in\.bias"),
        (lambda s: s | {"extra": torch.zeros(1)}, r"1 tensors .*extra"),
        (lambda s: s | {"conv_in.bias": torch.zeros(3)}, r"1 tensors .*conv_in\.bias"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tiny, tmp_path, change, message):
    path = publish(tmp_path / "x.pth.tar", change(reference_weights(TINY)))
    with pytest.raises(UserError, match=message):
        WeatherDiff(Parameters(weights=str(path))).network  # noqa: B018


@pytest.mark.parametrize("ema", [None, [1], {"module.conv_in.bias": "text"}])
def test_a_checkpoint_without_averaged_weights_is_refused(tiny, tmp_path, ema):
    path = publish(tmp_path / "x.pth.tar", reference_weights(TINY), ema_helper=ema)
    with pytest.raises(UserError, match=r"x\.pth\.tar holds no averaged weights"):
        WeatherDiff(Parameters(weights=str(path))).network  # noqa: B018


def test_a_damaged_safetensors_file_is_refused(tiny, tmp_path):
    file = tmp_path / "cut.safetensors"
    file.write_bytes((tmp_path / "tiny.safetensors").read_bytes()[:-100])
    with pytest.raises(UserError, match=r"cut\.safetensors is not a whole safetensors file"):
        WeatherDiff(Parameters(weights=str(file))).network  # noqa: B018


# --- reading checkpoints safely ---


class Malicious:
    def __init__(self, function, argument):
        self.call = (function, (argument,))

    def __reduce__(self):
        return self.call


def with_pickle(path, data):
    """A checkpoint the pickle of which is replaced by `data`."""
    plain = io.BytesIO()
    torch.save({}, plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, data if name.endswith("data.pkl") else old.read(name))
    return path


def test_settings_and_tensors_are_read(tmp_path):
    path = publish(tmp_path / "x.pth.tar", {"a": torch.arange(6.0).reshape(2, 3)})
    content = foreign_checkpoints.read(path)
    assert content["config"].data.image_size == 64
    assert content["epoch"] == 37
    assert (content["ema_helper"]["module.a"] == torch.arange(6.0).reshape(2, 3)).all()


def test_classes_that_others_trust_are_not_trusted_here(tmp_path):
    path = tmp_path / "x.pth.tar"
    torch.save({"a": Malicious(Path, "x")}, path)
    with torch.serialization.safe_globals([Path]):
        trusted = set(torch.serialization.get_safe_globals())
        with pytest.raises(UserError, match=r"asks for pathlib\.Path"):
            foreign_checkpoints.read(path)
        assert set(torch.serialization.get_safe_globals()) == trusted


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize(
    ("function", "wanted"), [(os.system, r"posix\.system|nt\.system"), (eval, "eval")]
)
def test_code_in_a_checkpoint_is_refused_and_does_not_run(
    tmp_path, monkeypatch, function, wanted, forced
):
    if forced:  # torch's switch for trusting every file must not reach here
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    ran = tmp_path / "ran"
    argument = f"touch {ran}" if function is os.system else f"open({str(ran)!r}, 'w')"
    path = tmp_path / "evil.pth.tar"
    torch.save({"ema_helper": {}, "config": Namespace(x=Malicious(function, argument))}, path)
    with pytest.raises(UserError, match=rf"evil\.pth\.tar asks for ({wanted}).*any code"):
        foreign_checkpoints.read(path)
    assert not ran.exists()
    with zipfile.ZipFile(path) as archive:  # the trap is sound: pickle itself would run it
        pickled = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        pickle.loads(archive.read(pickled))
    assert ran.exists()


NAMESPACE = b"\x80\x02cargparse\nNamespace\n)\x81"  # Namespace.__new__(Namespace), without state
SET_STATE = b"X\x0c\x00\x00\x00__setstate__"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        # An instance's own __setstate__ would be called by the second BUILD.
        (NAMESPACE + b"}" + SET_STATE + b"cposix\nsystem\nsbX\x04\x00\x00\x00trueb.", "asks for"),
        (NAMESPACE + b"}" + SET_STATE + b"X\x01\x00\x00\x00xsb}b.", "damaged"),
        # The class of an instance, and an attribute of the class itself.
        (NAMESPACE + b"N}X\x09\x00\x00\x00__class__cposix\nsystem\ns\x86b.", "asks for"),
        (b"\x80\x02cargparse\nNamespace\n}" + SET_STATE + b"Nsb.", "damaged"),
        (b"\x80\x02cargparse\nos.system\n.", "asks for"),
    ],
)
def test_tricks_with_namespaces_are_refused(tmp_path, data, message):
    before = dict(vars(Namespace))
    with pytest.raises(UserError, match=message):
        foreign_checkpoints.read(with_pickle(tmp_path / "x.pth.tar", data))
    assert dict(vars(Namespace)) == before


def not_there(path):
    pass


def folder(path):
    path.mkdir()


def cut_off(path):
    torch.save({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:-700])


def web_page(path):
    path.write_text("<html>404</html>")


def empty(path):
    path.write_bytes(b"")


def another_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


def broken_pickle(path):
    with_pickle(path, b"\x80\x02}q")


def bomb(path):
    """10 MB of zeros in 10 kB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(10_000_000))


def huge_tensor(path):
    """A tensor said to be larger than its storage."""
    content = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, content)
    with zipfile.ZipFile(content) as archive:
        data = next(archive.read(n) for n in archive.namelist() if n.endswith("data.pkl"))
    assert data.count(b"K\x03") == 2  # the storage's length, the tensor's shape
    with_pickle(path, data.replace(b"K\x03", b"J\xff\xff\xff\x7f"))


def not_a_dict(path):
    torch.save([1, 2], path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (not_there, "is missing; check the path"),
        (folder, "cannot be read: Is a directory"),
        (cut_off, "cut off or not a torch checkpoint"),
        (web_page, "cut off or not a torch checkpoint"),
        (empty, "cut off or not a torch checkpoint"),
        (another_zip, "damaged or not a torch checkpoint"),
        (broken_pickle, "damaged or not a torch checkpoint"),
        (huge_tensor, "damaged or not a torch checkpoint"),
        (bomb, "would unpack to 10,000,"),
        (not_a_dict, "holds list, not a dict"),
    ],
)
def test_files_that_are_no_checkpoint_are_refused(tmp_path, make, message):
    path = tmp_path / "x.pth.tar"
    make(path)
    with pytest.raises(UserError, match=rf"x\.pth\.tar.*{message}"):
        foreign_checkpoints.read(path)

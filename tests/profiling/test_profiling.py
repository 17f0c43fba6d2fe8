"""Profiles: shares and gains are what their definitions say; what cannot be had has a reason."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from benchmark import cli, profiling
from benchmark.core import weights
from benchmark.core.errors import UserError
from benchmark.core.flops import flop_counter
from benchmark.core.image_io import write_png
from benchmark.core.seeds import torch_generator
from benchmark.data import cards, training_files
from benchmark.profiling import memory, networks, published, report, scoring_speed, timing
from benchmark.profiling.timing import Sizes
from benchmark.results.layout import RunFolder
from benchmark.scoring.metrics import LPIPS_WEIGHTS
from benchmark.spec import run_config
from benchmark.spec.build import build
from benchmark.spec.training_settings import Training
from benchmark.training import step
from methods.diffusion.schedule import uniform_timesteps

CPU = torch.device("cpu")
TINY = Sizes(matrix=32, batch=2, crop=16, side=16, pairs=2, repeats=1, memory_sides=(64, 128))
SHORT = Training(
    steps=4,
    stages=({"share": 0.75, "batch": 2, "crop": 16}, {"share": 0.25, "batch": 1, "crop": 24}),
)
FIGURES = {
    "matmul_gflops": None,
    "denoisers": dict.fromkeys(
        ("unet", "nafnet", "transformer", "restormer"),
        dict.fromkeys(("train_share", "sample_share")),
    ),
    "simulation_share_of_training": None,
    "scoring_speedup": None,
    "scoring_max_difference": None,
    "sampling_memory_ratio": None,
    "published_sampler": dict.fromkeys(("speedup", "psnr_gain_db", "lpips_gain")),
    "published_default": dict.fromkeys(("speedup", "psnr_gain_db", "lpips_gain")),
}
needs_backbone = pytest.mark.skipif(
    not LPIPS_WEIGHTS.is_file(), reason="no LPIPS backbone in data/weights: run 'dvc pull'"
)


def make_config(**parameters):
    tiny = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}, **parameters}
    return run_config.Config(
        name="tiny",
        datasets={"photos": {}},
        train_on="photos",
        methods={
            "model": {
                "method": "conditional_diffusion",
                "parameters": tiny,
                "variants": {"two": {"steps": 2}, "four": {"steps": 4}},
            }
        },
        discover=False,
    )


def make_method(**parameters):
    """A small model whose last layer is not zero, as if it were trained."""
    method = build(make_config(**parameters), "model", 0)
    torch.nn.init.normal_(method.network.leave.weight, std=0.05)
    method.network.eval()
    return method


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Photographs to train on and pairs to restore, in place of the bundled ones."""
    rng, pairs = np.random.default_rng(0), []
    for name in ("a", "b"):
        target = rng.integers(50, 200, (66, 80, 3))
        noisy = target + rng.integers(-40, 40, target.shape)
        pairs.append((tmp_path / f"{name} noisy.png", tmp_path / f"{name}.png"))
        for path, image in zip(pairs[-1], (noisy, target), strict=True):
            write_png(path, image.astype(np.uint8))
    monkeypatch.setattr(training_files, "training_photos", lambda name: [y for _, y in pairs])
    monkeypatch.setattr(report, "choose_images", lambda config, count: pairs[:count])
    return pairs


def keys_of(values):
    return {k: keys_of(v) if isinstance(v, dict) else None for k, v in values.items()}


def flat(values):
    return dict(report._flat({k: values[k] for k in FIGURES}))


@needs_backbone
def test_a_profile_has_all_keys_and_finite_ratios(tmp_path, pictures, capsys):
    run = RunFolder(tmp_path / "run")
    file = run.training("model", 0) / "weights.safetensors"
    weights.save(make_method().network, file)
    found = profiling.profile(make_config(), run, 1, TINY, SHORT)
    assert keys_of({k: found[k] for k in FIGURES}) == FIGURES
    assert found.keys() == {*FIGURES, "environment", "reasons"}
    assert found["reasons"] == {}
    assert found["environment"].keys() == {"device", "threads", "torch"}
    for key, value in flat(found).items():
        assert math.isfinite(value), key
        assert value > 0 or key.endswith(("gain", "gain_db")), key
    profiling.write(found, tmp_path / "profile.json")
    assert json.loads((tmp_path / "profile.json").read_text()) == found
    lines = profiling.as_table(found).splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(flat(found))
    assert "published_default.speedup" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["no weights", "no entry", "odd T"])
def test_what_cannot_be_measured_is_null_with_a_reason(tmp_path, monkeypatch, pictures, fault):
    """Everything else is made up here: only the missing parts are looked at."""
    config, run = make_config(T=990 if fault == "odd T" else 1000), RunFolder(tmp_path / "run")
    if fault == "no entry":
        config = config.model_copy(update={"methods": {}})
    if fault == "odd T":
        weights.save(make_method().network, run.training("model", 0) / "weights.safetensors")
    monkeypatch.setattr(networks, "denoiser_shares", lambda *_: (0.5, 0.6))
    monkeypatch.setattr(networks, "simulation_share", lambda *_: 0.1)
    monkeypatch.setattr(scoring_speed, "scoring_speed", lambda *_: (2.0, 1e-6))
    monkeypatch.setattr(published, "sampler_gains", lambda *_: published.Gains(30.0, 1.0, 0.1))
    found = profiling.profile(config, run, 1, TINY, SHORT)
    missing = {key for key, value in flat(found).items() if value is None}
    parts = ["published_default"] + (["published_sampler"] if fault != "odd T" else [])
    assert missing == {f"{p}.{k}" for p in parts for k in FIGURES["published_default"]}
    assert found["reasons"].keys() == missing
    says = {"no weights": "make benchmark", "no entry": "--config", "odd T": "25 divides"}[fault]
    assert all(says in reason for reason in found["reasons"].values())
    assert profiling.as_table(found).count(says) == 1
    profiling.write(found, tmp_path / "profile.json")


def test_missing_data_are_a_reason_too(tmp_path, monkeypatch):
    def missing(*_):
        raise UserError("Run 'dvc pull'.")

    monkeypatch.setattr(networks, "denoiser_shares", lambda *_: (0.5, 0.6))
    monkeypatch.setattr(training_files, "training_photos", missing)
    monkeypatch.setattr(report, "choose_images", missing)
    reasons = profiling.profile(make_config(), RunFolder(tmp_path), 1, TINY, SHORT)["reasons"]
    assert reasons["simulation_share_of_training"] == "Run 'dvc pull'."
    assert reasons["scoring_speedup"] == reasons["scoring_max_difference"] == "Run 'dvc pull'."


class FakeWatch:
    """A stopwatch that reads what `times` says."""

    times = iter(())

    def __init__(self, machine):
        self.seconds = float("nan")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.seconds = next(self.times)


def test_times_are_medians_and_the_first_call_does_not_count(monkeypatch):
    monkeypatch.setattr(timing, "Stopwatch", FakeWatch)
    monkeypatch.setattr(FakeWatch, "times", iter([5.0, 1.0, 2.0]))
    calls = []
    assert timing.median_seconds(lambda: calls.append(1), CPU, 3) == 2.0
    assert len(calls) == 4


def test_matmul_rate_is_the_best_of_several(monkeypatch):
    monkeypatch.setattr(timing, "Stopwatch", FakeWatch)
    monkeypatch.setattr(FakeWatch, "times", iter([4.0, 2.0, 8.0]))
    assert timing.matmul_rate(CPU, 10, repeats=3) == 2 * 10**3 / 2.0


def test_shares_are_of_the_rate_before_and_after(monkeypatch):
    rates = iter([100.0, 300.0, 500.0, 100.0])
    monkeypatch.setattr(timing, "matmul_rate", lambda *_: next(rates))
    monkeypatch.setattr(timing, "Stopwatch", FakeWatch)
    monkeypatch.setattr(FakeWatch, "times", iter([2.0, 1.0, 4.0]))
    sizes = Sizes(repeats=3)
    # 600 FLOPs: 300, 600 and 150 FLOP/s of 200, 400 and 300.
    assert timing.share_of_matmul(lambda: None, 600, CPU, sizes) == 1.5


def counted(run, counter=flop_counter):
    with counter() as count:
        run()
    return count.get_total_flops()


def plain_counter():
    return FlopCounterMode(display=False)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("needs_input_gradient", [False, True])
def test_flops_of_grouped_convolutions(transposed, needs_input_gradient):
    """As many as the groups' convolutions done one by one, which torch counts rightly."""
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
    """Q Kᵀ and the weights times V; the gradient has four products, and makes the weights anew."""
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
    method = make_method()
    pair = networks.random_pairs(2, 16, CPU)

    def learn():
        method.loss(*pair, torch_generator("x")).backward()
        method.network.zero_grad()

    with sdpa_kernel(SDPBackend.MATH):  # attention by plain products, which torch counts
        assert step.step_flops(method, *pair) == counted(learn, plain_counter) > 0
    assert all(p.grad is None for p in method.network.parameters())


def test_memory_of_sampling_is_that_of_tiles():
    """Twice the side, four times the pixels, and the same memory beside the image's own buffers."""
    assert memory.memory_ratio(make_method(), (256, 512)) == pytest.approx(1, abs=0.01)


def test_memory_that_grows_with_the_image_shows():
    class Hoarder(type(make_method())):
        def restore(self, degraded, variant, generators):
            rows = [row.clone() for row in degraded[0, 0]]  # each smaller than the image
            return super().restore(degraded, variant, generators) + rows[0].mean()

    method = Hoarder(make_method().parameters)
    assert memory.memory_ratio(method, (256, 1024)) > 1.2


def test_a_training_step_learns_as_training_does():
    method, pair = make_method(), networks.random_pairs(2, 16, CPU)
    start = [p.detach().clone() for p in method.network.parameters()]
    step = networks.training_step(method, *pair)
    step()
    moved = [not torch.equal(a, b) for a, b in zip(start, method.network.parameters(), strict=True)]
    assert any(moved)


def test_simulation_share_weights_stages_by_their_steps(monkeypatch):
    learning = {16: 2.0, 24: 8.0}
    crops = []

    def step(method, clean, degraded):
        crops.append((len(clean), clean.shape[-1]))
        return crops[-1][1]

    monkeypatch.setattr(networks, "training_step", step)
    monkeypatch.setattr(networks, "median_seconds", lambda step, *_: learning[step])
    monkeypatch.setattr(networks, "pair_seconds", lambda photos, crop, *_: crop / 160)
    share = networks.simulation_share([], SHORT, CPU, TINY)
    assert crops == [(2, 16), (1, 24)]
    assert share == pytest.approx((3 * 2 * 0.1 + 1 * 1 * 0.15) / (3 * 2.0 + 1 * 8.0))


def by_patches(method, degraded, steps=3):
    times = uniform_timesteps(method.schedule.T, steps)
    with torch.inference_mode():
        return published.restore_by_patches(method, degraded, times, torch_generator("noise"))


def whole(method, degraded, steps=3):
    variant = method.Variant(sampler="ddim", steps=steps)
    with torch.inference_mode():
        return method.restore(degraded, variant, [torch_generator("noise")])


@pytest.mark.parametrize("target", ["x0", "epsilon", "v"])
def test_one_patch_is_the_whole_image(target):
    method, degraded = make_method(target=target), torch.rand(1, 3, 64, 64)
    assert torch.allclose(by_patches(method, degraded), whole(method, degraded), atol=1e-5)
    larger = torch.rand(1, 3, 64, 70)
    assert not torch.allclose(by_patches(method, larger), whole(method, larger), atol=1e-3)


@pytest.mark.parametrize("size", [(64, 64), (97, 70), (20, 81)])
def test_patches_of_a_network_that_sees_single_pixels_change_nothing(size):
    method, degraded = make_method(), torch.rand(1, 3, *size)
    method.predict = lambda condition, x_t, t: 0.5 * condition - 0.2 * x_t + 1e-4 * t[0]
    restored = by_patches(method, degraded)
    assert restored.shape == degraded.shape
    if min(size) >= 64:  # else the noise is another one, that of the padded image
        assert torch.allclose(restored, whole(method, degraded), atol=1e-5)


def test_gains_are_positive_where_ours_is_better(monkeypatch, pictures):
    made_up = iter([
        (1.0, 30.0, 0.1), (3.0, 20.0, 0.3),  # ours: seconds, PSNR, LPIPS
        (20.0, 28.0, 0.2), (40.0, 21.0, 0.5),  # theirs
    ])  # fmt: skip
    monkeypatch.setattr(published, "measure", lambda *_: next(made_up))
    method = make_method()
    gains = published.gains(method, [1000, 500], method.Variant(), pictures)
    assert gains.speedup == 30 / 2
    assert gains.psnr_gain_db == pytest.approx((2 - 1) / 2)
    assert gains.lpips_gain == pytest.approx((0.1 + 0.2) / 2)


def test_samplers_and_times_that_are_compared(monkeypatch):
    seen = []
    monkeypatch.setattr(published, "gains", lambda method, *rest: seen.append(rest))
    method = make_method()
    published.sampler_gains(method, [])
    published.default_gains(method, {"steps": 2}, [])
    assert seen[0] == ([1000, 750, 500, 250], method.Variant(sampler="ddim", steps=4), [])
    assert seen[1][0][:2] == [961, 921] and len(seen[1][0]) == 25 and seen[1][0][-1] == 1
    assert seen[1][1] == method.Variant(steps=2)


@needs_backbone
def test_the_usual_loop_gives_the_suites_values(pictures):
    own, usual = scoring_speed.suite_scores(pictures), scoring_speed.usual_loop()(pictures)
    assert own.shape == usual.shape == (2, 5)
    assert own == pytest.approx(usual, rel=1e-4)
    assert abs(own[:, 0] - own[:, 2]).min() > 0.1  # rgb and y are told apart


def test_pairs_that_cannot_be_scored_are_a_user_error(tmp_path, pictures):
    with pytest.raises(UserError, match=r"scoring: .*no file"):
        scoring_speed.suite_scores([(tmp_path / "none.png", pictures[0][1])])


@pytest.mark.parametrize(("weathers", "photos"), [(5, 12), (2, 2), (3, 6)])
def test_images_are_of_all_weathers_and_many_photos(monkeypatch, weathers, photos):
    rows = [
        {"weather": f"w{w}", "input": f"{w}/{p}.png", "target": f"{p}.png"}
        for w in range(weathers)
        for p in range(photos)
    ]
    clear = {"weather": "clear", "input": "clear.png", "target": "clear.png"}
    monkeypatch.setattr(cards, "find_images", lambda config: pd.DataFrame([clear, *rows]))
    some = report.choose_images(None, weathers)
    assert {x.parent.name for x, _ in some} == {str(w) for w in range(weathers)}
    assert len({y.name for _, y in some}) == min(weathers, photos)
    everything = report.choose_images(None, 1000)
    assert len(everything) == len(set(everything)) == weathers * photos


def test_the_verb_writes_json_and_prints_the_table(tmp_path, monkeypatch):
    made_up = {
        "matmul_gflops": 100.0,
        "scoring_speedup": None,
        "environment": {"device": "cpu: made up", "threads": 1, "torch": "2"},
        "reasons": {"scoring_speedup": "made up"},
    }
    monkeypatch.setattr(profiling, "profile", lambda config, run, images: made_up)
    out = tmp_path / "profile.json"
    call = ["profile", "--out", str(out), "--config", "config/smoke.yaml"]
    done = CliRunner().invoke(cli.app, call)
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text()) == made_up
    assert "matmul_gflops" in done.output and "– made up" in done.output
    assert CliRunner().invoke(cli.app, [*call, "--images", "0"]).exit_code == 2


def test_a_profile_holds_no_infinities(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        profiling.write({"scoring_max_difference": math.inf}, tmp_path / "profile.json")
    assert not (tmp_path / "profile.json").exists()

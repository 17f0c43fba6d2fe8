"""A profile has all figures, or a reason; shares are what their definitions say."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from benchmark import cli
from benchmark.core import weights
from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.data import set_images, training_files
from benchmark.profiling import busy, comparison, memory, networks, report, scoring_speed, timing
from benchmark.profiling.settings import Network, Profile
from benchmark.profiling.timing import Sizes
from benchmark.results.layout import RunFolder
from benchmark.scoring.metrics import LPIPS_WEIGHTS
from benchmark.spec import run_config
from benchmark.spec.build import build
from benchmark.spec.training_settings import Training

CPU = torch.device("cpu")
TINY = {"width": 8, "multipliers": [1, 2], "blocks": 1}
NETWORKS = {
    "unet": TINY,
    "nafnet": {"width": 8, "encoder": [1], "middle": 1, "decoder": [1]},
    "transformer": {"width": 8, "encoder": [2], "middle": 2, "decoder": [1]},
    "restormer": {"width": 8, "blocks": [1, 1], "heads": [1, 2], "refinement": 1},
}
SIZES = Sizes(matrix=32, batch=2, crop=16, side=16, pairs=2, repeats=1, memory_sides=(64, 128))
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
    "bf16_speedup": dict.fromkeys(("unet", "nafnet", "transformer", "restormer")),
    "simulation_share_of_training": None,
    "busy_slowdown": None,
    "scoring_speedup": None,
    "scoring_max_difference": None,
    "sampling_memory_ratio": None,
    "published_sampler": dict.fromkeys(("speedup", "psnr_gain_db", "lpips_gain")),
    "published_default": dict.fromkeys(("speedup", "psnr_gain_db", "lpips_gain")),
}
needs_backbone = pytest.mark.skipif(
    not LPIPS_WEIGHTS.is_file(), reason="no LPIPS backbone in data/weights: run 'dvc pull'"
)


def make_network(denoiser):
    parameters = {"denoiser": denoiser, "network": NETWORKS[denoiser]}
    return Network(method="conditional_diffusion", parameters=parameters)


def make_settings():
    """The shipped measurements, of tiny networks and with larger patches further apart."""
    patches = {"patch": 64, "stride": 64, "tile_batch": 16}
    compared = {
        "published_sampler": ({"steps": 4}, {"steps": 4, **patches}),
        "published_default": ({"steps": 1}, {"steps": 25, "spacing": "published", **patches}),
    }
    return Profile(
        denoisers={name: make_network(name) for name in NETWORKS},
        simulation=make_network("unet"),
        memory=make_network("unet"),
        loaders=make_network("unet"),
        scoring_images=2,
        comparisons={
            name: {"method": "conditional_diffusion", "variant": a, "against": b, "images": 2}
            for name, (a, b) in compared.items()
        },
    )


def make_config(**parameters):
    tiny = {"network": TINY, **parameters}
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
def test_a_profile_has_all_keys_and_finite_ratios(tmp_path, monkeypatch, pictures, capsys):
    run = RunFolder(tmp_path / "run")
    file = run.training("model", 0) / "weights.safetensors"
    weights.save(make_method().network, file)
    monkeypatch.setattr(networks, "native_bf16", lambda machine: True)
    found = report.profile(make_settings(), make_config(), run, 1, SIZES, SHORT)
    assert keys_of({k: found[k] for k in FIGURES}) == FIGURES
    assert found.keys() == {*FIGURES, "environment", "reasons"}
    assert found["reasons"] == {}
    assert found["environment"].keys() == {"device", "threads", "torch"}
    for key, value in flat(found).items():
        assert math.isfinite(value), key
        assert value > 0 or key.endswith(("gain", "gain_db")), key
    report.write(found, tmp_path / "profile.json")
    assert json.loads((tmp_path / "profile.json").read_text()) == found
    lines = report.as_table(found).splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(flat(found))
    assert "published_default.speedup" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["no weights", "no entry", "odd T"])
def test_what_cannot_be_measured_is_null_with_a_reason(tmp_path, monkeypatch, pictures, fault):
    """All other figures are invented here: this test looks at the missing ones only."""
    config, run = make_config(T=990 if fault == "odd T" else 1000), RunFolder(tmp_path / "run")
    if fault == "no entry":
        config = config.model_copy(update={"methods": {}})
    if fault == "odd T":
        weights.save(make_method().network, run.training("model", 0) / "weights.safetensors")
    monkeypatch.setattr(networks, "denoiser_shares", lambda *_: (0.5, 0.6))
    monkeypatch.setattr(networks, "bf16_speedup", lambda *_: 1.5)
    monkeypatch.setattr(networks, "simulation_share", lambda *_: 0.1)
    monkeypatch.setattr(scoring_speed, "scoring_speed", lambda *_: (2.0, 1e-6))
    monkeypatch.setattr(networks, "untrained", lambda *_: None)
    monkeypatch.setattr(networks, "training_step", lambda *_: None)
    monkeypatch.setattr(busy, "busy_slowdown", lambda *_: 1.2)
    monkeypatch.setattr(memory, "memory_ratio", lambda *_: 1.0)

    def gains(method, variant, against, images):
        method.restore(torch.rand(1, 3, 16, 16), against, [torch.Generator()])
        return comparison.Gains(30.0, 1.0, 0.1)

    monkeypatch.setattr(comparison, "gains", gains)
    found = report.profile(make_settings(), config, run, 1, SIZES, SHORT)
    missing = {key for key, value in flat(found).items() if value is None}
    parts = ["published_default"] + (["published_sampler"] if fault != "odd T" else [])
    assert missing == {f"{p}.{k}" for p in parts for k in FIGURES["published_default"]}
    assert found["reasons"].keys() == missing
    says = {
        "no weights": "make benchmark", "no entry": "--config", "odd T": "not a multiple of 25",
    }[fault]  # fmt: skip
    assert all(says in reason for reason in found["reasons"].values())
    assert report.as_table(found).count(says) == 1
    report.write(found, tmp_path / "profile.json")


def test_missing_data_are_a_reason_too(tmp_path, monkeypatch):
    def missing(*_):
        raise UserError("Run 'dvc pull'.")

    monkeypatch.setattr(networks, "denoiser_shares", lambda *_: (0.5, 0.6))
    monkeypatch.setattr(networks, "native_bf16", lambda machine: False)
    monkeypatch.setattr(busy, "busy_slowdown", lambda *_: 1.2)
    monkeypatch.setattr(training_files, "training_photos", missing)
    monkeypatch.setattr(report, "choose_images", missing)
    found = report.profile(make_settings(), make_config(), RunFolder(tmp_path), 1, SIZES, SHORT)
    reasons = found["reasons"]
    assert reasons["simulation_share_of_training"] == "Run 'dvc pull'."
    assert reasons["scoring_speedup"] == reasons["scoring_max_difference"] == "Run 'dvc pull'."
    assert "no instructions for bfloat16" in reasons["bf16_speedup.unet"]


class FakeWatch:
    """A stopwatch that shows the next of `times`."""

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


def test_the_bf16_speedup_is_of_medians_and_each_precision_is_warmed_up(monkeypatch):
    times = {"no": iter([6.0, 9.0, 6.0]), "bf16": iter([3.0, 2.0, 4.0])}
    calls = []

    def training_step(method, clean, degraded, settings):
        return lambda: calls.append(settings.precision)

    monkeypatch.setattr(networks, "native_bf16", lambda machine: True)
    monkeypatch.setattr(networks, "training_step", training_step)
    monkeypatch.setattr(
        networks, "seconds_of", lambda step, machine: (step(), next(times[calls[-1]]))[1]
    )
    sizes = replace(SIZES, repeats=3)
    assert networks.bf16_speedup(make_network("unet"), CPU, sizes) == 6.0 / 3.0
    assert calls == ["no", "no", "bf16", "bf16"] * 3


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


def test_steps_of_different_precision_are_timed_in_one_process():
    for precision in ("no", "bf16", "no"):
        method = torch.nn.Module()
        method.network = torch.nn.Conv2d(3, 3, 1)
        method.loss = lambda clean, degraded, _, network=method.network: network(degraded).mean()
        pair = networks.random_pairs(1, 8, torch.device("cpu"))
        networks.training_step(method, *pair, Training(precision=precision))()


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
    share = networks.simulation_share([], make_network("unet"), SHORT, CPU, SIZES)
    assert crops == [(2, 16), (1, 24)]
    assert share == pytest.approx((3 * 2 * 0.1 + 1 * 1 * 0.15) / (3 * 2.0 + 1 * 8.0))


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
    monkeypatch.setattr(set_images, "find_images", lambda config: pd.DataFrame([clear, *rows]))
    some = report.choose_images(None, weathers)
    assert {x.parent.name for x, _ in some} == {str(w) for w in range(weathers)}
    assert len({y.name for _, y in some}) == min(weathers, photos)
    everything = report.choose_images(None, 1000)
    assert len(everything) == len(set(everything)) == weathers * photos


def test_the_verb_writes_json_and_prints_the_table(tmp_path, monkeypatch):
    made_up = {
        "matmul_gflops": 100.0,
        "scoring_speedup": None,
        "environment": {"device": "cpu: invented", "threads": 1, "torch": "2"},
        "reasons": {"scoring_speedup": "invented"},
    }
    monkeypatch.setattr(report, "profile", lambda *_, **__: made_up)
    out = tmp_path / "profile.json"
    call = ["profile", "--out", str(out), "--config", "config/smoke.yaml"]
    done = CliRunner().invoke(cli.app, call)
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text()) == made_up
    assert "matmul_gflops" in done.output and "– invented" in done.output
    assert CliRunner().invoke(cli.app, [*call, "--images", "0"]).exit_code == 2


def test_a_wrong_checkout_is_refused_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "matmul_rate", lambda *_, **__: pytest.fail("it was measured"))
    call = ["profile", "--config", "config/smoke.yaml", "--beside"]
    assert CliRunner().invoke(cli.app, [*call, str(tmp_path / "none")]).exit_code == 2
    done = CliRunner().invoke(cli.app, [*call, str(tmp_path)])
    assert isinstance(done.exception, UserError) and str(tmp_path) in str(done.exception)


def test_a_profile_holds_no_infinities(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        report.write({"scoring_max_difference": math.inf}, tmp_path / "profile.json")
    assert not (tmp_path / "profile.json").exists()

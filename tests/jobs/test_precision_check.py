"""bfloat16 on a processor that only emulates it is named before anything runs."""

import pytest
import torch
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.core import device
from benchmark.jobs import checks
from benchmark.jobs.checks import check_precision
from benchmark.jobs.resolve import Resolved
from benchmark.spec import config_reader

CONFIG = """\
name: a
train_on: photos
datasets: {photos: {split: val}}
discover: false
training: {precision: bf16}
methods:
  identity:
  unet:
    method: regression
    training: {precision: bf16}
    variants: {plain: {}, half: {precision: bf16}}
  auto: {method: regression, training: {precision: auto}}
  given: {method: regression, weights: w.safetensors, training: {precision: bf16}}
"""
EXPECTED = [
    ("a.yaml: training.precision: 'bf16' takes", "Set it to 'auto'"),
    ("a.yaml: methods.unet.training.precision: 'bf16' takes", "Set it to 'auto'"),
    ("a.yaml: methods.unet.variants.half.precision: 'bf16' takes", "Set it to 'float32'"),
]
AVX2 = {"architecture": "x86_64", "avx2": True}


def warnings_of(folder, resolved: Resolved | None) -> list[str]:
    (folder / "a.yaml").write_text(CONFIG)
    return check_precision(config_reader.load(folder / "a.yaml"), "a.yaml", resolved)


@pytest.mark.parametrize("resolved", [None, Resolved(device="cpu")])
def test_trainings_and_variants_in_bfloat16_are_named(tmp_path, monkeypatch, resolved):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AVX2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = warnings_of(tmp_path, resolved)
    for text, (start, end) in zip(found, EXPECTED, strict=True):
        assert text.startswith(start) and text.endswith(end)


@pytest.mark.parametrize("resolved", [Resolved(), Resolved(device="cuda", bf16=True)])
def test_other_machines_than_this_processor_have_no_warning(tmp_path, monkeypatch, resolved):
    """The nodes of a cluster, and a GPU."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AVX2)
    assert warnings_of(tmp_path, resolved) == []


def test_check_prints_them(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "emulates_bf16", lambda device: True)
    file = tmp_path / "a.yaml"
    file.write_text(CONFIG.replace("weights: w.safetensors, ", ""))
    done = CliRunner().invoke(app, ["check", "--config", str(file)])
    assert done.exit_code == 0 and "methods.unet.variants.half.precision" in done.stderr


@pytest.mark.parametrize(
    ("able", "emulated"),
    [
        ({}, True),
        ({"avx512_f": True, "avx512_bw": True}, True),
        ({"avx512_f": True, "avx512_bf16": True}, False),
        ({"avx_ne_convert": True}, False),
        ({"architecture": "arm64"}, False),
    ],
)
def test_which_processors_emulate_bfloat16(monkeypatch, able, emulated):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AVX2 | able)
    assert device.emulates_bf16(torch.device("cpu")) == emulated


@pytest.mark.parametrize(
    ("limit", "able", "native"),
    [
        ("AVX512", {"amx_bf16": True, "avx512_bf16": True}, True),
        ("AVX512", {"avx512_bf16": True}, True),
        ("AVX512", {"avx512_f": True}, False),
        ("AVX2", {"amx_bf16": True, "avx512_bf16": True}, False),
        ("DEFAULT", {"avx512_bf16": True}, False),
    ],
)
def test_which_processors_have_products_of_bfloat16(monkeypatch, limit, able, native):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: limit)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AVX2 | able)
    assert device.native_bf16(torch.device("cpu")) == native

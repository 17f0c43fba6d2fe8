"""bfloat16 on a processor that only emulates it is named before anything runs."""

import pytest
import torch

from benchmark.core import device
from benchmark.jobs import precision_check
from benchmark.jobs.precision_check import check_precision
from benchmark.spec import run_config

CONFIG = """\
name: a
train_on: photos
datasets: {photos: {split: val}}
discover: false
methods:
  identity:
  unet:
    method: regression
    training: {precision: bf16}
    variants: {plain: {}, half: {precision: bf16}}
  auto: {method: regression}
"""


@pytest.mark.parametrize("emulated", [True, False])
def test_trainings_and_variants_in_bfloat16_are_named(tmp_path, monkeypatch, emulated):
    (tmp_path / "a.yaml").write_text(CONFIG)
    monkeypatch.setattr(precision_check, "emulates_bf16", lambda device: emulated)
    found = check_precision(run_config.load(tmp_path / "a.yaml"), "a.yaml")
    expected = [
        ("a.yaml: methods.unet: training.precision: 'bf16' takes", "Set it to 'auto'"),
        ("a.yaml: methods.unet.variants.half: precision: 'bf16' takes", "Set it to 'float32'"),
    ]
    assert len(found) == (2 if emulated else 0)
    for text, (start, end) in zip(found, expected, strict=False):
        assert text.startswith(start) and text.endswith(end)


@pytest.mark.parametrize(
    ("capability", "able", "emulated"),
    [
        ("AVX2", {"architecture": "x86_64"}, True),
        ("AVX512", {"architecture": "x86_64", "avx512_f": True}, True),
        ("AVX512", {"architecture": "x86_64", "avx512_bf16": True}, False),
        ("AVX512", {"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": True}, False),
        (
            "AVX2",
            {"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": True},
            True,
        ),  # limited
        ("DEFAULT", {"architecture": "aarch64"}, False),  # not known
    ],
)
def test_which_processors_emulate_bfloat16(monkeypatch, capability, able, emulated):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert device.emulates_bf16(torch.device("cpu")) == emulated


def test_a_gpu_is_not_asked_for_its_processor():
    assert not device.emulates_bf16(torch.device("cuda"))

"""The memory of a training step is estimated before anything runs."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.errors import UserError
from benchmark.core.memory import PeakMemory
from benchmark.core.seeds import torch_generator
from benchmark.jobs.checks import check_training_memory, refuse_training_memory
from benchmark.spec import config_reader
from benchmark.spec.build import build
from benchmark.spec.method import LearnedMethod
from benchmark.spec.run_config import Config
from benchmark.training.step_memory import step_bytes

CONFIG = """\
name: a
train_on: photos
datasets: {photos: {split: val}}
discover: false
methods:
  identity:
  unet: {method: regression, training: {stages: [{share: 1, batch: 8, crop: 256}]}}
  lpips:
    method: regression
    parameters: {loss: rmse+ssim+lpips, network: &tiny {width: 8, multipliers: [1], blocks: 1}}
  distilled: {method: consistency_distillation, teacher: tiny, parameters: {network: *tiny}}
  tiny: {method: conditional_diffusion, parameters: {network: *tiny}}
"""


def loaded(folder: Path, text: str) -> Config:
    (folder / "a.yaml").write_text(text)
    return config_reader.load(folder / "a.yaml")


@pytest.fixture
def config(tmp_path):
    return loaded(tmp_path, CONFIG)


class Doubling(LearnedMethod):
    """One weight w; the loss is the mean of (w · degraded)²."""

    def build(self) -> nn.Module:
        network = nn.Module()
        network.weight = nn.Parameter(torch.ones(()))
        return network

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        return (self.network.weight * degraded).square().mean()


def test_the_estimate_counts_every_pair():
    """At least the pair, the product and its square are alive at once."""
    image = 4 * 3 * 32**2
    five, ten = (step_bytes(Doubling(), pairs, 32) for pairs in (5, 10))
    assert five >= 5 * 4 * image
    assert ten == pytest.approx(2 * five, rel=1e-3)


@pytest.mark.parametrize("label", ["unet", "lpips", "tiny"])
def test_the_estimate_is_what_a_real_step_takes(config, label):
    estimate = step_bytes(build(config, label, 0), 2, 64)
    method, generator = build(config, label, 0), torch_generator("x")
    small = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        method.loss(small, small, generator)
    with PeakMemory() as memory:
        pair = [torch.rand(2, 3, 64, 64) for _ in range(2)]
        method.loss(*pair, generator).backward()
    assert estimate == pytest.approx(memory.peak, rel=0.02)


def test_a_step_beyond_the_memory_is_a_warning_with_what_to_do(config):
    [warning] = check_training_memory(config, "a.yaml", 2**28)
    assert warning.startswith("a.yaml: methods.unet: training.stages: a step with 8 pairs of 256×")
    assert "Choose a smaller batch or crop" in warning
    assert check_training_memory(config, "a.yaml", 2**40) == []


def test_a_batch_in_parts_needs_less(tmp_path):
    config = loaded(tmp_path, CONFIG.replace("stages: [", "accumulate: 8, stages: ["))
    assert check_training_memory(config, "a.yaml", 2**28) == []


def test_a_distillation_is_estimated_with_its_teacher(config):
    found = check_training_memory(config, "a.yaml", 2**20)
    assert {line.split()[1] for line in found} == {
        f"methods.{label}:" for label in ("unet", "lpips", "distilled", "tiny")
    }


def test_a_method_that_cannot_be_estimated_has_no_warning(config, monkeypatch):
    def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr("methods.regression.Regression.loss", broken, raising=False)
    found = check_training_memory(config, "a.yaml", 2**20)
    assert not any("unet" in line for line in found)


@pytest.mark.parametrize(("batch", "crop"), [(10**9, 16), (1, 10**6), (64, 2048)])
def test_pairs_beyond_the_memory_are_refused(tmp_path, batch, crop):
    config = loaded(
        tmp_path, CONFIG.replace("batch: 8, crop: 256", f"batch: {batch}, crop: {crop}")
    )
    with pytest.raises(UserError, match=r"a.yaml: methods.unet: training.stages: .* need .* GiB"):
        refuse_training_memory(config, "a.yaml", 2**30)

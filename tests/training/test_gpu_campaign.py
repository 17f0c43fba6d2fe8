"""The campaign for a GPU works: on a CPU, with tiny networks."""

import os
import subprocess

import pytest

from benchmark.core.paths import ROOT
from tests.campaigns import gpu, gpu_parts
from tests.preloaded import python


@pytest.mark.skipif(
    not (ROOT / "data" / "manifest.json").exists(), reason="the data are not here: run 'dvc pull'"
)
def test_the_script_prints_a_row_for_each_part():
    environment = {**os.environ, "PYTHON": str(python()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "tests/campaigns/gpu.sh", "--tiny"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    names = [*gpu.LIMITS, "regression default", "conditional_diffusion ddim-1"]
    rows = {name: next(line for line in lines if line.startswith(f"{name} ")) for name in names}
    for name in gpu_parts.DENOISERS:
        assert 0 < float(rows[f"step {name}"].split()[2]) < 100, rows[f"step {name}"]
    assert "4 of 4 images" in rows["restore batched"]
    assert "0 faults" in rows["twice"]
    assert float(rows["regression default"].split()[2]) > 5  # dB


def test_a_part_that_takes_too_long_is_left_out(monkeypatch):
    def slow(*_, timeout, **__):
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr(gpu.subprocess, "run", slow)
    assert "not done after 30 s" in gpu._in_time("twice", 30)
    assert "no time left" in gpu._in_time("twice", gpu.LEAST - 1)


def test_all_parts_and_a_training_fit_into_the_time():
    """The eager parts take at most 8 minutes together; compiled ones get what they leave."""
    eager = sum(limit for part, limit in gpu.LIMITS.items() if "compiled" not in part)
    assert eager <= 8 * 60

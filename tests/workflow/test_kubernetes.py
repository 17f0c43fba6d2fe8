"""The Kubernetes profile: the jobs that it submits, and a part of the workflow through it.

Instead of a cluster, `tests/kubernetes/kubectl` runs the command of each job itself.
"""

import json
import os
import shutil
import subprocess

import pytest
import yaml

from benchmark.core.paths import ROOT
from tests.clone import SMOKE, snakemake

PROFILE = "workflow/profiles/kubernetes"
TARGET = "results/smoke/scores/identity/seed0/photos.csv"


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """The folder where the replacement of kubectl keeps its jobs."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    monkeypatch.setenv("KUBECTL_JOBS", str(folder))
    monkeypatch.setenv("PATH", f"{ROOT / 'tests/kubernetes'}{os.pathsep}{os.environ['PATH']}")
    return folder


def created(jobs):
    return [json.loads(file.read_text()) for file in sorted(jobs.glob("*.json"))]


def containers(jobs):
    return [job["spec"]["template"]["spec"]["containers"][0] for job in created(jobs)]


def test_a_job_asks_for_what_its_rule_needs(jobs, tmp_path):
    script = tmp_path / "a 'script'.sh"
    script.write_text("exit 0")
    command = [ROOT / PROFILE / "submit", "8", "16000", "4", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "default/unweather-00000\n"
    (job,) = created(jobs)
    container = job["spec"]["template"]["spec"]["containers"][0]
    limits = {"memory": "16000M", "nvidia.com/gpu": "4"}
    assert container["resources"] == {"requests": {"cpu": "8", **limits}, "limits": limits}
    assert container["command"] == ["/bin/bash", str(script)]
    assert container["workingDir"] == str(tmp_path)
    assert job["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == os.getuid()
    template = yaml.safe_load((ROOT / PROFILE / "job.yaml").read_text())
    assert container["image"] == template["spec"]["template"]["spec"]["containers"][0]["image"]


def test_no_gpu_is_asked_for_where_none_is_needed(jobs, tmp_path):
    (tmp_path / "script").write_text("exit 0")
    command = [ROOT / PROFILE / "submit", "1", "4000", "0", "script"]
    subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
    limits = created(jobs)[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"memory": "4000M"}


def status():
    command = [ROOT / PROFILE / "status", "default/a"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().strip()


@pytest.mark.parametrize(("exit_status", "expected"), [("0", "success"), ("137", "failed")])
def test_the_status_of_a_job(jobs, exit_status, expected):
    (jobs / "a.json").touch()
    assert status() == "running"
    (jobs / "a.ended").write_text(exit_status)
    assert status() == expected


def test_a_cluster_that_does_not_answer_fails_no_job(jobs):
    (jobs / "a.ended").write_text("0")
    (jobs / "no-answer").touch()
    assert [status(), status()] == ["running", "success"]


def test_a_job_that_was_deleted_has_failed(jobs):
    assert status() == "failed"


def test_the_workflow_gives_the_same_scores_and_tries_again_with_more_memory(
    smoke_run, repository, jobs, monkeypatch
):
    """Scoring; tests.campaigns.workflows trains and restores by such jobs too."""
    pytest.importorskip(
        "snakemake_executor_plugin_cluster_generic",
        reason="Snakemake's plug-in for generic clusters is not installed",
    )
    # Scoring has less memory than this in its first attempt.
    monkeypatch.setenv("KUBECTL_NEEDS", "5000")
    shutil.rmtree(repository / "results/smoke/scores/identity")
    done = snakemake(
        repository, TARGET, "--workflow-profile", PROFILE, "--latency-wait", "5",
        "--seconds-between-status-checks", "1", "--config", f"run={SMOKE}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (repository / TARGET).read_bytes() == (smoke_run / TARGET).read_bytes()
    limits = [container["resources"]["limits"] for container in containers(jobs)]
    assert [each["memory"] for each in limits] == ["4000M", "8000M"]
    assert [each.get("nvidia.com/gpu") for each in limits] == [None, None]

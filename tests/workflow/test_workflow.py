"""The workflow from data to report on two photos, and what it re-runs after an edit."""

import os
import re
import shutil
import subprocess
from contextlib import contextmanager

import pandas as pd
import pytest

from benchmark.core.paths import ROOT
from benchmark.results import schema
from tests.clone import SMOKE, clone, copied, edited, planned, replaced, snakemake
from tests.preloaded import python


@pytest.fixture(scope="module")
def planning(smoke_run, tmp_path_factory):
    """A copy of the smoke run for plans. Each test undoes its edits."""
    folder = copied(smoke_run, tmp_path_factory.mktemp("planning") / "repository")
    yield folder
    shutil.rmtree(folder)


def test_every_result_is_there(smoke_run):
    run = smoke_run / "results" / "smoke"
    scores = pd.read_csv(run / "scores.csv")
    assert tuple(scores.columns) == schema.SCORES
    assert scores.status.isin(schema.STATUSES).all()
    # 2 weathers × 2 photos × 5 metrics for each of 6 variants
    assert len(scores) == 2 * 2 * 5 * 6
    skipped = scores[scores.status == "skipped"]
    assert set(zip(skipped.method, skipped.weather, strict=True)) == {("dark_channel", "rain")}
    assert scores[scores.status == "ok"].value.notna().all()
    assert tuple(pd.read_csv(run / "cost.csv").columns) == schema.COST
    for name in ("leaderboard.csv", "leaderboard.md", "manifest.json", "report/index.html"):
        assert (run / name).stat().st_size > 0
    assert list((run / "figures").rglob("*.svg"))


# What no job of this run computes: alternatives that are not chosen, comments, docstrings, a
# constant that nothing uses.
NOTHING = [
    ("methods/diffusion/samplers/plms.py", "return ", "return 1.0 * "),
    ("methods/networks/nafnet.py", "import torch\n", "import torch\n\nLIMIT = 1\n"),
    ("methods/diffusion/samplers/ddpm.py", "def ddpm(", "LIMIT = 1\n\n\ndef ddpm("),
    ("methods/regression.py", "class Regression", "# edited\nclass Regression"),
    ("config/datasets/photos.yaml", "title:", "# edited\ntitle:"),
    (SMOKE, "workers: 0", "workers: 1"),
    ("benchmark/core/errors.py", '"""', '"""In other words: '),
]


def test_edits_of_what_no_job_computes_compute_nothing(planning):
    with edited(planning, *NOTHING):
        assert planned(planning).keys() <= {"all", "collect", "leaderboard", "figures", "report"}


def test_running_again_does_nothing_even_if_a_method_has_failed(planning):
    with timed_out(planning):
        assert planned(planning) == {}


@contextmanager
def timed_out(folder):
    """Inside: a restoring has timed out. Its table and those of the board keep their times."""
    run = folder / "results/smoke"
    table = run / "restored/unet/default/seed0/photos.csv"
    files = [table, run / "scores.csv", run / "leaderboard.csv"]
    kept = [(file, file.read_bytes(), file.stat()) for file in files]
    table.write_text(table.read_text().replace(",ok,", ",timed-out,"))
    os.utime(table, ns=(kept[0][2].st_atime_ns, kept[0][2].st_mtime_ns))
    try:
        yield
    finally:
        for file, content, stamp in kept:
            file.write_bytes(content)
            os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def test_an_edit_re_runs_what_computes_something_else(planning):
    """A loss: training and restoring of its entry. A variant less: its method is scored again, and
    nothing is restored. `jobs/test_identity` tests all kinds of edits."""
    loss = ("methods/regression.py", "2 * clean - 1)", "2.0 * clean - 1)")
    with edited(planning, loss, (SMOKE, "      ddpm-2: {sampler: ddpm, steps: 2}\n", "")):
        jobs = planned(planning)
    assert (jobs["train"], jobs["restore"], jobs["score"], jobs["collect"]) == (1, 1, 2, 1)


def test_a_replaced_photograph_is_noticed(planning):
    """A training photograph: all trainings, and what follows."""
    with replaced(next((planning / "data/photos/train").iterdir())):
        jobs = planned(planning)
    assert (jobs["train"], jobs["restore"], jobs["score"]) == (2, 3, 2)


def test_the_text_of_a_methods_card_is_collected_and_nothing_is_computed(planning):
    with edited(planning, ("methods/regression.py", 'title="Regression"', 'title="Another title"')):
        jobs = planned(planning)
    assert "collect" in jobs and not {"train", "restore", "score"} & set(jobs)


def test_trainings_run_side_by_side_and_restorings_alone(smoke_run):
    """In the log of the smoke run, by the groups of jobs that Snakemake starts together."""
    if os.cpu_count() == 1:
        pytest.skip("this machine has one core")
    logs = [path.read_text() for path in (smoke_run / ".snakemake/log").glob("*.log")]
    groups = re.split(r"^Execute \d+ jobs", max(logs, key=len), flags=re.M)[1:]
    started = [re.findall(r"^Job \d+: (\w+)", group, re.M) for group in groups]
    assert any(jobs.count("train") == 2 for jobs in started)
    assert all(len(jobs) == 1 for jobs in started if "restore" in jobs)


@pytest.mark.parametrize("made", ["nothing", "the board from the tables"])
def test_tables_that_come_with_a_checkout_do_not_stand_in_for_its_run(planning, tmp_path, made):
    """As in a fresh clone, whose results/reference and results/study have the tables alone; then
    with all that can be made from these, newer than they are."""
    folder = copied(planning, tmp_path / "repository")
    run = folder / "results/smoke"
    tables = {"scores.csv", "cost.csv", "methods.json", "manifest.json", "images.csv"}
    board = {path.name for path in run.glob("leaderboard.*")} | {"against_input.csv"}
    if made != "nothing":
        board |= {"comparisons.csv", "comparisons.md", "figures", "report"}
    for path in run.iterdir():
        if path.name not in tables | board:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(folder / ".snakemake")
    jobs = planned(folder)
    assert (jobs["train"], jobs["restore"], jobs["score"], jobs["collect"]) == (2, 6, 5, 1)


def test_new_step_counts_never_retrain(planning):
    old, new = "ddpm-2: {sampler: ddpm, steps: 2}", "ddpm-3: {sampler: ddpm, steps: 3}"
    with edited(planning, (SMOKE, old, new)):
        jobs = planned(planning)
    assert "train" not in jobs
    assert (jobs["restore"], jobs["score"]) == (1, 1)


@pytest.mark.parametrize("name", ["{a}", "a}", "{{"])
def test_a_folder_whose_path_has_braces_is_refused_with_a_word(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for part in ("benchmark", "methods", "workflow", "config"):
        (folder / part).symlink_to(ROOT / part)
    done = snakemake(folder, "--dry-run", "--config", f"run={SMOKE}")
    assert done.returncode != 0
    assert "braces in a path" in done.stdout + done.stderr


def test_an_unknown_key_does_not_start_the_default_run(planning):
    done = snakemake(planning, "--dry-run", "--config", f"config={SMOKE}")
    assert done.returncode != 0
    assert "--config config=…: there is no such key. 'run=FILE' names" in done.stdout + done.stderr


def test_a_misspelt_method_is_an_error_that_names_it(planning):
    with edited(planning, (SMOKE, "method: regression", "method: regresion")):
        done = snakemake(planning, "--dry-run", "--config", f"run={SMOKE}")
    assert done.returncode != 0
    assert "Did you mean 'regression'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_damaged_dvc_object_is_an_error_that_says_so(tmp_path):
    """One object of the remote is damaged, and a fresh clone pulls it."""
    folder = clone(tmp_path / "clone")
    victim = max((folder / "data-store").rglob("*"), key=lambda p: p.stat().st_size)
    victim.write_bytes(victim.read_bytes()[:-1000])
    done = snakemake(folder, "--config", f"run={SMOKE}")
    assert done.returncode != 0
    assert "restore it with 'git checkout data-store'" in done.stdout + done.stderr
    assert not (folder / "results" / "smoke" / "images.csv").exists()


def test_what_is_tried_again_is_planned_and_nothing_else(planning):
    retry = [python(), "-m", "benchmark", "retry", "--config", SMOKE, "--status", "timed-out"]
    with timed_out(planning):
        subprocess.run(retry, cwd=planning, check=True)
        jobs = planned(planning)
    assert (jobs["restore"], jobs["score"], jobs["collect"]) == (1, 1, 1)
    assert "train" not in jobs


def test_a_data_file_changed_afterwards_is_an_error_that_names_it(planning):
    photo = planning / pd.read_csv(planning / "results/smoke/images.csv").input[0]
    with replaced(photo):
        done = snakemake(planning, "--config", f"run={SMOKE}")
    assert done.returncode != 0
    message = rf"{re.escape(photo.name)}'? differs from the set's manifest"
    assert re.search(message, done.stdout + done.stderr)
    assert (planning / "results" / "smoke" / "scores.csv").exists()

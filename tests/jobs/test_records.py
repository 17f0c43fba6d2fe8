"""What a run records: identities of its jobs, what the machine decided, its configuration."""

import json

import pytest

from benchmark.core.errors import UserError
from benchmark.jobs import records, resolve
from benchmark.jobs.identity import Identities, Identity
from benchmark.jobs.resolve import Resolved
from benchmark.results.layout import RunFolder
from benchmark.spec import config_reader

CONFIG = """\
name: small
train_on: photos
datasets: {photos: {}}
training: {steps: 5}
methods:
  unet: {method: regression, variants: {a: {}, b: {tile: 64}}}
  identity: {}
leave_out: [%s]
"""


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run")


def identity(**parts):
    return Identity(parts, {name: "1" for name in parts.get("sources", "")})


def test_what_changed_is_said_in_words(run):
    old = identity(settings={"steps": 5, "clip": 1.0}, sources="ab", images="0" * 64)
    new = identity(settings={"steps": 6, "clip": 1.0}, sources="ac", images="1" * 64, seed=1)
    records.write(run, "train", ("unet", 0), old)
    record = records.read(run, "train", ("unet", 0))
    assert (record.identity, record.parts) == (old.digest, old.parts)
    assert records.what_changed(record, old) == []
    assert records.what_changed(record, new) == [
        "images changed", "seed: null → 1", "settings.steps: 5 → 6", "sources: b, c",
    ]  # fmt: skip


def test_jobs_that_were_never_done_have_not_changed(run, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG % "" + "discover: false\n")
    config = config_reader.load(tmp_path / "c.yaml")
    assert [*records.changed(config, run, Identities(config))] == []
    records.write(run, "restore", ("unet", "b", 0, "photos"), identity(variant={"tile": 32}))
    found = {names: lines for _, names, lines in records.changed(config, run, Identities(config))}
    assert list(found) == [("unet", "b", 0, "photos")]
    assert "variant.tile: 32 → 64" in found["unet", "b", 0, "photos"]


def test_what_was_made_by_hand_is_put_aside_once_something_has_changed(run, tmp_path):
    """Snakemake has no parameters of it. Of its own jobs it has: they stay until they run again."""
    (tmp_path / "c.yaml").write_text(CONFIG % "" + "discover: false\n")
    config = config_reader.load(tmp_path / "c.yaml")
    now, unit = Identities(config), ("unet", "a", 0, "photos")
    old = identity(variant={"tile": 32})
    files = {
        ("train", ("unet", 0)): (old, True),
        ("restore", unit): (now.restoring(*unit), True),
        ("restore", ("unet", "b", 0, "photos")): (old, False),
        ("score", ("unet", 0, "photos")): (old, True),
    }
    for (work, names), (made_with, by_hand) in files.items():
        records.write(run, work, names, made_with, by_hand)
        file = records.output(run, work, names)
        file.parent.mkdir(parents=True)
        file.write_text(work)
    outdated = [run.training("unet", 0) / "training.json", run.scores("unet", 0, "photos")]
    assert records.put_outdated_aside(config, run, now) == outdated
    left = [place for place in files if records.output(run, *place).exists()]
    assert left == [("restore", unit), ("restore", ("unet", "b", 0, "photos"))]
    assert records.put_outdated_aside(config, run, now) == []
    # What changed is as it was.
    records.write(run, "train", ("unet", 0), now.training("unet", 0), by_hand=True)
    assert records.put_outdated_aside(config, run, now) == []
    assert outdated[0].read_text() == "train" and not outdated[1].exists()


@pytest.mark.parametrize("text", ["[]", "{", '{"identity": "x", "parts": [], "definitions": {}}'])
def test_a_damaged_record_is_named(run, text):
    file = run.identity("train", "unet", 0)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(UserError, match=r"0.json.*delete it"):
        records.read(run, "train", ("unet", 0))


def test_a_job_refuses_to_run_with_another_identity_than_it_was_planned_with():
    one, other = identity(seed=1), identity(seed=2)
    records.refuse_other(one, one.digest, "train unet 0")
    records.refuse_other(one, "", "train unet 0")
    with pytest.raises(UserError, match=r"train unet 0: .*changed after the workflow had started"):
        records.refuse_other(one, other.digest, "train unet 0")


def test_what_the_machine_decides_is_recorded_once(run):
    first = resolve.resolve(run, cores=2)
    assert (first.threads, first.processes) == (2, 1) and first.device is not None
    assert resolve.resolve(run, cores=8) == first == resolve.recorded(run)
    assert resolve.resolve(run, cores=8, processes=4) == first.model_copy(update={"processes": 4})
    assert resolve.resolve(run, cores=8).processes == 4
    nodes = resolve.resolve(RunFolder(run.path / "nodes"), cores=None)
    assert nodes == Resolved()


@pytest.mark.parametrize(
    ("recorded", "message"),
    [({"device": "cuda"}, "device: .*started with cuda"), ({"bf16": True}, "bf16: .*True")],
)
def test_another_kind_of_machine_cannot_continue_a_run(run, recorded, message):
    here = resolve.resolve(run, cores=1)
    if all(getattr(here, name) == value for name, value in recorded.items()):
        pytest.skip(f"this machine has {recorded}")
    with pytest.raises(UserError, match=message):
        resolve.apply(here.model_copy(update=recorded), run.resolved)


@pytest.mark.parametrize("text", ["{", '{"threads": 0}', '{"cores": 2}'])
def test_a_damaged_record_of_the_machine_is_named(run, text):
    run.path.mkdir()
    run.resolved.write_text(text)
    with pytest.raises(UserError, match=r"resolved.json.*delete it"):
        resolve.resolve(run, cores=2)


@pytest.mark.parametrize("discover", ["true", "false"])
def test_a_frozen_configuration_is_the_one_that_was_loaded(tmp_path, discover):
    """With the entries that `discover` found, so that a new file in methods/ changes no run."""
    source, file = tmp_path / "c.yaml", tmp_path / "frozen.yaml"
    source.write_text(CONFIG % "prenet" + f"discover: {discover}\n")
    config = config_reader.load(source)
    config_reader.freeze(config, "config/c.yaml", file)
    frozen = config_reader.load(file)
    same = {"discover": False, "leave_out": ()}
    assert frozen == config.model_copy(update=same)
    assert file.read_text().startswith("# config/c.yaml as it was")
    assert json.dumps([*frozen.methods]) == json.dumps([*config.methods])

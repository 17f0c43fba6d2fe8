"""After a change of data, a job computes what changed and keeps its other rows."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.jobs import kept, outcome, restore, score
from benchmark.jobs.identity import Identity
from benchmark.jobs.isolation import Failure
from benchmark.results.layout import RunFolder
from benchmark.spec import config_reader

CONFIG = """\
name: kept
train_on: own
datasets: {own: {}}
protocols: [rgb, prenet]
methods: {directional_opening: {}, oracle: {}}
discover: false
"""
ONE, OTHER = Identity({"sources": "1", "images": "x"}, {}), Identity({"sources": "2"}, {})


class Run:
    """A run of three images, with the names of the images that its jobs computed."""

    def __init__(self, folder, monkeypatch):
        (folder / "run.yaml").write_text(CONFIG)
        self.config, self.run = config_reader.load(folder / "run.yaml"), RunFolder(folder / "run")
        self.folder, self.computed = folder, []
        for name in "abc":
            self.write(name, "input", ord(name))
            self.write(name, "target", ord(name))
        # Rows name files below the repository; here they are absolute.
        for module in (restore, score, kept):
            monkeypatch.setattr(module, "ROOT", folder)
        compute, pair = restore.restoring.Computer.restore, score_module().score_pair

        def restored(computer, unit, rows, images):
            self.computed.extend(row.image for row in rows)
            return compute(computer, unit, rows, images)

        def score_pair(*arguments):
            self.computed.append("pair")
            return pair(*arguments)

        monkeypatch.setattr(restore.restoring.Computer, "restore", restored)
        monkeypatch.setattr(score_module(), "score_pair", score_pair)

    def write(self, name, role, seed):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        (self.folder / role).mkdir(exist_ok=True)
        write_png(self.folder / role / f"{name}.png", pixels)

    def restore(self, identity=ONE, label="directional_opening"):
        rows = []
        for name in "abc":
            files = {role: f"{role}/{name}.png" for role in ("input", "target")}
            sums = {f"{role}_sha256": checksum(self.folder / file) for role, file in files.items()}
            rows.append({"dataset": "own", "weather": "rain", "image": name, "photo": name,
                         "strength": "", **files, **sums})  # fmt: skip
        self.run.path.mkdir(exist_ok=True)
        pd.DataFrame(rows).to_csv(self.run.images, index=False)
        unit = (label, "default", 0, "own")
        self.computed.clear()
        table = restore.restore(self.config, self.run, *unit, identity, None)
        outcome.write_restored(self.run, *unit, table, identity, None)
        return pd.read_csv(self.run.restored(*unit)), [*self.computed]

    def score(self, identity=ONE, label="directional_opening"):
        unit = (label, 0, "own")
        self.computed.clear()
        score.score(self.config, self.run, *unit, identity)
        return pd.read_csv(self.run.scores(*unit)), [*self.computed]


def score_module():
    from benchmark.scoring import score as module

    return module


@pytest.fixture
def run(tmp_path, monkeypatch):
    return Run(tmp_path, monkeypatch)


def test_only_a_changed_image_is_restored_again_and_has_no_time(run):
    first, computed = run.restore()
    assert computed == ["a", "b", "c"]
    assert first.seconds.isna().tolist() == [True, False, False]  # the first is a warm-up
    run.write("b", "input", 99)
    second, computed = run.restore()
    assert computed == ["b"]
    assert second.image.tolist() == ["a", "b", "c"]
    assert second.seconds.isna().tolist() == [True, True, False]
    assert_frame_equal(second.drop(1), first.drop(1))
    assert second.sha256[1] != first.sha256[1]


@pytest.mark.parametrize("cause", ["another identity", "a damaged result", "a damaged record"])
def test_what_an_earlier_job_made_is_not_kept(run, cause):
    run.restore()
    if cause == "a damaged result":
        (run.folder / "run/restored/directional_opening/default/seed0/own/rain/c.png").unlink()
    if cause == "a damaged record":
        run.run.kept("restore", "directional_opening", "default", 0, "own").write_text("x,y\n1")
    table, computed = run.restore(OTHER if cause == "another identity" else ONE)
    assert computed == (["c"] if cause == "a damaged result" else ["a", "b", "c"])
    assert table.status.eq("ok").all()


def test_a_job_that_restored_nothing_leaves_the_kept_images(run):
    first, _ = run.restore()
    failure = Failure("timed-out", "not done within 1 minute")
    outcome.write_restored(run.run, "directional_opening", "default", 0, "own", failure, ONE, None)
    run.write("b", "input", 99)
    second, computed = run.restore()
    assert computed == ["b"]
    assert_frame_equal(second.drop(1), first.drop(1))


def test_a_method_that_sees_the_target_depends_on_it(run):
    for label in ("directional_opening", "oracle"):
        run.restore(label=label)
    run.write("a", "target", 99)
    assert run.restore()[1] == []
    assert run.restore(label="oracle")[1] == ["a"]


@pytest.mark.parametrize("role", ["input", "target"])
def test_only_a_changed_pair_is_scored_again(run, role):
    run.restore()
    first, computed = run.score()
    assert computed == ["pair"] * 6  # three images in two storages
    run.write("b", role, 99)
    run.restore()
    second, computed = run.score()
    assert computed == ["pair"] * 2
    is_b = first.image == "b"
    assert_frame_equal(second[~is_b], first[~is_b])
    assert (second.value != first.value)[is_b].all()


def test_without_a_change_nothing_is_scored_again(run):
    run.restore()
    first, _ = run.score()
    second, computed = run.score()
    assert computed == []
    assert_frame_equal(second, first)
    assert run.score(OTHER)[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.iloc[:0], "lacks own/rain/a"),
        (lambda rows: rows.iloc[1:], "lacks own/rain/a"),
        (lambda rows: rows.iloc[[0, 1, 2, 2]], "has own/rain/c twice"),
        (lambda rows: rows.assign(weather="1"), "has own/1/a, which is not in images.csv"),
        (lambda rows: rows.assign(variant="x"), "has own/rain/a of another variant"),
    ],
    ids=["no rows", "a row is gone", "a row twice", "another weather", "another variant"],
)
def test_a_table_of_other_images_is_not_scored(run, change, message):
    run.restore()
    file = run.run.restored("directional_opening", "default", 0, "own")
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    change(rows).to_csv(file, index=False)
    with pytest.raises(UserError, match=rf"own\.csv {message}; run 'python -m benchmark run'"):
        run.score()

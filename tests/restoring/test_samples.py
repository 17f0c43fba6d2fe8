"""Samples: each from its own noise, the first as without them; kept, and drawn again if changed."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image, write_png
from benchmark.core.seeds import torch_generator
from benchmark.jobs import kept, outcome, score
from benchmark.jobs.identity import Identities
from benchmark.jobs.isolation import Failure
from benchmark.restoring import dataset
from benchmark.restoring.samples import draw, sample_generator
from benchmark.results.layout import RESTORED, SAMPLES, RunFolder, write_csv
from benchmark.results.tables import IMAGES
from benchmark.spec import config_checks, config_reader
from benchmark.spec.method import Card, Method, Settings
from benchmark.spec.variant import Execution, split

CARD = Card(title="t", citation="", licence="MIT", supervision="none", description="")


class Noisy(Method):
    """Adds noise; fails on the third sample of an image whose first value is 0."""

    card = CARD
    noise, calls = 0.1, 0

    def restore(self, degraded, variant, generators):
        self.calls += 1
        if degraded[0, 0, 0, 0] == 0 and self.calls % 10 == 3:
            raise RuntimeError("the third")
        (generator,) = generators
        return degraded + self.noise * torch.randn(degraded.shape, generator=generator)


@pytest.fixture
def images(tmp_path):
    rows = []
    for number, image in enumerate("ab"):
        pixels = np.full((6, 7, 3), 100 + number, np.uint8)
        write_png(tmp_path / f"{image}.png", pixels)
        rows.append({"dataset": "set", "weather": "rain", "image": image,
                     "input": f"{image}.png", "target": ""})  # fmt: skip
    return pd.DataFrame(rows)


def drawn(method, images, root, count=4):
    job = dataset.Job("noisy", "v", 0, method, Settings(), None)
    rows = dataset.restore(job, images, root, root / "out")
    return rows, *draw(job, rows, images, root, root / "out", count)


def test_samples_differ_and_the_first_is_that_of_a_single_one(images, tmp_path):
    before, rows, samples = drawn(Noisy(), images, tmp_path)
    pd.testing.assert_frame_equal(before, rows)
    assert tuple(samples.columns) == SAMPLES and list(samples["sample"]) == [1, 2, 3] * 2
    files = [*before.file[:1], *samples.file[:3]]
    pixels = [read_image(tmp_path / file) for file in files]
    assert len({image.tobytes() for image in pixels}) == 4
    alone = dataset.restore(
        dataset.Job("noisy", "v", 0, Noisy(), Settings(), None), images, tmp_path, tmp_path / "one"
    )
    assert list(alone.sha256) == list(rows.sha256)
    assert samples.file[0] == "out/samples/1/rain/a.png"


def test_the_noise_of_a_sample_depends_on_its_name_and_number_only():
    first = sample_generator("restore", "set", "rain", "a", 0, sample=0)
    assert first.initial_seed() == torch_generator("restore", "set", "rain", "a", 0).initial_seed()
    seeds = {sample_generator("photo", "a", sample=k).initial_seed() for k in range(50)}
    assert len(seeds) == 50


def test_an_image_whose_sample_fails_is_failed_and_the_others_go_on(images, tmp_path):
    write_png(tmp_path / "a.png", np.zeros((6, 7, 3), np.uint8))
    method = Noisy()
    method.calls = 3  # the first restorings are not the third call
    job = dataset.Job("noisy", "v", 0, method, Settings(), None)
    rows = dataset.restore(job, images, tmp_path, tmp_path / "out")
    method.calls = 0
    rows, samples = draw(job, rows, images, tmp_path, tmp_path / "out", 4)
    assert list(rows.status) == ["failed", "ok"]
    assert rows.reason[0] == "sample 3: RuntimeError: the third"
    assert list(samples.image) == ["b"] * 3


def test_kept_rows_need_all_of_their_samples_unchanged(images, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    rows, _, samples = drawn(Noisy(), images, tmp_path)
    rows, table = rows.reindex(columns=list(RESTORED)), tmp_path / "set.samples.csv"
    samples.to_csv(table, index=False)
    found, own = kept.with_samples(rows, table, 4)
    assert (len(found), len(own)) == (2, 6)
    assert kept.with_samples(rows, table, 5)[0].empty  # another number
    write_png(tmp_path / samples.file[0], np.zeros((6, 7, 3), np.uint8))
    found, own = kept.with_samples(rows, table, 4)
    assert (list(found.image), set(own.image)) == (["b"], {"b"})
    table.unlink()
    assert kept.with_samples(rows, table, 4)[0].empty


def configuration(folder, **variants):
    values = {
        "name": "mine", "train_on": "photos", "datasets": {"photos": {}}, "discover": False,
        "methods": {"filter": {"method": "directional_opening", "variants": variants}},
    }  # fmt: skip
    (folder / "mine.yaml").write_text(yaml.safe_dump(values))
    return folder / "mine.yaml"


@pytest.mark.parametrize("number", [1, 0, -3, 2.5, "many", 1001, True])
def test_a_bad_number_of_samples_is_refused_by_its_key(tmp_path, number):
    file = configuration(tmp_path, a={"samples": number})
    with pytest.raises(UserError, match=r"methods\.filter\.variants\.a: samples: "):
        config_reader.load(file)


def test_samples_are_a_setting_of_the_suite(tmp_path):
    config = config_reader.load(configuration(tmp_path, a={"samples": 8}, b={}))
    assert (config.samples_of("filter", "a"), config.samples_of("filter", "b")) == (8, 1)
    config_checks.check_methods(config, "mine.yaml")
    with pytest.raises(UserError, match=r"variants\.a: unknown key 'sampels'"):
        file = configuration(tmp_path, a={"sampels": 8})
        config_checks.check_methods(config_reader.load(file), "mine.yaml")
    assert split({"samples": 2, "steps": 3}) == ({"samples": 2}, {"steps": 3})
    assert Execution().samples is None


def test_adding_samples_restores_that_variant_again_and_no_other(tmp_path):
    plain = Identities(config_reader.load(configuration(tmp_path, a={}, b={})))
    more = Identities(config_reader.load(configuration(tmp_path, a={"samples": 4}, b={})))
    unit = ("filter", "a", 0, "photos"), ("filter", "b", 0, "photos")
    changed = [plain.restoring(*u).digest != more.restoring(*u).digest for u in unit]
    assert changed == [True, False]
    # Not even a source that only samples use decides the others.
    of_a, of_b = (more.restoring(*u).definitions for u in unit)
    names = of_a.keys() - of_b.keys()
    assert any(re.match(r"benchmark\.restoring\.samples:", name) for name in names)
    score = more.scoring_samples("filter", 0, "photos")
    assert list(score.parts["restorings"]) == ["a"]


def test_samples_of_a_method_that_could_not_start_have_its_reason(images, tmp_path, monkeypatch):
    config = config_reader.load(configuration(tmp_path, a={"samples": 4}))
    run, unit = RunFolder(tmp_path / "run"), ("filter", "a", 0, "set")
    run.path.mkdir()
    more = {name: "" for name in IMAGES if name not in images}
    write_csv(images.assign(**more)[list(IMAGES)], run.images)
    monkeypatch.setattr(score, "ROOT", tmp_path)
    identity = Identities(config).restoring("filter", "a", 0, "photos")
    failure, log = Failure("timed-out", "not done in time"), run.log("restore", "filter")
    outcome.write_restored(run, *unit, failure, identity, log)
    score.score_samples(config, run, "filter", 0, "set")
    table = pd.read_csv(run.sample_scores("filter", 0, "set"))
    assert list(table.status) == ["timed-out"] * 2
    assert (table.reason == f"not done in time (log: {log})").all()

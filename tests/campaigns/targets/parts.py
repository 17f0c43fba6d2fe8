"""Wrong parts of an unfinished run, and wrong submissions."""

import shutil
from pathlib import Path
from random import Random

import pandas as pd
from PIL import Image

from benchmark.board.write import write_leaderboard
from benchmark.core.errors import UserError
from benchmark.data import set_images
from benchmark.exchange.submit import Submission, submit
from benchmark.jobs import train
from benchmark.jobs.collect import collect
from benchmark.planning import plan, text
from benchmark.results.layout import RunFolder, score_units, units
from benchmark.spec import config_reader, run_config
from tests import run_jobs
from tests.campaigns import mutations, workspace
from tests.campaigns.targets.common import contents, kept_if_refused, write, wrong_text
from tests.synthetic_run import card, make_run

TABLES = ("method.json", "scores.csv", "restored.csv", "images.csv")


def _tiny(folder: Path) -> tuple[run_config.Config, RunFolder]:
    """A run of one image with all jobs done: its configuration and folder."""
    path = write(folder / "tiny.yaml", workspace.TEXT.replace("limit: 2", "limit: 1"))
    config, run = config_reader.load(path), RunFolder(folder / "results" / "tiny")
    if not run.images.exists():
        run.path.mkdir(parents=True)
        set_images.find_images(config).to_csv(run.images, index=False)
        run_jobs.train(config, run, "unet", 0)
        for unit in units(config):
            run_jobs.restore(config, run, *unit)
        for unit in score_units(config):
            run_jobs.score(config, run, *unit)
        collect(config, run)
    return config, run


def parts_of_run(folder: Path, random: Random):
    """Files that later jobs read: training.json, tables of images, of restorations, of scores."""
    config, run = _tiny(folder)
    training = run.training("unet", 0) / "training.json"
    tables = [run.restored(*unit) for unit in units(config)]
    tables += [run.scores(*unit) for unit in score_units(config)]
    chosen = random.choice([training, training, run.images, *tables])
    good = contents(run.path)
    write(chosen, wrong_text(chosen.name, good[chosen].decode(), random))
    try:
        yield chosen.name, "images.csv", "photos.csv"
        if chosen in (training, run.images):
            run_jobs.restore(config, run, "unet", "default", 0, "photos")
        if chosen == training:
            train.export_weights(config, run, folder / "weights")
        for unit in score_units(config):
            run_jobs.score(config, run, *unit) if "scores" not in chosen.parts else None
        collect(config, run)
    finally:
        for path, data in good.items():
            write(path, data)


def earlier_costs(folder: Path, random: Random):
    """The measured costs of an earlier run, from which a later one is planned."""
    config, run = _tiny(folder)
    training = run.training("unet", 0) / "training.json"
    chosen = random.choice([training, run.path / "cost.csv"])
    good = chosen.read_text(encoding="utf-8")
    write(chosen, wrong_text(chosen.name, good, random))
    try:
        yield chosen.name
        made = plan.plan(config, None, run)
        text.as_text(made, False), text.comparison(made, run)
    finally:
        write(chosen, good)


def _judged(folder: Path) -> Path:
    """A run with a submitted method. Each call restores its files."""
    run, good = folder / "results" / "mine", folder / "good"
    if not good.exists():
        make_run(run, 2, ("rain", "haze"), [card("median", gain=2.0)], side=16)
        scores = pd.read_csv(run / "scores.csv", dtype=str, keep_default_na=False)
        scores[scores["protocol"] == "rgb"].to_csv(run / "scores.csv", index=False)
        submit(run / "restored/median/default/seed0", Submission("theirs"), run)
        shutil.copytree(run, good)
    shutil.rmtree(run)
    shutil.copytree(good, run)
    return run


def submission_tables(folder: Path, random: Random):
    """The tables of a submission, which `collect` reads."""
    run = _judged(folder)
    path = run / "submissions" / "theirs" / random.choice(TABLES)
    write(path, wrong_text(path.name, path.read_text(encoding="utf-8"), random))
    yield path.name, "theirs", "scores.csv has no rows"
    config = run_config.Config(name="x", datasets={"test-set": {}}, train_on="photos",
                                  methods={}, discover=False)  # fmt: skip
    with kept_if_refused(run):
        collect(config, RunFolder(run))
    write_leaderboard(run)


def submitted_images(folder: Path, random: Random):
    """A folder of restored images is submitted. If it is refused, the run stays unchanged."""
    run, images = _judged(folder), folder / "theirs"
    shutil.rmtree(images, ignore_errors=True)
    shutil.copytree(run / "restored/median/default/seed0/test-set", images / "test-set")
    path = random.choice(sorted(images.rglob("*.png")))
    kind = random.choice(("bytes", "bytes", "recoded", "size", "gone", "name", "folder", "all"))
    if kind == "bytes":
        write(path, mutations.of_bytes(path.read_bytes(), random))
    elif kind == "recoded":
        image = Image.open(path)
        path.unlink()
        image.save(path.with_suffix(random.choice((".jpg", ".tif", ".BMP"))))
    elif kind == "size":
        Image.new("RGB", (random.randint(1, 40), random.randint(1, 40))).save(path)
    elif kind == "gone":
        path.unlink()
    elif kind == "name":
        path.rename(path.with_name(random.choice(("x.png", "photo00.bmp", "-", "a\nb.png"))))
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    else:
        shutil.rmtree(images / "test-set")
    yield path.stem, "photo0", "theirs"
    with kept_if_refused(run):
        faults = submit(images, Submission("mine"), run)
    write_leaderboard(run)
    if faults:
        raise UserError(faults[0])


TARGETS = {
    "parts of a run": parts_of_run,
    "earlier run for plan": earlier_costs,
    "submission: tables": submission_tables,
    "submission: images": submitted_images,
}

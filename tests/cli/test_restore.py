"""What `restore` does with results that are there, and what it announces."""

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.core.image_io import read_image
from benchmark.restoring import photos

OPENING = "directional_opening"  # without noise, and it changes a photo
PRIOR = "deep_image_prior"  # with noise, and it needs no weights


@pytest.fixture
def restore(tmp_path, monkeypatch):
    """Restores the photos a.png and b.png of an empty folder to `out`; returns the result."""
    monkeypatch.chdir(tmp_path)
    values = {
        "name": "mine",
        "train_on": "photos",
        "datasets": {"photos": {}},
        "methods": {OPENING: {}, PRIOR: {"variants": {"short": {"iterations": 2}}}},
        "discover": False,
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    streaks = np.full((40, 60, 3), 90, np.uint8)
    streaks[:, ::8] = 250
    for name in ("a.png", "b.png"):
        Image.fromarray(streaks).save(tmp_path / name)

    def run(*options, method=OPENING):
        names = ["restore", "a.png", "b.png", "--out", "out", "--config", "mine.yaml"]
        return CliRunner().invoke(app, [*names, "--method", method, *options])

    return run


@pytest.fixture
def second_a_megapixel(monkeypatch):
    """What is announced is the number of restorations."""
    monkeypatch.setattr(photos, "seconds_per_megapixel", lambda restorer, sizes: 1e6 / 4800)


@pytest.mark.parametrize(
    ("method", "options", "seconds"),
    [
        (OPENING, (), 1),
        (OPENING, ("--uncertainty",), 2),
        (PRIOR, (), 1),
        (PRIOR, ("--uncertainty", "--samples", "3"), 3),
    ],
)
def test_the_time_that_is_announced_is_that_of_the_restorations_that_are_made(
    restore, monkeypatch, second_a_megapixel, method, options, seconds
):
    made, run = [], photos._run
    monkeypatch.setattr(photos, "_run", lambda *a: (made.append(a), run(*a))[1])
    done = restore(*options, method=method)
    assert done.exit_code == 0, done.stderr
    assert f"about {seconds} s for 0.0048 megapixels" in done.output
    assert len(made) == 2 * seconds  # for two photos


def test_a_missing_comparison_shows_the_restoration_that_was_kept(restore, tmp_path):
    assert restore("--strength", "0").exit_code == 0
    kept = (tmp_path / "out/a.png").read_bytes()
    (tmp_path / "out/b.png").unlink()
    done = restore("--skip-existing", "--compare")
    assert done.exit_code == 0, done.stderr
    assert "kept: 1 of 2" in done.output and "compared: 1 of the kept" in done.output
    assert "out: 1 of 1 photos restored" in done.output
    assert (tmp_path / "out/a.png").read_bytes() == kept
    # At strength 0 both sides are the same; at the strength of this call they are not.
    for name, equal in (("a", True), ("b", False)):
        sheet = read_image(tmp_path / f"out/{name}-compare.jpg")[-40:].astype(int)
        assert (abs(sheet[:, :60] - sheet[:, -60:]).mean() < 5) == equal
    again = restore("--skip-existing", "--compare")
    assert "kept: 2 of 2" in again.output and "compared" not in again.output


def test_a_kept_result_of_another_photo_is_not_compared_and_the_others_are(restore, tmp_path):
    assert restore().exit_code == 0
    Image.new("RGB", (7, 5)).save(tmp_path / "out/a.png")
    done = restore("--skip-existing", "--compare")
    assert done.exit_code == 1
    assert "not compared: 'out/a.png' has 7×5 pixels and 'a.png' 60×40" in done.stderr
    assert not (tmp_path / "out/a-compare.jpg").exists()
    assert (tmp_path / "out/b-compare.jpg").exists()


@pytest.mark.parametrize("method", [OPENING, PRIOR])
def test_a_missing_map_is_named_and_the_kept_restoration_stays(restore, tmp_path, method):
    assert restore().exit_code == 0
    kept = (tmp_path / "out/a.png").read_bytes()
    done = restore("--skip-existing", "--uncertainty", "--samples", "2", method=method)
    assert done.exit_code == 0, done.stderr
    assert "no map: 2 of the kept" in done.output and "photos restored" not in done.output
    assert (tmp_path / "out/a.png").read_bytes() == kept

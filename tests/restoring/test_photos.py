"""Restoring the user's own photos: the files, the results, the method and its weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from benchmark.board.aggregate import COLUMNS
from benchmark.cli.method_choice import choose_method
from benchmark.core import weights
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.image_io import read_image
from benchmark.restoring import photos
from benchmark.results.layout import RunFolder
from benchmark.spec import registry, run_config
from benchmark.spec.build import build

RNG = np.random.default_rng(7)
TINY = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}
WHERE = "config/mine.yaml"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here):
    """A run with two controls, a filter and a tiny diffusion model, and its empty folder."""
    values = {
        "name": "mine",
        "train_on": "photos",
        "datasets": {"photos": {}},
        "weights": f"{here}/weights/{{entry}}-{{seed}}.safetensors",
        "methods": {
            "identity": {},
            "oracle": {},
            "filter": {"method": "directional_opening"},
            "diffusion": {
                "method": "conditional_diffusion",
                "parameters": TINY,
                "variants": {"two": {"steps": 2}, "three": {"steps": 3, "sampler": "ddpm"}},
            },
        },
        "discover": False,
    }
    (here / "mine.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return run_config.load(here / "mine.yaml"), RunFolder(here / "results/mine")


def photo(name, size=(30, 20)):
    Image.fromarray(RNG.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(name)


def write_board(folder, **psnr):
    rows = []
    for label, value in psnr.items():
        for weather in ("all", "rain"):
            for variant in ("two", "three") if label == "diffusion" else ("default",):
                rows.append(
                    dict.fromkeys(COLUMNS, "")
                    | {
                        "dataset": "photos", "weather": weather, "method": label,
                        "variant": variant, "status": "ok",
                        "rgb/psnr": value + (variant == "three"), "lpips-alex/lpips": 1 / value,
                        "seconds_per_megapixel": 90 if variant == "three" else 5,
                    }
                )  # fmt: skip
    folder.mkdir(parents=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "leaderboard.csv", index=False)


def export_weights(config, folder):
    file = folder / "diffusion-0.safetensors"
    weights.export(_trained(config, folder), file, {"status": "ok"})
    return file


def _trained(config, folder):
    path = folder / "trained.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    weights.save(build(config, "diffusion", 0).network, path)
    return path


def restore(run, names, label, out="out", kind="png", compare=False, **setting):
    config, folder = run
    results = photos.outputs(names, Path(out), kind, compare)
    return photos.restore_photos(photos.restorer(config, WHERE, folder, label, **setting), results)


def test_photos_are_files_and_the_images_in_folders(here):
    (here / "in").mkdir()
    for name in ("b.jpg", "a.PNG", "c.heic", "notes.txt", ".d.png"):
        (here / "in" / name).touch()
    (here / "in" / "sub.png").mkdir()
    (here / "alone.xyz").touch()
    names = [here / "alone.xyz", here / "in", here / "in" / "b.jpg"]
    found = [str(path.relative_to(here)) for path in photos.find_photos(names)]
    assert found == ["alone.xyz", "in/a.PNG", "in/b.jpg", "in/c.heic"]
    with pytest.raises(UserError, match="no photo or folder 'gone'"):
        photos.find_photos([Path("gone")])
    with pytest.raises(UserError, match=r"sub\.png' holds no images"):
        photos.find_photos([here / "in" / "sub.png"])


def test_no_result_overwrites_a_photo_or_another_result(here):
    a, b, c = here / "a.png", here / "a.jpg", here / "x" / "a.png"
    with pytest.raises(UserError, match=r"'a\.png' is a photo to restore"):
        photos.outputs([a], here, "png", False)
    with pytest.raises(UserError, match=r"would both become 'out/a\.png'"):
        photos.outputs([a, b], here / "out", "png", False)
    with pytest.raises(UserError, match="both become"):
        photos.outputs([a, c], here / "out", "same", False)
    with pytest.raises(UserError, match="is a photo to restore"):
        photos.outputs([a, here / "a-compare.jpg"], here, "webp", True)
    results = photos.outputs([a, b], here / "out", "same", False)
    assert [r.restored.name for r in results] == ["a.png", "a.jpg"]


@pytest.mark.parametrize("size", [(1, 1), (37, 21), (300, 5)])
def test_identity_gives_the_photo_back(run, size):
    photo("a.png", size)
    assert restore(run, [Path("a.png")], "identity") == []
    assert np.array_equal(read_image("out/a.png"), read_image("a.png"))


def test_one_bad_photo_does_not_stop_the_others(run, here):
    for name in ("a.png", "c.png", "d.jpg"):
        photo(name)
    Path("b.png").write_text("a text")
    Path("e.heic").write_text("a text")
    names = photos.find_photos([here / f"{n}" for n in ("a.png", "b.png", "c.png", "e.heic")])
    problems = restore(run, names, "identity", compare=True)
    assert [path.name for path, _ in problems] == ["b.png", "e.heic"]
    assert "'b.png' is not an image" in problems[0][1]
    written = sorted(path.name for path in (here / "out").iterdir())
    assert written == ["a-compare.jpg", "a.png", "c-compare.jpg", "c.png"]


def test_a_name_that_is_not_utf8_is_a_problem_of_its_photo(run, here):
    photo("a.png")
    Path("a.png").rename("a\udcff.png")
    ((_, problem),) = restore(run, photos.find_photos([Path("a\udcff.png")]), "identity")
    assert problem == "The name of 'a\\udcff.png' is not valid UTF-8. Rename the file."


def test_a_failing_method_is_a_problem_of_each_photo(run, monkeypatch):
    photo("a.png")
    kind = registry.load("identity")
    nan = lambda self, degraded, variant, generators: degraded * float("nan")  # noqa: E731
    monkeypatch.setattr(kind, "restore", nan)
    ((path, reason),) = restore(run, [Path("a.png")], "identity")
    assert path.name == "a.png"
    assert "not finite" in reason
    assert not Path("out/a.png").exists()


def test_formats(run, here):
    photo("a.bmp")
    photo("b.tiff")
    Path("a.bmp").rename("a.jfif")
    problems = restore(run, [here / "a.jfif", here / "b.tiff"], "identity", kind="same")
    assert ["Choose a --format" in reason for _, reason in problems] == [True]
    assert [path.name for path in (here / "out").iterdir()] == ["b.tiff"]
    assert restore(run, [here / "a.jfif"], "identity", kind="webp") == []
    with Image.open("out/a.webp") as image:
        assert image.format == "WEBP"


def test_weights_of_the_configuration_need_no_run(run, here):
    """If the run has trained the entry itself, those weights are used."""
    config, folder = run
    photo("a.png")
    with pytest.raises(WeightsMissing, match=r"diffusion-0\.safetensors.*'dvc pull'"):
        restore(run, [here / "a.png"], "diffusion")
    file = export_weights(config, here / "weights")
    assert restore(run, [here / "a.png"], "diffusion") == []
    assert photos.weights_of(config, WHERE, folder, "diffusion").path == file
    own = folder.training("diffusion", 0) / "weights.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(file.read_bytes())
    assert photos.weights_of(config, WHERE, folder, "diffusion") == own


def test_an_untrained_method_says_what_to_run(run):
    config, folder = run
    config = config.model_copy(update={"weights": None})
    with pytest.raises(WeightsMissing, match=f"'make benchmark CONFIG={WHERE}'"):
        photos.restorer(config, WHERE, folder, "diffusion")


def test_variants_and_steps(run, here):
    config, folder = run
    export_weights(config, here / "weights")

    def settings(**choice):
        return photos.restorer(config, WHERE, folder, "diffusion", **choice)

    assert settings().settings.steps == 2
    assert settings(variant="three").settings.steps == 3
    seven = settings(steps=7)
    assert (seven.settings.steps, seven.settings.sampler) == (7, "ddim")
    assert seven.name == "diffusion with 7 steps"
    with pytest.raises(UserError, match="Did you mean 'three'"):
        settings(variant="thre")
    with pytest.raises(UserError, match="does not work in steps"):
        photos.restorer(config, WHERE, folder, "filter", steps=2)
    with pytest.raises(UserError, match="needs the ground truth"):
        photos.restorer(config, WHERE, folder, "oracle")
    with pytest.raises(UserError, match="Did you mean 'diffusion'"):
        photos.restorer(config, WHERE, folder, "difusion")


@pytest.mark.parametrize("own", [True, False])
def test_the_method_is_chosen_by_the_runs_board_or_the_references(run, here, own):
    config, folder = run
    export_weights(config, here / "weights")
    photo("a.png", (500, 200))
    photo("b.png", (1000, 1000))
    (here / "broken.png").write_text("a text")
    psnr = {"identity": 20.0, "filter": 22.0, "diffusion": 25.0}
    write_board(here / "results" / ("mine" if own else "reference"), **psnr)
    names = photos.find_photos([here / "a.png", here / "broken.png"])

    def choose(names, budget=None):
        return choose_method(config, WHERE, folder, names, budget)

    assert choose(names).variant == "three"
    assert choose(names, 10).variant == "three"  # 0.1 megapixels
    assert choose([*names, here / "b.png"], 10).variant == "two"  # the largest decides
    why = choose(names).why
    assert why.endswith("results/mine)" if own else "results/reference)")


def test_without_a_board_a_method_has_to_be_named(run, here):
    config, folder = run
    with pytest.raises(UserError, match=f"'make benchmark CONFIG={WHERE}', or name a method"):
        choose_method(config, WHERE, folder, [], None)


def test_methods_without_weights_are_passed_over(run, here):
    config, folder = run
    write_board(folder.path, identity=20.0, filter=22.0, diffusion=25.0)
    choice = choose_method(config, WHERE, folder, [], None)
    assert choice.method == "filter"
    assert "without weights: diffusion" in choice.why

"""Restoring the user's own photos: the files, the results, the method and its weights."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from benchmark.board.aggregate import COLUMNS
from benchmark.cli import method_choice
from benchmark.cli.method_choice import choose_method
from benchmark.core import weights
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.image_io import read_image
from benchmark.restoring import change, photos
from benchmark.restoring.change import Usual
from benchmark.restoring.photo_names import find_photos, outputs
from benchmark.restoring.spread import Spread
from benchmark.results.layout import RunFolder
from benchmark.spec import config_reader, registry
from benchmark.spec.build import build
from tests.methods.test_contract import make

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
    return config_reader.load(here / "mine.yaml"), RunFolder(here / "results/mine")


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


def restore(run, names, label, kind="png", compare=False, **setting):
    """Restore photos to `out`; returns the problems of those that failed, by name."""
    return {o.photo.name: o.problem for o in outcomes(run, names, label, kind, compare, **setting)
            if o.problem}  # fmt: skip


def outcomes(run, names, label, kind="png", compare=False, **setting):
    config, folder = run
    results = outputs(find_photos(names), Path("out"), kind, compare)
    return photos.restore_photos(photos.restorer(config, WHERE, folder, label, **setting), results)


@pytest.mark.parametrize("size", [(1, 1), (37, 21), (300, 5)])
def test_identity_gives_the_photo_back(run, size):
    photo("a.png", size)
    assert restore(run, [Path("a.png")], "identity") == {}
    assert np.array_equal(read_image("out/a.png"), read_image("a.png"))


def test_one_bad_photo_does_not_stop_the_others(run, here):
    for name in ("a.png", "c.png", "d.jpg"):
        photo(name)
    Path("b.png").write_text("a text")
    Path("e.heic").write_text("a text")
    Path("f.NEF").write_text("a text")
    names = [here / n for n in ("a.png", "b.png", "c.png", "e.heic", "f.NEF")]
    problems = restore(run, names, "identity", compare=True)
    assert list(problems) == ["b.png", "e.heic", "f.NEF"]
    assert "'b.png' is not an image" in problems["b.png"]
    assert "'f.NEF' is a camera's RAW file" in problems["f.NEF"]
    written = sorted(path.name for path in (here / "out").iterdir())
    assert written == ["a-compare.jpg", "a.png", "c-compare.jpg", "c.png"]


def test_a_name_that_is_not_utf8_is_a_problem_of_its_photo(run, here):
    photo("a.png")
    Path("a.png").rename("a\udcff.png")
    (problem,) = restore(run, [Path("a\udcff.png")], "identity").values()
    assert problem == "The name of 'a\\udcff.png' is not valid UTF-8. Rename the file."


FAILURES = [
    (lambda x: x * float("nan"), "not finite"),
    (lambda x: x[..., :-1], "30"),
    (lambda x: [][1], "IndexError"),
    (lambda x: x.new_empty(1 << 60), "RuntimeError"),
]


@pytest.mark.parametrize(("fault", "message"), FAILURES, ids=["nan", "shape", "error", "memory"])
def test_a_failing_method_is_a_problem_of_each_photo_by_name(run, monkeypatch, fault, message):
    photo("a.png")
    photo("b.png")
    restoring = lambda self, degraded, variant, generators: fault(degraded)  # noqa: E731
    monkeypatch.setattr(registry.load("identity"), "restore", restoring)
    problems = restore(run, [Path("a.png"), Path("b.png")], "identity")
    for name in ("a.png", "b.png"):
        assert problems[name].startswith(f"'{name}': ")
        assert message in problems[name]
        assert not Path("out", name).exists()


@pytest.mark.parametrize(
    ("kind", "size", "limit"),
    [("webp", (16_384, 1), "16,383"), ("webp", (1, 16_384), "16,383"),
     ("jpg", (65_501, 1), "65,500"), ("jpg", (1, 65_501), "65,500")],
)  # fmt: skip
def test_a_photo_too_long_for_its_format_is_named_before_it_is_restored(
    run, monkeypatch, kind, size, limit
):
    Image.new("L", size).save("long.png")
    never = lambda *_: pytest.fail("it was restored")  # noqa: E731
    monkeypatch.setattr(registry.load("identity"), "restore", never)
    problem = restore(run, [Path("long.png")], "identity", kind)["long.png"]
    assert problem.startswith("'long.png': ") and f"at most {limit} pixels" in problem
    assert "--format png" in problem


def test_steps_that_a_method_cannot_take_are_refused_before_the_photos(run, here):
    config, folder = run
    export_weights(config, here / "weights")
    restorer = photos.restorer(config, WHERE, folder, "diffusion", steps=5000)
    with pytest.raises(UserError, match=r"diffusion with 5000 steps cannot restore .*--steps"):
        photos.seconds_per_megapixel(restorer, [(60, 40)])


@pytest.mark.parametrize("size", [(60, 64), (65, 30), (130, 97), (200, 300)])
@pytest.mark.parametrize("context", [0, 40])
def test_the_expected_time_is_that_of_the_pixels_which_the_network_sees(size, context, monkeypatch):
    """Those of all tiles, and of the photo at low resolution. A sample takes 3 seconds here."""
    method = make("regression")
    settings = method.Variant(tile=64, overlap=16, context=context)
    restorer = photos.Restorer("unet", method, settings, torch.device("cpu"))
    seen = []
    method.network.register_forward_hook(lambda _, x, __: seen.append(x[0][0, 0].numel()))
    method.restore(torch.rand(1, 3, *size[::-1]), settings, [])
    expected = 3e6 * sum(seen) / photos.SAMPLE**2 / (size[0] * size[1])
    monkeypatch.setattr(photos, "_run", lambda *_: torch.zeros(1, 3, 4, 4))
    clock = itertools.count(0, 3)
    monkeypatch.setattr(photos.time, "perf_counter", lambda: next(clock))
    assert photos.seconds_per_megapixel(restorer, [size, size]) == pytest.approx(expected)


def test_formats(run, here):
    photo("a.bmp")
    photo("b.tiff")
    Path("c.xyz").write_text("a text")
    Path("a.bmp").rename("a.dib")
    names = [here / n for n in ("a.dib", "b.tiff", "c.xyz")]
    problems = restore(run, names, "identity", kind="same")
    assert list(problems) == ["c.xyz"] and "'c.xyz' is no image" in problems["c.xyz"]
    assert sorted(path.name for path in (here / "out").iterdir()) == ["a.bmp", "b.tiff"]
    assert restore(run, [here / "a.dib"], "identity", kind="webp") == {}
    with Image.open("out/a.webp") as image:
        assert image.format == "WEBP"


@pytest.fixture
def white(run, monkeypatch):
    """Identity returns white."""
    whiten = lambda self, degraded, variant, generators: degraded * 0 + 1  # noqa: E731
    monkeypatch.setattr(registry.load("identity"), "restore", whiten)


@pytest.mark.parametrize(("strength", "pixel"), [(0.2, [91, 131, 171]), (0, [50, 100, 150])])
def test_strength_is_a_share_of_the_change(run, white, strength, pixel):
    Image.new("RGB", (20, 10), (50, 100, 150)).save("a.png")
    assert restore(run, [Path("a.png")], "identity", strength=strength) == {}
    assert read_image("out/a.png")[0, 0].tolist() == pixel


def with_map(run, label, strength=1.0, samples=3, **setting):
    """Restore a.png with a map of its uncertainty; returns what is said of it."""
    config, folder = run
    results = outputs(find_photos([Path("a.png")]), Path("out"), "png", False, True)
    restorer = photos.restorer(
        config, WHERE, folder, label, strength=strength, samples=samples, **setting
    )
    (outcome,) = photos.restore_photos(restorer, results)
    assert outcome.problem == ""
    return outcome.uncertainty


def test_the_map_shows_where_restorations_differ_and_changes_no_result(run, here, monkeypatch):
    """A method that adds noise of 10 levels to the left half only, from the noise it is given."""
    Image.fromarray(np.full((40, 60, 3), 128, np.uint8)).save("a.png")
    kind = registry.load("directional_opening")

    def noisy(self, degraded, variant, generators):
        noise = torch.randn(degraded.shape, generator=generators[0]) * 10 / 255
        noise[..., 30:] = 0
        return degraded + noise

    monkeypatch.setattr(kind, "restore", noisy)
    restore(run, [Path("a.png")], "filter")
    alone = read_image("out/a.png")
    note = with_map(run, "filter", samples=40)
    assert (read_image("out/a.png") == alone).all()
    # Of half of the pixels: 10 / √2.
    assert float(re.search(r"differ by ([\d.]+) levels", note)[1]) == pytest.approx(7.1, abs=0.3)
    colours = read_image("out/a-uncertainty.png")
    assert colours.shape == (40, 60, 3)
    black = colours[0, -1]
    assert (colours[:, 30:] == black).all() and black.sum() < 10
    assert (colours[:, :30].sum(axis=2) > 150).all()
    half = with_map(run, "filter", strength=0.5, samples=40)
    assert float(re.search(r"differ by ([\d.]+) levels", half)[1]) == pytest.approx(3.5, abs=0.2)
    assert "at strength 0 the photo stays as it is" in with_map(run, "filter", strength=0.0)
    assert not Path("out/a-uncertainty.png").exists()


def test_a_method_without_noise_has_no_map_and_that_is_said(run, here):
    photo("a.png")
    (here / "out").mkdir()
    (here / "out" / "a-uncertainty.png").write_bytes(b"of an earlier call")
    note = with_map(run, "filter")
    assert "all restorations are the same" in note and "does not mean that it is certain" in note
    assert not Path("out/a-uncertainty.png").exists()


def test_the_spread_is_numpys_standard_deviation():
    stack = RNG.integers(0, 256, (7, 5, 6, 3)).astype(np.uint8)
    spread = Spread(stack[0])
    spread.add(stack[1:])
    expected = np.sqrt((stack.astype(float).std(axis=0, ddof=1) ** 2).mean(axis=2))
    assert spread.map() == pytest.approx(expected, rel=1e-4)


def test_usual_changes_are_not_noted_and_little_change_is(run):
    photo("a.png")
    (quiet,) = outcomes(run, [Path("a.png")], "identity", usual=Usual(0, 9, 60))
    assert quiet.notes == ()
    (little,) = outcomes(run, [Path("a.png")], "identity", usual=Usual(3, 9, 60))
    assert little.notes[0].startswith("'a.png': changed by 0.00 levels, less than nearly all")


@pytest.mark.parametrize("strength", [0, 1])
def test_more_change_than_usual_is_noted_at_any_strength(run, white, strength):
    photo("a.png")
    usually = Usual(0, 9, 60)
    (much,) = outcomes(run, [Path("a.png")], "identity", strength=strength, usual=usually)
    assert "more than nearly all of 60 test pictures" in much.notes[0]


@pytest.mark.parametrize(("kind", "lost"), [("jpg", True), ("png", False)])
def test_the_loss_of_transparency_is_said(run, kind, lost):
    Image.new("RGBA", (8, 8), (1, 2, 3, 100)).save("a.png")
    (outcome,) = outcomes(run, [Path("a.png")], "identity", kind)
    said = "'a.png': its transparency (it becomes white) is not kept in 'out/a.jpg'."
    assert outcome.notes == ((said,) if lost else ())


@pytest.mark.parametrize(("size", "shown"), [((30, 20), "0.001"), ((1500, 1000), "1.5")])
def test_the_bar_shows_the_size_of_small_photos_too(run, capsys, size, shown):
    photo("a.png", size)
    outcomes(run, [Path("a.png")], "identity")
    assert f"{shown}/{shown} MP" in capsys.readouterr().err


def test_a_gif_beside_a_photo_is_named_with_what_is_supported(run):
    photo("a.png")
    photo("b.gif")
    problems = restore(run, [Path("a.png"), Path("b.gif")], "identity")
    assert list(problems) == ["b.gif"]
    assert "'b.gif': GIF is not supported; JPEG, PNG" in problems["b.gif"]


def test_the_bar_advances_within_a_photo(run, here, monkeypatch):
    """By the tiles of a photo, to its size and not beyond."""
    config, folder = run
    export_weights(config, here / "weights")
    photo("a.png", (200, 200))
    steps, restorer = [], photos.restorer(config, WHERE, folder, "diffusion")
    restorer = replace(
        restorer, settings=restorer.settings.model_copy(update={"tile": 64, "overlap": 16})
    )

    class Bar(photos.tqdm):
        def update(self, n=1):
            steps.append(n)
            return super().update(n)

    monkeypatch.setattr(photos, "tqdm", Bar)
    results = outputs(find_photos([Path("a.png")]), Path("out"), "png", False)
    photos.restore_photos(restorer, results)
    assert len([step for step in steps if step > 0]) > 10
    assert min(steps) >= 0 and sum(steps) == pytest.approx(0.04)


def test_weights_of_the_configuration_need_no_run(run, here):
    """If the run has trained the entry itself, those weights are used."""
    config, folder = run
    photo("a.png")
    with pytest.raises(WeightsMissing, match=r"diffusion-0\.safetensors.*'dvc pull'"):
        restore(run, [here / "a.png"], "diffusion")
    file = export_weights(config, here / "weights")
    assert restore(run, [here / "a.png"], "diffusion") == {}
    assert photos.weights_of(config, WHERE, folder, "diffusion").path == file
    own = folder.training("diffusion", 0) / "weights.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(file.read_bytes())
    assert photos.weights_of(config, WHERE, folder, "diffusion") == own


def test_an_untrained_method_says_what_to_run(run):
    config, folder = run
    config = config.model_copy(update={"weights": None})
    with pytest.raises(WeightsMissing, match=f"'python -m benchmark run --config {WHERE}'"):
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


def with_variant(here, run, label, **settings):
    """The run, with one variant of an entry in place of those that it has."""
    values = yaml.safe_load((here / "mine.yaml").read_text())
    values["methods"][label]["variants"] = {"mine": settings}
    (here / "mine.yaml").write_text(yaml.safe_dump(values))
    return config_reader.load(here / "mine.yaml"), run[1]


@pytest.mark.parametrize(("precision", "half"), [("float32", False), ("bf16", True)])
def test_the_precision_of_a_variant_holds_for_ones_own_photos(
    here, run, precision, half, monkeypatch
):
    seen = []

    def restore_recorded(self, degraded, variant, generators):
        seen.append(torch.is_autocast_enabled("cpu"))
        return degraded

    monkeypatch.setattr(registry.load("identity"), "restore", restore_recorded)
    run = with_variant(here, run, "identity", precision=precision)
    photo("a.png")
    assert restore(run, [Path("a.png")], "identity") == {}
    assert seen == [half]


@pytest.mark.parametrize("compiled", [False, True])
def test_the_network_of_a_variant_is_compiled_for_ones_own_photos(here, run, compiled, monkeypatch):
    calls = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: calls.append(options))
    config, folder = with_variant(here, run, "diffusion", steps=2, compile=compiled)
    export_weights(config, here / "weights")
    photos.restorer(config, WHERE, folder, "diffusion")
    assert bool(calls) is compiled


@pytest.mark.parametrize("own", [True, False])
def test_the_method_is_chosen_by_the_runs_board_or_the_references(run, here, monkeypatch, own):
    config, folder = run
    export_weights(config, here / "weights")
    photo("a.png", (500, 200))
    photo("b.png", (1000, 1000))
    (here / "broken.png").write_text("a text")
    psnr = {"identity": 20.0, "filter": 22.0, "diffusion": 25.0}
    board = here / "results" / ("mine" if own else "reference")
    write_board(board, **psnr)
    write_changes(board, photos.weights_checksum(config, folder, "diffusion"))
    names = [here / "a.png", here / "broken.png"]

    def choose(names, budget=None):
        return choose_method(config, WHERE, folder, names, budget)

    # Seconds per megapixel, as if they were measured here.
    monkeypatch.setattr(
        method_choice, "seconds_per_megapixel", lambda r, _: 90 if r.settings.steps == 3 else 5
    )
    assert choose(names).variant == "three"
    assert choose(names, 10).variant == "three"  # 0.1 megapixels
    assert choose([*names, here / "b.png"], 10).variant == "two"  # the largest decides
    why = choose(names).why
    assert why.endswith("results/mine)" if own else "results/reference)")


def write_changes(folder, weights):
    row = ("diffusion", "two", weights, "all", 60, 1.0, 2.0)
    pd.DataFrame([row], columns=change.COLUMNS).to_csv(folder / change.TABLE, index=False)


@pytest.mark.parametrize("measured", [None, "of other weights"])
def test_the_references_board_says_nothing_about_other_weights(run, here, measured):
    config, folder = run
    export_weights(config, here / "weights")
    board = here / "results" / "reference"
    write_board(board, identity=20.0, filter=22.0, diffusion=25.0)
    if measured:
        write_changes(board, measured)
    with pytest.raises(UserError, match="There is no leaderboard to choose a method by"):
        choose_method(config, WHERE, folder, [], None)


def test_a_board_without_the_runs_entries_is_none(run, here):
    config, folder = run
    write_board(here / "results" / "reference", other=25.0)
    with pytest.raises(UserError, match="There is no leaderboard to choose a method by"):
        choose_method(config, WHERE, folder, [], None)


def test_without_a_board_a_method_has_to_be_named(run, here, monkeypatch):
    config, folder = run
    monkeypatch.setattr(method_choice, "REFERENCE", here / "nowhere")
    with pytest.raises(UserError, match=f"run --config {WHERE}', or name a method"):
        choose_method(config, WHERE, folder, [], None)


def test_methods_without_weights_are_passed_over(run, here):
    config, folder = run
    write_board(folder.path, identity=20.0, filter=22.0, diffusion=25.0)
    choice = choose_method(config, WHERE, folder, [], None)
    assert choice.method == "filter"
    assert "without weights: diffusion" in choice.why

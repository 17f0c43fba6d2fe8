"""The wheel: what it holds, and that it restores a photo from any folder."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

import benchmark
from benchmark.core.paths import ROOT
from benchmark.spec import registry

hatchling = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
RUN_MAIN = "from unweather import main; import sys; sys.argv[0] = 'unweather'; {before}; main()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    if not (ROOT / "data-store").is_dir():
        pytest.skip("the weights are not here: there is no data-store/")
    builder = hatchling.WheelBuilder(str(ROOT))
    (path,) = builder.build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel's content, as in a site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    wheel.extractall(folder)
    return folder


@pytest.fixture
def unweather(installed, tmp_path):
    """Runs the installed command in an empty folder, in which another 'benchmark' stands too."""
    (tmp_path / "benchmark.py").write_text("raise ImportError('another project')")
    names = ("UNWEATHER_PROJECT", "UNWEATHER_DATA", "PYTHONPATH")
    environment = {key: value for key, value in os.environ.items() if key not in names}

    def run(*arguments, before="pass", **more):
        return subprocess.run(
            [sys.executable, "-c", RUN_MAIN.format(before=before), *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True,
            env={**environment, "PYTHONPATH": str(installed), **more},
        )  # fmt: skip

    return run


def test_it_takes_one_folder_of_site_packages(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"unweather", "unweather.pth", f"unweather-{benchmark.__version__}.dist-info"}
    assert wheel.read("unweather.pth") == b"unweather\n"


def test_it_holds_all_that_a_checkout_runs_and_no_photographs(wheel):
    names = {name.removeprefix("unweather/") for name in wheel.namelist()}
    tracked = [
        path.relative_to(ROOT).as_posix()
        for top in ("benchmark", "methods", "workflow", "config")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert not {*tracked, "results/reference/leaderboard.csv", "py.typed"} - names
    assert {f"methods/{name}.py" for name in registry.available()} <= names
    data = {name for name in names if name.startswith("data/")}
    assert "data/weights/reference/unet_lpips-0.safetensors" in data
    assert all(name.startswith("data/weights/") for name in data)


def test_weights_are_found_before_the_data_are_pulled(tmp_path):
    from package.hatch_build import weight_files

    for name in ("data.dvc", "data-store"):
        (tmp_path / name).symlink_to(ROOT / name)
    stored = weight_files(tmp_path)
    name = "data/weights/reference/unet_lpips-0.safetensors"
    assert stored[name].stat().st_size > 900_000
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("pulled")
    assert weight_files(tmp_path) == {name: tmp_path / name}
    (tmp_path / name).unlink()
    (tmp_path / "data-store").unlink()
    with pytest.raises(RuntimeError, match="Run 'dvc pull'"):
        weight_files(tmp_path)


def test_a_photo_is_restored_in_an_empty_folder(unweather, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    done = unweather("restore", "photo.png", "--out", "restored", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert "(results/reference)" in done.stdout
    assert Image.open(tmp_path / "restored/photo.png").size == (30, 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "benchmark.py", "photo.png", "restored"
    ]  # fmt: skip


def test_what_needs_data_asks_for_them(unweather, tmp_path):
    done = unweather("run", "--dry-run")
    assert done.returncode == 1
    assert "name a clone in which they were pulled by --project" in done.stderr
    done = unweather("--data", ".", "run")
    assert done.returncode == 2 and "has no manifest.json" in done.stderr.replace("\n", " ")


def test_a_package_that_only_runs_need_is_named(unweather):
    done = unweather(
        "check", "--config", "config/smoke.yaml", before="sys.modules['psutil'] = None"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: this needs the package psutil") and "[run]" in done.stderr


def test_its_version_is_the_code_s_and_a_shell_completes_its_verbs(unweather):
    assert unweather("--version").stdout == f"unweather {benchmark.__version__}\n"
    words = {"COMP_WORDS": "unweather new", "COMP_CWORD": "1"}
    assert unweather(_UNWEATHER_COMPLETE="complete_bash", **words).stdout.strip() == "new-method"


def test_a_users_method_stands_beside_those_of_the_package(unweather, tmp_path):
    assert unweather("new-method", "mine").returncode == 0
    assert (tmp_path / "methods/mine.py").exists()
    assert "choose another name" in unweather("new-method", "identity").stderr
    (tmp_path / "mine.yaml").write_text(
        "{name: a, train_on: photos, datasets: {photos: }, methods: {mine: , identity: , unet2: }}"
    )
    error = unweather("show", "--config", "mine.yaml").stderr
    assert "methods.unet2: There is no method 'unet2'" in error and "identity, mean" in error

"""The page for photos in a real browser, with a service that only inverts; and the real one."""

import shutil
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.cli import page
from benchmark.cli.page import Controls
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.results.layout import RunFolder
from benchmark.spec.run_config import Config

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
PIXELS = np.full((30, 40, 3), 90, dtype=np.uint8)
PIXELS[:, 20] = 250  # a streak of rain


class Inverter:
    """In place of `page.Service`: inverts photos, and says what it was called with."""

    methods = {"plain": Controls(), "stepped": Controls(steps=True, samples=True)}

    def restore(self, file, weather, method, steps, strength, samples, out):
        if file is None:
            raise UserError("There is no photo yet: drop one into the field.")
        pixels = read_image(file)
        result = out / Path(file).name
        Image.fromarray(255 - pixels).save(result)
        notes = f"weather {weather}, method {method}, steps {steps}, strength {strength}"
        spread = None
        if samples:
            notes, spread = f"{notes}, samples {samples}", out / "uncertainty.png"
            Image.fromarray(pixels).save(spread)
        return (pixels, 255 - pixels), result, spread, notes


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture(scope="module")
def served_folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def address(served_folder):
    gradio = pytest.importorskip("gradio", reason="gradio is not installed: 'make setup GROUPS=ui'")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_ANALYTICS_ENABLED", "GRADIO_TEMP_DIR"):
            patch.setenv(name, "")  # so that it is reset after the tests
        yield page.serve(Inverter(), served_folder, None, browser=False)
        gradio.close_all(verbose=False)


@pytest.fixture
def opened(address):
    """The page in a browser; fails if it asks for anything that is not on this machine."""
    if BROWSER is None:
        pytest.skip("chromium is not installed: the page is not opened in a browser")
    elsewhere, local = [], (address, "data:", "blob:")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        opened = browser.new_page()
        opened.on(
            "request", lambda r: r.url.startswith(local) or elsewhere.append(r.url)
        )  # fmt: skip
        opened.goto(address)
        yield opened
        browser.close()
    assert elsewhere == []


def test_it_is_served_to_this_machine_only(address, served_folder):
    assert address.startswith("http://127.0.0.1:")
    port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(UserError, match=r"cannot be served.*Choose another --port"):
        page.serve(Inverter(), served_folder, port, browser=False)
    with pytest.raises((urllib.error.URLError, OSError)):  # another address of this machine
        urllib.request.urlopen(f"http://127.0.0.2:{port}/", timeout=5)


def test_a_photo_is_dropped_restored_compared_and_downloaded(opened, photo, tmp_path):
    opened.set_input_files("input[type=file]", photo)
    opened.get_by_text("photo.png").wait_for()
    opened.get_by_label("Method").click()
    opened.get_by_role("option", name="stepped").click()
    steps = opened.get_by_label("number input for Sampling steps")
    steps.wait_for()
    assert not opened.get_by_label("Weather").is_visible()
    steps.fill("4")
    opened.get_by_label("number input for Strength").fill("0.5")
    opened.get_by_label("number input for Restorations").fill("6")
    opened.get_by_role("button", name="Restore").click()
    opened.get_by_text("weather all, method stepped, steps 4, strength 0.5, samples 6").wait_for()
    opened.get_by_text("Uncertainty: where the restorations differ").wait_for()
    # The slider lays one picture over the other.
    assert opened.locator(".slider-wrap img, .image-container img").count() >= 2
    with opened.expect_download() as found:
        opened.get_by_role("button", name="Download").first.click()
    found.value.save_as(tmp_path / "result.png")
    assert found.value.suggested_filename == "photo.png"
    assert (read_image(tmp_path / "result.png") == 255 - PIXELS).all()


def test_what_is_wrong_is_said_on_the_page(opened):
    opened.get_by_role("button", name="Restore").click()
    opened.get_by_text("There is no photo yet").wait_for()


@pytest.fixture
def service(tmp_path):
    config = Config(
        name="mine", train_on="photos", datasets={"photos": {}},
        methods={"identity": {}, "oracle": {}, "directional_opening": {}, "regression": {}},
    )  # fmt: skip
    return page.Service(config, Path("mine.yaml"), RunFolder(tmp_path / "results"))


def test_methods_that_can_restore_a_photo_here_are_offered(service):
    # No controls, none without weights.
    assert service.methods == {"directional_opening": Controls(steps=False, samples=False)}


@pytest.mark.parametrize(("strength", "unchanged"), [(0, True), (1, False)])
def test_a_photo_is_restored(service, photo, tmp_path, strength, unchanged):
    shown, file, spread, _ = service.restore(
        str(photo), "all", "directional_opening", 0, strength, 0, tmp_path / "out"
    )
    assert spread is None
    assert file == tmp_path / "out" / "photo.png"
    assert (shown[0] == PIXELS).all() and (shown[1] == read_image(file)).all()
    assert (shown[1] == PIXELS).all() == unchanged


def test_a_large_photo_is_scaled_down_for_the_page_only(service, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "SHOWN_SIDE", 20)
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    shown, file, *_ = service.restore(
        str(tmp_path / "photo.png"), "all", "directional_opening", 0, 1, 0, tmp_path / "out"
    )
    assert [picture.shape for picture in shown] == [(15, 20, 3)] * 2
    assert read_image(file).shape == PIXELS.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, "all", "directional_opening", 0), "drop one into the field"),
        (("bad.png", "all", "directional_opening", 0), "bad.png"),
        (("photo.png", "all", "directional_opening", 3), "does not work in steps"),
    ],
)
def test_a_fault_of_the_photo_or_the_choice_is_said(service, photo, tmp_path, arguments, message):
    (tmp_path / "bad.png").write_text("a text")
    file = arguments[0] and str(tmp_path / arguments[0])
    with pytest.raises(UserError, match=message):
        service.restore(file, *arguments[1:], 1, 0, tmp_path / "out")


def test_a_method_without_noise_has_no_map_of_uncertainty(service, photo, tmp_path):
    *_, spread, notes = service.restore(
        str(photo), "all", "directional_opening", 0, 1, 4, tmp_path / "out"
    )
    assert spread is None and "all restorations are the same" in notes


def test_the_page_shows_names_without_the_servers_folders(service, photo, tmp_path, monkeypatch):
    gradio = pytest.importorskip("gradio", reason="gradio is not installed: 'make setup GROUPS=ui'")
    restore = page._restoring(gradio, service, tmp_path)
    bad = tmp_path / "broken.jpg"
    bad.write_text("a text")
    choice = ("all", "directional_opening", 0, 1, 0, None)
    with pytest.raises(gradio.Error) as error:
        restore(str(bad), *choice)
    assert "'broken.jpg'" in error.value.message and str(tmp_path) not in error.value.message
    where = f"'{photo}': lost in '{tmp_path}/out/photo.png'"
    result = ((None, None), tmp_path / "out/photo.png", None, where)
    monkeypatch.setattr(service, "restore", lambda *_: result)
    monkeypatch.setattr(page.tempfile, "mkdtemp", lambda dir: str(tmp_path / "out"))
    assert restore(str(photo), *choice)[3] == "'photo.png': lost in 'photo.png'"

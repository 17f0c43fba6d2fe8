"""The page for restoring photos: drop one, choose, compare before and after, download.

Gradio serves it to this machine only. Nothing is loaded from a network or sent to one.
"""

import os
import signal
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np

from benchmark.board.score_table import ALL
from benchmark.cli.method_choice import choose_method, usual_change
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.paths import from_here
from benchmark.restoring import photo_names, photos
from benchmark.restoring.photo_io import read_photo
from benchmark.results.layout import RunFolder
from benchmark.spec import registry, sources
from benchmark.spec.method import ALL_WEATHERS
from benchmark.spec.run_config import Config

ADDRESS = "127.0.0.1"  # of this machine; no other can reach it
BEST = "the best by its scores"
MOST_STEPS = 50
SHOWN_SIDE = 2000  # pixels: larger photos are scaled down on the page, not in the download
MOST_SAMPLES = 32
Shown = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Controls:
    """Which controls a method has: whether it works in steps, and whether it draws noise, so that
    several restorations of a photo can differ."""

    steps: bool = False
    samples: bool = False


class Service:
    """What the page offers: the methods of a run that can restore photos, and restoring."""

    def __init__(self, config: Config, where: Path, run: RunFolder):
        self.config, self.where, self.run = config, where, run
        self.restorer = lru_cache(maxsize=2)(self._restorer)

    @cached_property
    def methods(self) -> dict[str, Controls]:
        """The entries that can restore a photo here, with the controls that each has."""
        found = {}
        for label in self.config.methods:
            method = registry.load(self.config.method_of(label))
            if method.card.control or method.sees_target:
                continue
            try:
                photos.weights_of(self.config, self.where, self.run, label)
            except WeightsMissing:
                continue
            found[label] = Controls(
                "steps" in method.Variant.model_fields,
                sources.draws_noise(self.config.method_of(label)),
            )
        return found

    def restore(
        self,
        file: str | None,
        weather: str,
        method: str,
        steps: int,
        strength: float,
        samples: int,
        out: Path,
    ) -> tuple[Shown, Path, Path | None, str]:
        """Restore a photo; returns it before and after, its result in `out`, the map of its
        uncertainty if there is one, and sentences on it.

        method: one of `methods`, or BEST, which is chosen by `weather`. steps: 0 for the method's
        own. strength: in [0, 1]. samples: restorations for the map; below 2, none is made. Raises
        UserError with what is wrong with the photo or the choice.
        """
        if file is None:
            raise UserError("There is no photo yet: drop one into the field.")
        photo, variant, notes = Path(file), None, []
        if method == BEST:
            choice = choose_method(self.config, self.where, self.run, [photo], None, weather)
            method, variant, steps, notes = choice.method, choice.variant, 0, [choice.why]
            samples = 0
        restorer = self.restorer(method, variant, steps or None, strength, weather, max(1, samples))
        found = photo_names.find_photos([photo])
        (output,) = photo_names.outputs(found, out, photo_names.SAME, False, samples > 1)
        (outcome,) = photos.restore_photos(restorer, [output])
        if outcome.problem:
            raise UserError(outcome.problem)
        shown = (_scaled(read_photo(file).pixels) for file in (photo, output.restored))
        uncertainty = output.uncertainty
        uncertainty = uncertainty if uncertainty and uncertainty.exists() else None
        notes += [*outcome.notes, *filter(None, [outcome.uncertainty])]
        return tuple(shown), output.restored, uncertainty, "\n\n".join(notes)

    def _restorer(
        self,
        label: str,
        variant: str | None,
        steps: int | None,
        strength: float,
        weather: str,
        samples: int,
    ) -> photos.Restorer:
        usual = None if steps else usual_change(self.config, self.run, label, variant, weather)
        return photos.restorer(
            self.config, self.where, self.run, label, variant, steps, strength, usual, samples
        )


def _scaled(pixels: np.ndarray) -> np.ndarray:
    scale = SHOWN_SIDE / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def serve(service: Service, folder: str, port: int | None, browser: bool) -> str:
    """Start to serve the page; returns its address.

    folder: for uploads and results. port: None for a free one. Raises UserError if it is taken.
    """
    # Before gradio is imported: it would report its use, and keep uploads after the end.
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=folder)
    page = _page(service, Path(folder))
    try:
        _, address, _ = page.queue().launch(
            server_name=ADDRESS, server_port=port, share=False, inbrowser=browser, quiet=True,
            footer_links=[], ssr_mode=False, prevent_thread_lock=True,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"The page cannot be served: {error}. Choose another --port.") from error
    return address


def wait() -> None:
    """Wait for Ctrl-C, or for SIGTERM, which is taken for it; both raise KeyboardInterrupt."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    threading.Event().wait()


def _page(service: Service, folder: Path):
    """The page as Gradio's `Blocks`."""
    import gradio as gr

    with gr.Blocks(title="unweather", analytics_enabled=False) as page:
        gr.Markdown("# unweather\nRemoves weather from photographs. They stay on this machine.")
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                photo = gr.File(label="Photo", type="filepath", height=120)
                method = gr.Dropdown([BEST, *service.methods], value=BEST, label="Method")
                weather = gr.Dropdown(
                    [ALL, *ALL_WEATHERS], value=ALL, label="Weather", info="chooses the method"
                )
                steps = gr.Slider(
                    0, MOST_STEPS, value=0, step=1, visible=False,
                    label="Sampling steps", info="0: as the method is set",
                )  # fmt: skip
                strength = gr.Slider(
                    0, 1, value=1, step=0.05, label="Strength", info="share of the change"
                )
                samples = gr.Slider(
                    0, MOST_SAMPLES, value=0, step=1, visible=False,
                    label="Restorations for a map of uncertainty",
                    info="where they differ, each from its own noise; 0: no map",
                )  # fmt: skip
                button = gr.Button("Restore", variant="primary")
                download = gr.DownloadButton("Download", interactive=False)
            with gr.Column(scale=3, min_width=320):
                compared = gr.ImageSlider(
                    label="Before and after", type="numpy", interactive=False, format="png",
                    max_height=600, buttons=["fullscreen"],
                )  # fmt: skip
                uncertainty = gr.Image(
                    label="Uncertainty: where the restorations differ", interactive=False,
                    format="png", visible=False,
                )  # fmt: skip
                notes = gr.Markdown()
        method.change(_visible(gr, service), method, [weather, steps, samples])
        button.click(
            _restoring(gr, service, folder),
            [photo, weather, method, steps, strength, samples],
            [compared, download, uncertainty, notes],
            concurrency_limit=1,  # a method has all cores, or the GPU
        )
    return page


def _visible(gr, service: Service) -> Callable:
    """The controls that a method has: the weather chooses one, some work in steps or draw noise."""

    def change(method: str):
        has = service.methods.get(method, Controls())
        return (
            gr.update(visible=method == BEST),
            gr.update(visible=has.steps, value=0),
            gr.update(visible=has.samples, value=0),
        )

    return change


def _restoring(gr, service: Service, folder: Path) -> Callable:
    def restore(
        photo, weather, method, steps, strength, samples,
        progress=gr.Progress(track_tqdm=True),  # noqa: B008
    ):  # fmt: skip
        out = Path(tempfile.mkdtemp(dir=folder))
        try:
            shown, file, uncertainty, notes = service.restore(
                photo, weather, method, steps, strength, samples, out
            )
        except UserError as error:
            text = _without_folders(str(error), photo, out)
            raise gr.Error(text, duration=None, print_exception=False) from error
        spread = gr.update(value=uncertainty and str(uncertainty), visible=bool(uncertainty))
        text = _without_folders(notes, photo, out)
        return shown, gr.update(value=str(file), interactive=True), spread, text

    return restore


def _without_folders(text: str, photo: str | None, out: Path) -> str:
    """A text with only the names of the photo and its results, whose folders are the server's."""
    for folder in (out, *([Path(photo).parent] if photo else [])):
        for name in (folder, from_here(folder)):
            text = text.replace(f"{name}{os.sep}", "")
    return text

"""Which protocol is a library's number? Prints the table of docs/protocols.md.

    make setup GROUPS="test references"
    .venv/bin/python -m tests.golden.score_libraries NAME=INPUTS:TARGETS ...

Every column of the table is a set of pairs: the degraded images of a folder against the targets of
the same name. Without an argument it is the pairs of tests/golden/calibration. A row is one call of
a library. It says how far its value is from the nearest protocol of the suite.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
import numpy as np

from benchmark.core.image_io import image_files, read_image
from benchmark.core.markdown import markdown_table
from benchmark.scoring.metrics import METRIC

CALIBRATION = Path(__file__).with_name("calibration")
WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
# Largest difference that is called equal, in dB and in SSIM: what float32 libraries reach.
EQUAL = {"psnr": 1e-3, "ssim": 5e-5}
Pair = tuple[np.ndarray, np.ndarray]  # restored, target: uint8 (H, W, 3)


@dataclass(frozen=True)
class Call:
    """A call of a library, as a user writes it, and the metric that it is compared with."""

    library: str
    text: str
    metric: str
    value: Callable[[np.ndarray, np.ndarray], float]


def tensor(image: np.ndarray):
    """uint8 (H, W, 3) as float32 (1, 3, H, W) in [0, 1]."""
    import torch

    return torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255


def by_skimage(name: str, of: Callable = lambda image: image, **options) -> Callable:
    def value(x, y):
        from skimage import metrics

        return getattr(metrics, name)(of(y), of(x), **options)

    return value


def by_torchmetrics(name: str, module: str = "torchmetrics.image", **options) -> Callable:
    def value(x, y):
        metric = getattr(import_module(module), name)
        return metric(**options)(tensor(x), tensor(y)).item()

    return value


def by_piq(name: str, **options) -> Callable:
    def value(x, y):
        import piq

        return getattr(piq, name)(tensor(x), tensor(y), **options).item()

    return value


def by_kornia(name: str, *arguments, **options) -> Callable:
    def value(x, y):
        from kornia import metrics

        return getattr(metrics, name)(tensor(x), tensor(y), *arguments, **options).mean().item()

    return value


def by_sewar(name: str) -> Callable:
    def value(x, y):
        from sewar import full_ref

        return np.ravel(getattr(full_ref, name)(y, x))[0]

    return value


def by_pyiqa(name: str, **options) -> Callable:
    @cache
    def network():
        import pyiqa

        return pyiqa.create_metric(name, device="cpu", **options)

    def value(x, y):
        return network()(tensor(x), tensor(y)).item()

    return value


def matlab_y(image: np.ndarray) -> np.ndarray:
    """Y of rgb2ycbcr(im2double(image)), times 255, by scikit-image: float64 (H, W)."""
    from skimage.color import rgb2ycbcr

    return rgb2ycbcr(image)[..., 0]


def matlab_y_8bit(image: np.ndarray) -> np.ndarray:
    """Y of rgb2ycbcr(image) of a uint8 image, which rounds half up."""
    return np.floor(matlab_y(image) + 0.5)


def matlab_psnr(x: np.ndarray, y: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((matlab_y_8bit(x) - matlab_y_8bit(y)) ** 2))


def matlab_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """MATLAB's ssim(A, REF): 11×11 Gaussian, σ 1.5, at every pixel, the border replicated."""

    def mean(plane):
        return cv2.GaussianBlur(plane, (11, 11), 1.5, borderType=cv2.BORDER_REPLICATE)

    a, b = matlab_y_8bit(x), matlab_y_8bit(y)
    ma, mb = mean(a), mean(b)
    va, vb, covariance = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = (2 * ma * mb + c1) * (2 * covariance + c2)
    return np.mean(values / ((ma**2 + mb**2 + c1) * (va + vb + c2)))


def full_range_y(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., 0]


PSNR, SSIM = "PeakSignalNoiseRatio", "StructuralSimilarityIndexMeasure"
CALLS = (
    Call("scikit-image", "peak_signal_noise_ratio(y, x)", "rgb/psnr",
         by_skimage("peak_signal_noise_ratio")),
    Call("scikit-image", "the same of color.rgb2ycbcr's Y, data_range=255", "y-matlab/psnr",
         by_skimage("peak_signal_noise_ratio", matlab_y, data_range=255)),
    Call("opencv-python-headless", "PSNR(x, y)", "rgb/psnr", cv2.PSNR),
    Call("opencv-python-headless", "PSNR of COLOR_RGB2YCrCb's Y", "y-matlab/psnr",
         lambda x, y: cv2.PSNR(full_range_y(x), full_range_y(y))),
    Call("torchmetrics", f"image.{PSNR}(data_range=1.0)", "rgb/psnr",
         by_torchmetrics(PSNR, data_range=1.0)),
    Call("torchmetrics", f"{PSNR}() of torchmetrics itself", "rgb/psnr",
         by_torchmetrics(PSNR, "torchmetrics")),
    Call("piq", "psnr(x, y)", "rgb/psnr", by_piq("psnr")),
    Call("piq", "psnr(x, y, convert_to_greyscale=True)", "y-matlab/psnr",
         by_piq("psnr", convert_to_greyscale=True)),
    Call("kornia", "psnr(x, y, 1.0)", "rgb/psnr", by_kornia("psnr", 1.0)),
    Call("pyiqa", 'create_metric("psnr")', "rgb/psnr", by_pyiqa("psnr")),
    Call("pyiqa", 'create_metric("psnry")', "y-matlab/psnr", by_pyiqa("psnry")),
    Call("pyiqa", 'create_metric("psnry", color_space="ycbcr")', "y-matlab/psnr",
         by_pyiqa("psnry", color_space="ycbcr")),
    Call("sewar", "psnr(y, x)", "rgb/psnr", by_sewar("psnr")),
    Call("MATLAB", "psnr of rgb2ycbcr(x)'s Y, x uint8", "restormer/psnr", matlab_psnr),
    Call("scikit-image", "structural_similarity(y, x, channel_axis=2)", "rgb/ssim",
         by_skimage("structural_similarity", channel_axis=2)),
    Call("scikit-image", "…, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)",
         "rgb/ssim", by_skimage("structural_similarity", channel_axis=2, **WANG)),
    Call("scikit-image", "the same of color.rgb2ycbcr's Y, data_range=255", "y-matlab/ssim",
         by_skimage("structural_similarity", matlab_y, **WANG)),
    Call("torchmetrics", f"image.{SSIM}(data_range=1.0)", "rgb/ssim",
         by_torchmetrics(SSIM, data_range=1.0)),
    Call("piq", "ssim(x, y)", "rgb/ssim", by_piq("ssim")),
    Call("piq", "ssim(x, y, downsample=False)", "rgb/ssim", by_piq("ssim", downsample=False)),
    Call("kornia", "ssim(x, y, 11).mean()", "rgb/ssim", by_kornia("ssim", 11)),
    Call("kornia", 'ssim(x, y, 11, padding="valid").mean()', "rgb/ssim",
         by_kornia("ssim", 11, padding="valid")),
    Call("pyiqa", 'create_metric("ssim")', "y-matlab/ssim", by_pyiqa("ssim")),
    Call("pyiqa", 'create_metric("ssim", color_space="ycbcr")', "y-matlab/ssim",
         by_pyiqa("ssim", color_space="ycbcr")),
    Call("pyiqa", 'create_metric("ssimc")', "rgb/ssim", by_pyiqa("ssimc")),
    Call("sewar", "ssim(y, x)[0]", "rgb/ssim", by_sewar("ssim")),
    Call("MATLAB", "ssim of rgb2ycbcr(x)'s Y, x uint8", "restormer/ssim", matlab_ssim),
)  # fmt: skip


def installed(library: str) -> str | None:
    """A library's version; MATLAB's formulas need none. None if it is not installed."""
    try:
        return "formulas" if library == "MATLAB" else version(library)
    except PackageNotFoundError:
        return None


def differences(call: Call, pairs: Iterable[Pair]) -> np.ndarray:
    """The library's value minus the suite's, for every pair."""
    return np.array([call.value(*pair) - METRIC[call.metric](*pair) for pair in pairs])


def text(call: Call, found: np.ndarray) -> str:
    """The mean difference with its sign, and in brackets the largest; or that they are equal."""
    largest, kind = np.abs(found).max(), call.metric.split("/")[1]
    if largest < EQUAL[kind]:
        return "equal"
    decimals = 2 if kind == "psnr" else 4
    return f"{found.mean():+.{decimals}f} ({largest:.{decimals}f})".replace("-", "−")


def rows(sets: Mapping[str, list[Pair]]) -> list[tuple[str, ...]]:
    """A row for every call of an installed library: library, call, protocol, then the sets."""
    return [
        (
            f"{call.library} {number}",
            f"`{call.text}`",
            f"`{call.metric}`",
            *(text(call, differences(call, pairs)) for pairs in sets.values()),
        )
        for call in CALLS
        if (number := installed(call.library))
    ]


def read_pairs(inputs: Path, targets: Path) -> list[Pair]:
    """The images of two folders that have the same stem."""
    there = image_files(targets)
    return [
        (read_image(path), read_image(there[stem])) for stem, path in image_files(inputs).items()
    ]


def calibration_pairs() -> list[Pair]:
    """The pairs that come with the tests."""
    return [
        (read_image(path), read_image(path.with_name(path.name.replace("input", "target"))))
        for path in sorted(CALIBRATION.glob("*_input.png"))
    ]


def main(arguments: list[str]) -> None:
    sets = {"calibration": calibration_pairs()}
    for argument in arguments:
        name, folders = argument.split("=")
        sets[name] = read_pairs(*map(Path, folders.split(":")))
    heads = ["library", "call", "nearest"]
    heads += [f"{name} ({len(pairs)})" for name, pairs in sets.items()]
    print(markdown_table(heads, rows(sets)))


if __name__ == "__main__":
    main(sys.argv[1:])

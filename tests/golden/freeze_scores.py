"""Makes the calibration pairs of `tests/golden/calibration` and their reference scores.

    pip install torchmetrics
    python -m tests.golden.freeze_scores

A pair is a cut-out of a degraded test image of the bundled data and the same cut-out of its target.
The photographs are CC0 or in the public domain. `scores.json` holds PSNR in dB and SSIM by
protocol, pair and implementation: scikit-image, torchmetrics, and the formulas themselves in NumPy
(MATLAB's rgb2ycbcr; ssim_index.m of Wang et al.). No code of the suite computes them.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.signal import convolve2d
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import (
    peak_signal_noise_ratio as torchmetrics_psnr,
)
from torchmetrics.functional.image import (
    structural_similarity_index_measure as torchmetrics_ssim,
)

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).with_name("calibration")
HEIGHT, WIDTH = 64, 72
# Weather: photograph, top row and left column of the cut-out.
CUT_OUTS = {
    "rain": ("kingfisher", 96, 80),
    "haze": ("machupicchu", 120, 60),
    "raindrop": ("scarlet-macaw", 90, 90),
    "snow": ("panda", 80, 100),
    "mix": ("neuschwansteincastle", 100, 90),
}
# Rows and columns that SOTS's targets have beyond its inputs, at each edge.
SOTS_MARGIN = 10
PACKAGES = ("numpy", "scipy", "scikit-image", "torchmetrics", "torch", "pillow")
WANG = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)


def read(name: str) -> np.ndarray:
    """An image of the folder: uint8 (H, W, 3)."""
    return np.asarray(Image.open(FOLDER / f"{name}.png"))


def cut(path: Path, top: int, left: int, name: str) -> None:
    pixels = np.asarray(Image.open(path).convert("RGB"))[top : top + HEIGHT, left : left + WIDTH]
    Image.fromarray(pixels).save(FOLDER / f"{name}.png", optimize=True)


def psnr(x: np.ndarray, y: np.ndarray) -> float:
    """10 log10(255² / MSE) of two float arrays in [0, 255]."""
    return float(10 * np.log10(255**2 / np.mean((x - y) ** 2)))


def ssim(x: np.ndarray, y: np.ndarray, mode: str = "valid") -> float:
    """ssim_index.m on planes (H, W): 11×11 Gaussian, σ 1.5; mode `same` puts zeros around."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = convolve2d(x, window, mode), convolve2d(y, window, mode)
    vx = convolve2d(x * x, window, mode) - mx**2
    vy = convolve2d(y * y, window, mode) - my**2
    covariance = convolve2d(x * y, window, mode) - mx * my
    values = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(values.mean())


def matlab_y(image: np.ndarray) -> np.ndarray:
    """rgb2ycbcr of a double image, times 255: (H, W) in [16, 235]."""
    red, green, blue = np.moveaxis(image / 255, 2, 0)
    return 16 + 65.481 * red + 128.553 * green + 24.966 * blue


def tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, 3) or (H, W) to float64 (1, C, H, W)."""
    planes = image[..., None] if image.ndim == 2 else image
    return torch.from_numpy(planes.astype(np.float64)).permute(2, 0, 1)[None]


def by_libraries(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    """PSNR and SSIM of (H, W, 3) or (H, W), in [0, 255], by each library."""
    tensors, axis = (tensor(x), tensor(y)), 2 if x.ndim == 3 else None
    _, values = torchmetrics_ssim(*tensors, sigma=1.5, data_range=255.0, return_full_image=True)
    inside = values[..., 5:-5, 5:-5]  # it reflects the border; only windows that fit count
    return {
        "scikit-image": [
            peak_signal_noise_ratio(y, x, data_range=255),
            structural_similarity(y, x, channel_axis=axis, **WANG),
        ],
        "torchmetrics": [
            torchmetrics_psnr(*tensors, data_range=255.0).item(),
            inside.mean().item(),
        ],
    }


def channels(x: np.ndarray, y: np.ndarray):
    return ((x[..., c].astype(float), y[..., c].astype(float)) for c in range(3))


def of_rgb(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    own = [psnr(x.astype(float), y.astype(float)), np.mean([ssim(*p) for p in channels(x, y)])]
    return {**by_libraries(x, y), "numpy": own}


def of_y(x: np.ndarray, y: np.ndarray, rounded=lambda plane: plane) -> dict[str, list[float]]:
    """On Y as it is, or as `rounded` makes it; the libraries get scikit-image's Y."""
    others = by_libraries(*(rounded(rgb2ycbcr(image)[..., 0]) for image in (x, y)))
    own = [rounded(matlab_y(image)) for image in (x, y)]
    return {**others, "numpy": [psnr(*own), ssim(*own)]}


def of_rounded_y(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    return of_y(x, y, np.round)


def of_sots(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    """As in FFA-Net for SOTS: the target loses its margin, SSIM has zeros beyond the border."""
    x, y = (i[SOTS_MARGIN:-SOTS_MARGIN, SOTS_MARGIN:-SOTS_MARGIN] for i in (x, y))
    window = torch.outer(*[torch.exp(-((torch.arange(11.0).double() - 5) ** 2) / 4.5)] * 2)
    window = (window / window.sum()).expand(3, 1, 11, 11)

    def mean(z):
        return torch.nn.functional.conv2d(z, window, padding=5, groups=3)

    a, b = tensor(x) / 255, tensor(y) / 255
    ma, mb = mean(a), mean(b)
    va, vb, covariance = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    values = (2 * ma * mb + 1e-4) * (2 * covariance + 9e-4)
    values = values / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    return {
        "torch": [(-10 * torch.log10(((a - b) ** 2).mean())).item(), values.mean().item()],
        "numpy": [
            psnr(x.astype(float), y.astype(float)),
            np.mean([ssim(*planes, "same") for planes in channels(x, y)]),
        ],
    }


PROTOCOLS = {"rgb": of_rgb, "y-matlab": of_y, "restormer": of_rounded_y, "reside": of_sots}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for weather, (photo, top, left) in CUT_OUTS.items():
        pairs = ROOT / "data" / "pairs" / "test" / weather / f"{photo}.png"
        cut(pairs, top, left, f"{weather}_input")
        cut(ROOT / "data" / "photos" / "test" / f"{photo}.png", top, left, f"{weather}_target")
    scores = {
        protocol: {
            weather: {
                by: dict(zip(("psnr", "ssim"), map(float, values), strict=True))
                for by, values in score(read(f"{weather}_input"), read(f"{weather}_target")).items()
            }
            for weather in CUT_OUTS
        }
        for protocol, score in PROTOCOLS.items()
    }
    made = {
        "command": "python -m tests.golden.freeze_scores",
        "versions": {package: version(package) for package in PACKAGES},
        "photographs": {weather: f"test/{photo}.png" for weather, (photo, *_) in CUT_OUTS.items()},
        "scores": scores,
    }
    (FOLDER / "scores.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""All metrics, as data, each with its protocol."""

from benchmark.scoring.metrics.by_pyiqa import by_pyiqa
from benchmark.scoring.metrics.definitions import AT_LEAST_0, Metric, Protocol, SetMetric
from benchmark.scoring.metrics.kernel_distance import kernel_distance, patch_features
from benchmark.scoring.metrics.no_reference import NIQE_WEIGHTS, niqe, piqe
from benchmark.scoring.metrics.papers import (
    psnr_reordered,
    psnr_y_8bit,
    psnr_y_inside,
    ssim_padded,
    ssim_reordered,
    ssim_y_8bit,
    ssim_y_inside,
    ssim_y_shrunk,
)
from benchmark.scoring.metrics.perceptual import LPIPS_WEIGHTS, lpips_alex
from benchmark.scoring.metrics.pixel import psnr, psnr_y, ssim, ssim_y
from benchmark.scoring.metrics.protocols import (
    DISTS,
    KERNEL_DISTANCE,
    LPIPS_ALEX,
    NO_REFERENCE,
    PRENET,
    PYIQA,
    RESIDE,
    RESTORMER,
    RGB,
    TRANSWEATHER,
    WEATHER_DIFFUSION,
    WEATHERBENCH,
    Y_MATLAB,
)


def _psnr(protocol: Protocol, label: str, function=psnr) -> Metric:
    return Metric(
        "psnr", protocol, f"PSNR {label}",
        "peak signal-to-noise ratio, infinite for identical images", function,
        "higher", 2, "dB", "10 log10(255² / MSE)",
        limits=AT_LEAST_0,  # no error is larger than 255
    )  # fmt: skip


def _ssim(protocol: Protocol, label: str, function=ssim) -> Metric:
    return Metric("ssim", protocol, f"SSIM {label}", "structural similarity", function,
                  "higher", 3, "", "Wang et al., IEEE TIP 2004, eq. 13",
                  limits=(-1.0, 1.0))  # fmt: skip


def _lpips(protocol: Protocol, label: str) -> Metric:
    return Metric("lpips", protocol, label, "learned perceptual distance", lpips_alex,
                  "lower", 3, "", "Zhang et al., CVPR 2018, eq. 1",
                  weights=LPIPS_WEIGHTS, limits=AT_LEAST_0)  # fmt: skip


def _pyiqa(
    name: str, title: str, description: str, reference: str, limits: tuple[float, float]
) -> Metric:
    return Metric(name, PYIQA, title, description, by_pyiqa(name), "higher", 3, "", reference,
                  limits=limits)  # fmt: skip


METRICS = (
    _psnr(RGB, "RGB"),
    _ssim(RGB, "RGB"),
    _psnr(Y_MATLAB, "Y", psnr_y),
    _ssim(Y_MATLAB, "Y", ssim_y),
    _lpips(LPIPS_ALEX, "LPIPS"),
    Metric(
        "niqe", NO_REFERENCE, "NIQE", "distance from the statistics of natural photographs", niqe,
        "lower", 2, "", "Mittal et al., IEEE SPL 2013", needs_target=False,
        weights=NIQE_WEIGHTS, limits=AT_LEAST_0,
    ),
    Metric(
        "piqe", NO_REFERENCE, "PIQE", "share of textured blocks that look distorted", piqe,
        "lower", 1, "", "Venkatanath et al., NCC 2015", needs_target=False,
        limits=(0.0, 100.0),
    ),
    _pyiqa("ms_ssim", "MS-SSIM", "structural similarity at five scales",
           "Wang et al., Asilomar 2003", (-1.0, 1.0)),
    _pyiqa("fsim", "FSIM", "similarity of phase congruency, gradients and colour",
           "Zhang et al., IEEE TIP 2011", (0.0, 1.0)),
    _pyiqa("vif", "VIF", "information about the target that is left",
           "Sheikh and Bovik, IEEE TIP 2006", AT_LEAST_0),  # more contrast gives more than 1
    Metric("gmsd", PYIQA, "GMSD", "deviation of gradient similarity", by_pyiqa("gmsd"),
           "lower", 4, "", "Xue et al., IEEE TIP 2014", limits=AT_LEAST_0),
    Metric("dists", DISTS, "DISTS", "distance of structure and texture in VGG16's features",
           by_pyiqa("dists"), "lower", 3, "", "Ding et al., IEEE TPAMI 2022", limits=AT_LEAST_0),
    _psnr(RESTORMER, "Restormer", psnr_y_8bit),
    _ssim(RESTORMER, "Restormer", ssim_y_8bit),
    _psnr(WEATHER_DIFFUSION, "WeatherDiffusion", psnr_y),
    _ssim(WEATHER_DIFFUSION, "WeatherDiffusion", ssim_y),
    _psnr(TRANSWEATHER, "TransWeather", psnr_reordered),
    _ssim(TRANSWEATHER, "TransWeather", ssim_reordered),
    _psnr(RESIDE, "RESIDE"),
    _ssim(RESIDE, "RESIDE", ssim_padded),
    _psnr(PRENET, "PReNet", psnr_y),
    _ssim(PRENET, "PReNet", ssim_y_shrunk),
    _psnr(WEATHERBENCH, "WeatherBench", psnr_y_inside),
    _ssim(WEATHERBENCH, "WeatherBench", ssim_y_inside),
    _lpips(WEATHERBENCH, "LPIPS WeatherBench"),
)  # fmt: skip

METRIC = {metric.key: metric for metric in METRICS}
SET_METRICS = (
    SetMetric("kernel-distance", KERNEL_DISTANCE, "kernel distance", "distance of two sets of "
              "patches, unbiased, negative by chance only", kernel_distance, "lower", 4, "",
              "Binkowski et al., ICLR 2018", weights=LPIPS_WEIGHTS,
              features=patch_features),
)  # fmt: skip
SET_METRIC = {metric.key: metric for metric in SET_METRICS}
ANY_METRIC = METRIC | SET_METRIC  # the columns of a board

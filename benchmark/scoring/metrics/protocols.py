"""All protocols, as data. Every score carries the name of its protocol.

`OWN` protocols score the saved 8-bit image at its own size. The others follow published evaluation
code, for comparison with printed numbers.
"""

from benchmark.core.storage import JPEG, TRUNCATED
from benchmark.scoring.metrics.definitions import Protocol
from benchmark.scoring.metrics.papers import crop_target, to_multiples_of_16

OWN_SIZE = "own"
RESIZED = "both resized by Lanczos: longer side at most 1024, sides to multiples of 16"
GAUSSIAN = "11×11 Gaussian, σ 1.5, where it fits"
RGB = Protocol(
    name="rgb",
    description="PSNR from one MSE over the three channels; SSIM per channel, then averaged.",
    colour="RGB, 0–255",
    size=OWN_SIZE,
    ssim=GAUSSIAN,
    source="Wang et al., IEEE TIP 2004, section III-C",
    agrees_with="skimage.metrics with gaussian_weights, sigma 1.5, use_sample_covariance False; "
    "pyiqa with test_y_channel False, which clips negative structure. MATLAB's ssim() pads the "
    "border and so differs.",
)
Y_MATLAB = Protocol(
    name="y-matlab",
    description="On luma. The peak is 255, as in deraining papers, although luma has only 219 "
    "levels.",
    colour="Y of MATLAB's rgb2ycbcr (BT.601, 16–235), not rounded",
    size=OWN_SIZE,
    ssim=GAUSSIAN,
    source="MATLAB's rgb2ycbcr of double images; Wang et al., IEEE TIP 2004",
    agrees_with="Tables of deraining papers to their printed digits. pyiqa with color_space "
    "'ycbcr' in PSNR; in SSIM to 2e-3, because there it rounds Y (its default, full-range "
    "YIQ, gives about 1.3 dB less).",
)
LPIPS_ALEX = Protocol(
    name="lpips-alex",
    description="Distance of AlexNet's features, version 0.1.",
    colour="RGB, −1 to 1",
    size=OWN_SIZE,
    ssim="",
    source="code and linear weights of the lpips package",
    agrees_with="The authors' values for their example images. The backbone is torchvision's "
    "ImageNet AlexNet.",
    package="lpips",
)
KERNEL_DISTANCE = Protocol(
    name="kernel-distance-alex",
    description="A score of a set, not of an image: how far the restored patches are from the "
    "targets' as a set. KID's distance with other features: its figures are not KID's. It needs "
    "two photos, and three for an interval; FID would need more images than features.",
    colour="RGB, −1 to 1",
    size="own, in patches of 64×64",
    ssim="",
    source="Binkowski et al., ICLR 2018, with LPIPS's features; Gretton et al., JMLR 2012, Lemma 6",
    agrees_with="torchmetrics' polynomial MMD on the same features, without pairs of one photo.",
    package="lpips",
)
NO_REFERENCE = Protocol(
    name="no-reference",
    description="Without a target. They measure noise, blocking and unnatural statistics, not "
    "weather: haze and some rain improve them. Look at the images too.",
    colour="luma of full-range YIQ, rounded",
    size=OWN_SIZE,
    ssim="",
    source="code of pyiqa (non-commercial licence)",
    agrees_with="NIQE: its authors' MATLAB code on the same grey image (5.7296 for the baboon, "
    "5.7300 here). Both: the official values for pyiqa's calibration images.",
    package="pyiqa",
)
PYIQA = Protocol(
    name="pyiqa",
    description="Further metrics with pyiqa's own settings. Its licences (PolyForm Noncommercial "
    "1.0.0, parts under S-Lab 1.0) do not allow commercial use.",
    colour="luma of full-range YIQ (FSIM: all of YIQ)",
    size=OWN_SIZE,
    ssim="MS-SSIM: 11×11 Gaussian, σ 1.5, where it fits, in five scales",
    source="code of pyiqa (non-commercial licence)",
    agrees_with="The official implementations' values for pyiqa's five calibration images.",
    package="pyiqa",
)
DISTS = Protocol(
    name="dists",
    description="From pyiqa too. It has a protocol of its own, because its weights (VGG16 and the "
    "authors' own) are not bundled; the reason of a missing score says how to get them.",
    colour="RGB, 0–1",
    size=OWN_SIZE,
    ssim="",
    source="code of pyiqa (non-commercial licence)",
    agrees_with="Not confirmed, because the weights were not available.",
    package="pyiqa",
)
RESTORMER = Protocol(
    name="restormer",
    description="As in Restormer and MPRNet for deraining.",
    colour="Y of MATLAB's rgb2ycbcr (BT.601, 16–235), rounded",
    size=OWN_SIZE,
    ssim=GAUSSIAN,
    source="swz30/Restormer and swz30/MPRNet, Deraining/evaluate_PSNR_SSIM.m",
    agrees_with="Read in that code. MATLAB itself was not run.",
)
WEATHER_DIFFUSION = Protocol(
    name="weatherdiffusion",
    description="As in WeatherDiffusion, whose loaders resize input and ground truth. Here the "
    "restored image is resized instead of the input.",
    colour="Y of MATLAB's rgb2ycbcr (BT.601, 16–235), not rounded",
    size=RESIZED,
    ssim=GAUSSIAN,
    source="IGITUGraz/WeatherDiffusion, calculate_psnr_ssim.py, utils/metrics.py, "
    "datasets/snow100k.py, outdoorrain.py, raindrop.py",
    agrees_with="Read in that code. It does not say with which ground truth the paper's numbers "
    "were computed; only a resized one has the size of its outputs.",
    align=to_multiples_of_16,
)
TRANSWEATHER = Protocol(
    name="transweather",
    description="As in TransWeather, which scores before saving; here the saved image is scored. "
    "Its code applies the weights of blue, green and red to three neighbouring values of one "
    "channel, and uses SSIM's constants for the range 2 although the images have the range 1.",
    colour="full-range BT.601 luma of reordered values",
    size=RESIZED,
    ssim="7×7 mean, sample covariance, where it fits, constants for twice the range",
    source="jeya-maria-jose/TransWeather, utils.py (calc_psnr, calc_ssim), val_data_functions.py; "
    "scikit-image 0.17.2 of its environment.yml",
    agrees_with="skimage.metrics with data_range 2 on the same values. The authors say that later "
    "numbers were computed after saving; the repository has no code for that.",
    align=to_multiples_of_16,
)
RESIDE = Protocol(
    name="reside",
    description="As in FFA-Net for SOTS. The evaluation of RESIDE's authors could not be verified.",
    colour="RGB, 0–255",
    size="own; a larger target is cropped about its centre",
    ssim=f"{GAUSSIAN.removesuffix(', where it fits')}, beyond the border zeros",
    source="zhilin007/FFA-Net, net/metrics.py, net/data_utils.py",
    agrees_with="Read in that code. It scores before saving; here the saved image is scored. "
    "DehazeFormer (IDKiro/DehazeFormer, test.py) scales down to about 256 pixels before SSIM.",
    align=crop_target,
)
PRENET = Protocol(
    name="prenet",
    description="As in PReNet and BRN, whose test scripts truncate restored images to 8 bits "
    "(csdwren/PReNet, test_PReNet.py, line 74; csdwren/RecDerain, test_BRN.py, line 93).",
    colour="Y of MATLAB's rgb2ycbcr (BT.601, 16–235), not rounded",
    size=OWN_SIZE,
    ssim=f"{GAUSSIAN}; images from 384 pixels on are scaled down first",
    source="csdwren/PReNet, test_PReNet.py, statistic/statistic_rain100L.m, statistic/ssim.m",
    agrees_with="The formulas of statistic/ssim.m in NumPy. MATLAB itself was not run.",
    storage=TRUNCATED,
)
WEATHERBENCH = Protocol(
    name="weatherbench",
    description="As in WeatherBench, which scores restored images stored as JPEG (evaluation.py, "
    "lines 50 and 54). Their quality is not stated; here it is OpenCV's default, 95. LPIPS is "
    "taken with the border.",
    colour="Y of MATLAB's rgb2ycbcr (BT.601, 16–235), not rounded; LPIPS: RGB, −1 to 1",
    size="own; PSNR and SSIM without 4 pixels at each side",
    ssim=GAUSSIAN,
    source="guanqiyuan/WeatherBench, evaluation.py",
    agrees_with="Read in that code.",
    storage=JPEG,
    package="lpips",
)
OWN = (RGB.name, Y_MATLAB.name, LPIPS_ALEX.name, NO_REFERENCE.name)
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        RGB,
        Y_MATLAB,
        LPIPS_ALEX,
        KERNEL_DISTANCE,
        NO_REFERENCE,
        PYIQA,
        DISTS,
        RESTORMER,
        WEATHER_DIFFUSION,
        TRANSWEATHER,
        RESIDE,
        PRENET,
        WEATHERBENCH,
    )
}

"""WeatherDiff: the published diffusion model for several weathers, with its authors' weights."""

from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from benchmark import Card, Method, Settings, UserError, WeightsMissing
from benchmark.core import foreign_checkpoints
from benchmark.core.atomic import atomic_path
from methods.diffusion.conditional import per_image_noise
from methods.diffusion.patches import PatchPrediction, pad_to_patch, published_timesteps
from methods.diffusion.samplers import ddim
from methods.diffusion.schedule import linear, uniform_timesteps
from methods.diffusion.targets import to_x0
from methods.networks.ddpm_unet import DDPMUNet

URL = "https://github.com/IGITUGraz/WeatherDiffusion"
T = 1000

# From the authors' configurations. image_size is also the side of a patch in pixels.
MODELS = {
    "WeatherDiff64": {"multipliers": (1, 2, 3, 4), "image_size": 64},
    "WeatherDiff128": {"multipliers": (1, 1, 2, 3, 4), "image_size": 128},
}


class Parameters(Settings):
    """model: one of the two published networks. weights: its file, the authors' `.pth.tar` or a
    `.safetensors`; the path is relative to the current folder."""

    model: Literal["WeatherDiff64", "WeatherDiff128"] = "WeatherDiff64"
    weights: str | None = None


class Variant(Settings):
    """stride: pixels between patches. batch: patches evaluated at once. times: `published` starts
    at T - T / steps + 1, as for the published numbers; `uniform` at T, as other methods do."""

    sampler: Literal["ddim"] = "ddim"
    steps: int = Field(default=25, ge=1, le=T)
    stride: int = Field(default=16, ge=1)
    batch: int = Field(default=16, ge=1)
    times: Literal["published", "uniform"] = "published"

    @model_validator(mode="after")
    def _steps_divide_T(self):
        if self.times == "published" and T % self.steps:
            raise ValueError(
                f"{self.steps} steps do not divide {T}: with the published times they would be "
                f"{len(range(0, T, T // self.steps))} steps. Choose a divisor, or times: uniform."
            )
        return self


class WeatherDiff(Method):
    card = Card(
        title="WeatherDiff",
        citation="Özdenizci and Legenstein. Restoring Vision in Adverse Weather Conditions with "
        "Patch-Based Denoising Diffusion Models. TPAMI 2023.",
        url=URL,
        licence="MIT",
        supervision="paired",
        description="The published patch-based conditional diffusion model with its authors' "
        "weights. They trained it on Snow100K, Outdoor-Rain (rain with haze) and RainDrop; this "
        "suite does not train it. Every step averages the noise predicted on overlapping patches.",
        weathers=("rain", "raindrop", "snow", "mix"),
    )
    Parameters = Parameters
    Variant = Variant

    @cached_property
    def network(self) -> DDPMUNet:
        """The network with its weights, on the method's device; loaded at its first use.

        Raises WeightsMissing if there is no file, and UserError if the file is not of this model.
        """
        network = _empty(self.parameters.model)
        network.load_state_dict(_weights(self.parameters), assign=True)
        return network.eval().to(self.device, memory_format=torch.channels_last)

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        height, width = degraded.shape[-2:]
        padded = pad_to_patch(degraded, MODELS[self.parameters.model]["image_size"])
        x_T = per_image_noise(padded.shape[1:], generators)
        return self.sample(padded, x_T.to(degraded), variant)[..., :height, :width]

    def sample(self, degraded: Tensor, x_T: Tensor, variant: Variant) -> Tensor:
        """DDIM with η = 0, from the noise x_T to the clean image.

        degraded: (B, 3, H, W) in [0, 1], with H and W not smaller than a patch. x_T: standard
        normal, of the same shape. Returns the same shape. As published, estimates of the clean
        image are not clamped to [-1, 1].
        """
        condition, schedule = 2 * degraded - 1, linear(T)
        patch = MODELS[self.parameters.model]["image_size"]
        predict = PatchPrediction(self._predict, condition, patch, variant.stride, variant.batch)

        def denoise(x_t: Tensor, t: int) -> Tensor:
            epsilon = predict(x_t, t)
            return to_x0("epsilon", epsilon, x_t, schedule.signal(t), schedule.noise(t))

        def no_noise() -> Tensor:
            raise AssertionError("DDIM with η = 0 draws no noise")

        published = variant.times == "published"
        times = (published_timesteps if published else uniform_timesteps)(T, variant.steps)
        return (ddim(denoise, x_T, schedule, times, no_noise) + 1) / 2

    def _predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """ε̂ of (N, 3, patch, patch) patches at times (N,); the published network counts from 0."""
        return self.network(torch.cat([condition, x_t], dim=1), t - 1)

    def evaluations(self, variant: Variant) -> int:
        """The steps. In each step the network evaluates every patch of the image, for example 169
        patches at 256×256 and stride 16. Seconds and FLOPs count them all."""
        return variant.steps

    def facts(self) -> dict[str, float | str]:
        """Side of a patch in pixels, and the network's number of parameters."""
        network = _empty(self.parameters.model)
        return {
            "patch": MODELS[self.parameters.model]["image_size"],
            "network_parameters": sum(p.numel() for p in network.parameters()),
        }


def _empty(model: str) -> DDPMUNet:
    """A published network on torch's device `meta`: it has shapes and no weights."""
    with torch.device("meta"):
        return DDPMUNet(**MODELS[model]).requires_grad_(False)


def _weights(parameters: Parameters) -> dict[str, Tensor]:
    """The float32 weights in the file of `parameters`; all names and shapes fit the model."""
    model = parameters.model
    if parameters.weights is None or not Path(parameters.weights).exists():
        problem = "no file is set" if parameters.weights is None else f"no {parameters.weights}"
        raise WeightsMissing(
            f"{model}'s weights: {problem}. Download {model}.pth.tar, which {URL} links to, and "
            "set parameters: {weights: PATH} of this method."
        )
    path = Path(parameters.weights)
    if path.suffix == ".safetensors":
        return _fitting(foreign_checkpoints.read_safetensors(path), model, path)
    converted = path.with_name(f"{path.name}.safetensors")
    if converted.exists() and converted.stat().st_mtime_ns > path.stat().st_mtime_ns:
        return _fitting(foreign_checkpoints.read_safetensors(converted), model, converted)
    state = _fitting(_averaged(path), model, path)
    try:
        with atomic_path(converted) as temporary:
            save_file(state, temporary)
    except (OSError, SafetensorError):
        pass  # a folder that cannot be written to: the checkpoint is then read every time
    return state


def _averaged(path: Path) -> dict[str, Tensor]:
    """The exponential moving average of the weights in a published checkpoint; the authors test
    with it.

    Training on several GPUs put `module.` before all names; it is removed.
    """
    content = foreign_checkpoints.read(path)
    state = content.get("ema_helper")
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        keys = ", ".join(map(str, list(content)[:8])) or "none"
        raise UserError(
            f"{path} holds no averaged weights (key ema_helper: names and tensors). The files that "
            f"{URL} links to hold them. First keys of this file: {keys}."
        )
    return {  # copies, because a checkpoint's tensors share the memory of its file
        str(name).removeprefix("module."): value.to(torch.float32, copy=True).contiguous()
        for name, value in state.items()
    }


def _fitting(state: dict[str, Tensor], model: str, path: Path) -> dict[str, Tensor]:
    """`state` as float32. Raises UserError unless its names and shapes are those of the model."""
    found = _shapes(state)
    wanted = {name: _shapes(_empty(name).state_dict()) for name in MODELS}
    if found == wanted[model]:
        return {name: value.to(torch.float32) for name, value in state.items()}
    for other, shapes in wanted.items():
        if found == shapes:
            raise UserError(
                f"{path} holds the weights of {other}, not of {model}. Set parameters: "
                f"{{model: {other}}}, or name the file of {model}."
            )
    odd = sorted({name for name, _ in found.items() ^ wanted[model].items()})
    raise UserError(
        f"{path} does not fit {model}: {len(odd)} tensors are missing, unknown or of another "
        f"shape, for example {', '.join(odd[:3])}. Download the file from {URL} again."
    )


def _shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}

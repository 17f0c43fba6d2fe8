"""Checks of the images that a metric is given."""

import numpy as np


class UndefinedMetric(ValueError):
    """A metric is not defined for these images; the message is the reason shown in the tables."""


def check_image(name: str, image: np.ndarray) -> None:
    """Raise ValueError unless the image is uint8 (H, W, 3), H and W at least 1."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"the {name} image is uint8 (H, W, 3), not {image.dtype} {image.shape}")


def check_pair(restored: np.ndarray, target: np.ndarray) -> None:
    """Raise ValueError unless both are uint8 (H, W, 3), UndefinedMetric unless of one size."""
    check_image("restored", restored)
    check_image("target", target)
    if restored.shape != target.shape:
        raise UndefinedMetric(different_sizes(restored, target))


def different_sizes(restored: np.ndarray, target: np.ndarray) -> str:
    """The reason why a pair of images of different sizes is not scored."""
    return (
        f"restored is {restored.shape[1]}x{restored.shape[0]}, "
        f"target is {target.shape[1]}x{target.shape[0]} pixels (width x height); never resized"
    )

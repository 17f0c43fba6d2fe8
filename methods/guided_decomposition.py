"""Rain and snow removal by splitting an image into low and high frequencies with guided filters.

Weather is thin and bright, so it is in the high frequencies. A guided filter smooths these with the
low frequencies as guide, in which weather is not visible; detail without an edge in the guide is
removed. The result never exceeds the input, and a last guided filter cleans it. The steps are those
of Zheng et al. (ICONIP 2013), who extend Xu et al. (CSAE 2012).

Differences: weather is nearly grey, so one layer, found on the mean of the channels, is subtracted
from all of them, at a third of the cost. The edges of the low frequencies are not enhanced first,
because that did not improve the result.
"""

import numpy as np
from pydantic import Field

from benchmark import Card, Method, Settings
from benchmark.core.guided_filter import guided_filter
from methods.classical import for_each_image


class Parameters(Settings):
    """Radii in pixels; eps as in the guided filter, for images in [0, 1].

    `low` splits the image, `high` filters its high frequencies, `final` cleans the result. The
    guide of the last filter is `trust` times the result plus (1 - `trust`) times the input.
    """

    low_radius: int = Field(16, ge=0)
    low_eps: float = Field(1e-2, gt=0)
    high_radius: int = Field(8, ge=0)
    high_eps: float = Field(1e-2, gt=0)
    final_radius: int = Field(3, ge=0)
    final_eps: float = Field(1e-4, gt=0)
    trust: float = Field(0.5, ge=0, le=1)


class GuidedDecomposition(Method):
    """Subtracts bright high frequencies that have no edge in the low frequencies."""

    card = Card(
        title="Guided decomposition",
        citation=(
            "Zheng, Liao, Guo, Fu, Ding: Single-Image-Based Rain and Snow Removal Using "
            "Multi-guided Filter, ICONIP 2013; Xu, Zhao, Liu, Tang: Removing Rain and Snow in a "
            "Single Image Using Guided Filter, CSAE 2012"
        ),
        licence="own implementation",
        supervision="none",
        description=(
            "Removes bright detail that is not visible in the image's low frequencies as rain or "
            "snow. Weather of high contrast counts as an edge and stays in part. Faint bright "
            "detail of the scene is dimmed, in clear images too. A veil and wide flakes stay. Runs "
            "on the CPU."
        ),
        weathers=("rain", "snow"),
    )
    Parameters = Parameters

    def restore(self, degraded, variant: Settings, generators):
        return for_each_image(self._remove, degraded)

    def _remove(self, image: np.ndarray) -> np.ndarray:
        return image - weather_layer(image.mean(axis=2), self.parameters)[..., None]


def weather_layer(grey: np.ndarray, p: Parameters) -> np.ndarray:
    """The light (H, W), >= 0, that weather adds to a plane (H, W) in [0, 1]."""
    low = guided_filter(grey, grey, p.low_radius, p.low_eps)
    high = guided_filter(low, grey - low, p.high_radius, p.high_eps)
    clear = np.minimum(low + high, grey)
    guide = p.trust * clear + (1 - p.trust) * grey
    clear = guided_filter(guide, clear, p.final_radius, p.final_eps)
    # Where nothing is found, rounding must not make the image darker.
    return np.maximum(grey - clear, 0)

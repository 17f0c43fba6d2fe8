"""What all drops of a picture share: the typical drop, the lens and the light.

All ranges were chosen by eye, so that photographs of 480 to 720 pixels width look as if taken
through wet glass; a comment gives the physical reason if any. Lengths are in pixels of the degraded
image.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmark.weather.layers import log_uniform

BLADES = (5, 6, 6, 7, 8, 9, 48)  # of a lens's aperture: usual numbers, and a disc


@dataclass(frozen=True)
class Look:
    """What all drops of a picture share: the typical drop, the lens and the light.

    All ranges in `draw_look` were chosen by eye; a comment gives the physical reason if any.
    """

    size: float  # typical radius, pixels
    defocus: float  # standard deviation of the lens's blur of a drop, pixels
    opacity: float  # of a drop, in [0, 1]
    compression: float  # of the view in a drop: pixels of the scene shown in one pixel
    gain: float  # brightness of the view in a drop over the scene's
    ambient: float  # share of light from outside the frame in a drop, in [0, 1]
    sky: float  # brightness outside the frame over the scene's mean
    sky_in_drop: float  # by how much a drop is brighter at its lower end than at its middle
    rim: float  # how much a drop's rim is darker than its middle, in [0, 1]
    round: bool  # drops are discs, not irregular
    aperture: int  # index of the highlight's shape in BLADES
    aperture_angle: float  # radians
    highlight: float  # opacity of the reflection of a lamp or the sun, in [0, 1]; 0: none
    highlight_size: float  # over that of its drop
    highlight_colour: list[float]  # R, G, B in [0, 1]
    glare: float  # share of light that unresolved droplets scatter over their surroundings
    smear: float  # opacity of a wet film without drops, in [0, 1]; 0: none

    def rounded(self) -> dict[str, Any]:
        """As JSON-able values, four digits after the point."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def draw_look(strength: float, rng: np.random.Generator) -> Look:
    """The look of a picture's drops; strength in (0, 1]."""
    sharp = rng.random() < 0.25
    fade = min(1.0, 8 * strength)  # the opacity of a single drop vanishes as the strength does
    # Drops in focus are near the scene, or the picture is a close-up: small ones.
    size = log_uniform((6.0, 18.0) if sharp else (8.0, 36.0), rng)
    level = float(rng.uniform(0.75, 1.0))
    warmth = float(rng.normal(0.0, 0.03))
    return Look(  # arguments are drawn in this order
        size=size,
        # Proportional to the size, because both grow by the same factor as a drop nears the lens.
        defocus=float(rng.uniform(0.7, 1.8)) if sharp else size * float(rng.uniform(0.15, 0.5)),
        opacity=float(rng.uniform(0.75, 1.0)) * (0.6 + 0.4 * strength) * fade,
        # Above 1, because a drop is a wide-angle lens (Garg and Nayar, IJCV 2007).
        compression=round(float(rng.uniform(1.2, 4.0)), 4),
        gain=round(float(rng.uniform(0.85, 1.6)), 4),
        ambient=round(float(rng.uniform(0.25, 0.95)), 4),
        sky=round(float(rng.uniform(1.1, 2.1)), 4),
        sky_in_drop=round(float(rng.uniform(0.0, 0.4)), 4),
        rim=round(float(rng.uniform(0.1, 0.5)) if sharp else float(rng.uniform(0.0, 0.15)), 4),
        round=bool(rng.random() < 0.5) and not sharp,
        aperture=int(rng.integers(len(BLADES))),
        aperture_angle=round(float(rng.uniform(0, np.pi)), 4),
        highlight=fade * float(rng.uniform(0.15, 0.95)) if rng.random() < 0.55 else 0.0,
        highlight_size=0.3 if sharp else 1.0,
        highlight_colour=[round(min(1.0, level + w), 4) for w in (warmth, 0.0, -warmth)],
        glare=float(rng.uniform(0.02, 0.1)) * strength if rng.random() < 0.5 else 0.0,
        smear=float(rng.uniform(0.2, 0.9)) * strength if rng.random() < 0.45 else 0.0,
    )


def draw_sharp_look(strength: float, rng: np.random.Generator) -> Look:
    """Small drops in focus, on glass far from the lens; strength in (0, 1].

    Each is a tiny fisheye picture of the scene: dark above, where it shows the ground, and bright
    below, where it shows the sky, with a dark rim of total reflection.
    """
    fade = min(1.0, 8 * strength)
    return Look(
        size=log_uniform((2.0, 8.0), rng),
        defocus=float(rng.uniform(0.3, 1.0)),
        opacity=float(rng.uniform(0.8, 1.0)) * fade,
        compression=round(log_uniform((2.5, 12.0), rng), 4),
        gain=round(float(rng.uniform(0.6, 1.3)), 4),
        ambient=round(float(rng.uniform(0.1, 0.7)), 4),
        sky=round(float(rng.uniform(0.9, 1.9)), 4),
        sky_in_drop=round(float(rng.uniform(0.2, 0.9)), 4),
        rim=round(float(rng.uniform(0.1, 0.6)), 4),
        round=False,
        aperture=int(rng.integers(len(BLADES))),
        aperture_angle=round(float(rng.uniform(0, np.pi)), 4),
        highlight=fade * float(rng.uniform(0.3, 1.0)) if rng.random() < 0.6 else 0.0,
        highlight_size=0.35,
        highlight_colour=[round(float(rng.uniform(0.85, 1.0)), 4)] * 3,
        glare=0.0,
        smear=0.0,
    )


def draw_bright_look(strength: float, rng: np.random.Generator) -> Look:
    """Discs of light far out of focus: drops that show the sky or a lamp before a dark scene."""
    fade = min(1.0, 8 * strength)
    size = log_uniform((7.0, 26.0), rng)
    level, warmth = float(rng.uniform(0.8, 1.0)), float(rng.normal(0.0, 0.06))
    return Look(
        size=size,
        defocus=size * log_uniform((0.06, 0.3), rng),
        opacity=float(rng.uniform(0.5, 1.0)) * fade,
        compression=round(float(rng.uniform(1.5, 5.0)), 4),
        gain=round(float(rng.uniform(0.8, 1.5)), 4),
        ambient=round(float(rng.uniform(0.5, 0.95)), 4),
        sky=round(float(rng.uniform(1.2, 2.6)), 4),
        sky_in_drop=round(float(rng.uniform(0.0, 0.3)), 4),
        rim=round(float(rng.uniform(0.0, 0.1)), 4),
        round=bool(rng.random() < 0.7),
        aperture=int(rng.integers(len(BLADES))),
        aperture_angle=round(float(rng.uniform(0, np.pi)), 4),
        highlight=fade * float(rng.uniform(0.1, 0.9)) if rng.random() < 0.5 else 0.0,
        highlight_size=1.0,
        highlight_colour=[round(min(1.0, level + w), 4) for w in (warmth, 0.0, -warmth)],
        glare=float(rng.uniform(0.02, 0.1)) * strength if rng.random() < 0.5 else 0.0,
        smear=float(rng.uniform(0.2, 0.9)) * strength if rng.random() < 0.6 else 0.0,
    )

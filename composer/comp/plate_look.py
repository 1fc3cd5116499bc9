"""`PlateLook`: what the plate's light, air, lens and grain do to a layer that is laid into it; each part, or None.

Measured on the plate or written by hand; arrays are checked where they are written (`composer.shot.schema_match`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Rgb = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Grade:
    """A colour match in ACEScg. matrix: float64 [3, 3]; offset: float64 [3].

    rgb' = rgb @ matrix.T + offset * alpha, premultiplied.
    """

    matrix: F64
    offset: F64


@dataclass(frozen=True)
class Air:
    """What the air takes and adds, ACEScg. extinction_per_m, inscatter: RGB.

    T = exp(-extinction * distance_m); rgb' = rgb * T + inscatter * (1 - T) * alpha. distance_m: from the camera, along
    the ray.
    """

    extinction_per_m: Rgb
    inscatter: Rgb


@dataclass(frozen=True, eq=False)
class Grain:
    """The plate's noise, in its scene-linear delivery space.

    level: float64 [K], ascending. variance: float64 [3, K], at these levels, RGB; between them it is interpolated, beyond
    them it stays. kernel: float32 [3, n, n], n odd, its squares sum to 1: white noise filtered by it has the plate's
    spectrum. mix: float64 [3, 3], Cholesky factor of the correlation between the channels: noise' = mix @ noise.
    """

    level: F64
    variance: F64
    kernel: F32
    mix: F64


@dataclass(frozen=True)
class Edge:
    """spread_px: sigma of the Gaussian that is the plate's own edge spread (of a whole edge, pixels' own width with it).
    wrap: 0..1, how much of the light around it a layer's edge takes on; wrap_px: sigma of that light's blur."""

    spread_px: float = 0.0
    wrap: float = 0.0
    wrap_px: float = 0.0


@dataclass(frozen=True, eq=False)
class Vignette:
    """Light falls off by 1 + k0 r^2 + k1 r^4 + k2 r^6; r is 0 in the picture's middle and 1 in its corners. k: float64
    [3]."""

    k: F64


@dataclass(frozen=True)
class Fringe:
    """Lateral chromatic aberration: red and blue are larger than green by these factors about the picture's middle."""

    red: float = 1.0
    blue: float = 1.0


@dataclass(frozen=True)
class Optics:
    """f_stop: inf is a pinhole, nothing is out of focus. focus_m: planar depth that is sharp. blades: of the iris, 0 is
    round; turn_deg: how far they are turned, clockwise. shutter_deg: 0 is no motion blur, 360 is open from one frame to
    the next. shutter_offset_deg: when it opens, after the frame's time; centred on the frame where it is minus half of
    shutter_deg."""

    f_stop: float = math.inf
    focus_m: float = math.inf
    blades: int = 0
    turn_deg: float = 0.0
    shutter_deg: float = 0.0
    shutter_offset_deg: float = 0.0

    @property
    def blurs(self) -> bool:
        return math.isfinite(self.f_stop) or self.shutter_deg > 0


@dataclass(frozen=True, eq=False)
class PlateLook:
    """Everything that is done to the layers of a shot, or None for what is not."""

    grade: Grade | None = None
    air: Air | None = None
    grain: Grain | None = None
    edge: Edge | None = None
    vignette: Vignette | None = None
    fringe: Fringe | None = None
    optics: Optics | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of those that are there."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is not None)

    def __bool__(self) -> bool:
        return bool(self.parts)

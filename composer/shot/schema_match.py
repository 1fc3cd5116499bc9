"""`match:` of `shot.yaml`: the plate's light, air, lens and grain on what is laid into it. `muster match` measures them.

Every part may be left out or `off`. Its `strength` goes from 0, nothing, to 1, as written.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from composer.shot.schema_base import Colour, NotNegative, Part, Positive, Share, Triple, mistake

_MOST_LEVELS, _MOST_KERNEL = 64, 31
#: Up to twice as much as was measured may be asked for.
Strength = Annotated[float, Field(ge=0, le=2)]
_Row = Annotated[tuple[float, ...], Field(min_length=1, max_length=_MOST_KERNEL)]
_Square = Annotated[tuple[_Row, ...], Field(min_length=1, max_length=_MOST_KERNEL)]
_Levels = Annotated[tuple[float, ...], Field(min_length=1, max_length=_MOST_LEVELS)]
_Variances = Annotated[tuple[NotNegative, ...], Field(min_length=1, max_length=_MOST_LEVELS)]
_Factor = Annotated[float, Field(ge=0.9, le=1.1)]


def _off(value: object) -> object:
    """`off` as nothing."""
    return None if value == "off" else value


def _each(value: object) -> object:
    """One kernel as that of every channel."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple) and value[0]:
        return value if isinstance(value[0][0], tuple) else (value,) * 3
    return value


_Off = BeforeValidator(_off)
_Kernels = Annotated[tuple[_Square, _Square, _Square], BeforeValidator(_each)]


class GradeSpec(Part):
    """A colour match in ACEScg: one of `matrix` (rows make R, G, B) and `gain` (a factor for each), and `offset` added
    where the layer covers."""

    matrix: tuple[Triple, Triple, Triple] | None = None
    gain: Colour | None = None
    offset: Triple = (0.0, 0.0, 0.0)
    strength: Share = 1.0

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.at_most_one("matrix", "gain")
        return self


class AirSpec(Part):
    """Air between camera and layer, ACEScg: how much light a metre takes (`extinction_per_m`; or `visibility_m`, the
    distance at which 2 % of the contrast are left), and the light that very much air has (`inscatter`)."""

    extinction_per_m: Colour | None = None
    visibility_m: Positive | None = None
    inscatter: Colour
    strength: Strength = 1.0

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("extinction_per_m", "visibility_m")
        return self


class GrainSpec(Part):
    """The plate's noise in its scene-linear delivery space: variance (a row for R, G, B) at these levels; its spectrum
    as `kernel` (one n x n, or one for each channel) or as `size_px`, the sigma of its Gaussian (0: pixels by
    themselves); `mix`, the Cholesky factor of the correlation between channels. strength: of its amplitude."""

    level: _Levels
    variance: tuple[_Variances, _Variances, _Variances]
    kernel: _Kernels | None = None
    size_px: Annotated[float, Field(ge=0, le=4)] | None = None
    mix: tuple[Triple, Triple, Triple] | None = None
    strength: Strength = 1.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.exactly_one("kernel", "size_px")
        if any(a >= b for a, b in pairwise(self.level)):
            raise mistake("levels must rise", expected="each higher than the one before", key="level")
        for row in self.variance:
            if len(row) != len(self.level):
                expected = f"{len(self.level)} in each row, one a level"
                raise mistake("variance does not fit the levels", expected=expected, got=str(len(row)), key="variance")
        for square in self.kernel or ():
            n = len(square)
            if n % 2 == 0 or any(len(row) != n for row in square):
                got = f"{n} rows of {', '.join(sorted({str(len(row)) for row in square}))}"
                raise mistake("the kernel is not square and odd", expected="n rows of n, n odd", got=got, key="kernel")
            if not any(v for row in square for v in row):
                raise mistake("the kernel is all zero", expected="size_px: 0 for pixels by themselves", key="kernel")
        if len({len(square) for square in self.kernel or ()}) > 1:
            raise mistake("the channels' kernels differ in size", expected="one n for all three", key="kernel")
        return self


class EdgeSpec(Part):
    """spread_px: sigma of the plate's own edge spread. wrap: how much of the plate's light leaks over the layer's edge;
    wrap_px: how far (sigma)."""

    spread_px: Annotated[float, Field(ge=0, le=16)] = 0.0
    wrap: Share = 0.0
    wrap_px: Annotated[float, Field(gt=0, le=200)] = 8.0
    strength: Strength = 1.0


class VignetteSpec(Part):
    """Light by 1 + k0 r^2 + k1 r^4 + k2 r^6, r = 1 in the corners."""

    k: Triple
    strength: Share = 1.0

    @model_validator(mode="after")
    def _light(self) -> Self:
        low = min(1 + sum(k * (i / 50) ** (2 * n + 2) for n, k in enumerate(self.k)) for i in range(51))
        if not 0 < low < math.inf:
            raise mistake("this vignette leaves no light", expected="1 + k0 r^2 + k1 r^4 + k2 r^6 above 0", key="k")
        return self


class FringeSpec(Part):
    """Red and blue larger than green by these factors about the picture's middle."""

    red: _Factor = 1.0
    blue: _Factor = 1.0
    strength: Strength = 1.0


class DefocusSpec(Part):
    """f_stop and focus_m as on the slate; focal length and film back are the camera's. blades: of the iris, 0 is round.
    strength: of the circle of confusion."""

    f_stop: Annotated[float, Field(ge=0.1, le=128)]
    focus_m: Annotated[float, Field(gt=0, le=1e6)]
    blades: Annotated[int, Field(ge=0, le=16)] = 0
    turn_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    strength: Strength = 1.0

    @model_validator(mode="after")
    def _iris(self) -> Self:
        if self.blades in (1, 2):
            raise mistake(
                "an iris of so few blades", expected="0 (round), or 3 to 16", got=str(self.blades), key="blades"
            )
        return self


class MotionBlurSpec(Part):
    """shutter_deg: 180 is open for half of the time from frame to frame. shutter_offset_deg: when it opens, after the
    frame's time; left out, it is centred on the frame."""

    shutter_deg: Annotated[float, Field(ge=0, le=720)] = 180.0
    shutter_offset_deg: Annotated[float, Field(ge=-720, le=720)] | None = None
    strength: Share = 1.0


class MatchSpec(Part):
    """What of the plate is put onto the layers."""

    grade: Annotated[GradeSpec | None, _Off] = None
    air: Annotated[AirSpec | None, _Off] = None
    defocus: Annotated[DefocusSpec | None, _Off] = None
    motion_blur: Annotated[MotionBlurSpec | None, _Off] = None
    vignette: Annotated[VignetteSpec | None, _Off] = None
    fringe: Annotated[FringeSpec | None, _Off] = None
    edge: Annotated[EdgeSpec | None, _Off] = None
    grain: Annotated[GrainSpec | None, _Off] = None

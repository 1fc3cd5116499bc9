"""The light: a low sun from the left and slightly ahead, a soft sky, warm haze. All colours are ACEScg.

`SUN`, `SKY` and `BOUNCE` are the radiance that a white diffuse surface facing each would send out, the same numbers as
in shot.yaml.
"""

from __future__ import annotations

import math

import warp as wp

SUN_ELEVATION_DEG = 15.0
SUN_AZIMUTH_DEG = 298.0
SUN_COLOUR = (1.0, 0.75, 0.46)
SUN_STRENGTH = 4.2
SKY_COLOUR = (0.52, 0.66, 0.92)
SKY_STRENGTH = 0.55
BOUNCE_COLOUR = (0.95, 0.86, 0.48)
BOUNCE_STRENGTH = 0.13

_E, _A = math.radians(SUN_ELEVATION_DEG), math.radians(SUN_AZIMUTH_DEG)
SUN_DIRECTION = (math.cos(_E) * math.sin(_A), math.sin(_E), -math.cos(_E) * math.cos(_A))
SUN = tuple(c * SUN_STRENGTH for c in SUN_COLOUR)
SKY = tuple(c * SKY_STRENGTH for c in SKY_COLOUR)
BOUNCE = tuple(c * BOUNCE_STRENGTH for c in BOUNCE_COLOUR)

SUN_V = wp.constant(wp.vec3(*SUN_DIRECTION))
SUN_RGB = wp.constant(wp.vec3(*SUN))
SKY_RGB = wp.constant(wp.vec3(*SKY))
BOUNCE_RGB = wp.constant(wp.vec3(*BOUNCE))


@wp.func
def ambient(n: wp.vec3) -> wp.vec3:
    """Sky from above, bounce from below, by the height of the normal."""
    t = 0.5 + 0.5 * n[1]
    return SKY_RGB * t + BOUNCE_RGB * (1.0 - t)


@wp.func
def phase(mu: float, g: float) -> float:
    """Henyey-Greenstein, normalised to 1 at mu = 0."""
    a = 1.0 + g * g
    return wp.pow(a / wp.max(a - 2.0 * g * mu, 1.0e-4), 1.5)


@wp.func
def air(direction: wp.vec3) -> wp.vec3:
    """Radiance of an endless path of low air in that direction: cool away from the sun, gold towards it."""
    flat = wp.normalize(wp.vec3(direction[0], wp.max(direction[1], 0.0), direction[2]))
    mu = wp.dot(flat, SUN_V)
    base = wp.vec3(0.43, 0.56, 0.76)
    glow = wp.vec3(1.0, 0.63, 0.27)
    return base * 0.80 + glow * (0.165 * phase(mu, 0.62) + 0.020 * phase(mu, 0.85))


@wp.func
def haze(colour: wp.vec3, origin: wp.vec3, direction: wp.vec3, distance: float, thick: float) -> wp.vec3:
    """Colour seen through `distance` metres of air, denser near the valley floor; thick: times the valley's own air."""
    scale = 210.0
    dy = direction[1] * distance
    low = wp.exp(-wp.max(origin[1], -20.0) / scale)
    k = wp.abs(dy / scale)
    mean = low
    if k > 1.0e-3:
        mean = low * (1.0 - wp.exp(-dy / scale)) / (dy / scale)
    depth = thick * distance * (1.0 / 12000.0 + mean / 4200.0)
    through = wp.vec3(wp.exp(-depth * 0.86), wp.exp(-depth), wp.exp(-depth * 1.22))
    a = air(direction)
    return wp.cw_mul(colour, through) + wp.cw_mul(a, wp.vec3(1.0, 1.0, 1.0) - through)

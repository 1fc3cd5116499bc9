# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""How the surfaces of the reference renderer's soldiers rise and fall: folds of cloth, rings of mail, scales, wrinkles.

Everything is a function of the place on the body at rest, so that it moves with him, of his own number, and of how much
of it a pixel can show: detail finer than the pixel fades into its mean.
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)

SKIN = wp.constant(0)
HAIR = wp.constant(1)
TUNIC = wp.constant(2)
TROUSERS = wp.constant(3)
LEATHER = wp.constant(4)
METAL = wp.constant(5)
WOOD = wp.constant(6)
CLOAK = wp.constant(7)
SHIELD = wp.constant(8)
CREST = wp.constant(9)
COAT = wp.constant(10)
MANE = wp.constant(11)

#: What `State.armour` may be.
MAIL = wp.constant(1)
CURTAIN = wp.constant(2)
PLATES = wp.constant(3)


@wp.struct
class State:
    """One soldier's state. seed: his own number. wear, mud, blood, dust: 0 to 1. armour: of what his metal is on the body."""

    seed: wp.uint32
    wear: float
    mud: float
    blood: float
    dust: float
    armour: int


#: Typed here: as a bare number in a kernel it would not fit Warp's int.
_STEP = wp.constant(wp.uint32(2891336453))


@wp.func
def hash3(x: int, y: int, z: int, seed: wp.uint32) -> float:
    """0..1 of a cell (PCG, Jarzynski and Olano 2020)."""
    v = wp.uint32(x) * wp.uint32(1664525) + wp.uint32(y) * wp.uint32(22695477) + wp.uint32(z) * wp.uint32(747796405)
    v = (v ^ seed) * wp.uint32(747796405) + _STEP
    v = ((v >> ((v >> wp.uint32(28)) + wp.uint32(4))) ^ v) * wp.uint32(277803737)
    v = (v >> wp.uint32(22)) ^ v
    return float(v & wp.uint32(0xFFFFFF)) / 16777215.0


@wp.func
def noise(p: wp.vec3, seed: wp.uint32) -> float:
    """Value noise, -1..1, one cell a unit."""
    fx = wp.floor(p[0])
    fy = wp.floor(p[1])
    fz = wp.floor(p[2])
    x = int(fx)
    y = int(fy)
    z = int(fz)
    u = p[0] - fx
    v = p[1] - fy
    w = p[2] - fz
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    w = w * w * (3.0 - 2.0 * w)
    a = wp.lerp(hash3(x, y, z, seed), hash3(x + 1, y, z, seed), u)
    b = wp.lerp(hash3(x, y + 1, z, seed), hash3(x + 1, y + 1, z, seed), u)
    c = wp.lerp(hash3(x, y, z + 1, seed), hash3(x + 1, y, z + 1, seed), u)
    d = wp.lerp(hash3(x, y + 1, z + 1, seed), hash3(x + 1, y + 1, z + 1, seed), u)
    return wp.lerp(wp.lerp(a, b, v), wp.lerp(c, d, v), w) * 2.0 - 1.0


@wp.func
def shown(per_m: float, pixel_m: float) -> float:
    """How much of a pattern with so many cells a metre a pixel of this width still shows."""
    s = per_m * pixel_m
    return 1.0 / (1.0 + 4.0 * s * s)


@wp.func
def grain(p: wp.vec3, per_m: float, pixel_m: float, seed: wp.uint32) -> float:
    keep = shown(per_m, pixel_m)
    value = float(0.0)
    if keep > 0.03:
        value = noise(p * per_m, seed) * keep
    return value


@wp.func
def streaks(p: wp.vec3, stretch: wp.vec3, per_m: float, pixel_m: float, seed: wp.uint32) -> float:
    return grain(wp.cw_mul(p, stretch), per_m, pixel_m, seed)


@wp.func
def armour_here(p: wp.vec3, state: State) -> int:
    """What metal at rest point p is: MAIL, PLATES, or 0 for smooth work (helmets, blades, bosses)."""
    found = int(0)
    side = wp.abs(p[0])
    if state.armour == MAIL and p[1] > 0.60 and p[1] < 1.652 and side < 0.345 and wp.abs(p[2]) < 0.27:
        found = MAIL
    elif state.armour == CURTAIN and p[1] > 1.36 and p[1] < 1.60 and side < 0.24:
        found = MAIL
    elif state.armour == PLATES and p[1] > 0.95 and p[1] < 1.45 and side < 0.26 and hash3(5, 5, 5, state.seed) < 0.6:
        found = PLATES
    return found


@wp.func
def ring(p: wp.vec3) -> float:
    """Mail: 1 on the wire of a ring, 0 between. A coarse mail, rings of 15 mm: finer ones no picture shows."""
    v = p[1] * 76.0
    row = wp.floor(v)
    u = (wp.abs(p[0]) + p[2]) * 62.0 + 0.5 * (row - 2.0 * wp.floor(row * 0.5))
    a = wp.frac(u) - 0.5
    b = wp.frac(v) - 0.5
    return 1.0 - wp.smoothstep(0.06, 0.2, wp.abs(wp.sqrt(a * a + b * b) - 0.34))


@wp.func
def scale_at(p: wp.vec3) -> wp.vec2:
    """Scales in rows: (place down the scale 0..1, distance to its edge 0..1)."""
    v = p[1] * 23.0
    row = wp.floor(v)
    u = (wp.abs(p[0]) + 0.6 * p[2]) * 27.0 + 0.5 * (row - 2.0 * wp.floor(row * 0.5))
    a = wp.abs(wp.frac(u) - 0.5) * 2.0
    down = 1.0 - (v - row)
    return wp.vec2(down, 1.0 - wp.max(a, wp.smoothstep(0.8, 1.0, down)))


@wp.func
def drapery(material: int, p: wp.vec3, pixel_m: float, seed: wp.uint32) -> float:
    """Folds of cloth, metres: hanging from waist and shoulders, gathered over the belt, across the sleeves and knees."""
    h = float(0.0)
    keep = shown(7.0, pixel_m)
    if material == TROUSERS:
        bunch = 0.4 + wp.exp(-wp.pow((p[1] - 0.50) / 0.10, 2.0)) + wp.exp(-wp.pow((p[1] - 0.16) / 0.10, 2.0))
        h = 0.009 * bunch * streaks(p, wp.vec3(0.5, 1.3, 0.5), 17.0, pixel_m, seed + wp.uint32(3))
        h += 0.013 * streaks(p, wp.vec3(1.0, 0.25, 1.0), 9.0, pixel_m, seed + wp.uint32(1))
        return h
    sway = noise(p * 4.0, seed + wp.uint32(5))
    side = wp.abs(p[0])
    if material == TUNIC and side > 0.2 and p[1] > 0.85 and p[1] < 1.5:
        along = 0.55 * side - 0.83 * p[1]
        h = 0.012 * grain(wp.vec3(along, 0.25 * p[2] + 0.1 * sway, 0.25 * p[0]), 30.0, pixel_m, seed + wp.uint32(2))
        return h
    top = wp.where(material == CLOAK, 1.42, 0.98)
    hang = wp.smoothstep(0.0, 0.30, top - p[1])
    count = 8.0 + 6.0 * hash3(3, int(material), 1, seed)
    around = wp.atan2(p[0], p[2] + 0.001)
    fold = wp.sin(around * count + 2.2 * sway + p[1] * 1.5)
    h = wp.where(material == CLOAK, 0.030, 0.024) * fold * hang * keep
    loose = 1.0 - hang
    waist = wp.exp(-wp.pow((p[1] - 1.08) / 0.07, 2.0))
    h += 0.020 * (0.5 + waist) * loose * streaks(p, wp.vec3(0.8, 1.8, 0.8), 8.0, pixel_m, seed + wp.uint32(1))
    h += 0.009 * streaks(p, wp.vec3(1.0, 0.4, 1.0), 24.0, pixel_m, seed + wp.uint32(2))
    h += 0.004 * grain(p, 42.0, pixel_m, seed + wp.uint32(10))  # crumpled
    return h


@wp.func
def fold_height(material: int, p: wp.vec3, pixel_m: float, state: State) -> float:
    """The surface's relief, metres: folds of cloth, rings, scales, dents of metal, wrinkles of leather."""
    h = float(0.0)
    if material == TUNIC or material == CLOAK or material == TROUSERS:
        h = drapery(material, p, pixel_m, state.seed)
    elif material == METAL:
        kind = armour_here(p, state)
        if kind == MAIL:
            h = 0.0028 * ring(p) * shown(66.0, pixel_m)
            h += 0.010 * streaks(p, wp.vec3(0.7, 1.2, 0.7), 13.0, pixel_m, state.seed + wp.uint32(4))
        elif kind == PLATES:
            h = 0.006 * scale_at(p)[0] * shown(24.0, pixel_m)
        else:
            h = 0.005 * grain(p, 14.0, pixel_m, state.seed + wp.uint32(4)) * (0.25 + state.wear)
    elif material == LEATHER:
        h = 0.002 * grain(p, 34.0, pixel_m, state.seed + wp.uint32(6))
        if p[1] < 0.45 and wp.abs(p[1] - 0.14) < 0.07:  # boots crease at the ankle
            h += 0.004 * streaks(p, wp.vec3(0.4, 1.6, 0.4), 30.0, pixel_m, state.seed + wp.uint32(7))
    elif material == SHIELD:
        h = 0.0016 * streaks(p, wp.vec3(1.0, 0.2, 1.0), 20.0, pixel_m, state.seed + wp.uint32(7))
    elif material == HAIR or material == MANE or material == CREST:
        h = 0.006 * streaks(p, wp.vec3(1.0, 0.25, 1.0), 60.0, pixel_m, state.seed + wp.uint32(8))
    elif material == COAT:
        h = 0.012 * grain(p, 5.0, pixel_m, state.seed + wp.uint32(9))
    return h


@wp.func
def relief(material: int, p: wp.vec3, pixel_m: float, state: State) -> wp.vec3:
    """Gradient of `fold_height` at rest, metres a metre."""
    e = wp.max(0.004, 0.5 * pixel_m)
    h = fold_height(material, p, pixel_m, state)
    dx = fold_height(material, p + wp.vec3(e, 0.0, 0.0), pixel_m, state) - h
    dy = fold_height(material, p + wp.vec3(0.0, e, 0.0), pixel_m, state) - h
    dz = fold_height(material, p + wp.vec3(0.0, 0.0, e), pixel_m, state) - h
    return wp.vec3(dx, dy, dz) / e

# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""What the reference renderer's soldiers are made of: cloth, leather, metal, wood, skin, hair, paint; worn, muddy, bloody.

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


@wp.struct
class Matter:
    """A surface point, ready to be lit. gloss: strength of the reflection at normal incidence; rough: 0 mirror, 1 dull;
    metal: 1 where the reflection takes the colour; fuzz: light that short fibres scatter at grazing angles; normal: world."""

    albedo: wp.vec3
    normal: wp.vec3
    gloss: float
    rough: float
    metal: float
    fuzz: float


@wp.struct
class State:
    """One soldier's state. seed: his own number. wear, mud, blood: 0 to 1."""

    seed: wp.uint32
    wear: float
    mud: float
    blood: float


@wp.func
def hash3(x: int, y: int, z: int, seed: wp.uint32) -> float:
    """0..1 of a cell (PCG, Jarzynski and Olano 2020)."""
    v = wp.uint32(x) * wp.uint32(1664525) + wp.uint32(y) * wp.uint32(22695477) + wp.uint32(z) * wp.uint32(747796405)
    v = (v ^ seed) * wp.uint32(747796405) + wp.uint32(2891336453)
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
def fold_height(material: int, p: wp.vec3, pixel_m: float, state: State) -> float:
    """The surface's relief, metres: folds of cloth, dents of metal, wrinkles of leather."""
    h = float(0.0)
    if material == TUNIC or material == CLOAK or material == TROUSERS:
        sway = 0.06 * noise(p * 5.0, state.seed + wp.uint32(5))
        q = wp.vec3(p[0] + sway, p[1] * 0.22, p[2] + sway)
        h = 0.026 * grain(q, 11.0, pixel_m, state.seed + wp.uint32(1))
        h += 0.009 * streaks(p, wp.vec3(1.0, 0.45, 1.0), 27.0, pixel_m, state.seed + wp.uint32(2))
        if material == TROUSERS:
            h += 0.008 * streaks(p, wp.vec3(0.5, 1.3, 0.5), 17.0, pixel_m, state.seed + wp.uint32(3))
    elif material == METAL:
        h = 0.003 * grain(p, 14.0, pixel_m, state.seed + wp.uint32(4)) * (0.4 + state.wear)
    elif material == LEATHER:
        h = 0.003 * grain(p, 40.0, pixel_m, state.seed + wp.uint32(6))
    elif material == SHIELD:
        h = 0.0022 * streaks(p, wp.vec3(1.0, 0.3, 1.0), 22.0, pixel_m, state.seed + wp.uint32(7))
    elif material == HAIR or material == MANE or material == CREST:
        h = 0.006 * streaks(p, wp.vec3(1.0, 0.25, 1.0), 60.0, pixel_m, state.seed + wp.uint32(8))
    elif material == COAT:
        h = 0.010 * grain(p, 6.0, pixel_m, state.seed + wp.uint32(9))
    elif material == SKIN:
        h = 0.001 * grain(p, 30.0, pixel_m, state.seed + wp.uint32(10))
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


@wp.func
def spot(p: wp.vec3, x: float, y: float, half_x: float, half_y: float) -> float:
    """1 in the middle of a soft ellipse on the front, 0 outside."""
    a = (p[0] - x) / half_x
    b = (p[1] - y) / half_y
    return wp.max(0.0, 1.0 - a * a - b * b)


@wp.func
def face(colour: wp.vec3, p: wp.vec3, state: State) -> wp.vec3:
    """Eyes, brows, mouth and beard shadow on the front of a head; flushed and pale skin elsewhere."""
    out = colour
    if p[1] > 1.45 and p[2] < -0.02:
        dark = spot(p, 0.033, 1.632, 0.021, 0.016) + spot(p, -0.033, 1.632, 0.021, 0.016)
        dark += 0.7 * (spot(p, 0.033, 1.652, 0.028, 0.008) + spot(p, -0.033, 1.652, 0.028, 0.008))
        dark += 0.6 * spot(p, 0.0, 1.553, 0.028, 0.008)
        out = out * (1.0 - 0.62 * wp.min(dark, 1.0))
        stubble = wp.max(0.0, 1.0 - wp.abs(p[1] - 1.525) / 0.06)
        beard = hash3(1, 2, 3, state.seed)
        out = out * (1.0 - 0.5 * beard * stubble)
        cheek = spot(p, 0.045, 1.585, 0.03, 0.03) + spot(p, -0.045, 1.585, 0.03, 0.03)
        out = wp.cw_mul(out, wp.vec3(1.0 + 0.10 * cheek, 1.0 - 0.06 * cheek, 1.0 - 0.08 * cheek))
    return out


@wp.func
def matter(
    material: int, base: wp.vec3, rest: wp.vec3, n: wp.vec3, slope: wp.vec3, pixel_m: float, state: State
) -> Matter:
    """The surface at `rest`. base: his own colour there. n: world normal, slope: `relief` turned to world axes."""
    m = Matter()
    m.normal = wp.normalize(n - (slope - n * wp.dot(slope, n)))
    m.gloss = 0.03
    m.rough = 0.7
    m.metal = 0.0
    m.fuzz = 0.0
    s = state.seed
    colour = base * (1.0 + 0.10 * grain(rest, 3.5, pixel_m, s + wp.uint32(20)))
    fine = grain(rest, 70.0, pixel_m, s + wp.uint32(21))
    if material == TUNIC or material == CLOAK or material == TROUSERS:
        # warp and weft, faded where the sun and the belt have been, darker in the folds
        weave = wp.sin(rest[0] * 1500.0) * wp.sin(rest[1] * 1500.0) * shown(450.0, pixel_m)
        fold = fold_height(material, rest, pixel_m, state)
        faded = 0.5 + 0.5 * grain(rest, 7.0, pixel_m, s + wp.uint32(22))
        colour = colour * (1.0 + 0.10 * weave + 0.09 * fine + 12.0 * wp.clamp(fold, -0.02, 0.008))
        grey = (colour[0] + colour[1] + colour[2]) / 3.0
        colour = wp.lerp(colour, wp.vec3(grey, grey, grey) * 1.15, 0.30 * state.wear * faded)
        trim = hash3(7, 1, int(material), s)
        if material == TUNIC and trim > 0.45 and wp.abs(rest[1] - (0.50 + 0.1 * trim)) < 0.017:
            colour = wp.lerp(colour, wp.vec3(0.42, 0.34, 0.18) * (0.4 + trim), shown(25.0, pixel_m))
        if state.wear > 0.45:
            hole = noise(wp.vec3(rest[0] * 16.0, rest[1] * 9.0, rest[2] * 16.0), s + wp.uint32(23))
            colour = colour * (1.0 - 0.75 * wp.smoothstep(0.62, 0.72, hole) * (state.wear - 0.45) * 1.8)
        m.fuzz = 0.22
        m.rough = 0.85
    elif material == METAL:
        scratch = streaks(rest, wp.vec3(0.35, 1.0, 0.5), 130.0, pixel_m, s + wp.uint32(24))
        scratch += streaks(rest, wp.vec3(1.0, 0.3, 0.8), 90.0, pixel_m, s + wp.uint32(25))
        stain = 0.5 + 0.5 * grain(rest, 16.0, pixel_m, s + wp.uint32(26))
        rust = wp.smoothstep(0.55, 0.9, stain) * state.wear
        colour = colour * (1.0 + 0.22 * scratch - 0.25 * stain * state.wear)
        colour = wp.lerp(colour, wp.vec3(0.20, 0.085, 0.035), 0.75 * rust)
        m.metal = 1.0 - 0.9 * rust
        m.rough = wp.clamp(0.30 + 0.12 * stain + 0.30 * state.wear + 0.15 * wp.abs(scratch), 0.2, 0.95)
        m.gloss = 0.9
    elif material == LEATHER:
        crack = wp.smoothstep(0.35, 0.6, grain(rest, 55.0, pixel_m, s + wp.uint32(27)))
        colour = colour * (1.0 + 0.20 * fine - 0.35 * crack * (0.3 + state.wear))
        colour = colour * (1.0 + 0.35 * wp.max(0.0, grain(rest, 12.0, pixel_m, s + wp.uint32(28))))
        m.gloss = 0.05
        m.rough = 0.45 + 0.25 * state.wear
    elif material == WOOD:
        ring = streaks(rest, wp.vec3(1.0, 0.06, 1.0), 160.0, pixel_m, s + wp.uint32(29))
        colour = colour * (1.0 + 0.28 * ring + 0.06 * fine)
        m.gloss = 0.04
        m.rough = 0.55
    elif material == SKIN:
        colour = face(colour, rest, state)
        blush = 0.05 * grain(rest, 22.0, pixel_m, s + wp.uint32(30))
        colour = wp.cw_mul(colour, wp.vec3(1.0 + blush, 1.0 - blush, 1.0 - blush))
        m.gloss = 0.04
        m.rough = 0.5
    elif material == SHIELD:
        chip = grain(rest, 30.0, pixel_m, s + wp.uint32(31)) + 0.5 * grain(rest, 75.0, pixel_m, s + wp.uint32(32))
        cut = streaks(rest, wp.vec3(1.0, 0.12, 1.0), 55.0, pixel_m, s + wp.uint32(33))
        cut = wp.smoothstep(0.55, 0.75, cut) + wp.smoothstep(0.72 - 0.35 * state.wear, 1.0, chip)
        board = wp.vec3(0.24, 0.17, 0.09)
        plank = wp.abs(wp.sin(rest[0] * 30.0))
        colour = colour * (1.0 + 0.08 * fine - 0.10 * wp.smoothstep(0.9, 1.0, 1.0 - plank) * shown(20.0, pixel_m))
        colour = wp.lerp(colour, board, wp.min(cut, 1.0) * (0.25 + 0.65 * state.wear))
        m.gloss = 0.045
        m.rough = 0.5
    elif material == HAIR or material == MANE or material == CREST:
        strand = streaks(rest, wp.vec3(1.0, 0.15, 1.0), 120.0, pixel_m, s + wp.uint32(34))
        colour = colour * (1.0 + 0.35 * strand + 0.12 * fine)
        m.gloss = 0.05
        m.rough = 0.55
        m.fuzz = 0.12
    elif material == COAT:
        colour = colour * (1.0 + 0.10 * fine + 0.12 * grain(rest, 5.0, pixel_m, s + wp.uint32(35)))
        m.gloss = 0.045
        m.rough = 0.45
        m.fuzz = 0.10
    # mud climbs from the feet, dust lies on what looks up, blood spatters
    reach = 0.16 + 0.75 * state.mud
    patch = grain(rest, 9.0, pixel_m, s + wp.uint32(36)) + 0.5 * grain(rest, 28.0, pixel_m, s + wp.uint32(37))
    mud = wp.smoothstep(0.0, 1.0, (reach - rest[1]) / 0.45 + 0.55 * patch - 0.25) * wp.min(1.0, 0.15 + 1.4 * state.mud)
    soil = wp.vec3(0.085, 0.062, 0.040) * (1.0 + 0.3 * patch)
    colour = wp.lerp(colour, soil, 0.92 * mud)
    dust = wp.max(n[1], 0.0) * (0.06 + 0.25 * state.mud)
    colour = wp.lerp(colour, wp.vec3(0.30, 0.25, 0.18), dust * 0.5)
    m.metal = m.metal * (1.0 - mud)
    m.gloss = m.gloss * (1.0 - 0.8 * mud)
    if state.blood > 0.0:
        drop = grain(rest, 8.0, pixel_m, s + wp.uint32(38)) + 0.6 * grain(rest, 35.0, pixel_m, s + wp.uint32(39))
        stain = wp.smoothstep(1.05 - 0.8 * state.blood, 1.25 - 0.8 * state.blood, drop + 0.3)
        colour = wp.lerp(colour, wp.vec3(0.055, 0.010, 0.007), 0.85 * stain)
    m.albedo = wp.vec3(
        wp.clamp(colour[0], 0.006, 0.95), wp.clamp(colour[1], 0.006, 0.95), wp.clamp(colour[2], 0.006, 0.95)
    )
    return m

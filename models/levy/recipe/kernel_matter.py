# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""What the reference renderer's soldiers are made of: cloth, leather, metal, wood, skin, hair, paint; worn, muddy, bloody.

Functions of the place at rest, of his own number and of the pixel's width, as `kernel_relief`.
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS
from models.levy.recipe.kernel_relief import (
    CLOAK,
    COAT,
    LEATHER,
    MAIL,
    METAL,
    PLATES,
    SHIELD,
    SKIN,
    TROUSERS,
    TUNIC,
    WOOD,
    State,
    armour_here,
    fold_height,
    grain,
    hash3,
    ring,
    scale_at,
    shown,
    streaks,
)

wp.set_module_options(OPTIONS)


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


@wp.func
def spot(p: wp.vec3, x: float, y: float, half_x: float, half_y: float) -> float:
    """1 in the middle of a soft ellipse on the front, 0 outside."""
    a = (p[0] - x) / half_x
    b = (p[1] - y) / half_y
    return wp.max(0.0, 1.0 - a * a - b * b)


@wp.func
def face(colour: wp.vec3, p: wp.vec3, pixel_m: float, state: State) -> wp.vec3:
    """Sockets, brows, mouth, stubble and flush on the front of a head."""
    out = colour
    if p[1] > 1.49 and p[2] < -0.02:
        side = wp.abs(p[0])
        lips = spot(p, 0.0, 1.567, 0.027, 0.009)
        out = wp.lerp(out, wp.cw_mul(colour, wp.vec3(0.72, 0.42, 0.42)), wp.min(1.5 * lips, 1.0))
        line = spot(p, 0.0, 1.5675, 0.026, 0.0028)
        away = (side - 0.033) / 0.026
        socket = wp.max(0.0, 1.0 - away * away - wp.pow((p[1] - 1.645) / 0.018, 2.0))
        dark = 0.45 * socket + 0.6 * line * shown(90.0, pixel_m)
        brow = wp.max(0.0, 1.0 - away * away - wp.pow((p[1] - 1.6655 + 0.12 * (side - 0.03)) / 0.0065, 2.0))
        dark += 0.75 * wp.min(1.0, 1.6 * brow)
        nostril = wp.max(0.0, 1.0 - wp.pow((side - 0.010) / 0.007, 2.0) - wp.pow((p[1] - 1.595) / 0.006, 2.0))
        dark += 0.4 * nostril
        stubble = wp.smoothstep(1.600, 1.565, p[1]) * wp.smoothstep(1.50, 1.52, p[1])
        beard = hash3(1, 2, 3, state.seed)
        dark += 0.38 * beard * stubble * (1.0 - wp.min(1.0, 2.0 * lips))
        out = out * (1.0 - 0.85 * wp.min(dark, 1.0))
        cheek = spot(p, 0.045, 1.600, 0.03, 0.03) + spot(p, -0.045, 1.600, 0.03, 0.03) + spot(p, 0.0, 1.605, 0.02, 0.02)
        out = wp.cw_mul(out, wp.vec3(1.0 + 0.10 * cheek, 1.0 - 0.05 * cheek, 1.0 - 0.07 * cheek))
    return out


@wp.func
def cloth(m: Matter, material: int, colour: wp.vec3, p: wp.vec3, pixel_m: float, state: State) -> Matter:
    """Warp and weft; deep folds dark; hems worn, trimmed or frayed; faded, patched, torn."""
    s = state.seed
    weave = wp.sin(p[0] * 1500.0 + p[2] * 1500.0) * wp.sin(p[1] * 1500.0) * shown(450.0, pixel_m)
    fine = grain(p, 70.0, pixel_m, s + wp.uint32(21))
    fold = wp.clamp(fold_height(material, p, pixel_m, state), -0.02, 0.012)
    out = colour * (1.0 + 0.10 * weave + 0.16 * fine + 26.0 * fold)
    faded = 0.5 + 0.5 * grain(p, 3.0, pixel_m, s + wp.uint32(22))
    grey = (out[0] + out[1] + out[2]) / 3.0
    out = wp.lerp(out, wp.vec3(grey, grey, grey) * 1.15, 0.45 * state.wear * faded)
    # squares sewn over what was torn
    cell = p * 7.0 + wp.vec3(0.3, 0.3, 0.3) * grain(p, 9.0, pixel_m, s + wp.uint32(44))
    sewn = hash3(int(wp.floor(cell[0])), int(wp.floor(cell[1])), int(wp.floor(cell[2])), s + wp.uint32(45))
    if sewn < 0.22 * state.wear:
        piece = 0.55 + 0.9 * hash3(int(wp.floor(cell[0])), int(wp.floor(cell[1])), 3, s)
        out = wp.lerp(out, out * piece, shown(7.0, pixel_m))
    trim = hash3(7, 1, int(material), s)
    band = float(0.0)
    if material == TUNIC and trim > 0.4:
        band = 1.0 - wp.smoothstep(0.014, 0.020, wp.abs(p[1] - (0.605 + 0.03 * trim)))
    elif material == CLOAK and trim > 0.5:
        band = 1.0 - wp.smoothstep(0.020, 0.028, wp.abs(p[1] - 0.41))
    gold = wp.vec3(0.42, 0.32, 0.15) * (0.4 + trim)
    zig = 0.75 + 0.25 * wp.sign(wp.sin((p[0] + p[2]) * 190.0)) * shown(60.0, pixel_m)
    out = wp.lerp(out, gold * zig, band * shown(22.0, pixel_m))
    if state.wear > 0.45:
        hole = grain(wp.vec3(p[0], p[1] * 0.55, p[2]), 15.0, pixel_m, s + wp.uint32(23))
        rag = wp.smoothstep(0.52, 0.60, hole + 0.25 * wp.smoothstep(0.75, 0.5, p[1])) * (state.wear - 0.45) * 1.7
        out = out * (1.0 - 0.8 * wp.min(rag, 1.0))
    m.albedo = out
    m.fuzz = 0.20
    m.rough = 0.85
    return m


@wp.func
def iron(m: Matter, colour: wp.vec3, p: wp.vec3, pixel_m: float, state: State) -> Matter:
    """Smooth work, mail or scales; scratched, stained, rusty."""
    s = state.seed
    kind = armour_here(p, state)
    stain = 0.5 + 0.5 * grain(p, 11.0, pixel_m, s + wp.uint32(26))
    rust = wp.smoothstep(0.60, 0.95, stain) * state.wear
    m.rough = 0.24 + 0.10 * stain + 0.28 * state.wear
    if kind == MAIL:
        keep = shown(66.0, pixel_m)
        colour = colour * wp.lerp(0.60, 0.22 + 0.95 * ring(p), keep)
        colour = colour * (1.0 + 26.0 * wp.clamp(fold_height(METAL, p, pixel_m, state) - 0.001, -0.006, 0.006))
        m.rough = m.rough + 0.22 * (1.0 - keep) + 0.05
    elif kind == PLATES:
        edge = scale_at(p)
        keep = shown(24.0, pixel_m)
        one = hash3(int(wp.floor(p[1] * 23.0)), int(wp.floor((wp.abs(p[0]) + 0.6 * p[2]) * 27.0)), 9, s)
        colour = colour * wp.lerp(0.85, (0.35 + 0.65 * wp.smoothstep(0.0, 0.22, edge[1])) * (0.8 + 0.35 * one), keep)
        m.rough = m.rough + 0.10 * one
    else:
        scratch = streaks(p, wp.vec3(0.30, 1.0, 0.5), 120.0, pixel_m, s + wp.uint32(24))
        scratch += streaks(p, wp.vec3(1.0, 0.25, 0.8), 80.0, pixel_m, s + wp.uint32(25))
        line = wp.smoothstep(0.45, 0.7, wp.abs(scratch))
        colour = colour * (1.0 + 0.07 * scratch + 0.30 * line * (0.3 + state.wear) - 0.45 * stain * (0.4 + state.wear))
        m.rough = m.rough + 0.10 * wp.abs(scratch)
    m.albedo = wp.lerp(colour, wp.vec3(0.17, 0.075, 0.035), 0.7 * rust)
    m.metal = 1.0 - 0.9 * rust
    m.rough = wp.clamp(m.rough, 0.2, 0.95)
    m.gloss = wp.lerp(0.9, 0.03, rust)
    return m


@wp.func
def hide(m: Matter, colour: wp.vec3, p: wp.vec3, pixel_m: float, state: State) -> Matter:
    """Leather: worn pale where it bends, stitched boots with dark soles; the eyes, which are boxes of it, white and iris."""
    s = state.seed
    fine = grain(p, 60.0, pixel_m, s + wp.uint32(21))
    crack = wp.smoothstep(0.35, 0.6, grain(p, 50.0, pixel_m, s + wp.uint32(27)))
    out = colour * (1.0 + 0.18 * fine - 0.34 * crack * (0.2 + state.wear))
    out = out * (1.0 + 0.30 * wp.max(0.0, grain(p, 9.0, pixel_m, s + wp.uint32(28))))
    if p[1] < 0.45 and wp.abs(p[0]) < 0.25:
        sole = wp.smoothstep(0.030, 0.016, p[1])
        cuff = 1.0 - wp.smoothstep(0.008, 0.016, wp.abs(p[1] - 0.37))
        out = out * (1.0 - 0.65 * sole) * (1.0 + 0.35 * cuff * shown(40.0, pixel_m))
    m.gloss = 0.05
    m.rough = 0.45 + 0.25 * state.wear
    if p[1] > 1.63 and p[1] < 1.66 and p[2] < -0.065 and wp.abs(p[0]) < 0.055:
        white = wp.smoothstep(0.0055, 0.0085, wp.abs(wp.abs(p[0]) - 0.031)) * wp.smoothstep(1.652, 1.648, p[1])
        out = wp.lerp(wp.vec3(0.035, 0.025, 0.018), wp.vec3(0.42, 0.38, 0.34), white * shown(60.0, pixel_m))
        m.rough = 0.25
    m.albedo = out
    return m


@wp.func
def board(m: Matter, colour: wp.vec3, p: wp.vec3, pixel_m: float, state: State) -> Matter:
    """A painted shield: planks under the paint, cuts and knocked-off flakes where it is worn."""
    s = state.seed
    flake = grain(p, 9.0, pixel_m, s + wp.uint32(31)) + 0.45 * grain(p, 34.0, pixel_m, s + wp.uint32(32))
    cut = streaks(p, wp.vec3(1.0, 0.10, 1.0), 40.0, pixel_m, s + wp.uint32(33))
    gone = wp.smoothstep(0.62, 0.74, cut) * state.wear
    gone += wp.smoothstep(1.15 - 0.55 * state.wear, 1.25 - 0.55 * state.wear, flake)
    wood = wp.vec3(0.24, 0.17, 0.09) * (1.0 + 0.2 * cut)
    gap = wp.smoothstep(0.93, 1.0, wp.abs(wp.cos(p[0] * 26.0))) * shown(20.0, pixel_m)
    out = colour * (1.0 + 0.05 * flake) * (1.0 - 0.14 * gap)
    m.albedo = wp.lerp(out, wood, wp.min(gone, 1.0) * 0.85)
    m.gloss = 0.045
    m.rough = 0.45 + 0.2 * state.wear
    return m


@wp.func
def coat(m: Matter, colour: wp.vec3, p: wp.vec3, pixel_m: float, state: State) -> Matter:
    """A horse's: short and glossy, dark below the knee or with white socks, dappled on some."""
    s = state.seed
    lie = streaks(p, wp.vec3(1.0, 0.4, 0.3), 60.0, pixel_m, s + wp.uint32(21))
    out = colour * (1.0 + 0.08 * lie + 0.10 * grain(p, 3.0, pixel_m, s + wp.uint32(35)))
    points = hash3(9, 1, 1, s)
    low = wp.smoothstep(0.50, 0.25, p[1])
    if points < 0.5:
        out = out * (1.0 - 0.7 * low)
    elif points > 0.75:
        out = wp.lerp(out, wp.vec3(0.55, 0.52, 0.47), wp.smoothstep(0.36, 0.30, p[1]) * wp.smoothstep(0.05, 0.08, p[1]))
    if hash3(9, 2, 1, s) > 0.7:
        dapple = wp.smoothstep(0.15, 0.5, grain(p, 15.0, pixel_m, s + wp.uint32(36)))
        out = wp.lerp(out, out * 1.5, 0.45 * dapple)
    m.albedo = out
    m.gloss = 0.06
    m.rough = 0.42
    m.fuzz = 0.10
    return m


@wp.func
def soiled(m: Matter, p: wp.vec3, n: wp.vec3, pixel_m: float, state: State) -> Matter:
    """Grime darkens in patches, mud climbs from the feet in splashes, dust lies on everything and most on what looks up,
    blood spatters."""
    s = state.seed
    broad = grain(p, 5.0, pixel_m, s + wp.uint32(36))
    splash = grain(p, 19.0, pixel_m, s + wp.uint32(37))
    grime = state.wear * wp.clamp(0.50 + 0.80 * broad + 0.65 * splash, 0.0, 1.0)
    colour = wp.cw_mul(m.albedo, wp.lerp(wp.vec3(1.0, 1.0, 1.0), wp.vec3(0.46, 0.40, 0.33), 0.92 * grime))
    reach = 0.02 + 1.10 * state.mud
    above = (reach - p[1]) / (0.10 + 0.35 * state.mud)
    mud = wp.smoothstep(-0.2, 0.9, above + 0.9 * broad + 0.4 * splash) * wp.min(1.0, 0.2 + 1.1 * state.mud)
    drops = wp.smoothstep(0.30, 0.48, splash) * wp.smoothstep(-3.0, 0.3, above) * wp.max(0.0, state.mud - 0.3)
    mud = wp.min(1.0, mud + 1.6 * drops)
    soil = wp.vec3(0.080, 0.058, 0.038) * (1.0 + 0.35 * broad + 0.2 * splash)
    colour = wp.lerp(colour, soil, 0.95 * mud)
    dust = state.dust * wp.clamp(0.38 + 0.50 * broad + 0.45 * splash + 0.35 * wp.max(n[1], 0.0), 0.0, 0.9)
    colour = wp.lerp(colour, wp.vec3(0.29, 0.235, 0.165), 0.9 * dust)
    hidden = wp.max(mud, 0.9 * dust)
    m.metal = m.metal * (1.0 - hidden)
    m.gloss = wp.lerp(m.gloss, 0.03, hidden)
    m.rough = wp.lerp(m.rough, 0.75, hidden)
    if state.blood > 0.0:
        drop = 0.6 * grain(p, 3.0, pixel_m, s + wp.uint32(38)) + 0.8 * grain(p, 26.0, pixel_m, s + wp.uint32(39))
        stain = wp.smoothstep(1.02 - 0.66 * state.blood, 1.22 - 0.66 * state.blood, drop + 0.15)
        stain = wp.lerp(0.22 * state.blood, stain, shown(6.0, pixel_m))
        colour = wp.lerp(colour, wp.vec3(0.062, 0.010, 0.007), 0.88 * stain)
        m.metal = m.metal * (1.0 - 0.8 * stain)
        m.gloss = wp.lerp(m.gloss, 0.05, stain)
    m.albedo = wp.vec3(
        wp.clamp(colour[0], 0.006, 0.95), wp.clamp(colour[1], 0.006, 0.95), wp.clamp(colour[2], 0.006, 0.95)
    )
    return m


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
    uneven = 0.22 * grain(rest, 3.5, pixel_m, s + wp.uint32(20)) + 0.25 * grain(rest, 7.0, pixel_m, s + wp.uint32(43))
    uneven += 0.28 * grain(rest, 13.0, pixel_m, s + wp.uint32(41)) + 0.24 * grain(
        rest, 32.0, pixel_m, s + wp.uint32(42)
    )
    uneven = uneven * (1.1 + 0.8 * state.wear)
    if material == SKIN or material == SHIELD or material == COAT:
        uneven = 0.5 * uneven
    colour = base * (1.0 + uneven)
    m.albedo = colour
    if material == TUNIC or material == CLOAK or material == TROUSERS:
        m = cloth(m, material, colour, rest, pixel_m, state)
    elif material == METAL:
        m = iron(m, colour, rest, pixel_m, state)
    elif material == LEATHER:
        m = hide(m, colour, rest, pixel_m, state)
    elif material == WOOD:
        year = streaks(rest, wp.vec3(1.0, 0.06, 1.0), 90.0, pixel_m, s + wp.uint32(29))
        m.albedo = colour * (1.0 + 0.22 * year)
        m.gloss = 0.04
        m.rough = 0.55
    elif material == SKIN:
        blush = 0.03 * grain(rest, 12.0, pixel_m, s + wp.uint32(30))
        m.albedo = wp.cw_mul(face(colour, rest, pixel_m, state), wp.vec3(1.0 + blush, 1.0 - blush, 1.0 - blush))
        m.gloss = 0.04
        m.rough = 0.5
    elif material == SHIELD:
        m = board(m, colour, rest, pixel_m, state)
    elif material == COAT:
        m = coat(m, colour, rest, pixel_m, state)
    else:
        strand = streaks(rest, wp.vec3(1.0, 0.15, 1.0), 120.0, pixel_m, s + wp.uint32(34))
        clump = streaks(rest, wp.vec3(1.0, 0.3, 1.0), 34.0, pixel_m, s + wp.uint32(40))
        m.albedo = colour * (1.0 + 0.28 * strand + 0.28 * clump)
        m.gloss = 0.05
        m.rough = 0.5
        m.fuzz = 0.10
    return soiled(m, rest, n, pixel_m, state)

# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""A layer into the plate with the plate's own edge: spread, fringe, vignette, light wrap, over and grain.

`rows_kernel` spreads along x into a strip that stays in the cache, `blend_kernel` along y and does all the rest, down to
the finished half floats. Premultiplied throughout; light and alpha are spread by the same weights.
"""

from __future__ import annotations

import warp as wp

from composer.comp.kernel_grain import deviation
from composer.comp.kernel_over import half_of, is_over, taken_of, to_half
from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)

HALF_MOST = wp.constant(65504.0)


@wp.struct
class Spread:
    """weight: [side, n], of R, G, B; first: [side], the first tap of each. One such for x, one for y; taps outside of the
    layer take its edge."""

    weight: wp.array2d(dtype=wp.vec3)
    first: wp.array(dtype=wp.vec3i)


@wp.struct
class Pictures:
    """As in `composite`; sun, sky, share: as in `Shade`. layer begins at (top, left). own: the crowd's part of a layer that the
    place is in too (parted), as large as that. busy, near: blocks of the picture that may be touched, and those that are read
    for them."""

    plate: wp.array2d(dtype=wp.vec3)
    layer: wp.array2d(dtype=wp.vec4)
    own: wp.array2d(dtype=wp.vec4)
    sun: wp.array2d(dtype=float)
    sky: wp.array2d(dtype=float)
    share: wp.vec3
    matte: wp.array2d(dtype=float)
    busy: wp.array2d(dtype=wp.uint8)
    near: wp.array2d(dtype=wp.uint8)
    around: wp.array2d(dtype=wp.vec4)
    top: int
    left: int
    block: int
    fringed: int
    held: int
    parted: int


@wp.struct
class Strip:
    """What `rows_kernel` leaves for `blend_kernel`: rgb and green's alpha; alpha of red and blue; sun and sky that are taken and
    how much of the pixel no matte covers. own, own_sides: of the crowd's part. noise: filtered along x, [rank, rows, columns].
    row: of the layer that is its first."""

    light: wp.array2d(dtype=wp.vec4)
    sides: wp.array2d(dtype=wp.vec2)
    own: wp.array2d(dtype=wp.vec4)
    own_sides: wp.array2d(dtype=wp.vec2)
    rest: wp.array2d(dtype=wp.vec3)
    noise: wp.array3d(dtype=wp.vec3)
    row: int


@wp.struct
class Finish:
    """vignette, middle, corner: light by r, r = 1 in the corner. wrap: its strength; step: pixels of the plate to one of
    `around`, which begins at (around_y, around_x). tap: of the noise along y [rank, n]; mix, level, variance: as in
    `Grain`."""

    vignette: wp.vec3
    middle: wp.vec2
    corner: float
    wrap: float
    step: float
    around_y: float
    around_x: float
    grain: int
    tap: wp.array2d(dtype=wp.vec3)
    mix: wp.mat33
    level: wp.array(dtype=float)
    variance: wp.array2d(dtype=float)


@wp.struct
class Results:
    """As `over_kernel` writes them; all zero before, so that much of it is never touched. around: the place's part of a parted
    layer, as `crowd`. taken: of the picture's size where a matte has anything."""

    rgb: wp.array3d(dtype=wp.uint16)
    crowd: wp.array3d(dtype=wp.uint16)
    around: wp.array3d(dtype=wp.uint16)
    shadow: wp.array3d(dtype=wp.uint16)
    touched: wp.array2d(dtype=wp.uint8)
    soft: wp.array2d(dtype=wp.uint8)
    taken: wp.array3d(dtype=wp.uint16)
    clipped: wp.array2d(dtype=int)


@wp.kernel
def rows_kernel(pictures: Pictures, along: Spread, strip: Strip):
    """dim (rows of the strip, columns of the layer)."""
    j, i = wp.tid()
    h = pictures.layer.shape[0]
    w = pictures.layer.shape[1]
    row = wp.clamp(strip.row + j, 0, h - 1)
    y = pictures.top + row
    if pictures.near[y / pictures.block, (pictures.left + i) / pictures.block] == wp.uint8(0):
        return
    light = wp.vec4(0.0, 0.0, 0.0, 0.0)
    rest = wp.vec3(0.0, 0.0, 0.0)
    first = along.first[i]
    red = float(0.0)
    blue = float(0.0)
    own = wp.vec4(0.0, 0.0, 0.0, 0.0)
    own_sides = wp.vec2(0.0, 0.0)
    for k in range(along.weight.shape[1]):
        weight = along.weight[i, k]
        at = wp.clamp(first[1] + k, 0, w - 1)
        part = pictures.layer[row, at]
        seen = float(1.0)
        if pictures.held != 0:
            seen = 1.0 - pictures.matte[y, pictures.left + at]
        x = pictures.left + at
        rest += weight[1] * wp.vec3(pictures.sun[y, x], pictures.sky[y, x], seen)
        if pictures.parted != 0:
            mine = pictures.own[row, at]
            if pictures.fringed != 0:
                r = pictures.own[row, wp.clamp(first[0] + k, 0, w - 1)]
                b = pictures.own[row, wp.clamp(first[2] + k, 0, w - 1)]
                own += wp.vec4(weight[0] * r[0], weight[1] * mine[1], weight[2] * b[2], weight[1] * mine[3])
                own_sides += wp.vec2(weight[0] * r[3], weight[2] * b[3])
            else:
                own += weight[1] * mine
        if pictures.fringed != 0:
            r = pictures.layer[row, wp.clamp(first[0] + k, 0, w - 1)]
            b = pictures.layer[row, wp.clamp(first[2] + k, 0, w - 1)]
            light += wp.vec4(weight[0] * r[0], weight[1] * part[1], weight[2] * b[2], weight[1] * part[3])
            red += weight[0] * r[3]
            blue += weight[2] * b[3]
        else:
            light += weight[1] * part
    strip.light[j, i] = light
    strip.rest[j, i] = rest
    if pictures.fringed != 0:
        strip.sides[j, i] = wp.vec2(red, blue)
    if pictures.parted != 0:
        strip.own[j, i] = own
        if pictures.fringed != 0:
            strip.own_sides[j, i] = own_sides


@wp.func
def light_around(around: wp.array2d(dtype=wp.vec4), y: float, x: float) -> wp.vec4:
    """Bilinear, centres at +0.5; the edge is kept beyond."""
    v = wp.clamp(y - 0.5, 0.0, float(around.shape[0] - 1))
    u = wp.clamp(x - 0.5, 0.0, float(around.shape[1] - 1))
    j = int(v)
    i = int(u)
    below = wp.min(j + 1, around.shape[0] - 1)
    right = wp.min(i + 1, around.shape[1] - 1)
    t = u - float(i)
    s = v - float(j)
    upper = around[j, i] * (1.0 - t) + around[j, right] * t
    lower = around[below, i] * (1.0 - t) + around[below, right] * t
    return upper * (1.0 - s) + lower * s


@wp.func
def put_half(value: float, clipped: wp.array2d(dtype=int), y: int, column: int) -> wp.uint16:
    """As `half_of`; what is clipped is counted in (y, column), where that is not below 0."""
    bits = wp.cast(wp.float16(value), wp.uint16)
    if (bits & wp.uint16(0x7C00)) != wp.uint16(0x7C00):
        return bits
    if column >= 0:
        clipped[y, column] += is_over(value)
    return half_of(value)


@wp.func
def plate_only(pictures: Pictures, out: Results, y: int, x: int):
    """The rest of `out` is zero already."""
    light = pictures.plate[y, x]
    for k in range(3):
        out.rgb[y, x, k] = put_half(light[k], out.clipped, y, 0)


@wp.kernel
def blend_kernel(row0: int, pictures: Pictures, down: Spread, strip: Strip, finish: Finish, out: Results):
    """dim (rows, W), the first of them row0 of the picture; the strip's noise begins half a filter above it."""
    j, x = wp.tid()
    y = row0 + j
    row = y - pictures.top
    i = x - pictures.left
    h = pictures.layer.shape[0]
    inside = row >= 0 and row < h and i >= 0 and i < pictures.layer.shape[1]
    if not inside or pictures.busy[y / pictures.block, x / pictures.block] == wp.uint8(0):
        plate_only(pictures, out, y, x)
        return
    light = wp.vec3(0.0, 0.0, 0.0)
    cover = wp.vec3(0.0, 0.0, 0.0)
    mine = wp.vec3(0.0, 0.0, 0.0)
    mine_cover = wp.vec3(0.0, 0.0, 0.0)
    rest = wp.vec3(0.0, 0.0, 0.0)
    first = down.first[row]
    for k in range(down.weight.shape[1]):
        weight = down.weight[row, k]
        at = first[1] + k - strip.row
        part = strip.light[at, i]
        rest += weight[1] * strip.rest[at, i]
        if pictures.parted != 0:
            own_part = strip.own[at, i]
            r = first[0] + k - strip.row
            b = first[2] + k - strip.row
            if pictures.fringed != 0:
                mine += wp.vec3(weight[0] * strip.own[r, i][0], weight[1] * own_part[1], weight[2] * strip.own[b, i][2])
                mine_cover += wp.vec3(
                    weight[0] * strip.own_sides[r, i][0], weight[1] * own_part[3], weight[2] * strip.own_sides[b, i][1]
                )
            else:
                mine += weight[1] * wp.vec3(own_part[0], own_part[1], own_part[2])
                mine_cover += weight[1] * wp.vec3(own_part[3], own_part[3], own_part[3])
        if pictures.fringed != 0:
            r = first[0] + k - strip.row
            b = first[2] + k - strip.row
            light += wp.vec3(weight[0] * strip.light[r, i][0], weight[1] * part[1], weight[2] * strip.light[b, i][2])
            cover += wp.vec3(weight[0] * strip.sides[r, i][0], weight[1] * part[3], weight[2] * strip.sides[b, i][1])
        else:
            light += weight[1] * wp.vec3(part[0], part[1], part[2])
            cover += weight[1] * wp.vec3(part[3], part[3], part[3])
    # An actor in front is as sharp as his matte: what was spread over him is cut, what he hid is made up for.
    if pictures.held != 0:
        kept = (1.0 - pictures.matte[y, x]) / wp.max(rest[2], 1.0e-3)
        if rest[2] < 1.0e-3:
            kept = 0.0
        light *= kept
        cover *= kept
        mine *= kept
        mine_cover *= kept
        rest *= kept
    a16 = wp.float16(wp.min(wp.max(cover[0], wp.max(cover[1], cover[2])), 1.0))
    a = float(a16)
    dark = wp.vec3(0.0, 0.0, 0.0)
    if rest[0] > 0.0 or rest[1] > 0.0:
        dark = to_half(taken_of(rest[0], rest[1], pictures.share))
    s = wp.max(dark)
    if a <= 0.0 and s <= 0.0:
        plate_only(pictures, out, y, x)
        return
    dy = (float(y) + 0.5 - finish.middle[1]) / finish.corner
    dx = (float(x) + 0.5 - finish.middle[0]) / finish.corner
    r2 = dx * dx + dy * dy
    fall = 1.0 + r2 * (finish.vignette[0] + r2 * (finish.vignette[1] + r2 * finish.vignette[2]))
    light *= fall
    mine *= fall
    if finish.wrap > 0.0 and a > 0.0:
        near = light_around(
            pictures.around, (float(y) + 0.5 - finish.around_y) / finish.step,
            (float(x) + 0.5 - finish.around_x) / finish.step,
        )  # fmt: skip
        leak = wp.vec3(near[0], near[1], near[2])
        light = light * (1.0 - finish.wrap * near[3]) + finish.wrap * wp.cw_mul(cover, leak)
        mine = mine * (1.0 - finish.wrap * near[3]) + finish.wrap * wp.cw_mul(mine_cover, leak)
    noise = wp.vec3(0.0, 0.0, 0.0)
    if finish.grain != 0 and a > 0.0:
        for r in range(finish.tap.shape[0]):
            for k in range(finish.tap.shape[1]):
                noise += wp.cw_mul(finish.tap[r, k], strip.noise[r, j + k, i])
        # The plate's grain under it is left by (1 - a)^2 of its variance: this adds the rest.
        noise = finish.mix * noise * wp.sqrt(a * (2.0 - a))
    back = pictures.plate[y, x]
    # What of the pixel's coverage is the crowd's, in half precision too: the rest of everything is the place's.
    share = float(1.0)
    of_crowd = a
    if pictures.parted != 0:
        total = cover[0] + cover[1] + cover[2]
        share = 0.0
        if total > 0.0:
            share = wp.clamp((mine_cover[0] + mine_cover[1] + mine_cover[2]) / total, 0.0, 1.0)
        of_crowd = float(wp.float16(a * share))
    edge = int(0)
    if pictures.matte[y, x] > 0.0:
        edge = 1
    for k in range(3):
        put_half(back[k], out.clipped, y, 0)
        own = float(0.0)
        crowd = mine[k]
        if a > 0.0:
            own = light[k]
            if pictures.fringed != 0:
                shown = wp.max(a - cover[k], 0.0) * (1.0 - dark[k]) * back[k]
                own += shown
                crowd += share * shown
        value = back[k] * ((1.0 - a) * (1.0 - dark[k])) + own
        if finish.grain != 0 and a > 0.0:
            grain = noise[k] * deviation(finish.level, finish.variance, k, value)
            own += grain
            crowd += share * grain
            value += grain
        column = int(1)
        if edge != 0:
            column = -1
        out.rgb[y, x, k] = put_half(value, out.clipped, y, column)
        if pictures.parted == 0:
            out.crowd[y, x, k] = put_half(own, out.clipped, y, -1)
        else:
            if not of_crowd > 0.0:
                crowd = 0.0
            out.crowd[y, x, k] = put_half(crowd, out.clipped, y, -1)
            out.around[y, x, k] = put_half(own - crowd, out.clipped, y, -1)
        if dark[k] < s:
            out.shadow[y, x, k] = put_half(back[k] * (s - dark[k]), out.clipped, y, -1)
        if edge != 0:
            out.taken[y, x, k] = wp.cast(wp.float16(dark[k]), wp.uint16)
    out.crowd[y, x, 3] = wp.cast(wp.float16(of_crowd), wp.uint16)
    if pictures.parted != 0:
        out.around[y, x, 3] = wp.cast(wp.float16(a - of_crowd), wp.uint16)
    out.shadow[y, x, 3] = wp.cast(wp.float16(s), wp.uint16)
    out.touched[y, x] = wp.uint8(1)
    out.soft[y, x] = wp.uint8(edge)

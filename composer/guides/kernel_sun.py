# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels of the sun: depth maps of the crowd as the sun sees it.

The maps are a few levels of rising texel size. A level's texel grid is fixed in the world, so shadows do not crawl from
frame to frame. Beside each map lie tiles of 8 x 8 texels with (sum of caster depths, number of casters), blurred,
from which a receiver learns cheaply that nothing is near, or how far its blockers are (the penumbra).
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_scan import edges_of, first_pixel, last_pixel, snapped
from composer.guides.kernel_view import OPTIONS, Draws, Meshes

wp.set_module_options(OPTIONS)

FAR = wp.constant(1.0e9)
TILE = 8


@wp.struct
class SunLevel:
    """One map: texel (i, j) covers off + (i, j) * texel along the sun's axes; off is next to the camera, whatever the crowd
    does, so that one soldier's move changes no rounding anywhere else. x0, y0: the map's first texel, a multiple of 8.
    limit_m: distance from the camera up to which it serves. first / first_tile: where it starts in the flat arrays."""

    texel_m: float
    per_m: float
    off_u: float
    off_v: float
    x0: int
    y0: int
    limit_m: float
    width: int
    height: int
    first: int
    first_tile: int


@wp.struct
class Sun:
    """axis_u, axis_v span the map; toward points to the sun. depth is measured along -toward. spread: tangent of the
    sun's angular radius. levels 0: no shadows at all."""

    axis_u: wp.vec3
    axis_v: wp.vec3
    toward: wp.vec3
    spread: float
    levels: int
    level: wp.array(dtype=SunLevel)
    depth: wp.array(dtype=float)
    tile: wp.array(dtype=wp.vec2)


@wp.func
def scan_depth(
    a: wp.vec3, b: wp.vec3, c: wp.vec3, row0: int, row1: int, level: SunLevel, target: wp.array(dtype=float)
):
    """One triangle (texel x, texel y, depth), either winding, into texel rows row0..row1; least depth wins."""
    # most triangles of small figures hold no texel's middle: seen without rounding to 1/256
    low = wp.min(a[1], wp.min(b[1], c[1])) - 0.52
    high = wp.max(a[1], wp.max(b[1], c[1])) - 0.48
    if wp.ceil(low) > high or low > float(row1) or high < float(row0 - 1):
        return
    low = wp.min(a[0], wp.min(b[0], c[0])) - 0.52
    if wp.ceil(low) > wp.max(a[0], wp.max(b[0], c[0])) - 0.48:
        return
    k = snapped(a, b, c)
    if k.area == wp.int64(0):
        return
    # texels with their middle in the triangle's box
    half = wp.int64(128)
    y0 = wp.max(first_pixel(k.ay, k.by, k.cy, half), row0)
    y1 = wp.min(last_pixel(k.ay, k.by, k.cy, half), row1 - 1)
    x0 = wp.max(first_pixel(k.ax, k.bx, k.cx, half), level.x0)
    x1 = wp.min(last_pixel(k.ax, k.bx, k.cx, half), level.x0 + level.width - 1)
    if y1 < y0 or x1 < x0:
        return
    e = edges_of(k)
    full = wp.int64(256)
    zero = wp.int64(0)
    iu = k.za * e.inverse_area
    iv = k.zb * e.inverse_area
    iw = k.zc * e.inverse_area
    y = int(y0)
    while y <= y1:
        sx = wp.int64(x0) * full + half
        sy = wp.int64(y) * full + half
        u = e.u0 + e.ux * sx + e.uy * sy
        v = e.v0 + e.vx * sx + e.vy * sy
        w = e.w0 + e.wx * sx + e.wy * sy
        cell = level.first + (y - level.y0) * level.width + x0 - level.x0
        x = int(x0)
        while x <= x1:
            if (u | v | w) >= zero:
                wp.atomic_min(target, cell, float(u) * iu + float(v) * iv + float(w) * iw)
            u += full * e.ux
            v += full * e.vx
            w += full * e.wx
            cell += 1
            x += 1
        y += 1


@wp.func
def sun_place(sun: Sun, level: SunLevel, p: wp.vec3) -> wp.vec3:
    """A rel point in texels of a level, and its depth along the sun's rays in metres."""
    return in_texels(level, wp.vec3(wp.dot(sun.axis_u, p), wp.dot(sun.axis_v, p), -wp.dot(sun.toward, p)))


@wp.func
def in_texels(level: SunLevel, p: wp.vec3) -> wp.vec3:
    """`sun_place` of a point in metres along the sun's axes (`Draws.sunward`)."""
    return wp.vec3((p[0] - level.off_u) * level.per_m, (p[1] - level.off_v) * level.per_m, p[2])


@wp.kernel
def sun_raster_kernel(
    meshes: Meshes, draws: Draws, sun: Sun, number: int, slots: wp.array(dtype=int), lanes: int, row0: int, row1: int,
    target: wp.array(dtype=float),
):  # fmt: skip
    """dim (slots listed, lanes): their sunlit sides into rows row0..row1 of a level."""
    item, lane = wp.tid()
    slot = slots[item]
    level = sun.level[number]
    mesh = draws.mesh[slot]
    first = meshes.first_tri[mesh]
    count = meshes.tris[mesh]
    base = draws.first_vertex[slot]
    t = int(lane)
    while t < count:
        v = meshes.tri[first + t]
        a = draws.sunward[base + v[0]]
        b = draws.sunward[base + v[1]]
        c = draws.sunward[base + v[2]]
        if (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0:
            scan_depth(
                in_texels(level, a), in_texels(level, b), in_texels(level, c), level.y0 + row0, level.y0 + row1, level,
                target,
            )  # fmt: skip
        t += lanes


@wp.kernel
def tile_kernel(sun: Sun, number: int, row0: int, tile: wp.array(dtype=wp.vec2)):
    """dim (tile rows, tile columns): sum of caster depths and number of casters in 8 x 8 texels."""
    j, i = wp.tid()
    j += row0
    level = sun.level[number]
    total = float(0.0)
    count = float(0.0)
    for b in range(8):
        row = level.first + (j * 8 + b) * level.width + i * 8
        for a in range(8):
            d = sun.depth[row + a]
            if d < FAR:
                total += d
                count += 1.0
    tile[level.first_tile + j * (level.width // 8) + i] = wp.vec2(total, count)


@wp.kernel
def tile_blur_kernel(
    sun: Sun, number: int, row0: int, source: wp.array(dtype=wp.vec2), target: wp.array(dtype=wp.vec2)
):
    """dim (tile rows, tile columns): 5 x 5 tent."""
    j, i = wp.tid()
    j += row0
    level = sun.level[number]
    nx = level.width // 8
    ny = level.height // 8
    total = wp.vec2(0.0, 0.0)
    for b in range(-2, 3):
        y = j + b
        if y >= 0 and y < ny:
            for a in range(-2, 3):
                x = i + a
                if x >= 0 and x < nx:
                    total += source[level.first_tile + y * nx + x] * float((3 - wp.abs(a)) * (3 - wp.abs(b)))
    target[level.first_tile + j * nx + i] = total


@wp.func
def texel(sun: Sun, level: SunLevel, i: int, j: int) -> float:
    d = FAR
    x = i - level.x0
    y = j - level.y0
    if x >= 0 and y >= 0 and x < level.width and y < level.height:
        d = sun.depth[level.first + y * level.width + x]
    return d


@wp.func
def blocked(sun: Sun, level: SunLevel, x: float, y: float, depth: float) -> float:
    """Share of four texels around (x, y) that stand before `depth`, bilinear."""
    gx = x - 0.5
    gy = y - 0.5
    fx = wp.floor(gx)
    fy = wp.floor(gy)
    i = int(fx)
    j = int(fy)
    u = gx - fx
    v = gy - fy
    top = float(0.0)
    if texel(sun, level, i, j) < depth:
        top += 1.0 - u
    if texel(sun, level, i + 1, j) < depth:
        top += u
    low = float(0.0)
    if texel(sun, level, i, j + 1) < depth:
        low += 1.0 - u
    if texel(sun, level, i + 1, j + 1) < depth:
        low += u
    return top * (1.0 - v) + low * v


@wp.func
def blocked_inside(sun: Sun, level: SunLevel, x: float, y: float, depth: float) -> float:
    """`blocked`, bit for bit, where all four texels are known to lie in the map."""
    gx = x - 0.5
    gy = y - 0.5
    fx = wp.floor(gx)
    fy = wp.floor(gy)
    u = gx - fx
    v = gy - fy
    k = level.first + (int(fy) - level.y0) * level.width + int(fx) - level.x0
    top = float(0.0)
    if sun.depth[k] < depth:
        top += 1.0 - u
    if sun.depth[k + 1] < depth:
        top += u
    low = float(0.0)
    if sun.depth[k + level.width] < depth:
        low += 1.0 - u
    if sun.depth[k + level.width + 1] < depth:
        low += u
    return top * (1.0 - v) + low * v


@wp.func
def level_of(sun: Sun, distance: float) -> int:
    k = int(0)
    while k < sun.levels - 1 and distance > sun.level[k].limit_m:
        k += 1
    return k


@wp.func
def tile_at(sun: Sun, level: SunLevel, x: float, y: float) -> wp.vec2:
    """Blurred (depth sum, count) at texel place (x, y), bilinear between tile centres."""
    nx = level.width // 8
    ny = level.height // 8
    gx = x / 8.0 - 0.5
    gy = y / 8.0 - 0.5
    i = int(wp.floor(gx))
    j = int(wp.floor(gy))
    total = wp.vec2(0.0, 0.0)
    i0 = i - level.x0 / 8
    j0 = j - level.y0 / 8
    for b in range(2):
        for a in range(2):
            if i0 + a >= 0 and i0 + a < nx and j0 + b >= 0 and j0 + b < ny:
                u = 1.0 - wp.abs(gx - float(i + a))
                v = 1.0 - wp.abs(gy - float(j + b))
                total += sun.tile[level.first_tile + (j0 + b) * nx + i0 + a] * (u * v)
    return total


@wp.func
def tent_block(sun: Sun, level: SunLevel, q: wp.vec3, depth: float) -> float:
    """Share of a 3 x 3 tent of a level's texels around q that stand before `depth`."""
    # the tent over bilinear texels comes to four weights an axis
    gx = q[0] - 0.5
    gy = q[1] - 0.5
    i = int(wp.floor(gx))
    j = int(wp.floor(gy))
    u = gx - float(i)
    v = gy - float(j)
    across = wp.vec4(1.0 - u, 2.0 - u, 1.0 + u, u)
    down = wp.vec4(1.0 - v, 2.0 - v, 1.0 + v, v)
    hit = float(0.0)
    for b in range(4):
        row = float(0.0)
        for a in range(4):
            if texel(sun, level, i + a - 1, j + b - 1) < depth:
                row += across[a]
        hit += row * down[b]
    return hit / 16.0


@wp.func
def surface_sun(sun: Sun, p: wp.vec3, normal: wp.vec3) -> float:
    """How much of the sun reaches a surface point of the crowd: 1 lit, 0 in shadow. A 3 x 3 tent of the level's
    texels."""
    if sun.levels == 0:
        return 1.0
    level = sun.level[level_of(sun, wp.length(p))]
    q = sun_place(sun, level, p + normal * (1.2 * level.texel_m + 0.004))
    return 1.0 - tent_block(sun, level, q, q[2] - 0.012 - 0.6 * level.texel_m)


@wp.func
def piece_sun(sun: Sun, p: wp.vec3, normal: wp.vec3) -> float:
    """The same for a piece of the place: on a wide plane the tent's outer texels lie 2.8 texels off along the slope, and the
    step along the normal makes up for that at any angle."""
    if sun.levels == 0:
        return 1.0
    level = sun.level[level_of(sun, wp.length(p))]
    q = sun_place(sun, level, p + normal * (2.8 * level.texel_m + 0.01))
    return 1.0 - tent_block(sun, level, q, q[2] - 0.012 - 0.2 * level.texel_m)

"""Warp kernels of the sun: depth maps of the crowd as the sun sees it, what they block on the ground, and contact.

The maps are a few levels of rising texel size. A level's texel grid is fixed in the world, so shadows do not crawl from
frame to frame. Beside each map lie tiles of 8 x 8 texels with (sum of caster depths, number of casters), blurred, from which
a receiver learns cheaply that nothing is near, or how far its blockers are (the penumbra).
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_raster import LIMIT_PX, fixed
from composer.guides.kernel_view import Draws, Eye, Meshes, pixel_ray, to_world

wp.set_module_options({"enable_backward": False})

FAR = wp.constant(1.0e9)
TILE = 8


@wp.struct
class SunLevel:
    """One map: texel (i, j) covers off + (i, j) * texel along the sun's axes. limit_m: distance from the camera up to
    which it serves. first / first_tile: where it starts in the flat arrays."""

    texel_m: float
    per_m: float
    off_u: float
    off_v: float
    limit_m: float
    width: int
    height: int
    first: int
    first_tile: int


@wp.struct
class Sun:
    """axis_u, axis_v span the map; toward points to the sun. depth is measured along -toward. spread: tangent of the sun's
    angular radius. levels 0: no shadows at all."""

    axis_u: wp.vec3
    axis_v: wp.vec3
    toward: wp.vec3
    spread: float
    levels: int
    level: wp.array(dtype=SunLevel)
    depth: wp.array(dtype=float)
    tile: wp.array(dtype=wp.vec2)


@wp.struct
class Feet:
    """Contact: agents by ground cell, each listed in every cell that its circle touches. cell_m: a cell's side."""

    x0: float
    z0: float
    inv_cell: float
    nx: int
    nz: int
    start: wp.array(dtype=int)
    item: wp.array(dtype=int)
    body: wp.array(dtype=wp.vec3)
    left: wp.array(dtype=wp.vec3)
    right: wp.array(dtype=wp.vec3)
    scale: wp.array(dtype=float)


@wp.func
def scan_depth(
    a: wp.vec3, b: wp.vec3, c: wp.vec3, row0: int, row1: int, width: int, first: int, target: wp.array(dtype=float)
):
    """One triangle (texel x, texel y, depth), either winding, least depth wins."""
    big = wp.max(wp.max(wp.abs(a[0]), wp.abs(a[1])), wp.max(wp.abs(b[0]), wp.abs(b[1])))
    big = wp.max(big, wp.max(wp.abs(c[0]), wp.abs(c[1])))
    if not (big < LIMIT_PX):
        return
    ax = fixed(a[0])
    ay = fixed(a[1])
    bx = fixed(b[0])
    by = fixed(b[1])
    cx = fixed(c[0])
    cy = fixed(c[1])
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == wp.int64(0):
        return
    zb = b[2]
    zc = c[2]
    if area > wp.int64(0):
        tx = bx
        ty = by
        bx = cx
        by = cy
        cx = tx
        cy = ty
        zb = c[2]
        zc = b[2]
        area = -area
    eight = wp.int64(8)
    y0 = wp.max(int(wp.min(ay, wp.min(by, cy)) >> eight), row0)
    y1 = wp.min(int(wp.max(ay, wp.max(by, cy)) >> eight), row1 - 1)
    x0 = wp.max(int(wp.min(ax, wp.min(bx, cx)) >> eight), 0)
    x1 = wp.min(int(wp.max(ax, wp.max(bx, cx)) >> eight), width - 1)
    if y1 < y0 or x1 < x0:
        return
    ux = cy - by
    uy = bx - cx
    vx = ay - cy
    vy = cx - ax
    wx = by - ay
    wy = ax - bx
    half = wp.int64(128)
    full = wp.int64(256)
    zero = wp.int64(0)
    u0 = ux * (half - bx) + uy * (half - by)
    v0 = vx * (half - cx) + vy * (half - cy)
    w0 = wx * (half - ax) + wy * (half - ay)
    inverse_area = -1.0 / float(area)
    for y in range(y0, y1 + 1):
        sy = wp.int64(y) * full
        for x in range(x0, x1 + 1):
            sx = wp.int64(x) * full
            u = u0 + ux * sx + uy * sy
            v = v0 + vx * sx + vy * sy
            w = w0 + wx * sx + wy * sy
            if u >= zero and v >= zero and w >= zero:
                depth = (float(u) * a[2] + float(v) * zb + float(w) * zc) * inverse_area
                wp.atomic_min(target, first + y * width + x, depth)


@wp.func
def sun_place(sun: Sun, level: SunLevel, p: wp.vec3) -> wp.vec3:
    """A rel point in texels of a level, and its depth along the sun's rays in metres."""
    return wp.vec3(
        (wp.dot(sun.axis_u, p) - level.off_u) * level.per_m,
        (wp.dot(sun.axis_v, p) - level.off_v) * level.per_m,
        -wp.dot(sun.toward, p),
    )


@wp.kernel(enable_backward=False)
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
        a = draws.rel[base + v[0]]
        b = draws.rel[base + v[1]]
        c = draws.rel[base + v[2]]
        if wp.dot(wp.cross(b - a, c - a), sun.toward) > 0.0:
            scan_depth(
                sun_place(sun, level, a), sun_place(sun, level, b), sun_place(sun, level, c),
                row0, row1, level.width, level.first, target,
            )  # fmt: skip
        t += lanes


@wp.kernel(enable_backward=False)
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


@wp.kernel(enable_backward=False)
def tile_blur_kernel(sun: Sun, number: int, row0: int, source: wp.array(dtype=wp.vec2), target: wp.array(dtype=wp.vec2)):
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
    if i >= 0 and j >= 0 and i < level.width and j < level.height:
        d = sun.depth[level.first + j * level.width + i]
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
    hit = float(0.0)
    if texel(sun, level, i, j) < depth:
        hit += (1.0 - u) * (1.0 - v)
    if texel(sun, level, i + 1, j) < depth:
        hit += u * (1.0 - v)
    if texel(sun, level, i, j + 1) < depth:
        hit += (1.0 - u) * v
    if texel(sun, level, i + 1, j + 1) < depth:
        hit += u * v
    return hit


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
    for b in range(2):
        for a in range(2):
            if i + a >= 0 and i + a < nx and j + b >= 0 and j + b < ny:
                u = 1.0 - wp.abs(gx - float(i + a))
                v = 1.0 - wp.abs(gy - float(j + b))
                total += sun.tile[level.first_tile + (j + b) * nx + i + a] * (u * v)
    return total


@wp.func
def surface_sun(sun: Sun, p: wp.vec3, normal: wp.vec3) -> float:
    """How much of the sun reaches a surface point of the crowd: 1 lit, 0 in shadow. A 3 x 3 tent of the level's texels."""
    if sun.levels == 0:
        return 1.0
    number = level_of(sun, wp.length(p))
    level = sun.level[number]
    q = sun_place(sun, level, p + normal * (1.2 * level.texel_m + 0.004))
    depth = q[2] - 0.012 - 0.6 * level.texel_m
    hit = float(0.0)
    for b in range(-1, 2):
        for a in range(-1, 2):
            weight = float((2 - wp.abs(a)) * (2 - wp.abs(b))) / 16.0
            hit += weight * blocked(sun, level, q[0] + float(a), q[1] + float(b), depth)
    return 1.0 - hit


@wp.func
def ground_block(
    sun: Sun, number: int, p: wp.vec3, along_x: wp.vec3, along_y: wp.vec3, tap: wp.array(dtype=wp.vec4)
) -> float:
    """The share of sunlight taken from a ground point, filtered over the pixel's footprint and the sun's disc."""
    level = sun.level[number]
    q = sun_place(sun, level, p)
    ex = sun_place(sun, level, p + along_x) - q
    ey = sun_place(sun, level, p + along_y) - q
    long_x = wp.max(wp.abs(ex[0]), wp.abs(ex[1]))
    long_y = wp.max(wp.abs(ey[0]), wp.abs(ey[1]))
    if long_x > 64.0:
        ex = ex * (64.0 / long_x)
    if long_y > 64.0:
        ey = ey * (64.0 / long_y)
        long_y = 64.0
    stat = wp.vec2(0.0, 0.0)
    steps = int(long_y / 12.0) + 1
    for s in range(-steps, steps + 1):
        if steps > 1 or s == 0:
            t = float(s) / float(steps)
            stat += tile_at(sun, level, q[0] + ey[0] * t, q[1] + ey[1] * t)
    if stat[1] <= 0.0:
        return 0.0
    gap = wp.max(q[2] - stat[0] / stat[1], 0.0)
    radius = wp.clamp(sun.spread * gap * level.per_m, 0.75, 9.0)
    depth = q[2] - 0.02
    # a small filter needs fewer taps: they lie denser than the texels either way
    first = int(0)
    n = int(12)
    if long_x + long_y + radius > 4.0:
        first = 12
        n = tap.shape[0] - 12
    hit = float(0.0)
    for k in range(n):
        o = tap[first + k]
        x = q[0] + ex[0] * o[0] + ey[0] * o[1] + radius * o[2]
        y = q[1] + ex[1] * o[0] + ey[1] * o[1] + radius * o[3]
        d = depth + ex[2] * o[0] + ey[2] * o[1]
        hit += blocked(sun, level, x, y, d)
    return hit / float(n)


@wp.func
def bump(offset: wp.vec3, radius: float) -> float:
    """1 at the middle, smoothly 0 at `radius` and beyond."""
    q = 1.0 - wp.dot(offset, offset) / (radius * radius)
    share = float(0.0)
    if q > 0.0:
        share = q * q * q
    return share


@wp.func
def contact_at(feet: Feet, p: wp.vec3) -> float:
    """The share of sky light that the soldiers near a ground point take: a body's broad shade and each foot's close one."""
    i = int(wp.floor((p[0] - feet.x0) * feet.inv_cell))
    j = int(wp.floor((p[2] - feet.z0) * feet.inv_cell))
    if i < 0 or j < 0 or i >= feet.nx or j >= feet.nz:
        return 0.0
    first = feet.start[j * feet.nx + i]
    last = feet.start[j * feet.nx + i + 1]
    open = float(1.0)
    for k in range(first, last):
        slot = feet.item[k]
        scale = feet.scale[slot]
        open *= 1.0 - 0.34 * bump(p - feet.body[slot], 0.85 * scale)
        open *= 1.0 - 0.6 * bump(p - feet.left[slot], 0.3 * scale)
        open *= 1.0 - 0.6 * bump(p - feet.right[slot], 0.3 * scale)
    return 1.0 - open


@wp.func
def crowding_at(feet: Feet, p: wp.vec3) -> float:
    """How tightly neighbours stand around a soldier at p, 0 alone to 1 in a press."""
    i = int(wp.floor((p[0] - feet.x0) * feet.inv_cell))
    j = int(wp.floor((p[2] - feet.z0) * feet.inv_cell))
    total = float(0.0)
    if i >= 0 and j >= 0 and i < feet.nx and j < feet.nz:
        for k in range(feet.start[j * feet.nx + i], feet.start[j * feet.nx + i + 1]):
            d = wp.length(p - feet.body[feet.item[k]])
            if d > 0.05:
                total += wp.max(0.0, 1.0 - d / 1.5)
    return wp.min(total / 2.0, 1.0)


@wp.kernel(enable_backward=False)
def crowding_kernel(feet: Feet, crowding: wp.array(dtype=float)):
    slot = wp.tid()
    crowding[slot] = crowding_at(feet, feet.body[slot])


@wp.kernel(enable_backward=False)
def ground_point_kernel(eye: Eye, depth_m: wp.array2d(dtype=float), row0: int, point: wp.array2d(dtype=wp.vec3)):
    """dim (rows, W): the ground point that each pixel's centre sees, rel; NaN where there is none."""
    y, x = wp.tid()
    y += row0
    d = depth_m[y, x]
    p = wp.vec3(wp.nan, wp.nan, wp.nan)
    if d < FAR:
        p = to_world(eye, pixel_ray(eye, float(x) + 0.5, float(y) + 0.5) * d)
    point[y, x] = p


@wp.kernel(enable_backward=False)
def plane_kernel(eye: Eye, normal: wp.vec3, height: float, row0: int, depth_m: wp.array2d(dtype=float)):
    """dim (rows, W): planar depth of the plane dot(normal, rel) = height; inf where the ray misses it."""
    y, x = wp.tid()
    y += row0
    d = height / wp.dot(normal, to_world(eye, pixel_ray(eye, float(x) + 0.5, float(y) + 0.5)))
    depth_m[y, x] = wp.inf
    if d > 0.0 and d < 1.0e6:
        depth_m[y, x] = d


@wp.func
def shorter(here: wp.vec3, before: wp.vec3, after: wp.vec3) -> wp.vec3:
    """The shorter of the two steps from a ground point to its neighbours, so that a crest does not stretch it."""
    a = here - before
    b = after - here
    step = wp.vec3(0.0, 0.0, 0.0)
    la = wp.dot(a, a)
    lb = wp.dot(b, b)
    if la > 0.0 and (la <= lb or not (lb > 0.0)):
        step = a
    elif lb > 0.0:
        step = b
    return step


@wp.func
def settle(share: float) -> float:
    """Shares below 1/512 become exactly 0, and the step to them is smooth."""
    low = 1.0 / 512.0
    t = wp.clamp((share - low) / (2.0 * low), 0.0, 1.0)
    return wp.min(share * t * t * (3.0 - 2.0 * t), 1.0)


@wp.kernel(enable_backward=False)
def ground_kernel(
    sun: Sun, feet: Feet, point: wp.array2d(dtype=wp.vec3), depth_m: wp.array2d(dtype=float),
    holdout_alpha: wp.array3d(dtype=float), holdout_depth: wp.array3d(dtype=float), tap: wp.array(dtype=wp.vec4), row0: int,
    shadow: wp.array2d(dtype=float), contact: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): shadow and contact on the ground, after holdouts."""
    y, x = wp.tid()
    y += row0
    p = point[y, x]
    if not (p[0] == p[0]):
        return
    h = point.shape[0]
    w = point.shape[1]
    along_x = shorter(p, point[y, wp.max(x - 1, 0)], point[y, wp.min(x + 1, w - 1)])
    along_y = shorter(p, point[wp.max(y - 1, 0), x], point[wp.min(y + 1, h - 1), x])
    dark = float(0.0)
    if sun.levels > 0:
        distance = wp.length(p)
        number = level_of(sun, distance)
        dark = ground_block(sun, number, p, along_x, along_y, tap)
        limit = sun.level[number].limit_m
        t = (distance / limit - 0.85) / 0.15
        if number < sun.levels - 1 and t > 0.0:
            dark = dark * (1.0 - t) + ground_block(sun, number + 1, p, along_x, along_y, tap) * t
    near = float(0.0)
    n = wp.clamp(int(wp.ceil(wp.length(along_y) / 0.15)), 1, 12)
    for k in range(n):
        near += contact_at(feet, p + along_y * ((float(k) + 0.5) / float(n) - 0.5))
    near = near / float(n)
    clear = float(1.0)
    for k in range(holdout_alpha.shape[0]):
        d = holdout_depth[k, wp.min(y, holdout_depth.shape[1] - 1), wp.min(x, holdout_depth.shape[2] - 1)]
        if depth_m[y, x] > d:
            clear *= 1.0 - holdout_alpha[k, y, x]
    shadow[y, x] = settle(dark) * clear
    contact[y, x] = settle(near) * clear

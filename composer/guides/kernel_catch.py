# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels of the ground: where it lies behind each pixel, and the sunlight and sky light that the crowd takes
from it."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_sun import FAR, Sun, blocked, blocked_inside, level_of, sun_place, tile_at
from composer.guides.kernel_view import OPTIONS, Eye, pixel_ray, to_world

wp.set_module_options(OPTIONS)


@wp.struct
class Feet:
    """Contact: agents by ground cell, each listed in every cell that its circle touches. The cells are the world's, counted
    from the one at the camera, (x0, z0) its corner; the first here is (i0, j0). So one soldier's move changes nobody's
    cell. inv_cell: cells a metre. An item is a pair of feet with the body over them: the first `people` of them are the
    slots', then come the pairs that some have more (a horse's)."""

    x0: float
    z0: float
    inv_cell: float
    i0: int
    j0: int
    nx: int
    nz: int
    people: int
    start: wp.array(dtype=int)
    item: wp.array(dtype=int)
    body: wp.array(dtype=wp.vec3)
    left: wp.array(dtype=wp.vec3)
    right: wp.array(dtype=wp.vec3)
    scale: wp.array(dtype=float)


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
    s = int(-steps)
    while s < steps + 1:
        if steps > 1 or s == 0:
            t = float(s) / float(steps)
            stat += tile_at(sun, level, q[0] + ey[0] * t, q[1] + ey[1] * t)
        s += 1
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
    reach = wp.abs(ex[0]) + wp.abs(ex[1]) + wp.abs(ey[0]) + wp.abs(ey[1]) + 1.2 * radius + 2.0
    qx = q[0] - float(level.x0)
    qy = q[1] - float(level.y0)
    inside = wp.min(qx, qy) > reach and qx + reach < float(level.width) and qy + reach < float(level.height)
    hit = float(0.0)
    k = int(0)
    while k < n:
        o = tap[first + k]
        x = q[0] + ex[0] * o[0] + ey[0] * o[1] + radius * o[2]
        y = q[1] + ex[1] * o[0] + ey[1] * o[1] + radius * o[3]
        d = depth + ex[2] * o[0] + ey[2] * o[1]
        if inside:
            hit += blocked_inside(sun, level, x, y, d)
        else:
            hit += blocked(sun, level, x, y, d)
        k += 1
    return hit / float(n)


@wp.func
def likely_block(sun: Sun, p: wp.vec3) -> float:
    """`ground_block` for ground that nobody sees: one tap."""
    number = level_of(sun, wp.length(p))
    q = sun_place(sun, sun.level[number], p)
    return blocked(sun, sun.level[number], q[0], q[1], q[2] - 0.02)


@wp.func
def bump(offset: wp.vec3, radius: float) -> float:
    """1 at the middle, smoothly 0 at `radius` and beyond."""
    share = float(0.0)
    far = wp.dot(offset, offset)
    if far < radius * radius:
        q = 1.0 - far / (radius * radius)
        share = q * q * q
    return share


@wp.func
def contact_at(feet: Feet, p: wp.vec3) -> float:
    """The share of sky light that the soldiers near a ground point take: a body's broad shade and each foot's close
    one."""
    i = int(wp.floor((p[0] - feet.x0) * feet.inv_cell)) - feet.i0
    j = int(wp.floor((p[2] - feet.z0) * feet.inv_cell)) - feet.j0
    if i < 0 or j < 0 or i >= feet.nx or j >= feet.nz:
        return 0.0
    first = feet.start[j * feet.nx + i]
    last = feet.start[j * feet.nx + i + 1]
    open = float(1.0)
    k = int(first)
    while k < last:
        slot = feet.item[k]
        scale = feet.scale[slot]
        open *= 1.0 - 0.34 * bump(p - feet.body[slot], 0.85 * scale)
        open *= 1.0 - 0.6 * bump(p - feet.left[slot], 0.3 * scale)
        open *= 1.0 - 0.6 * bump(p - feet.right[slot], 0.3 * scale)
        k += 1
    return 1.0 - open


@wp.func
def crowding_at(feet: Feet, p: wp.vec3) -> float:
    """How tightly neighbours stand around a soldier at p, 0 alone to 1 in a press."""
    i = int(wp.floor((p[0] - feet.x0) * feet.inv_cell)) - feet.i0
    j = int(wp.floor((p[2] - feet.z0) * feet.inv_cell)) - feet.j0
    total = float(0.0)
    if i >= 0 and j >= 0 and i < feet.nx and j < feet.nz:
        k = int(feet.start[j * feet.nx + i])
        while k < feet.start[j * feet.nx + i + 1]:
            d = wp.length(p - feet.body[feet.item[k]])
            if d > 0.05 and feet.item[k] < feet.people:
                total += wp.max(0.0, 1.0 - d / 1.5)
            k += 1
    return wp.min(total / 2.0, 1.0)


@wp.kernel
def crowding_kernel(feet: Feet, crowding: wp.array(dtype=float)):
    slot = wp.tid()
    crowding[slot] = crowding_at(feet, feet.body[slot])


@wp.kernel
def ground_point_kernel(eye: Eye, depth_m: wp.array2d(dtype=float), row0: int, point: wp.array2d(dtype=wp.vec3)):
    """dim (rows, W): the ground point that each pixel's centre sees, rel; NaN where there is none."""
    y, x = wp.tid()
    y += row0
    d = depth_m[y, x]
    p = wp.vec3(wp.nan, wp.nan, wp.nan)
    if d < FAR:
        p = to_world(eye, pixel_ray(eye, float(x) + 0.5, float(y) + 0.5) * d)
    point[y, x] = p


@wp.kernel
def surface_kernel(
    sun: Sun, eye: Eye, surface_m: wp.array2d(dtype=float), tap: wp.array(dtype=wp.vec4), row0: int,
    shadow: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): the share of sunlight taken from what stands at these planar depths (inf: nothing), which is taken to face
    the camera."""
    y, x = wp.tid()
    y += row0
    d = surface_m[y, x]
    shadow[y, x] = 0.0
    if d < FAR and sun.levels > 0:
        p = to_world(eye, pixel_ray(eye, float(x) + 0.5, float(y) + 0.5) * d)
        along_x = to_world(eye, wp.vec3(d / eye.fx, 0.0, 0.0))
        along_y = to_world(eye, wp.vec3(0.0, d / eye.fy, 0.0))
        number = level_of(sun, wp.length(p))
        shadow[y, x] = settle(ground_block(sun, number, p, along_x, along_y, tap))


@wp.kernel
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


@wp.kernel
def ground_kernel(
    sun: Sun, feet: Feet, point: wp.array2d(dtype=wp.vec3), depth_m: wp.array2d(dtype=float),
    holdout_alpha: wp.array3d(dtype=float), holdout_depth: wp.array3d(dtype=float), tap: wp.array(dtype=wp.vec4),
    full: wp.array2d(dtype=wp.uint8), row0: int, shadow: wp.array2d(dtype=float), contact: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): shadow and contact on the ground, after holdouts; roughly where the crowd hides it wholly."""
    y, x = wp.tid()
    y += row0
    p = point[y, x]
    if p[0] != p[0]:
        return
    h = point.shape[0]
    w = point.shape[1]
    dark = float(0.0)
    near = float(0.0)
    if full[y, x] != wp.uint8(0):
        if sun.levels > 0:
            dark = likely_block(sun, p)
        near = contact_at(feet, p)
    else:
        along_x = shorter(p, point[y, wp.max(x - 1, 0)], point[y, wp.min(x + 1, w - 1)])
        along_y = shorter(p, point[wp.max(y - 1, 0), x], point[wp.min(y + 1, h - 1), x])
        if sun.levels > 0:
            distance = wp.length(p)
            number = level_of(sun, distance)
            dark = ground_block(sun, number, p, along_x, along_y, tap)
            limit = sun.level[number].limit_m
            t = (distance / limit - 0.85) / 0.15
            if number < sun.levels - 1 and t > 0.0:
                dark = dark * (1.0 - t) + ground_block(sun, number + 1, p, along_x, along_y, tap) * t
        n = wp.clamp(int(wp.ceil(wp.length(along_y) / 0.15)), 1, 12)
        k = int(0)
        while k < n:
            near += contact_at(feet, p + along_y * ((float(k) + 0.5) / float(n) - 0.5))
            k += 1
        near = near / float(n)
    clear = float(1.0)
    k = int(0)
    while k < holdout_alpha.shape[0]:
        d = holdout_depth[k, wp.min(y, holdout_depth.shape[1] - 1), wp.min(x, holdout_depth.shape[2] - 1)]
        if depth_m[y, x] > d:
            clear *= 1.0 - holdout_alpha[k, y, x]
        k += 1
    shadow[y, x] = settle(dark) * clear
    contact[y, x] = settle(near) * clear

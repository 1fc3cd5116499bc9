# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels that read the rays of `kernel_air` at the depths of a picture: of its soldiers, its pieces and its plate."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.func
def read_ray(
    y: int, x: int, depth: float, count: wp.array2d(dtype=int), node: wp.array3d(dtype=float), curve: wp.array3d(dtype=wp.vec4)
) -> wp.vec4:  # fmt: skip
    """A ray's curve at a depth: within a step the air is taken for even."""
    n = count[y, x]
    out = wp.vec4(0.0, 0.0, 0.0, 1.0)
    if n > 0 and depth > node[y, x, 0]:
        k = n - 1
        if depth >= node[y, x, k]:
            out = curve[y, x, k]
        else:
            low = int(0)
            while k - low > 1:
                mid = (low + k) / 2
                if node[y, x, mid] <= depth:
                    low = mid
                else:
                    k = mid
            a = curve[y, x, low]
            b = curve[y, x, k]
            f = (depth - node[y, x, low]) / wp.max(node[y, x, k] - node[y, x, low], 1.0e-9)
            share = f
            ratio = b[3] / wp.max(a[3], 1.0e-9)
            if ratio < 0.98:
                share = (1.0 - wp.pow(ratio, f)) / (1.0 - ratio)
            out = a + (b - a) * share
    return out


@wp.struct
class Rays:
    """The four rays around a pixel, and their shares."""

    y0: int
    y1: int
    x0: int
    x1: int
    u: float
    v: float
    any: int


@wp.func
def rays_of(x: int, y: int, every: int, row0: int, count: wp.array2d(dtype=int), rows: int) -> Rays:
    r = Rays()
    gx = (float(x) + 0.5) / float(every) - 0.5
    gy = (float(y) + 0.5) / float(every) - 0.5
    i = int(wp.floor(gx))
    j = int(wp.floor(gy))
    r.u = gx - float(i)
    r.v = gy - float(j)
    r.x0 = wp.clamp(i, 0, count.shape[1] - 1)
    r.x1 = wp.clamp(i + 1, 0, count.shape[1] - 1)
    r.y0 = wp.clamp(j, 0, rows - 1) - row0
    r.y1 = wp.clamp(j + 1, 0, rows - 1) - row0
    r.any = count[r.y0, r.x0] + count[r.y0, r.x1] + count[r.y1, r.x0] + count[r.y1, r.x1]
    return r


@wp.func
def air_at(
    r: Rays, depth: float, count: wp.array2d(dtype=int), node: wp.array3d(dtype=float), curve: wp.array3d(dtype=wp.vec4)
) -> wp.vec4:  # fmt: skip
    """RGB of the air up to a depth, and what it lets through. Next to nothing becomes nothing, and the step to it is smooth."""
    top = read_ray(r.y0, r.x0, depth, count, node, curve) * (1.0 - r.u)
    top += read_ray(r.y0, r.x1, depth, count, node, curve) * r.u
    low = read_ray(r.y1, r.x0, depth, count, node, curve) * (1.0 - r.u)
    low += read_ray(r.y1, r.x1, depth, count, node, curve) * r.u
    a = top * (1.0 - r.v) + low * r.v
    less = 1.0 / 1024.0
    t = wp.clamp((1.0 - a[3] - less) / (2.0 * less), 0.0, 1.0)
    keep = t * t * (3.0 - 2.0 * t)
    if (1.0 - a[3]) * keep < 1.0e-5:
        keep = 0.0
    return wp.vec4(a[0] * keep, a[1] * keep, a[2] * keep, 1.0 - (1.0 - a[3]) * keep)


@wp.struct
class Seen:
    """What stands in the picture: samples behind each pixel (start [H W + 1]), nearest first. air: takes what is before each,
    where it has room."""

    start: wp.array(dtype=wp.int64)
    depth: wp.array(dtype=float)
    coverage: wp.array(dtype=float)
    rgb: wp.array(dtype=wp.vec3)
    air: wp.array(dtype=wp.vec4)


@wp.struct
class Through:
    """rgb, meant: what is left of the samples' own light, and of what they should add up to; cover; glow: the air's before
    them."""

    rgb: wp.vec3
    glow: wp.vec3


@wp.func
def through_air(
    s: Seen, p: int, whole: wp.vec3, r: Rays, count: wp.array2d(dtype=int), node: wp.array3d(dtype=float),
    curve: wp.array3d(dtype=wp.vec4),
) -> Through:  # fmt: skip
    """A pixel's samples through the air before each of them. whole: what they add up to in the picture (after grading)."""
    out = Through()
    a = int(s.start[p])
    b = int(s.start[p + 1])
    cover = float(0.0)
    left = float(0.0)
    total = wp.vec3(0.0, 0.0, 0.0)
    last = float(-1.0)
    air = wp.vec4(0.0, 0.0, 0.0, 1.0)
    for e in range(a, b):
        if s.depth[e] != last:
            last = s.depth[e]
            air = air_at(r, last, count, node, curve)
        if s.air.shape[0] > 0:
            s.air[e] = air
        share = s.coverage[e]
        cover += share
        left += share * air[3]
        total += s.rgb[e]
        out.rgb += s.rgb[e] * air[3]
        out.glow += wp.vec3(air[0], air[1], air[2]) * share
    mean = float(1.0)
    if cover > 0.0:
        mean = left / cover
    out.rgb += (whole - total) * mean
    return out


@wp.kernel
def through_kernel(
    row0: int, every: int, ray0: int, rows: int, count: wp.array2d(dtype=int), node: wp.array3d(dtype=float),
    curve: wp.array3d(dtype=wp.vec4), crowd: Seen, place: Seen, placed: int, crowd_rgb: wp.array2d(dtype=wp.vec3),
    place_rgb: wp.array2d(dtype=wp.vec3), cover: wp.array2d(dtype=float), behind_m: wp.array2d(dtype=float),
    matte: wp.array3d(dtype=float), matte_m: wp.array(dtype=float),
    front: wp.array2d(dtype=wp.vec3), back: wp.array2d(dtype=wp.vec4), before: wp.array2d(dtype=wp.vec4),
):  # fmt: skip
    """dim (rows, W), from row0; the rays' rows begin at ray0 of `rows`. crowd_rgb, place_rgb: what is seen of both, in and out.
    cover: of both together. behind_m: the plate's own depth. matte, matte_m: [K, H, W] and their planar depths, the nearest
    first. front: RGB of the air before crowd and place, by coverage. back: RGB and what is let through as far as the plate.
    before: the same as far as the nearest matte in the pixel; 0 0 0 1 where there is none."""
    y, x = wp.tid()
    y += row0
    r = rays_of(x, y, every, ray0, count, rows)
    before[y, x] = wp.vec4(0.0, 0.0, 0.0, 1.0)
    back[y, x] = wp.vec4(0.0, 0.0, 0.0, 1.0)
    front[y, x] = wp.vec3(0.0, 0.0, 0.0)
    if r.any == 0:
        return
    p = y * cover.shape[1] + x
    if cover[y, x] > 0.0:
        own = through_air(crowd, p, crowd_rgb[y, x], r, count, node, curve)
        crowd_rgb[y, x] = own.rgb
        glow = own.glow
        if placed != 0:
            around = through_air(place, p, place_rgb[y, x], r, count, node, curve)
            place_rgb[y, x] = around.rgb
            glow += around.glow
        front[y, x] = glow
    if cover[y, x] < 1.0 or crowd.air.shape[0] > 0:
        back[y, x] = air_at(r, behind_m[y, x], count, node, curve)
    k = int(0)
    while k < matte.shape[0]:
        if matte[k, y, x] > 0.0:
            before[y, x] = air_at(r, wp.min(matte_m[k], behind_m[y, x]), count, node, curve)
            k = matte.shape[0]
        k += 1

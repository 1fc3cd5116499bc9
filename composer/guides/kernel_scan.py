# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp functions that draw one triangle into a buffer of samples, and what the sun's maps share of that.

Vertices are snapped to 1/256 pixel and edges are integers: shared edges leave no gaps, whatever the band.
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS, Eye, camera_to_pixel

wp.set_module_options(OPTIONS)

LIMIT_PX = wp.constant(3.0e6)
#: An edge value that no step brings back to the inside.
NEVER = wp.constant(wp.int64(-(1 << 62)))


@wp.func
def fixed(x: float) -> wp.int64:
    """Pixels to 1/256 pixel, rounded (halves away from zero)."""
    half = float(0.5)
    if x < 0.0:
        half = -0.5
    return wp.int64(int(x * 256.0 + half))


@wp.struct
class Corners:
    """A triangle in 1/256 pixel, turned to be clockwise on the picture (y down): then `area`, twice its own, is below 0;
    it is 0 for what cannot be drawn. back: 1 where it had to be turned. za .. zc: what its corners carry."""

    ax: wp.int64
    ay: wp.int64
    bx: wp.int64
    by: wp.int64
    cx: wp.int64
    cy: wp.int64
    area: wp.int64
    back: int
    za: float
    zb: float
    zc: float


@wp.struct
class Edges:
    """Edge k is >= 0 inside: k(x, y) = k0 + kx * x + ky * y, in 1/256 pixel from the picture's corner. Over the area they are
    the weights of a, b and c."""

    ux: wp.int64
    uy: wp.int64
    vx: wp.int64
    vy: wp.int64
    wx: wp.int64
    wy: wp.int64
    u0: wp.int64
    v0: wp.int64
    w0: wp.int64
    inverse_area: float


@wp.func
def snapped(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> Corners:
    """A triangle of (x, y, what it carries) on the grid."""
    k = Corners()
    big = wp.max(wp.max(wp.abs(a[0]), wp.abs(a[1])), wp.max(wp.abs(b[0]), wp.abs(b[1])))
    big = wp.max(big, wp.max(wp.abs(c[0]), wp.abs(c[1])))
    if not (big < LIMIT_PX):
        return k
    k.ax = fixed(a[0])
    k.ay = fixed(a[1])
    k.bx = fixed(b[0])
    k.by = fixed(b[1])
    k.cx = fixed(c[0])
    k.cy = fixed(c[1])
    k.za = a[2]
    k.zb = b[2]
    k.zc = c[2]
    k.area = (k.bx - k.ax) * (k.cy - k.ay) - (k.by - k.ay) * (k.cx - k.ax)
    if k.area > wp.int64(0):
        x = k.bx
        y = k.by
        k.bx = k.cx
        k.by = k.cy
        k.cx = x
        k.cy = y
        k.zb = c[2]
        k.zc = b[2]
        k.area = -k.area
        k.back = 1
    return k


@wp.func
def first_pixel(a: wp.int64, b: wp.int64, c: wp.int64, inset: wp.int64) -> int:
    """The first pixel with a sample between these places, samples lying in inset .. 256 - inset."""
    return int((wp.min(a, wp.min(b, c)) + inset - wp.int64(1)) >> wp.int64(8))


@wp.func
def last_pixel(a: wp.int64, b: wp.int64, c: wp.int64, inset: wp.int64) -> int:
    return int((wp.max(a, wp.max(b, c)) - inset) >> wp.int64(8))


@wp.func
def edges_of(k: Corners) -> Edges:
    e = Edges()
    e.ux = k.cy - k.by
    e.uy = k.bx - k.cx
    e.vx = k.ay - k.cy
    e.vy = k.cx - k.ax
    e.wx = k.by - k.ay
    e.wy = k.ax - k.bx
    e.u0 = -(e.ux * k.bx + e.uy * k.by)
    e.v0 = -(e.vx * k.cx + e.vy * k.cy)
    e.w0 = -(e.wx * k.ax + e.wy * k.ay)
    e.inverse_area = -1.0 / float(k.area)
    return e


@wp.func
def plot(
    u: wp.int64, v: wp.int64, w: wp.int64, iu: float, iv: float, iw: float, payload: wp.uint64, cell: int,
    vis: wp.array(dtype=wp.uint64),
):  # fmt: skip
    """One sample, if it lies inside all three edges. The weights are not negative, so the depth lies within the
    triangle's own."""
    if (u | v | w) >= wp.int64(0):
        depth = 1.0 / (float(u) * iu + float(v) * iv + float(w) * iw)
        key = (wp.uint64(wp.cast(depth, wp.uint32)) << wp.uint64(32)) | payload
        wp.atomic_min(vis, cell, key)


@wp.func
def scan(
    a: wp.vec3, b: wp.vec3, c: wp.vec3, payload: wp.uint64, both_sides: int,
    row0: int, row1: int, width: int, samples: int, offset: wp.array(dtype=wp.vec2i), vis: wp.array(dtype=wp.uint64),
):  # fmt: skip
    """One triangle (x, y, depth) into the samples of rows row0..row1 of the buffer, which starts at row0.
    Front faces are clockwise on the picture (y down)."""
    k = snapped(a, b, c)
    if k.area == wp.int64(0) or (k.back != 0 and both_sides == 0):
        return
    inset = wp.int64(offset[samples][0])
    y0 = wp.max(first_pixel(k.ay, k.by, k.cy, inset), row0)
    y1 = wp.min(last_pixel(k.ay, k.by, k.cy, inset), row1 - 1)
    x0 = wp.max(first_pixel(k.ax, k.bx, k.cx, inset), 0)
    x1 = wp.min(last_pixel(k.ax, k.bx, k.cx, inset), width - 1)
    if y1 < y0 or x1 < x0:
        return
    e = edges_of(k)
    ux = e.ux
    uy = e.uy
    vx = e.vx
    vy = e.vy
    wx = e.wx
    wy = e.wy
    # 1 / depth is a plane over the picture
    iu = e.inverse_area / k.za
    iv = e.inverse_area / k.zb
    iw = e.inverse_area / k.zc
    # a whole pixel lies outside if its most inward corner does
    full = wp.int64(256)
    zero = wp.int64(0)
    u_in = full * (wp.max(ux, zero) + wp.max(uy, zero))
    v_in = full * (wp.max(vx, zero) + wp.max(vy, zero))
    w_in = full * (wp.max(wx, zero) + wp.max(wy, zero))
    # samples four at a time, their steps from the pixel's corner kept (loops over ranges are slow on the CPU back end)
    s = int(0)
    while s < samples:
        px0 = wp.int64(offset[s][0])
        py0 = wp.int64(offset[s][1])
        u0s = ux * px0 + uy * py0
        v0s = vx * px0 + vy * py0
        w0s = wx * px0 + wy * py0
        u1s = wp.int64(NEVER)
        u2s = wp.int64(NEVER)
        u3s = wp.int64(NEVER)
        v1s = zero
        v2s = zero
        v3s = zero
        w1s = zero
        w2s = zero
        w3s = zero
        if samples > 1:
            px = wp.int64(offset[s + 1][0])
            py = wp.int64(offset[s + 1][1])
            u1s = ux * px + uy * py
            v1s = vx * px + vy * py
            w1s = wx * px + wy * py
            px = wp.int64(offset[s + 2][0])
            py = wp.int64(offset[s + 2][1])
            u2s = ux * px + uy * py
            v2s = vx * px + vy * py
            w2s = wx * px + wy * py
            px = wp.int64(offset[s + 3][0])
            py = wp.int64(offset[s + 3][1])
            u3s = ux * px + uy * py
            v3s = vx * px + vy * py
            w3s = wx * px + wy * py
        y = int(y0)
        while y <= y1:
            sx = wp.int64(x0) * full
            sy = wp.int64(y) * full
            u = e.u0 + ux * sx + uy * sy
            v = e.v0 + vx * sx + vy * sy
            w = e.w0 + wx * sx + wy * sy
            cell = ((y - row0) * width + x0) * samples + s
            x = int(x0)
            while x <= x1:
                if ((u + u_in) | (v + v_in) | (w + w_in)) >= zero:
                    plot(u + u0s, v + v0s, w + w0s, iu, iv, iw, payload, cell, vis)
                    plot(u + u1s, v + v1s, w + w1s, iu, iv, iw, payload, cell + 1, vis)
                    plot(u + u2s, v + v2s, w + w2s, iu, iv, iw, payload, cell + 2, vis)
                    plot(u + u3s, v + v3s, w + w3s, iu, iv, iw, payload, cell + 3, vis)
                u += full * ux
                v += full * vx
                w += full * wx
                cell += samples
                x += 1
            y += 1
        s += 4


@wp.func
def cut(inside: wp.vec3, outside: wp.vec3, near_m: float) -> wp.vec3:
    """Where the segment from a camera-space point beyond the near plane to one before it meets that plane."""
    t = (inside[2] - near_m) / (inside[2] - outside[2])
    p = inside + (outside - inside) * t
    return wp.vec3(p[0], p[1], near_m)


@wp.func
def on_picture(eye: Eye, cam: wp.vec3) -> wp.vec3:
    px = camera_to_pixel(eye, cam)
    return wp.vec3(px[0], px[1], cam[2])


@wp.func
def scan_clipped(
    eye: Eye, near_m: float, a: wp.vec3, b: wp.vec3, c: wp.vec3, payload: wp.uint64, both_sides: int,
    row0: int, row1: int, width: int, samples: int, offset: wp.array(dtype=wp.vec2i), vis: wp.array(dtype=wp.uint64),
):  # fmt: skip
    """`scan` for a camera-space triangle that the near plane cuts: it becomes one triangle or two."""
    fa = a[2] > near_m
    fb = b[2] > near_m
    fc = c[2] > near_m
    # turn it (keeping the winding) until a is the odd one out
    if fb != fa and fb != fc:
        t = a
        a = b
        b = c
        c = t
    elif fc != fa and fc != fb:
        t = a
        a = c
        c = b
        b = t
    p0 = wp.vec3(0.0, 0.0, 0.0)
    p1 = wp.vec3(0.0, 0.0, 0.0)
    p2 = wp.vec3(0.0, 0.0, 0.0)
    p3 = wp.vec3(0.0, 0.0, 0.0)
    pieces = int(1)
    if a[2] > near_m:
        p0 = on_picture(eye, a)
        p1 = on_picture(eye, cut(a, b, near_m))
        p2 = on_picture(eye, cut(a, c, near_m))
    else:
        p0 = on_picture(eye, cut(b, a, near_m))
        p1 = on_picture(eye, b)
        p2 = on_picture(eye, c)
        p3 = on_picture(eye, cut(c, a, near_m))
        pieces = 2
    for k in range(pieces):
        if k == 1:
            p1 = p2
            p2 = p3
        scan(p0, p1, p2, payload, both_sides, row0, row1, width, samples, offset, vis)

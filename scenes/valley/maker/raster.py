"""A visibility buffer: meshes, grass blades and leaf cards as points in (depth << 32 | payload), nearest wins.

One sample a pixel and pass; the renderer runs many passes with shifted sample places and shifted time. Payload: 2 bits
of kind, then kind's own bits (triangle; blade and place along it; card).
"""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False})  # half the time to compile

KIND_MESH, KIND_BLADE, KIND_CARD = 0, 1, 2
BLADE_BITS = 24
EMPTY = 0xFFFFFFFFFFFFFFFF


@wp.struct
class Lens:
    """A pinhole in the world plus Brown k1, k2; crop: first pixel of the picture part that is drawn."""

    origin: wp.vec3
    right: wp.vec3
    up: wp.vec3
    back: wp.vec3
    focal: float
    centre: wp.vec2
    k1: float
    k2: float
    crop: wp.vec2
    shift: wp.vec2
    width: int
    height: int
    ortho: int


@wp.func
def project(cam: Lens, p: wp.vec3) -> wp.vec3:
    """World to (pixel x, pixel y, planar depth) in the crop, so that sample places fall on whole numbers + 0."""
    q = p - cam.origin
    x = wp.dot(q, cam.right)
    y = wp.dot(q, cam.up)
    d = -wp.dot(q, cam.back)
    if cam.ortho == 1:
        u = x * cam.focal + cam.centre[0]
        v = -y * cam.focal + cam.centre[1]
        return wp.vec3(u - cam.crop[0] - 0.5 - cam.shift[0], v - cam.crop[1] - 0.5 - cam.shift[1], d)
    if d < 0.05:
        return wp.vec3(0.0, 0.0, -1.0)
    u = x / d
    v = -y / d
    r2 = wp.min(u * u + v * v, 1.2)
    s = 1.0 + cam.k1 * r2 + cam.k2 * r2 * r2
    return wp.vec3(
        u * s * cam.focal + cam.centre[0] - cam.crop[0] - 0.5 - cam.shift[0],
        v * s * cam.focal + cam.centre[1] - cam.crop[1] - 0.5 - cam.shift[1],
        d,
    )


@wp.func
def ray(cam: Lens, px: float, py: float) -> wp.vec3:
    """World direction of unit planar depth through a place in the crop (same numbers as `project`)."""
    xd = (px + cam.crop[0] + 0.5 + cam.shift[0] - cam.centre[0]) / cam.focal
    yd = (py + cam.crop[1] + 0.5 + cam.shift[1] - cam.centre[1]) / cam.focal
    x = float(xd)
    y = float(yd)
    for _i in range(7):
        r2 = x * x + y * y
        s = 1.0 + cam.k1 * r2 + cam.k2 * r2 * r2
        x = xd / s
        y = yd / s
    return cam.right * x - cam.up * y - cam.back


@wp.func
def put(vis: wp.array2d(dtype=wp.uint64), i: int, j: int, depth: float, payload: wp.uint32):
    key = (wp.uint64(wp.cast(depth, wp.uint32)) << wp.uint64(32)) | wp.uint64(payload)
    if key < vis[j, i]:
        wp.atomic_min(vis, j, i, key)


@wp.kernel
def project_vertices(cam: Lens, position: wp.array(dtype=wp.vec3), out: wp.array(dtype=wp.vec3)):
    i = wp.tid()
    out[i] = project(cam, position[i])


@wp.kernel
def draw_mesh(
    cam: Lens,
    screen: wp.array(dtype=wp.vec3),
    triangle: wp.array(dtype=wp.vec3i),
    first: int,
    vis: wp.array2d(dtype=wp.uint64),
):
    t = wp.tid()
    tri = triangle[t]
    a = screen[tri[0]]
    b = screen[tri[1]]
    c = screen[tri[2]]
    if a[2] <= 0.0 or b[2] <= 0.0 or c[2] <= 0.0:
        return
    x0 = wp.max(int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])))), 0)
    x1 = wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])))), cam.width - 1)
    y0 = wp.max(int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])))), 0)
    y1 = wp.min(int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])))), cam.height - 1)
    if x0 > x1 or y0 > y1:
        return
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if wp.abs(area) < 1.0e-12:
        return
    inv = 1.0 / area
    ia = 1.0 / a[2]
    ib = 1.0 / b[2]
    ic = 1.0 / c[2]
    payload = wp.uint32(first + t)
    for y in range(y0, y1 + 1):
        fy = float(y)
        for x in range(x0, x1 + 1):
            fx = float(x)
            wa = ((b[0] - fx) * (c[1] - fy) - (b[1] - fy) * (c[0] - fx)) * inv
            wb = ((c[0] - fx) * (a[1] - fy) - (c[1] - fy) * (a[0] - fx)) * inv
            wc = 1.0 - wa - wb
            if wa >= -1.0e-5 and wb >= -1.0e-5 and wc >= -1.0e-5:
                if cam.ortho == 1:
                    put(vis, x, y, wa * a[2] + wb * b[2] + wc * c[2], payload)
                else:
                    put(vis, x, y, 1.0 / (wa * ia + wb * ib + wc * ic), payload)


@wp.func
def draw_strip(
    cam: Lens,
    vis: wp.array2d(dtype=wp.uint64),
    a: wp.vec3,
    b: wp.vec3,
    ra: float,
    rb: float,
    ta: float,
    tb: float,
    payload: wp.uint32,
):
    """A tapering strip from a to b (screen), half widths ra, rb in pixels; `ta`..`tb` is the place along the blade."""
    r = wp.max(ra, rb)
    x0 = wp.max(int(wp.ceil(wp.min(a[0], b[0]) - r)), 0)
    x1 = wp.min(int(wp.floor(wp.max(a[0], b[0]) + r)), cam.width - 1)
    y0 = wp.max(int(wp.ceil(wp.min(a[1], b[1]) - 0.3 * r)), 0)
    y1 = wp.min(int(wp.floor(wp.max(a[1], b[1]) + 0.3 * r)), cam.height - 1)
    if x0 > x1 or y0 > y1:
        return
    dx = b[0] - a[0]
    dy = b[1] - a[1]
    l2 = wp.max(dx * dx + dy * dy, 1.0e-6)
    il = 1.0 / wp.sqrt(l2)
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            ex = float(x) - a[0]
            ey = float(y) - a[1]
            t = (ex * dx + ey * dy) / l2
            if t >= -0.02 and t <= 1.02:
                side = wp.abs(ex * dy - ey * dx) * il
                if side <= ra + (rb - ra) * t:
                    u = wp.clamp(ta + (tb - ta) * t, 0.0, 1.0)
                    p = payload | (wp.uint32(u * 63.0) << wp.uint32(24))
                    put(vis, x, y, a[2] + (b[2] - a[2]) * t, p)


@wp.struct
class Blade:
    """A blade of grass: root, tip relative to the root, width in metres, a number of its own."""

    root: wp.vec3
    tip: wp.vec3
    width: float
    seed: float


@wp.func
def sway(root: wp.vec3, time_s: float) -> wp.vec3:
    """Wind on a blade's tip, as a share of its length: slow gusts that run over the meadow from left to right."""
    gust = wp.noise(wp.uint32(977), wp.vec3(root[0] * 0.11 - time_s * 0.55, root[2] * 0.11, time_s * 0.25))
    flutter = wp.sin(time_s * 5.1 + root[0] * 3.7 + root[2] * 4.3)
    return wp.vec3(0.10 * gust + 0.018 * flutter, 0.0, 0.03 * gust)


@wp.kernel
def draw_blades(
    cam: Lens,
    blade: wp.array(dtype=Blade),
    time_s: float,
    vis: wp.array2d(dtype=wp.uint64),
):
    i = wp.tid()
    b = blade[i]
    length = wp.length(b.tip)
    p0 = project(cam, b.root)
    if p0[2] <= 0.3:
        return
    px = cam.focal / p0[2]
    reach = length * px + 4.0
    if p0[0] < -reach or p0[0] > float(cam.width) + reach or p0[1] < -reach or p0[1] > float(cam.height) + reach:
        return
    tip = b.root + b.tip + sway(b.root, time_s) * length
    mid = b.root + wp.vec3(0.22 * b.tip[0], 0.62 * b.tip[1], 0.22 * b.tip[2])
    w = 0.5 * b.width * px
    payload = wp.uint32(i) | (wp.uint32(KIND_BLADE) << wp.uint32(30))
    p2 = project(cam, tip)
    if length * px < 7.0:
        draw_strip(cam, vis, p0, p2, w, 0.35 * w, 0.0, 1.0, payload)
        return
    p1 = project(cam, b.root * 0.25 + mid * 0.5 + tip * 0.25)
    if length * px < 40.0:
        draw_strip(cam, vis, p0, p1, w, 0.8 * w, 0.0, 0.5, payload)
        draw_strip(cam, vis, p1, p2, 0.8 * w, 0.12 * w, 0.5, 1.0, payload)
        return
    last = p0
    for k in range(1, 7):
        t = float(k) / 6.0
        q = project(cam, b.root * ((1.0 - t) * (1.0 - t)) + mid * (2.0 * t * (1.0 - t)) + tip * (t * t))
        t0 = t - 1.0 / 6.0
        draw_strip(cam, vis, last, q, w * (1.0 - 0.9 * t0 * t0), w * (1.0 - 0.9 * t * t), t0, t, payload)
        last = q


@wp.struct
class Card:
    """A leaf clump: an irregular flat patch that faces the viewer; normal is for light only."""

    centre: wp.vec3
    normal: wp.vec3
    size: float
    seed: float


@wp.kernel
def draw_cards(cam: Lens, card: wp.array(dtype=Card), vis: wp.array2d(dtype=wp.uint64)):
    i = wp.tid()
    c = card[i]
    p = project(cam, c.centre)
    if p[2] <= 0.3:
        return
    px = cam.focal / p[2]
    if cam.ortho == 1:
        px = cam.focal
    r = c.size * px
    x0 = wp.max(int(wp.ceil(p[0] - r)), 0)
    x1 = wp.min(int(wp.floor(p[0] + r)), cam.width - 1)
    y0 = wp.max(int(wp.ceil(p[1] - r)), 0)
    y1 = wp.min(int(wp.floor(p[1] + r)), cam.height - 1)
    if x0 > x1 or y0 > y1:
        return
    ca = wp.cos(c.seed * 6.283)
    sa = wp.sin(c.seed * 6.283)
    payload = wp.uint32(i) | (wp.uint32(KIND_CARD) << wp.uint32(30))
    lobes = 3.0 + wp.floor(c.seed * 37.0) % 4.0
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            ex = (float(x) - p[0]) / r
            ey = (float(y) - p[1]) / r
            u = ca * ex + sa * ey
            v = (ca * ey - sa * ex) * 1.5
            turn = wp.atan2(v, u)
            edge = 0.66 + 0.20 * wp.cos(lobes * turn + c.seed * 50.0) + 0.14 * wp.cos(7.0 * turn + c.seed * 91.0)
            if u * u + v * v <= edge * edge:
                put(vis, x, y, p[2] - 0.4 * c.size * (1.0 - u * u - v * v), payload)

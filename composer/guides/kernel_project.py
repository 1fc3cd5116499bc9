# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels that name the place's surface behind each sample, and that look a painting up where a key view saw that
surface."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_resolve import EMPTY, ground_limit, key_depth, key_slot, key_triangle
from composer.guides.kernel_view import OPTIONS, Draws, Eye, Meshes, camera_to_pixel, pixel_ray, to_camera, to_world

wp.set_module_options(OPTIONS)

#: Two depths are of one surface where they differ by no more than this many pixels' width, and the slope over
#: `SLOPE_PX` pixels.
NEAR_PX = wp.constant(3.0)
SLOPE_PX = wp.constant(1.5)
#: A painting that is drawn out to more than so many times its size fades into the rendered place: from, to.
STRETCH_FROM = wp.constant(0.34)
STRETCH_TO = wp.constant(0.12)
#: Of the taps around a place so much must be seen for it to count as seen.
LEAST_SEEN = wp.constant(0.06)


#: The cosine below which a facet is taken as if it faced the camera.
EDGE_ON = wp.constant(0.02)


@wp.struct
class Sight:
    """A view of the place: piece [H, W, S], 0 where there is none; depth [H, W, S], planar; normal [H, W, S], of the
    triangle, world axes ([0, 0, 0] where it is not wanted)."""

    piece: wp.array3d(dtype=wp.uint32)
    depth: wp.array3d(dtype=float)
    normal: wp.array3d(dtype=wp.vec3h)


@wp.kernel
def sight_kernel(
    vis: wp.array(dtype=wp.uint64), samples: int, row0: int, width: int, meshes: Meshes, draws: Draws,
    ground: wp.array2d(dtype=float), piece_id: wp.array(dtype=wp.uint32), out: Sight,
):  # fmt: skip
    """dim (rows, W): the visibility buffer of the place alone, without what the ground hides."""
    r, x = wp.tid()
    y = r + row0
    limit = float(1.0e12)
    if ground.shape[0] > 0:
        limit = ground_limit(ground, y, x)
    s = int(0)
    while s < samples:
        key = vis[(r * width + x) * samples + s]
        if key != EMPTY and key_depth(key) <= limit:
            slot = key_slot(key)
            out.piece[y, x, s] = piece_id[slot]
            out.depth[y, x, s] = key_depth(key)
            if out.normal.shape[0] > 0:
                base = draws.first_vertex[slot]
                v = meshes.tri[meshes.first_tri[draws.mesh[slot]] + key_triangle(key)]
                a = draws.rel[base + v[0]]
                n = wp.normalize(wp.cross(draws.rel[base + v[1]] - a, draws.rel[base + v[2]] - a))
                out.normal[y, x, s] = wp.vec3h(wp.float16(n[0]), wp.float16(n[1]), wp.float16(n[2]))
        s += 1


@wp.struct
class Place:
    """Where a patch of surface lies in the key view: at (x, y) the reciprocal depth is `inverse`, and changes by `slope` a
    pixel. share: of all samples. stretch: the smaller of the two factors by which a picture's pixel is drawn out (1 is
    as large, 0 a smear). dense: key pixels a pixel. on: 0 where the key camera cannot have seen it."""

    at: wp.vec2
    inverse: float
    slope: wp.vec2
    stretch: float
    dense: float
    on: int


@wp.func
def place_in(eye: Eye, key: Eye, pixel: wp.vec2, centre: wp.vec2, depth: float, n: wp.vec3) -> Place:
    """The surface under `pixel`, taken for flat, in the key view; moved by as much as the pixel's own centre lies
    elsewhere, so that a view shows its own painting as it is."""
    p = Place()
    p.on = 0
    ray = pixel_ray(eye, pixel[0], pixel[1])
    rel = to_world(eye, ray * depth)
    cam = to_camera(key, rel)
    if cam[2] < 0.01:
        return p
    q = camera_to_pixel(key, cam)
    if not (q[0] == q[0] and q[1] == q[1]):
        return p
    p.at = q + centre - pixel
    p.inverse = 1.0 / cam[2]
    toward = to_world(eye, ray)
    plane = n
    if wp.abs(wp.dot(n, toward)) < EDGE_ON * wp.length(toward):
        plane = toward  # seen edge on: no picture is on it, only its outline
    flat = wp.dot(plane, rel)
    rx = to_world(eye, pixel_ray(eye, pixel[0] + 1.0, pixel[1]))
    ry = to_world(eye, pixel_ray(eye, pixel[0], pixel[1] + 1.0))
    tx = flat / wp.dot(plane, rx)
    ty = flat / wp.dot(plane, ry)
    if tx < 0.2 * depth or tx > 5.0 * depth or ty < 0.2 * depth or ty > 5.0 * depth:
        return p
    cx = to_camera(key, rx * tx)
    cy = to_camera(key, ry * ty)
    if cx[2] < 0.01 or cy[2] < 0.01:
        return p
    jx = camera_to_pixel(key, cx) - q
    jy = camera_to_pixel(key, cy) - q
    det = jx[0] * jy[1] - jx[1] * jy[0]
    if not (wp.abs(det) > 1.0e-4):
        return p
    # the singular values of the 2 x 2 map from this picture's pixels to the key view's
    whole = 0.5 * (wp.dot(jx, jx) + wp.dot(jy, jy))
    p.stretch = wp.sqrt(wp.max(whole - wp.sqrt(wp.max(whole * whole - det * det, 0.0)), 0.0))
    p.dense = wp.abs(det)
    ix = 1.0 / cx[2] - p.inverse
    iy = 1.0 / cy[2] - p.inverse
    p.slope = wp.vec2((ix * jy[1] - iy * jx[1]) / det, (iy * jx[0] - ix * jy[0]) / det)
    p.on = 1
    return p


@wp.func
def shown_share(sight: Sight, v: int, u: int, piece: wp.uint32, p: Place, focal: float) -> float:
    """The share of the key view's pixel (v, u) that shows this surface."""
    if u < 0 or v < 0 or u >= sight.piece.shape[1] or v >= sight.piece.shape[0]:
        return 0.0
    away = wp.vec2(float(u) + 0.5, float(v) + 0.5) - p.at
    inverse = p.inverse + wp.dot(p.slope, away)
    reach = NEAR_PX * p.inverse / focal + SLOPE_PX * wp.length(p.slope)
    samples = sight.piece.shape[2]
    same = int(0)
    s = int(0)
    while s < samples:
        if sight.piece[v, u, s] == piece:
            if wp.abs(1.0 / sight.depth[v, u, s] - inverse) < reach:
                same += 1
        s += 1
    return float(same) / float(samples)


@wp.func
def cubic(t: float) -> wp.vec4:
    """Catmull-Rom weights of four neighbours."""
    return wp.vec4(
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@wp.func
def looked_up(picture: wp.array3d(dtype=float), sight: Sight, piece: wp.uint32, p: Place, focal: float) -> wp.vec4:
    """The painting at a place: rgb times share painted, and that share; only of pixels that show the same surface. Cubic
    where all around do, else linear between those that do."""
    x = p.at[0] - 0.5
    y = p.at[1] - 0.5
    u = int(wp.floor(x))
    v = int(wp.floor(y))
    fx = x - float(u)
    fy = y - float(v)
    wx = cubic(fx)
    wy = cubic(fy)
    h = picture.shape[0]
    w = picture.shape[1]
    all = int(1)
    smooth = wp.vec4(0.0, 0.0, 0.0, 0.0)
    plain = wp.vec4(0.0, 0.0, 0.0, 0.0)
    seen = float(0.0)
    inside = u >= 0 and v >= 0 and u + 1 < w and v + 1 < h
    j = int(0)
    while j < 4:
        i = int(0)
        while i < 4:
            inner = (i == 1 or i == 2) and (j == 1 or j == 2)
            if all == 1 or inner:
                tu = u + i - 1
                tv = v + j - 1
                shown = float(0.0)
                if wx[i] * wy[j] != 0.0 or inner:
                    shown = shown_share(sight, tv, tu, piece, p, focal)
                    if shown < 0.999 and wx[i] * wy[j] != 0.0:
                        all = 0
                if shown > 0.0:
                    a = picture[tv, tu, 3]
                    c = wp.vec4(picture[tv, tu, 0] * a, picture[tv, tu, 1] * a, picture[tv, tu, 2] * a, a)
                    smooth += c * (wx[i] * wy[j])
                    if inner:
                        lx = wp.where(i == 1, 1.0 - fx, fx)
                        ly = wp.where(j == 1, 1.0 - fy, fy)
                        plain += c * (lx * ly * shown)
                        seen += lx * ly * shown
            i += 1
        j += 1
    if all == 1 and inside:
        return wp.vec4(smooth[0], smooth[1], smooth[2], wp.clamp(smooth[3], 0.0, 1.0))
    if seen <= 0.0:
        return wp.vec4(0.0, 0.0, 0.0, 0.0)
    return plain * (wp.min(seen / LEAST_SEEN, 1.0) / seen)


@wp.func
def edge_share(p: Place, centre: wp.vec2, width: int, height: int, feather: float) -> float:
    """0 beyond the key view's edge, 1 inside; the step is as soft as the picture has moved, up to `feather`."""
    x = wp.min(p.at[0], float(width) - p.at[0])
    y = wp.min(p.at[1], float(height) - p.at[1])
    soft = wp.clamp(wp.length(p.at - centre), 0.5, feather)
    return wp.clamp((wp.min(x, y)) / soft, 0.0, 1.0)


@wp.kernel
def project_kernel(
    sight: Sight, offset: wp.array(dtype=wp.vec2i), eye: Eye, key: Eye, seen: Sight, picture: wp.array3d(dtype=float),
    feather: float, start: wp.array(dtype=wp.int64), piece_id: wp.array(dtype=wp.uint32), row0: int,
    rgb: wp.array(dtype=wp.vec3), share: wp.array(dtype=float), dense: wp.array(dtype=float),
):  # fmt: skip
    """dim (rows, W). Of every entry (a piece in a pixel): what the painting shows of it, how much of it, and how finely. eye:
    this frame's, key: the key view's, both about this frame's camera. seen: the key view's place; picture: its painting,
    colour and share painted."""
    r, x = wp.tid()
    y = r + row0
    cell = y * sight.piece.shape[1] + x
    entry = start[cell]
    last = start[cell + 1]
    if entry == last:
        return
    samples = sight.piece.shape[2]
    focal = wp.sqrt(eye.fx * eye.fy)
    key_focal = wp.sqrt(key.fx * key.fy)
    centre = wp.vec2(float(x) + 0.5, float(y) + 0.5)
    while entry < last:
        piece = piece_id[entry]
        todo = int(0)
        s = int(0)
        while s < samples:
            if sight.piece[y, x, s] == piece:
                todo = todo | (1 << s)
            s += 1
        count = float(0.0)
        total = wp.vec4(0.0, 0.0, 0.0, 0.0)
        fine = float(0.0)
        while todo != 0:
            # the nearest sample that is left, and those beside it on the same surface
            first = int(-1)
            s = int(0)
            while s < samples:
                if (todo >> s) & 1 != 0:
                    if first < 0 or sight.depth[y, x, s] < sight.depth[y, x, first]:
                        first = s
                s += 1
            near = sight.depth[y, x, first]
            h = sight.normal[y, x, first]
            n = wp.vec3(float(h[0]), float(h[1]), float(h[2]))
            toward = to_world(eye, pixel_ray(eye, centre[0], centre[1]))
            slant = wp.max(wp.abs(wp.dot(n, toward)) / wp.length(toward), 0.05)
            reach = NEAR_PX * near / (focal * slant)
            mean = wp.vec2(0.0, 0.0)
            depth = float(0.0)
            many = float(0.0)
            s = int(0)
            while s < samples:
                if (todo >> s) & 1 != 0 and sight.depth[y, x, s] - near < reach:
                    todo = todo & ~(1 << s)
                    mean += wp.vec2(float(offset[s][0]), float(offset[s][1])) / 256.0
                    depth += 1.0 / sight.depth[y, x, s]
                    many += 1.0
                s += 1
            at = wp.vec2(float(x), float(y)) + mean / many
            p = place_in(eye, key, at, centre, many / depth, n)
            count += many
            if p.on != 0:
                keep = wp.clamp((p.stretch - STRETCH_TO) / (STRETCH_FROM - STRETCH_TO), 0.0, 1.0)
                keep = keep * edge_share(p, centre, picture.shape[1], picture.shape[0], feather)
                if keep > 0.0:
                    c = looked_up(picture, seen, piece, p, key_focal)
                    total += c * (keep * many)
                    fine += p.dense * keep * c[3] * many
        if count > 0.0 and total[3] > 0.0:
            rgb[entry] = wp.vec3(total[0], total[1], total[2]) / total[3]
            share[entry] = total[3] / count
            dense[entry] = fine / total[3]
        entry += wp.int64(1)

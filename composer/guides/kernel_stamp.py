# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels of shadow stamps: small depth pictures of posed figures as the sun sees them, laid into the sun's wide
levels in place of the figures.

A stamp is seen from one of a few directions in the figure's own space, about the figure's middle; its texels are finer
than the map's, and the map reads them at its texels' middles, so that shadows keep their area.
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_pose import lean
from composer.guides.kernel_sun import FAR, Sun, SunLevel, in_texels, scan_depth
from composer.guides.kernel_view import OPTIONS, Draws, Meshes, skinned

wp.set_module_options(OPTIONS)

#: Directions around a figure, poses of a clip (and its end), and the height between two directions, in radians.
TURNS = wp.constant(16)
POSES = wp.constant(8)
RISE = wp.constant(0.14)
#: Heights are counted from the sun's own, that many steps either way.
RISES = wp.constant(32)


@wp.struct
class Stamps:
    """level: each stamp's own little map; depth: their texels, metres from the figure's middle along the sun's rays."""

    level: wp.array(dtype=SunLevel)
    depth: wp.array(dtype=float)


@wp.struct
class Throws:
    """Who casts a stamp: which one, the figure's middle (metres along the sun's axes), its scale, and (cos, sin) of the
    stamp's turn on the map."""

    stamp: wp.array(dtype=int)
    middle: wp.array(dtype=wp.vec3)
    scale: wp.array(dtype=float)
    turn: wp.array(dtype=wp.vec2)


@wp.func
def direction(around: float, height: float) -> wp.vec3:
    return wp.vec3(wp.sin(around) * wp.cos(height), wp.sin(height), wp.cos(around) * wp.cos(height))


@wp.kernel
def choose_kernel(
    axis_u: wp.vec3, axis_v: wp.vec3, toward: wp.vec3, heading: wp.array(dtype=float), up: wp.array(dtype=wp.vec3),
    phase: wp.array(dtype=float), looped: wp.array(dtype=int), pose: wp.array(dtype=int), side: wp.array(dtype=int),
    turn: wp.array(dtype=wp.vec2),
):  # fmt: skip
    """dim agents: which pose of the clip (0 .. POSES) and which direction (turn * 2 RISES + RISES + rise) come nearest to
    each, and how that stamp lies on the map. up: [0] where all are upright."""
    k = wp.tid()
    q = wp.quat(0.0, wp.sin(0.5 * heading[k]), 0.0, wp.cos(0.5 * heading[k]))
    if up.shape[0] > 0:
        q = lean(up[k]) * q
    t = wp.quat_rotate_inv(q, toward)
    own = wp.asin(wp.clamp(toward[1], -1.0, 1.0))
    rise = int(wp.round((wp.asin(wp.clamp(t[1], -1.0, 1.0)) - own) / RISE))
    step = 2.0 * wp.pi / float(TURNS)
    way = int(wp.round(wp.atan2(t[0], t[2]) / step))
    around = float(way) * step
    s = direction(around, own + float(rise) * RISE)
    u = wp.vec3(wp.cos(around), 0.0, -wp.sin(around))
    v = wp.cross(s, u)
    mine = wp.quat_rotate_inv(q, axis_u)
    other = wp.quat_rotate_inv(q, axis_v)
    # a place at (p, q) of the stamp lies at turn applied to (p, q) on the map
    lay = wp.vec2(wp.dot(mine, u) + wp.dot(other, v), wp.dot(other, u) - wp.dot(mine, v))
    size = wp.length(lay)
    turn[k] = wp.vec2(1.0, 0.0)
    if size > 1.0e-6:
        turn[k] = lay / size
    side[k] = ((way + 2 * TURNS) % TURNS) * 2 * RISES + rise + RISES
    n = int(wp.round(phase[k] * float(POSES)))
    if looped[k] != 0:
        n = n % POSES
    pose[k] = wp.clamp(n, 0, POSES)


@wp.kernel
def seen_from_kernel(
    meshes: Meshes, draws: Draws, who: wp.array(dtype=int), side: wp.array(dtype=int), own: float, middle: wp.vec3,
    lanes: int, box: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (figures listed, lanes): `draws.sunward` of each figure's vertices from its own direction, about `middle`; box
    [figures, 4]: least u, v, greatest u, v."""
    k, lane = wp.tid()
    k = who[k]
    around = float(side[k] / (2 * RISES)) * 2.0 * wp.pi / float(TURNS)
    s = direction(around, own + float(side[k] % (2 * RISES) - RISES) * RISE)
    u = wp.vec3(wp.cos(around), 0.0, -wp.sin(around))
    v = wp.cross(s, u)
    first = draws.first_vertex[k]
    source = meshes.first_vertex[draws.mesh[k]]
    count = meshes.vertices[draws.mesh[k]]
    i = int(lane)
    while i < count:
        p = skinned(meshes, draws, k, 1, source + i) - middle
        place = wp.vec3(wp.dot(u, p), wp.dot(v, p), -wp.dot(s, p))
        draws.sunward[first + i] = place
        wp.atomic_min(box, k, 0, place[0])
        wp.atomic_min(box, k, 1, place[1])
        wp.atomic_max(box, k, 2, place[0])
        wp.atomic_max(box, k, 3, place[1])
        i += lanes


@wp.kernel
def make_kernel(
    meshes: Meshes, draws: Draws, who: wp.array(dtype=int), level: wp.array(dtype=SunLevel), lanes: int,
    target: wp.array(dtype=float),
):  # fmt: skip
    """dim (figures listed, lanes): the figures' sunlit sides into their stamps."""
    k, lane = wp.tid()
    k = who[k]
    mesh = draws.mesh[k]
    mine = level[k]
    base = draws.first_vertex[k]
    t = int(lane)
    while t < meshes.tris[mesh]:
        v = meshes.tri[meshes.first_tri[mesh] + t]
        a = draws.sunward[base + v[0]]
        b = draws.sunward[base + v[1]]
        c = draws.sunward[base + v[2]]
        if (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0:
            scan_depth(in_texels(mine, a), in_texels(mine, b), in_texels(mine, c), 0, mine.height, mine, target)
        t += lanes


@wp.kernel
def stamp_kernel(
    stamps: Stamps, throws: Throws, sun: Sun, number: int, who: wp.array(dtype=int), row0: int, row1: int,
    target: wp.array(dtype=float),
):  # fmt: skip
    """dim throws listed: their stamps into rows row0..row1 of a level; least depth wins."""
    item = wp.tid()
    k = who[item]
    level = sun.level[number]
    mine = stamps.level[throws.stamp[k]]
    middle = throws.middle[k]
    scale = throws.scale[k]
    c = throws.turn[k][0]
    s = throws.turn[k][1]
    half_u = 0.5 * mine.texel_m * float(mine.width)
    half_v = 0.5 * mine.texel_m * float(mine.height)
    mid_u = mine.off_u + half_u
    mid_v = mine.off_v + half_v
    u = (middle[0] + scale * (c * mid_u - s * mid_v) - level.off_u) * level.per_m - 0.5
    v = (middle[1] + scale * (s * mid_u + c * mid_v) - level.off_v) * level.per_m - 0.5
    reach_u = scale * (wp.abs(c) * half_u + wp.abs(s) * half_v) * level.per_m
    reach_v = scale * (wp.abs(s) * half_u + wp.abs(c) * half_v) * level.per_m
    x0 = wp.max(int(wp.ceil(u - reach_u)), level.x0)
    x1 = wp.min(int(wp.floor(u + reach_u)), level.x0 + level.width - 1)
    y0 = wp.max(int(wp.ceil(v - reach_v)), level.y0 + row0)
    y1 = wp.min(int(wp.floor(v + reach_v)), level.y0 + row1 - 1)
    # a step on the map, in texels of the stamp
    step = level.texel_m * mine.per_m / scale
    y = int(y0)
    while y <= y1:
        du = (float(x0) + 0.5) * level.texel_m + level.off_u - middle[0]
        dv = (float(y) + 0.5) * level.texel_m + level.off_v - middle[1]
        p = ((c * du + s * dv) / scale - mine.off_u) * mine.per_m
        q = ((c * dv - s * du) / scale - mine.off_v) * mine.per_m
        cell = level.first + (y - level.y0) * level.width + x0 - level.x0
        x = int(x0)
        while x <= x1:
            i = int(wp.floor(p))
            j = int(wp.floor(q))
            if i >= 0 and j >= 0 and i < mine.width and j < mine.height:
                d = stamps.depth[mine.first + j * mine.width + i]
                if d < FAR:
                    wp.atomic_min(target, cell, middle[2] + scale * d)
            p += c * step
            q -= s * step
            cell += 1
            x += 1
        y += 1

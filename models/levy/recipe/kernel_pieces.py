# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernel that lays rocks, tents, walls and stakes into a plate, with their shadow on the ground."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS
from models.levy.recipe.kernel_reference import Lamps, disc, dome, frame_of
from models.levy.recipe.kernel_relief import hash3, noise

wp.set_module_options(OPTIONS)

ROCK = wp.constant(0)
TENT = wp.constant(1)
WALL = wp.constant(2)
STAKE = wp.constant(3)
FAR_M = wp.constant(400.0)
#: Samples of a pixel along each side.
SIDE = wp.constant(3)


@wp.struct
class Rays:
    """Of a pinhole: the direction of planar depth 1 at pixel (x, y) is corner + x across + y down. place: of the camera."""

    corner: wp.vec3
    across: wp.vec3
    down: wp.vec3
    place: wp.vec3


@wp.func
def stuff(kind: int, colour: wp.vec3, p: wp.vec3, n: wp.vec3, pixel_m: float, seed: wp.uint32) -> wp.vec3:
    """Albedo of a piece at world point p."""
    tone = 0.5 * noise(p * 1.3, seed) + 0.3 * noise(p * 4.0, seed) / (1.0 + pixel_m * 8.0)
    tone += 0.35 * noise(p * 16.0, seed) / (1.0 + pixel_m * 40.0)
    if kind == WALL:
        row = wp.floor(p[1] / 0.28)
        along = p[0] + p[2] + 0.5 * (row - 2.0 * wp.floor(row * 0.5)) * 0.55
        v = wp.abs(wp.frac(p[1] / 0.28) - 0.5) * 2.0
        u = wp.abs(wp.frac(along / 0.55) - 0.5) * 2.0
        joint = wp.max(wp.smoothstep(0.86, 0.94, v), wp.smoothstep(0.92, 0.97, u)) / (1.0 + pixel_m * 30.0)
        block = hash3(int(wp.floor(along / 0.55)), int(row), 3, seed) - 0.5
        tone += 0.35 * block / (1.0 + pixel_m * 6.0) - 0.6 * joint
    elif kind == STAKE:
        tone += 0.3 * noise(wp.vec3(p[0] * 60.0, p[1] * 3.0, p[2] * 60.0), seed) / (1.0 + pixel_m * 40.0)
    elif kind == TENT:
        tone = tone * 0.4 + 0.10 * noise(wp.vec3(p[0] * 3.0, p[1] * 0.8, p[2] * 3.0), seed)
    elif n[1] > 0.6:
        tone += 0.25
    return colour * wp.clamp(1.0 + 0.55 * tone, 0.25, 1.8)


@wp.kernel
def pieces_kernel(
    scene: wp.uint64, first: wp.array(dtype=int), kind: wp.array(dtype=int), colour: wp.array(dtype=wp.vec3), rays: Rays,
    lamps: Lamps, ground: wp.array2d(dtype=float), focal: float, seed: wp.uint32, out: wp.array2d(dtype=wp.vec4),
    depth: wp.array2d(dtype=float), shade: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (H, W). first: the piece of each triangle. out: premultiplied light and coverage. depth: nearest. shade: what the
    pieces leave of the light on the ground."""
    y, x = wp.tid()
    total = wp.vec3(0.0, 0.0, 0.0)
    cover = float(0.0)
    nearest = float(wp.inf)
    kept = float(0.0)
    open = float(0.0)
    turn_u = hash3(x, y, 21, seed)
    turn_v = hash3(x, y, 22, seed)
    for k in range(SIDE * SIDE):
        fx = float(x) + (float(k % SIDE) + 0.5) / float(SIDE)
        fy = float(y) + (float(k // SIDE) + 0.5) / float(SIDE)
        ray = rays.corner + rays.across * fx + rays.down * fy
        far = ground[y, x]
        query = wp.mesh_query_ray(scene, wp.vec3(0.0, 0.0, 0.0), wp.normalize(ray), FAR_M)
        t = query.t / wp.length(ray)
        a = wp.frac(turn_u + 0.7548776662466927 * float(k + 1))
        b = wp.frac(turn_v + 0.5698402909980532 * float(k + 1))
        j = disc(a, b)
        to_sun = wp.normalize(frame_of(lamps.toward) * wp.vec3(j[0] * lamps.spread, j[1] * lamps.spread, 1.0))
        up = wp.sqrt(wp.max(0.0, 1.0 - j[0] * j[0] - j[1] * j[1]))
        if query.result and t < far:
            n = query.normal
            if wp.dot(n, ray) > 0.0:
                n = -n
            p = ray * t
            start = p + n * 0.01
            piece = first[query.face]
            albedo = stuff(kind[piece], colour[piece], p + rays.place, n, t / focal, seed + wp.uint32(piece))
            lit = float(0.0)
            facing = wp.dot(n, lamps.toward)
            if facing > 0.0 and not wp.mesh_query_ray_anyhit(scene, start, to_sun, FAR_M):
                lit = facing
            d = frame_of(n) * wp.vec3(j[0], j[1], up)
            ambient = dome(lamps, d)
            if wp.mesh_query_ray_anyhit(scene, start, d, 6.0):
                ambient = (lamps.sky + lamps.bounce) * 0.06
            total += wp.cw_mul(albedo, lamps.sun * lit + ambient)
            cover += 1.0
            nearest = wp.min(nearest, t)
        elif far < 1.0e6:
            start = ray * far + wp.vec3(0.0, 0.02, 0.0)
            light = float(0.75)
            if wp.mesh_query_ray_anyhit(scene, start, to_sun, FAR_M):
                light = 0.0
            d = frame_of(wp.vec3(0.0, 1.0, 0.0)) * wp.vec3(j[0], j[1], up)
            if not wp.mesh_query_ray_anyhit(scene, start, d, 6.0):
                light += 0.25
            kept += light
            open += 1.0
    share = 1.0 / float(SIDE * SIDE)
    out[y, x] = wp.vec4(total[0] * share, total[1] * share, total[2] * share, cover * share)
    depth[y, x] = nearest
    shade[y, x] = wp.where(open > 0.0, kept / wp.max(open, 1.0), 1.0)

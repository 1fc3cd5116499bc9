# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernel from the visibility buffer to surface points: whose, and where on him or in the world."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_resolve import EMPTY, barycentric, ground_limit, key_depth, key_slot, key_triangle
from composer.guides.kernel_view import (
    OPTIONS,
    Draws,
    Eye,
    Meshes,
    camera_to_pixel,
    pixel_ray,
    skinned,
    to_camera,
    to_world,
)

wp.set_module_options(OPTIONS)

SKY = wp.constant(wp.uint8(0))
GROUND = wp.constant(wp.uint8(1))
AGENT = wp.constant(wp.uint8(2))
#: How flatly ground may be seen before its stretch counts no further: 1 / 64.
LEAST_SINE = wp.constant(0.015625)


@wp.struct
class Points:
    """What `surface.Surface` holds, one after the other by row, column and sample. before: empty where not wanted."""

    kind: wp.array(dtype=wp.uint8)
    agent_id: wp.array(dtype=wp.uint32)
    place: wp.array(dtype=wp.vec3)
    across: wp.array(dtype=wp.uint8)
    along: wp.array(dtype=wp.uint8)
    before: wp.array(dtype=wp.vec2)


@wp.func
def size_code(size: float) -> wp.uint8:
    """Eighths of octaves above 2^-20: the exponent and the first three bits of the mantissa, alike on every device."""
    bits = int(wp.cast(size, wp.uint32) >> wp.uint32(20))
    return wp.uint8(wp.clamp(bits - (107 << 3), 0, 255))


@wp.func
def gentler(before: float, here: float, after: float) -> float:
    """The smaller of the two differences, so that a crest keeps its own side's slope; 0 without a neighbour."""
    a = here - before
    b = after - here
    if before <= 0.0 and after <= 0.0:
        return 0.0
    if before <= 0.0:
        return b
    if after <= 0.0 or wp.abs(a) < wp.abs(b):
        return a
    return b


@wp.func
def inverse_depth(ground: wp.array2d(dtype=float), y: int, x: int) -> float:
    """1 / depth of the ground; 0 where there is none."""
    if y < 0 or x < 0 or y >= ground.shape[0] or x >= ground.shape[1]:
        return 0.0
    d = ground[y, x]
    if d > 0.0 and d < 1.0e9:
        return 1.0 / d
    return 0.0


@wp.func
def seen_at(eye: Eye, rel: wp.vec3) -> wp.vec2:
    """Plate pixel of a point; NaN behind the camera or outside the lens's domain."""
    cam = to_camera(eye, rel)
    if cam[2] > 0.001:
        return camera_to_pixel(eye, cam)
    return wp.vec2(wp.nan, wp.nan)


@wp.kernel
def surface_kernel(
    vis: wp.array(dtype=wp.uint64), samples: int, offset: wp.array(dtype=wp.vec2i), row0: int, width: int,
    meshes: Meshes, draws: Draws, beside: Draws, before: Eye, eye: Eye, ground: wp.array2d(dtype=float),
    agent_id: wp.array(dtype=wp.uint32), scale: wp.array(dtype=float), out: Points,
):  # fmt: skip
    """dim (rows, W): every sample of a pixel, and where the same point was in the view before. vis: of these rows, or empty
    where nobody is in them."""
    r, x = wp.tid()
    y = r + row0
    focal = wp.sqrt(eye.fx * eye.fy)
    here = float(0.0)
    slope_x = float(0.0)
    slope_y = float(0.0)
    limit = float(1.0e12)
    if ground.shape[0] > 0:
        here = inverse_depth(ground, y, x)
        if here > 0.0:
            slope_x = gentler(inverse_depth(ground, y, x - 1), here, inverse_depth(ground, y, x + 1))
            slope_y = gentler(inverse_depth(ground, y - 1, x), here, inverse_depth(ground, y + 1, x))
            limit = ground_limit(ground, y, x)
    s = int(0)
    while s < samples:
        at = (y * width + x) * samples + s
        dx = float(offset[s][0]) / 256.0
        dy = float(offset[s][1]) / 256.0
        ray = pixel_ray(eye, float(x) + dx, float(y) + dy)
        key = EMPTY
        if vis.shape[0] > 0:
            key = vis[(r * width + x) * samples + s]
        if key != EMPTY and key_depth(key) <= limit:
            slot = key_slot(key)
            mesh = draws.mesh[slot]
            base = draws.first_vertex[slot]
            source = meshes.first_vertex[mesh]
            v = meshes.tri[meshes.first_tri[mesh] + key_triangle(key)]
            w = barycentric(draws.rel[base + v[0]], draws.rel[base + v[1]], draws.rel[base + v[2]], to_world(eye, ray))
            out.kind[at] = AGENT
            out.agent_id[at] = agent_id[slot]
            out.place[at] = (
                meshes.position[source + v[0]] * w[0]
                + meshes.position[source + v[1]] * w[1]
                + meshes.position[source + v[2]] * w[2]
            )
            code = size_code(key_depth(key) / (focal * scale[slot]))
            out.across[at] = code
            out.along[at] = code
            if out.before.shape[0] > 0:
                past = wp.vec3(0.0, 0.0, 0.0)
                for k in range(3):
                    past += skinned(meshes, beside, slot, 0, source + v[k]) * w[k]
                out.before[at] = seen_at(before, past)
        elif here > 0.0:
            inverse = wp.max(here + slope_x * (dx - 0.5) + slope_y * (dy - 0.5), 0.25 * here)
            # 1 / depth is linear over the picture of a plane: its normal is (a, b, c)
            a = slope_x * eye.fx
            b = slope_y * eye.fy
            c = inverse - a * ray[0] - b * ray[1]
            sine = inverse / wp.max(wp.length(wp.vec3(a, b, c)) * wp.length(ray), 1.0e-20)
            size = 1.0 / (inverse * focal)
            out.kind[at] = GROUND
            out.agent_id[at] = wp.uint32(0)
            out.place[at] = to_world(eye, ray * (1.0 / inverse))
            out.across[at] = size_code(size)
            out.along[at] = size_code(size / wp.clamp(sine, LEAST_SINE, 1.0))
            if out.before.shape[0] > 0:
                out.before[at] = seen_at(before, to_world(eye, ray * (1.0 / inverse)))
        else:
            out.kind[at] = SKY
            out.agent_id[at] = wp.uint32(0)
            out.place[at] = wp.normalize(to_world(eye, ray))
            code = size_code(1.0 / focal)
            out.across[at] = code
            out.along[at] = code
            if out.before.shape[0] > 0:
                out.before[at] = seen_at(before, to_world(eye, ray * 1.0e7))
        s += 1

# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels that resolve the visibility buffer into passes: coverage, ids, shading, normals, motion, samples.

A pixel's samples are taken agent by agent, nearest first, and within an agent triangle by triangle, so that each
surface is shaded once a pixel and not once a sample. Hit points come from the pixel's own ray (through the lens) and
the skinned triangle, at this frame and, for motion, the same barycentrics at the frames beside it.
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_place import CLOTH, FIRE, PIECE, detail_of, in_world, shade_piece
from composer.guides.kernel_shade import Shading, shade
from composer.guides.kernel_sun import Sun, piece_sun, surface_sun
from composer.guides.kernel_view import (
    OPTIONS,
    Draws,
    Eye,
    Meshes,
    camera_to_pixel,
    pixel_ray,
    rotate,
    skinned,
    to_camera,
    to_world,
)

wp.set_module_options(OPTIONS)

EMPTY = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))
GROUND_BIAS_M = wp.constant(0.06)


@wp.struct
class Blockers:
    """What hides samples: holdouts (alpha [K, H, W]; depth [K, H, W] or [K, 1, 1]) and the ground's depth ([H, W] or
    [0, 0])."""

    alpha: wp.array3d(dtype=float)
    depth: wp.array3d(dtype=float)
    ground: wp.array2d(dtype=float)


@wp.struct
class Passes:
    """light_sun .. light_bounce: the beauty by light; [0, 0] where they are not wanted."""

    depth: wp.array2d(dtype=float)
    normal: wp.array2d(dtype=wp.vec3)
    agent_id: wp.array2d(dtype=wp.uint32)
    motion: wp.array2d(dtype=wp.vec2)
    motion_back: wp.array2d(dtype=wp.vec2)
    coverage: wp.array2d(dtype=float)
    albedo: wp.array2d(dtype=wp.vec3)
    beauty: wp.array2d(dtype=wp.vec3)
    light_sun: wp.array2d(dtype=wp.vec3)
    light_sky: wp.array2d(dtype=wp.vec3)
    light_bounce: wp.array2d(dtype=wp.vec3)


@wp.struct
class Entries:
    """A band's samples in CSR form; start counts from the band's first pixel."""

    start: wp.array(dtype=wp.int64)
    agent_id: wp.array(dtype=wp.uint32)
    coverage: wp.array(dtype=float)
    depth: wp.array(dtype=float)
    rgb: wp.array(dtype=wp.vec3)


@wp.func
def key_depth(key: wp.uint64) -> float:
    return wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)


@wp.func
def key_slot(key: wp.uint64) -> int:
    return int((key & wp.uint64(0xFFFFFFFF)) >> wp.uint64(12))


@wp.func
def key_triangle(key: wp.uint64) -> int:
    return int(key & wp.uint64(0xFFF))


@wp.func
def ground_limit(ground: wp.array2d(dtype=float), y: int, x: int) -> float:
    """The depth from which on the ground hides a sample of this pixel: its own depth, a few centimetres, and the slope
    across the pixel (the gentler side, so that a crest stays sharp)."""
    d = ground[y, x]
    up = wp.abs(d - ground[wp.max(y - 1, 0), x])
    down = wp.abs(d - ground[wp.min(y + 1, ground.shape[0] - 1), x])
    left = wp.abs(d - ground[y, wp.max(x - 1, 0)])
    right = wp.abs(d - ground[y, wp.min(x + 1, ground.shape[1] - 1)])
    slope = float(0.0)
    vertical = wp.min(up, down)
    if y == 0 or y == ground.shape[0] - 1:
        vertical = wp.max(up, down)
    horizontal = wp.min(left, right)
    if x == 0 or x == ground.shape[1] - 1:
        horizontal = wp.max(left, right)
    if vertical < 1.0e8:
        slope += vertical
    if horizontal < 1.0e8:
        slope += horizontal
    return d + GROUND_BIAS_M + slope


@wp.func
def transmission(blockers: Blockers, y: int, x: int, depth: float) -> float:
    """How much of a sample at `depth` the holdouts let through."""
    clear = float(1.0)
    k = int(0)
    while k < blockers.alpha.shape[0]:
        alpha = blockers.alpha[k, y, x]
        if alpha > 0.0:
            d = blockers.depth[k, wp.min(y, blockers.depth.shape[1] - 1), wp.min(x, blockers.depth.shape[2] - 1)]
            if depth > d:
                clear *= 1.0 - wp.min(alpha, 1.0)
        k += 1
    return clear


@wp.kernel
def count_kernel(
    vis: wp.array(dtype=wp.uint64),
    samples: int,
    row0: int,
    width: int,
    blockers: Blockers,
    count: wp.array(dtype=wp.int64),
    visible: wp.array(dtype=wp.uint8),
    full: wp.array2d(dtype=wp.uint8),
):
    """dim (rows, W): empty the samples that something hides wholly; count the agents left in each pixel, and mark
    them. full: 1 where the crowd stands before the ground in every sample, whatever the holdouts."""
    r, x = wp.tid()
    y = r + row0
    cell = (r * width + x) * samples
    limit = float(-1.0)
    agents = int(0)
    before = int(0)
    s = int(0)
    while s < samples:
        key = vis[cell + s]
        if key != EMPTY:
            depth = key_depth(key)
            keep = transmission(blockers, y, x, depth) > 0.0
            before += 1
            if blockers.ground.shape[0] > 0:
                if limit < 0.0:
                    limit = ground_limit(blockers.ground, y, x)
                if depth > limit:
                    keep = False
                    before -= 1
            if keep:
                fresh = int(1)
                q = int(0)
                while q < s:
                    other = vis[cell + q]
                    if other != EMPTY and key_slot(other) == key_slot(key):
                        fresh = 0
                    q += 1
                agents += fresh
                if fresh != 0:
                    visible[key_slot(key)] = wp.uint8(1)
            else:
                vis[cell + s] = EMPTY
        s += 1
    count[r * width + x] = wp.int64(agents)
    if before == samples:
        full[y, x] = wp.uint8(1)


@wp.func
def barycentric(a: wp.vec3, b: wp.vec3, c: wp.vec3, direction: wp.vec3) -> wp.vec3:
    """Where the ray from the origin meets the triangle's plane, as weights of a, b, c, held inside the triangle."""
    ab = b - a
    ac = c - a
    across = wp.cross(direction, ac)
    area = wp.dot(ab, across)
    weights = wp.vec3(1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0)
    if wp.abs(area) > 1.0e-12:
        v = wp.max(-wp.dot(a, across) / area, 0.0)
        w = wp.max(-wp.dot(direction, wp.cross(a, ab)) / area, 0.0)
        u = wp.max(1.0 - v - w, 0.0)
        weights = wp.vec3(u, v, w) / (u + v + w)
    return weights


@wp.func
def surface_normal(
    meshes: Meshes, draws: Draws, slot: int, vertex0: int, triangle: int, v: wp.vec3i, weights: wp.vec3
) -> wp.vec3:
    """The skinned normal at a place in a triangle, unit, world axes."""
    n = wp.vec3(0.0, 0.0, 0.0)
    joint0 = draws.first_matrix[slot]
    corner = meshes.tri_normal[triangle]
    for k in range(3):
        i = vertex0 + v[k]
        j = meshes.joint[i]
        w = meshes.weight[i]
        normal = meshes.normal[corner[k]]
        m = rotate(draws.matrix[1, joint0 + j[0]], normal)
        if w < 1.0:
            m = m * w + rotate(draws.matrix[1, joint0 + j[1]], normal) * (1.0 - w)
        n += m * weights[k]
    return wp.normalize(n)


@wp.func
def step_to(
    meshes: Meshes, draws: Draws, eye: Eye, slot: int, frame: int, vertex0: int, v: wp.vec3i, at: wp.vec3, here: wp.vec2
) -> wp.vec2:
    """From `here` in the picture to where the same place of the triangle is at a frame beside this one; 0 where the lens
    has no place for it."""
    p = wp.vec3(0.0, 0.0, 0.0)
    for k in range(3):
        p += skinned(meshes, draws, slot, frame, vertex0 + v[k]) * at[k]
    cam = to_camera(eye, p)
    step = wp.vec2(0.0, 0.0)
    if cam[2] > 0.001:
        step = camera_to_pixel(eye, cam) - here
        if not (step[0] == step[0] and step[1] == step[1]):
            step = wp.vec2(0.0, 0.0)
    return step


@wp.kernel
def resolve_kernel(
    vis: wp.array(dtype=wp.uint64), samples: int, offset: wp.array(dtype=wp.vec2i), row0: int, width: int,
    meshes: Meshes, draws: Draws, beside: Draws, before: Eye, eye: Eye, after: Eye, sun: Sun, shading: Shading,
    blockers: Blockers, out: Passes, entries: Entries,
):  # fmt: skip
    """dim (rows, W): every pass of a pixel, and its samples. beside: matrices as of `frame.pose_beside`."""
    r, x = wp.tid()
    y = r + row0
    pixel = r * width + x
    entry = entries.start[pixel]
    if entries.start[pixel + 1] == entry:
        return
    cell = pixel * samples
    todo = int(0)
    s = int(0)
    while s < samples:
        if vis[cell + s] != EMPTY:
            todo = todo | (1 << s)
        s += 1
    share = 1.0 / float(samples)
    total_cover = float(0.0)
    total_rgb = wp.vec3(0.0, 0.0, 0.0)
    total_albedo = wp.vec3(0.0, 0.0, 0.0)
    by_sun = wp.vec3(0.0, 0.0, 0.0)
    by_sky = wp.vec3(0.0, 0.0, 0.0)
    by_bounce = wp.vec3(0.0, 0.0, 0.0)
    total_normal = wp.vec3(0.0, 0.0, 0.0)
    best_cover = float(-1.0)
    best_slot = int(0)
    first = int(1)
    while todo != 0:
        # the nearest sample left opens the next agent
        nearest = EMPTY
        nearest_s = int(0)
        s = int(0)
        while s < samples:
            if (todo >> s) & 1 != 0:
                key = vis[cell + s]
                if key < nearest:
                    nearest = key
                    nearest_s = s
            s += 1
        slot = key_slot(nearest)
        mesh = draws.mesh[slot]
        vertex0 = meshes.first_vertex[mesh]
        base = draws.first_vertex[slot]
        agent_cover = float(0.0)
        agent_rgb = wp.vec3(0.0, 0.0, 0.0)
        lit = float(-1.0)
        s = int(0)
        while s < samples:
            if (todo >> s) & 1 != 0 and key_slot(vis[cell + s]) == slot:
                key = vis[cell + s]
                triangle = key_triangle(key)
                depth = key_depth(key)
                # all samples of this triangle at once, shaded at their middle
                cover = float(0.0)
                mx = float(0.0)
                my = float(0.0)
                n_samples = float(0.0)
                q = int(s)
                while q < samples:
                    if (todo >> q) & 1 != 0:
                        other = vis[cell + q]
                        if key_slot(other) == slot and key_triangle(other) == triangle:
                            todo = todo & ~(1 << q)
                            cover += share * transmission(blockers, y, x, key_depth(other))
                            mx += float(offset[q][0])
                            my += float(offset[q][1])
                            n_samples += 1.0
                    q += 1
                ray = pixel_ray(eye, float(x) + mx / (256.0 * n_samples), float(y) + my / (256.0 * n_samples))
                v = meshes.tri[meshes.first_tri[mesh] + triangle]
                a = draws.rel[base + v[0]]
                b = draws.rel[base + v[1]]
                c = draws.rel[base + v[2]]
                weights = barycentric(a, b, c, to_world(eye, ray))
                p = a * weights[0] + b * weights[1] + c * weights[2]
                n = surface_normal(meshes, draws, slot, vertex0, meshes.first_tri[mesh] + triangle, v, weights)
                material = meshes.material[meshes.first_tri[mesh] + triangle]
                pixel_m = depth / eye.fx
                open = float(1.0)
                own = wp.vec3(0.0, 0.0, 0.0)
                if material >= PIECE:
                    # its own colour, and what is finer than its triangles
                    corner = meshes.tri_normal[meshes.first_tri[mesh] + triangle]
                    uv_a = meshes.uv[corner[0]]
                    uv_b = meshes.uv[corner[1]]
                    uv_c = meshes.uv[corner[2]]
                    at = uv_a * weights[0] + uv_b * weights[1] + uv_c * weights[2]
                    slant = wp.max(wp.abs(wp.dot(n, wp.normalize(p))), 0.2)
                    fine = detail_of(material - PIECE, at, pixel_m / slant)
                    flat = n
                    n = wp.normalize(n - in_world(fine.slope, uv_b - uv_a, uv_c - uv_a, b - a, c - a))
                    own = meshes.albedo[corner[0]] * weights[0]
                    own += meshes.albedo[corner[1]] * weights[1] + meshes.albedo[corner[2]] * weights[2]
                    own = wp.cw_mul(own, fine.tint)
                    open = meshes.open[corner[0]] * weights[0]
                    open += meshes.open[corner[1]] * weights[1] + meshes.open[corner[2]] * weights[2]
                    open = open * fine.open
                    lit = float(0.0)
                    if material == PIECE + CLOTH and wp.dot(flat, shading.toward) < 0.0:
                        flat = -flat  # what falls on its other side shines through
                    if wp.dot(flat, shading.toward) > -0.12:
                        lit = piece_sun(sun, p, flat)
                elif lit < 0.0 and wp.dot(n, shading.toward) > -0.12:
                    lit = surface_sun(sun, p, n)
                reach = wp.max(lit, 0.0)
                rgb = own
                if material >= PIECE:
                    rgb = shade_piece(
                        shading.sun,
                        shading.sky,
                        shading.bounce,
                        shading.toward,
                        material - PIECE,
                        own,
                        p,
                        n,
                        reach,
                        open,
                    )
                    total_albedo += own * cover
                else:
                    rgb = shade(
                        shading, shading.sun, shading.sky, shading.bounce, slot, material, p, n, reach, pixel_m
                    )  # fmt: skip
                    total_albedo += shading.albedo[slot, material] * cover
                if out.light_sun.shape[0] > 0:
                    off = wp.vec3(0.0, 0.0, 0.0)
                    if material < PIECE:
                        by_sun += shade(shading, shading.sun, off, off, slot, material, p, n, reach, pixel_m) * cover
                        by_sky += shade(shading, off, shading.sky, off, slot, material, p, n, reach, pixel_m) * cover
                        by_bounce += (
                            shade(shading, off, off, shading.bounce, slot, material, p, n, reach, pixel_m) * cover
                        )
                    elif material != PIECE + FIRE:
                        kind = material - PIECE
                        by_sun += (
                            shade_piece(shading.sun, off, off, shading.toward, kind, own, p, n, reach, open) * cover
                        )
                agent_cover += cover
                agent_rgb += rgb * cover
                total_normal += n * cover
                if first != 0 and triangle == key_triangle(nearest):
                    # motion and depth belong to the pixel's nearest sample
                    first = 0
                    out.depth[y, x] = key_depth(nearest)
                    o = offset[nearest_s]
                    exact = pixel_ray(eye, float(x) + float(o[0]) / 256.0, float(y) + float(o[1]) / 256.0)
                    at = barycentric(a, b, c, to_world(eye, exact))
                    here = camera_to_pixel(eye, to_camera(eye, a * at[0] + b * at[1] + c * at[2]))
                    out.motion_back[y, x] = step_to(meshes, beside, before, slot, 0, vertex0, v, at, here)
                    out.motion[y, x] = step_to(meshes, beside, after, slot, 2, vertex0, v, at, here)
            s += 1
        entries.agent_id[entry] = shading.agent_id[slot]
        entries.coverage[entry] = agent_cover
        entries.depth[entry] = key_depth(nearest)
        entries.rgb[entry] = agent_rgb
        entry += wp.int64(1)
        total_cover += agent_cover
        total_rgb += agent_rgb
        if agent_cover > best_cover:
            best_cover = agent_cover
            best_slot = slot
    out.coverage[y, x] = total_cover
    out.beauty[y, x] = total_rgb
    if out.light_sun.shape[0] > 0:
        out.light_sun[y, x] = by_sun
        out.light_sky[y, x] = by_sky
        out.light_bounce[y, x] = by_bounce
    out.albedo[y, x] = total_albedo
    out.agent_id[y, x] = shading.agent_id[best_slot]
    length = wp.length(total_normal)
    if length > 0.0:
        m = total_normal / length
        out.normal[y, x] = wp.vec3(wp.dot(eye.row_x, m), wp.dot(eye.row_y, m), wp.dot(eye.row_z, m))

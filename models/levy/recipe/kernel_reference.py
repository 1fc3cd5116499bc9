# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""The far better picture that Levy learns: each of a pixel's samples shaded by itself, with rays for the sun's soft shadow,
the sky's occlusion, what the ground and the neighbours throw back, and what metal mirrors. The light of the sky is gathered
apart from what it falls on and smoothed over the same man's like surfaces, so that no grain of the rays is learned."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_resolve import (
    EMPTY,
    Blockers,
    barycentric,
    key_depth,
    key_slot,
    key_triangle,
    surface_normal,
    transmission,
)
from composer.guides.kernel_view import OPTIONS, Draws, Eye, Meshes, pixel_ray, rotate, to_world
from models.levy.recipe.kernel_matter import matter
from models.levy.recipe.kernel_relief import State, hash3, relief

wp.set_module_options(OPTIONS)

#: Rays start this far off the surface, and light from the neighbours is looked for this far.
OFF_M = wp.constant(0.012)
FAR_M = wp.constant(6.0)
GOLDEN = wp.constant(0.6180339887498949)


@wp.struct
class Lamps:
    """toward: to the sun, unit; spread: tangent of its half angle. sun, sky, bounce: as `guides.passes.Light`. ground_y: rel
    height of the ground, for how light the ground near a body is."""

    toward: wp.vec3
    spread: float
    sun: wp.vec3
    sky: wp.vec3
    bounce: wp.vec3


@wp.func
def frame_of(n: wp.vec3) -> wp.mat33:
    """Columns t, b, n (Duff et al. 2017)."""
    sign = wp.where(n[2] >= 0.0, 1.0, -1.0)
    a = -1.0 / (sign + n[2])
    b = n[0] * n[1] * a
    t = wp.vec3(1.0 + sign * n[0] * n[0] * a, sign * b, -sign * n[0])
    u = wp.vec3(b, sign + n[1] * n[1] * a, -n[1])
    return wp.matrix_from_cols(t, u, n)


@wp.func
def disc(u: float, v: float) -> wp.vec2:
    r = wp.sqrt(u)
    return wp.vec2(r * wp.cos(6.2831853 * v), r * wp.sin(6.2831853 * v))


@wp.func
def blocked(scene: wp.uint64, p: wp.vec3, direction: wp.vec3, far_m: float) -> bool:
    return wp.mesh_query_ray_anyhit(scene, p, direction, far_m)


@wp.func
def dome(lamps: Lamps, d: wp.vec3) -> wp.vec3:
    """The light that comes from direction d: sky above, ground below, softly joined at the horizon."""
    t = wp.smoothstep(-0.12, 0.12, d[1])
    return lamps.bounce * (1.0 - t) + lamps.sky * (t * (0.82 + 0.36 * (1.0 - wp.max(d[1], 0.0))))


@wp.func
def ggx(cos_h: float, rough: float) -> float:
    a = rough * rough
    d = cos_h * cos_h * (a * a - 1.0) + 1.0
    return a * a / wp.max(d * d, 1.0e-6)


@wp.struct
class Gathered:
    """The sky's light on what each pixel shows. light: its sum over the samples, and their number. normal: their sum.
    depth: mean. slot: whose the nearest sample is, -1 nobody's."""

    light: wp.array2d(dtype=wp.vec4)
    normal: wp.array2d(dtype=wp.vec3)
    depth: wp.array2d(dtype=float)
    slot: wp.array2d(dtype=int)


@wp.kernel
def reference_kernel(
    vis: wp.array(dtype=wp.uint64), samples: int, offset: wp.array(dtype=wp.vec2i), row0: int, width: int,
    meshes: Meshes, draws: Draws, eye: Eye, blockers: Blockers, albedo: wp.array2d(dtype=wp.vec3),
    states: wp.array(dtype=State), lamps: Lamps, scene: wp.uint64, seed: wp.uint32, out: wp.array2d(dtype=wp.vec4),
    dull: wp.array2d(dtype=wp.vec3), sky: Gathered,
):  # fmt: skip
    """dim (rows, W). out: the pixel's radiance without the sky's, premultiplied, and coverage. dull: what the sky's light is
    to be multiplied by. sky: that light."""
    r, x = wp.tid()
    y = r + row0
    cell = (r * width + x) * samples
    total = wp.vec3(0.0, 0.0, 0.0)
    cover = float(0.0)
    reflected = wp.vec3(0.0, 0.0, 0.0)
    gathered = wp.vec3(0.0, 0.0, 0.0)
    facing_sum = wp.vec3(0.0, 0.0, 0.0)
    depth = float(0.0)
    nearest = float(1.0e30)
    whose = int(-1)
    count = float(0.0)
    turn_u = hash3(x, y, 11, seed)
    turn_v = hash3(x, y, 12, seed)
    s = int(0)
    while s < samples:
        key = vis[cell + s]
        if key != EMPTY:
            slot = key_slot(key)
            mesh = draws.mesh[slot]
            vertex0 = meshes.first_vertex[mesh]
            triangle = meshes.first_tri[mesh] + key_triangle(key)
            base = draws.first_vertex[slot]
            o = offset[s]
            ray = pixel_ray(eye, float(x) + float(o[0]) / 256.0, float(y) + float(o[1]) / 256.0)
            v = meshes.tri[triangle]
            w = barycentric(draws.rel[base + v[0]], draws.rel[base + v[1]], draws.rel[base + v[2]], to_world(eye, ray))
            p = draws.rel[base + v[0]] * w[0] + draws.rel[base + v[1]] * w[1] + draws.rel[base + v[2]] * w[2]
            rest = (
                meshes.position[vertex0 + v[0]] * w[0]
                + meshes.position[vertex0 + v[1]] * w[1]
                + meshes.position[vertex0 + v[2]] * w[2]
            )
            n = surface_normal(meshes, draws, slot, vertex0, triangle, v, w)
            view = -wp.normalize(p)
            if wp.dot(n, view) < 0.02:  # smooth normals turn away at the silhouette; the surface does not
                n = wp.normalize(n + view * (0.04 - wp.dot(n, view)))
            pixel_m = key_depth(key) / eye.fx
            material = meshes.material[triangle]
            state = states[slot]
            slope = relief(material, rest, pixel_m, state)
            slope = rotate(draws.matrix[1, draws.first_matrix[slot] + meshes.joint[vertex0 + v[0]][0]], slope)
            m = matter(material, albedo[slot, material], rest, n, slope, pixel_m, state)
            # R2 points (Roberts 2018), turned by the pixel's own number: every pixel's samples cover the disc evenly
            a = wp.frac(turn_u + 0.7548776662466927 * float(s + 1))
            b = wp.frac(turn_v + 0.5698402909980532 * float(s + 1))
            start = p + n * OFF_M
            light = wp.vec3(0.0, 0.0, 0.0)
            facing = wp.dot(m.normal, lamps.toward)
            lit = float(0.0)
            if facing > -0.1 and wp.dot(n, lamps.toward) > -0.1:
                j = disc(a, b) * lamps.spread
                basis = frame_of(lamps.toward)
                to_sun = wp.normalize(basis * wp.vec3(j[0], j[1], 1.0))
                if not blocked(scene, start, to_sun, 200.0):
                    lit = 1.0
            k = disc(a, b)
            up = wp.sqrt(wp.max(0.0, 1.0 - k[0] * k[0] - k[1] * k[1]))
            d = frame_of(m.normal) * wp.vec3(k[0], k[1], up)
            ambient = dome(lamps, d)
            if blocked(scene, start, d, FAR_M):
                ambient = (lamps.sky + lamps.bounce) * 0.05
            else:
                # the ground beside a body lies in its shade
                if d[1] < 0.0:
                    ambient = ambient * wp.clamp(0.35 + 0.5 * (rest[1] + 0.1), 0.35, 1.0)
            diffuse = lamps.sun * (wp.max(facing, 0.0) * lit)
            half = wp.normalize(view + lamps.toward)
            spark = ggx(wp.max(wp.dot(m.normal, half), 0.0), m.rough)
            fresnel = wp.pow(1.0 - wp.clamp(wp.dot(m.normal, view), 0.0, 1.0), 5.0)
            mirror = wp.normalize(m.normal * (2.0 * wp.dot(m.normal, view)) - view + d * (m.rough * m.rough))
            seen = float(1.0)
            glow = dome(lamps, mirror)
            if m.metal > 0.3 and blocked(scene, start, mirror, FAR_M):
                glow = (lamps.sky + lamps.bounce) * 0.06
                seen = 0.2
            sun_at = lamps.sun * (lit * wp.max(facing, 0.0))
            plain = wp.cw_mul(m.albedo, diffuse)
            plain += (sun_at * (spark * 0.25) + glow) * (m.gloss * (1.0 - m.metal) * (0.5 + 3.0 * fresnel) * seen)
            grazing = 1.0 - wp.clamp(wp.dot(m.normal, view), 0.0, 1.0)
            fuzz = (m.albedo + wp.vec3(0.03, 0.03, 0.03)) * (m.fuzz * grazing * grazing * grazing)
            plain += wp.cw_mul(fuzz, diffuse)
            # what a rough metal mirrors is as wide as the sky
            wide = 0.55 * wp.smoothstep(0.35, 0.8, m.rough)
            shine = wp.cw_mul(m.albedo, sun_at * (spark * 0.45) + glow * (0.85 - wide) + diffuse * 0.18)
            light = plain * (1.0 - m.metal) + shine * m.metal
            takes = (m.albedo + fuzz) * (1.0 - m.metal) + m.albedo * ((0.18 + wide) * m.metal)
            let = transmission(blockers, y, x, key_depth(key)) / float(samples)
            total += light * let
            reflected += takes * let
            cover += let
            gathered += ambient
            facing_sum += n
            depth += key_depth(key)
            count += 1.0
            if key_depth(key) < nearest:
                nearest = key_depth(key)
                whose = slot
        s += 1
    out[y, x] = wp.vec4(total[0], total[1], total[2], cover)
    dull[y, x] = reflected
    sky.light[y, x] = wp.vec4(gathered[0], gathered[1], gathered[2], count)
    sky.normal[y, x] = facing_sum
    sky.depth[y, x] = depth / wp.max(count, 1.0)
    sky.slot[y, x] = whose


@wp.kernel
def smooth_kernel(dull: wp.array2d(dtype=wp.vec3), sky: Gathered, reach: int, out: wp.array2d(dtype=wp.vec4)):
    """dim (H, W): add the sky's light, averaged over the pixels around that show the same man from a like side."""
    y, x = wp.tid()
    own = sky.slot[y, x]
    if own >= 0:
        n = wp.normalize(sky.normal[y, x])
        total = wp.vec3(0.0, 0.0, 0.0)
        weight = float(0.0)
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                v = y + dy
                u = x + dx
                if v >= 0 and u >= 0 and v < out.shape[0] and u < out.shape[1]:
                    if sky.slot[v, u] == own:
                        like = wp.max(wp.dot(n, wp.normalize(sky.normal[v, u])), 0.0)
                        like = like * like * like * like
                        step = (sky.depth[v, u] - sky.depth[y, x]) / 0.12
                        w = like * wp.exp(-step * step - float(dx * dx + dy * dy) / 6.0) + 1.0e-6
                        light = sky.light[v, u]
                        total += wp.vec3(light[0], light[1], light[2]) * w
                        weight += light[3] * w
        more = wp.cw_mul(dull[y, x], total / weight)
        lit = out[y, x]
        out[y, x] = wp.vec4(lit[0] + more[0], lit[1] + more[1], lit[2] + more[2], lit[3])

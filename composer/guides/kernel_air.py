# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels that look through the air: how much light comes through to any depth, and how much is added on the way.

Rays are marched through all volumes, one for some pixels, whatever stands in them, and each keeps what it met as a
curve over depth. A pixel then reads the four rays around it at the very depths of its own soldiers, pieces and plate. So an
edge in the picture is as sharp as it is drawn, and there is nothing to be cut or blurred along it.

Light is scattered once, from the sun through what lies towards it and from the sky above (Henyey and Greenstein, "Diffuse
radiation in the galaxy", 1941); what is scattered more often is taken for once-scattered light that is less taken away and
less directed, at a half and a quarter (Wrenninge, Kulla, Lundqvist, "Oz: The Great and Volumetric", 2013).
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_cloud import (
    BANK,
    PLUME,
    REACH,
    Cloud,
    Pools,
    age_at,
    base_at,
    box_from,
    density_at,
    depths_at,
    is_empty,
    place_in,
    radius_at,
)
from composer.guides.kernel_view import OPTIONS, Eye, pixel_ray, to_world

wp.set_module_options(OPTIONS)

PI = wp.constant(3.14159265358979)
#: Most volumes, and most nodes of a ray's curve.
MOST = wp.constant(24)
NODES = wp.constant(72)
FAR_M = wp.constant(8000.0)
vec_most = wp.types.vector(length=24, dtype=wp.float32)


@wp.struct
class Mist:
    """Fog. rate below 0: none. base: rel to the camera's height. patch: [nz, nx], what its density is multiplied with, from the
    corner (x, z, rel) on, by cells."""

    rate: float
    base: float
    fall: float
    albedo: wp.vec3
    forward: float
    patch: wp.array2d(dtype=float)
    corner: wp.vec2
    cell: float


@wp.struct
class Sunlight:
    """toward: unit. sun, sky, bounce: ACEScg, as in `passes.Light`."""

    toward: wp.vec3
    sun: wp.vec3
    sky: wp.vec3
    bounce: wp.vec3


@wp.func
def phase(g: float, c: float) -> float:
    """Henyey-Greenstein, a steradian; 1 / (4 pi) for g = 0."""
    d = wp.max(1.0 + g * g - 2.0 * g * c, 1.0e-4)
    return (1.0 - g * g) / (4.0 * PI * d * wp.sqrt(d))


@wp.func
def phases(g: float, c: float) -> wp.vec3:
    """Of light scattered once, and of the two that stand for more. c: cosine between the light's way and the camera's."""
    return wp.vec3(PI * phase(g, c), 0.5 * PI * phase(0.5 * g, c), 0.25 * PI * phase(0.25 * g, c))


@wp.func
def source(s: Sunlight, albedo: wp.vec3, turned: wp.vec3, depths: wp.vec2) -> wp.vec3:
    """Radiance that a grain throws towards the camera for all it takes away. turned: as `phases`. depths: optical, towards the
    sun and upwards."""
    thin = wp.exp(-0.25 * depths[0])
    half = thin * thin
    lit = turned[0] * half * half + turned[1] * half + turned[2] * thin
    dome = wp.exp(-0.5 * depths[1])
    glow = s.sun * lit + s.sky * (0.5 * dome) + s.bounce * 0.35
    return wp.cw_mul(albedo, glow)


@wp.func
def plume_span(c: Cloud, d: wp.vec3, box: wp.vec2) -> wp.vec2:
    """The part of a span within the column: the column is taken for a leaning cone around where the ray passes it."""
    out = box
    t = 0.5 * (box[0] + box[1])
    a = box[0]
    b = box[1]
    hit = int(1)
    for _turn in range(3):
        if hit != 0:
            up = wp.clamp(d[1] * t - c.origin[1], 0.0, c.top)
            age = age_at(c, up)
            slow = (1.0 + up / c.top) / c.rise  # seconds a metre
            r = 1.05 * REACH * radius_at(c, up, age)
            dr = 1.05 * REACH * c.spread * (1.0 + 0.5 * wp.length(c.wind) * slow)
            climb = d[1]
            over = -c.origin[1] - up
            # offset from the axis and radius are linear along the ray
            ax = d[0] - c.wind[0] * slow * climb
            az = d[2] - c.wind[1] * slow * climb
            ox = -c.origin[0] - c.wind[0] * (age + slow * over)
            oz = -c.origin[2] - c.wind[1] * (age + slow * over)
            rr = r + dr * over
            ra = dr * climb
            qa = ax * ax + az * az - ra * ra
            qb = ax * ox + az * oz - ra * rr
            qc = ox * ox + oz * oz - rr * rr
            det = qb * qb - qa * qc
            if qa <= 1.0e-12:
                a = box[0]
                b = box[1]
            elif det <= 0.0:
                hit = 0
            else:
                root = wp.sqrt(det)
                a = (-qb - root) / qa
                b = (-qb + root) / qa
                t = wp.clamp(0.5 * (a + b), box[0], box[1])
    if hit == 0:
        out = wp.vec2(1.0, 0.0)
    else:
        out = wp.vec2(wp.max(a, box[0]), wp.min(b, box[1]))
    return out


@wp.func
def bank_span(c: Cloud, pool: Pools, d: wp.vec3, box: wp.vec2, limit: float) -> wp.vec2:
    """The part of a span that is no higher above the ground than the bank: looked for at even steps, and its ends between them by
    the heights on both sides, so that they move smoothly from ray to ray."""
    end = wp.min(box[1], limit)
    first = float(1.0)
    last = float(0.0)
    found = int(0)
    before = float(0.0)
    steps = int(14)
    for k in range(steps + 1):
        f = float(k) / float(steps)
        t = box[0] + (end - box[0]) * f
        q = d * t - c.origin
        over = q[1] - base_at(c, pool, q[0] / c.cell, q[2] / c.cell) - c.top
        share = over / wp.max(over - before, 1.0e-6)
        if over < 0.0:
            if found == 0:
                first = f
                if k > 0:
                    first = (float(k - 1) + before / wp.max(before - over, 1.0e-6)) / float(steps)
                found = 1
            last = f
        elif k > 0 and before < 0.0:
            last = (float(k) - share) / float(steps)
        before = over
    return wp.vec2(box[0] + (end - box[0]) * first, box[0] + (end - box[0]) * last)


@wp.func
def patch_at(mist: Mist, x: float, z: float) -> float:
    gx = (x - mist.corner[0]) / mist.cell
    gz = (z - mist.corner[1]) / mist.cell
    nx = mist.patch.shape[1]
    nz = mist.patch.shape[0]
    value = float(1.0)
    if gx >= 0.0 and gz >= 0.0 and gx < float(nx - 1) and gz < float(nz - 1):
        i = int(gx)
        k = int(gz)
        u = gx - float(i)
        v = gz - float(k)
        top = mist.patch[k, i] * (1.0 - u) + mist.patch[k, i + 1] * u
        low = mist.patch[k + 1, i] * (1.0 - u) + mist.patch[k + 1, i + 1] * u
        value = top * (1.0 - v) + low * v
    return value


@wp.func
def mist_depth(mist: Mist, d: wp.vec3, size: float, a: float, b: float) -> float:
    """Fog's optical depth along a ray between two planar depths, without patches: closed form."""
    low = wp.clamp((d[1] * a - mist.base) / mist.fall, -3.0, 60.0)
    high = wp.clamp((d[1] * b - mist.base) / mist.fall, -3.0, 60.0)
    mean = wp.exp(-0.5 * (low + high))
    if wp.abs(high - low) > 1.0e-2:
        mean = (wp.exp(-low) - wp.exp(-high)) / (high - low)
    return mist.rate * mean * (b - a) * size


@wp.kernel
def march_kernel(
    eye: Eye, light: Sunlight, mist: Mist, clouds: wp.array(dtype=Cloud), many: int, pool: Pools, far_m: wp.array2d(dtype=float),
    every: int, row0: int, count: wp.array2d(dtype=int), node: wp.array3d(dtype=float), curve: wp.array3d(dtype=wp.vec4),
):  # fmt: skip
    """dim (rows, columns of rays), from row0, one ray each `every` pixels: along it, node planar depths and what came on the way
    to them (RGB, and in w what is let through). far_m: how deep anybody looks, by ray."""
    y, x = wp.tid()
    count[y, x] = 0
    limit = wp.min(far_m[y + row0, x], FAR_M)
    ray = pixel_ray(eye, (float(x) + 0.5) * float(every), (float(y + row0) + 0.5) * float(every))
    if ray[0] != ray[0] or ray[1] != ray[1]:
        return
    d = to_world(eye, ray)
    size = wp.length(d)
    cosine = wp.dot(d, light.toward) / size
    near = vec_most()
    far = vec_most()
    step = vec_most()
    once = vec_most()
    twice = vec_most()
    often = vec_most()
    bare = vec_most()
    misty = phases(mist.forward, cosine)
    need = float(2.0)
    start = limit
    for v in range(many):
        c = clouds[v]
        span = box_from(c, wp.vec3(0.0, 0.0, 0.0), d)
        if span[0] < wp.min(span[1], limit):
            if c.kind == PLUME:
                span = plume_span(c, d, span)
            else:
                span = bank_span(c, pool, d, span, limit)
        near[v] = 1.0
        far[v] = 0.0
        if span[0] < wp.min(span[1], limit):
            near[v] = span[0]
            far[v] = wp.min(span[1], limit)
            step[v] = wp.max(c.step / size, (span[1] - span[0]) / 30.0)
            turned = phases(c.forward, cosine)
            once[v] = turned[0]
            twice[v] = turned[1]
            often[v] = turned[2]
            need += (far[v] - near[v]) / step[v] + 2.0
            start = wp.min(start, near[v])
    grow = float(0.22)
    if mist.rate > 0.0:
        start = 0.0
        need += wp.log(wp.max(limit, 5.0) / 5.0) / grow + 8.0
    if start >= limit:
        return
    stretch = wp.max(need / float(NODES - 2), 1.0)
    t = float(start)
    through = float(1.0)
    glow = wp.vec3(0.0, 0.0, 0.0)
    node[y, x, 0] = t
    curve[y, x, 0] = wp.vec4(0.0, 0.0, 0.0, 1.0)
    n = int(1)
    clear = int(0)
    while t < limit and n < NODES and through > 0.002:
        ahead = limit
        width = float(1.0e9)
        inside = int(0)
        filled = int(0)
        for v in range(many):
            if near[v] < far[v]:
                if near[v] <= t and t < far[v]:
                    inside = 1
                    wide = step[v]
                    bare[v] = 0.0
                    if clouds[v].kind == BANK:
                        if is_empty(clouds[v], pool, d * t) != 0:
                            bare[v] = 1.0
                            wide = 3.0 * wide
                    if bare[v] == 0.0:
                        filled = 1
                    width = wp.min(width, wide)
                    ahead = wp.min(ahead, far[v])
                elif near[v] > t:
                    ahead = wp.min(ahead, near[v])
        if mist.rate > 0.0:
            inside = 1
            filled = 1
            width = wp.min(width, wp.max(grow * t, 0.8))
        if n == NODES - 1:
            width = 1.0e9
            ahead = limit
        end = wp.min(t + width * stretch, ahead)
        if inside == 0:
            end = ahead
        if end <= t * 1.0000005:
            end = t * 1.000001 + 1.0e-5
        depth = float(0.0)
        if filled != 0:
            p = d * (0.5 * (t + end))
            long = (end - t) * size
            given = wp.vec3(0.0, 0.0, 0.0)
            for v in range(many):
                if near[v] <= t and t < far[v] and bare[v] == 0.0:
                    c = clouds[v]
                    g = place_in(c, pool, p)
                    if g[0] >= 0.0:
                        own = density_at(c, pool, g) * long
                        if own > 0.0:
                            depth += own
                            turned = wp.vec3(once[v], twice[v], often[v])
                            given += source(light, c.albedo, turned, depths_at(c, pool, g)) * own
            if mist.rate > 0.0:
                own = mist_depth(mist, d, size, t, end) * patch_at(mist, p[0], p[2])
                thick = mist.rate * wp.exp(-wp.clamp((p[1] - mist.base) / mist.fall, -3.0, 60.0)) * mist.fall
                depths = wp.vec2(thick / wp.max(light.toward[1], 0.1), thick)
                depth += own
                given += source(light, mist.albedo, misty, depths) * own
            if depth > 0.0:
                left = wp.exp(-depth)
                taken = 1.0 - left
                if depth < 1.0e-3:
                    taken = depth
                glow += given * (through * taken / depth)
                through *= left
        if depth == 0.0 and clear != 0:
            n -= 1  # nothing here nor before: one step
        clear = int(0)
        if depth == 0.0:
            clear = 1
        t = end
        node[y, x, n] = t
        curve[y, x, n] = wp.vec4(glow[0], glow[1], glow[2], through)
        n += 1
    if n == 2 and clear != 0:
        n = 0
    count[y, x] = n

"""Grass: how high and how lit it is anywhere, and the blades themselves as world-fixed geometry.

Blades get sparser and wider with distance from the camera's FIRST place, about one pixel wide everywhere; the set never
changes during the shot, so nothing pops or shimmers.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import warp as wp

from . import light, move, world
from .raster import Blade

wp.set_module_options({"enable_backward": False})  # half the time to compile

FAR_M = 330.0


@wp.func
def canopy(x: float, z: float) -> float:
    """Height of the grass in metres: short in the field, long on the knoll and along the edges, tussocks everywhere."""
    r = world.rise(x, z)
    edge = 1.0 - world.field_mask(x, z)
    base = 0.085 + 0.17 * r + 0.16 * edge
    n = 0.55 * world.noise2(x / 3.1, z / 3.1, 71) + 0.55 * world.noise2(x / 0.9, z / 0.9, 72)
    n += 0.45 * world.noise2(x / 0.33, z / 0.33, 73)
    tuft = wp.max(world.noise2(x / 5.3, z / 5.3, 74) + 0.6 * world.noise2(x / 1.6, z / 1.6, 75) - 0.42, 0.0)
    bare = world.track(x, z)[0]
    return wp.max(base * (1.0 + 1.25 * n) + 0.26 * tuft, 0.015) * (1.0 - 0.85 * bare)


@wp.func
def sun_through(x: float, z: float, y: float, fine: float) -> float:
    """Share of sunlight that reaches height y (above the ground) in the grass; neighbours towards the sun shade it."""
    flat = wp.sqrt(light.SUN_V[0] * light.SUN_V[0] + light.SUN_V[2] * light.SUN_V[2])
    sx = light.SUN_V[0] / flat
    sz = light.SUN_V[2] / flat
    rise = light.SUN_V[1] / flat
    thick = wp.max(canopy(x, z) - y, 0.0) * 0.55
    s = float(0.16)
    for _i in range(3):
        thick += wp.max(canopy(x + sx * s, z + sz * s) - y - rise * s, 0.0) * fine
        s *= 2.2
    return wp.exp(-9.0 * thick)


@wp.func
def grass_albedo(x: float, z: float) -> wp.vec3:
    dry = world.dryness(x, z)
    lush = wp.vec3(0.066, 0.100, 0.030)
    olive = wp.vec3(0.122, 0.124, 0.046)
    straw = wp.vec3(0.262, 0.215, 0.112)
    if dry < 0.5:
        return lush + (olive - lush) * (dry * 2.0)
    return olive + (straw - olive) * (dry * 2.0 - 1.0)


@wp.func
def grass_sun(direction: wp.vec3, upright: float) -> float:
    """How bright sunlit grass is against a white diffuse wall: blades stand upright and let light through."""
    mu = wp.dot(direction, light.SUN_V)
    return 0.34 + 0.16 * upright + 0.42 * wp.pow(wp.max(0.5 + 0.5 * mu, 0.0), 4.0)


@wp.kernel
def light_blades(
    blade: wp.array(dtype=Blade),
    eye: wp.vec3,
    shade: wp.array(dtype=float),
    root_rgb: wp.array(dtype=wp.vec3),
    tip_rgb: wp.array(dtype=wp.vec3),
):
    """Radiance of each blade at root and tip, without haze. shade: sunlight left by trees, rocks and figures."""
    i = wp.tid()
    b = blade[i]
    x = b.root[0]
    z = b.root[2]
    top = b.tip[1]
    a = grass_albedo(x, z)
    v = wp.frac(b.seed * 91.7)
    warm = wp.frac(b.seed * 17.3)
    far = world.smooth(30.0, 160.0, wp.length(b.root - eye))
    if b.seed > 0.90:
        a = a + (wp.vec3(0.31, 0.25, 0.13) - a) * (1.0 - 0.85 * far)
    a = a * (1.0 + (v - 0.5) * (0.80 - 0.5 * far))
    a = wp.vec3(a[0] * (0.86 + 0.30 * warm), a[1], a[2] * (1.1 - 0.25 * warm))
    direction = wp.normalize(b.root - eye)
    g = grass_sun(direction, wp.frac(b.seed * 41.9)) * shade[i]
    low = wp.max(sun_through(x, z, 0.12 * top, 0.8), 0.10 * far) * g
    high = sun_through(x + b.tip[0], z + b.tip[2], 0.92 * top, 0.8) * g
    tint = wp.vec3(1.05, 1.08, 0.66)
    c = canopy(x, z)
    deep = wp.clamp(0.30 + 0.5 * (0.5 - wp.min(c * 2.2, 0.5)), 0.12, 0.6)
    sky = light.ambient(wp.vec3(0.0, 0.55, 0.0))
    root_rgb[i] = wp.cw_mul(a * 0.62, wp.cw_mul(light.SUN_RGB, tint) * low + sky * (deep + 0.2 * far))
    tip_a = a * 1.18
    if b.seed > 0.962 and b.seed < 0.985 and world.noise2(x / 2.3, z / 2.3, 77) > 0.12:
        tip_a = wp.vec3(0.52, 0.49, 0.40) * (1.0 - 0.8 * far)  # yarrow in flower
    tip_rgb[i] = wp.cw_mul(tip_a, wp.cw_mul(light.SUN_RGB, tint) * high + sky * 0.86)


@wp.kernel
def plant(
    x: wp.array(dtype=float),
    z: wp.array(dtype=float),
    seed: wp.array(dtype=float),
    lean: wp.array(dtype=wp.vec2),
    px_m: wp.array(dtype=float),
    out: wp.array(dtype=Blade),
):
    i = wp.tid()
    s = seed[i]
    c = canopy(x[i], z[i])
    long = 0.55 + 0.75 * wp.frac(s * 57.1)
    if s > 0.90:
        long = long * 1.28
    h = c * long
    width = wp.clamp(0.0035 + 0.012 * h, 0.003, 0.0065) * (0.55 + 0.65 * wp.frac(s * 131.0))
    if s > 0.90:
        width = width * 0.7
    width = wp.max(width, px_m[i] * (0.75 + 0.5 * wp.frac(s * 131.0)))
    b = Blade()
    b.root = wp.vec3(x[i], world.height(x[i], z[i]) - 0.01, z[i])
    bow = 0.30 + 0.55 * wp.frac(s * 23.7)
    if s > 0.90:
        bow = bow * 0.45
    b.tip = wp.vec3(lean[i][0] * bow * h + 0.10 * h, h, lean[i][1] * bow * h)
    b.width = width
    b.seed = s
    out[i] = b


def blades(density: float = 1.0) -> wp.array:
    """All blades within the camera's reach. `density` 1 is the final look; smaller is for quick looks."""
    rng = np.random.default_rng(20261)
    f = move.focal_px()
    edges = np.geomspace(4.5, FAR_M, 40)
    half = math.atan(0.5 * move.SIZE_PX[0] / f) + math.radians(4.0)
    xs, zs, px = [], [], []
    for r0, r1 in pairwise(edges):
        mid = 0.5 * (r0 + r1)
        per_m2 = density * min(1250.0, 1050.0 * (20.0 / mid) ** 1.9)
        n = int(per_m2 * half * (r1 * r1 - r0 * r0))
        r = np.sqrt(rng.uniform(r0 * r0, r1 * r1, n))
        a = rng.uniform(-half, half, n) + math.radians(0.7)
        xs.append(r * np.sin(a))
        zs.append(-r * np.cos(a))
        px.append(np.full(n, 0.80 * mid / f / math.sqrt(max(density, 0.2))))
    x, z = np.concatenate(xs).astype(np.float32), np.concatenate(zs).astype(np.float32)
    px_m = np.concatenate(px).astype(np.float32)
    cover = world.cover(x, z)
    seed = rng.random(len(x), dtype=np.float32)
    keep = (rng.random(len(x)) > 0.93 * np.clip(cover[:, 0] * 1.5 - 0.12, 0, 1)) & (cover[:, 2] < 0.75)
    x, z, px_m, seed = x[keep], z[keep], px_m[keep], seed[keep]
    lean = rng.normal(0.0, 0.55, (len(x), 2)).astype(np.float32)
    out = wp.zeros(len(x), dtype=Blade, device="cpu")
    make = [wp.array(v, dtype=float, device="cpu") for v in (x, z, seed)]
    inputs = [*make, wp.array(lean, dtype=wp.vec2, device="cpu"), wp.array(px_m, dtype=float, device="cpu"), out]
    wp.launch(plant, dim=len(x), inputs=inputs, device="cpu")
    return out

"""The sky: gradient, glow around the sun, and two decks of high cloud."""

from __future__ import annotations

import warp as wp

from . import light, world
from .raster import Lens, ray

wp.set_module_options({"enable_backward": False})  # half the time to compile


@wp.func
def cirrus(u: float, v: float) -> float:
    """Streaked high cloud, 0..1."""
    wu = u + 0.6 * world.noise2(u * 0.33, v * 0.33, 811)
    wv = v + 0.9 * world.noise2(u * 0.33 + 7.0, v * 0.33, 813)
    along = 0.86 * wu + 0.51 * wv
    cross = 0.86 * wv - 0.51 * wu
    a = world.fbm2(along * 0.34, cross * 1.5, 6, 821)
    b = world.fbm2(u * 0.16 + 3.0, v * 0.20, 3, 831)
    return world.smooth(0.0, 0.42, a + 0.9 * b + 0.04)


@wp.func
def puffs(u: float, v: float) -> float:
    """A broken deck of soft, small clouds, 0..1."""
    wu = u + 0.35 * world.noise2(u * 0.7, v * 0.7, 841)
    wv = v + 0.35 * world.noise2(u * 0.7 + 4.0, v * 0.7, 843)
    a = world.fbm2(wu * 0.80, wv * 0.80, 7, 851)
    b = world.fbm2(u * 0.17 + 5.0, v * 0.17, 3, 861)
    return world.smooth(0.03, 0.34, a + 1.25 * b - 0.01)


@wp.func
def clear_sky(direction: wp.vec3) -> wp.vec3:
    y = wp.max(direction[1], 0.0)
    mu = wp.dot(direction, light.SUN_V)
    zenith = wp.vec3(0.085, 0.25, 0.74)
    rim = wp.vec3(0.62, 0.80, 1.02)
    c = zenith + (rim - zenith) * wp.exp(-y * 6.5)
    glow = 0.23 * light.phase(mu, 0.64) * (0.30 + 0.70 * wp.exp(-y * 2.5)) + 0.035 * light.phase(mu, 0.87)
    return c + wp.vec3(1.0, 0.62, 0.24) * glow


@wp.func
def sky(direction: wp.vec3) -> wp.vec3:
    """Radiance of the sky in a unit direction."""
    y = direction[1]
    if y < 0.002:
        return light.air(direction)
    c = clear_sky(direction)
    mu = wp.dot(direction, light.SUN_V)
    lit = wp.vec3(1.0, 0.70, 0.40) * (1.05 + 0.27 * light.phase(mu, 0.66)) + wp.vec3(0.16, 0.20, 0.26)
    k = 1.0 / (y + 0.045)
    u = direction[0] * k
    v = direction[2] * k
    thin = cirrus(u * 0.62 + 1.7, v * 0.62) * world.smooth(0.01, 0.09, y)
    c = c + (lit * 1.10 - c) * (0.72 * thin)
    e = float(0.11)
    flat = wp.sqrt(light.SUN_V[0] * light.SUN_V[0] + light.SUN_V[2] * light.SUN_V[2])
    p0 = puffs(u, v)
    if p0 > 0.002:
        p1 = puffs(u + e * light.SUN_V[0] / flat, v + e * light.SUN_V[2] / flat)
        p2 = puffs(u + 2.6 * e * light.SUN_V[0] / flat, v + 2.6 * e * light.SUN_V[2] / flat)
        shade = wp.exp(-1.5 * (0.15 * p0 + 0.7 * p1 + 0.7 * p2))
        body = lit * (0.22 + 1.05 * shade) + wp.vec3(0.15, 0.20, 0.32) * (1.0 - shade)
        c = c + (body - c) * (wp.min(p0 * 1.1, 0.95) * world.smooth(0.008, 0.07, y))
    far = wp.exp(-y * 19.0)
    return c + (light.air(direction) - c) * (0.85 * far)


@wp.kernel
def draw_sky(cam: Lens, out: wp.array2d(dtype=wp.vec3)):
    j, i = wp.tid()
    out[j, i] = sky(wp.normalize(ray(cam, float(i), float(j))))

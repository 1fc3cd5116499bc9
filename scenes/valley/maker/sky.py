"""The sky: gradient, glow around the sun, and two decks of high cloud."""

from __future__ import annotations

import warp as wp

from . import light, world
from .raster import Lens, ray


@wp.func
def cirrus(u: float, v: float) -> float:
    """Streaked high cloud, 0..1."""
    wu = u + 0.55 * world.noise2(u * 0.33, v * 0.33, 811)
    wv = v + 0.55 * world.noise2(u * 0.33 + 7.0, v * 0.33, 813)
    a = world.fbm2(wu * 0.42, wv * 1.35, 6, 821)
    b = world.fbm2(wu * 0.16 + 3.0, wv * 0.30, 3, 831)
    return world.smooth(-0.06, 0.45, a + 0.9 * b + 0.03)


@wp.func
def puffs(u: float, v: float) -> float:
    """A broken deck of soft, small clouds, 0..1."""
    wu = u + 0.35 * world.noise2(u * 0.7, v * 0.7, 841)
    a = world.fbm2(wu * 0.85, v * 1.15, 6, 851)
    b = world.fbm2(u * 0.19 + 5.0, v * 0.24, 3, 861)
    return world.smooth(0.02, 0.40, a + 1.15 * b + 0.02)


@wp.func
def clear_sky(direction: wp.vec3) -> wp.vec3:
    y = wp.max(direction[1], 0.0)
    mu = wp.dot(direction, light.SUN_V)
    up = wp.pow(1.0 - y, 5.0)
    zenith = wp.vec3(0.24, 0.40, 0.74)
    rim = wp.vec3(0.86, 0.90, 0.94)
    c = zenith + (rim - zenith) * wp.pow(1.0 - y, 3.2)
    glow = 0.155 * light.phase(mu, 0.62) * (0.35 + 0.65 * up) + 0.030 * light.phase(mu, 0.86)
    return c * 0.92 + wp.vec3(1.0, 0.74, 0.44) * glow


@wp.func
def sky(direction: wp.vec3) -> wp.vec3:
    """Radiance of the sky in a unit direction."""
    c = clear_sky(direction)
    y = direction[1]
    if y < 0.004:
        return light.air(direction)
    mu = wp.dot(direction, light.SUN_V)
    k = 1.0 / (y + 0.035)
    u = direction[0] * k
    v = direction[2] * k
    edge = wp.vec3(1.0, 0.80, 0.58) * (0.78 + 0.150 * light.phase(mu, 0.70)) + wp.vec3(0.34, 0.38, 0.46)
    thin = cirrus(u * 0.62 + 1.7, v * 0.62) * world.smooth(0.015, 0.12, y)
    c = c + (edge * 1.02 - c) * (0.62 * thin)
    e = float(0.10)
    flat = wp.sqrt(light.SUN_V[0] * light.SUN_V[0] + light.SUN_V[2] * light.SUN_V[2])
    p0 = puffs(u, v)
    if p0 > 0.002:
        p1 = puffs(u + e * light.SUN_V[0] / flat, v + e * light.SUN_V[2] / flat)
        p2 = puffs(u + 3.0 * e * light.SUN_V[0] / flat, v + 3.0 * e * light.SUN_V[2] / flat)
        shade = wp.exp(-0.9 * (0.3 * p0 + 0.6 * p1 + 0.6 * p2))
        body = edge * (0.34 + 0.86 * shade) + wp.vec3(0.08, 0.10, 0.15) * (1.0 - shade)
        c = c + (body - c) * (wp.min(p0 * 1.05, 0.94) * world.smooth(0.01, 0.10, y))
    far = wp.exp(-y * 16.0)
    return c + (light.air(direction) - c) * (0.9 * far)


@wp.kernel
def draw_sky(cam: Lens, out: wp.array2d(dtype=wp.vec3)):
    j, i = wp.tid()
    out[j, i] = sky(wp.normalize(ray(cam, float(i), float(j))))

# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp functions that light a soldier's surface."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)

METAL = wp.constant(5)


@wp.struct
class Shading:
    """sun .. bounce: RGB; toward: to the sun. albedo: [slots, materials]. ground_y: rel height of each agent's feet."""

    sun: wp.vec3
    sky: wp.vec3
    bounce: wp.vec3
    toward: wp.vec3
    albedo: wp.array2d(dtype=wp.vec3)
    foot: wp.array(dtype=wp.vec3)
    height: wp.array(dtype=float)
    crowding: wp.array(dtype=float)
    agent_id: wp.array(dtype=wp.uint32)


@wp.func
def ambient(shading: Shading, slot: int, p: wp.vec3, n: wp.vec3) -> float:
    """The share of sky and bounce that reaches a soldier's surface: less near the ground and in a press."""
    foot = shading.foot[slot]
    rise = wp.clamp((p[1] - foot[1]) / (1.7 * shading.height[slot]), 0.0, 1.0)
    open = rise * rise * (3.0 - 2.0 * rise)
    low = 0.62 - 0.42 * shading.crowding[slot]
    # surfaces that face the figure's own middle (inner legs, under the arms) see less
    out = wp.vec3(p[0] - foot[0], 0.0, p[2] - foot[2])
    reach = wp.length(out)
    facing = float(1.0)
    if reach > 1.0e-4:
        facing = 0.86 + 0.14 * wp.clamp(wp.dot(n, out) / reach + 0.4, 0.0, 1.0)
    return (low + (1.0 - low) * open) * facing


@wp.func
def mix3(a: wp.vec3, b: wp.vec3, t: float) -> wp.vec3:
    return a * (1.0 - t) + b * t


@wp.func
def shade(
    shading: Shading, sun_rgb: wp.vec3, sky: wp.vec3, bounce: wp.vec3, slot: int, material: int, p: wp.vec3, n: wp.vec3,
    lit: float, pixel_m: float,
) -> wp.vec3:  # fmt: skip
    """Radiance of a surface point under these lights; linear in each. lit: share of the sun that reaches it. pixel_m: a
    pixel's width there."""
    base = shading.albedo[slot, material]
    facing = wp.dot(n, shading.toward)
    open = ambient(shading, slot, p, n)
    view = -wp.normalize(p)
    dome = mix3(bounce, sky, 0.5 * (n[1] + 1.0)) * open
    if material == METAL:
        # a dull plate: the sky and ground mirrored softly, a broad highlight that widens as the figure gets small
        mirror = n * (2.0 * wp.dot(n, view)) - view
        t = wp.clamp(mirror[1] * 0.9 + 0.5, 0.0, 1.0)
        glow = mix3(bounce, sky, t * t * (3.0 - 2.0 * t)) * open
        power = 36.0 / (1.0 + pixel_m * 60.0)
        half = wp.normalize(view + shading.toward)
        spark = wp.pow(wp.max(wp.dot(n, half), 0.0), power) * (power + 8.0) * 0.125
        sun = sun_rgb * (wp.max(facing, 0.0) * lit)
        return wp.cw_mul(base, (sun + dome) * 0.35 + glow * 0.55 + sun * (0.5 * spark))
    wrap = wp.max((facing + 0.12) / 1.12, 0.0)
    if material == 0 or material == 8 or material == 6:
        wrap = wp.max(facing, 0.0)
    grazing = 1.0 - wp.max(wp.dot(n, view), 0.0)
    fuzz = 0.18 * grazing * grazing * grazing
    return wp.cw_mul(base, sun_rgb * (wrap * lit) + dome) + wp.cw_mul(base + wp.vec3(0.03, 0.03, 0.03), dome) * fuzz

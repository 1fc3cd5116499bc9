# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp functions that shade pieces of the place: detail finer than their triangles (courses of stone, planks, rock,
grass), read where the surface is, so that it stands still, and faded out by the pixel's footprint, so that it neither
crawls nor shimmers."""

from __future__ import annotations

import warp as wp

from composer.environment.kernel_noise import chance, cloudy, kept, noise
from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)

PIECE = wp.constant(64)
STONE = wp.constant(1)
ROCK = wp.constant(2)
TURF = wp.constant(3)
WOOD = wp.constant(4)
CLOTH = wp.constant(5)
THATCH = wp.constant(6)
IRON = wp.constant(7)
LEAVES = wp.constant(8)
FIRE = wp.constant(9)


@wp.struct
class Detail:
    """tint: on the albedo. slope: how the surface's height changes along each axis of its uv. open: on the sky's share."""

    tint: wp.vec3
    slope: wp.vec3
    open: float


@wp.func
def joint_line(x: float, half_m: float, pixel_m: float) -> float:
    """The share of a pixel that a joint covers whose middle is |x| away: a box as wide as a pixel."""
    half = 0.5 * wp.max(pixel_m, 0.002)
    low = wp.max(-half_m, x - half)
    high = wp.min(half_m, x + half)
    return wp.clamp((high - low) / (2.0 * half), 0.0, 1.0)


@wp.func
def stone_detail(p: wp.vec3, pixel_m: float) -> Detail:
    """Squared stones in courses, with mortar, stains that run down and soft edges."""
    d = Detail()
    course = 0.36
    row = int(wp.floor(p[1] / course))
    long = 0.5 + 0.45 * chance(row, 7, 3)
    across = p[0] / long + chance(row, 11, int(p[2]))
    column = int(wp.floor(across))
    own = chance(column, row, int(p[2]) + 5)
    other = chance(column, row, int(p[2]) + 91)
    x = (across - float(column)) * long
    y = p[1] - float(row) * course
    near_x = wp.min(x, long - x)
    near_y = wp.min(y, course - y)
    mortar = wp.max(joint_line(near_x, 0.012, pixel_m), joint_line(near_y, 0.012, pixel_m))
    each = kept(0.5, pixel_m)
    # a broad patchwork of better and worse stone stays when single stones are too small to see
    broad = cloudy(p, 5.0, 3, pixel_m)
    run = noise(wp.vec3(p[0] * 1.3, p[1] * 0.12, p[2] + 3.0)) * kept(0.6, pixel_m)
    rough = cloudy(p + wp.vec3(own * 40.0, other * 40.0, 0.0), 0.22, 3, pixel_m)
    level = 1.0 + 0.34 * (own - 0.5) * each + 0.3 * broad[3] + 0.14 * run[3] + 0.16 * rough[3]
    level = level * (1.0 - 0.42 * mortar)
    warm = 0.10 * (other - 0.5) * each
    d.tint = wp.vec3(level * (1.0 + warm), level, level * (1.0 - warm))
    # stones bulge a little towards their middle
    edge_x = wp.clamp(1.0 - near_x / 0.05, 0.0, 1.0) * kept(0.05, pixel_m)
    edge_y = wp.clamp(1.0 - near_y / 0.05, 0.0, 1.0) * kept(0.05, pixel_m)
    sx = edge_x * wp.where(x < 0.5 * long, 0.5, -0.5)
    sy = edge_y * wp.where(y < 0.5 * course, 0.5, -0.5)
    tilt = 0.10 * each
    d.slope = wp.vec3(sx + tilt * (own - 0.5) + 0.03 * rough[0], sy + tilt * (other - 0.5) + 0.03 * rough[1], 0.0)
    d.open = 1.0 - 0.3 * mortar
    return d


@wp.func
def wood_detail(p: wp.vec3, pixel_m: float) -> Detail:
    """Grain along u, boards across v."""
    d = Detail()
    board = 0.22
    row = int(wp.floor(p[1] / board))
    own = chance(row, int(p[2]), 13)
    y = p[1] - float(row) * board
    gap = joint_line(wp.min(y, board - y), 0.006, pixel_m)
    fine = wp.vec3(p[0] * 0.8, p[1] * 18.0, p[2] + own * 50.0)
    grain = noise(fine) * kept(0.055, pixel_m)
    broad = cloudy(wp.vec3(p[0] * 0.5, p[1], p[2]), 1.2, 3, pixel_m)
    level = (1.0 + 0.3 * (own - 0.5) * kept(0.22, pixel_m) + 0.2 * grain[3] + 0.3 * broad[3]) * (1.0 - 0.6 * gap)
    d.tint = wp.vec3(level * 1.02, level, level * 0.97)
    d.slope = wp.vec3(0.0, 0.25 * grain[1] * 0.05, 0.0)
    d.open = 1.0 - 0.5 * gap
    return d


@wp.func
def rock_detail(p: wp.vec3, pixel_m: float) -> Detail:
    """Beds that dip a little, cracks, and roughness down to a pixel."""
    d = Detail()
    bend = cloudy(p, 28.0, 3, pixel_m)
    rough = cloudy(p, 7.0, 6, pixel_m)
    bed = noise(wp.vec3(p[0] * 0.02, (p[1] + 5.0 * bend[3] + 0.12 * p[0]) * 0.45, p[2] * 0.02)) * kept(2.2, pixel_m)
    level = 1.0 + 0.35 * rough[3] + 0.25 * bed[3] + 0.3 * bend[3]
    warm = 0.12 * bend[3] + 0.06 * bed[3]
    d.tint = wp.vec3(level * (1.0 + warm), level, level * (1.0 - warm))
    d.slope = wp.vec3(rough[0], rough[1], rough[2]) * 1.1 + wp.vec3(0.0, 0.25 * bed[1] * 0.45, 0.0)
    d.open = wp.clamp(1.0 + 0.5 * rough[3], 0.35, 1.0)
    return d


@wp.func
def turf_detail(p: wp.vec3, pixel_m: float) -> Detail:
    """Grass in patches, dry and green."""
    d = Detail()
    broad = cloudy(p, 30.0, 4, pixel_m)
    fine = cloudy(p, 1.6, 5, pixel_m)
    level = 1.0 + 0.45 * broad[3] + 0.55 * fine[3]
    dry = wp.clamp(0.5 + 0.9 * broad[3], 0.0, 1.0)
    d.tint = wp.vec3(level * (0.85 + 0.45 * dry), level * (0.95 + 0.12 * dry), level * (1.1 - 0.2 * dry))
    d.slope = wp.vec3(fine[0], fine[1], fine[2]) * 0.30
    d.open = wp.clamp(1.0 + 0.5 * fine[3], 0.4, 1.0)
    return d


@wp.func
def leaves_detail(p: wp.vec3, pixel_m: float) -> Detail:
    """Clumps of leaves: light and dark, turned every way."""
    d = Detail()
    clump = cloudy(p, 1.5, 4, pixel_m)
    level = 1.0 + 0.9 * clump[3]
    d.tint = wp.vec3(level * (1.0 + 0.25 * clump[3]), level, level * 0.95)
    d.slope = wp.vec3(clump[0], clump[1], clump[2]) * 0.8
    d.open = wp.clamp(0.85 + 1.1 * clump[3], 0.15, 1.0)
    return d


@wp.func
def detail_of(surface: int, p: wp.vec3, pixel_m: float) -> Detail:
    """What is finer than triangles at uv `p`."""
    d = Detail()
    d.tint = wp.vec3(1.0, 1.0, 1.0)
    d.slope = wp.vec3(0.0, 0.0, 0.0)
    d.open = 1.0
    if surface == STONE:
        d = stone_detail(p, pixel_m)
    elif surface == WOOD:
        d = wood_detail(p, pixel_m)
    elif surface == ROCK:
        d = rock_detail(p, pixel_m)
    elif surface == TURF:
        d = turf_detail(p, pixel_m)
    elif surface == LEAVES:
        d = leaves_detail(p, pixel_m)
    elif surface == CLOTH or surface == THATCH:
        weave = cloudy(p, 1.1, 3, pixel_m)
        level = 1.0 + 0.16 * weave[3]
        if surface == THATCH:
            straw = noise(wp.vec3(p[0] * 16.0, p[1] * 1.5, p[2])) * kept(0.06, pixel_m)
            level = level * (1.0 + 0.4 * straw[3])
        d.tint = wp.vec3(level, level, level)
        d.slope = wp.vec3(weave[0], weave[1], 0.0) * 0.05
    elif surface == IRON:
        rust = cloudy(p, 0.4, 3, pixel_m)
        d.tint = wp.vec3(1.0 + 0.5 * rust[3], 1.0 + 0.2 * rust[3], 1.0)
    return d


@wp.func
def in_world(slope: wp.vec3, r1: wp.vec3, r2: wp.vec3, w1: wp.vec3, w2: wp.vec3) -> wp.vec3:
    """A slope along uv as a vector in the triangle's plane: its steps along both edges (r in uv, w in the world) are the
    same."""
    g1 = wp.dot(slope, r1)
    g2 = wp.dot(slope, r2)
    a = wp.dot(w1, w1)
    b = wp.dot(w1, w2)
    c = wp.dot(w2, w2)
    det = a * c - b * b
    out = wp.vec3(0.0, 0.0, 0.0)
    if det > 1.0e-12 * a * c:
        out = w1 * ((g1 * c - g2 * b) / det) + w2 * ((g2 * a - g1 * b) / det)
    return out


@wp.func
def shade_piece(
    sun_rgb: wp.vec3, sky: wp.vec3, bounce: wp.vec3, toward: wp.vec3, surface: int, base: wp.vec3, p: wp.vec3, n: wp.vec3,
    lit: float, open: float,
) -> wp.vec3:  # fmt: skip
    """Radiance of a surface point: sun, and the sky and the ground as far as they are seen."""
    facing = wp.dot(n, toward)
    up = 0.5 * (n[1] + 1.0)
    # the sky is brighter on the sun's side, the more the lower it stands
    side = 0.45 * (n[0] * toward[0] + n[2] * toward[2])
    dome = (bounce * (1.0 - up) + sky * up) * (open * (1.0 + side))
    if surface == FIRE:
        return base
    falls = wp.max(facing, 0.0)
    if surface == LEAVES:
        falls = wp.max((facing + 0.35) / 1.35, 0.0)  # leaves let light through
    direct = sun_rgb * (falls * lit)
    if surface == CLOTH:
        direct = direct + sun_rgb * (wp.max(-facing, 0.0) * 0.35 * lit)
    if surface == IRON:
        view = -wp.normalize(p)
        half = wp.normalize(view + toward)
        direct = direct + sun_rgb * (wp.pow(wp.max(wp.dot(n, half), 0.0), 24.0) * 1.5 * lit)
    return wp.cw_mul(base, direct + dome)

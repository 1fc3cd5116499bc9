"""What land, rocks and figures are made of: from a point on a surface to the light that leaves it."""

from __future__ import annotations

import warp as wp

from . import light, meadow, sky, world


@wp.func
def land(p: wp.vec3, n: wp.vec3, direction: wp.vec3, distance: float, lit: float) -> wp.vec3:
    """Colour of the ground: soil and matted grass near by, meadow, woods, scree and bare rock far away."""
    x = p[0]
    z = p[2]
    slope = 1.0 - n[1]
    grass = meadow.grass_albedo(x, z)
    fine = 0.0
    if distance < 500.0:
        k = 1.0 - world.smooth(120.0, 500.0, distance)
        fine = k * (world.noise2(x * 1.9, z * 1.9, 501) * 0.6 + world.noise2(x * 5.3, z * 5.3, 502) * 0.5)
    if distance < 40.0:
        fine += world.noise2(x * 23.0, z * 23.0, 503) * 0.5 * (1.0 - world.smooth(15.0, 40.0, distance))
    bare = world.track(x, z)[0]
    earth = wp.vec3(0.205, 0.150, 0.098) * (1.0 + 0.55 * fine)
    meadow_c = grass * (1.0 + 0.55 * fine)
    broad = world.fbm2(x / 210.0, z / 210.0, 4, 511)
    meadow_c = meadow_c * (1.0 + 0.5 * broad * world.smooth(200.0, 500.0, distance))
    wood = world.wooded(x, z)
    floor_c = wp.vec3(0.050, 0.058, 0.022)
    rock_n = world.fbm2(x / 160.0, z / 160.0 + p[1] / 90.0, 5, 521)
    rock = wp.vec3(0.215, 0.200, 0.182) * (1.0 + 0.7 * rock_n)
    pasture = wp.vec3(0.125, 0.118, 0.045) * (1.0 + 0.8 * rock_n)
    r = wp.sqrt(x * x + z * z)
    a = meadow_c
    a = a + (pasture - a) * world.smooth(420.0, 1200.0, r)
    scree = world.smooth(0.17, 0.34, slope + 0.10 * rock_n + 0.00009 * (p[1] - 500.0)) * world.smooth(800.0, 1600.0, r)
    a = a + (rock - a) * scree
    a = a + (floor_c - a) * (wood * world.smooth(40.0, 90.0, r) * (0.85 - 0.25 * scree))
    ndl = wp.max(wp.dot(n, light.SUN_V), 0.0)
    g = meadow.grass_sun(direction, 0.5) * wp.clamp(0.35 + 1.6 * ndl, 0.0, 1.5)
    through = float(1.0)
    if distance < 420.0:
        detail = 1.0 - world.smooth(200.0, 420.0, distance)
        t = meadow.sun_through(x, z, 0.55 * meadow.canopy(x, z), 0.9)
        through = 1.0 + (t * 1.15 - 1.0) * detail
    if distance < 90.0:
        # under the blades that are drawn it is dark; where they thin out the ground stands for them
        through = through * (0.45 + 0.55 * world.smooth(30.0, 90.0, distance))
    stone = wp.max(scree, bare)
    sun = ndl * stone + g * through * (1.0 - stone)
    tint = wp.vec3(1.05, 1.08, 0.66) * (1.0 - stone) + wp.vec3(1.0, 1.0, 1.0) * stone
    sky_share = 0.85 * stone + (1.0 - stone) * (0.5 + 0.3 * world.smooth(30.0, 200.0, distance))
    a = a + (earth - a) * bare
    return wp.cw_mul(a, wp.cw_mul(light.SUN_RGB, tint) * (sun * lit) + light.ambient(n) * sky_share)


@wp.func
def bump(n: wp.vec3, p: wp.vec3, scale: float, amount: float, seed: int) -> wp.vec3:
    q = p * scale
    e = float(0.35)
    s = wp.uint32(seed)
    v = wp.noise(s, q)
    g = wp.vec3(
        wp.noise(s, q + wp.vec3(e, 0.0, 0.0)) - v,
        wp.noise(s, q + wp.vec3(0.0, e, 0.0)) - v,
        wp.noise(s, q + wp.vec3(0.0, 0.0, e)) - v,
    )
    return wp.normalize(n - (g - n * wp.dot(g, n)) * amount)


@wp.struct
class Finish:
    """A surface's own look: albedo and bumped normal, gloss and its power, light through it, light around it."""

    albedo: wp.vec3
    normal: wp.vec3
    gloss: float
    power: float
    through: float
    wrap: float


@wp.func
def finish(p: wp.vec3, n_in: wp.vec3, a_in: wp.vec3, material: float) -> Finish:
    """Grain, weave, dust and moss by material (`meshes.ROCK` and on)."""
    f = Finish()
    f.power = 30.0
    a = a_in
    n = n_in
    if material < 1.5:  # rock
        m = (
            wp.noise(wp.uint32(601), p * 3.1)
            + 0.6 * wp.noise(wp.uint32(602), p * 9.0)
            + 0.4 * wp.noise(wp.uint32(603), p * 31.0)
        )
        moss = world.smooth(0.05, 0.55, wp.noise(wp.uint32(604), p * 4.3) + 0.5 * n[1] - 0.15)
        a = a * (1.0 + 0.55 * m)
        a = a + (wp.vec3(0.13, 0.125, 0.05) - a) * (0.55 * moss)
        n = bump(bump(n, p, 11.0, 0.55, 611), p, 37.0, 0.40, 612)
    elif material < 2.5:  # woven wool
        n = bump(bump(n, p, 46.0, 0.30, 621), p, 190.0, 0.22, 622)
        a = a * (1.0 + 0.30 * wp.noise(wp.uint32(623), p * 8.0) + 0.35 * wp.noise(wp.uint32(624), p * 120.0))
        dust = world.smooth(0.65, 0.0, p[1] - world.height(p[0], p[2])) * 0.35
        a = a + (wp.vec3(0.17, 0.14, 0.10) - a) * dust
        f.wrap = 0.15
        f.gloss = 0.05
        f.power = 3.0
    elif material < 3.5:  # leather, wood, hair
        n = bump(n, p, 60.0, 0.09, 631)
        a = a * (1.0 + 0.45 * wp.noise(wp.uint32(632), wp.vec3(p[0] * 40.0, p[1] * 9.0, p[2] * 40.0)))
        f.gloss = 0.16
        f.power = 22.0
    elif material < 4.5:  # iron and mail
        n = bump(n, p, 85.0, 0.14, 641)
        if a[1] < 0.15:  # mail: rings in rows
            n = bump(n, p, 150.0, 0.9, 643)
        a = a * (0.75 + 0.4 * wp.noise(wp.uint32(642), p * 14.0))
    elif material < 5.5:  # banner cloth
        n = bump(n, p, 90.0, 0.10, 651)
        f.through = 0.55
    elif material < 6.5:  # fur and wool in tufts
        n = bump(bump(n, p, 26.0, 0.75, 661), p, 70.0, 0.6, 662)
        a = a * (1.0 + 0.9 * wp.noise(wp.uint32(663), p * 55.0))
        f.wrap = 0.3
    f.albedo = a
    f.normal = n
    return f


@wp.func
def thing(
    p: wp.vec3, n_in: wp.vec3, a_in: wp.vec3, material: float, seen: float, direction: wp.vec3, lit: float
) -> wp.vec3:
    """Radiance of rocks and figures, without haze."""
    f = finish(p, n_in, a_in, material)
    a = f.albedo
    n = f.normal
    if material > 4.5 and material < 5.5 and wp.dot(n, direction) > 0.0:
        n = -n
    ndl = wp.dot(n, light.SUN_V)
    d = wp.max((ndl + f.wrap) / (1.0 + f.wrap), 0.0) + f.through * wp.max(-ndl, 0.0)
    c = wp.cw_mul(a, light.SUN_RGB * (d * lit) + light.ambient(n) * seen)
    h = wp.normalize(light.SUN_V - direction)
    spec = wp.pow(wp.max(wp.dot(n, h), 0.0), f.power) * f.gloss * wp.max(ndl, 0.0) * lit
    c = c + light.SUN_RGB * spec
    grazing = wp.pow(1.0 - wp.abs(wp.dot(n, direction)), 4.0)
    if material > 3.5 and material < 4.5:
        r = direction - n * (2.0 * wp.dot(n, direction))
        env = sky.clear_sky(wp.normalize(wp.vec3(r[0], wp.max(r[1], 0.05), r[2])))
        ground_c = wp.vec3(0.10, 0.09, 0.045)
        env = ground_c + (env - ground_c) * world.smooth(-0.25, 0.12, r[1])
        hot = wp.pow(wp.max(wp.dot(n, h), 0.0), 60.0) * 7.0 * lit * wp.max(ndl, 0.0)
        tone = wp.vec3(1.45, 1.38, 1.28) * a_in[1] * (0.75 + 0.6 * wp.noise(wp.uint32(642), p * 14.0))
        c = wp.cw_mul(tone, env * (0.75 * seen) + light.SUN_RGB * (hot + 0.10 * wp.max(ndl, 0.0) * lit)) + c * 0.25
    elif material > 1.5 and material < 6.5:
        c = c + wp.cw_mul(a * 0.5 + wp.vec3(0.03, 0.03, 0.03), light.ambient(n)) * (grazing * seen)
    return c

"""From visibility to light: what each sample of the buffer looks like, and shadow look-ups."""

from __future__ import annotations

import warp as wp

from . import light, meadow, sky, world
from .raster import Blade, Card, Lens, project, ray

FIGURE_FROM = wp.constant(1.5)  # materials above rock belong to the foreground figures


@wp.struct
class Shadow:
    """A depth map seen from the sun (orthographic)."""

    cam: Lens
    depth: wp.array2d(dtype=float)


@wp.struct
class Scene:
    position: wp.array(dtype=wp.vec3)
    normal: wp.array(dtype=wp.vec3)
    albedo: wp.array(dtype=wp.vec3)
    open_: wp.array(dtype=wp.vec2)
    material: wp.array(dtype=float)
    triangle: wp.array(dtype=wp.vec3i)
    root_rgb: wp.array(dtype=wp.vec3)
    tip_rgb: wp.array(dtype=wp.vec3)
    blade: wp.array(dtype=Blade)
    card: wp.array(dtype=Card)
    card_rgb: wp.array(dtype=wp.vec3)
    near: Shadow
    wide: Shadow


@wp.kernel
def unpack_depth(vis: wp.array2d(dtype=wp.uint64), out: wp.array2d(dtype=float)):
    j, i = wp.tid()
    d = float(1.0e9)
    if vis[j, i] != wp.uint64(0xFFFFFFFFFFFFFFFF):
        d = wp.cast(wp.uint32(vis[j, i] >> wp.uint64(32)), float)
    out[j, i] = d


@wp.func
def look(s: Shadow, p: wp.vec3, turn: float, bias: float, blur: float) -> float:
    """Share of sunlight at p, 1 outside the map. Blur grows with the distance to what casts the shadow."""
    q = project(s.cam, p)
    if q[0] < 8.0 or q[1] < 8.0 or q[0] > float(s.cam.width) - 9.0 or q[1] > float(s.cam.height) - 9.0:
        return 1.0
    gap = float(0.0)
    found = float(0.0)
    for k in range(4):
        a = turn + 1.5708 * float(k)
        d = s.depth[int(q[1] + 4.5 * wp.sin(a) + 0.5), int(q[0] + 4.5 * wp.cos(a) + 0.5)]
        if d < q[2] - bias:
            gap += q[2] - d
            found += 1.0
    d0 = s.depth[int(q[1] + 0.5), int(q[0] + 0.5)]
    if d0 < q[2] - bias:
        gap += q[2] - d0
        found += 1.0
    if found == 0.0:
        return 1.0
    r = wp.clamp(gap / found * 0.0065 * s.cam.focal, 0.9, 7.0) * blur
    lit = float(0.0)
    for k in range(8):
        a = turn * 1.7 + 2.39996 * float(k)
        m = r * wp.sqrt((float(k) + 0.5) / 8.0)
        d = s.depth[int(q[1] + m * wp.sin(a) + 0.5), int(q[0] + m * wp.cos(a) + 0.5)]
        if d >= q[2] - bias:
            lit += 0.125
    return lit


@wp.func
def sunlight(scene: Scene, p: wp.vec3, turn: float) -> float:
    return wp.min(look(scene.near, p, turn, 0.05, 1.0), look(scene.wide, p, turn, 0.9, 1.0))


@wp.kernel
def shade_points(scene: Scene, point: wp.array(dtype=wp.vec3), turn: wp.array(dtype=float), out: wp.array(dtype=float)):
    i = wp.tid()
    out[i] = sunlight(scene, point[i], turn[i])


@wp.kernel
def blade_points(blade: wp.array(dtype=Blade), point: wp.array(dtype=wp.vec3), turn: wp.array(dtype=float)):
    i = wp.tid()
    point[i] = blade[i].root + blade[i].tip * 0.5
    turn[i] = blade[i].seed * 40.0


@wp.func
def cloud_shadow(p: wp.vec3) -> float:
    return world.smooth(-0.02, 0.16, world.fbm2(p[0] / 1500.0 + 4.0, p[2] / 1100.0, 4, 541))


@wp.kernel
def light_cards(
    scene: Scene, colour: wp.array(dtype=wp.vec4), eye: wp.vec3, out: wp.array(dtype=wp.vec3)
):
    """Radiance of each leaf card, without haze: sun on the lit side, light through the leaves against the sun."""
    i = wp.tid()
    c = scene.card[i]
    a = wp.vec3(colour[i][0], colour[i][1], colour[i][2])
    sky_share = colour[i][3]
    n = c.normal
    lit = look(scene.wide, c.centre + light.SUN_V * (c.size * 0.8 + 0.8), c.seed * 40.0, 0.4, 1.2)
    mu = wp.dot(wp.normalize(c.centre - eye), light.SUN_V)
    front = wp.clamp(0.25 + 0.75 * wp.dot(n, light.SUN_V), 0.0, 1.0)
    through = 0.10 + 0.55 * wp.pow(wp.max(0.5 + 0.5 * mu, 0.0), 5.0)
    sun = wp.cw_mul(light.SUN_RGB, wp.vec3(1.0, 1.0, 1.0) * front + wp.vec3(1.25, 1.1, 0.35) * through) * lit
    away = world.smooth(480.0, 1150.0, wp.length(c.centre - eye))
    sun = sun * (1.0 - away * 0.75 * cloud_shadow(c.centre))
    out[i] = wp.cw_mul(a, sun + light.ambient(n) * sky_share)


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
        wp.noise(s, q + wp.vec3(e, 0.0, 0.0)) - v, wp.noise(s, q + wp.vec3(0.0, e, 0.0)) - v, wp.noise(s, q + wp.vec3(0.0, 0.0, e)) - v
    )
    return wp.normalize(n - (g - n * wp.dot(g, n)) * amount)


@wp.func
def thing(
    p: wp.vec3, n_in: wp.vec3, a_in: wp.vec3, material: float, seen: float, direction: wp.vec3, lit: float
) -> wp.vec3:
    """Rocks and figures."""
    a = a_in
    n = n_in
    gloss = float(0.0)
    power = float(30.0)
    through = float(0.0)
    wrap = float(0.0)
    if material < 1.5:  # rock
        m = wp.noise(wp.uint32(601), p * 3.1) + 0.6 * wp.noise(wp.uint32(602), p * 9.0) + 0.4 * wp.noise(wp.uint32(603), p * 31.0)
        moss = world.smooth(0.05, 0.55, wp.noise(wp.uint32(604), p * 4.3) + 0.5 * n[1] - 0.15)
        a = a * (1.0 + 0.55 * m)
        a = a + (wp.vec3(0.13, 0.125, 0.05) - a) * (0.55 * moss)
        n = bump(bump(n, p, 11.0, 0.55, 611), p, 37.0, 0.40, 612)
    elif material < 2.5:  # woven wool
        n = bump(bump(n, p, 46.0, 0.30, 621), p, 190.0, 0.22, 622)
        a = a * (1.0 + 0.30 * wp.noise(wp.uint32(623), p * 8.0) + 0.35 * wp.noise(wp.uint32(624), p * 120.0))
        dust = world.smooth(0.65, 0.0, p[1] - world.height(p[0], p[2])) * 0.35
        a = a + (wp.vec3(0.17, 0.14, 0.10) - a) * dust
        wrap = 0.15
        gloss = 0.05
        power = 3.0
    elif material < 3.5:  # leather, wood, hair
        n = bump(n, p, 60.0, 0.09, 631)
        a = a * (1.0 + 0.45 * wp.noise(wp.uint32(632), wp.vec3(p[0] * 40.0, p[1] * 9.0, p[2] * 40.0)))
        gloss = 0.16
        power = 22.0
    elif material < 4.5:  # iron and mail
        n = bump(n, p, 85.0, 0.14, 641)
        if a_in[1] < 0.15:  # mail: rings in rows
            n = bump(n, p, 150.0, 0.9, 643)
        a = a * (0.75 + 0.4 * wp.noise(wp.uint32(642), p * 14.0))
    elif material < 5.5:  # banner cloth
        n = bump(n, p, 90.0, 0.10, 651)
        through = 0.55
    else:  # fur and wool in tufts
        n = bump(bump(n, p, 26.0, 0.75, 661), p, 70.0, 0.6, 662)
        a = a * (1.0 + 0.9 * wp.noise(wp.uint32(663), p * 55.0))
        wrap = 0.3
    if material > 4.5 and material < 5.5 and wp.dot(n, direction) > 0.0:
        n = -n
    ndl = wp.dot(n, light.SUN_V)
    d = wp.max((ndl + wrap) / (1.0 + wrap), 0.0) + through * wp.max(-ndl, 0.0)
    c = wp.cw_mul(a, light.SUN_RGB * (d * lit) + light.ambient(n) * seen)
    h = wp.normalize(light.SUN_V - direction)
    spec = wp.pow(wp.max(wp.dot(n, h), 0.0), power) * gloss * wp.max(ndl, 0.0) * lit
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
    elif material > 1.5:
        c = c + wp.cw_mul(a * 0.5 + wp.vec3(0.03, 0.03, 0.03), light.ambient(n)) * (grazing * seen)
    return c


@wp.kernel
def shade_pass(
    cam: Lens,
    scene: Scene,
    vis: wp.array2d(dtype=wp.uint64),
    ground_depth: wp.array2d(dtype=float),
    sky_rgb: wp.array2d(dtype=wp.vec3),
    turn: float,
    weight: float,
    fringe_m: float,
    rgb: wp.array2d(dtype=wp.vec3),
    matte: wp.array2d(dtype=float),
):
    """Adds one pass to the picture and to the matte (figures, and long grass that stands before the field)."""
    j, i = wp.tid()
    key = vis[j, i]
    if key == wp.uint64(0xFFFFFFFFFFFFFFFF):
        rgb[j, i] = rgb[j, i] + sky_rgb[j, i] * weight
        return
    depth = wp.cast(wp.uint32(key >> wp.uint64(32)), float)
    payload = wp.uint32(key & wp.uint64(0xFFFFFFFF))
    kind = int(payload >> wp.uint32(30))
    along = ray(cam, float(i), float(j))
    p = cam.origin + along * depth
    stretch = wp.length(along)
    direction = along / stretch
    distance = depth * stretch
    c = wp.vec3(0.0, 0.0, 0.0)
    solid = float(0.0)
    if kind == 1:
        b = int(payload & wp.uint32(0xFFFFFF))
        t = float((payload >> wp.uint32(24)) & wp.uint32(63)) / 63.0
        c = scene.root_rgb[b] * (1.0 - t) + scene.tip_rgb[b] * t
        if -scene.blade[b].root[2] < fringe_m and ground_depth[j, i] > fringe_m + 1.5:
            solid = 1.0
    elif kind == 2:
        k = int(payload & wp.uint32(0x3FFFFFFF))
        c = scene.card_rgb[k]
    else:
        t3 = scene.triangle[int(payload & wp.uint32(0x3FFFFFFF))]
        a0 = scene.position[t3[0]]
        e1 = scene.position[t3[1]] - a0
        e2 = scene.position[t3[2]] - a0
        nn = wp.cross(e1, e2)
        inv = 1.0 / wp.max(wp.dot(nn, nn), 1.0e-20)
        hit = p
        den = wp.dot(nn, along)
        if wp.abs(den) > 1.0e-12:
            hit = cam.origin + along * (wp.dot(nn, a0 - cam.origin) / den)
        v = wp.clamp(wp.dot(wp.cross(hit - a0, e2), nn) * inv, 0.0, 1.0)
        w = wp.clamp(wp.dot(wp.cross(e1, hit - a0), nn) * inv, 0.0, 1.0)
        u = 1.0 - v - w
        n = wp.normalize(scene.normal[t3[0]] * u + scene.normal[t3[1]] * v + scene.normal[t3[2]] * w)
        o = scene.open_[t3[0]] * u + scene.open_[t3[1]] * v + scene.open_[t3[2]] * w
        m = scene.material[t3[0]]
        if m < 0.5:
            lit = o[0]
            if distance > 330.0:  # shadows of clouds on the land beyond the field
                away = world.smooth(480.0, 1150.0, distance)
                lit = lit * (1.0 - away * 0.75 * cloud_shadow(p))
            if distance < 420.0:
                lit = lit * sunlight(scene, p + wp.vec3(0.0, 0.06, 0.0), turn)
            c = land(p, n, direction, distance, lit)
        else:
            off = n * 0.03
            if m > 4.5 and m < 5.5:
                off = light.SUN_V * 0.10  # a thin sheet does not shade itself
            lit = sunlight(scene, p + off, turn)
            a = scene.albedo[t3[0]] * u + scene.albedo[t3[1]] * v + scene.albedo[t3[2]] * w
            c = thing(p, n, a, m, o[1], direction, lit)
            if m > FIGURE_FROM:
                solid = 1.0
    rgb[j, i] = rgb[j, i] + light.haze(c, cam.origin, direction, distance) * weight
    matte[j, i] = matte[j, i] + solid * weight

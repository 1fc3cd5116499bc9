"""From visibility to light: what each sample of the buffer looks like, and shadow look-ups."""

from __future__ import annotations

import warp as wp

from . import light, matter, world
from .raster import KIND_BLADE, KIND_CARD, Blade, Card, Lens, project, ray

wp.set_module_options({"enable_backward": False})  # half the time to compile

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
    host: Shadow
    thick: float


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
    lit = wp.min(look(scene.near, p, turn, 0.05, 1.0), look(scene.wide, p, turn, 0.9, 1.0))
    return wp.min(lit, look(scene.host, p, turn, 0.06, 1.0))


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
def light_cards(scene: Scene, colour: wp.array(dtype=wp.vec4), eye: wp.vec3, out: wp.array(dtype=wp.vec3)):
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
def mesh_light(
    scene: Scene,
    index: int,
    origin: wp.vec3,
    along: wp.vec3,
    p: wp.vec3,
    direction: wp.vec3,
    distance: float,
    turn: float,
) -> wp.vec4:
    """(radiance without haze, 1 for a figure) where the ray `origin + t * along` meets a triangle; p is that point."""
    t3 = scene.triangle[index]
    a0 = scene.position[t3[0]]
    e1 = scene.position[t3[1]] - a0
    e2 = scene.position[t3[2]] - a0
    nn = wp.cross(e1, e2)
    inv = 1.0 / wp.max(wp.dot(nn, nn), 1.0e-20)
    hit = p
    den = wp.dot(nn, along)
    if wp.abs(den) > 1.0e-12:
        hit = origin + along * (wp.dot(nn, a0 - origin) / den)
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
        c = matter.land(p, n, direction, distance, lit)
        return wp.vec4(c[0], c[1], c[2], 0.0)
    off = n * 0.03
    if m > 4.5 and m < 5.5:
        off = light.SUN_V * 0.10  # a thin sheet does not shade itself
    lit = sunlight(scene, p + off, turn)
    a = scene.albedo[t3[0]] * u + scene.albedo[t3[1]] * v + scene.albedo[t3[2]] * w
    c = matter.thing(p, n, a, m, o[1], direction, lit)
    solid = wp.where(m > FIGURE_FROM, 1.0, 0.0)
    return wp.vec4(c[0], c[1], c[2], solid)


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
    if kind == KIND_BLADE:
        b = int(payload & wp.uint32(0xFFFFFF))
        t = float((payload >> wp.uint32(24)) & wp.uint32(63)) / 63.0
        c = scene.root_rgb[b] * (1.0 - t) + scene.tip_rgb[b] * t
        if -scene.blade[b].root[2] < fringe_m and ground_depth[j, i] > fringe_m + 1.5:
            solid = 1.0
    elif kind == KIND_CARD:
        k = int(payload & wp.uint32(0x3FFFFFFF))
        c = scene.card_rgb[k]
    else:
        q = mesh_light(scene, int(payload & wp.uint32(0x3FFFFFFF)), cam.origin, along, p, direction, distance, turn)
        c = wp.vec3(q[0], q[1], q[2])
        solid = q[3]
    rgb[j, i] = rgb[j, i] + light.haze(c, cam.origin, direction, distance, scene.thick) * weight
    matte[j, i] = matte[j, i] + solid * weight

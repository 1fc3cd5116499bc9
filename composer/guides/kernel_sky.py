# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernel that draws the sky behind everything: the made sky or a lat-long picture, and clouds on their layer."""

from __future__ import annotations

import warp as wp

from composer.environment.kernel_noise import noise
from composer.guides.kernel_view import OPTIONS, Eye, pixel_ray, to_world

wp.set_module_options(OPTIONS)

PI = wp.constant(3.14159265358979)


@wp.struct
class Heaven:
    """As `environment.sky.Sky`. low: the made sky's lowest elevation, radians. drift: metres that the clouds have gone.
    cover below 0: none. toward, sun: the sun's."""

    picture: wp.array2d(dtype=wp.vec3)
    latlong: int
    azimuth: float
    low: float
    strength: float
    toward: wp.vec3
    sun: wp.vec3
    cover: float
    height: float
    size: float
    drift: wp.vec2
    seed: float


@wp.func
def read_picture(picture: wp.array2d(dtype=wp.vec3), x: float, y: float, around: int) -> wp.vec3:
    """Bilinear; columns go round or stop."""
    h = picture.shape[0]
    w = picture.shape[1]
    i = int(wp.floor(x))
    j = wp.clamp(int(wp.floor(y)), 0, h - 1)
    u = x - float(i)
    v = wp.clamp(y - float(j), 0.0, 1.0)
    j1 = wp.min(j + 1, h - 1)
    i0 = wp.clamp(i, 0, w - 1)
    i1 = wp.clamp(i + 1, 0, w - 1)
    if around != 0:
        i0 = ((i % w) + w) % w
        i1 = (i0 + 1) % w
    top = picture[j, i0] * (1.0 - u) + picture[j, i1] * u
    low = picture[j1, i0] * (1.0 - u) + picture[j1, i1] * u
    return top * (1.0 - v) + low * v


@wp.func
def clear_sky(s: Heaven, d: wp.vec3) -> wp.vec3:
    """The sky without clouds along a unit direction."""
    elevation = wp.asin(wp.clamp(d[1], -1.0, 1.0))
    rgb = wp.vec3(0.0, 0.0, 0.0)
    if s.latlong != 0:
        turn = wp.atan2(d[0], -d[2]) - s.azimuth
        x = (turn / (2.0 * PI) + 0.5) * float(s.picture.shape[1]) - 0.5
        y = (0.5 - elevation / PI) * float(s.picture.shape[0]) - 0.5
        rgb = read_picture(s.picture, x, wp.max(y, 0.0), 1)
    else:
        apart = wp.abs(wp.atan2(d[0], -d[2]) - wp.atan2(s.toward[0], -s.toward[2]))
        if apart > PI:
            apart = 2.0 * PI - apart
        t = wp.clamp((elevation - s.low) / (0.5 * PI - s.low), 0.0, 1.0)
        y = float(s.picture.shape[0] - 1) * (1.0 - wp.sqrt(t))
        rgb = read_picture(s.picture, apart / PI * float(s.picture.shape[1] - 1), y, 0)
    return rgb * s.strength


@wp.func
def cloud_field(p: wp.vec3, pixel: float) -> float:
    """Noise of clouds in -1..1 at a place in units of their size; pixel: its footprint there."""
    bend = noise(p * 0.6 + wp.vec3(4.2, 0.0, 8.1))
    q = p + wp.vec3(bend[3], 0.0, bend[0] * 0.3) * 0.35
    total = float(0.0)
    share = float(0.5)
    scale = float(1.0)
    for o in range(7):
        keep = wp.clamp((0.5 / (scale * wp.max(pixel, 1.0e-6)) - 1.0) * 0.5, 0.0, 1.0)
        if keep > 0.0:
            n = noise(q * scale + wp.vec3(31.7 * float(o), 2.3 * float(o), 7.9 * float(o)))
            total += n[3] * share * keep
        scale = scale * 2.07
        share = share * 0.52
    return total


@wp.func
def layer_distance(height: float, up: float) -> float:
    """To a layer round the earth along a direction that rises by `up`."""
    r = 6.371e6
    return (wp.sqrt(up * up + 2.0 * height / r) - up) * r


@wp.kernel
def sky_kernel(s: Heaven, eye: Eye, row0: int, out: wp.array2d(dtype=wp.vec3)):
    """dim (rows, W): the sky at each pixel's centre, ACEScg."""
    y, x = wp.tid()
    y += row0
    ray = pixel_ray(eye, float(x) + 0.5, float(y) + 0.5)
    rgb = wp.vec3(0.0, 0.0, 0.0)
    if ray[0] == ray[0] and ray[1] == ray[1]:
        d = wp.normalize(to_world(eye, ray))
        rgb = clear_sky(s, d)
        if s.cover > 0.0 and d[1] > 0.0:
            far = layer_distance(s.height, d[1])
            size = 1.0 / s.size
            flat = wp.vec3((d[0] * far + s.drift[0]) * size, s.seed, (d[2] * far + s.drift[1]) * size)
            pixel = far * size / eye.fx / wp.max(d[1], 0.02)
            # cumulus and streaks above them, each with its own edge
            thick = cloud_field(flat, pixel)
            edge = 0.62 - 1.25 * s.cover
            body = wp.clamp((thick - edge) / 0.55, 0.0, 1.0)
            body = body * body * (3.0 - 2.0 * body)
            sunward = wp.normalize(wp.vec3(s.toward[0], 0.0, s.toward[2] + 1.0e-6))
            near = cloud_field(flat + sunward * 0.09, pixel)
            more = cloud_field(flat + sunward * 0.22, pixel)
            shade = wp.exp(-2.2 * wp.max(near - edge, 0.0) - 1.4 * wp.max(more - edge, 0.0))
            c = wp.dot(d, s.toward)
            g = 0.72
            glow = (1.0 - g * g) / wp.pow(1.0 + g * g - 2.0 * g * c, 1.5)
            dome = clear_sky(s, wp.normalize(wp.vec3(d[0], 0.6, d[2])))
            low = clear_sky(s, wp.normalize(wp.vec3(d[0], 0.04, d[2])))
            lit = wp.cw_mul(s.sun, wp.vec3(1.0, 0.97, 0.94)) * (0.16 + 0.10 * wp.min(glow, 6.0)) * shade
            own = lit + dome * (0.55 + 0.35 * shade) + low * 0.12
            veil = wp.exp(-far / 55000.0)
            alpha = body * (0.9 * veil) * wp.clamp(d[1] / 0.03, 0.0, 1.0)
            rgb = rgb * (1.0 - alpha) + own * alpha
            high = cloud_field(wp.vec3(flat[0] * 0.35, s.seed + 9.0, flat[2] * 1.6), pixel)
            streak = wp.clamp(high + 0.1, 0.0, 1.0) * 0.45 * s.cover * wp.clamp(d[1] / 0.06, 0.0, 1.0)
            rgb = rgb * (1.0 - streak) + (dome * 0.7 + s.sun * (0.12 + 0.06 * wp.min(glow, 6.0))) * streak
    out[y, x] = rgb

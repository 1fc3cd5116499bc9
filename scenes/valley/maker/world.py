"""The land: height, track, meadow and wood as functions of world position (metres, Y up, -Z into the picture).

The camera stands near the origin on a small rise. In front of it lies an open field, behind that wooded slopes, then
ridges of mountains. Everything is a pure function of (x, z), so nothing can swim from frame to frame.
"""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

F32 = NDArray[np.float32]

wp.config.quiet = True
wp.init()
wp.set_module_options({"enable_backward": False})  # half the time to compile


@wp.func
def noise2(x: float, z: float, seed: int) -> float:
    """Gradient noise, about -0.7..0.7."""
    return wp.noise(wp.uint32(seed * 7919 + 13), wp.vec2(x, z))


@wp.func
def fbm2(x: float, z: float, octaves: int, seed: int) -> float:
    total = float(0.0)
    amplitude = float(0.5)
    u = float(x)
    v = float(z)
    for i in range(octaves):
        total += amplitude * noise2(u, v, seed + i)
        a = 1.62 * u + 1.21 * v
        v = -1.21 * u + 1.62 * v
        u = a
        amplitude *= 0.5
    return total


@wp.func
def ridged2(x: float, z: float, octaves: int, seed: int) -> float:
    """Sharp-crested noise for mountains, about 0..1."""
    total = float(0.0)
    amplitude = float(0.5)
    weight = float(1.0)
    u = float(x)
    v = float(z)
    for i in range(octaves):
        n = 1.0 - wp.abs(noise2(u, v, seed + i)) * 1.55
        n = wp.max(n, 0.0) * n
        total += n * amplitude * weight
        weight = wp.clamp(n * 1.6, 0.0, 1.0)
        a = 1.58 * u + 1.23 * v
        v = -1.23 * u + 1.58 * v
        u = a
        amplitude *= 0.5
    return total


@wp.func
def smooth(a: float, b: float, x: float) -> float:
    t = wp.clamp((x - a) / (b - a), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def track_x(d: float) -> float:
    """The dirt track's middle line, x at distance d = -z."""
    return 2.6 + 8.0 * wp.sin((d - 12.0) / 27.0) - 0.075 * wp.max(d - 45.0, 0.0) + 1.2 * wp.sin(d / 7.3)


@wp.func
def track(x: float, z: float) -> wp.vec2:
    """(share of bare earth 0..1, depth of the ruts in metres)."""
    d = -z
    slope = track_x(d + 0.5) - track_x(d - 0.5)
    off = (x - track_x(d)) / wp.sqrt(1.0 + slope * slope)
    off += 0.25 * noise2(x * 0.7, z * 0.7, 301)
    rut = wp.exp(-((wp.abs(off) - 0.78) / 0.30) * ((wp.abs(off) - 0.78) / 0.30))
    worn = wp.exp(-(off / 1.5) * (off / 1.5) * (off / 1.5) * (off / 1.5)) * 0.45
    fade = 1.0 - smooth(190.0, 260.0, d)
    bare = wp.clamp((wp.max(rut, worn) + 0.35 * noise2(x * 1.9, z * 1.9, 302)) * fade, 0.0, 1.0)
    return wp.vec2(bare, 0.02 * rut * fade)


@wp.func
def field_mask(x: float, z: float) -> float:
    """1 in the open field, 0 where hills and woods begin."""
    d = -z
    left = smooth(58.0, 130.0, -x - 0.10 * d)
    right = smooth(62.0, 140.0, x - 0.16 * d)
    far = smooth(262.0, 350.0, d + 0.12 * x)
    return (1.0 - left) * (1.0 - right) * (1.0 - far)


@wp.func
def rise(x: float, z: float) -> float:
    """The knoll that camera and commanders stand on, 0..1."""
    e = -z + 0.16 * x + 2.2 * noise2(x / 9.0, z / 9.0, 41)
    side = 1.0 - smooth(16.0, 48.0, wp.abs(x + 2.0))
    return (1.0 - smooth(9.5, 34.0, e)) * side


@wp.func
def height(x: float, z: float) -> float:
    """Terrain height in metres."""
    d = -z
    open_ = field_mask(x, z)
    h = 0.75 * noise2(x / 46.0, z / 46.0, 1) + 0.24 * noise2(x / 19.0, z / 19.0, 2) + 0.05 * noise2(x / 6.5, z / 6.5, 3)
    h += 3.5 * rise(x, z)
    h += 0.00014 * wp.pow(wp.clamp(d - 85.0, 0.0, 240.0), 2.0)
    h -= track(x, z)[1]
    # side slopes
    left = wp.max(-x - 0.10 * d - 60.0, 0.0)
    right = wp.max(x - 0.16 * d - 64.0, 0.0)
    h += 34.0 * (1.0 - wp.exp(-left * left / 24000.0)) + 46.0 * (1.0 - wp.exp(-right * right / 30000.0))
    # rolling hills behind the field
    r = wp.sqrt(x * x + z * z)
    hill = smooth(250.0, 1100.0, r) * (1.0 - 0.75 * open_)
    h += hill * (26.0 + 150.0 * (0.30 + fbm2(x / 760.0 + 3.1, z / 760.0, 5, 11)))
    h += hill * 9.0 * fbm2(x / 120.0, z / 120.0, 4, 17)
    # the valley goes on to the left of the middle; mountains to both sides and at its head
    if r > 900.0:
        across = x + 0.30 * d - 120.0
        flank = smooth(120.0, 1900.0, wp.abs(across + 420.0 * noise2(d / 1500.0, 0.3, 23)))
        head = smooth(5600.0, 8200.0, r)
        body = wp.max(flank, 0.85 * head)
        wx = x + 260.0 * noise2(x / 900.0, z / 900.0, 29)
        wz = z + 260.0 * noise2(x / 900.0, z / 900.0, 31)
        mountain = ridged2(wx / 2700.0 + 0.37, wz / 2700.0 + 0.11, 7, 37)
        h += smooth(900.0, 5200.0, r) * body * (160.0 + 1250.0 * mountain)
    return h


@wp.func
def normal(x: float, z: float, e: float) -> wp.vec3:
    gx = height(x + e, z) - height(x - e, z)
    gz = height(x, z + e) - height(x, z - e)
    return wp.normalize(wp.vec3(-gx, 2.0 * e, -gz))


@wp.func
def dryness(x: float, z: float) -> float:
    """0 lush green .. 1 straw, in drifts of several sizes."""
    n = 0.9 * noise2(x / 23.0, z / 31.0, 51) + 0.6 * noise2(x / 6.1, z / 7.7, 52) + 0.35 * noise2(x / 1.7, z / 1.7, 53)
    return wp.clamp(0.40 + 0.85 * n, 0.0, 1.0)


@wp.func
def wooded(x: float, z: float) -> float:
    """How densely trees stand, 0..1."""
    d = -z
    edge = 1.0 - field_mask(x, z)
    n = fbm2(x / 95.0, z / 95.0, 4, 61)
    r = wp.sqrt(x * x + z * z)
    lower = 1.0 - smooth(2600.0, 4200.0, r)
    return wp.clamp(smooth(0.10, 0.75, edge) * smooth(-0.12, 0.22, n) * lower, 0.0, 1.0) * smooth(
        40.0, 90.0, d + wp.abs(x)
    )


@wp.kernel
def _height_kernel(x: wp.array(dtype=float), z: wp.array(dtype=float), out: wp.array(dtype=float)):
    i = wp.tid()
    out[i] = height(x[i], z[i])


@wp.kernel
def _field_kernel(x: wp.array(dtype=float), z: wp.array(dtype=float), out: wp.array(dtype=wp.vec4)):
    i = wp.tid()
    out[i] = wp.vec4(track(x[i], z[i])[0], dryness(x[i], z[i]), wooded(x[i], z[i]), rise(x[i], z[i]))


def _flat(values: F32 | float, shape: tuple[int, ...]) -> wp.array:
    return wp.array(
        np.ascontiguousarray(np.broadcast_to(values, shape), dtype=np.float32).ravel(), dtype=float, device="cpu"
    )


def height_m(x: F32 | float, z: F32 | float) -> F32:
    """Terrain height, float32 in the broadcast shape of x and z (world metres)."""
    shape = np.broadcast_shapes(np.shape(x), np.shape(z))
    out = wp.zeros(int(np.prod(shape)), dtype=float, device="cpu")
    wp.launch(_height_kernel, dim=out.shape, inputs=[_flat(x, shape), _flat(z, shape), out], device="cpu")
    return out.numpy().reshape(shape)


def cover(x: F32 | float, z: F32 | float) -> F32:
    """What grows there: float32 [..., 4] = (bare earth, dryness of the grass, woods, knoll), each 0..1."""
    shape = np.broadcast_shapes(np.shape(x), np.shape(z))
    out = wp.zeros(int(np.prod(shape)), dtype=wp.vec4, device="cpu")
    wp.launch(_field_kernel, dim=out.shape, inputs=[_flat(x, shape), _flat(z, shape), out], device="cpu")
    return out.numpy().reshape((*shape, 4))

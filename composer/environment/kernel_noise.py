# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp functions of noise that stands still in space, and fades out where a pixel is wider than it."""

from __future__ import annotations

import warp as wp

from composer.io.warp_log import quiet_warp

quiet_warp()

_A = wp.constant(wp.uint32(0x85EBCA6B))
_B = wp.constant(wp.uint32(0xC2B2AE35))
_I = wp.constant(wp.uint32(0x9E3779B1))
_J = wp.constant(wp.uint32(0x85EBCA77))
_K = wp.constant(wp.uint32(0xC2B2AE3D))


@wp.func
def mixed(x: wp.uint32) -> wp.uint32:
    """MurmurHash3's finaliser."""
    h = x
    h = (h ^ (h >> wp.uint32(16))) * _A
    h = (h ^ (h >> wp.uint32(13))) * _B
    return h ^ (h >> wp.uint32(16))


@wp.func
def chance(i: int, j: int, k: int) -> float:
    """In 0..1, by cell."""
    h = mixed(wp.uint32(i) * _I + wp.uint32(0x27D4EB2F))
    h = mixed(h ^ (wp.uint32(j) * _J))
    h = mixed(h ^ (wp.uint32(k) * _K))
    return float(h >> wp.uint32(8)) * 5.9604645e-08


@wp.func
def noise(p: wp.vec3) -> wp.vec4:
    """Value noise in -1..1 with its gradient (x, y, z of the vector; w the value)."""
    i = int(wp.floor(p[0]))
    j = int(wp.floor(p[1]))
    k = int(wp.floor(p[2]))
    x = p[0] - float(i)
    y = p[1] - float(j)
    z = p[2] - float(k)
    u = x * x * x * (x * (x * 6.0 - 15.0) + 10.0)
    v = y * y * y * (y * (y * 6.0 - 15.0) + 10.0)
    w = z * z * z * (z * (z * 6.0 - 15.0) + 10.0)
    du = 30.0 * x * x * (x * (x - 2.0) + 1.0)
    dv = 30.0 * y * y * (y * (y - 2.0) + 1.0)
    dw = 30.0 * z * z * (z * (z - 2.0) + 1.0)
    a = chance(i, j, k)
    b = chance(i + 1, j, k)
    c = chance(i, j + 1, k)
    d = chance(i + 1, j + 1, k)
    e = chance(i, j, k + 1)
    f = chance(i + 1, j, k + 1)
    g = chance(i, j + 1, k + 1)
    h = chance(i + 1, j + 1, k + 1)
    k1 = b - a
    k2 = c - a
    k3 = e - a
    k4 = a - b - c + d
    k5 = a - c - e + g
    k6 = a - b - e + f
    k7 = -a + b + c - d + e - f - g + h
    value = a + k1 * u + k2 * v + k3 * w + k4 * u * v + k5 * v * w + k6 * w * u + k7 * u * v * w
    return wp.vec4(
        2.0 * du * (k1 + k4 * v + k6 * w + k7 * v * w),
        2.0 * dv * (k2 + k5 * w + k4 * u + k7 * w * u),
        2.0 * dw * (k3 + k6 * u + k5 * v + k7 * u * v),
        2.0 * value - 1.0,
    )


@wp.func
def kept(size_m: float, pixel_m: float) -> float:
    """How much is left of detail of this size where a pixel is so wide: all below a third, none above one."""
    return wp.clamp((size_m / wp.max(pixel_m, 1.0e-6) - 1.0) * 0.5, 0.0, 1.0)


@wp.func
def cloudy(p: wp.vec3, size_m: float, octaves: int, pixel_m: float) -> wp.vec4:
    """Octaves of noise from `size_m` down, each half the last; (gradient a metre, value)."""
    total = wp.vec4(0.0, 0.0, 0.0, 0.0)
    share = float(0.5)
    size = float(size_m)
    for o in range(octaves):
        keep = kept(0.5 * size, pixel_m) * share
        if keep > 0.0:
            n = noise(p / size + wp.vec3(17.3 * float(o), 5.7 * float(o), 31.1 * float(o)))
            total += wp.vec4(n[0] / size, n[1] / size, n[2] / size, n[3]) * keep
        size = size * 0.5
        share = share * 0.62
    return total

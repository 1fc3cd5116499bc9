# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Grain: white noise by counter, filtered to the plate's spectrum and scaled to its variance.

The white noise of a pixel is a sum of eight random bytes: whole numbers, so the same on every machine. Its place among
the counters is (key of seed and frame, pixel, channel); nothing depends on the order of the work. Source of the mixing:
Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), `splitmix64`.
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)

BYTES = wp.constant(wp.uint64(0x00FF00FF00FF00FF))
SUM = wp.constant(wp.uint64(0x0001000100010001))
#: A byte's variance is (256^2 - 1) / 12, eight add up.
SCALE = wp.constant((8.0 * 65535.0 / 12.0) ** -0.5)


@wp.func
def mixed(counter: wp.uint64) -> wp.uint64:
    z = counter * wp.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> wp.uint64(30))) * wp.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> wp.uint64(27))) * wp.uint64(0x94D049BB133111EB)
    return z ^ (z >> wp.uint64(31))


@wp.func
def white(key: wp.uint64, y: int, x: int, channel: int) -> float:
    """Mean 0, variance 1. y, x: of the picture, from -2^15; channel 0..2."""
    place = (wp.uint64(y + 32768) << wp.uint64(34)) | (wp.uint64(x + 32768) << wp.uint64(2)) | wp.uint64(channel)
    bits = mixed(key + place)
    pairs = (bits & BYTES) + ((bits >> wp.uint64(8)) & BYTES)
    total = (pairs * SUM) >> wp.uint64(48)
    return (float(int(total)) - 1020.0) * SCALE


@wp.kernel
def white_kernel(
    key: wp.uint64, row0: int, top: int, left: int, block: int, busy: wp.array2d(dtype=wp.uint8),
    out: wp.array2d(dtype=wp.vec3),
):  # fmt: skip
    """dim of `out`, whose first pixel is (top, left) of the picture; only where `busy`, blocks of the picture, says."""
    j, i = wp.tid()
    j += row0
    y = top + j
    x = left + i
    by = wp.clamp(y / block, 0, busy.shape[0] - 1)
    bx = wp.clamp(x / block, 0, busy.shape[1] - 1)
    if busy[by, bx] != wp.uint8(0):
        out[j, i] = wp.vec3(white(key, y, x, 0), white(key, y, x, 1), white(key, y, x, 2))


@wp.kernel
def filter_rows_kernel(
    taps: wp.array2d(dtype=wp.vec3), top: int, left: int, block: int, busy: wp.array2d(dtype=wp.uint8),
    noise: wp.array2d(dtype=wp.vec3), out: wp.array3d(dtype=wp.vec3),
):  # fmt: skip
    """Along x. taps: [rank, n]; noise: [h, w + n - 1]; out: [rank, h, w], its first pixel (top, left) of the picture."""
    j, i = wp.tid()
    by = wp.clamp((top + j) / block, 0, busy.shape[0] - 1)
    bx = wp.clamp((left + i) / block, 0, busy.shape[1] - 1)
    if busy[by, bx] == wp.uint8(0):
        return
    for r in range(taps.shape[0]):
        total = wp.vec3(0.0, 0.0, 0.0)
        for k in range(taps.shape[1]):
            total += wp.cw_mul(taps[r, k], noise[j, i + k])
        out[r, j, i] = total


@wp.func
def deviation(level: wp.array(dtype=float), variance: wp.array2d(dtype=float), channel: int, value: float) -> float:
    """Standard deviation at a level; variance is interpolated between the levels and kept beyond them."""
    last = level.shape[0] - 1
    if not value > level[0]:
        return wp.sqrt(variance[channel, 0])
    if value >= level[last]:
        return wp.sqrt(variance[channel, last])
    low = int(0)
    high = int(last)
    while high - low > 1:
        middle = (low + high) / 2
        if level[middle] <= value:
            low = middle
        else:
            high = middle
    t = (value - level[low]) / (level[high] - level[low])
    return wp.sqrt(variance[channel, low] + t * (variance[channel, high] - variance[channel, low]))


@wp.kernel
def add_kernel(
    row0: int, tap: wp.array2d(dtype=wp.vec3), noise: wp.array3d(dtype=wp.vec3), mix: wp.mat33,
    level: wp.array(dtype=float), variance: wp.array2d(dtype=float), alpha: wp.array2d(dtype=float),
    picture: wp.array2d(dtype=wp.vec3),
):  # fmt: skip
    """dim (rows, columns) from row0 on. tap: [rank, n] along y; noise: filtered along x, its first row half a filter above.
    As far as alpha says that a pixel is not the plate's, which has its own."""
    j, x = wp.tid()
    y = row0 + j
    a = alpha[y, x]
    if not a > 0.0:
        return
    total = wp.vec3(0.0, 0.0, 0.0)
    for r in range(tap.shape[0]):
        for k in range(tap.shape[1]):
            total += wp.cw_mul(tap[r, k], noise[r, j + k, x])
    total = mix * total * wp.sqrt(wp.max(a * (2.0 - a), 0.0))
    light = picture[y, x]
    for k in range(3):
        light[k] = light[k] + total[k] * deviation(level, variance, k, light[k])
    picture[y, x] = light

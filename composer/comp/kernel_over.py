"""The composite in one pass over memory: plate, shadow and crowd in, finished half floats out."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.func
def is_over(value: float) -> int:
    """1 for what is finite and half float has no number for: it would round to more than the largest, 65504."""
    if wp.isfinite(value) and wp.abs(value) >= 65520.0:
        return 1
    return 0


@wp.func
def half_of(value: float) -> wp.uint16:
    """The bits of a half float: finite values beyond its range become its largest, and a NaN keeps its own bits."""
    bits = wp.cast(value, wp.uint32)
    sign = (bits >> wp.uint32(16)) & wp.uint32(0x8000)
    if value != value:
        kept = wp.max((bits >> wp.uint32(13)) & wp.uint32(0x3FF), wp.uint32(1))
        return wp.uint16(sign | wp.uint32(0x7C00) | kept)
    if is_over(value) != 0:
        return wp.uint16(sign | wp.uint32(0x7BFF))
    return wp.cast(wp.float16(value), wp.uint16)


@wp.func
def taken_of(sun: float, sky: float, share: wp.vec3) -> wp.vec3:
    """The share of its light that a pixel loses, by channel. As `Shade.taken`."""
    return share * sun + (wp.vec3(1.0, 1.0, 1.0) - share) * sky


@wp.func
def to_half(v: wp.vec3) -> wp.vec3:
    """What half precision keeps of it."""
    return wp.vec3(float(wp.float16(v[0])), float(wp.float16(v[1])), float(wp.float16(v[2])))


@wp.kernel
def over_kernel(
    row0: int,
    plate: wp.array2d(dtype=wp.vec3),
    crowd: wp.array2d(dtype=wp.vec3),
    alpha: wp.array2d(dtype=float),
    sun: wp.array2d(dtype=float),
    sky: wp.array2d(dtype=float),
    share: wp.vec3,
    matte: wp.array2d(dtype=float),
    rgb: wp.array3d(dtype=wp.uint16),
    crowd_layer: wp.array3d(dtype=wp.uint16),
    shadow_layer: wp.array3d(dtype=wp.uint16),
    touched: wp.array2d(dtype=wp.uint8),
    soft: wp.array2d(dtype=wp.uint8),
    taken: wp.array3d(dtype=wp.uint16),
    clipped: wp.array2d(dtype=int),
):
    """dim (rows, W); half floats as their bits. sun, sky, share: as in `Shade`. clipped: [H, 2], values of plate and composite
    beyond half float. soft: touched behind a matte; taken: what the shadow takes there, zero before."""
    y, x = wp.tid()
    y += row0
    a16 = wp.float16(alpha[y, x])
    a = float(a16)
    dark = wp.vec3(0.0, 0.0, 0.0)
    if sun[y, x] > 0.0 or sky[y, x] > 0.0:
        dark = to_half(taken_of(sun[y, x], sky[y, x], share))
    s = wp.max(dark)
    back = plate[y, x]
    front = crowd[y, x]
    mark = int(0)
    if a > 0.0 or s > 0.0:
        mark = 1
    edge = int(0)
    if mark != 0 and matte[y, x] > 0.0:
        edge = 1
    for k in range(3):
        clipped[y, 0] += is_over(back[k])
        value = back[k]
        if mark != 0:
            value = back[k] * ((1.0 - a) * (1.0 - dark[k])) + front[k]
            if edge == 0:
                clipped[y, 1] += is_over(value)
        rgb[y, x, k] = half_of(value)
        own = float(0.0)
        if a > 0.0:
            own = front[k]
        crowd_layer[y, x, k] = half_of(own)
        shadow_layer[y, x, k] = wp.uint16(0)
        if dark[k] < s:
            shadow_layer[y, x, k] = half_of(back[k] * (s - dark[k]))
        if edge != 0:
            taken[y, x, k] = half_of(dark[k])
    crowd_layer[y, x, 3] = wp.cast(a16, wp.uint16)
    shadow_layer[y, x, 3] = wp.cast(wp.float16(s), wp.uint16)
    touched[y, x] = wp.uint8(mark)
    soft[y, x] = wp.uint8(edge)

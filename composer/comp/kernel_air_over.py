"""Crowd, place and the air before, between and behind them, as one layer over a plate that is seen through the air."""

from __future__ import annotations

import warp as wp

from composer.comp.kernel_over import half_of
from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.struct
class Aired:
    """What comes out. plate: through the air before the mattes. front, alpha: crowd, place and the rest of the air. Layers: half
    floats as their bits, RGBA."""

    plate: wp.array2d(dtype=wp.vec3)
    front: wp.array2d(dtype=wp.vec3)
    alpha: wp.array2d(dtype=float)
    crowd: wp.array3d(dtype=wp.uint16)
    place: wp.array3d(dtype=wp.uint16)
    air: wp.array3d(dtype=wp.uint16)
    touched: wp.array2d(dtype=wp.uint8)


@wp.func
def put(layer: wp.array3d(dtype=wp.uint16), y: int, x: int, rgb: wp.vec3, alpha: float):
    for k in range(3):
        layer[y, x, k] = half_of(rgb[k])
    layer[y, x, 3] = half_of(alpha)


@wp.kernel
def air_over_kernel(
    row0: int, to_plate: wp.mat33, plate: wp.array2d(dtype=wp.vec3), crowd: wp.array2d(dtype=wp.vec3),
    place: wp.array2d(dtype=wp.vec3), crowd_alpha: wp.array2d(dtype=float), place_alpha: wp.array2d(dtype=float),
    sky: wp.array2d(dtype=wp.vec3), sky_alpha: wp.array2d(dtype=float), matte: wp.array2d(dtype=float),
    front: wp.array2d(dtype=wp.vec3), back: wp.array2d(dtype=wp.vec4), before: wp.array2d(dtype=wp.vec4), out: Aired,
):  # fmt: skip
    """dim (rows, W). crowd, place, front, back, before: as in `AirPasses`, ACEScg. plate, sky: in the delivery space, with the
    sky in it already.

    With T and L what the air lets through and adds as far as the plate, T1 and L1 as far as the matte (share m): the actor is
    seen as T1 F + L1, so the plate is taken there; what lies behind him lets T / T1 of that through.
    """
    y, x = wp.tid()
    y += row0
    a = crowd_alpha[y, x]
    e = place_alpha[y, x]
    behind = wp.max(1.0 - a - e, 0.0)
    m = wp.min(matte[y, x], behind)
    rest = behind - m
    b = back[y, x]
    f = before[y, x]
    if matte[y, x] <= 0.0:
        f = wp.vec4(0.0, 0.0, 0.0, 1.0)
    taken = (m * (1.0 - f[3]) + rest * (1.0 - b[3])) * (1.0 - sky_alpha[y, x])
    glow = to_plate * wp.vec3(b[0], b[1], b[2])
    near = to_plate * wp.vec3(f[0], f[1], f[2])
    added = to_plate * front[y, x]
    if a + e <= 0.0 and sky_alpha[y, x] <= 0.0 and float(wp.float16(taken)) <= 0.0:
        b = wp.vec4(0.0, 0.0, 0.0, 1.0)
        f = b
        glow = wp.vec3(0.0, 0.0, 0.0)
        near = glow
        added = glow
        taken = float(0.0)
    left = float(1.0)
    if f[3] > 1.0e-4:
        left = wp.min(b[3] / f[3], 1.0)
    own = to_plate * crowd[y, x]
    around = to_plate * place[y, x]
    if a <= 0.0:
        own = wp.vec3(0.0, 0.0, 0.0)
    out.plate[y, x] = plate[y, x]
    if f[3] < 1.0:
        out.plate[y, x] = plate[y, x] * f[3] + near
    out.front[y, x] = own + around + added + (glow - near * left) * rest
    out.alpha[y, x] = wp.min(a + e + rest * (1.0 - left), 1.0)
    through = m * f[3] + rest * b[3]
    put(out.crowd, y, x, own, a)
    put(out.place, y, x, around + sky[y, x] * through, e + sky_alpha[y, x] * behind)
    put(out.air, y, x, added + near * m + glow * rest, taken)
    out.touched[y, x] = wp.uint8(0)
    if sky_alpha[y, x] > 0.0 or float(wp.float16(taken)) > 0.0:
        out.touched[y, x] = wp.uint8(1)

# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Grade and air on the crowd's own light, sample by sample, and out of ACEScg into the plate's space."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.struct
class Tint:
    """matrix: grade, offset its part where the layer covers. take: extinction a metre, glow: inscatter; mist: colour of the
    place's own haze. to_plate: from ACEScg. centre, focal: of the picture, px, for the length of a ray with planar
    depth 1."""

    matrix: wp.mat33
    offset: wp.vec3
    take: wp.vec3
    glow: wp.vec3
    mist: wp.vec3
    to_plate: wp.mat33
    centre: wp.vec2
    focal: wp.vec2
    air: int


@wp.struct
class Entries:
    """The visible samples behind each pixel, as `Samples` has them. around, clear: as in `Drawn`, none where it is not
    parted. air: as there, none where there are no volumes."""

    start: wp.array(dtype=wp.int64)
    depth: wp.array(dtype=float)
    coverage: wp.array(dtype=float)
    rgb: wp.array(dtype=wp.vec3)
    around: wp.array(dtype=wp.uint8)
    clear: wp.array(dtype=float)
    air: wp.array(dtype=wp.vec4)


@wp.func
def ray_length(tint: Tint, y: int, x: int) -> float:
    u = (float(x) + 0.5 - tint.centre[0]) / tint.focal[0]
    v = (float(y) + 0.5 - tint.centre[1]) / tint.focal[1]
    return wp.sqrt(1.0 + u * u + v * v)


@wp.func
def tinted(tint: Tint, rgb: wp.vec3, alpha: float, distance: float) -> wp.vec3:
    """Premultiplied in, premultiplied out."""
    light = tint.matrix * rgb + tint.offset * alpha
    if tint.air != 0:
        for k in range(3):
            kept = wp.exp(-tint.take[k] * distance)
            light[k] = light[k] * kept + tint.glow[k] * (1.0 - kept) * alpha
    return tint.to_plate * light


@wp.func
def tinted_entry(tint: Tint, entries: Entries, e: int, distance: float) -> wp.vec3:
    """A sample of the crowd, or of the place, which may have a haze of its own: then that is its air."""
    alpha = entries.coverage[e]
    clear = float(-1.0)
    if entries.clear.shape[0] > 0:
        clear = entries.clear[e]
    if clear >= 0.0:
        own = tint.matrix * entries.rgb[e] + tint.offset * alpha
        light = tint.to_plate * (own * clear + tint.mist * ((1.0 - clear) * alpha))
    else:
        light = tinted(tint, entries.rgb[e], alpha, distance)
    if entries.air.shape[0] > 0:
        air = entries.air[e]
        if air[3] < 1.0:  # smoke is graded as the rest is; it has no haze before it
            glow = tint.matrix * wp.vec3(air[0], air[1], air[2]) + tint.offset * (1.0 - air[3])
            light = light * air[3] + tint.to_plate * (glow * alpha)
    return light


@wp.func
def is_crowd(entries: Entries, e: int) -> int:
    """1 for a sample of the crowd that shares its layer with the place."""
    if entries.around.shape[0] > 0 and entries.around[e] == wp.uint8(0):
        return 1
    return 0


@wp.kernel
def tint_samples_kernel(
    row0: int, top: int, left: int, width: int, tint: Tint, entries: Entries, layer: wp.array2d(dtype=wp.vec4),
    own: wp.array2d(dtype=wp.vec4),
):  # fmt: skip
    """dim (rows, columns) of `layer`, which begins at (top, left) of the picture. own: the crowd's part of it, where the layer
    is parted."""
    j, i = wp.tid()
    j += row0
    y = top + j
    x = left + i
    pixel = y * width + x
    first = int(entries.start[pixel])
    last = int(entries.start[pixel + 1])
    light = wp.vec3(0.0, 0.0, 0.0)
    alpha = float(0.0)
    length = float(1.0)
    if last > first:
        length = ray_length(tint, y, x)
    mine = wp.vec4(0.0, 0.0, 0.0, 0.0)
    for e in range(first, last):
        cover = entries.coverage[e]
        part = tinted_entry(tint, entries, e, entries.depth[e] * length)
        light += part
        alpha += cover
        if is_crowd(entries, e) != 0:
            mine += wp.vec4(part[0], part[1], part[2], cover)
    layer[j, i] = wp.vec4(light[0], light[1], light[2], wp.min(alpha, 1.0))
    if own.shape[0] > 0:
        own[j, i] = mine


@wp.kernel
def tint_picture_kernel(
    row0: int, top: int, left: int, tint: Tint, rgb: wp.array2d(dtype=wp.vec3), alpha: wp.array2d(dtype=float),
    layer: wp.array2d(dtype=wp.vec4),
):  # fmt: skip
    """The same without air, from the picture: no distance is needed."""
    j, i = wp.tid()
    j += row0
    a = alpha[top + j, left + i]
    light = wp.vec3(0.0, 0.0, 0.0)
    if a > 0.0:
        light = tinted(tint, rgb[top + j, left + i], a, 0.0)
    layer[j, i] = wp.vec4(light[0], light[1], light[2], a)

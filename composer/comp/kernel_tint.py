# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Grade and air on the crowd's own light, sample by sample, and out of ACEScg into the plate's space."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.struct
class Tint:
    """matrix: grade, offset its part where the layer covers. take: extinction a metre, glow: inscatter. to_plate: from
    ACEScg. centre, focal: of the picture, px, for the length of a ray with planar depth 1."""

    matrix: wp.mat33
    offset: wp.vec3
    take: wp.vec3
    glow: wp.vec3
    to_plate: wp.mat33
    centre: wp.vec2
    focal: wp.vec2
    air: int


@wp.struct
class Entries:
    """The visible samples behind each pixel, as `Samples` has them."""

    start: wp.array(dtype=wp.int64)
    depth: wp.array(dtype=float)
    coverage: wp.array(dtype=float)
    rgb: wp.array(dtype=wp.vec3)


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


@wp.kernel
def tint_samples_kernel(
    row0: int, top: int, left: int, width: int, tint: Tint, entries: Entries, layer: wp.array2d(dtype=wp.vec4)
):
    """dim (rows, columns) of `layer`, which begins at (top, left) of the picture."""
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
    for e in range(first, last):
        cover = entries.coverage[e]
        light += tinted(tint, entries.rgb[e], cover, entries.depth[e] * length)
        alpha += cover
    layer[j, i] = wp.vec4(light[0], light[1], light[2], wp.min(alpha, 1.0))


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

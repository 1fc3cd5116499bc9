# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""The plate's light around a layer, blurred: taken down to a coarse raster, blurred there."""

from __future__ import annotations

import warp as wp

from composer.comp.kernel_over import taken_of
from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)

HALF_MOST = wp.constant(65504.0)


@wp.kernel
def around_kernel(
    row0: int, top: int, left: int, step: int, plate: wp.array2d(dtype=wp.vec3),
    sun: wp.array2d(dtype=float), sky: wp.array2d(dtype=float), share: wp.vec3, layer: wp.array2d(dtype=wp.vec4), layer_top: int,
    layer_left: int, out: wp.array2d(dtype=wp.vec4),
):  # fmt: skip
    """The plate's light, as far as shadow and layer leave it, and the share that the layer leaves, mean of step x step
    pixels from (top, left)."""
    j, i = wp.tid()
    j += row0
    total = wp.vec4(0.0, 0.0, 0.0, 0.0)
    n = float(0.0)
    for v in range(step):
        y = top + j * step + v
        for u in range(step):
            x = left + i * step + u
            if y < plate.shape[0] and x < plate.shape[1]:
                row = y - layer_top
                column = x - layer_left
                seen = float(1.0)
                if row >= 0 and column >= 0 and row < layer.shape[0] and column < layer.shape[1]:
                    seen = 1.0 - layer[row, column][3]
                if seen > 0.0:
                    light = plate[y, x]
                    dark = taken_of(sun[y, x], sky[y, x], share)
                    for k in range(3):
                        value = light[k]
                        if wp.isfinite(value):
                            total[k] = total[k] + seen * (1.0 - dark[k]) * wp.clamp(value, -HALF_MOST, HALF_MOST)
                total[3] = total[3] + seen
                n += 1.0
    out[j, i] = total / wp.max(n, 1.0)


@wp.kernel
def blur_kernel(
    row0: int, across: int, weight: wp.array(dtype=float), picture: wp.array2d(dtype=wp.vec4),
    out: wp.array2d(dtype=wp.vec4),
):  # fmt: skip
    """One side of a symmetric filter, [n] from its middle, along x (across 1) or y (0); the edge is kept beyond."""
    j, i = wp.tid()
    j += row0
    h = picture.shape[0] - 1
    w = picture.shape[1] - 1
    total = weight[0] * picture[j, i]
    for k in range(1, weight.shape[0]):
        if across != 0:
            total += weight[k] * (picture[j, wp.max(i - k, 0)] + picture[j, wp.min(i + k, w)])
        else:
            total += weight[k] * (picture[wp.max(j - k, 0), i] + picture[wp.min(j + k, h), i])
    out[j, i] = total

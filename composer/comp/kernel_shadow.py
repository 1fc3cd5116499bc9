# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Defocus and motion blur of the shadow that lies on the plate's ground: what a pixel of ground sees through the lens, and where
the camera's own way takes it while the shutter is open."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.struct
class GroundLens:
    """scale, focus: as in `Circle`, px; pixel: how much a radius in y is of one in x. to_next, to_last: from this frame's camera
    to those beside it. opens, closes: in frames. focal, centre: px."""

    scale: float
    focus: float
    pixel: float
    to_next: wp.mat44
    to_last: wp.mat44
    opens: float
    closes: float
    focal: wp.vec2
    centre: wp.vec2


@wp.kernel
def prefix_kernel(
    row0: int, shadow: wp.array2d(dtype=float), seen: wp.array2d(dtype=float), sums: wp.array2d(dtype=wp.vec2d)
):
    """dim (rows,): shadow and ground that is seen, added up along x; sums has one column more."""
    j = wp.tid()
    j += row0
    total = wp.vec2d(wp.float64(0.0), wp.float64(0.0))
    sums[j, 0] = total
    for i in range(shadow.shape[1]):
        share = seen[j, i]
        if share > 0.0:
            total += wp.vec2d(wp.float64(shadow[j, i]), wp.float64(share))
        sums[j, i + 1] = total


@wp.func
def sum_to(sums: wp.array2d(dtype=wp.vec2d), j: int, x: float) -> wp.vec2d:
    """Of a row, up to x, where pixel i reaches from i to i + 1."""
    last = sums.shape[1] - 1
    at = wp.clamp(x, 0.0, float(last))
    i = wp.min(int(at), last - 1)
    t = wp.float64(at - float(i))
    return sums[j, i] * (wp.float64(1.0) - t) + sums[j, i + 1] * t


@wp.kernel
def defocus_kernel(
    row0: int, block: int, near: wp.array2d(dtype=wp.uint8), lens: GroundLens, ground: wp.array2d(dtype=float),
    shadow: wp.array2d(dtype=float), seen: wp.array2d(dtype=float), sums: wp.array2d(dtype=wp.vec2d),
    out: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): the share of its light that all of the ground in a pixel's circle has lost."""
    j, i = wp.tid()
    j += row0
    share = seen[j, i]
    out[j, i] = 0.0
    if near[j / block, i / block] == wp.uint8(0) or not share > 0.0:
        return
    depth = ground[j, i]
    radius = wp.abs(lens.scale * (depth - lens.focus) / depth)
    tall = radius * lens.pixel
    out[j, i] = shadow[j, i] / share
    if radius < 0.5:
        return
    total = wp.vec2d(wp.float64(0.0), wp.float64(0.0))
    rows = int(tall)
    for k in range(-rows, rows + 1):
        y = j + k
        if y >= 0 and y < shadow.shape[0]:
            part = float(k) / wp.max(tall, 0.5)
            half = radius * wp.sqrt(wp.max(1.0 - part * part, 0.0))
            middle = float(i) + 0.5
            total += sum_to(sums, y, middle + half) - sum_to(sums, y, middle - half)
    if total[1] > wp.float64(0.0):
        out[j, i] = float(total[0] / total[1])


@wp.func
def shift(lens: GroundLens, other: wp.mat44, y: int, x: int, depth: float) -> wp.vec2:
    """Where ground at this pixel is in another frame, from here, px."""
    u = (float(x) + 0.5 - lens.centre[0]) / lens.focal[0]
    v = (float(y) + 0.5 - lens.centre[1]) / lens.focal[1]
    p = wp.transform_point(other, wp.vec3(u * depth, -v * depth, -depth))
    if not -p[2] > 0.01:
        return wp.vec2(0.0, 0.0)
    return wp.vec2((p[0] / -p[2] - u) * lens.focal[0], (-p[1] / -p[2] - v) * lens.focal[1])


@wp.kernel
def smear_shadow_kernel(
    row0: int, block: int, near: wp.array2d(dtype=wp.uint8), lens: GroundLens, ground: wp.array2d(dtype=float),
    lost: wp.array2d(dtype=float), seen: wp.array2d(dtype=float), out: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): the mean over the shutter's time of what is at a pixel then. out: as shadow, where ground is seen."""
    j, i = wp.tid()
    j += row0
    share = seen[j, i]
    if near[j / block, i / block] == wp.uint8(0) or not share > 0.0:
        return
    depth = ground[j, i]
    forward = wp.vec2(0.0, 0.0)
    back = wp.vec2(0.0, 0.0)
    count = int(1)
    if lens.closes > lens.opens:
        forward = shift(lens, lens.to_next, j, i, depth)
        back = shift(lens, lens.to_last, j, i, depth)
        longest = wp.max(wp.length(forward), wp.length(back)) * (lens.closes - lens.opens)
        if longest > 0.02:
            count = int(wp.min(wp.ceil(longest), 255.0)) + 1
    total = float(0.0)
    known = float(0.0)
    for step in range(count):
        at = wp.vec2(0.0, 0.0)
        if count > 1:
            t = lens.opens + (lens.closes - lens.opens) * (float(step) + 0.5) / float(count)
            at = 0.5 * ((forward - back) * t + (forward + back) * (t * t))
        y = float(j) - at[1]
        x = float(i) - at[0]
        for a in range(2):
            for b in range(2):
                v = int(wp.floor(y)) + a
                u = int(wp.floor(x)) + b
                weight = (1.0 - wp.abs(y - float(v))) * (1.0 - wp.abs(x - float(u)))
                if weight > 0.0 and v >= 0 and u >= 0 and v < lost.shape[0] and u < lost.shape[1]:
                    total += weight * seen[v, u] * lost[v, u]
                    known += weight * seen[v, u]
    if known > 0.0:
        out[j, i] = total / known * share

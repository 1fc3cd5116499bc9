# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels that draw agents into the visibility buffer.

The buffer holds `depth bits << 32 | slot << 12 | triangle` for each sample, least wins, so the result does not depend
on the order of threads.
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_scan import scan, scan_clipped
from composer.guides.kernel_view import NEAR_M, OPTIONS, Draws, Eye, Meshes, to_camera

wp.set_module_options(OPTIONS)

EMPTY = 0xFFFFFFFFFFFFFFFF
#: Side of the squares of pixels whose farthest sample is known, to pass over agents that are wholly hidden.
COARSE = 4


@wp.kernel
def coarse_kernel(vis: wp.array(dtype=wp.uint64), rows: int, width: int, samples: int, far: wp.array2d(dtype=float)):
    """dim as `far`: the depth that no sample of a square exceeds; squares with an empty sample keep what they have."""
    j, i = wp.tid()
    if far[j, i] < 1.0e9:
        return
    y1 = wp.min(4 * j + 4, rows)
    n = (wp.min(4 * i + 4, width) - 4 * i) * samples
    most = wp.uint64(0)
    y = int(4 * j)
    while y < y1:
        k = (y * width + 4 * i) * samples
        end = k + n
        while k < end:
            most = wp.max(most, vis[k])
            k += 1
        if most == wp.uint64(0xFFFFFFFFFFFFFFFF):
            return
        y += 1
    far[j, i] = wp.cast(wp.uint32(most >> wp.uint64(32)), wp.float32)


@wp.func
def behind(
    near: float, left: int, top: int, right: int, bottom: int, row0: int, row1: int, width: int,
    far: wp.array2d(dtype=float),
) -> int:  # fmt: skip
    """1 where every square that these pixels (and the ones beside them) touch in the band is filled by what is nearer
    than `near`."""
    y0 = (wp.clamp(top - 1, row0, row1 - 1) - row0) / 4
    y1 = (wp.clamp(bottom + 1, row0, row1 - 1) - row0) / 4
    x0 = wp.clamp(left - 1, 0, width - 1) / 4
    x1 = wp.clamp(right + 1, 0, width - 1) / 4
    j = int(y0)
    while j <= y1:
        i = int(x0)
        while i <= x1:
            if not (far[j, i] < near):
                return 0
            i += 1
        j += 1
    return 1


@wp.kernel
def raster_kernel(
    meshes: Meshes,
    draws: Draws,
    eye: Eye,
    slots: wp.array(dtype=int),
    lanes: int,
    row0: int,
    row1: int,
    width: int,
    samples: int,
    offset: wp.array(dtype=wp.vec2i),
    vis: wp.array(dtype=wp.uint64),
    box: wp.array2d(dtype=int),
    far: wp.array2d(dtype=float),
):
    """dim (slots listed, lanes): their triangles into the band of rows row0..row1. far: as by `coarse_kernel`, or
    [0, 0] to draw all."""
    item, lane = wp.tid()
    slot = slots[item]
    sieve = far.shape[0]
    if sieve > 0 and box[slot, 4] == 0:
        # depths within a triangle keep within its corners' but for rounding
        near = float(box[slot, 5]) * (0.9999 / 1024.0)
        if behind(near, box[slot, 0], box[slot, 1], box[slot, 2], box[slot, 3], row0, row1, width, far) != 0:
            return
    mesh = draws.mesh[slot]
    first = meshes.first_tri[mesh]
    count = meshes.tris[mesh]
    base = draws.first_vertex[slot]
    t = int(lane)
    while t < count:
        v = meshes.tri[first + t]
        a = draws.pixel[base + v[0]]
        b = draws.pixel[base + v[1]]
        c = draws.pixel[base + v[2]]
        top = wp.min(a[1], wp.min(b[1], c[1]))
        bottom = wp.max(a[1], wp.max(b[1], c[1]))
        payload = (wp.uint64(slot) << wp.uint64(12)) | wp.uint64(t)
        low = wp.min(a[2], wp.min(b[2], c[2]))
        turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        size = wp.abs(b[0] - a[0]) + wp.abs(b[1] - a[1]) + wp.abs(c[0] - a[0]) + wp.abs(c[1] - a[1])
        if low > NEAR_M and (bottom < float(row0) - 1.0 or top > float(row1) + 1.0 or turn > 0.01 * size + 0.0001):
            # not in this band, or a back face whatever the snapping
            t += lanes
            continue
        if low > NEAR_M and sieve > 0:
            left = wp.min(a[0], wp.min(b[0], c[0]))
            right = wp.max(a[0], wp.max(b[0], c[0]))
            if behind(low * 0.9999, int(left), int(top), int(right), int(bottom), row0, row1, width, far) != 0:
                t += lanes
                continue
        if low > NEAR_M:
            scan(a, b, c, payload, 0, row0, row1, width, samples, offset, vis)
        elif wp.max(a[2], wp.max(b[2], c[2])) > NEAR_M:
            scan_clipped(
                eye, NEAR_M, to_camera(eye, draws.rel[base + v[0]]), to_camera(eye, draws.rel[base + v[1]]),
                to_camera(eye, draws.rel[base + v[2]]), payload, 0, row0, row1, width, samples, offset, vis,
            )  # fmt: skip
        t += lanes

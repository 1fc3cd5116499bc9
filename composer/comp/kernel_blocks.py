"""Which blocks of a picture hold something, and what of each slice of depth."""

from __future__ import annotations

import warp as wp

from composer.comp.kernel_tint import Entries
from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.kernel
def block_kernel(
    row0: int, block: int, alpha: wp.array2d(dtype=float), sun: wp.array2d(dtype=float),
    sky: wp.array2d(dtype=float), out: wp.array2d(dtype=wp.uint8),
):  # fmt: skip
    """dim (rows of blocks, columns of blocks): 1 where the layer or its shadow has anything."""
    j, i = wp.tid()
    j += row0
    for y in range(j * block, wp.min((j + 1) * block, alpha.shape[0])):
        for x in range(i * block, wp.min((i + 1) * block, alpha.shape[1])):
            if alpha[y, x] > 0.0 or sun[y, x] > 0.0 or sky[y, x] > 0.0:
                out[j, i] = wp.uint8(1)
                return
    out[j, i] = wp.uint8(0)


@wp.kernel
def slices_kernel(
    row0: int, block: int, far: wp.array(dtype=float), entries: Entries, forward: wp.array2d(dtype=wp.vec2),
    back: wp.array2d(dtype=wp.vec2), count: wp.array3d(dtype=wp.vec3), drift: wp.array3d(dtype=wp.vec4),
    way: wp.array3d(dtype=float),
):  # fmt: skip
    """dim (rows of blocks, columns of blocks). Of each slice [K], whose depths end at far, in each block. count: how many
    samples, how many of them are their pixel's nearest, and 1 / depth added up. drift: the nearest ones' motion to the next
    and the previous frame, added up; way: the longest of it, px."""
    j, i = wp.tid()
    j += row0
    height = forward.shape[0]
    width = forward.shape[1]
    for y in range(j * block, wp.min((j + 1) * block, height)):
        for x in range(i * block, wp.min((i + 1) * block, width)):
            pixel = y * width + x
            first = int(entries.start[pixel])
            for e in range(first, int(entries.start[pixel + 1])):
                low = int(0)
                high = int(far.shape[0] - 1)
                while low < high:
                    middle = (low + high) / 2
                    if entries.depth[e] < far[middle]:
                        high = middle
                    else:
                        low = middle + 1
                count[low, j, i] = count[low, j, i] + wp.vec3(1.0, 0.0, 1.0 / entries.depth[e])
                if e == first:
                    to = forward[y, x]
                    past = back[y, x]
                    longest = wp.max(wp.length(to), wp.length(past))
                    if wp.isfinite(longest):
                        count[low, j, i] = count[low, j, i] + wp.vec3(0.0, 1.0, 0.0)
                        drift[low, j, i] = drift[low, j, i] + wp.vec4(to[0], to[1], past[0], past[1])
                        way[low, j, i] = wp.max(way[low, j, i], longest)

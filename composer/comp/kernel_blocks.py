"""Which blocks of a picture hold something."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.kernel
def block_kernel(
    row0: int, block: int, alpha: wp.array2d(dtype=float), shadow: wp.array2d(dtype=float),
    out: wp.array2d(dtype=wp.uint8),
):  # fmt: skip
    """dim (rows of blocks, columns of blocks): 1 where the layer or its shadow has anything."""
    j, i = wp.tid()
    j += row0
    for y in range(j * block, wp.min((j + 1) * block, alpha.shape[0])):
        for x in range(i * block, wp.min((i + 1) * block, alpha.shape[1])):
            if alpha[y, x] > 0.0 or shadow[y, x] > 0.0:
                out[j, i] = wp.uint8(1)
                return
    out[j, i] = wp.uint8(0)

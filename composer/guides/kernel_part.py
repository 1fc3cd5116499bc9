# ruff: noqa: RUF046 (in a kernel, int(0) declares a variable, 0 a constant)
"""Warp kernel that parts the visibility buffer: the crowd's samples stay, the place's go into a buffer of their own."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_resolve import EMPTY, key_slot
from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.kernel
def part_kernel(
    vis: wp.array(dtype=wp.uint64),
    samples: int,
    rig: wp.array(dtype=int),
    piece_rig: int,
    pieces: wp.array(dtype=wp.uint64),
):
    """dim (pixels): the place's samples out of `vis` into a buffer of their own."""
    cell = wp.tid() * samples
    s = int(0)
    while s < samples:
        key = vis[cell + s]
        pieces[cell + s] = EMPTY
        if key != EMPTY:
            if rig[key_slot(key)] == piece_rig:
                pieces[cell + s] = key
                vis[cell + s] = EMPTY
        s += 1

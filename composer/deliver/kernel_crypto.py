# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels that rank what is in each pixel, for Cryptomatte. A pixel has few entries: each rank looks at all of them."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)


@wp.kernel
def place_kernel(
    first: int, agents: wp.array(dtype=wp.uint32), agent_id: wp.array(dtype=wp.uint32), place: wp.array(dtype=int)
):
    """dim (entries): where each entry's agent stands in `agents`, ascending."""
    e = wp.tid() + first
    low = int(0)
    high = int(agents.shape[0] - 1)
    wanted = agent_id[e]
    while low < high:
        middle = (low + high) / 2
        if agents[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    place[e] = low


@wp.func
def share(
    e: wp.int64, begin: wp.int64, end: wp.int64, thing: wp.array(dtype=int), coverage: wp.array(dtype=float)
) -> float:
    """All that entry e's thing covers of the pixel, for the thing's first entry there; -1 for the others."""
    own = thing[e]
    k = begin
    while k < e:
        if thing[k] == own:
            return -1.0
        k += wp.int64(1)
    total = coverage[e]
    k = e + wp.int64(1)
    while k < end:
        if thing[k] == own:
            total += coverage[k]
        k += wp.int64(1)
    return wp.min(total, 1.0)


@wp.kernel
def extent_kernel(
    row0: int, width: int, start: wp.array(dtype=wp.int64), thing: wp.array(dtype=int), coverage: wp.array(dtype=float),
    extent: wp.array3d(dtype=int),
):  # fmt: skip
    """dim (rows): the first and last column of each level in a row, [H, levels, 2]; last < first where it has none."""
    y = wp.tid() + row0
    x = int(0)
    while x < width:
        begin = start[y * width + x]
        end = start[y * width + x + 1]
        things = int(0)
        e = begin
        while e < end:
            if share(e, begin, end, thing, coverage) > 0.0:
                things += 1
            e += wp.int64(1)
        level = int(0)
        while level < extent.shape[1] and things > 2 * level:
            if extent[y, level, 1] < extent[y, level, 0]:
                extent[y, level, 0] = x
            extent[y, level, 1] = x
            level += 1
        x += 1


@wp.kernel
def level_kernel(
    row0: int, x0: int, y0: int, width: int, level: int, by_number: int, start: wp.array(dtype=wp.int64),
    thing: wp.array(dtype=int), coverage: wp.array(dtype=float), ids: wp.array(dtype=float),
    planes: wp.array3d(dtype=float),
):  # fmt: skip
    """dim (rows, columns of the window): two ranks of a level into planes [4, h, w]. Of equal shares the nearer goes first,
    or (by_number) the thing with the lower number."""
    j, i = wp.tid()
    j += row0
    pixel = (y0 + j) * width + x0 + i
    begin = start[pixel]
    end = start[pixel + 1]
    last = float(2.0)
    last_tie = wp.int64(-1)
    rank = int(0)
    while rank < 2 * level + 2 and wp.int64(rank) < end - begin:
        best = float(0.0)
        best_tie = wp.int64(0)
        best_thing = int(-1)
        e = begin
        while e < end:
            c = share(e, begin, end, thing, coverage)
            tie = e
            if by_number != 0:
                tie = wp.int64(thing[e])
            if c < last or (c == last and tie > last_tie):
                if c > best or (c == best and best_thing >= 0 and tie < best_tie):
                    best = c
                    best_tie = tie
                    best_thing = thing[e]
            e += wp.int64(1)
        if best_thing < 0:
            return
        if rank >= 2 * level:
            k = 2 * (rank - 2 * level)
            planes[k, j, i] = ids[best_thing]
            planes[k + 1, j, i] = best
        last = best
        last_tie = best_tie
        rank += 1

"""How many stand in each region, and what they are called by number."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from composer.crowd.seeds import hash_u32, purpose_key
from composer.errors import InputError, Where
from composer.shot.schema_crowd import CrowdSpec

#: An agent's id is his region's first id plus his place's number; every region could take this many.
_ID_SPAN = 2**24


def share_out(names: Sequence[str], weights: Sequence[float], total: int) -> list[int]:
    """`total` people over regions in proportion to `weights`, whole numbers.

    Webster's method (the next one goes where weight / (2 k + 1) is greatest, ties by name): raising `total` never takes
    anyone away from a region, whole proportions come out exactly, and the order of the regions does not matter.
    """
    whole = sum(weights)
    if whole <= 0 or total <= 0:
        return [0] * len(weights)
    # Start safely below each region's due, hand out the rest one by one.
    counts = [max(0, int(total * w / whole) - 1 - len(weights)) for w in weights]
    queue = [(-w / (2 * k + 1), n, i) for i, (n, w, k) in enumerate(zip(names, weights, counts, strict=True)) if w > 0]
    heapq.heapify(queue)
    for _ in range(total - sum(counts)):
        _, name, i = heapq.heappop(queue)
        counts[i] += 1
        heapq.heappush(queue, (-weights[i] / (2 * counts[i] + 1), name, i))
    return counts


def weights_of(crowd: CrowdSpec, room: Sequence[float]) -> tuple[list[float], int]:
    """(each region's weight, the crowd's own total).

    Regions with a `count` of their own get exactly that; the others share the rest by `share`, or by `room` (area over
    spacing, so that regions fill up together) where no share is given; the shares given are then parts of 1.
    Raises InputError where the counts do not add up.
    """
    regions = crowd.regions
    names = [r.name for r in regions]
    fixed = sum(r.count or 0 for r in regions)
    open_weights = _open_weights(crowd, room)
    if fixed == 0 and all(r.count is None for r in regions):
        return open_weights, crowd.count or 0
    total = fixed if crowd.count is None else crowd.count
    rest = total - fixed
    if rest < 0 or (rest > 0 and not any(open_weights)):
        raise InputError(
            "the regions' counts do not add up to the crowd's",
            where=Where(field="crowd.count"),
            expected=f"{fixed}" + (" or more" if any(open_weights) else ""),
            got=str(total),
            hint="change crowd.count, or leave the count out of a region so that it takes the rest",
        )
    shared = share_out(names, open_weights, rest)
    return [float(s if r.count is None else r.count) for r, s in zip(regions, shared, strict=True)], total


def _open_weights(crowd: CrowdSpec, room: Sequence[float]) -> list[float]:
    """Weights of the regions without a count (0 for those with one)."""
    free = [(r, a) for r, a in zip(crowd.regions, room, strict=True) if r.count is None]
    given = sum(r.share for r, _ in free if r.share is not None)
    unshared = sum(a for r, a in free if r.share is None)
    if given and unshared and given >= 1:
        names = ", ".join(r.name for r, _ in free if r.share is None)
        raise InputError(
            "the shares leave nobody for the regions without one",
            where=Where(field="crowd.regions"),
            expected="shares that add up to less than 1",
            got=f"{given:g}",
            hint=f"give {names} a share too, or make the others smaller",
        )
    rest = 1.0 - given if given else 1.0
    return [
        0.0 if r.count is not None else r.share if r.share is not None else rest * a / unshared
        for r, a in zip(crowd.regions, room, strict=True)
    ]


def first_id(region: str) -> int:
    """The id of the region's place 0: from its name alone, so that no other region's edit moves it. Never 0."""
    return 1 + int(hash_u32(int(purpose_key(region)), "first id")) % (2**32 - 1 - _ID_SPAN)


def free_id(purpose: str, count: int, taken: NDArray[np.uint32]) -> int:
    """The first of `count` ids in a row for `purpose` that none of `taken` (ascending) is among."""
    for again in range(64):
        first = 1 + int(hash_u32(int(purpose_key(purpose)) + again, "first id")) % (2**32 - 1 - max(count, _ID_SPAN))
        a, b = np.searchsorted(taken, [first, first + count])
        if a == b:
            return first
    raise InputError("the crowd's ids leave no room", expected=f"{count:,} in a row for {purpose}")


def check_ids(names: Sequence[str], ids: Mapping[str, NDArray[np.uint32]]) -> None:
    """InputError if two regions' ids meet (about one chance in four billion for each pair of people)."""
    spans = sorted((int(ids[n].min()), int(ids[n].max()), n) for n in names if len(ids[n]))
    for (_, last, one), (first, _, other) in pairwise(spans):
        if first <= last:
            raise InputError(
                "two regions' names give the same agent ids",
                where=Where(field="crowd.regions"),
                got=f"{one} and {other}",
                hint=f"rename {other}",
            )

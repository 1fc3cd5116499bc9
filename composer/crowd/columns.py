"""The marching column: files abreast along a path, from its head back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from composer.crowd.formations import (
    MOST_PLACES,
    NEAREST_M,
    NO_PLACES,
    Brief,
    March,
    Places,
    apart,
    axes_of,
    stray,
    too_many,
)
from composer.crowd.paths import Path, rounded, straight_path

#: How many walk abreast unless the region says.
FILES = 4


def column(brief: Brief, wanted: int) -> Places:
    """`files` abreast (4) from the head of the path back to its start; each rank is filled from its middle. In a
    polygon the path is the straight line through its middle, along the heading.

    Bends that the inner file could not walk are rounded off, with a note. Raises InputError where that is not enough.
    """
    files = brief.files or FILES
    path = brief.path or _through(brief)
    ranks = int(brief.head * path.length_m / brief.spacing_m[1] + 1e-9) + 1
    if files * ranks > MOST_PLACES:
        raise too_many(files * ranks)
    rank, slot = (a.ravel() for a in np.mgrid[0:ranks, 0:files])
    file = slot - (files - 1) // 2
    order = np.lexsort((np.abs(slot - (files - 1) / 2), rank))
    rank, file, slot = rank[order], file[order], slot[order]
    # Bends push the inner file together: no more than half of what is free between ranks is for straying.
    most = max((brief.spacing_m[1] - NEAREST_M) / 4 / brief.spacing_m[1], 0.0)
    jitter = brief.jitter if brief.path is None else min(brief.jitter, most)
    off, notes = stray(file, rank, brief.spacing_m, jitter, brief.seed)
    if jitter < brief.jitter:
        notes += (f"jitter {brief.jitter:g} was cut to {jitter:.2f}, so that the ranks keep apart in bends",)
    offset = (slot - (files - 1) / 2) * brief.spacing_m[0] + off[:, 0]
    if brief.path is not None:
        reach = float(np.abs(off[:, 1]).max())
        closest = (
            brief.spacing_m[1] - 2 * reach
        )  # on a bend of radius r, those d inside it are (r - d) / r as far apart
        radius = float(np.abs(offset).max()) / max(1 - (NEAREST_M + 0.02) / closest, 0.05)
        path, moved = rounded(path, radius, brief.where)
        if moved > 0.05:
            notes += (f"the path was rounded by up to {moved:.1f} m, so that {files} files can take its bends",)
        crossing = path.meets_itself(2 * float(np.abs(offset).max()) + NEAREST_M)
        if crossing is not None:
            notes += (f"the path meets itself near [{crossing[0]:.1f}, {crossing[1]:.1f}]: men pass each other there",)
    head = brief.head * path.length_m
    along = head - rank * brief.spacing_m[1] - off[:, 1]
    position, heading = path.beside(along, offset)
    places = Places(position, True, notes, heading, None, March(path, along, offset))
    kept = apart(position)
    if brief.path is None:
        kept &= brief.area.solid(position)
    elif not kept.all():
        places = replace(places, notes=(*notes, f"{int((~kept).sum()):,} places are too near to others: left out"))
    return places.only(kept) if len(position) else NO_PLACES


def _through(brief: Brief) -> Path:
    """The straight path through the middle of the area, from its rear to its front."""
    ahead = axes_of(brief.heading_rad)[1]
    middle = brief.area.middle_m
    depth = (brief.area.polygon - middle) @ ahead
    inset = brief.spacing_m[1] / 2
    return straight_path(middle + (depth.min() + inset) * ahead, middle + max(depth.max() - inset, 0.1) * ahead)


def turn_of(path: Path) -> float:
    """Where a path leads on the whole: the heading from its start to its end (or at its start, if they are one
    place)."""
    way = path.point_m[-1] - path.point_m[0]
    return math.atan2(-way[0], -way[1]) if way.any() else float(path.heading_rad[0])

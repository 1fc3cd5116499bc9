"""The places of a formation in a polygon, in the order in which soldiers take them.

A smaller count is always the head of the same list: `rank_and_file` grows a block from the middle of its front,
`loose` spreads over the whole polygon and then fills in between (progressive blue noise). Places are drawn by hash from
the region's own seed; nothing here knows of counts above what it is asked for, or of other regions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.crowd.darts import Darts
from composer.crowd.regions import EDGE_M, area_m2, inside
from composer.crowd.seeds import hash01, hash_u32
from composer.errors import NOWHERE, InputError, Where

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: No two soldiers stand nearer than this.
NEAREST_M = 0.45
#: A region with more cells than this is a mistake in its size or its spacing.
MOST_PLACES = 4_000_000
#: Loose crowds: people stand at least this share of the spacing apart, which packs about one into spacing squared.
_LOOSE_TIGHTNESS = 0.78
#: A block that fills only part of its region is at least this many times wider than it is deep.
_FRONTAGE = 2.0


@dataclass(frozen=True)
class Places:
    """Places in the order in which they are taken.

    position_m: float64 [M, 2], (x, z). file, rank: int64 [M], the column from the middle (right positive) and the row
    from the front; zero in a loose crowd. whole: no more places exist than these.
    """

    position_m: F64
    file: I64
    rank: I64
    whole: bool
    notes: tuple[str, ...] = ()


def axes_of(heading_rad: float) -> tuple[F64, F64]:
    """(right, ahead), unit vectors [2] in (x, z), of someone with this heading."""
    s, c = round(math.sin(heading_rad), 12), round(math.cos(heading_rad), 12)  # the same on every machine
    return np.array([c, -s]), np.array([-s, -c])


def check_spacing(formation: str, spacing_m: tuple[float, float], where: Where = NOWHERE) -> None:
    """InputError where people would stand nearer than `NEAREST_M`."""
    least = NEAREST_M if formation == "rank_and_file" else NEAREST_M / _LOOSE_TIGHTNESS
    if min(spacing_m) < least - 1e-9:
        raise InputError(
            "soldiers would stand inside each other",
            where=where,
            expected=f"a spacing of at least {math.ceil(least * 100 - 1e-6) / 100:g} m",
            got=f"{min(spacing_m):g} m",
        )


def rank_and_file(polygon: F64, heading_rad: float, spacing_m: tuple[float, float], jitter: float, seed: int) -> Places:
    """All places of a block of files and ranks along the heading.

    spacing_m: (between files, between ranks). jitter: how far a man strays from his place, as a share of the spacing;
    it is cut (with a note) where two men could come nearer than `NEAREST_M`. The block's front is the first rank that
    is at least 60 % as wide as the widest one; it grows from the middle of that front in whole files and ranks, and
    ranks before it come last. Raises InputError for absurdly many places.
    """
    right, ahead = axes_of(heading_rad)
    across, depth = polygon @ right, -(polygon @ ahead)
    files, x0 = _slots(across, spacing_m[0])
    ranks, y0 = _slots(depth, spacing_m[1])
    if files * ranks > MOST_PLACES:
        raise InputError("too many places", expected=f"at most {MOST_PLACES:,}", got=f"{files} files x {ranks} ranks")
    rank, file = (a.ravel() for a in np.mgrid[0:ranks, 0:files])
    at = np.stack([x0 + file * spacing_m[0], y0 + rank * spacing_m[1]], axis=1)
    standing = inside(polygon, _to_ground(at, right, ahead), EDGE_M)
    rank, file, at = rank[standing], file[standing], at[standing]
    if len(rank) == 0:
        return Places(np.zeros((0, 2)), file, rank, True)

    file, rank, order = _growth(file, rank)
    file, rank, at = file[order], rank[order], at[order]
    stray, notes = _stray(file, rank, spacing_m, jitter, seed)
    position = _to_ground(at + stray, right, ahead)
    out = ~inside(polygon, position, EDGE_M)
    position[out] = _to_ground(at[out], right, ahead)
    return Places(position, file, rank, True, notes)


def _slots(extent: F64, spacing: float) -> tuple[int, float]:
    """How many places of this width lie side by side, and the middle of the first; what is left over goes evenly to
    both ends."""
    low, high = float(extent.min()), float(extent.max())
    count = max(1, math.floor((high - low) / spacing + 1e-9))
    return count, (low + high - (count - 1) * spacing) / 2


def _to_ground(at: F64, right: F64, ahead: F64) -> F64:
    """(across, depth behind) [N, 2] to (x, z)."""
    return at[:, :1] * right - at[:, 1:] * ahead


def _growth(file: I64, rank: I64) -> tuple[I64, I64, I64]:
    """Files from the middle of the front (right positive), ranks from the front, and the order of growth [M]."""
    width = np.bincount(rank)
    front = int(np.argmax(width >= 0.6 * width.max()))
    middle = int(np.median(file[rank == front]))
    file, rank = file - middle, rank - front
    # Rings 0, 1, 2, ...: the middle file, then one to the left, one to the right, and so on.
    ring = np.where(file < 0, -2 * file - 1, 2 * file)
    widest = np.bincount(rank - rank.min(), minlength=1).max()
    frontage = max(_FRONTAGE, widest / (rank.max() + 1))
    # A whole file at ring r comes when the block is r wide, a whole rank when it is r / frontage deep.
    by_file, by_rank = ring / frontage, rank.astype(np.float64)
    key = np.where(rank >= 0, np.maximum(by_file, by_rank), 1e9 - rank)
    new_rank = ((by_rank >= by_file) | (rank < 0)).astype(np.int64)  # a rank fills outward; a file fills backward
    return file, rank, np.lexsort((np.where(new_rank, ring, rank), new_rank, key))


def _stray(
    file: I64, rank: I64, spacing_m: tuple[float, float], jitter: float, seed: int
) -> tuple[F64, tuple[str, ...]]:
    """How far each man stands from his place: [M, 2] (across, depth) in metres, mostly his own, partly a slow wave
    that bends whole files and ranks."""
    reach = np.array([jitter * s for s in spacing_m])
    room = np.array([(s - NEAREST_M) / 2 for s in spacing_m])
    notes: tuple[str, ...] = ()
    if (reach > room + 1e-9).any():
        notes = (
            f"jitter {jitter:g} at a spacing of {spacing_m[0]:g} x {spacing_m[1]:g} m would bring men nearer than "
            f"{NEAREST_M:g} m and was cut to {room[0] / spacing_m[0]:.2f} x {room[1] / spacing_m[1]:.2f}",
        )
        reach = np.minimum(reach, room)
    own = hash_u32(seed, "place") ^ hash_u32(file * 65537 + rank, "place")
    chances = [hash01(own, f"stray {way}") + hash01(own, f"more {way}") for way in ("across", "deep")]
    each = np.stack(chances, axis=1).astype(np.float64)
    waves = np.stack([_wave(rank, seed, "file wave"), _wave(file, seed, "rank wave")], axis=1)
    return reach * (0.6 * (each - 1.0) + 0.4 * waves), notes


def _wave(index: I64, seed: int, purpose: str, length: int = 7) -> F64:
    """Smooth noise in [-1, 1] along whole numbers."""
    knot = np.floor_divide(index, length)
    t = index / length - knot
    t = t * t * (3 - 2 * t)
    low, high = (
        hash01(hash_u32(seed, purpose) ^ hash_u32(k, purpose), purpose).astype(np.float64) * 2 - 1
        for k in (knot, knot + 1)
    )
    return low * (1 - t) + high * t


def loose(polygon: F64, spacing_m: tuple[float, float], seed: int, wanted: int) -> Places:
    """At least `wanted` places of a loose crowd, or all there are.

    People stand at least 0.78 of the spacing (the geometric mean of the pair) apart and about one to each spacing
    squared. The order is progressive: any head of it is spread over the whole polygon.
    """
    spacing = math.sqrt(spacing_m[0] * spacing_m[1])
    if area_m2(polygon) / spacing**2 > MOST_PLACES:
        raise InputError("too many places", expected=f"at most {MOST_PLACES:,}", got=f"{area_m2(polygon):.0f} m2")
    darts = Darts(polygon, max(NEAREST_M, spacing * _LOOSE_TIGHTNESS), seed)
    position = darts.throw(wanted)
    none = np.zeros(len(position), dtype=np.int64)
    return Places(position, none, none, darts.full)

"""Formations on a grid of files and ranks: rank and file, phalanx, wedge, skirmish line.

In a polygon or on paint the grid is straight and lies along the region's heading; along a path its front follows the
path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from composer.crowd.formations import F64, I64, MOST_PLACES, NO_PLACES, Brief, Places, apart, axes_of, stray, too_many
from composer.errors import InputError

#: A block that fills only part of its region is at least this many times wider than it is deep.
_FRONTAGE = 2.0
#: A phalanx grows as a square until it is this deep, then to the sides, and deeper only when there are no more sides.
_PHALANX_DEEP = 16
#: How many ranks a line along a path has.
RANKS_ON_PATH = {"rank_and_file": 4, "phalanx": 8, "skirmish_line": 2}
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class _Grid:
    """Places of a grid on which people may stand. file, rank: int64 [M]. at: float64 [M, 2], (across to the right,
    behind the front) in metres, before anyone strays."""

    brief: Brief
    file: I64
    rank: I64
    at: F64

    def only(self, kept: I64 | np.ndarray) -> _Grid:
        return _Grid(self.brief, self.file[kept], self.rank[kept], self.at[kept])

    def to_ground(self, at: F64) -> tuple[F64, F64 | None]:
        """(places [M, 2], headings [M] where they differ from the region's)."""
        brief = self.brief
        if brief.path is None:
            right, ahead = axes_of(brief.heading_rad)
            return at[:, :1] * right - at[:, 1:] * ahead, None
        way = -1.0 if brief.turned else 1.0  # looking to the left of the path, its direction is to the right
        place, heading = brief.path.beside(way * at[:, 0] + brief.path.length_m / 2, way * at[:, 1])
        return place, heading + way * math.pi / 2

    def taken(self, order: I64) -> Places:
        """The places in this order, each man strayed from his own."""
        grid, brief = self.only(order), self.brief
        off, notes = stray(grid.file, grid.rank, brief.spacing_m, brief.jitter, brief.seed)
        position, heading = grid.to_ground(grid.at + off)
        if brief.path is not None:
            places = Places(position, True, notes, heading)
            kept = apart(position)
            if kept.all():
                return places
            note = f"{int((~kept).sum()):,} places in the path's bends are too near to others: left out"
            return Places(places.position_m, True, (*notes, note), heading).only(kept)
        out = ~brief.area.solid(position)
        position[out] = grid.to_ground(grid.at[out])[0]
        return Places(position, True, notes)


def _grid(brief: Brief, ranks_on_path: int, *, shifted: bool = False, centred: bool = False) -> _Grid:
    """Every place. shifted: odd ranks stand half a file to the right. centred: file 0 stands on the area's middle."""
    spacing_m = brief.spacing_m
    right, ahead = axes_of(brief.heading_rad)
    if brief.path is not None:
        files, ranks = max(1, int(brief.path.length_m / spacing_m[0])), brief.ranks or ranks_on_path
        x0, y0 = -(files - 1) / 2 * spacing_m[0], 0.0
    else:
        corners = brief.area.polygon
        across, depth = corners @ right, -(corners @ ahead)
        files, x0 = _slots(across, spacing_m[0])
        ranks, y0 = _slots(depth, spacing_m[1])
        if centred:
            x0 = float(brief.area.middle_m @ right)
            first, last = (math.floor((v - x0) / spacing_m[0]) for v in (across.min(), across.max()))
            x0, files = x0 + first * spacing_m[0], last - first + 1
    if files * ranks > MOST_PLACES:
        raise too_many(files * ranks)
    rank, file = (a.ravel() for a in np.mgrid[0:ranks, 0:files])
    shift = 0.5 * (rank % 2) if shifted else 0.0
    at = np.stack([x0 + (file + shift) * spacing_m[0], y0 + rank * spacing_m[1]], axis=1)
    grid = _Grid(brief, file, rank, at)
    return grid if brief.path is not None else grid.only(brief.area.solid(grid.to_ground(at)[0]))


def _slots(extent: F64, spacing: float) -> tuple[int, float]:
    """How many places of this width lie side by side, and the middle of the first; what is left over goes evenly to
    both ends."""
    low, high = float(extent.min()), float(extent.max())
    count = max(1, math.floor((high - low) / spacing + 1e-9))
    return count, (low + high - (count - 1) * spacing) / 2


def _from_front(grid: _Grid) -> _Grid:
    """Files from the middle of the front (right positive), ranks from the front: the first rank that is at least 60 %
    as wide as the widest one. With `ranks` given, no more than those."""
    width = np.bincount(grid.rank)
    front = int(np.argmax(width >= 0.6 * width.max()))
    middle = int(np.median(grid.file[grid.rank == front]))
    grid = _Grid(grid.brief, grid.file - middle, grid.rank - front, grid.at)
    most = grid.brief.ranks
    return grid if most is None else grid.only((grid.rank >= 0) & (grid.rank < most))


def _ring(file: I64) -> I64:
    """0, 1, 2, ...: the middle file, then one to the left, one to the right, and so on."""
    return np.where(file < 0, -2 * file - 1, 2 * file)


def rank_and_file(brief: Brief, wanted: int) -> Places:
    """A block that grows from the middle of its front in whole files and ranks, wider than deep; ranks before the front
    come last. Raises InputError for absurdly many places."""
    return _block(brief, _grid(brief, RANKS_ON_PATH["rank_and_file"]), None)


def phalanx(brief: Brief, wanted: int) -> Places:
    """Tight and deep: a square until it is 16 deep, then wider, with every file full."""
    return _block(brief, _grid(brief, RANKS_ON_PATH["phalanx"]), min(_PHALANX_DEEP, brief.ranks or _PHALANX_DEEP))


def _block(brief: Brief, grid: _Grid, deep: int | None) -> Places:
    if len(grid.rank) == 0:
        return NO_PLACES
    grid = _from_front(grid)
    ring, rank = _ring(grid.file), grid.rank
    widest = np.bincount(rank - rank.min(), minlength=1).max()
    frontage = 1.0 if deep else max(_FRONTAGE, widest / (rank.max() + 1))
    # A whole file at ring r comes when the block is r wide, a whole rank when it is r / frontage deep.
    by_file, by_rank = ring / frontage, rank.astype(np.float64)
    if deep:
        by_rank = np.where(rank >= deep, 1e6 + rank, by_rank)
    key = np.where(rank >= 0, np.maximum(by_file, by_rank), 1e9 - rank)
    new_rank = ((by_rank >= by_file) | (rank < 0)).astype(np.int64)  # a rank fills outward; a file fills backward
    return grid.taken(np.lexsort((np.where(new_rank, ring, rank), new_rank, key)))


def wedge(brief: Brief, wanted: int) -> Places:
    """A wedge with its tip ahead, in the middle of the area's front: 1, 3, 5, ... men, each rank filled from its
    middle."""
    grid = _grid(brief, 1, centred=True)
    if len(grid.rank) == 0:
        return NO_PLACES
    middle = int(np.argmin(np.abs(grid.at[:, 0] - brief.area.middle_m @ axes_of(brief.heading_rad)[0])))
    file = grid.file - grid.file[middle]
    tip = int(grid.rank[file == 0].min())
    grid = _Grid(brief, file, grid.rank - tip, grid.at).only(np.abs(file) <= grid.rank - tip)
    return grid.taken(np.lexsort((_ring(grid.file), grid.rank)))


def skirmish_line(brief: Brief, wanted: int) -> Places:
    """A thin screen: lines in pairs, the second in the gaps of the first. The first pair grows from the middle of the
    front to both sides; the next pair starts when it is as wide as the area."""
    grid = _grid(brief, RANKS_ON_PATH["skirmish_line"], shifted=True)
    if len(grid.rank) == 0:
        return NO_PLACES
    grid = _from_front(grid)
    pair = np.where(grid.rank >= 0, grid.rank // 2, 1_000_000 - grid.rank)
    return grid.taken(np.lexsort((grid.rank % 2, _ring(grid.file), pair)))


def square(brief: Brief, wanted: int) -> Places:
    """Hollow squares that look outward, one after another from the middle of the area's front.

    `files` men to a side (24) and `ranks` deep (4). A square fills its outer ring first, evenly all round. Where the
    area is too small for one of that size, it is made as large as fits. Raises InputError where not even 4 men a side
    fit.
    """
    spacing = brief.spacing_m[0]
    for files in range(brief.files or 24, 3, -1):
        middles = _square_middles(brief, files * spacing)
        if len(middles):
            break
    else:
        raise InputError(
            "the region has no room for a square",
            where=brief.where,
            expected=f"room for 4 files of {spacing:g} m on each side",
            hint="draw it larger, or another formation",
        )
    notes: tuple[str, ...] = ()
    if brief.files is not None and files < brief.files:
        notes = (f"a square of {brief.files} files does not fit: made of {files}",)
    local, facing, ring, number = _one_square(brief, files)
    count = len(local)
    if len(middles) * count > MOST_PLACES:
        raise too_many(len(middles) * count)
    which = np.repeat(np.arange(len(middles)), count)
    own = min(brief.spacing_m)
    off, more = stray(
        np.tile(number, len(middles)), which * 64 + np.tile(ring, len(middles)), (own, own), brief.jitter, brief.seed
    )
    at = middles[which] + np.tile(local, (len(middles), 1))
    right, ahead = axes_of(brief.heading_rad)
    position = (at + off)[:, :1] * right - (at + off)[:, 1:] * ahead
    heading = brief.heading_rad + np.tile(facing, len(middles))
    return Places(position, True, notes + more, heading)


def _square_middles(brief: Brief, side_m: float) -> F64:
    """Middles [K, 2], (across, behind), of the squares that lie wholly in the area, in the order in which they come."""
    right, ahead = axes_of(brief.heading_rad)
    corners = brief.area.polygon
    across, depth = corners @ right, -(corners @ ahead)
    pitch = max(1.6 * side_m, side_m + 2.0)
    slots = []
    for extent in (across, depth):
        count = max(1, math.floor((float(np.ptp(extent)) - side_m) / pitch + 1e-9) + 1)
        slots.append((float(extent.min() + extent.max()) - (count - 1) * pitch) / 2 + pitch * np.arange(count))
    if len(slots[0]) * len(slots[1]) > MOST_PLACES / 16:
        raise too_many(len(slots[0]) * len(slots[1]) * 64)
    row, column = (a.ravel() for a in np.mgrid[0 : len(slots[1]), 0 : len(slots[0])])
    at = np.stack([slots[0][column], slots[1][row]], axis=1)
    whole = np.ones(len(at), dtype=bool)
    for t in np.linspace(-0.5, 0.5, 9) * side_m:
        for edge in ((t, -0.5 * side_m), (t, 0.5 * side_m), (-0.5 * side_m, t), (0.5 * side_m, t)):
            there = at + np.array(edge)
            whole &= brief.area.solid(there[:, :1] * right - there[:, 1:] * ahead)
    ring = _ring(column[whole] - (len(slots[0]) - 1) // 2)
    return at[whole][np.lexsort((ring, row[whole]))]


def _one_square(brief: Brief, files: int) -> tuple[F64, F64, I64, I64]:
    """One square about 0: (places [M, 2] (across, behind), where they look [M] from the heading, ring [M], number in
    the ring [M]), outer ring first."""
    spacing, deep = brief.spacing_m
    parts: list[tuple[F64, F64, I64, I64]] = []
    for ring in range(brief.ranks or 4):
        side = (files - 1) * spacing - 2 * ring * deep
        count = int(side / spacing + 1e-9)
        if ring and side < 3 * spacing:
            break  # what is left in the middle stays hollow
        step = side / count * np.arange(count) - side / 2  # each side leaves its last corner to the next one
        edge, half = np.full(count, side / 2), math.pi / 2
        sides = (
            (np.stack([step, -edge], axis=1), 0.0),
            (np.stack([edge, step], axis=1), -half),
            (np.stack([-step, edge], axis=1), 2 * half),
            (np.stack([-edge, -step], axis=1), half),
        )
        at = np.concatenate([s for s, _ in sides])
        facing = np.repeat([h for _, h in sides], count)
        number = np.arange(4 * count)
        order = np.argsort(number * _GOLDEN % 1.0, kind="stable")  # any head of it lies evenly all round
        parts.append((at[order], facing[order], np.full(4 * count, ring), number[order]))
    at, facing, ring_of, number_of = (np.concatenate(p) for p in zip(*parts, strict=True))
    return at, facing, ring_of, number_of

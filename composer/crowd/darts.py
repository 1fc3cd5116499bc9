"""Progressive blue noise in an area: places that keep a distance, in an order of which every head is spread out.

The first few hundred come farthest first. After that the distance is divided by the root of 2 again and again, and
each level throws darts (one to a cell of a grid, all cells at once) until little fits, down to the distance asked for.
A level is always finished, so the list never depends on how many places are wanted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from composer.crowd.areas import Area
from composer.crowd.regions import EDGE_M
from composer.crowd.seeds import hash01, hash_u32

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

_FIRST = 200  # about how many places come farthest first
_CANDIDATES = 4096
_PAD = 2
_FAR = 1e9
#: Cells whose points can be nearer than a cell's diagonal, the nearest first.
_NEIGHBOURS = sorted(
    ((i, j) for i in range(-2, 3) for j in range(-2, 3) if (i or j) and abs(i * j) < 4),
    key=lambda o: (o[0] ** 2 + o[1] ** 2, o),
)


class Darts:
    """Throws on demand. `distance_m` apart, `EDGE_M` inside the area; `full` once no more will come."""

    def __init__(self, area: Area, distance_m: float, seed: int) -> None:
        self.area, self.seed = area, seed
        expected = 0.7 * area.area_m2 / distance_m**2
        steps = max(0, math.ceil(math.log2(max(expected / _FIRST, 1e-9))))
        self.distances = [distance_m * math.sqrt(2) ** k for k in range(steps, -1, -1)]
        self.points = self._farthest_first(self.distances[0])
        self.full = False

    def throw(self, wanted: int) -> F64:
        """float64 [M, 2]: all places so far, M >= wanted unless `full`."""
        while len(self.points) < wanted and not self.full:
            distance = self.distances.pop(0)
            last = not self.distances
            new = self._level(distance, trials=10 if last else 3)
            self.points = np.concatenate([self.points, new])
            self.full = last
        return self.points

    def _farthest_first(self, distance: float) -> F64:
        """Greedy: each next place is the one farthest from those taken (and, half as much, from the edge)."""
        candidates = self._candidates()
        if len(candidates) == 0:
            return candidates
        room = 2 * self.area.edge_distance_m(candidates)
        taken: list[int] = []
        while room.max() >= distance or not taken:
            best = int(np.argmax(room))
            taken.append(best)
            offset = candidates - candidates[best]
            np.minimum(room, np.sqrt(np.einsum("ij,ij->i", offset, offset)), out=room)
        return candidates[taken]

    def _candidates(self) -> F64:
        """About `_CANDIDATES` places anywhere in the area."""
        low, high = self.area.polygon.min(axis=0), self.area.polygon.max(axis=0)
        share = self.area.area_m2 / float(np.prod(high - low))
        index = np.arange(min(400_000, int(_CANDIDATES / share)))
        at = np.stack([self._chance(index, "first x"), self._chance(index, "first z")], axis=1)
        at = low + at * (high - low)
        return at[self.area.inside(at)]

    def _chance(self, index: I64, purpose: str) -> F64:
        key = hash_u32(index, purpose) ^ hash_u32(self.seed, purpose)
        return hash01(key, purpose).astype(np.float64)

    def _level(self, distance: float, trials: int) -> F64:
        """New places at `distance` from each other and from all so far, in random order."""
        grid = _Grid(self.area, distance)
        grid.put(self.points, grid.cells_of(self.points))
        grid.new[:] = False
        empty = grid.open_cells()
        level = f"{len(self.distances)}"
        for trial in range(trials):
            empty = empty[grid.x[empty] == _FAR]
            at = grid.corner(empty) + grid.cell_m * np.stack(
                [self._chance(empty, f"x {level}.{trial}"), self._chance(empty, f"z {level}.{trial}")], axis=1
            )
            fits = np.ones(len(at), dtype=bool)
            edge = np.flatnonzero(grid.on_edge[empty]) if self.area.plain else np.arange(len(at))
            fits[edge] = self.area.inside(at[edge])
            cells, at = grid.clear(empty[fits], at[fits])
            winners = grid.winners(cells, at, hash_u32(cells, f"priority {trial}"))
            grid.put(at[winners], cells[winners])
            if len(winners) * 2000 < len(self.points):
                break
        new = np.flatnonzero(grid.new)
        new = new[np.argsort(hash_u32(new, f"order {level}") ^ hash_u32(self.seed, "order"), kind="stable")]
        return np.stack([grid.x[new], grid.z[new]], axis=1)


class _Grid:
    """Square cells whose diagonal is `distance`: at most one place in each. Arrays are flat over the padded grid."""

    def __init__(self, area: Area, distance: float) -> None:
        self.area, self.polygon, self.squared = area, area.polygon, distance**2
        self.cell_m = distance / math.sqrt(2)
        low, high = self.polygon.min(axis=0), self.polygon.max(axis=0)
        columns, rows = (int(n) for n in np.floor((high - low) / self.cell_m) + 1)
        self.low = low - _PAD * self.cell_m
        self.columns, self.rows = columns + 2 * _PAD, rows + 2 * _PAD
        size = self.columns * self.rows
        self.x, self.z = np.full(size, _FAR), np.full(size, _FAR)
        self.new = np.zeros(size, dtype=bool)
        self.on_edge = self._edge_cells()

    def cells_of(self, points: F64) -> I64:
        column_row = np.floor((points - self.low) / self.cell_m).astype(np.int64)
        return column_row[:, 1] * self.columns + column_row[:, 0]

    def corner(self, cells: I64) -> F64:
        return self.low + self.cell_m * np.stack([cells % self.columns, cells // self.columns], axis=1)

    def put(self, points: F64, cells: I64) -> None:
        self.x[cells], self.z[cells] = points[:, 0], points[:, 1]
        self.new[cells] = True

    def open_cells(self) -> I64:
        """Cells in or on the edge of the area without a place."""
        centre = self.low + 0.5 * self.cell_m
        crossings = np.zeros((self.rows, self.columns + 1), dtype=np.int32)
        z = centre[1] + self.cell_m * np.arange(self.rows)
        for (x0, z0), (x1, z1) in zip(self.polygon, np.roll(self.polygon, -1, axis=0), strict=True):
            rows = np.flatnonzero((z0 > z) != (z1 > z))
            if len(rows):
                x = x0 + (x1 - x0) * (z[rows] - z0) / (z1 - z0)
                column = np.ceil((x - centre[0]) / self.cell_m).astype(np.int64)
                np.add.at(crossings, (rows, np.clip(column, 0, self.columns)), 1)
        within = (np.cumsum(crossings, axis=1)[:, :-1] % 2).astype(bool).ravel()
        cells = np.flatnonzero((within | self.on_edge) & (self.x == _FAR))
        if self.area.plain:
            return cells
        return cells[self.area.near(self.corner(cells) + 0.5 * self.cell_m, self.cell_m)]

    def _edge_cells(self) -> Bools:
        """bool [cells]: cells that come within `EDGE_M` of an edge, and some more; never one in the outer padding."""
        found = np.zeros((self.rows, self.columns), dtype=bool)
        for a, b in zip(self.polygon, np.roll(self.polygon, -1, axis=0), strict=True):
            steps = int(np.ceil(np.linalg.norm(b - a) / (0.5 * self.cell_m))) + 1
            at = a + (b - a) * np.linspace(0, 1, steps)[:, None]
            column, row = np.floor((at - self.low) / self.cell_m).astype(np.int64).T
            found[row, column] = True
        for _ in range(1 + math.ceil(EDGE_M / self.cell_m)):
            for axis in (0, 1):
                wider = found.copy()
                wider |= np.roll(found, 1, axis) | np.roll(found, -1, axis)
                found = wider
        inner = np.zeros_like(found)
        inner[_PAD:-_PAD, _PAD:-_PAD] = True
        return (found & inner).ravel()

    def clear(self, cells: I64, at: F64) -> tuple[I64, F64]:
        """Those candidates that keep the distance from every place so far."""
        for i, j in _NEIGHBOURS:
            other = cells + (i * self.columns + j)
            near = (at[:, 0] - self.x[other]) ** 2 + (at[:, 1] - self.z[other]) ** 2 < self.squared
            if near.any():
                cells, at = cells[~near], at[~near]
        return cells, at

    def winners(self, cells: I64, at: F64, priority: NDArray[np.uint32]) -> I64:
        """Indices of the candidates that no candidate of higher priority is too near to."""
        holder = np.full(len(self.x), -1, dtype=np.int64)
        holder[cells] = np.arange(len(cells))
        alive = np.arange(len(cells))
        for i, j in _NEIGHBOURS:
            other = holder[cells[alive] + (i * self.columns + j)]
            gap = at[alive] - at[other]
            near = (other >= 0) & (np.einsum("ij,ij->i", gap, gap) < self.squared)
            mine, its = priority[alive], priority[other]
            alive = alive[~(near & ((its > mine) | ((its == mine) & (other > alive))))]
        return alive

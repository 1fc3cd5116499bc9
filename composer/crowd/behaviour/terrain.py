"""What a simulated crowd may not enter, and how steep it is: a grid made once from the obstacles and the ground.

The distances are those to the nearest place that is closed (an obstacle with its clearance, a slope that the layout
would not put anybody on, a hole in the ground), negative inside it; exact for polygons, from a fine raster for meshes.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from composer.crowd.obstacles import Footprint, Obstacles
from composer.crowd.regions import GroundLike, edge_distance_m, inside

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: A cell of the grid; larger where there would be more than this many.
CELL_M, MOST_CELLS = 0.25, 500_000
#: Distances are known up to here.
FAR_M = 4.0
#: Everybody keeps this far from an obstacle at least, and this share of a cell from a cliff (between its samples).
KEEP_M, KEEP_CELLS = 0.2, 0.85
#: Heights are smoothed by this much before their slope is taken: a pace does not change with every stone.
_SMOOTH_M = 1.0
#: No middle: one walks round it whichever way he is going.
NOWHERE_M = 1.0e9


@dataclass(frozen=True)
class Terrain:
    """low_m: (x, z) of the first node. distance_m: float32 [Z, X], to the nearest closed place. height_m: float32
    [Z, X], smoothed. nearest: int32 [Z, X], which closed place that is, an index into middle_m float32 [L, 2]."""

    low_m: tuple[float, float]
    cell_m: float
    distance_m: F32
    height_m: F32
    nearest: NDArray[np.int32]
    middle_m: F32

    def digest(self) -> str:
        """SHA-256 over all of it."""
        total = hashlib.sha256(repr((self.low_m, self.cell_m)).encode())
        for part in (self.distance_m, self.height_m, self.nearest, self.middle_m):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).data)
        return total.hexdigest()

    def slope(self, place_m: F64, way: F64) -> float:
        """How much the ground rises along the unit vector `way` [2] at one place (x, z)."""
        z_size, x_size = self.height_m.shape
        x, z = (place_m - np.array(self.low_m)) / self.cell_m
        i, k = int(np.clip(x, 0, x_size - 2)), int(np.clip(z, 0, z_size - 2))
        u, v = np.clip(x - i, 0, 1), np.clip(z - k, 0, 1)
        a, b = self.height_m[k : k + 2, i : i + 2].astype(np.float64)
        rise_x = (a[1] - a[0]) * (1 - v) + (b[1] - b[0]) * v
        rise_z = (b[0] - a[0]) * (1 - u) + (b[1] - a[1]) * u
        return float(rise_x * way[0] + rise_z * way[1]) / self.cell_m


def pace_on(slope: float) -> float:
    """The share of his pace that one keeps who climbs (or goes down) at this slope: Tobler's hiking function (1993),
    by half as steep, for soldiers who are driven."""
    return min(1.0, max(0.4, math.exp(-1.75 * (abs(slope + 0.05) - 0.05))))


@dataclass(frozen=True)
class TerrainSource:
    """What a terrain is made from, when somebody asks. low_m, high_m: (x, z), the ground that is walked on."""

    obstacles: Obstacles
    ground: GroundLike
    low_m: tuple[float, float]
    high_m: tuple[float, float]
    steepest_deg: float

    @cached_property
    def made(self) -> Terrain | None:
        """The terrain; None on an open plain."""
        if getattr(self.ground, "kind", "mesh") == "plane" and not self.obstacles.shapes:
            return self._plane()
        low, high = np.array(self.low_m), np.array(self.high_m)
        cell = max(CELL_M, float(np.sqrt((high - low + CELL_M).prod() / MOST_CELLS)))
        # Nodes are multiples of the cell, so that a larger area has the same ones.
        first, last = np.floor(low / cell).astype(int), np.ceil(high / cell).astype(int)
        x, z = (np.arange(first[k], last[k] + 1) * cell for k in (0, 1))
        gx, gz = np.meshgrid(x, z)
        nodes = np.stack([gx.ravel(), gz.ravel()], axis=1)
        height, closed = _ground(self.ground, gx, gz, cell, self.steepest_deg)
        distance = _signed(closed, cell) - np.where(closed.any(), KEEP_CELLS * cell, 0.0)
        for shape, clearance in self.obstacles.shapes:
            distance = np.minimum(distance, _from(shape, nodes, gx.shape, cell) - max(clearance, KEEP_M))
        nearest, middle = _parts(distance < 0, x, z)
        return Terrain(
            (float(x[0]), float(z[0])),
            cell,
            np.clip(distance, -FAR_M, FAR_M).astype(np.float32),
            height,
            nearest,
            middle,
        )

    def _plane(self) -> Terrain | None:
        low, high = np.array(self.low_m), np.array(self.high_m)
        cell = float((high - low).max()) + 1.0
        x, z = (low[k] + cell * np.arange(2) for k in (0, 1))
        gx, gz = np.meshgrid(x, z)
        height = np.asarray(self.ground.height_m(gx.ravel(), gz.ravel()), np.float32).reshape(2, 2)
        if np.ptp(height) < 1e-4 * cell:
            return None
        far, none = np.full((2, 2), FAR_M, np.float32), np.zeros((2, 2), np.int32)
        return Terrain((float(x[0]), float(z[0])), cell, far, height, none, np.full((1, 2), NOWHERE_M, np.float32))


def _ground(ground: GroundLike, gx: F64, gz: F64, cell: float, steepest_deg: float) -> tuple[F32, NDArray[np.bool_]]:
    """(smoothed height, where nobody can stand), both [Z, X]. Each node is judged at four places about it. Holes are
    closed; beyond its outer edge the ground goes on as if it were known, for what lies there is out of the picture as
    a rule and people leave it that way."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label

    least = math.cos(math.radians(steepest_deg))
    steep, none = np.zeros(gx.shape, dtype=bool), np.zeros(gx.shape, dtype=bool)
    for dx in (-0.25, 0.25):
        for dz in (-0.25, 0.25):
            up = np.asarray(ground.normal((gx + dx * cell).ravel(), (gz + dz * cell).ravel()))[..., 1]
            steep |= (up < least).reshape(gx.shape)
            none |= np.isnan(up).reshape(gx.shape)
    parts, _ = label(none, np.ones((3, 3)))
    outside = np.isin(parts, np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])))
    closed = steep | (none & ~outside)
    height = np.asarray(ground.height_m(gx.ravel(), gz.ravel()), np.float32).reshape(gx.shape)
    bare = ~np.isfinite(height)
    if bare.all():
        return np.zeros_like(height), closed
    if bare.any():
        at = distance_transform_edt(bare, return_distances=False, return_indices=True)
        height = height[tuple(at)]
    return gaussian_filter(height, _SMOOTH_M / cell, mode="nearest").astype(np.float32), closed


def _signed(closed: NDArray[np.bool_], cell: float) -> F64:
    """Metres to the nearest closed node, negative inside; FAR_M where there is none."""
    from scipy.ndimage import distance_transform_edt

    if not closed.any():
        return np.full(closed.shape, FAR_M)
    if closed.all():
        return np.full(closed.shape, -FAR_M)
    return (distance_transform_edt(~closed) - distance_transform_edt(closed)) * cell


def _from(shape: F64 | Footprint, nodes: F64, size: tuple[int, ...], cell: float) -> F64:
    """Metres from an obstacle, negative inside, at the nodes [Z * X, 2], as [Z, X]."""
    if isinstance(shape, Footprint):
        out = _signed(shape.within(nodes, 0.0).reshape(size), cell).ravel()
        height, width = shape.distance_m.shape
        at = np.floor((nodes - shape.low_m) / shape.cell_m).astype(np.int64)
        on = np.flatnonzero(((at >= 0) & (at < np.array([width, height]))).all(axis=1))
        fine = shape.distance_m[at[on, 1], at[on, 0]] - shape.cell_m * math.sqrt(2)
        out[on] = np.where(fine > 0, fine, np.minimum(out[on], 0.0))
        return out.reshape(size)
    out = np.full(len(nodes), 2 * FAR_M)
    low, high = shape.min(axis=0) - 2 * FAR_M, shape.max(axis=0) + 2 * FAR_M
    near = np.flatnonzero(((nodes >= low) & (nodes <= high)).all(axis=1))
    away = edge_distance_m(shape, nodes[near])
    out[near] = np.where(inside(shape, nodes[near]), -away, away)
    return out.reshape(size)


def _parts(closed: NDArray[np.bool_], x: F64, z: F64) -> tuple[NDArray[np.int32], F32]:
    """(which closed place is nearest [Z, X], their middles [L, 2]): what is walked round as one. Those that go on
    beyond the grid have no middle."""
    from scipy.ndimage import center_of_mass, distance_transform_edt, label

    parts, count = label(closed, np.ones((3, 3)))
    if not count:
        return np.zeros(closed.shape, np.int32), np.full((1, 2), NOWHERE_M, np.float32)
    middle = np.array(center_of_mass(closed, parts, np.arange(1, count + 1))).reshape(-1, 2)
    where = np.stack([x[0] + middle[:, 1] * (x[1] - x[0]), z[0] + middle[:, 0] * (z[1] - z[0])], axis=1)
    rim = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    where[rim[rim > 0] - 1] = NOWHERE_M
    at = distance_transform_edt(~closed, return_distances=False, return_indices=True)
    return (parts[tuple(at)] - 1).astype(np.int32), where.round(3).astype(np.float32)

"""Where nobody stands: polygons on the ground, and all that a mesh covers seen from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.regions import F64, Bools, checked_polygon, edge_distance_m, inside, told_at
from composer.errors import Where
from composer.shot.schema_crowd import ObstacleSpec

#: A footprint is drawn in cells of this size, larger ones where there would be too many; half a cell's diagonal is
#: added.
_CELL_M, _MOST_CELLS = 0.05, 16_000_000


@dataclass(frozen=True)
class Footprint:
    """distance_m: float32 [H, W], how far a cell's middle is from what the mesh covers; the first cell's corner at
    `low_m`."""

    distance_m: NDArray[np.float32]
    low_m: F64
    cell_m: float

    def within(self, points: F64, clearance_m: float) -> Bools:
        """Which points [N, 2] (x, z) are covered, or nearer to it than `clearance_m`."""
        height, width = self.distance_m.shape
        cell = np.floor((points - self.low_m) / self.cell_m).astype(np.int64)
        on = ((cell >= 0) & (cell < np.array([width, height]))).all(axis=1)
        found = np.zeros(len(points), dtype=bool)
        # A point is at most half a diagonal from its cell's middle, and so is the mesh from that of a cell it touches.
        slack = self.cell_m * np.sqrt(2)
        found[on] = self.distance_m[cell[on, 1], cell[on, 0]] <= clearance_m + slack
        return found


@dataclass(frozen=True)
class Obstacles:
    """All obstacles of a crowd: (polygon or footprint, clearance)."""

    shapes: tuple[tuple[F64 | Footprint, float], ...] = ()
    notes: tuple[str, ...] = ()

    def block(self, points: F64) -> Bools:
        """Which points [N, 2] (x, z) lie in an obstacle or nearer to it than its clearance."""
        found = np.zeros(len(points), dtype=bool)
        if not len(points):
            return found
        least, most = points.min(axis=0), points.max(axis=0)
        for shape, clearance in self.shapes:
            if isinstance(shape, Footprint):
                found |= shape.within(points, clearance)
                continue
            low, high = shape.min(axis=0) - clearance, shape.max(axis=0) + clearance
            if (low > most).any() or (high < least).any():
                continue  # a wood is a thousand obstacles, and most are nowhere near
            near = np.flatnonzero(~found & ((points >= low) & (points <= high)).all(axis=1))
            found[near] = inside(shape, points[near]) | (edge_distance_m(shape, points[near]) < clearance)
        return found


def open_obstacles(specs: Sequence[ObstacleSpec], folder: Path) -> Obstacles:
    """Reads the meshes (paths relative to `folder`). Raises InputError at `crowd.obstacles.N`."""
    shapes: list[tuple[F64 | Footprint, float]] = []
    notes: list[str] = []
    for number, spec in enumerate(specs):
        if spec.polygon_m is not None:
            where = Where(field=f"crowd.obstacles.{number}.polygon_m")
            shapes.append((_outline(spec.polygon_m, where), spec.clearance_m))
            continue
        from composer.shot.ground_files import read_mesh

        assert spec.mesh is not None
        where = Where(field=f"crowd.obstacles.{number}.mesh")
        with told_at(where):
            mesh = read_mesh(folder / spec.mesh)
        shape = footprint(mesh.position_m, mesh.triangle, spec.clearance_m)
        notes += [n.replace("ground:", f"obstacle {number + 1}:", 1) for n in mesh.notes]
        if shape.cell_m > 2 * _CELL_M:
            notes.append(f"obstacle {number + 1}: {spec.mesh} is kept clear in cells of {shape.cell_m:.2f} m")
        shapes.append((shape, spec.clearance_m))
    return Obstacles(tuple(shapes), tuple(notes))


def _outline(polygon_m: Sequence[tuple[float, float]], where: Where) -> F64:
    return checked_polygon(np.asarray(polygon_m, dtype=np.float64), where, least_m2=1e-6)


def footprint(position_m: NDArray[np.float32], triangle: NDArray[np.int32], reach_m: float) -> Footprint:
    """What a mesh covers seen from above (upright walls too), and how far from it up to `reach_m`."""
    import cv2

    corner = position_m[:, [0, 2]].astype(np.float64)[triangle]
    margin = reach_m + 0.5
    low, high = corner.min(axis=(0, 1)) - margin, corner.max(axis=(0, 1)) + margin
    cell = max(_CELL_M, float(np.sqrt((high - low).prod() / _MOST_CELLS)))
    columns, rows = np.ceil((high - low) / cell).astype(int)
    picture = np.zeros((rows, columns), np.uint8)
    shift = 4  # cv2 takes 1/16 of a pixel; its pixel (0, 0) has its middle at 0
    pixels = np.round(((corner - low) / cell - 0.5) * (1 << shift)).astype(np.int32)
    for one in pixels:
        cv2.fillConvexPoly(picture, one, 255, cv2.LINE_8, shift)
    distance = cv2.distanceTransform(255 - picture, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * cell
    return Footprint(distance.astype(np.float32), low, cell)

"""Where people stand: a plane or a triangle mesh, in world metres."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from composer.errors import InputError

if TYPE_CHECKING:
    from composer.shot.heights import HeightGrid
    from composer.shot.rays import RayMesh

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

_NO_POINTS = np.zeros((0, 3), dtype=np.float32)
_NO_TRIANGLES = np.zeros((0, 3), dtype=np.int32)


@dataclass(frozen=True)
class Ground:
    """The ground. All queries are vectorised.

    kind "plane": point_m and plane_normal (unit, up). kind "mesh": position_m float32 [V, 3], triangle int32 [T, 3];
    where it lies over itself (a bridge) people stand on the highest surface. trust: how it was come by, in words.
    """

    kind: Literal["plane", "mesh"]
    point_m: F64 = field(default_factory=lambda: np.zeros(3))
    plane_normal: F64 = field(default_factory=lambda: np.array([0.0, 1.0, 0.0]))
    position_m: F32 = field(default_factory=lambda: _NO_POINTS)
    triangle: NDArray[np.int32] = field(default_factory=lambda: _NO_TRIANGLES)
    trust: str = "given"
    notes: tuple[str, ...] = ()

    def height_m(self, x: ArrayLike, z: ArrayLike) -> F32:
        """World y of the ground at (x, z), broadcast; NaN where there is none."""
        x, z = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(z, dtype=np.float64))
        if self.kind == "plane":
            n, p = self.plane_normal, self.point_m
            return (p[1] - (n[0] * (x - p[0]) + n[2] * (z - p[2])) / n[1]).astype(np.float32)
        height, _ = self._heights.at(x.ravel(), z.ravel())
        return height.reshape(x.shape).astype(np.float32)

    def normal(self, x: ArrayLike, z: ArrayLike) -> F32:
        """Unit normal [..., 3] of the ground at (x, z), upwards; NaN where there is none."""
        x, z = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(z, dtype=np.float64))
        if self.kind == "plane":
            return np.broadcast_to(self.plane_normal.astype(np.float32), (*x.shape, 3)).copy()
        _, face = self._heights.at(x.ravel(), z.ravel())
        return self._rays.normal(face).reshape(*x.shape, 3).astype(np.float32)

    def intersect(self, origin: ArrayLike, directions: ArrayLike) -> F64:
        """Where rays from `origin` [3] along `directions` [..., 3] first meet the ground: [..., 3], NaN = miss."""
        origin = np.asarray(origin, dtype=np.float64)
        directions = np.asarray(directions, dtype=np.float64)
        flat = directions.reshape(-1, 3)
        if self.kind == "plane":
            with np.errstate(divide="ignore", invalid="ignore"):
                t = ((self.point_m - origin) @ self.plane_normal) / (flat @ self.plane_normal)
                points = origin + t[:, None] * flat
            points[~(np.isfinite(t) & (t > 0))] = np.nan
            return points.reshape(directions.shape)
        points, _ = self._rays.cast(origin[None], flat)
        return points.reshape(directions.shape)

    @cached_property
    def _heights(self) -> HeightGrid:
        from composer.shot.heights import HeightGrid

        return HeightGrid(self.position_m, self.triangle)

    @cached_property
    def _rays(self) -> RayMesh:
        from composer.shot.rays import RayMesh

        return RayMesh(self.position_m, self.triangle)


def plane_ground(point_m: ArrayLike, normal: ArrayLike, *, trust: str = "given", notes: tuple[str, ...] = ()) -> Ground:
    """A plane; `normal` of any length, turned upwards."""
    n = np.asarray(normal, dtype=np.float64)
    n = n / np.linalg.norm(n)
    return Ground("plane", np.asarray(point_m, dtype=np.float64), n if n[1] > 0 else -n, trust=trust, notes=notes)


def mesh_ground(
    position_m: ArrayLike, triangle: ArrayLike, *, trust: str = "given", notes: tuple[str, ...] = ()
) -> Ground:
    """A mesh. Triangles without area or with a corner that is not finite are left out, and said so. Raises InputError
    if none is left."""
    position = np.ascontiguousarray(position_m, dtype=np.float32).reshape(-1, 3)
    faces = np.ascontiguousarray(triangle, dtype=np.int32).reshape(-1, 3)
    if len(faces) and (faces.min() < 0 or faces.max() >= len(position)):
        raise InputError(
            "a triangle names a vertex that is not there",
            expected=f"0-{len(position) - 1}",
            got=str(int(faces.max() if faces.max() >= len(position) else faces.min())),
        )
    corner = position.astype(np.float64)[faces]
    with np.errstate(invalid="ignore", over="ignore"):
        area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
        good = np.isfinite(corner).all(axis=(1, 2)) & (area > 1e-12)
    if not good.any():
        raise InputError("no triangle with an area", got=f"{len(faces)} triangles")
    if not good.all():
        notes = (*notes, f"ground: {int((~good).sum())} of {len(good)} triangles have no area and were left out")
    used, index = np.unique(faces[good], return_inverse=True)
    return Ground(
        "mesh",
        position_m=np.ascontiguousarray(position[used]),
        triangle=np.ascontiguousarray(index.reshape(-1, 3), dtype=np.int32),
        trust=trust,
        notes=notes,
    )

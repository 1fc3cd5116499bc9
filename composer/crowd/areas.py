"""Where the people of a region may stand: a polygon, a painted map, or a band along a path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.paths import Path
from composer.crowd.regions import EDGE_M, F64, REACH_M, Bools, GroundLike, area_m2, centroid_m, edge_distance_m, inside
from composer.errors import InputError, Where

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

F32 = NDArray[np.float32]

#: Paint thinner than this is black; drilled formations stand where it is at least `SOLID`.
FAINT, SOLID = 1 / 512, 0.5
#: A map painted on the plate is laid onto the ground in squares of this size, larger ones where there would be too
#: many.
_PLATE_CELL_M, _MOST_CELLS = 0.25, 500_000
_MOST_RINGS = 400


@dataclass(frozen=True)
class Paint:
    """A painted map on the ground. value: float32 [H, W] in 0..1, pixel (0, 0) at `low_m`, (x, z) rising with columns
    and rows up to `high_m`."""

    value: F32
    low_m: F64
    high_m: F64

    def at(self, points: F64) -> F64:
        """The value at points [N, 2], between pixels by their distance; 0 outside. float64 [N]."""
        return self._sample(self.value, points)

    def near(self, points: F64, reach_m: float) -> Bools:
        """Which points have any paint within `reach_m` (and some more)."""
        from scipy.ndimage import maximum_filter

        size = 3 + 2 * np.ceil(reach_m / self._pixel_m).astype(int)
        wide = maximum_filter(self.value, size=(int(size[1]), int(size[0])), mode="constant")
        return self._sample(wide, points) > 0

    def _sample(self, value: F32, points: F64) -> F64:
        height, width = value.shape
        at = (points - self.low_m) / self._pixel_m - 0.5
        within = ((points >= self.low_m) & (points <= self.high_m)).all(axis=1)
        at = np.clip(at, 0.0, np.array([width - 1.0, height - 1.0]))
        low = np.minimum(at.astype(np.int64), np.array([max(width - 2, 0), max(height - 2, 0)]))
        u, v = (at - low).T
        x, y = low.T
        x1, y1 = np.minimum(x + 1, width - 1), np.minimum(y + 1, height - 1)
        top = value[y, x] * (1 - u) + value[y, x1] * u
        bottom = value[y1, x] * (1 - u) + value[y1, x1] * u
        return np.where(within, top * (1 - v) + bottom * v, 0.0)

    @property
    def _pixel_m(self) -> F64:
        return (self.high_m - self.low_m) / np.array(self.value.shape[::-1])

    def outline(self) -> F64:
        """The rectangle [4, 2] round all paint."""
        rows, columns = (np.flatnonzero((self.value > FAINT).any(axis=axis)) for axis in (1, 0))
        x0, z0 = self.low_m + (columns[0], rows[0]) * self._pixel_m
        x1, z1 = self.low_m + (columns[-1] + 1, rows[-1] + 1) * self._pixel_m
        return np.array([[x0, z0], [x1, z0], [x1, z1], [x0, z1]]).round(4)

    def rings(self, level: float) -> tuple[F64, ...]:
        """Closed lines [V, 2] round all paint of more than `level`, and round its holes; larger ones first. To be drawn:
        specks are left out, and corners of less than a pixel."""
        import cv2

        found, _ = cv2.findContours((self.value > level).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        rings = [cv2.approxPolyDP(r, 0.7, True)[:, 0].astype(np.float64) for r in found]
        rings = sorted((r for r in rings if len(r) > 2), key=lambda r: -abs(area_m2(r)))[:_MOST_RINGS]
        return tuple(self.low_m + (r + 0.5) * self._pixel_m for r in rings)

    @cached_property
    def middle_m(self) -> F64:
        """Where the paint's weight is, [2]."""
        value = self.value.astype(np.float64)
        columns, rows = (np.arange(n) + 0.5 for n in value.shape[::-1])
        middle = np.array([columns @ value.sum(axis=0), rows @ value.sum(axis=1)]) / value.sum()
        return (self.low_m + middle * self._pixel_m).round(4)

    @cached_property
    def painted_m2(self) -> tuple[float, float]:
        """(area with any paint, the same by how much there is)."""
        pixel = float(self._pixel_m.prod())
        return pixel * float((self.value > FAINT).sum()), pixel * float(self.value.sum(dtype=np.float64))


def paint_on_plate(value: F32, view: View, ground: GroundLike, where: Where) -> tuple[Paint, tuple[str, ...]]:
    """A map painted over the plate, laid onto the ground that the camera sees; (paint, notes). Raises InputError
    where no paint comes down on the ground."""
    height, width = value.shape
    scale = np.array(view.size_px) / np.array([width, height])
    if abs(scale[0] / scale[1] - 1) > 0.02:
        raise InputError(
            "the map has not the plate's shape",
            where=where,
            expected=f"{view.size_px[0]} x {view.size_px[1]} px, or smaller in proportion",
            got=f"{width} x {height} px",
        )
    row, column = np.nonzero(value > FAINT)
    keep = slice(None, None, max(1, len(row) // 200_000))
    rays = view.rays((np.stack([column[keep], row[keep]], axis=1) + 0.5) * scale)
    hits = np.asarray(ground.intersect(view.position_m, rays), dtype=np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.linalg.norm(hits[:, [0, 2]] - view.position_m[[0, 2]], axis=1)
        near = distance <= REACH_M
    if not near.any():
        hint = "paint it lower in the picture, or check the ground and the scale"
        raise InputError("no paint comes down on the ground", where=where, expected=f"within {REACH_M:g} m", hint=hint)
    low, high = hits[near][:, [0, 2]].min(axis=0).round(2) - 0.5, hits[near][:, [0, 2]].max(axis=0).round(2) + 0.5
    cell = max(_PLATE_CELL_M, float(np.sqrt((high - low).prod() / _MOST_CELLS)))
    columns, rows = np.ceil((high - low) / cell).astype(int)
    z, x = ((a.ravel() + 0.5) * cell for a in np.mgrid[0:rows, 0:columns])
    points = np.stack([x, z], axis=1) + low
    picture = Paint(value, np.zeros(2), np.array([float(width), float(height)]))
    laid = _laid_down(picture, scale, view, ground, points)
    if not (laid > FAINT).any():
        raise InputError("no paint comes down on the ground", where=where, hint="paint a larger patch")
    notes: tuple[str, ...] = ()
    if not near.all():
        notes += (f"{where.field}: paint above the horizon or beyond {REACH_M:g} m is left out",)
    if cell > 2 * _PLATE_CELL_M:
        notes += (f"{where.field}: laid onto the ground in squares of {cell:.2f} m",)
    return Paint(laid.reshape(rows, columns), low, low + np.array([columns, rows]) * cell), notes


def _laid_down(picture: Paint, scale: F64, view: View, ground: GroundLike, points: F64) -> F32:
    """float32 [N]: what a picture over the plate shows at the ground at points (x, z); 0 where the ground is out of
    sight, hidden by other ground or too far."""
    height = np.asarray(ground.height_m(points[:, 0], points[:, 1]), dtype=np.float64)
    place = np.stack([points[:, 0], height, points[:, 1]], axis=1)
    near = np.isfinite(height) & (np.linalg.norm(points - view.position_m[[0, 2]], axis=1) <= REACH_M)
    some = np.flatnonzero(near)
    at, depth = view.project(place[some])
    within = (depth > 0) & (at >= 0).all(axis=1) & (at < np.array(view.size_px)).all(axis=1)
    some, at = some[within], at[within]
    found = picture.at(at / scale)
    some, found = some[found > FAINT], found[found > FAINT]
    ray = place[some] - view.position_m
    hit = np.asarray(ground.intersect(view.position_m, ray), dtype=np.float64)
    away = np.linalg.norm(ray, axis=1)
    with np.errstate(invalid="ignore"):
        hidden = np.linalg.norm(hit - view.position_m, axis=1) < away - 0.3 - 0.01 * away
    laid = np.zeros(len(points), np.float32)
    laid[some] = np.where(hidden, 0.0, found)
    return laid


@dataclass(frozen=True)
class Area:
    """polygon: float64 [V, 2], round all of it. paint: how dense it is in there. path and width_m: a band along a
    path."""

    polygon: F64
    paint: Paint | None = None
    path: Path | None = None
    width_m: float = 0.0

    @property
    def plain(self) -> bool:
        """Nothing but the polygon."""
        return self.paint is None and self.path is None

    @cached_property
    def area_m2(self) -> float:
        """Of the ground on which anyone may stand."""
        if self.path is not None:
            return self.path.length_m * self.width_m
        return area_m2(self.polygon) if self.paint is None else self.paint.painted_m2[0]

    @cached_property
    def room_m2(self) -> float:
        """The same, by how dense it is painted."""
        return self.area_m2 if self.paint is None else self.paint.painted_m2[1]

    @cached_property
    def middle_m(self) -> F64:
        """[2]."""
        if self.path is not None:
            return self.path.at(np.array(self.path.length_m / 2))[0]
        return centroid_m(self.polygon) if self.paint is None else self.paint.middle_m

    def inside(self, points: F64, inset_m: float = EDGE_M) -> Bools:
        """Which of points [N, 2] lie in the area, at least `inset_m` from the edge of the polygon or band."""
        if self.path is not None:
            return np.isfinite(self._tree.query(points, distance_upper_bound=self.width_m / 2 - inset_m)[0])
        found = inside(self.polygon, points, inset_m)
        if self.paint is not None:
            found &= self.paint.at(points) > FAINT
        return found

    def solid(self, points: F64) -> Bools:
        """Where a drilled formation stands: inside, and on paint that is at least half white."""
        found = self.inside(points)
        if self.paint is not None:
            found &= self.paint.at(points) >= SOLID
        return found

    def weight(self, points: F64) -> F64:
        """How dense it is at points [N, 2], 0 to 1."""
        return np.ones(len(points)) if self.paint is None else self.paint.at(points)

    def near(self, points: F64, reach_m: float) -> Bools:
        """Which points [N, 2] may have some of the area within `reach_m`."""
        if self.path is not None:
            return np.isfinite(self._tree.query(points, distance_upper_bound=self.width_m / 2 + reach_m)[0])
        return np.ones(len(points), dtype=bool) if self.paint is None else self.paint.near(points, reach_m)

    def edge_distance_m(self, points: F64) -> F64:
        """Distance [N] to the edge; negative outside a band."""
        if self.path is None:
            return edge_distance_m(self.polygon, points)
        return self.width_m / 2 - self._tree.query(points)[0]

    @cached_property
    def _tree(self) -> cKDTree:
        from scipy.spatial import cKDTree

        assert self.path is not None
        return cKDTree(self.path.point_m[:: max(1, round(0.1 / self.path.step_m))])


def band(path: Path, width_m: float) -> Area:
    """The ground within `width_m` / 2 of a path."""
    half = width_m / 2
    (x0, z0), (x1, z1) = path.point_m.min(axis=0) - half, path.point_m.max(axis=0) + half
    return Area(np.array([[x0, z0], [x1, z0], [x1, z1], [x0, z1]]), path=path, width_m=width_m)


#: Gives a view for a frame.
ViewAt = Callable[[int], View]

"""Where a region lies: an artist's polygon, in metres on the ground or in pixels on the plate, as one in metres.

Ground coordinates are (x, z) of the world; seen from above with -Z up the page, x is to the right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.errors import InputError, Where

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: A region drawn up to the horizon ends here, measured along the ground from the camera.
REACH_M = 400.0
#: Nobody stands nearer than this to the edge of his region, so that two regions side by side keep people apart.
EDGE_M = 0.225
_CIRCLE_SIDES = 64


@contextmanager
def told_at(where: Where) -> Iterator[None]:
    """InputErrors about a file that the region names are told at the field that names it."""
    try:
        yield
    except InputError as error:
        about = error.where
        place = "" if about.file is None else f"{about.file}{'' if about.line is None else f':{about.line}'}: "
        raise InputError(
            place + error.what, where=where, expected=error.expected, got=error.got, hint=error.hint
        ) from error


class GroundLike(Protocol):
    """What a layout asks of the ground (`composer.shot.ground.Ground`)."""

    def height_m(self, x: F64, z: F64) -> NDArray[np.floating]: ...

    def normal(self, x: F64, z: F64) -> NDArray[np.floating]: ...

    def intersect(self, origin: F64, directions: F64) -> NDArray[np.floating]: ...


class PlatformLike(GroundLike, Protocol):
    """Ground that ends: what people may stand on up there."""

    @property
    def outline_m(self) -> F64: ...


def area_m2(polygon: F64) -> float:
    """Area of a polygon [V, 2], always positive."""
    x, z = polygon[:, 0], polygon[:, 1]
    return abs(float(np.dot(x, np.roll(z, -1)) - np.dot(z, np.roll(x, -1)))) / 2


def centroid_m(polygon: F64) -> F64:
    """Centre of area [2] of a polygon [V, 2]."""
    p = polygon - polygon[0]
    q = np.roll(p, -1, axis=0)
    cross = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    return polygon[0] + ((p + q) * cross[:, None]).sum(axis=0) / (3 * cross.sum())


def inside(polygon: F64, points: F64, inset_m: float = 0.0) -> Bools:
    """Which of points [N, 2] lie in the polygon [V, 2] and at least `inset_m` from its edge. bool [N]."""
    x, z = points[:, 0], points[:, 1]
    found = np.zeros(len(points), dtype=bool)
    for (x0, z0), (x1, z1) in _edges(polygon):
        if z0 != z1:
            found ^= ((z0 > z) != (z1 > z)) & (x < (x1 - x0) * (z - z0) / (z1 - z0) + x0)
    if inset_m > 0:
        near = np.flatnonzero(found)
        found[near] = edge_distance_m(polygon, points[near]) >= inset_m
    return found


def edge_distance_m(polygon: F64, points: F64) -> F64:
    """Distance of points [N, 2] to the nearest edge of the polygon. float64 [N]."""
    best = np.full(len(points), np.inf)
    for a, b in _edges(polygon):
        along = b - a
        t = np.clip(((points - a) @ along) / max(float(along @ along), 1e-30), 0.0, 1.0)
        offset = points - a - t[:, None] * along
        np.minimum(best, np.einsum("ij,ij->i", offset, offset), out=best)
    return np.sqrt(best)


def crossing_edges(polygon: F64) -> tuple[int, int] | None:
    """The first two edges (by index) that cross or overlap, or None for a simple polygon."""

    def side(a: F64, b: F64, c: F64) -> float:
        return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    edges = _edges(polygon)
    for i, (a, b) in enumerate(edges):
        for j in range(i + 2, len(edges)):
            if i == 0 and j == len(edges) - 1:
                continue
            c, d = edges[j]
            if side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0:
                return i, j
    return None


def cut_to_reach(polygon: F64, centre: F64, reach_m: float = REACH_M) -> F64:
    """The part of a polygon [V, 2] within `reach_m` of `centre` [2] (a 64-sided ring); empty [0, 2] if none is."""
    corners = np.arange(_CIRCLE_SIDES) * (2 * math.pi / _CIRCLE_SIDES)
    out = polygon
    for angle in corners:
        if len(out) == 0:
            break
        normal = np.array([math.cos(angle), math.sin(angle)])
        out = _cut(out, (out - centre) @ normal - reach_m)
    return out


def _cut(polygon: F64, height: F64) -> F64:
    """Sutherland-Hodgman: the part of the polygon where `height` [V] is not positive."""
    kept: list[F64] = []
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if height[i] <= 0:
            kept.append(polygon[i])
        if (height[i] <= 0) != (height[j] <= 0):
            t = height[i] / (height[i] - height[j])
            kept.append(polygon[i] + t * (polygon[j] - polygon[i]))
    return np.array(kept).reshape(-1, 2)


def polygon_from_pixels(
    points_px: Sequence[tuple[float, float]], view: View, ground: GroundLike, where: Where
) -> tuple[F64, tuple[str, ...]]:
    """A polygon drawn on the plate, on the ground: ([V, 2] in metres, notes).

    Each vertex goes along its ray to the ground. What lies beyond `REACH_M` of the camera is cut off and noted.
    Raises InputError for a vertex that meets no ground, naming it.
    """
    rays = view.rays(np.asarray(points_px, dtype=np.float64))
    hits = np.asarray(ground.intersect(view.position_m, rays), dtype=np.float64)
    for number, (pixel, hit) in enumerate(zip(points_px, hits, strict=True)):
        if not np.isfinite(hit).all():
            raise InputError(
                f"vertex {number + 1} meets no ground",
                where=Where(where.file, where.line, where.column, view.frame, f"{where.field}.points.{number}"),
                expected="a pixel below the horizon whose ray meets the ground",
                got=f"[{pixel[0]:g}, {pixel[1]:g}]",
                hint="move the vertex down the picture, or give the region as polygon_m",
            )
    polygon = hits[:, [0, 2]].round(4)  # 0.1 mm: the last bits differ between machines
    centre = view.position_m[[0, 2]]
    furthest = float(np.linalg.norm(polygon - centre, axis=1).max())
    if furthest <= REACH_M:
        return polygon, ()
    cut = cut_to_reach(polygon, centre)
    if len(cut) < 3 or area_m2(cut) == 0:
        raise InputError(
            "the whole region lies too far away",
            where=where,
            expected=f"some of it within {REACH_M:g} m of the camera",
            got=f"{furthest:.0f} m",
            hint="draw it lower in the picture, or check the ground and the scale",
        )
    return cut, (f"{where.field} reaches {furthest:.0f} m from the camera and was cut at {REACH_M:g} m",)


def checked_polygon(polygon: F64, where: Where, least_m2: float = math.pi * EDGE_M**2) -> F64:
    """The polygon without repeated vertices; InputError unless it is simple and has room for one person."""
    polygon = polygon[np.any(polygon != np.roll(polygon, 1, axis=0), axis=1)]
    if len(polygon) < 3:
        raise InputError("not a polygon", where=where, expected="3 different vertices", got=str(len(polygon)))
    crossing = crossing_edges(polygon)
    if crossing is not None:
        i, j = crossing
        raise InputError(
            "the polygon crosses itself",
            where=where,
            got=f"the edges from vertex {i + 1} and from vertex {j + 1} cross",
            hint="list the vertices in order round the region",
        )
    if area_m2(polygon) < least_m2:
        raise InputError("the region has no room for one person", where=where, got=f"{area_m2(polygon):.3f} m2")
    return polygon


def region_polygon(
    polygon_m: Sequence[tuple[float, float]] | None,
    polygon_px: tuple[int, Sequence[tuple[float, float]]] | None,
    ground: GroundLike,
    view_at: Callable[[int], View],
    where: Where,
) -> tuple[F64, tuple[str, ...]]:
    """One region's polygon [V, 2] (x, z) in metres, and notes. Exactly one of the two ways to give it is not None;
    `polygon_px` is (frame, points). Raises InputError naming the vertex or the edges that are wrong."""
    if polygon_m is not None:
        return checked_polygon(np.asarray(polygon_m, dtype=np.float64), where), ()
    assert polygon_px is not None
    frame, points = polygon_px
    polygon, notes = polygon_from_pixels(points, view_at(frame), ground, where)
    if notes:  # cutting a hollow polygon leaves edges that run along the ring twice; even-odd still counts it right
        return polygon, notes
    return checked_polygon(polygon, where), notes


def _edges(polygon: F64) -> list[tuple[F64, F64]]:
    return [(polygon[i], polygon[(i + 1) % len(polygon)]) for i in range(len(polygon))]

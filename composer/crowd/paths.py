"""Splines on the ground: a Catmull-Rom curve through an artist's points, by its length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where

F64 = NDArray[np.float64]

_STEP_M = 0.05
_MOST_STEPS = 400_000
#: How far a bend is rounded off before it is called too tight: this, or this share of the radius that is needed.
_ROUNDING_M, _ROUNDING_SHARE = 6.0, 0.4


@dataclass(frozen=True)
class Path:
    """A curve, straight before its start and after its end. point_m: float64 [S, 2], (x, z), `step_m` apart along it.
    heading_rad: float64 [S], unwound: where one looks who walks it from its start (as `Agents.heading_rad`)."""

    point_m: F64
    heading_rad: F64
    step_m: float

    @property
    def length_m(self) -> float:
        return self.step_m * (len(self.point_m) - 1)

    def at(self, along_m: F64) -> tuple[F64, F64]:
        """(places [..., 2], headings [...]) at these distances from the start; any shape."""
        t = along_m / self.step_m
        low = np.clip(t.astype(np.int64), 0, len(self.point_m) - 2)
        share = np.clip(t - low, 0.0, 1.0)
        point, heading = self.point_m, self.heading_rad
        place = point[low] + share[..., None] * (point[low + 1] - point[low])
        turned = heading[low] + share * (heading[low + 1] - heading[low])
        beyond = along_m - np.clip(along_m, 0.0, self.length_m)
        if beyond.any():
            place = place - beyond[..., None] * np.stack([np.sin(turned), np.cos(turned)], axis=-1)
        return place, turned

    def beside(self, along_m: F64, offset_m: F64) -> tuple[F64, F64]:
        """The same for those who walk `offset_m` to the right of the path."""
        place, heading = self.at(along_m)
        right = np.stack([np.cos(heading), -np.sin(heading)], axis=-1)
        return place + offset_m[..., None] * right, heading

    @cached_property
    def tightest_m(self) -> float:
        """Radius of the tightest bend."""
        turn = np.abs(np.diff(self.heading_rad)).max(initial=0.0)
        return math.inf if turn < 1e-9 else self.step_m / float(turn)

    def meets_itself(self, width_m: float) -> tuple[float, float] | None:
        """A place (x, z) where two stretches of the path come nearer than `width_m`, or None."""
        from scipy.spatial import cKDTree

        stride = max(1, round(0.25 * width_m / self.step_m))
        point = self.point_m[::stride]
        pairs = cKDTree(point).query_pairs(width_m, output_type="ndarray")
        apart = np.abs(pairs[:, 0] - pairs[:, 1]) * stride * self.step_m > math.pi * width_m
        if not apart.any():
            return None
        x, z = point[pairs[apart][0, 0]]
        return float(x), float(z)


def path_through(points_m: Sequence[tuple[float, float]], where: Where) -> Path:
    """The centripetal Catmull-Rom curve through two or more points (x, z): it neither overshoots nor loops between
    them. Raises InputError for points that are one place, and for paths beyond all measure."""
    points = np.asarray(points_m, dtype=np.float64)
    points = points[np.concatenate([[True], np.any(np.diff(points, axis=0) != 0, axis=1)])]
    if len(points) < 2:
        raise InputError("not a path", where=where, expected="2 different points", got=str(len(points)))
    # The ends go on as they came.
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    knot = np.sqrt(np.linalg.norm(np.diff(p, axis=0), axis=1))
    length = float((knot**2)[1:-1].sum())
    if length > _MOST_STEPS * _STEP_M * 5:
        raise InputError("the path is too long", where=where, expected="at most 100 km", got=f"{length / 1000:.0f} km")
    curve = [_piece(p[i : i + 4], knot[i : i + 3]) for i in range(len(points) - 1)]
    return _evenly(np.concatenate([*curve, points[-1:]]))


def straight_path(start_m: F64, end_m: F64) -> Path:
    """The straight one from [2] to [2]."""
    return _evenly(np.stack([start_m, end_m]))


def rounded(path: Path, radius_m: float, where: Where) -> tuple[Path, float]:
    """(the path with no bend tighter than `radius_m`, how far it was moved at most). Its ends stay. Raises InputError
    where that would move it too far."""
    from scipy.ndimage import gaussian_filter1d

    if path.tightest_m >= radius_m:
        return path, 0.0
    sigma, start = 0.15 * radius_m, path.point_m
    straight = start[0] + np.linspace(0, 1, len(start))[:, None] * (start[-1] - start[0])
    while True:
        # Odd about both ends, so that they stay and go on as they came.
        wave = np.concatenate([-(start - straight)[:0:-1], start - straight, -(start - straight)[-2::-1]])
        size = min(sigma / path.step_m, len(start) / 2)
        smooth = gaussian_filter1d(wave, size, axis=0, mode="wrap")[len(start) - 1 : 2 * len(start) - 1]
        moved = float(np.linalg.norm(smooth - (start - straight), axis=1).max())
        softer = _evenly(straight + smooth)
        if softer.tightest_m >= radius_m:
            return softer, moved
        if moved > max(_ROUNDING_M, _ROUNDING_SHARE * radius_m) or size >= len(start) / 2:
            x, z = path.point_m[int(np.abs(np.diff(path.heading_rad)).argmax())]
            raise InputError(
                f"the path bends too tightly at [{x:.1f}, {z:.1f}]",
                where=where,
                expected=f"a radius of {radius_m:.1f} m or more",
                got=f"{path.tightest_m:.1f} m",
                hint="take fewer files, more room between ranks, or draw the bend wider",
            )
        sigma *= 1.3


def _piece(p: F64, knot: F64) -> F64:
    """The curve between p[1] and p[2] of four points, finely, without its end."""
    t0, t1 = 0.0, float(knot[0])
    t2, t3 = t1 + float(knot[1]), t1 + float(knot[1] + knot[2])
    count = max(2, min(20_000, math.ceil(float(knot[1]) ** 2 / _STEP_M)))
    t = (t1 + (t2 - t1) * np.arange(count) / count)[:, None]
    a1 = (t1 - t) / (t1 - t0) * p[0] + (t - t0) / (t1 - t0) * p[1]
    a2 = (t2 - t) / (t2 - t1) * p[1] + (t - t1) / (t2 - t1) * p[2]
    a3 = (t3 - t) / (t3 - t2) * p[2] + (t - t2) / (t3 - t2) * p[3]
    b1 = (t2 - t) / (t2 - t0) * a1 + (t - t0) / (t2 - t0) * a2
    b2 = (t3 - t) / (t3 - t1) * a2 + (t - t1) / (t3 - t1) * a3
    return (t2 - t) / (t2 - t1) * b1 + (t - t1) / (t2 - t1) * b2


def _evenly(points: F64) -> Path:
    """A polyline resampled at even steps of its length, to a tenth of a millimetre."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    total = float(lengths[-1])
    steps = min(_MOST_STEPS, max(2, math.ceil(total / _STEP_M)))
    at = np.linspace(0, total, steps + 1)
    even = np.stack([np.interp(at, lengths, points[:, i]) for i in (0, 1)], axis=1)
    even = even.round(6)  # the last bits differ between machines
    ahead = np.empty_like(even)
    ahead[1:-1], ahead[0], ahead[-1] = even[2:] - even[:-2], even[1] - even[0], even[-1] - even[-2]
    return Path(even, np.unwrap(np.arctan2(-ahead[:, 0], -ahead[:, 1])), total / steps)

"""Circle of confusion, the shape that an iris gives it, and a crowd's depths cut into slices of one sharpness."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.comp.plate_look import Optics

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
#: Focus further than this is at infinity.
FAR_M = 1e7
#: A slice's circles differ by at most this many pixels or this share of their radius, whichever is more.
SLICE_PX, SLICE_SHARE = 0.35, 0.1
#: And its depths by this factor, so that figures before and behind one another are in slices of their own.
SLICE_DEPTH = 1.3
MOST_SLICES = 96
#: A circle this small is a point.
POINT_PX = 0.05
_SUB_ROWS = 16


@dataclass(frozen=True)
class Circle:
    """The circle of confusion over depth. scale_px, focus_m: radius = scale_px * (z - focus_m) / z, in pixels of the plate's
    width, positive beyond the focus."""

    scale_px: float
    focus_m: float

    @classmethod
    def of(cls, optics: Optics, focal_m: float, focal_px: float) -> Circle:
        """focal_px: the focal length in pixels. A thin lens: diameter = f / N * |z - s| / z * f / (s - f)."""
        focus = min(max(optics.focus_m, focal_m * 1.01), FAR_M)
        if not math.isfinite(optics.f_stop):
            return cls(0.0, focus)
        return cls(0.5 * focal_px * focal_m / optics.f_stop / (focus - focal_m), focus)

    def radius_px(self, depth_m: F64) -> F64:
        return self.scale_px * (depth_m - self.focus_m) / depth_m


@dataclass(frozen=True)
class Spans:
    """An iris, one span a row. low, high: float32 [2 half + 1], px from the pixel's middle. area: of all, px^2."""

    low: F32
    high: F32
    area: float

    @property
    def half(self) -> int:
        return len(self.low) // 2


def iris_spans(radius_px: tuple[float, float], blades: int, turn_deg: float, flipped: bool) -> Spans:
    """radius_px: along x and y (they differ where pixels are not square). A polygon has the area of the circle. flipped:
    turned by half a turn."""
    rx, ry = (max(r, POINT_PX) for r in radius_px)
    # A polygon's corners lie further out than the circle of its area.
    stretch = 1.0 if blades == 0 else math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))
    half = math.ceil(ry * stretch + 0.5)
    row = (np.arange((2 * half + 1) * _SUB_ROWS) + 0.5) / _SUB_ROWS - half - 0.5
    v = row / ry
    if blades == 0:
        right = np.sqrt(np.maximum(1.0 - v**2, 0.0))
        left = -right
    else:
        left, right = _polygon_chords(v, blades, math.radians(turn_deg) + (math.pi if flipped else 0.0), stretch)
    width = ((right - left) * rx).reshape(-1, _SUB_ROWS)
    middle = ((right + left) / 2 * rx).reshape(-1, _SUB_ROWS)
    total = width.sum(axis=1)
    mid = (middle * width).sum(axis=1) / np.maximum(total, 1e-12)
    mean = total / _SUB_ROWS
    low, high = (mid + sign * mean / 2 for sign in (-1, 1))
    return Spans(low.astype(np.float32), high.astype(np.float32), float(mean.sum()))


def _polygon_chords(v: F64, blades: int, turn: float, stretch: float) -> tuple[F64, F64]:
    """Left and right end of the polygon at each height, in radii; both 0 where it is not. y down, clockwise, a corner on
    top."""
    angle = turn - math.pi / 2 + 2 * math.pi * np.arange(blades) / blades
    corner = stretch * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    left, right = np.full_like(v, np.inf), np.full_like(v, -np.inf)
    for a, b in zip(corner, np.roll(corner, -1, axis=0), strict=True):
        rise = b[1] - a[1]
        if abs(rise) < 1e-12:
            continue
        t = (v - a[1]) / rise
        x = a[0] + t * (b[0] - a[0])
        on = (t >= 0) & (t <= 1)
        left, right = np.where(on, np.minimum(left, x), left), np.where(on, np.maximum(right, x), right)
    none = ~(left <= right)
    return np.where(none, 0.0, left), np.where(none, 0.0, right)


def depth_slices(depth_m: F32, circle: Circle) -> list[tuple[float, float]]:
    """(near, far) of slices, near to far, that hold all of these depths: near <= depth < far."""
    if len(depth_m) == 0:
        return []
    first, last = max(float(depth_m.min()), 1e-3), float(depth_m.max())
    cells = max(math.ceil(math.log(last / first) / math.log(1.004)), 1)
    edge = first * (last / first) ** (np.arange(cells + 1) / cells) if last > first else np.array([first, first])
    edge[0], edge[-1] = first * (1 - 1e-5), np.nextafter(np.float32(last), np.float32(np.inf))
    count = np.histogram(depth_m, edge)[0] if last > first else np.array([len(depth_m)])
    loose = 1.0
    while True:
        slices = _cut(edge, count, circle, loose)
        if len(slices) <= MOST_SLICES:
            return slices
        loose *= 1.5


def _cut(edge: F64, count: NDArray[np.int64], circle: Circle, loose: float) -> list[tuple[float, float]]:
    slices: list[tuple[float, float]] = []
    full = np.flatnonzero(count)
    radius = circle.radius_px(edge)
    begin = full[0]
    for this, after in zip(full, [*full[1:], None], strict=True):
        if after is None:
            slices.append((float(edge[begin]), float(edge[this + 1])))
            break
        apart = abs(radius[after + 1] - radius[begin])
        room = loose * max(SLICE_PX, SLICE_SHARE * min(abs(radius[after + 1]), abs(radius[begin])))
        if apart > room or edge[after + 1] > edge[begin] * (1 + (SLICE_DEPTH - 1) * loose):
            slices.append((float(edge[begin]), float(edge[this + 1])))
            begin = after
    return slices

"""A view's lens as two small tables, so that kernels can distort and undistort without knowing the model.

Both tables hold the residual from the plain pinhole at regular nodes and are read with Catmull-Rom interpolation
(bilinear where a neighbour is outside the lens's domain, NaN where there is nothing). They are refined until the
error against the lens itself, measured at the cell centres inside the picture, is below `TOLERANCE_PX`, or until
`MAX_NODES`; what was reached is in `LensTables.error_px`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Lens, Pinhole, View

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

TOLERANCE_PX = 0.004
MAX_NODES = 1025
OVERSCAN = 0.25


@dataclass(frozen=True)
class Grid:
    """Residuals at regular nodes. node[j, i] lies at origin + (i, j) * step. value: float32 [ny, nx, 2], NaN
    outside."""

    origin: tuple[float, float]
    step: tuple[float, float]
    value: F32


@dataclass(frozen=True)
class LensTables:
    """forward: over ideal normalised coordinates (x right, y down), residual in plate pixels. inverse: over plate
    pixels, residual in ideal normalised coordinates. Both None for a pinhole. ideal_box: (x0, y0, x1, y1),
    normalised, of what the picture shows. error_px: the larger of the two tables' errors inside the picture."""

    forward: Grid | None
    inverse: Grid | None
    ideal_box: tuple[float, float, float, float]
    error_px: float


def sample_grid(grid: Grid, points: F64) -> F64:
    """Read `grid` at points [..., 2] as the kernels do (Catmull-Rom, then bilinear, then NaN). Outside: the border's
    value."""
    ny, nx = grid.value.shape[:2]
    g = (points - np.array(grid.origin)) / np.array(grid.step)
    g = np.clip(g, 0.0, [nx - 1.0, ny - 1.0])
    i = np.clip(np.floor(g).astype(np.int64), 0, [nx - 2, ny - 2])
    f = g - i

    def weights(t: F64) -> F64:
        return np.stack(
            [
                ((-0.5 * t + 1.0) * t - 0.5) * t,
                (1.5 * t - 2.5) * t * t + 1.0,
                ((-1.5 * t + 2.0) * t + 0.5) * t,
                (0.5 * t - 0.5) * t * t,
            ],
            axis=-1,
        )

    wx, wy = weights(f[..., 0]), weights(f[..., 1])
    cubic = np.zeros(points.shape)
    for b in range(4):
        for a in range(4):
            node = grid.value[np.clip(i[..., 1] + b - 1, 0, ny - 1), np.clip(i[..., 0] + a - 1, 0, nx - 1)]
            cubic = cubic + node * (wx[..., a] * wy[..., b])[..., None]
    fx, fy = f[..., :1], f[..., 1:]
    v = grid.value
    x, y = i[..., 0], i[..., 1]
    linear = (v[y, x] * (1 - fx) + v[y, x + 1] * fx) * (1 - fy) + (v[y + 1, x] * (1 - fx) + v[y + 1, x + 1] * fx) * fy
    return np.where(np.isnan(cubic), linear, cubic)


def _nodes(origin: F64, extent: F64, shape: tuple[int, int]) -> tuple[F64, F64]:
    """Node places [ny, nx, 2] and step [2]."""
    nx, ny = shape
    step = extent / [nx - 1, ny - 1]
    x = origin[0] + step[0] * np.arange(nx)
    y = origin[1] + step[1] * np.arange(ny)
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1), step


def _build(origin: F64, extent: F64, evaluate, unit_px: F64, inside) -> tuple[Grid, float]:  # type: ignore[no-untyped-def]
    """Refine until the error at the cell centres that `inside` accepts is small. `evaluate(points)` gives residuals;
    `unit_px` turns them into pixels."""
    n = 33
    before = np.inf
    while True:
        longer = extent.max()
        shape = tuple(max(9, int(np.ceil((n - 1) * e / longer)) + 1) for e in extent)
        points, step = _nodes(origin, extent, shape)  # type: ignore[arg-type]
        grid = Grid(
            (float(origin[0]), float(origin[1])), (float(step[0]), float(step[1])), evaluate(points).astype(np.float32)
        )
        centres = points[:-1, :-1] + 0.5 * step
        skip = max(1, (n - 1) // 64)
        centres = centres[skip // 2 :: skip, skip // 2 :: skip]
        keep = inside(centres)
        error = np.abs(sample_grid(grid, centres) - evaluate(centres)) * unit_px
        error = error[keep & np.isfinite(error).all(-1)]
        worst = float(error.max()) if error.size else 0.0
        # at the fold of a model no table is fine enough: stop where more nodes no longer help
        if worst < TOLERANCE_PX or 2 * n - 1 > MAX_NODES or (n > 129 and worst > 0.6 * before):
            return grid, worst
        n, before = 2 * n - 1, worst


def _make(view: View) -> LensTables:
    size = np.array(view.size_px, dtype=np.float64)
    focal, centre, lens, frame = np.array(view.focal_px), np.array(view.centre_px), view.lens, view.frame
    low, high = (0.0 - centre) / focal, (size - centre) / focal
    if isinstance(lens, Pinhole):
        return LensTables(None, None, (low[0], low[1], high[0], high[1]), 0.0)

    def undistort(px: F64) -> F64:
        return lens.undistort((px - centre) / focal, frame) - (px - centre) / focal

    def distort(ideal: F64) -> F64:
        return (lens.distort(ideal, frame) - ideal) * focal

    # more than a cell of the coarsest table, so that its border cells lie outside the picture
    pad = np.full(2, max(8.0, float(size.max()) / 24.0))

    def in_picture(px: F64) -> NDArray[np.bool_]:
        return ((px > -1.0) & (px < size + 1.0)).all(-1)

    inverse, inverse_error = _build(-pad, size + 2 * pad, undistort, focal, in_picture)
    px, _ = _nodes(np.zeros(2), size, (65, 65))
    ideal = (px - centre) / focal + undistort(px)
    with np.errstate(invalid="ignore"):
        seen = ideal[np.isfinite(ideal).all(-1)]
    if len(seen) == 0:
        seen = np.stack([low, high])
    box0, box1 = seen.min(0), seen.max(0)
    margin = OVERSCAN * (box1 - box0)

    def lands_in_picture(points: F64) -> NDArray[np.bool_]:
        with np.errstate(invalid="ignore"):
            return in_picture(lens.distort(points, frame) * focal + centre)

    forward, forward_error = _build(box0 - margin, box1 - box0 + 2 * margin, distort, np.ones(2), lands_in_picture)
    slack = 2.0 / focal
    box = (box0[0] - slack[0], box0[1] - slack[1], box1[0] + slack[0], box1[1] + slack[1])
    return LensTables(forward, inverse, tuple(float(v) for v in box), max(inverse_error, forward_error))  # type: ignore[arg-type]


_cache: OrderedDict[tuple[object, ...], tuple[Lens, LensTables]] = OrderedDict()
_lock = Lock()


def _probe(view: View) -> bytes:
    """How the lens answers at some points: lenses that do not change from frame to frame share their tables."""
    if isinstance(view.lens, Pinhole):
        return b""
    x, y = np.meshgrid(np.linspace(-0.1, 1.1, 7), np.linspace(-0.1, 1.1, 7))
    px = np.stack([x * view.size_px[0], y * view.size_px[1]], axis=-1)
    plate = (px - np.array(view.centre_px)) / np.array(view.focal_px)
    return view.lens.undistort(plate, view.frame).tobytes() + view.lens.distort(plate, view.frame).tobytes()


def lens_tables(view: View) -> LensTables:
    """The tables of `view`, cached for the last few views (a frame's next view is the next frame's own)."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        key = (id(view.lens), view.focal_px, tuple(view.centre_px), tuple(view.size_px), _probe(view))
        with _lock:
            hit = _cache.get(key)
            if hit is not None:
                _cache.move_to_end(key)
                return hit[1]
        tables = _make(view)
    with _lock:
        _cache[key] = (view.lens, tables)
        while len(_cache) > 12:
            _cache.popitem(last=False)
    return tables

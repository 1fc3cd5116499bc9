"""The highest surface of a triangle mesh at many (x, z): a grid of cells over the mesh, and in each cell the
triangles that may lie over it. A hundred thousand walkers ask three times a frame; a vertical ray through a BVH took
ten times as long."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.io.warp_log import quiet_warp

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

#: The grid is made coarser until the cells name at most this many triangles for each one of the mesh.
_ENTRIES_A_TRIANGLE = 12
_FEWEST_ENTRIES = 1 << 20
#: A point this far outside a triangle (in barycentric coordinates) still counts as on it: edges have no gaps.
_EDGE = 1e-7


@wp.kernel
def _highest(
    x: wp.array(dtype=wp.float64),
    z: wp.array(dtype=wp.float64),
    low_x: wp.float64,
    low_z: wp.float64,
    cell_m: wp.float64,
    columns: int,
    rows: int,
    start: wp.array(dtype=wp.int32),
    listed: wp.array(dtype=wp.int32),
    corner: wp.array2d(dtype=wp.float32),
    edge: wp.float64,
    height: wp.array(dtype=wp.float64),
    face: wp.array(dtype=wp.int32),
):
    i = wp.tid()
    px = x[i]
    pz = z[i]
    best = wp.float64(-1.0e300)
    found = int(-1)  # noqa: RUF046 (a variable of the kernel)
    across = (px - low_x) / cell_m
    deep = (pz - low_z) / cell_m
    inside = across >= wp.float64(0.0) and across <= wp.float64(columns)
    if inside and deep >= wp.float64(0.0) and deep <= wp.float64(rows):
        cell = wp.min(int(deep), rows - 1) * columns + wp.min(int(across), columns - 1)
        for k in range(start[cell], start[cell + 1]):
            t = listed[k]
            ax = wp.float64(corner[t, 0]) - px
            az = wp.float64(corner[t, 2]) - pz
            bx = wp.float64(corner[t, 3]) - px
            bz = wp.float64(corner[t, 5]) - pz
            cx = wp.float64(corner[t, 6]) - px
            cz = wp.float64(corner[t, 8]) - pz
            u = bx * cz - bz * cx
            v = cx * az - cz * ax
            w = ax * bz - az * bx
            area = u + v + w
            # in or on the triangle, whichever way it turns; those seen edge on have no area
            slack = edge * wp.abs(area)
            if area < wp.float64(0.0):
                u = -u
                v = -v
                w = -w
                area = -area
            if u >= slack and v >= slack and w >= slack and area > wp.float64(0.0):
                y = u * wp.float64(corner[t, 1]) + v * wp.float64(corner[t, 4]) + w * wp.float64(corner[t, 7])
                y = y / area
                if y > best:
                    best = y
                    found = t
    height[i] = best
    face[i] = found


class HeightGrid:
    """A mesh that heights can be asked of. position_m: float32 [V, 3]; triangle: int32 [T, 3]."""

    def __init__(self, position_m: NDArray[np.float32], triangle: I32) -> None:
        wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)
        quiet_warp()
        corner = position_m[triangle][:, :, [0, 2]].astype(np.float64)
        low, high = corner.min(axis=1), corner.max(axis=1)
        self._low = low.min(axis=0)
        extent = np.maximum(high.max(axis=0) - self._low, 1e-3)
        self._cell_m, first, last = _cells(low - self._low, high - self._low, extent)
        self._columns, self._rows = (int(n) for n in np.floor(extent / self._cell_m).astype(np.int64) + 1)
        start, listed = self._lists(first, last)
        self._start = wp.array(start, dtype=wp.int32, device="cpu")
        self._listed = wp.array(listed, dtype=wp.int32, device="cpu")
        self._corner = wp.array(position_m[triangle].reshape(-1, 9), dtype=wp.float32, device="cpu")

    def _lists(self, first: NDArray[np.int64], last: NDArray[np.int64]) -> tuple[I32, I32]:
        """(start [cells + 1], triangle index): each cell's triangles, lowest first."""
        wide, deep = (last - first + 1).T
        count = wide * deep
        owner = np.repeat(np.arange(len(count), dtype=np.int32), count)
        step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        wide, origin = wide[owner], first[owner]
        cell = (origin[:, 1] + step // wide) * self._columns + origin[:, 0] + step % wide
        order = np.argsort(cell, kind="stable")
        start = np.zeros(self._columns * self._rows + 1, np.int32)
        np.cumsum(np.bincount(cell, minlength=self._columns * self._rows), out=start[1:])
        return start, owner[order]

    def at(self, x: F64, z: F64) -> tuple[F64, I32]:
        """The highest surface at x, z float64 [N]: (y [N], NaN where there is none; triangle index [N], -1 there)."""
        count = len(x)
        height = wp.empty(count, dtype=wp.float64, device="cpu")
        face = wp.empty(count, dtype=wp.int32, device="cpu")
        if count:
            inputs = [
                *(wp.array(np.ascontiguousarray(v), dtype=wp.float64, device="cpu") for v in (x, z)),
                *(float(v) for v in (*self._low, self._cell_m)),
                self._columns,
                self._rows,
                self._start,
                self._listed,
                self._corner,
                -_EDGE,
            ]
            wp.launch(_highest, dim=count, inputs=inputs, outputs=[height, face], device="cpu")
        y, found = height.numpy(), face.numpy()
        y[found < 0] = np.nan
        return y, found


def _cells(low: F64, high: F64, extent: F64) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    """(side of a cell, first and last cell of each triangle [T, 2]) for boxes round triangles."""
    cell_m = float(np.sqrt(extent.prod() / len(low)))
    cell_m = max(cell_m, float(extent.max()) / 8192)
    while True:
        first, last = (np.floor(v / cell_m).astype(np.int64) for v in (low, high))
        if (last - first + 1).prod(axis=1).sum() <= max(_FEWEST_ENTRIES, _ENTRIES_A_TRIANGLE * len(low)):
            return cell_m, first, last
        cell_m *= 1.5

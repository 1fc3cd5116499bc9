"""ST maps: a lens as pictures of coordinates, as Nuke's STMap node reads them.

Red is u and green v, 0 to 1 over the picture, origin BOTTOM left, pixel centres at +0.5. The maps are named by what
they do to a picture: `distort` covers the plate and says where each of its pixels lies in the ideal picture;
`undistort` covers the ideal picture and says where each of its pixels lies on the plate. Values beyond 0 and 1 are
overscan. Pixels that are not finite, or exactly (0, 0), hold nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Camera
from composer.camera.lens.plane import Array, Curve, at
from composer.errors import InputError, Where

_STEPS = 20
_TOLERANCE = 1e-9  # of the picture
_SEEDS = 16384


@dataclass(frozen=True, eq=False)
class STMap:
    """One or both maps, float64 [H, W, 2], already in picture fractions with y DOWN and NaN where they hold nothing.

    Made by `STMap.load` or `STMap.from_uv`. The direction whose map is missing, or does not reach, is found by
    solving the other map. `for_camera` ties the maps to a camera's principal point and focal length.
    """

    distort_map: Array | None
    undistort_map: Array | None
    name: str = "stmap"
    scale: tuple[Curve, Curve] | None = None
    centre: tuple[Curve, Curve] | None = None

    @classmethod
    def from_uv(cls, distort: NDArray[np.float32] | None = None, undistort: NDArray[np.float32] | None = None) -> STMap:
        """From arrays [H, W, >= 2] of u and v as they stand in the files (y up)."""
        if distort is None and undistort is None:
            raise InputError("an ST map lens needs a map", expected="distort or undistort, or both")
        return cls(_picture(distort, "distort"), _picture(undistort, "undistort"))

    @classmethod
    def load(cls, distort: Path | None = None, undistort: Path | None = None) -> STMap:
        """From EXR or TIFF files."""
        from composer.io.image import read_image

        maps = [None if p is None else read_image(p)[0] for p in (distort, undistort)]
        for path, uv in zip((distort, undistort), maps, strict=True):
            if uv is not None and uv.shape[-1] < 2:
                raise InputError("an ST map needs two channels", where=Where(file=path), got=f"{uv.shape[-1]}")
        return cls.from_uv(*maps)

    def for_camera(self, camera: Camera) -> STMap:
        first = camera.first_frame
        middle = camera.centre_px / camera.size_px
        return replace(
            self,
            scale=tuple(Curve(first, tuple((camera.focal_mm / f).tolist())) for f in camera.filmback_mm),
            centre=tuple(Curve(first, tuple(middle[:, k].tolist())) for k in (0, 1)),
        )

    def distort(self, xy: Array, frame: int) -> Array:
        return self._through(xy, frame, self.undistort_map, self.distort_map)

    def undistort(self, xy: Array, frame: int) -> Array:
        return self._through(xy, frame, self.distort_map, self.undistort_map)

    def _through(self, xy: Array, frame: int, direct: Array | None, other: Array | None) -> Array:
        if self.scale is None or self.centre is None:
            raise ValueError("an ST map lens must be tied to a camera first: for_camera")
        scale = np.array([at(c, frame) for c in self.scale])
        centre = np.array([at(c, frame) for c in self.centre])
        place = (np.asarray(xy, dtype=np.float64) * scale + centre).reshape(-1, 2)
        out = np.full(place.shape, np.nan) if direct is None else _look_up(direct, place)[0]
        missing = np.isnan(out[:, 0]) & np.isfinite(place).all(axis=1)
        if other is not None and missing.any():
            out[missing] = _solve(other, place[missing])
        return ((out - centre) / scale).reshape(np.shape(xy))


def _picture(uv: NDArray[np.float32] | None, what: str) -> Array | None:
    if uv is None:
        return None
    if uv.ndim != 3 or uv.shape[2] < 2 or min(uv.shape[:2]) < 2:
        raise InputError(f"not an ST map ({what})", expected="a picture of u and v", got=f"shape {uv.shape}")
    out = np.array(uv[..., :2], dtype=np.float64)
    empty = ~np.isfinite(out).all(axis=2) | (out == 0).all(axis=2)
    if empty.all():
        raise InputError(f"the ST map ({what}) holds nothing")
    out[..., 1] = 1 - out[..., 1]
    out[empty] = np.nan
    return out


def _look_up(grid: Array, place: Array) -> tuple[Array, Array]:
    """Values [N, 2] at picture fractions [N, 2], and their derivatives [N, 2, 2] (row: value, column: place).
    Bilinear; the outer half pixel goes on as its cell does; NaN outside the picture."""
    height, width = grid.shape[:2]
    size = np.array([width, height])
    ok = ((place >= 0) & (place <= 1)).all(axis=1)
    p = np.where(ok[:, None], place, 0.5) * size - 0.5
    cell = np.clip(np.floor(p).astype(np.int64), 0, size - 2)
    f, (i, j) = p - cell, (cell[:, 0], cell[:, 1])
    g00, g10, g01, g11 = grid[j, i], grid[j, i + 1], grid[j + 1, i], grid[j + 1, i + 1]
    x, y = f[:, :1], f[:, 1:]
    value = (1 - y) * ((1 - x) * g00 + x * g10) + y * ((1 - x) * g01 + x * g11)
    dx = (1 - y) * (g10 - g00) + y * (g11 - g01)
    dy = (1 - x) * (g01 - g00) + x * (g11 - g10)
    value[~ok] = np.nan
    return value, np.stack([dx * width, dy * height], axis=2)


def _solve(grid: Array, goal: Array) -> Array:
    """The places where the map has the values [N, 2]; NaN where there are none."""
    from scipy.spatial import cKDTree

    step = max(1, int(np.sqrt(grid.shape[0] * grid.shape[1] / _SEEDS)))
    rows, columns = np.mgrid[0 : grid.shape[0] : step, 0 : grid.shape[1] : step]
    values = grid[rows, columns].reshape(-1, 2)
    seeds = np.stack([(columns.ravel() + 0.5) / grid.shape[1], (rows.ravel() + 0.5) / grid.shape[0]], axis=1)
    held = np.isfinite(values[:, 0])
    place = seeds[held][cKDTree(values[held]).query(goal)[1]]
    for _ in range(_STEPS):
        value, slope = _look_up(grid, place)
        miss = value - goal
        det = slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]
        with np.errstate(all="ignore"):
            dx = (slope[:, 1, 1] * miss[:, 0] - slope[:, 0, 1] * miss[:, 1]) / det
            dy = (slope[:, 0, 0] * miss[:, 1] - slope[:, 1, 0] * miss[:, 0]) / det
        if not (np.abs(miss) > _TOLERANCE / 10).any():
            break
        place = np.clip(place - np.stack([dx, dy], axis=1), 0.0, 1.0)
    out = np.array(place)
    out[~(np.abs(_look_up(grid, place)[0] - goal) < _TOLERANCE).all(axis=1)] = np.nan
    return out

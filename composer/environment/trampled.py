"""Ground that people have trodden down: how often each place was trodden on, on the world's own cells.

A path is what was walked since the crowd was set up; who stands treads his own place down a little. Passes add up and wear off
like `1 - exp(-passes)`, so that a column's track is worn through and a single man's is hardly seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Looks a second; nobody further from the camera than this.
STEPS_S, REACH_M = 3.0, 220.0
#: Square metres that a man treads on for each metre of his way, and where he stands for a second.
WAY_M, STAND_M2_S = 0.35, 0.02
#: So much trodden on, a share of 1 - 1/e is worn.
PASSES = 1.3
CELL_M, MOST_CELLS = 0.35, 600_000


@dataclass(frozen=True)
class Worn:
    """corner_m: (x, z) of the first cell's middle. share: float32 [nz, nx], 0 fresh to 1 worn."""

    corner_m: tuple[float, float]
    cell_m: float
    share: F32


def trodden_frames(start: int, frame: int, frame_rate: float) -> tuple[int, ...]:
    """Whole steps of the shot's time from `start` up to the frame, the earliest first."""
    every = max(1, round(frame_rate / STEPS_S))
    return tuple(range(start // every * every, frame + 1, every))


def trodden(place_m: F64, frames: tuple[int, ...], frame_rate: float, eye_m: F64) -> Worn | None:
    """place_m: float64 [F, N, 2] (x, z) at `frames`. None where nobody is near the camera."""
    near = np.hypot(place_m[..., 0] - eye_m[0], place_m[..., 1] - eye_m[2]) < REACH_M
    near &= np.isfinite(place_m).all(axis=2)
    if not near.any():
        return None
    points = place_m[near]
    begin = place_m[0][near[0]] if near[0].any() else points
    extent = np.ptp(begin, axis=0) + 60.0  # of the beginning: the same cells in all frames
    cell = CELL_M * 2.0 ** max(0.0, np.ceil(np.log2(np.prod(extent) / CELL_M**2 / MOST_CELLS) / 2))
    low = np.floor(points.min(0) / cell).astype(int) - 4
    nx, nz = (int(v) for v in np.ceil(points.max(0) / cell).astype(int) - low + 5)
    total = np.zeros(nx * nz)
    for k in range(len(frames)):
        way = np.zeros(len(place_m[k]))
        if k:
            way = np.linalg.norm(place_m[k] - place_m[k - 1], axis=1)
            passed = (frames[k] - frames[k - 1]) / frame_rate
            way[way > 12.0 * passed] = 0  # put elsewhere, not walked
            many = max(1, int(np.ceil(np.nanmax(way[near[k]], initial=0.0) / cell)))
            for s in range(many):
                at = place_m[k - 1] + (place_m[k] - place_m[k - 1]) * ((s + 0.5) / many)
                who = near[k] & (way > 0)
                _put(total, (at[who] / cell - low), way[who] * WAY_M / many, nx, nz)
        stands = near[k] & (way < 0.05)
        _put(total, place_m[k][stands] / cell - low, np.full(stands.sum(), STAND_M2_S / STEPS_S), nx, nz)
    flat = (total / cell**2).reshape(nz, nx).astype(np.float32)
    flat = cv2.GaussianBlur(flat, (0, 0), max(0.3 / cell, 0.6), borderType=cv2.BORDER_CONSTANT)
    share = (1 - np.exp(-flat / PASSES)).astype(np.float32)
    share[share < 1e-3] = 0
    return Worn((float(low[0] * cell), float(low[1] * cell)), float(cell), share)


def _put(total: F64, g: F64, amount: F64, nx: int, nz: int) -> None:
    """Shares each amount among the four cells around its place (in cells)."""
    i = np.floor(g).astype(np.int64)
    f = g - i
    for b in (0, 1):
        for a in (0, 1):
            w = (f[:, 0] if a else 1 - f[:, 0]) * (f[:, 1] if b else 1 - f[:, 1])
            x, z = i[:, 0] + a, i[:, 1] + b
            fits = (x >= 0) & (z >= 0) & (x < nx) & (z < nz)
            total += np.bincount(z[fits] * nx + x[fits], (amount * w)[fits], minlength=nx * nz)

"""Where the nearest enemy is, on a coarse grid: whom to run at, and whom to run from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CELL_M, MARGIN_M, MOST_CELLS = 2.0, 20.0, 400
FAR_M = 1.0e6


@dataclass(frozen=True)
class EnemyMap:
    """nearest_m: float32 [S, Z, X, 2], for each side the middle of the nearest cell with an enemy; FAR_M where there
    is none. The first cell starts at (x0_m, z0_m)."""

    nearest_m: F32
    x0_m: float
    z0_m: float
    cell_m: float


def enemy_map(place_m: F32, side: NDArray[np.int32], living: NDArray[np.bool_], hostile: NDArray[np.bool_]) -> EnemyMap:
    """place_m: float32 [N, 2]. living: bool [N], who can be an enemy. hostile: bool [S, S], which sides are enemies."""
    from scipy.ndimage import distance_transform_edt

    low, high = (place_m.min(0), place_m.max(0)) if len(place_m) else (np.zeros(2), np.zeros(2))
    low, high = np.floor(low - MARGIN_M).astype(np.float64), np.ceil(high + MARGIN_M).astype(np.float64)
    cell = max(CELL_M, float((high - low).max()) / MOST_CELLS)
    nx, nz = (int(v) for v in np.ceil((high - low) / cell))
    sides = len(hostile)
    nearest = np.full((sides, nz, nx, 2), FAR_M, np.float32)
    at = ((place_m[living] - low) / cell).astype(np.int64)
    cells = at[:, 1] * nx + at[:, 0]
    whose = side[living]
    for s in range(sides):
        taken = np.zeros(nz * nx, dtype=bool)
        taken[cells[hostile[s, whose]]] = True
        if taken.any():
            z, x = distance_transform_edt(~taken.reshape(nz, nx), return_distances=False, return_indices=True)
            nearest[s, ..., 0] = low[0] + (x + 0.5) * cell
            nearest[s, ..., 1] = low[1] + (z + 0.5) * cell
    return EnemyMap(nearest, float(low[0]), float(low[1]), cell)

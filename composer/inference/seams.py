"""The seam measure: is the picture rougher where tiles meet than elsewhere?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.inference.request import F32
from composer.inference.window import Axis


def borders_of(axis: Axis, factor: int) -> NDArray[np.int64]:
    """Where tiles begin and end inside the picture along one axis, in pixels: int64, ascending. factor: pixels a latent."""
    inner = np.concatenate([axis.starts[1:], axis.starts[:-1] + axis.tile])
    return np.unique(inner).astype(np.int64) * factor


def seam_measure(picture: F32, rows: NDArray[np.int64], columns: NDArray[np.int64], tile: tuple[int, int]) -> float:
    """Mean gradient across tile borders over the same on lines shifted by half a tile: 1.0 is invisible.

    picture: float32 [H, W] or [H, W, C]. rows, columns: borders, as the first pixel after each; a border at b is the step from
    pixel b - 1 to b. tile: (height, width) in pixels. Borders and their shifted twins outside the picture are left out;
    a picture without any border measures 1.
    """
    values = np.asarray(picture, np.float64)
    if values.ndim == 2:
        values = values[..., None]
    border, twin = [], []
    for axis, places in ((0, rows), (1, columns)):
        steps = np.abs(np.diff(values, axis=axis)).mean(axis=(1 - axis, 2))  # step k lies between k and k + 1
        length, half = values.shape[axis], tile[axis] // 2
        inside = [int(b) for b in places if 0 < b < length]
        border += [float(steps[b - 1]) for b in inside]
        twin += [float(steps[b + s - 1]) for b in inside for s in (-half, half) if 0 < b + s < length]
    if not border or not twin:
        return 1.0
    return float(np.mean(border) / max(float(np.mean(twin)), 1e-12))

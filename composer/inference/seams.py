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


def seam_measure(
    picture: F32,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    tile: tuple[int, int],
    inside: NDArray[np.bool_] | None = None,
) -> float:
    """Mean gradient across tile borders over the same on lines shifted by half a tile: 1.0 is invisible.

    picture: float32 [H, W] or [H, W, C]. rows, columns: borders, as the first pixel after each; a border at b is the step from
    pixel b - 1 to b. tile: (height, width) in pixels. inside: bool [H, W], the pixels that count (both sides of a step).
    Borders and their shifted twins outside the picture are left out, twins that are borders too (tiles that overlap by half
    are shifted by a quarter instead); a picture without any border measures 1.
    """
    values = np.asarray(picture, np.float64)
    if values.ndim == 2:
        values = values[..., None]
    border, twin = np.zeros(2), np.zeros(2)  # sum, count
    for axis, places in ((0, rows), (1, columns)):
        steps = np.abs(np.diff(values, axis=axis)).mean(axis=2)  # step k lies between k and k + 1
        counts = both_inside(inside, axis) if inside is not None else np.ones(steps.shape, bool)
        lines = np.stack([np.where(counts, steps, 0).sum(1 - axis), counts.sum(1 - axis)], axis=-1)
        length = values.shape[axis]
        within = [int(b) for b in places if 0 < b < length]
        border += sum((lines[b - 1] for b in within), np.zeros(2))
        twin += sum((lines[b - 1] for b in _twins(within, tile[axis], length)), np.zeros(2))
    if not border[1] or not twin[1]:
        return 1.0
    return float(border[0] / border[1] / max(float(twin[0] / twin[1]), 1e-12))


def _twins(borders: list[int], tile: int, length: int) -> list[int]:
    for shift in (tile // 2, tile // 4):
        twins = [b + s for b in borders for s in (-shift, shift) if 0 < b + s < length and b + s not in borders]
        if twins:
            return twins
    return []


def both_inside(inside: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Whether both pixels of each step along an axis are."""
    return inside[1:] & inside[:-1] if axis == 0 else inside[:, 1:] & inside[:, :-1]

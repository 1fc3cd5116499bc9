"""OpenEXR's luminance-chroma pictures (Y, RY, BY) to RGB.

Y is luminance, RY = (R - Y) / Y and BY = (B - Y) / Y at half resolution. The upsampling filter is the one of OpenEXR's
own reader (ImfRgbaYca: 27 taps, even samples pass through); its saturation fix, a cosmetic step, is left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.io.exr_attributes import Chromaticities

Image = NDArray[np.float32]

REC709 = Chromaticities((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290))

# ImfRgbaYca.cpp, reconstructChromaHoriz: distance 1, 3, 5 ... on either side.
_TAPS = (0.627123, -0.186077, 0.087929, -0.043159, 0.019597, -0.007540, 0.002128)


def luminance_weights(primaries: Chromaticities) -> NDArray[np.float64]:
    """float64 [3]: Y of unit R, G and B with these primaries, normalised to sum 1."""
    xyz = np.array([(x / y, 1.0, (1.0 - x - y) / y) for x, y in (primaries.red, primaries.green, primaries.blue)]).T
    x, y = primaries.white
    weights: NDArray[np.float64] = np.linalg.solve(xyz, np.array([x / y, 1.0, (1.0 - x - y) / y]))
    return weights / weights.sum()


def upsample_twice(chroma: Image, axis: int) -> Image:
    """Doubles one axis: samples land on even places, odd places are interpolated; edges are repeated."""
    chroma = np.moveaxis(chroma, axis, 0)
    n, reach = len(chroma), len(_TAPS)
    padded = np.concatenate([chroma[:1].repeat(reach - 1, 0), chroma, chroma[-1:].repeat(reach, 0)])
    out = np.empty((2 * n, *chroma.shape[1:]), np.float32)
    out[0::2] = chroma
    odd = np.zeros_like(chroma)
    for k, tap in enumerate(_TAPS):
        left, right = reach - 1 - k, reach + k
        odd += np.float32(tap) * (padded[left : left + n] + padded[right : right + n])
    out[1::2] = odd
    return np.moveaxis(out, 0, axis)


def to_rgb(y: Image, ry: Image, by: Image, primaries: Chromaticities | None) -> Image:
    """float32 [H, W, 3] of full-size luminance and chroma [H, W]."""
    wr, wg, wb = (float(w) for w in luminance_weights(primaries or REC709))
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity pass, and are counted by the reader
        red, blue = (ry + 1) * y, (by + 1) * y
        green = (y - wr * red - wb * blue) / wg
    return np.stack([red, green, blue], axis=-1).astype(np.float32, copy=False)


def expand(chroma: Image, size: tuple[int, int], sampling: tuple[int, int]) -> Image:
    """Chroma [h, w] at sampling (x, y) to [H, W] = size. Sampling is 1 or 2 on each axis."""
    for axis, step in ((0, sampling[1]), (1, sampling[0])):
        if step == 2:
            chroma = upsample_twice(chroma, axis)
    return np.ascontiguousarray(chroma[: size[0], : size[1]], dtype=np.float32)

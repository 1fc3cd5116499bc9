"""LDR-FLIP: how different two pictures look to somebody who flips between them, 0 (alike) to 1, pixel by pixel.

Andersson, Nilsson, Akenine-Moller, Oskarsson, Astrom, Fairchild: FLIP: A Difference Evaluator for Alternating Images, HPG 2020,
with the constants of that paper. Colours are filtered as the eye filters them at that distance and compared in a
Hunt-adjusted CIELab by HyAB; where edges or points differ, the difference weighs more.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

#: Pixels a degree: a screen 0.7 m wide with 3840 pixels, 0.7 m away.
PIXELS_PER_DEGREE = 0.7 * 3840 / 0.7 * np.pi / 180
#: Of the contrast sensitivity of each opponent channel: a1, b1, a2, b2.
SENSITIVITY = ((1.0, 0.0047, 0.0, 1e-5), (1.0, 0.0053, 0.0, 1e-5), (34.1, 0.04, 13.5, 0.025))
#: Exponents of colour and feature, where the error's mapping bends, and how wide a feature is in degrees.
QC, QF, PC, PT, FEATURE_DEG = 0.7, 0.5, 0.4, 0.95, 0.082

_XYZ = np.array(
    [[0.4123908, 0.3575843, 0.1804808], [0.2126390, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]]
)
_WHITE = _XYZ.sum(axis=1)


def flip(reference: NDArray[np.uint8], test: NDArray[np.uint8], ppd: float = PIXELS_PER_DEGREE) -> F64:
    """float64 [H, W] of two display pictures, uint8 [H, W, 3], sRGB."""
    one, two = (_opponent(_linear(picture)) for picture in (reference, test))
    colour = _redistributed(_hyab(_seen(one, ppd), _seen(two, ppd)) ** QC)
    feature = np.zeros(colour.shape)
    for kind in ("edge", "point"):
        a, b = (_feature((o[..., 0] + 16) / 116, kind, ppd) for o in (one, two))
        feature = np.maximum(feature, np.abs(a - b))
    return colour ** (1 - (feature / np.sqrt(2)) ** QF)


def _linear(picture: NDArray[np.uint8]) -> F64:
    code = picture.astype(np.float64) / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def _opponent(linear: F64) -> F64:
    """YCxCz."""
    x, y, z = np.moveaxis(linear @ _XYZ.T / _WHITE, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _seen(opponent: F64, ppd: float) -> F64:
    """As the eye resolves it, in Hunt-adjusted CIELab."""
    reach = int(np.ceil(3 * np.sqrt(max(s[1] for s in SENSITIVITY) / (2 * np.pi**2)) * ppd))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] / ppd
    square, planes = x * x + y * y, []
    for channel, (a1, b1, a2, b2) in enumerate(SENSITIVITY):
        kernel = a1 * np.sqrt(np.pi / b1) * np.exp(-(np.pi**2) * square / b1)
        kernel += a2 * np.sqrt(np.pi / b2) * np.exp(-(np.pi**2) * square / b2)
        planes.append(_filtered(opponent[..., channel], kernel / kernel.sum()))
    bright, across, along = planes
    y = (bright + 16) / 116
    xyz = np.stack([across / 500 + y, y, y - along / 200], axis=-1) * _WHITE
    return _hunt(np.clip(xyz @ np.linalg.inv(_XYZ).T, 0, 1))


def _hunt(linear: F64) -> F64:
    ratio = linear @ _XYZ.T / _WHITE
    bend = 6 / 29
    f = np.where(ratio > bend**3, np.cbrt(ratio), ratio / (3 * bend**2) + 4 / 29)
    light = 116 * f[..., 1] - 16
    return np.stack(
        [light, 0.01 * light * 500 * (f[..., 0] - f[..., 1]), 0.01 * light * 200 * (f[..., 1] - f[..., 2])], axis=-1
    )


def _hyab(a: F64, b: F64) -> F64:
    d = a - b
    return np.abs(d[..., 0]) + np.hypot(d[..., 1], d[..., 2])


def _redistributed(error: F64) -> F64:
    """0..1; the largest possible error is that between the greenest green and the bluest blue."""
    most = _hyab(_hunt(np.array([0.0, 1.0, 0.0])), _hunt(np.array([0.0, 0.0, 1.0]))) ** QC
    knee = PC * most
    return np.where(error < knee, PT / knee * error, PT + (error - knee) / (most - knee) * (1 - PT))


def _feature(bright: F64, kind: str, ppd: float) -> F64:
    """How strong the edge or point at each pixel is."""
    sigma = 0.5 * FEATURE_DEG * ppd
    reach = int(np.ceil(3 * sigma))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    bell = np.exp(-(x * x + y * y) / (2 * sigma**2))
    kernel = -x * bell if kind == "edge" else (x * x / sigma**2 - 1) * bell
    kernel = np.where(kernel < 0, kernel / -kernel[kernel < 0].sum(), kernel / kernel[kernel > 0].sum())
    return np.hypot(_filtered(bright, kernel), _filtered(bright, np.ascontiguousarray(kernel.T)))


def _filtered(plane: F64, kernel: F64) -> F64:
    return cv2.filter2D(plane, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE)

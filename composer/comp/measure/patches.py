"""Flat patches: what is left of one when its own smooth shading is taken away, and how that hides part of the grain.

A patch's best quadratic surface is subtracted. That takes low frequencies of the grain with it, so the covariance of what is
left is P C P with P the projector beside the surface. Here is the linear map from the grain's autocovariance to the expected
sample autocovariance of such residuals, and back: the estimate is unbiased, whatever the grain's size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

PATCH = 16
#: Grain is taken to be uncorrelated further apart than this.
LAG = 6
_WIDE = 2 * PATCH


@lru_cache(maxsize=1)
def _surfaces() -> F64:
    """Orthonormal quadratic surfaces [PATCH * PATCH, 6]."""
    u = np.linspace(-1, 1, PATCH)
    x, y = np.meshgrid(u, u)
    q, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6))
    return q


def cut(plane: F64) -> F64:
    """[H, W] or [H, W, C] in patches [rows * columns, PATCH * PATCH(, C)]; what does not fill one is left out."""
    rows, columns = plane.shape[0] // PATCH, plane.shape[1] // PATCH
    rest = plane.shape[2:]
    tiles = plane[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH, *rest)
    return tiles.swapaxes(1, 2).reshape(rows * columns, PATCH * PATCH, *rest)


def corners(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """x, y [N, 2] of the patches that `cut` gives."""
    rows, columns = shape[0] // PATCH, shape[1] // PATCH
    y, x = np.mgrid[:rows, :columns] * PATCH
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.int64)


def without_surface(patches: F64) -> F64:
    """Residuals beside the best quadratic surface, same shape [N, P, C]."""
    q = _surfaces()
    return patches - np.einsum("pk,nkc->npc", q, np.einsum("pk,npc->nkc", q, patches, optimize=True), optimize=True)


@lru_cache(maxsize=1)
def _lags() -> NDArray[np.int64]:
    """Half of the plane of lags [L, 2] (dy, dx), the first is 0, 0."""
    return np.array([(y, x) for y in range(LAG + 1) for x in range(-LAG, LAG + 1) if y > 0 or x >= 0])


@lru_cache(maxsize=1)
def _expected() -> F64:
    """[L, L]: the mean sample product at lag m of residuals, for grain whose autocovariance is 1 at lag l."""
    q, lags = _surfaces().reshape(PATCH, PATCH, -1), _lags()
    moved, pairs = [], []
    for dy, dx in lags:
        both = np.zeros_like(q)
        for sy, sx in {(dy, dx), (-dy, -dx)}:
            a, b = _overlap(sy, sx)
            both[a] += q[b]
        moved.append(both.reshape(PATCH * PATCH, -1))
        pairs.append((PATCH - abs(dy)) * (PATCH - abs(dx)) * (1 if dy == dx == 0 else 2))
    v = np.stack(moved)
    m = np.einsum("pk,lpj->lkj", q.reshape(PATCH * PATCH, -1), v)
    count = np.array(pairs, dtype=np.float64)
    flat, small = v.reshape(len(v), -1), m.reshape(len(m), -1)
    return (np.diag(count) - 2 * flat @ flat.T + small @ small.T) / count[:, None]


def _overlap(dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    def one(d: int) -> tuple[slice, slice]:
        return (slice(d, None), slice(None, PATCH - d)) if d >= 0 else (slice(None, PATCH + d), slice(-d, None))

    (ay, by), (ax, bx) = one(dy), one(dx)
    return (ay, ax), (by, bx)


def autocovariance(residuals: F64, weights: F64) -> F64:
    """The grain's autocovariance [2 LAG + 1, 2 LAG + 1, C, C] between channels, unbiased, from residuals [N, P, C];
    a patch counts by its weight [N] (mean 1). Lag (0, 0) is in the middle."""
    n, _, channels = residuals.shape
    pictures = (residuals * np.sqrt(weights)[:, None, None]).reshape(n, PATCH, PATCH, channels)
    power = np.zeros((_WIDE, _WIDE // 2 + 1, channels, channels), dtype=np.complex128)
    for start in range(0, n, 512):
        f = np.fft.rfft2(pictures[start : start + 512], s=(_WIDE, _WIDE), axes=(1, 2))
        power += np.einsum("nyxa,nyxb->yxab", f, f.conj(), optimize=True)
    products = np.fft.irfft2(power / n, s=(_WIDE, _WIDE), axes=(0, 1))
    # Symmetric in the lag: a cross-covariance that leans to one side would be a shift between channels, not grain.
    products = 0.5 * (products + products[(-np.arange(_WIDE)) % _WIDE][:, (-np.arange(_WIDE)) % _WIDE])
    lags = _lags()
    count = (PATCH - np.abs(lags[:, 0])) * (PATCH - np.abs(lags[:, 1]))
    seen = products[lags[:, 0], lags[:, 1]] / count[:, None, None]
    true = np.linalg.solve(_expected(), seen.reshape(len(lags), -1)).reshape(seen.shape)
    out = np.zeros((2 * LAG + 1, 2 * LAG + 1, channels, channels))
    out[LAG + lags[:, 0], LAG + lags[:, 1]] = true
    out[LAG - lags[:, 0], LAG - lags[:, 1]] = true
    return out


def kept_share(correlation: F64) -> float:
    """How much of the variance of grain with this autocorrelation [2 LAG + 1, 2 LAG + 1] is left in residuals."""
    lags = _lags()
    return float(_expected()[0] @ correlation[LAG + lags[:, 0], LAG + lags[:, 1]])


def spread_of_variance(correlation: F64) -> float:
    """Standard deviation of one patch's variance over its mean, for Gaussian grain with this autocorrelation."""
    return float(np.sqrt(2 * (correlation**2).sum() / (PATCH * PATCH - 6)))

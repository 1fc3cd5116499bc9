"""The membrane: what is off around a region, carried smoothly across it (Farbman et al., "Coordinates for Instant Image
Cloning", SIGGRAPH 2009, after Perez et al., "Poisson Image Editing", SIGGRAPH 2003)."""

from __future__ import annotations

import cv2
import numpy as np

from composer.comp.layer import F32


def membrane(off: F32, alpha: F32, rim_px: float) -> F32:
    """`off` [h, w, 3] where nothing is taken, and inside the region the smoothest surface that meets it there: a Laplace
    equation. What surrounds the region is averaged first, or its grain would be drawn across it."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    free = (alpha <= 0).astype(np.float32)
    near = cv2.GaussianBlur(off * free[..., None], (0, 0), rim_px) / np.maximum(
        cv2.GaussianBlur(free, (0, 0), rim_px)[..., None], 1e-6
    )
    if free.all() or not free.any():
        return near if free.any() else np.zeros_like(off)
    inside = alpha > 0
    number = np.full(alpha.shape, -1, np.int64)
    number[inside] = np.arange(inside.sum())
    y, x = np.nonzero(inside)
    own, rows, columns = np.zeros(len(y)), [], []
    known = np.zeros((len(y), 3))
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        v, u = y + dy, x + dx
        there = (v >= 0) & (u >= 0) & (v < alpha.shape[0]) & (u < alpha.shape[1])
        own += there
        v, u = np.clip(v, 0, alpha.shape[0] - 1), np.clip(u, 0, alpha.shape[1] - 1)
        other = number[v, u]
        joined = there & (other >= 0)
        rows.append(np.flatnonzero(joined))
        columns.append(other[joined])
        rim = there & (other < 0)
        known[rim] += near[v[rim], u[rim]]
    r, c, n = np.concatenate(rows), np.concatenate(columns), len(y)
    laplace = coo_matrix((-np.ones(len(r)), (r, c)), (n, n)).tocsc()
    laplace.setdiag(own + 1e-9)
    out = near.copy()
    out[inside] = splu(laplace.tocsc()).solve(known).astype(np.float32)
    return out

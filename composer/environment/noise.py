"""Gradient noise in numpy, the same on every machine: values follow from whole-numbered cells and a seed.

Source: Perlin, "Improving noise" (SIGGRAPH 2002); lattice gradients hashed instead of permuted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.crowd.seeds import _mix

F64 = NDArray[np.float64]


def _hash(cells: list[NDArray[np.int64]], seed: int) -> NDArray[np.uint32]:
    with np.errstate(over="ignore"):
        h = _mix(np.full(cells[0].shape, (seed * 0x9E3779B1 + 0x27D4EB2F) & 0xFFFFFFFF, np.uint32))
        for cell, prime in zip(cells, (0x85EBCA77, 0xC2B2AE3D, 0x165667B1), strict=False):
            h = _mix(h ^ ((cell & 0xFFFFFFFF).astype(np.uint32) * np.uint32(prime)))
    return h


def _fade(t: F64) -> F64:
    return t * t * t * (t * (t * 6 - 15) + 10)


def noise2(x: F64, y: F64, seed: int) -> F64:
    """About -1..1, the shape of x; one cell a unit."""
    i, j = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    u, v = x - i, y - j
    total = np.zeros(x.shape)
    for b in (0, 1):
        for a in (0, 1):
            turn = _hash([i + a, j + b], seed).astype(np.float64) * (2 * np.pi / 2**32)
            along = np.cos(turn) * (u - a) + np.sin(turn) * (v - b)
            total += along * (_fade(u) if a else 1 - _fade(u)) * (_fade(v) if b else 1 - _fade(v))
    return total * 1.45


def noise3(p: F64, seed: int) -> F64:
    """About -1..1 [N] at places [N, 3]."""
    cell = np.floor(p).astype(np.int64)
    f = p - cell
    total = np.zeros(len(p))
    for k in range(8):
        corner = np.array([k & 1, (k >> 1) & 1, k >> 2])
        h = _hash([cell[:, 0] + corner[0], cell[:, 1] + corner[1], cell[:, 2] + corner[2]], seed)
        z = (h & 0xFFFF).astype(np.float64) / 32767.5 - 1
        turn = (h >> 16).astype(np.float64) * (2 * np.pi / 65536)
        r = np.sqrt(np.maximum(1 - z * z, 0))
        way = np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)
        weight = np.where(corner, _fade(f), 1 - _fade(f)).prod(axis=1)
        total += (way * (f - corner)).sum(1) * weight
    return total * 1.5

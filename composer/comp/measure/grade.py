"""The colour match: what takes the colours of a layer to those of a region of the plate, in linear light.

Mean and covariance by the linear Monge-Kantorovich map (Pitie and Kokaram 2007; Reinhard et al. 2001 is its diagonal
kin): of all linear maps with the right outcome the one that moves colours least. Sliced optimal transport (Rabin et al.
2011) follows the whole distribution; here the affine map nearest to it is taken, because a matrix and an offset keep
premultiplied edges right.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from composer.comp.measure.measured import Found, nothing
from composer.comp.plate_look import Grade

F64 = NDArray[np.float64]

LEAST = 64
#: Where a layer has less spread than this part of its widest direction, it is not stretched further than so many times.
_THIN, _MOST_STRETCH = 0.02, 4.0
_MOST_PIXELS, _DIRECTIONS = 20_000, 96


def measure_grade(
    layer: F64, region: F64, method: Literal["covariance", "transport"] = "covariance", strength: float = 1.0
) -> Found[Grade]:
    """The grade from pixels of a layer [N, 3] (unpremultiplied) to those of the plate's region [M, 3], both ACEScg.
    strength: 0 nothing .. 1 the whole way."""
    layer, region = _clean(layer), _clean(region)
    fewest = min(len(layer), len(region))
    if fewest < LEAST:
        return nothing(f"grade: {fewest} pixels are too few; {LEAST} are needed", fewest)
    whole = _covariance(layer, region) if method == "covariance" else _transport(layer, region)
    left = _distance(layer @ whole.matrix.T + whole.offset, region)
    before = _distance(layer, region)
    told = f"grade: {method}, {len(layer)} pixels to {len(region)}; the distributions were {before:.3g} apart, are {left:.3g}"
    confidence = float(np.clip(fewest / 1000, 0, 1) * np.clip(1 - left / max(before, 1e-9), 0, 1))
    return Found(part_of(whole, strength), confidence, fewest, left, (told,))


def part_of(grade: Grade, strength: float) -> Grade:
    """So much of a grade: colours go so far along the straight way."""
    matrix = (1 - strength) * np.eye(3) + strength * grade.matrix
    return Grade(matrix, strength * grade.offset)


def _clean(rgb: F64) -> F64:
    rgb = np.asarray(rgb, dtype=np.float64).reshape(-1, 3)
    rgb = rgb[np.isfinite(rgb).all(axis=1)]
    # One glint must not steer a covariance
    rgb = np.minimum(rgb, 4 * np.percentile(rgb, 99, axis=0) + 1e-6) if len(rgb) else rgb
    return rgb[:: max(1, len(rgb) // _MOST_PIXELS)]


def _root(symmetric: F64, least: float) -> tuple[F64, F64]:
    """Square root of a covariance and its inverse; directions thinner than `least` count as that wide."""
    values, vectors = np.linalg.eigh(symmetric)
    values = np.maximum(values, least)
    return (vectors * np.sqrt(values)) @ vectors.T, (vectors / np.sqrt(values)) @ vectors.T


def _covariance(layer: F64, region: F64) -> Grade:
    a, b = np.cov(layer.T), np.cov(region.T)
    root, inverse = _root(a, _THIN**2 * max(float(np.trace(a)), 1e-12))
    middle, _ = _root(root @ b @ root, 0.0)
    matrix = inverse @ middle @ inverse
    values, vectors = np.linalg.eigh(matrix)
    matrix = (vectors * np.clip(values, 0.0, _MOST_STRETCH)) @ vectors.T
    return Grade(matrix, region.mean(axis=0) - matrix @ layer.mean(axis=0))


def _transport(layer: F64, region: F64) -> Grade:
    """The affine map nearest to where sliced transport takes each pixel."""
    moved, shares = layer.copy(), np.linspace(0.5, 99.5, 100)
    for turn in _turns(_DIRECTIONS // 3):
        along, wanted = moved @ turn, region @ turn
        step = np.empty_like(along)
        for axis in range(3):
            now, goal = np.percentile(along[:, axis], shares), np.percentile(wanted[:, axis], shares)
            now = now + np.arange(len(now)) * 1e-12
            step[:, axis] = np.interp(along[:, axis], now, goal) - along[:, axis]
        moved += step @ turn.T
    centre = layer - layer.mean(axis=0)
    spread = centre.T @ centre / len(layer)
    ridge = _THIN**2 * float(np.trace(spread)) + 1e-12
    across = centre.T @ (moved - moved.mean(axis=0)) / len(layer)
    # Ridge towards leaving colours as they are
    matrix = np.linalg.solve(spread + ridge * np.eye(3), across + ridge * np.eye(3)).T
    return Grade(matrix, moved.mean(axis=0) - matrix @ layer.mean(axis=0))


def _turns(count: int) -> list[F64]:
    """Orthonormal bases, the same on every machine."""
    rng = np.random.default_rng(20110)
    return [np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(count)]


def _distance(a: F64, b: F64) -> float:
    """Sliced Wasserstein distance of order 2 between two sets of colours."""
    shares = np.linspace(1, 99, 99)
    total = [
        np.mean((np.percentile(a @ t, shares, axis=0) - np.percentile(b @ t, shares, axis=0)) ** 2) for t in _turns(8)
    ]
    return float(np.sqrt(np.mean(total)))

"""Vignette: the same piece of ground seen at two distances from the picture's middle is darker where it lies further out.

Found from frames of a camera that moves, on the ground that all of them see, with every frame's exposure left free (Goldman and
Chen 2005, vignette and exposure calibration). A single picture can't tell a vignette from a scene that is darker at its rim, so
a locked camera gets no number.
"""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.comp.measure.measured import Found, LensSamples, nothing
from composer.comp.measure.sights import Sight, Sights, clipped
from composer.comp.plate_look import Vignette

F64 = NDArray[np.float64]

STEP, LEAST = 24, 400
#: Standard deviation that r^2 must change by between frames, and what the corner must lose to be told.
MOVES, SEEN, SIGMAS = 0.08, 0.03, 4.0
_FOLDS = 8


def measure_vignette(sights: Sights) -> tuple[Found[Vignette], LensSamples | None]:
    """The fall-off towards the corners, 1 + k0 r^2 + k1 r^4, and what it was found on."""
    if sights.locked:
        return nothing("vignette: a locked camera shows every place at one distance from the middle only"), None
    parts = [_seen_twice(a, b, sights.weights) for a, b in combinations(sights.frames, 2)]
    parts = [p for p in parts if len(p)]
    count = sum(map(len, parts))
    if count < LEAST:
        return nothing(
            f"vignette: {count} places on the ground are seen in two frames; {LEAST} are needed", count
        ), None
    pair = np.concatenate([np.full(len(p), i) for i, p in enumerate(parts)])
    radius, other, ratio = np.concatenate(parts).T
    moves = float((other**2 - radius**2).std())
    if moves < MOVES:
        why = f"vignette: places move by only {moves:.2f} of the corner's r^2 between frames; {MOVES} is needed"
        return nothing(why, count), None
    k, gains = _fit(radius, other, ratio, pair)
    evidence = LensSamples(radius, other, ratio - gains[pair])
    corners = []
    order = np.argsort(radius * 1e3 + other, kind="stable") % _FOLDS
    for fold in range(_FOLDS):
        kept = order != fold
        corners.append(_fit(radius[kept], other[kept], ratio[kept], pair[kept])[0].sum())
    rest = ratio - gains[pair] - _log_fall(k, other) + _log_fall(k, radius)
    # Places near each other err together: a block of the grid is worth one observation
    error = float(np.std(corners) * (_FOLDS - 1) / np.sqrt(_FOLDS) + np.std(rest) / np.sqrt(count / 16))
    loss = float(k.sum())
    told = f"vignette: the corners have {1 + loss:.2f} of the middle's light (+- {error:.2f}), from {count} places seen twice"
    outermost = float(np.percentile(np.concatenate([radius, other]), 98))
    if not (loss < -SEEN and -loss > SIGMAS * error):
        return Found(None, 0.0, count, error, (f"{told}: not enough to be told from the light itself",)), evidence
    confidence = float(np.clip(-loss / (8 * error), 0, 1) * np.clip(outermost / 0.8, 0, 1))
    return Found(Vignette(np.array([k[0], k[1], 0.0])), confidence, count, error, (told,)), evidence


def _log_fall(k: F64, radius: F64) -> F64:
    return np.log(np.maximum(1 + k[0] * radius**2 + k[1] * radius**4, 0.05))


def _seen_twice(a: Sight, b: Sight, weights: F64) -> F64:
    """[N, 3]: radius in a, radius in b, log of b's luminance over a's, of places that both see."""
    height, width = a.distance_m.shape
    ys, xs = np.mgrid[STEP // 2 : height : STEP, STEP // 2 : width : STEP]
    pixels = np.stack([xs.ravel() + 0.5, ys.ravel() + 0.5], axis=-1)
    rays = a.view.rays(pixels)
    unit = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    distance = a.distance_m[ys.ravel(), xs.ravel()].astype(np.float64)
    known = np.isfinite(distance) & ~a.held[ys.ravel(), xs.ravel()]
    places = a.view.position_m + unit[known] * distance[known, None]
    there, depth = b.view.project(places)
    fine = np.isfinite(there).all(axis=1) & (depth > 0)
    there = np.nan_to_num(there, nan=-1e6)
    edge = 8
    fine &= (there > edge).all(axis=1) & (there[:, 0] < width - edge) & (there[:, 1] < height - edge)
    index = np.clip(there.astype(int), 0, [width - 1, height - 1])
    reach = np.linalg.norm(places - b.view.position_m, axis=1)
    with np.errstate(invalid="ignore"):
        fine &= np.abs(b.distance_m[index[:, 1], index[:, 0]] / reach - 1) < 0.02
    fine &= ~b.held[index[:, 1], index[:, 0]]
    light_a, light_b = _soft(a, weights), _soft(b, weights)
    first = light_a[ys.ravel()[known], xs.ravel()[known]]
    second = light_b[index[:, 1], index[:, 0]]
    fine &= (first > 1e-3) & (second > 1e-3)
    middle, corner = np.array([width, height]) / 2, np.hypot(width, height) / 2
    radius = np.linalg.norm(pixels[known] - middle, axis=1) / corner
    other = np.linalg.norm(there - middle, axis=1) / corner
    return np.stack([radius, other, np.log(np.maximum(second, 1e-6) / np.maximum(first, 1e-6))], axis=1)[fine]


def _soft(sight: Sight, weights: F64) -> F64:
    """Luminance, smoothed over the error of the track; 0 where clipped."""
    soft = cv2.blur((sight.rgb.astype(np.float64) @ weights).astype(np.float32), (15, 15)).astype(np.float64)
    ended = cv2.blur(clipped(sight.rgb).astype(np.float32), (15, 15)) > 0
    return np.where(ended, 0.0, soft)


def _fit(radius: F64, other: F64, ratio: F64, pair: NDArray[np.int64]) -> tuple[F64, F64]:
    """k [2] and the gain of each pair (a logarithm), by Gauss and Newton with Tukey's weights."""
    pairs = int(pair.max()) + 1
    k, weight = np.zeros(2), np.ones(len(ratio))
    gains = np.array([np.median(ratio[pair == i]) if (pair == i).any() else 0.0 for i in range(pairs)])
    chosen = np.eye(pairs)[pair]
    for _ in range(25):
        fall_a, fall_b = np.exp(_log_fall(k, radius)), np.exp(_log_fall(k, other))
        rest = ratio - gains[pair] - np.log(fall_b / fall_a)
        scale = max(1.4826 * float(np.median(np.abs(rest))), 1e-4)
        weight = np.clip(1 - (rest / (4.7 * scale)) ** 2, 0, None) ** 2
        slope = np.stack([other ** (2 * n) / fall_b - radius ** (2 * n) / fall_a for n in (1, 2)], axis=1)
        jacobian = np.concatenate([slope, chosen], axis=1)
        # r^2 and r^4 are hard to tell apart: a little ridge keeps both small
        normal = (jacobian * weight[:, None]).T @ jacobian + np.diag([1e-2, 1e-2, *[1e-9] * pairs]) * len(ratio) * 0.1
        pull = (jacobian * weight[:, None]).T @ rest - np.concatenate([1e-3 * len(ratio) * k, np.zeros(pairs)])
        move = np.linalg.solve(normal, pull)
        k, gains = np.clip(k + move[:2], -0.9, 0.9), gains + move[2:]
    return k, gains

"""Depth that a model tells of one picture, brought to metres, and what of it stands up from the ground.

A model's depth is known but for scale and shift, and in inverse depth: 1 / z = scale * told + shift (Ranftl et al., "Towards
Robust Monocular Depth Estimation", PAMI 2022). Where the tracked camera sees the ground and solved points, z is known. Much of
the ground is hidden by what stands on it, so the fit is robust: RANSAC (Fischler and Bolles, 1981), then Tukey's biweight.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_SAMPLES = 24
#: Fewer of the samples than this on one line, and the model has not seen this ground.
LEAST_SHARE = 0.25
_TRIES = 400
_ROUNDS = 20
#: Inliers of a try: within this part of the told range.
_NEAR = 0.04
#: Tukey's biweight in standard deviations; and how many of those near and far of the ground must lie apart.
_CUT, _CLEAR = 3.0, 4.0
#: What stands is nearer than the ground by this part of its inverse depth, and by so many standard deviations.
STANDS, SURE = 0.03, 3.0


@dataclass(frozen=True)
class Alignment:
    """1 / z = scale * told + shift, 1/m. sigma: standard deviation of the inliers, 1/m. share: of the samples that fit."""

    scale: float
    shift: float
    sigma: float
    share: float
    samples: int

    def inverse(self, told: F32) -> F32:
        """float32 [H, W], 1/m."""
        return (np.float32(self.scale) * told + np.float32(self.shift)).astype(np.float32)


def align(told: F64, known: F64, seed: int = 0) -> Alignment:
    """The scale and shift between what a model tells and inverse depths that are known.

    told: float64 [N], the model's, larger is nearer. known: float64 [N], 1/m. The noise is in `told`, so told = a * known + b is
    fitted and turned round: the other way about, noise would flatten the scale. Raises InputError where they do not fit.
    """
    sound = np.isfinite(told) & np.isfinite(known)
    told, known = told[sound], known[sound]
    if len(told) < LEAST_SAMPLES:
        raise InputError(
            "too little of the ground is seen to bring the model's depth to metres",
            expected=f"{LEAST_SAMPLES} samples of ground or solved points", got=str(len(told)),
        )  # fmt: skip
    spread = float(np.percentile(told, 98) - np.percentile(told, 2))
    deep = float(np.percentile(known, 98) - np.percentile(known, 2))
    if spread <= 0 or deep <= 1e-9:
        raise InputError(
            "the model's depth cannot be brought to metres", expected="ground that goes into depth",
            got="one depth all over" if deep <= 1e-9 else "a model that tells one depth all over",
        )  # fmt: skip
    slope, offset = _ransac(told, known, _NEAR * spread, np.random.default_rng(seed))
    scatter = _NEAR * spread
    for _ in range(_ROUNDS):
        away = told - slope * known - offset
        # what hides the ground is nearer than it: the noise is read off the other side
        beyond = -away[(away < 0) & (away > -3 * scatter)]
        if len(beyond) >= LEAST_SAMPLES // 4:
            scatter = float(np.clip(1.4826 * np.median(beyond), 1e-9 * spread, scatter))
        before = slope
        slope, offset = _line(known, told, np.maximum(0, 1 - (away / (_CUT * scatter)) ** 2) ** 2)
        if abs(slope - before) < 1e-7 * abs(slope):
            break
    share = float((np.abs(told - slope * known - offset) < max(3 * scatter, 0.01 * spread)).mean())
    if slope <= 0 or share < LEAST_SHARE or slope * deep < _CLEAR * scatter:
        raise InputError(
            "the model's depth does not fit the camera's ground",
            expected=f"{100 * LEAST_SHARE:.0f} % of {len(told)} samples on one line",
            got=f"{100 * share:.0f} %, scattered" if slope > 0 else "near and far the other way round",
            hint="give holdouts a depth sequence or a matte",
        )
    return Alignment(1 / slope, -offset / slope, scatter / slope, share, len(told))


def _ransac(told: F64, known: F64, near: float, rng: np.random.Generator) -> tuple[float, float]:
    """told = slope * known + offset, through the two samples that most others agree with."""
    first, second = (rng.integers(0, len(told), _TRIES) for _ in range(2))
    apart = known[first] - known[second]
    keep = np.abs(apart) > 1e-3 * np.ptp(known)
    first, second, apart = first[keep], second[keep], apart[keep]
    slopes = (told[first] - told[second]) / apart
    offsets = told[first] - slopes * known[first]
    some = rng.permutation(len(told))[:2000]
    away = np.abs(told[some] - slopes[:, None] * known[some] - offsets[:, None])
    votes = np.where(slopes > 0, np.maximum(0, 1 - (away / near) ** 2).sum(axis=1), 0)
    best = int(votes.argmax())
    return float(slopes[best]), float(offsets[best])


def _line(x: F64, y: F64, weight: F64) -> tuple[float, float]:
    """Weighted least squares y = slope x + offset."""
    total = weight.sum()
    mx, my = (weight * x).sum() / total, (weight * y).sum() / total
    slope = (weight * (x - mx) * (y - my)).sum() / max((weight * (x - mx) ** 2).sum(), 1e-30)
    return float(slope), float(my - slope * mx)


def standing(inverse: F32, ground_m: F32, sigma: float) -> tuple[Mask, F32]:
    """What stands up from the ground or hangs over it: bool [H, W], and its depth float32 [H, W] in metres, inf elsewhere.

    inverse: float32 [H, W], 1/m. ground_m: float32 [H, W], inf where there is none. sigma: of inverse, 1/m.
    """
    with np.errstate(divide="ignore"):
        floor = np.where(np.isfinite(ground_m) & (ground_m > 0), 1 / ground_m, 0).astype(np.float32)
    there = inverse > floor * np.float32(1 + STANDS) + np.float32(SURE * sigma)
    depth = np.full(inverse.shape, np.inf, dtype=np.float32)
    depth[there] = 1 / inverse[there]
    return there, depth


def filled_depth(depth_m: F32, there: Mask) -> F32:
    """float32 [H, W]: where something is there and has no depth (a refined edge reaches beyond), that of the nearest pixel which
    has one; inf where nothing is."""
    known = np.isfinite(depth_m)
    if not known.any() or not (there & ~known).any():
        return np.where(there, depth_m, np.float32(np.inf)).astype(np.float32)
    _, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_label = np.zeros(int(label.max()) + 1, dtype=np.float32)
    of_label[label[known]] = depth_m[known]
    return np.where(there, of_label[label], np.float32(np.inf)).astype(np.float32)

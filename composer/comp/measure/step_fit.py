"""Blurred steps: a bright and a dark side, and between them a Gaussian's integral, fitted to many small patches at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

F64 = NDArray[np.float64]

#: Half a patch's side.
HALF = 6
SIDE = 2 * HALF + 1
_STEPS = 18
#: After so many steps, what still leaves this much of its rise is no edge: it is not fitted further.
_LOOK, _HOPELESS = 6, 0.2


@dataclass(frozen=True)
class Steps:
    """N steps. low: the dark side's level [N]. rise: how much brighter the other is. offset_px: where the step is along
    its normal, from the patch's middle. sigma_px: its spread. angle_rad: of the normal, towards the bright side.
    residual: rms of the fit over the rise."""

    low: F64
    rise: F64
    offset_px: F64
    sigma_px: F64
    angle_rad: F64
    residual: F64


def offsets() -> tuple[F64, F64, F64]:
    """x, y [P] of a patch's pixels from its middle, and their weight: a disc."""
    y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1].astype(np.float64)
    weight = np.clip(HALF + 0.5 - np.hypot(x, y), 0.0, 1.0)
    return x.ravel(), y.ravel(), weight.ravel()


def fit_steps(patches: F64, angle_rad: F64, turn: bool = True, start: Steps | None = None) -> Steps:
    """Least squares by Levenberg and Marquardt, all patches [N, SIDE * SIDE] at once. angle_rad [N]: a first guess,
    which stays where `turn` is False."""
    x, y, weight = offsets()
    n = len(patches)
    lowest, highest = np.percentile(patches, [10, 90], axis=1)
    p = np.stack([lowest, highest - lowest, np.zeros(n), np.full(n, 1.0), angle_rad.astype(np.float64)], axis=1)
    if start is not None:
        p[:, 2], p[:, 3] = start.offset_px, start.sigma_px
    free = 5 if turn else 4
    damp = np.full(n, 1e-2)
    _descend(p, patches, damp, free, _LOOK)
    left = np.sqrt(_cost(p, patches, x, y, weight) / (weight**2).sum()) / np.maximum(np.abs(p[:, 1]), 1e-12)
    hope = left < _HOPELESS
    going, still = p[hope], damp[hope]
    _descend(going, patches[hope], still, free, _STEPS - _LOOK)
    p[hope] = going
    rms = np.sqrt(_cost(p, patches, x, y, weight) / (weight**2).sum())
    return Steps(p[:, 0], p[:, 1], p[:, 2], p[:, 3], p[:, 4], rms / np.maximum(np.abs(p[:, 1]), 1e-12))


def _descend(p: F64, patches: F64, damp: F64, free: int, steps: int) -> None:
    """So many steps of Levenberg and Marquardt, in place: parameters p [N, 5] and damping [N]."""
    x, y, weight = offsets()
    cost = _cost(p, patches, x, y, weight)
    for _ in range(steps):
        model, jacobian = _model(p, x, y)
        jacobian = jacobian[..., :free] * weight[:, None]
        rest = (patches - model) * weight
        normal = np.einsum("npi,npj->nij", jacobian, jacobian, optimize=True)
        gradient = np.einsum("npi,np->ni", jacobian, rest, optimize=True)
        normal += np.einsum("n,ni,ij->nij", damp, normal.diagonal(axis1=1, axis2=2) + 1e-12, np.eye(free))
        move = np.linalg.solve(normal, gradient[..., None])[..., 0]
        tried = p.copy()
        tried[:, :free] += move
        tried[:, 2] = np.clip(tried[:, 2], -HALF, HALF)
        tried[:, 3] = np.clip(tried[:, 3], 0.15, HALF)
        better_cost = _cost(tried, patches, x, y, weight)
        better = better_cost < cost
        p[better], cost[better] = tried[better], better_cost[better]
        damp *= np.where(better, 0.3, 8.0)


def _cost(p: F64, patches: F64, x: F64, y: F64, weight: F64) -> F64:
    along = np.cos(p[:, 4:5]) * x + np.sin(p[:, 4:5]) * y
    model = p[:, :1] + p[:, 1:2] * ndtr((along - p[:, 2:3]) / p[:, 3:4])
    return (((patches - model) * weight) ** 2).sum(axis=1)


def _model(p: F64, x: F64, y: F64) -> tuple[F64, F64]:
    """The steps [N, P] and their derivatives [N, P, 5]."""
    cos, sin = np.cos(p[:, 4:5]), np.sin(p[:, 4:5])
    t = (cos * x + sin * y - p[:, 2:3]) / p[:, 3:4]
    step, bell = ndtr(t), np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi)
    slope = p[:, 1:2] * bell / p[:, 3:4]
    turned = slope * (cos * y - sin * x)
    return p[:, :1] + p[:, 1:2] * step, np.stack([np.ones_like(t), step, -slope, -slope * t, turned], axis=-1)

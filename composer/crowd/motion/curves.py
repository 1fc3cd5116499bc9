"""Smooth periodic curves through keys, and the rotations that the rig is built from. All float64, one row a sample."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]


def periodic(keys: Mapping[float, float | tuple[float, ...]], at: F64) -> F64:
    """A curve of period 1 through `keys` (phase in [0, 1): value), at the phases `at` [S]; -> [S] or [S, C].

    Cubic Hermite with limited slopes: it never overshoots a key, and equal neighbours hold still between them.
    """
    phase = np.array(sorted(keys), np.float64)
    value = np.array([keys[p] for p in sorted(keys)], np.float64)
    flat = value.reshape(len(phase), -1)
    if len(phase) == 1:
        out = np.repeat(flat, len(at), axis=0)
        return out[:, 0] if value.ndim == 1 else out
    step = np.diff(np.append(phase, phase[0] + 1.0))[:, None]
    secant = (np.roll(flat, -1, axis=0) - flat) / step
    before, step_before = np.roll(secant, 1, axis=0), np.roll(step, 1, axis=0)
    slope = (before * step + secant * step_before) / (step + step_before)
    limit = 3.0 * np.minimum(np.abs(before), np.abs(secant))
    slope = np.where(before * secant <= 0.0, 0.0, np.clip(slope, -limit, limit))
    where = np.mod(at - phase[0], 1.0)
    i = np.clip(np.searchsorted(phase - phase[0], where, side="right") - 1, 0, len(phase) - 1)
    h = step[i]
    t = (where - (phase - phase[0])[i])[:, None] / h
    j = (i + 1) % len(phase)
    out = (
        (2 * t**3 - 3 * t**2 + 1) * flat[i]
        + (t**3 - 2 * t**2 + t) * h * slope[i]
        + (3 * t**2 - 2 * t**3) * flat[j]
        + (t**3 - t**2) * h * slope[j]
    )
    return out[:, 0] if value.ndim == 1 else out


def blur_periodic(values: F64, width: float) -> F64:
    """`values` [S] smoothed with a Gaussian of `width` cycles."""
    count = len(values)
    offset = (np.arange(count) + count // 2) % count - count // 2
    kernel = np.exp(-0.5 * (offset / (width * count)) ** 2)
    return np.real(np.fft.ifft(np.fft.fft(values) * np.fft.fft(kernel / kernel.sum())))


def smooth_step(low: float, high: float, x: ArrayLike) -> F64:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((np.asarray(x, np.float64) - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def unit(v: F64) -> F64:
    """Vectors [..., 3] at length 1."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def turned(deg: F64) -> F64:
    """Rotation matrices [S, 3, 3] from (yaw, lean, tilt) in degrees [S, 3].

    yaw turns to the left, lean bends forward (to -Z), tilt bends to the right (to +X); tilt first, then lean, then yaw.
    """
    yaw, lean, tilt = np.radians(deg.T)
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    cy, sy = np.cos(yaw), np.sin(yaw)
    cl, sl = np.cos(-lean), np.sin(-lean)
    ct, st = np.cos(-tilt), np.sin(-tilt)
    about_y = np.array([[cy, zero, sy], [zero, one, zero], [-sy, zero, cy]])
    about_x = np.array([[one, zero, zero], [zero, cl, -sl], [zero, sl, cl]])
    about_z = np.array([[ct, -st, zero], [st, ct, zero], [zero, zero, one]])
    return np.einsum("ijs,jks,kls->sil", about_y, about_x, about_z)


def frames(along: F64, beside: F64) -> F64:
    """Rotations [S, 3, 3] with columns: unit `along`, `beside` made square to it, and their cross product."""
    a = unit(along)
    b = unit(beside - a * np.sum(a * beside, axis=-1, keepdims=True))
    return np.stack([a, b, np.cross(a, b)], axis=-1)


def quaternions(m: F64) -> F64:
    """Unit quaternions (x, y, z, w) [..., 4] of rotation matrices [..., 3, 3], w >= 0."""
    d = np.stack([m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], axis=-1)
    trace = d.sum(-1)
    square = np.stack(
        [
            1 + d[..., 0] - d[..., 1] - d[..., 2],
            1 - d[..., 0] + d[..., 1] - d[..., 2],
            1 - d[..., 0] - d[..., 1] + d[..., 2],
            1 + trace,
        ],
        axis=-1,
    )
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    x2, y2, z2, w2 = np.moveaxis(square, -1, 0)
    rows = np.stack(
        [
            np.stack([x2, xy, xz, a], -1),
            np.stack([xy, y2, yz, b], -1),
            np.stack([xz, yz, z2, c], -1),
            np.stack([a, b, c, w2], -1),
        ],
        axis=-2,
    )
    best = np.argmax(square, axis=-1)
    q = unit(np.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :])
    return np.where(q[..., 3:] < 0.0, -q, q)


def multiplied(a: F64, b: F64) -> F64:
    """Quaternion products [..., 4] (x, y, z, w): b first, then a."""
    av, aw, bv, bw = a[..., :3], a[..., 3:], b[..., :3], b[..., 3:]
    return np.concatenate([aw * bv + bw * av + np.cross(av, bv), aw * bw - (av * bv).sum(-1, keepdims=True)], axis=-1)


def rotated(q: F64, v: F64) -> F64:
    """v [..., 3] turned by q [..., 4]."""
    t = 2.0 * np.cross(q[..., :3], v)
    return v + q[..., 3:] * t + np.cross(q[..., :3], t)

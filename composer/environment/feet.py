"""Dust that people raise: puffs that were left on the ground where they ran, each older, wider and thinner than the next.

A puff stays where it was raised and goes with the wind; puffs are let go at whole steps of time (of the shot's own frames),
so what a frame shows does not depend on which frames are rendered.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.environment.volumes import Feet

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Steps a second at which puffs are let go.
STEPS_S = 8.0
#: Nobody further from the camera than this raises dust that is seen.
REACH_M = 260.0
#: Slower than this raises nothing; at the speed of a run it is 1.
STILL_M_S, RUN_M_S = 0.5, 3.5
#: What one runner raises a second: square metres, seen from above, that it would wholly hide (as optical depth 1).
RAISED_M2_S = 0.30
MOST_CELLS = 90_000
CELLS_M = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
LEVELS = 12


@dataclass(frozen=True)
class Puffs:
    """What was raised at one step. place_m: float64 [K, 2] (x, z); amount: float64 [K], square metres; age_s."""

    place_m: F64
    amount: F64
    age_s: float


@dataclass(frozen=True)
class Raised:
    """corner_m: (x, z) of the first cell's middle. extinction: float32 [LEVELS, nz, nx], a metre, at heights of `top_m` times the
    square of even steps."""

    corner_m: tuple[float, float]
    cell_m: float
    top_m: float
    extinction: F32


def step_frames(frame: int, feet: Feet, frame_rate: float) -> tuple[int, ...]:
    """The frames at which what hangs at `frame` was let go, the youngest first; and the one before them, for speed."""
    every = max(1, round(frame_rate / STEPS_S))
    last = frame // every * every
    many = int(np.ceil(feet.linger_s * frame_rate / every)) + 1
    return tuple(last - k * every for k in range(many + 1))


def puffs_of(
    place_m: F64, frames: tuple[int, ...], frame: int, feet: Feet, frame_rate: float, weight: F64
) -> list[Puffs]:
    """place_m: float64 [F, N, 2] at `frames` of `step_frames`. weight: float64 [N], 1 for a man."""
    out = []
    for k in range(len(frames) - 1):
        passed = (frames[k] - frames[k + 1]) / frame_rate
        age = (frame - frames[k]) / frame_rate
        way = np.linalg.norm(place_m[k] - place_m[k + 1], axis=1)
        speed = way / passed
        share = np.clip((speed - STILL_M_S) / (RUN_M_S - STILL_M_S), 0, 2) ** 1.5
        share[speed > 25.0] = 0  # put elsewhere, not run
        life = np.clip(1 - age / feet.linger_s, 0, 1)
        fresh = min(1.0, (age + 0.5 / STEPS_S) / 0.25)
        amount = feet.strength * RAISED_M2_S * passed * weight * share * fresh * life**1.5
        who = (amount > 0) & np.isfinite(place_m[k]).all(axis=1)
        if who.any():
            drift = np.array(feet.wind_m_s) * 0.7 * age
            out.append(Puffs(place_m[k][who] + drift, amount[who], age))
    return out


def cell_for(extent_m: tuple[float, float]) -> float:
    """The cell that a shot's crowd needs: the same in all its frames."""
    for cell in CELLS_M:
        if extent_m[0] * extent_m[1] / cell**2 <= MOST_CELLS:
            return cell
    return CELLS_M[-1]


def raised(puffs: list[Puffs], feet: Feet, cell_m: float, eye_m: F64) -> Raised | None:
    """The dust that hangs, on a grid of the world's own cells; None where there is none."""
    near = []
    for one in puffs:
        close = np.hypot(one.place_m[:, 0] - eye_m[0], one.place_m[:, 1] - eye_m[2]) < REACH_M
        if close.any():
            near.append(Puffs(one.place_m[close], one.amount[close], one.age_s))
    if not near:
        return None
    every = np.concatenate([one.place_m for one in near])
    pad = 2 + int(np.ceil(3 * _spread(feet.linger_s) / cell_m))
    low = np.floor(every.min(0) / cell_m).astype(int) - pad
    high = np.ceil(every.max(0) / cell_m).astype(int) + pad
    nx, nz = (int(v) for v in high - low + 1)
    top = feet.height_m * 3.6
    level = top * (np.arange(LEVELS) / (LEVELS - 1)) ** 2
    out = np.zeros((LEVELS, nz, nx), np.float32)
    for one in near:
        flat = _laid(one, low * cell_m, cell_m, (nx, nz))
        spread = _spread(one.age_s) / cell_m
        flat = cv2.GaussianBlur(flat, (0, 0), max(spread, 0.6), borderType=cv2.BORDER_CONSTANT)
        tall = feet.height_m * (0.30 + 0.7 * min(one.age_s / 1.6, 1.0))
        share = np.exp(-level / tall) / tall * np.clip((1 - level / top) / 0.3, 0, 1)
        for k in range(LEVELS):
            if share[k] > 1e-5:
                cv2.scaleAdd(flat, float(share[k]), out[k], out[k])
    out[:, out[0] < 1e-5] = 0
    return Raised((float(low[0] * cell_m), float(low[1] * cell_m)), cell_m, top, out)


def _spread(age_s: float) -> float:
    """Sigma of a puff, metres."""
    return 0.35 + 0.42 * float(np.sqrt(age_s))


def _laid(one: Puffs, corner: F64, cell: float, size: tuple[int, int]) -> F32:
    """float32 [nz, nx]: the puffs on the grid, optical depth seen from above; each shared among the four cells around it."""
    nx, nz = size
    g = (one.place_m - corner) / cell
    i = np.floor(g).astype(np.int64)
    f = g - i
    flat = np.zeros(nx * nz)
    for b in (0, 1):
        for a in (0, 1):
            w = (f[:, 0] if a else 1 - f[:, 0]) * (f[:, 1] if b else 1 - f[:, 1])
            flat += np.bincount((i[:, 1] + b) * nx + i[:, 0] + a, one.amount * w, minlength=nx * nz)
    return (flat / cell**2).reshape(nz, nx).astype(np.float32)

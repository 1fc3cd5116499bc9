"""Feet that stay where they are put: finds when a foot carries, holds it there, and bends the legs to match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.crowd.bvh import F64
from composer.crowd.motion.curves import unit
from composer.crowd.motion.feet import ANKLE_M, BALL_Z_M, HEEL_Z_M, TOE_Z_M
from composer.crowd.skeleton import JOINT, SKELETON

BIND = SKELETON.bind_m.astype(np.float64)
#: Sole points relative to the ankle, bind pose.
BALL, HEEL = np.array([0.0, -ANKLE_M, BALL_Z_M]), np.array([0.0, -ANKLE_M, HEEL_Z_M])
#: The tip of the toes relative to the toe joint.
_TIP = np.array([0.0, BALL[1] - (BIND[JOINT["r_toe"], 1] - BIND[JOINT["r_foot"], 1]), TOE_Z_M - BALL_Z_M])
_STRETCH = 0.9985
#: The ball of a foot that carries does not rise by more than this.
_ROLLING_M = 0.012
#: A foot that has left the ground is back at its own height after this.
_RELEASE_S = 0.12
#: Feet that travel through the air are at least this high, so that they do not seem to skid.
_SWING_M = 0.012
Spans = list[tuple[int, int]]


@dataclass
class Motion:
    """A figure in world space, F frames at `rate_hz`. turn: float64 [F, J, 3, 3]; place: float64 [F, J, 3]."""

    turn: F64
    place: F64
    rate_hz: float

    def carry(self) -> None:
        """Put every joint where its parent's turn carries it; the hips stay."""
        for j, p in enumerate(SKELETON.parent):
            if p >= 0:
                self.place[:, j] = self.place[:, p] + self.turn[:, p] @ (BIND[j] - BIND[p])

    def sole(self, side: str, point: F64) -> F64:
        """Where a sole point of a foot is, float64 [F, 3]."""
        foot = JOINT[f"{side}_foot"]
        return self.place[:, foot] + self.turn[:, foot] @ point


def smoothed(values: F64, rate_hz: float, seconds: float) -> F64:
    """A Gaussian over time (axis 0), ends repeated."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(values, max(seconds * rate_hz, 1e-3), axis=0, mode="nearest")


def contacts(ball: F64, rate_hz: float) -> Spans:
    """[first, last) frames in which the ball of a foot rests: slow for that foot, and low for its surroundings."""
    speed = np.linalg.norm(np.gradient(smoothed(ball, rate_hz, 0.02), axis=0), axis=1) * rate_hz
    slow = float(np.clip(0.22 * np.percentile(speed, 90), 0.15, 0.6))
    height = ball[:, 1]
    reach = max(1, round(0.6 * rate_hz))
    low = np.array([height[max(0, i - reach) : i + reach + 1].min() for i in range(len(height))])
    resting = (speed < slow) & (height < low + 0.06)
    spans = []
    for a, b in _spans(resting, round(0.05 * rate_hz)):
        down = a + np.flatnonzero(height[a:b] < np.percentile(height[a:b], 40) + _ROLLING_M)
        spans.append((int(down[0]), int(down[-1]) + 1))
    return [(a, b) for a, b in spans if b - a >= max(2, round(0.06 * rate_hz))]


def _spans(flags: NDArray[np.bool_], gap: int) -> Spans:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    spans = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    merged: Spans = []
    for a, b in spans:
        if merged and a - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], b)
        else:
            merged.append((a, b))
    return merged


def between(spans: Spans, values: F64, frames: int) -> F64:
    """[F, C]: `values` [len(spans), C] held in each span, eased from one to the next between them."""
    out = np.empty((frames, values.shape[1]))
    out[: spans[0][0]], out[spans[-1][0] :] = values[0], values[-1]
    for i, (a, b) in enumerate(spans):
        out[a:b] = values[i]
        if i + 1 < len(spans):
            gap = np.arange(b, spans[i + 1][0])
            t = (gap - b + 1) / (len(gap) + 1)
            t = (t * t * (3 - 2 * t))[:, None]
            out[gap] = values[i] * (1 - t) + values[i + 1] * t
    return out


def level_soles(motion: Motion, spans: dict[str, Spans]) -> None:
    """Turn each foot by one constant pitch so that it is flat when it rests whole."""
    for side in "rl":
        foot, toe = JOINT[f"{side}_foot"], JOINT[f"{side}_toe"]
        heel, ball = motion.sole(side, HEEL), motion.sole(side, BALL)
        speed = np.linalg.norm(np.gradient(heel, axis=0), axis=1) * motion.rate_hz
        resting = np.zeros(len(heel), dtype=bool)
        for a, b in spans[side]:
            resting[a:b] = True
        still = resting & (speed < 0.3)
        if still.sum() < 3:
            continue
        rise = np.median((heel - ball)[still, 1]) / (HEEL_Z_M - BALL_Z_M)
        pitch = float(np.clip(np.arcsin(np.clip(rise, -1, 1)), -0.4, 0.4))
        c, s = np.cos(pitch), np.sin(pitch)
        back = np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])
        motion.turn[:, foot] = motion.turn[:, foot] @ back
        motion.turn[:, toe] = motion.turn[:, toe] @ back


def plant(motion: Motion, spans: dict[str, Spans]) -> None:
    """Hold each ball on the ground where it rests, keep soles out of the ground, and let the legs follow."""
    targets = {}
    for side in "rl":
        foot, toe = JOINT[f"{side}_foot"], JOINT[f"{side}_toe"]
        ball = motion.sole(side, BALL)
        frames = len(ball)
        held = np.zeros(frames, dtype=bool)
        shift = np.zeros((frames, 3))
        if spans[side]:
            where = np.array([np.median(ball[a:b], axis=0) for a, b in spans[side]])
            where[:, 1] = 0.0
            for a, b in spans[side]:
                held[a:b] = True
            shift = _shift(ball, spans[side], where, motion.rate_hz)
        _unbury(motion, foot, toe, held, ball + shift)
        heel_to_ankle = -(motion.turn[:, foot] @ BALL)
        targets[side] = ball + shift + heel_to_ankle
        targets[side][:, 1] += _lift(motion, foot, toe, targets[side], _clearance(held, motion.rate_hz))
    _lower_hips(motion, targets)
    for side in "rl":
        _bend(motion, side, targets[side])
    motion.carry()


def _shift(ball: F64, spans: Spans, where: F64, rate_hz: float) -> F64:
    """[F, 3]: what holds the ball at `where` in each span, eased between spans; in height, only near them."""
    ends = [(ball[a] - w, ball[b - 1] - w) for (a, b), w in zip(spans, where, strict=True)]
    out = np.zeros_like(ball)
    for (a, b), w in zip(spans, where, strict=True):
        out[a:b] = w - ball[a:b]
    out[: spans[0][0]], out[spans[-1][1] :] = -ends[0][0], -ends[-1][1]
    for i in range(len(spans) - 1):
        gap = np.arange(spans[i][1], spans[i + 1][0])
        t = ((gap - gap[0] + 1) / (len(gap) + 1))[:, None]
        t = t * t * (3 - 2 * t)
        out[gap] = -ends[i][1] * (1 - t) - ends[i + 1][0] * t
        since, until = (gap - gap[0] + 1) / (_RELEASE_S * rate_hz), (gap[-1] + 1 - gap) / (_RELEASE_S * rate_hz)
        out[gap, 1] = -ends[i][1][1] * _fade(since) - ends[i + 1][0][1] * _fade(until)
    return out


def _fade(t: F64) -> F64:
    """1 at 0, 0 from 1 on, smooth."""
    t = np.clip(1 - t, 0, 1)
    return t * t * (3 - 2 * t)


def _unbury(motion: Motion, foot: int, toe: int, held: NDArray[np.bool_], ball: F64) -> None:
    """Pitch a foot that rests on its ball so that neither heel nor toes are under the ground."""
    heel = (motion.turn[:, foot] @ (HEEL - BALL))[:, 1]
    tip = (motion.turn[:, toe] @ _TIP)[:, 1]
    tip_base = (motion.turn[:, foot] @ (BIND[toe] - BIND[foot] - BALL))[:, 1]
    deep = np.where(held, np.minimum(heel, 0.0), 0.0) / (HEEL_Z_M - BALL_Z_M)
    motion.turn[:, foot] = _pitched(motion.turn[:, foot], np.arcsin(np.clip(deep, -1, 1)))
    short = np.minimum(tip + tip_base + np.where(held, 0.0, np.maximum(ball[:, 1], 0.0)), 0.0)
    motion.turn[:, toe] = _pitched(motion.turn[:, toe], -np.arcsin(np.clip(short / np.linalg.norm(_TIP), -1, 1)))


def _pitched(turn: F64, angle: F64) -> F64:
    """Rotations [F, 3, 3] after a turn by `angle` [F] about each one's own x axis (positive: toes up)."""
    c, s, o, z = np.cos(angle), np.sin(angle), np.ones_like(angle), np.zeros_like(angle)
    about_x = np.stack([np.stack(r, -1) for r in ((o, z, z), (z, c, -s), (z, s, c))], -2)
    return turn @ about_x


def _clearance(held: NDArray[np.bool_], rate_hz: float) -> F64:
    """How high a sole is at least, float64 [F]: growing with the time to the nearest frame in which the foot rests."""
    from scipy.ndimage import distance_transform_edt

    if not held.any():
        return np.zeros(len(held))
    away = distance_transform_edt(~held) / rate_hz
    return np.where(held, -np.inf, _SWING_M * (1 - _fade(away / _RELEASE_S)))


def _lift(motion: Motion, foot: int, toe: int, ankle: F64, clearance: F64) -> F64:
    """How far a foot at `ankle` is under its clearance, float64 [F] >= 0."""
    toe_at = motion.turn[:, foot] @ (BIND[toe] - BIND[foot])
    points = [motion.turn[:, foot] @ HEEL, motion.turn[:, foot] @ BALL, toe_at + motion.turn[:, toe] @ _TIP]
    lowest = np.min([ankle[:, 1] + p[:, 1] for p in points], axis=0)
    return np.maximum(clearance - lowest, 0.0)


def _lower_hips(motion: Motion, targets: dict[str, F64]) -> None:
    """Lower the hips, smoothly, where a leg could not reach its foot."""
    from scipy.ndimage import maximum_filter1d

    drop = np.zeros(len(motion.place))
    for side, ankle in targets.items():
        thigh, shin, foot = (JOINT[f"{side}_{n}"] for n in ("thigh", "shin", "foot"))
        length = np.linalg.norm(BIND[shin] - BIND[thigh]) + np.linalg.norm(BIND[foot] - BIND[shin])
        root = motion.place[:, thigh]
        flat = np.sum((root - ankle)[:, [0, 2]] ** 2, axis=1)
        top = ankle[:, 1] + np.sqrt(np.maximum((length * _STRETCH) ** 2 - flat, 1e-4))
        drop = np.maximum(drop, root[:, 1] - top)
    width = max(1, round(0.06 * motion.rate_hz))
    eased = smoothed(maximum_filter1d(drop, 2 * width + 1, mode="nearest"), motion.rate_hz, 0.03)
    motion.place[:, :, 1] -= np.maximum(eased, drop)[:, None]


def _bend(motion: Motion, side: str, ankle: F64) -> None:
    """Two-bone inverse kinematics: the ankle to `ankle` [F, 3], the knee in the plane where it was."""
    thigh, shin, foot = (JOINT[f"{side}_{n}"] for n in ("thigh", "shin", "foot"))
    a, b = BIND[shin] - BIND[thigh], BIND[foot] - BIND[shin]
    upper, lower = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    root = motion.place[:, thigh]
    old_a, old_b = unit(motion.turn[:, thigh] @ a), unit(motion.turn[:, shin] @ b)
    reach = ankle - root
    distance = np.clip(np.linalg.norm(reach, axis=1), abs(upper - lower) + 1e-3, (upper + lower) * 0.99999)
    along = unit(reach)
    bent = old_a * upper - along * np.sum(old_a * along, axis=1, keepdims=True) * upper
    ahead = -motion.turn[:, thigh, :, 2]
    pole = bent + 0.06 * (ahead - along * np.sum(ahead * along, axis=1, keepdims=True))
    cos = np.clip((upper**2 + distance**2 - lower**2) / (2 * upper * distance), -1, 1)
    knee = along * (upper * cos)[:, None] + unit(pole) * (upper * np.sqrt(1 - cos**2))[:, None]
    motion.turn[:, thigh] = swing(old_a, unit(knee)) @ motion.turn[:, thigh]
    motion.turn[:, shin] = swing(old_b, unit(along * distance[:, None] - knee)) @ motion.turn[:, shin]


def swing(start: F64, end: F64) -> F64:
    """The shortest rotations [..., 3, 3] from unit vectors to unit vectors [..., 3] (not for opposite ones)."""
    v = np.cross(start, end)
    c = np.sum(start * end, axis=-1)
    k = np.zeros((*v.shape[:-1], 3, 3))
    k[..., 0, 1], k[..., 0, 2], k[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    k[..., 1, 0], k[..., 2, 0], k[..., 2, 1] = v[..., 2], -v[..., 1], v[..., 0]
    return np.eye(3) + k + k @ k / np.maximum(1 + c, 1e-6)[..., None, None]

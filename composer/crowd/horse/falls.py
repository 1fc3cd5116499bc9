"""A rider who is struck down: he sinks over in the saddle, comes off to the right and lies on his back; the horse stays.

Out of what is there: the horse on the spot, the seated man, and the man's own clip that ends on his back. Played once.
"""

from __future__ import annotations

import numpy as np

from composer.crowd.agents import Clip
from composer.crowd.motion.curves import F64, multiplied, quaternions, rotated, smooth_step, turned
from composer.crowd.skeleton import SKELETON

DURATION_S = 1.7
#: Where he ends, from the horse's middle: right, back.
_BESIDE_M = (1.02, 0.25)
#: He slumps until here, has left the saddle here, hits the ground here, and is still from here on (shares of the clip).
_SLUMP, _OFF, _HIT, _STILL = 0.22, 0.42, 0.74, 0.86
#: Let go of on the way.
_CARRIED = ("spear", "sword", "shield")


def rider_falls(seated: Clip, lying: Clip, rig: int, samples: int = 60) -> Clip:
    """seated: a rider's clip on the spot, `MOUNTED`; lying: a man's clip that ends on his back."""
    t = np.linspace(0.0, 1.0, samples)
    men = len(SKELETON.names)
    at = np.round(t * (len(seated.rotation) - 1) * min(1.0, DURATION_S / seated.duration_s)).astype(int)
    rotation, place = seated.rotation[at].astype(np.float64), seated.position_m[at].astype(np.float64)
    end = lying.position_m[-1].astype(np.float64) + np.array([_BESIDE_M[0], 0.0, _BESIDE_M[1]])
    over = smooth_step(0.05, _HIT - 0.1, t)
    down = smooth_step(_OFF - 0.06, _STILL, t)
    # He leans over to the right while he goes, forward first.
    zero = np.zeros_like(t)
    lean = 34.0 * smooth_step(0.0, _SLUMP, t) * (1 - over)
    tilt = 78.0 * smooth_step(0.08, _OFF + 0.12, t)
    roll = quaternions(turned(np.stack([zero, lean, tilt], axis=-1))[:, None])[:, 0]
    start = multiplied(roll[:, None], rotation[:, :men])
    early = np.array([_leads(name) for name in SKELETON.names])
    share = np.clip(down[:, None] + early * over[:, None] * (1 - down[:, None]), 0.0, 1.0)
    rotation[:, :men] = _between(start, lying.rotation[-1].astype(np.float64)[None], share)
    hips = place[:, 0] * (1 - over[:, None]) + end[0] * over[:, None]
    # Off the saddle he falls as all things do, and is on the ground at _HIT.
    drop = np.clip((t - _OFF) / (_HIT - _OFF), 0.0, 1.0) ** 2
    sunk = 0.10 * smooth_step(0.0, _OFF, t)
    bounce = 0.05 * np.sin(np.pi * np.clip((t - _HIT) / (_STILL - _HIT), 0.0, 1.0))
    hips[:, 1] = (place[0, 0, 1] - sunk) * (1 - drop) + end[0, 1] * drop + bounce
    place[:, :men] = _hung(rotation[:, :men], hips)
    last = _hung(lying.rotation[-1:].astype(np.float64), end[None, 0])[0]
    place[:, :men] += down[:, None, None] * (end - last)  # what his own clip adds to his bones
    for name in _CARRIED:
        joint = SKELETON.names.index(name)
        first = seated.position_m[at[0], joint].astype(np.float64)
        fallen = np.clip((t - 0.12) / (_HIT - 0.12), 0.0, 1.0)
        way = np.stack([fallen, fallen**2, fallen], axis=-1)
        place[:, joint] = first + (end[joint] - first) * way
    return Clip("fall", DURATION_S, rotation.astype(np.float32), place.astype(np.float32), False, 0.0, rig)


def _leads(name: str) -> float:
    """How early a limb goes to where it will lie: legs come off the horse before the trunk is down."""
    part = name.split("_")[-1]
    return 0.75 if part in ("thigh", "shin", "foot", "toe") else 0.25


def _hung(rotation: F64, hips: F64) -> F64:
    """Places of the man's joints [S, J, 3] by their rotations, from the hips [S, 3] on."""
    bind = SKELETON.bind_m.astype(np.float64)
    place = np.empty((*rotation.shape[:2], 3))
    place[:, 0] = hips
    for joint in range(1, len(bind)):
        parent = int(SKELETON.parent[joint])
        place[:, joint] = place[:, parent] + rotated(rotation[:, parent], bind[joint] - bind[parent])
    return place


def _between(a: F64, b: F64, share: F64) -> F64:
    """From a to b [S, J, 4], by `share` [S, J]; the way round that is shorter half way through the clip, in all of it."""
    cos = np.sum(a * b, axis=-1, keepdims=True)
    b = np.where(cos[len(cos) // 2] < 0, -b, b)
    angle = np.arccos(np.clip(np.sum(a * b, axis=-1, keepdims=True), -1.0, 1.0))
    sin = np.maximum(np.sin(angle), 1e-6)
    s = share[..., None]
    mixed = np.where(angle < 1e-3, a + s * (b - a), (np.sin((1 - s) * angle) * a + np.sin(s * angle) * b) / sin)
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)

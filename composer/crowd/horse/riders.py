"""Clips of a man on his horse: seated, reins in the left fist or shield on the left arm, weapon in the right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from composer.crowd.agents import Clip
from composer.crowd.horse import gaits
from composer.crowd.horse.gaits import Gait, Hoof, HorsePose
from composer.crowd.motion.curves import F64, periodic, quaternions
from composer.crowd.motion.feet import FootTrack
from composer.crowd.motion.keys import STAND, Table, Value
from composer.crowd.motion.rig import Tracks, solve
from composer.crowd.skeleton import SKELETON

_SAMPLES = 60
_HIPS = SKELETON.bind_m[0].astype(np.float64)
#: Where a stirrup is, from the hips: out, down, forward.
_STIRRUP_M = (0.315, 0.665, 0.06)

_SEATED: Table = {
    "hips_m": (0.0, 0.0, 0.0),
    "hips_deg": (0.0, -2.0, 0.0),
    "spine_deg": (0.0, 3.0, 0.0),
    "r_hand_m": (0.36, 1.14, -0.24),
    "l_hand_m": (-0.13, 1.10, -0.36),
    "follow": (1.0, 1.0),
    "elbow_out": (0.3, 0.25),
    "spear_deg": (0.0, -4.0, 4.0),
    "spear_grip_m": 1.0,
    "sword_deg": (0.0, 24.0, 10.0),
    "shield_deg": (52.0, -4.0, 2.0),
    "cloak_deg": (24.0, 6.0),
}
_IDLE: Table = {
    **_SEATED,
    "spine_deg": {0.0: (2.0, 2.0, 0.0), 0.4: (-3.0, 0.5, 1.0), 0.7: (3.0, 3.0, -1.0)},
    "head_deg": {0.0: (-14.0, 0.0, 0.0), 0.3: (18.0, 2.0, 0.0), 0.6: (22.0, -2.0, 1.0), 0.8: (-8.0, 1.0, 0.0)},
}
_WALK: Table = {
    **_SEATED,
    "hips_m": {
        0.0: (0.010, 0.0, -0.012),
        0.25: (0.0, 0.004, 0.012),
        0.5: (-0.010, 0.0, -0.012),
        0.75: (0.0, 0.004, 0.012),
    },
    "hips_deg": {0.0: (2.0, -3.0, 1.5), 0.5: (-2.0, -3.0, -1.5)},
    "spine_deg": {0.0: (-3.0, 4.0, -1.5), 0.25: (0.0, 2.0, 0.0), 0.5: (3.0, 4.0, 1.5), 0.75: (0.0, 2.0, 0.0)},
}
_TROT: Table = {  # he rises to it
    **_SEATED,
    "hips_m": {0.0: (0.0, 0.0, 0.0), 0.17: (0.0, -0.005, 0.0), 0.5: (0.0, 0.055, -0.05), 0.67: (0.0, 0.060, -0.055)},
    "hips_deg": {0.0: (0.0, 2.0, 0.0), 0.5: (0.0, 12.0, 0.0)},
    "spine_deg": {0.0: (0.0, 6.0, 0.0), 0.5: (0.0, 4.0, 0.0)},
    "head_deg": {0.0: (0.0, -6.0, 0.0), 0.5: (0.0, -12.0, 0.0)},
    "cloak_deg": {0.0: (26.0, 14.0), 0.5: (30.0, 20.0)},
}
_CANTER: Table = {
    **_SEATED,
    "hips_m": {0.0: (0.0, 0.0, 0.02), 0.4: (0.0, 0.0, -0.03), 0.8: (0.0, 0.015, 0.01)},
    "hips_deg": {0.0: (0.0, -4.0, 0.0), 0.5: (0.0, 8.0, 0.0)},
    "spine_deg": {0.0: (0.0, 10.0, 0.0), 0.5: (0.0, 4.0, 0.0)},
    "head_deg": (0.0, -8.0, 0.0),
    "spear_deg": {0.0: (0.0, 22.0, 4.0), 0.5: (0.0, 18.0, 4.0)},
    "cloak_deg": {0.0: (44.0, 34.0), 0.5: (36.0, 48.0)},
}
_GALLOP: Table = {  # out of the saddle, spear couched
    **_SEATED,
    "hips_m": {0.0: (0.0, 0.075, -0.03), 0.3: (0.0, 0.06, -0.06), 0.7: (0.0, 0.085, -0.05)},
    "hips_deg": {0.0: (-6.0, 26.0, 0.0), 0.5: (-6.0, 30.0, 0.0)},
    "spine_deg": {0.0: (-6.0, 16.0, 0.0), 0.5: (-6.0, 12.0, 0.0)},
    "head_deg": (10.0, -34.0, 0.0),
    "r_hand_m": (0.33, 1.14, -0.16),
    "elbow_out": (0.55, 0.3),
    "spear_deg": {0.0: (-2.0, 84.0, 0.0), 0.5: (-2.0, 81.0, 0.0)},
    "spear_grip_m": 0.75,
    "sword_deg": {0.0: (0.0, 52.0, 8.0), 0.5: (0.0, 60.0, 8.0)},
    "cloak_deg": {0.0: (52.0, 50.0), 0.25: (46.0, 62.0), 0.5: (52.0, 50.0), 0.75: (46.0, 62.0)},
}
_BRACE: Table = {
    **_SEATED,
    "hips_deg": (-8.0, 6.0, 0.0),
    "spine_deg": {0.0: (-8.0, 8.0, 0.0), 0.5: (-8.0, 10.0, 0.0)},
    "head_deg": (16.0, -8.0, 0.0),
    "r_hand_m": (0.34, 1.18, -0.14),
    "elbow_out": (0.6, 0.4),
    "spear_deg": {0.0: (-2.0, 84.0, 0.0), 0.5: (-2.0, 82.0, 0.0)},
    "spear_grip_m": 0.75,
    "sword_deg": {0.0: (0.0, 40.0, 6.0), 0.5: (0.0, 44.0, 6.0)},
}
_STRIKE: Table = {
    **_SEATED,
    "hips_deg": {0.0: (-6.0, 0.0, 0.0), 0.28: (-16.0, -4.0, 0.0), 0.44: (12.0, 10.0, 6.0), 0.8: (-6.0, 0.0, 0.0)},
    "spine_deg": {
        0.0: (-6.0, 2.0, 0.0),
        0.28: (-24.0, -10.0, 4.0),
        0.44: (24.0, 22.0, 12.0),
        0.58: (22.0, 20.0, 12.0),
        0.86: (-6.0, 2.0, 0.0),
    },
    "head_deg": {0.0: (14.0, 4.0, 0.0), 0.28: (34.0, 8.0, 0.0), 0.44: (-24.0, 10.0, 6.0), 0.86: (14.0, 4.0, 0.0)},
    "r_hand_m": {
        0.0: (0.40, 1.42, -0.10),
        0.28: (0.40, 1.82, 0.16),
        0.44: (0.40, 1.24, -0.46),
        0.56: (0.36, 1.10, -0.36),
        0.86: (0.40, 1.40, -0.12),
    },
    "elbow_out": {0.0: (0.7, 0.3), 0.28: (0.9, 0.3), 0.44: (0.5, 0.3), 0.86: (0.7, 0.3)},
    "spear_deg": {
        0.0: (0.0, 80.0, 0.0),
        0.28: (4.0, 86.0, 0.0),
        0.44: (8.0, 116.0, 6.0),
        0.58: (8.0, 114.0, 6.0),
        0.86: (0.0, 80.0, 0.0),
    },
    "spear_grip_m": 1.0,
    "sword_deg": {
        0.0: (0.0, 16.0, 4.0),
        0.28: (0.0, -54.0, -8.0),
        0.36: (4.0, 30.0, 6.0),
        0.44: (12.0, 100.0, 24.0),
        0.58: (20.0, 128.0, 34.0),
        0.86: (0.0, 16.0, 4.0),
    },
}
_CHEER: Table = {
    **_SEATED,
    "hips_m": {0.0: (0.0, 0.0, 0.0), 0.5: (0.0, 0.05, -0.02)},
    "spine_deg": {0.0: (0.0, -4.0, 0.0), 0.5: (-6.0, -8.0, 0.0)},
    "head_deg": {0.0: (0.0, -10.0, 0.0), 0.5: (10.0, -18.0, 0.0)},
    "r_hand_m": {
        0.0: (0.34, 1.72, -0.06),
        0.25: (0.34, 1.92, -0.04),
        0.5: (0.34, 1.74, -0.06),
        0.75: (0.34, 1.94, -0.04),
    },
    "elbow_out": (0.8, 0.3),
    "spear_deg": {0.0: (0.0, 10.0, 6.0), 0.5: (0.0, 4.0, 10.0)},
    "sword_deg": {0.0: (0.0, 4.0, 6.0), 0.5: (0.0, -12.0, 12.0)},
}

#: The horse while it stands: weight shifts, ears and head, a swish of the tail.
_STILL = Gait(
    0.0, 8.0, 1.0, (0.0, 0.0, 0.0, 0.0), (0.0, 0.0),
    neck_deg={0.0: (-3.0, 4.0), 0.2: (8.0, 2.0), 0.4: (6.0, 14.0), 0.55: (-4.0, 2.0), 0.8: (-10.0, 6.0)},
    head_deg={0.0: (-4.0, 2.0), 0.2: (10.0, 4.0), 0.45: (0.0, -6.0), 0.5: (2.0, 10.0), 0.8: (-12.0, 2.0)},
    tail_deg={0.0: (2.0, 4.0), 0.30: (-4.0, 5.0), 0.36: (26.0, 10.0), 0.44: (-22.0, 8.0), 0.5: (4.0, 4.0)},
)  # fmt: skip
_WEARY = replace(
    _STILL,
    duration_s=9.0,
    neck_deg={0.0: (4.0, 26.0), 0.3: (2.0, 30.0), 0.6: (-6.0, 24.0), 0.7: (-8.0, 10.0), 0.85: (0.0, 20.0)},
    head_deg={0.0: (0.0, 6.0), 0.5: (4.0, 2.0), 0.72: (-10.0, 8.0)},
    tail_deg={0.0: (0.0, 3.0), 0.62: (0.0, 3.0), 0.68: (-24.0, 9.0), 0.76: (20.0, 8.0), 0.84: (-2.0, 3.0)},
)
_READY = replace(
    _STILL,
    duration_s=3.0,
    bob_m={0.0: 0.0, 0.5: 0.006},
    neck_deg={0.0: (0.0, -8.0), 0.3: (4.0, -4.0), 0.5: (2.0, -12.0), 0.8: (-4.0, -6.0)},
    head_deg={0.0: (0.0, 8.0), 0.4: (0.0, 14.0), 0.7: (0.0, 6.0)},
    tail_deg={0.0: (4.0, 12.0), 0.5: (-8.0, 16.0)},
)


def _tracks(table: Table, phase: F64) -> Tracks:
    def curve(value: Value | Mapping[float, Value]) -> F64:
        return periodic(value if isinstance(value, Mapping) else {0.0: value}, phase)

    channels = {name: curve(table.get(name, STAND[name])) for name in STAND}
    full = np.ones(len(phase))
    feet = []
    for side in (1.0, -1.0):
        out, down, ahead = _STIRRUP_M
        ankle = np.tile(_HIPS + np.array([side * out, -down, -ahead]), (len(phase), 1))
        pitch = np.radians(10.0) * full
        feet.append(FootTrack(ankle, pitch, pitch, np.radians(-side * 24.0) * full))
    return Tracks(**channels, r_foot=feet[0], l_foot=feet[1])


def _ridden(name: str, gait: Gait, hooves: Mapping[str, Hoof], table: Table, phase: F64) -> Clip:
    """The rider solved in his saddle, and his horse under him."""
    man = solve(name, gait.duration_s, _tracks(table, phase))
    horse: HorsePose = gaits.posed(gait, phase, hooves)
    count = len(SKELETON.names)
    shift = horse.seat - _HIPS
    place = horse.place.copy()
    place[:, :count] = man.position_m + shift[:, None]
    rotation = quaternions(horse.turn)
    rotation[:, :count] = man.rotation
    for s in range(1, len(phase)):
        back = np.sum(rotation[s] * rotation[s - 1], axis=-1) < 0.0
        rotation[s][back] *= -1.0
    return Clip(name, gait.duration_s, rotation.astype(np.float32), place.astype(np.float32), True, gait.stride_m, 1)


def rider_clips(rig: int = 1) -> tuple[Clip, ...]:
    """All of them, `idle` first, on `MOUNTED`. Names are those of the men's clips where a rider does the like."""
    phase = np.arange(_SAMPLES) / _SAMPLES
    hind = {"r_hind": {0.0: 0.0, 0.1: 1.0, 0.45: 1.0, 0.55: 0.0}}
    weary = {"l_hind": {0.0: 1.0, 0.62: 1.0, 0.72: 0.0, 0.9: 0.0, 0.98: 1.0}}
    clips = [
        _ridden("idle", _STILL, gaits.standing(phase, hind), _IDLE, phase),
        _ridden("idle_weary", _WEARY, gaits.standing(phase, weary), _IDLE, phase),
        _ridden("walk", gaits.WALK, gaits.stepping(gaits.WALK, phase), _WALK, phase),
        _ridden("trot", gaits.TROT, gaits.stepping(gaits.TROT, phase), _TROT, phase),
        _ridden("canter", gaits.CANTER, gaits.stepping(gaits.CANTER, phase), _CANTER, phase),
        _ridden("gallop", gaits.GALLOP, gaits.stepping(gaits.GALLOP, phase), _GALLOP, phase),
        _ridden("brace", _READY, gaits.standing(phase, {}), _BRACE, phase),
        _ridden("strike", replace(_READY, duration_s=1.5), gaits.standing(phase, {}), _STRIKE, phase),
        _ridden("cheer", replace(_READY, duration_s=2.2), gaits.standing(phase, {}), _CHEER, phase),
    ]
    called = {"march": "walk", "run": "gallop"}
    clips += [replace(next(c for c in clips if c.name == own), name=name) for name, own in called.items()]
    return tuple(replace(c, rig=rig) for c in clips)

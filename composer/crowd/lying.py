"""Those who are down: the dead in four poses, the wounded who sit or lie and move a little. For types that stay so all
through a shot; who falls during a shot falls by a clip of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from composer.crowd.agents import Clip, Mesh
from composer.crowd.motion.curves import F64, periodic, quaternions
from composer.crowd.motion.feet import FootTrack
from composer.crowd.motion.keys import STAND, Value
from composer.crowd.motion.rig import Tracks, solve
from composer.crowd.skeleton import JOINT, SKELETON

_SAMPLES = 24
#: Which clips the built-in kits of this kind play, one a variant.
INSTEAD: dict[str, tuple[str, ...]] = {
    "dead": ("dead_back", "dead_front", "dead_side", "dead_curled"),
    "wounded": ("wounded_sit", "wounded_lie"),
}

_Ankle = tuple[float, float, float]


@dataclass(frozen=True)
class _Down:
    """An upright pose (channels as in `keys.STAND`; ankles in metres, toes turned out by degrees) that is then laid
    down: turned by `pitch_deg` about x (90: on his back) and `roll_deg` about z (90: on his left side)."""

    channels: Mapping[str, Value | Mapping[float, Value]]
    ankles_m: tuple[_Ankle, _Ankle]
    toes_deg: tuple[float, float] = (-20.0, 20.0)
    sole_deg: tuple[float, float] = (0.0, 0.0)
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    duration_s: float = 4.0
    sunk_m: float = 0.015


_POSES: dict[str, _Down] = {
    "dead_back": _Down(
        {
            "r_hand_m": (0.62, 1.30, -0.03),
            "l_hand_m": (-0.42, 0.92, -0.02),
            "head_deg": (38.0, -6.0, 8.0),
            "spine_deg": (4.0, -6.0, 5.0),
            "elbow_out": (0.3, 0.3),
        },
        ((0.20, 0.12, 0.12), (-0.16, 0.26, 0.13)),
        (-38.0, 24.0),
        (35.0, 20.0),
        pitch_deg=90.0,
    ),
    "dead_front": _Down(
        {
            "r_hand_m": (0.34, 1.92, -0.14),
            "l_hand_m": (-0.40, 1.02, -0.10),
            "head_deg": (64.0, -4.0, 0.0),
            "spine_deg": (-6.0, 0.0, -8.0),
            "elbow_out": (0.8, 0.7),
        },
        ((0.16, 0.14, -0.02), (-0.16, 0.22, -0.01)),
        (-30.0, 40.0),
        (-62.0, -66.0),
        pitch_deg=-90.0,
    ),
    "dead_side": _Down(
        {
            "r_hand_m": (0.10, 1.30, -0.46),
            "l_hand_m": (-0.06, 1.50, -0.46),
            "head_deg": (10.0, 14.0, -16.0),
            "spine_deg": (6.0, 16.0, 0.0),
            "elbow_out": (0.2, 0.2),
        },
        ((0.04, 0.22, 0.02), (-0.07, 0.42, -0.26)),
        (-6.0, 6.0),
        (-30.0, -24.0),
        roll_deg=82.0,
        sunk_m=-0.02,
    ),
    "dead_curled": _Down(
        {
            "r_hand_m": (0.06, 1.10, -0.34),
            "l_hand_m": (-0.05, 1.22, -0.36),
            "head_deg": (-8.0, 28.0, 10.0),
            "spine_deg": (-8.0, 34.0, 0.0),
            "elbow_out": (0.3, 0.2),
        },
        ((0.10, 0.52, -0.14), (-0.10, 0.44, -0.06)),
        (-8.0, 8.0),
        (-40.0, -40.0),
        roll_deg=-84.0,
        sunk_m=-0.02,
    ),
    "wounded_sit": _Down(
        {
            "hips_m": (0.0, -0.815, 0.10),
            "hips_deg": (0.0, -12.0, 0.0),
            "spine_deg": {0.0: (-6.0, 26.0, 4.0), 0.5: (-6.0, 31.0, 5.0)},
            "head_deg": {0.0: (6.0, 26.0, 6.0), 0.4: (20.0, 18.0, 4.0), 0.7: (4.0, 30.0, 6.0)},
            "r_hand_m": {0.0: (0.12, 0.98, -0.28), 0.5: (0.12, 0.99, -0.28)},
            "l_hand_m": (-0.02, 1.05, -0.26),
            "follow": (1.0, 1.0),
            "elbow_out": (0.4, 0.4),
        },
        ((0.16, 0.09, -0.52), (-0.20, 0.09, -0.72)),
        (-12.0, 24.0),
        (0.0, 24.0),
        duration_s=5.0,
        sunk_m=-0.085,
    ),
    "wounded_lie": _Down(
        {
            "r_hand_m": {0.0: (0.16, 1.10, -0.22), 0.5: (0.17, 1.11, -0.23)},
            "l_hand_m": {0.0: (-0.52, 1.20, -0.08), 0.45: (-0.46, 1.34, -0.20), 0.7: (-0.52, 1.22, -0.08)},
            "head_deg": {0.0: (20.0, 8.0, 0.0), 0.4: (-10.0, 24.0, 0.0), 0.7: (24.0, 6.0, 0.0)},
            "spine_deg": {0.0: (0.0, 2.0, 0.0), 0.4: (0.0, 6.0, 0.0), 0.7: (0.0, 2.0, 0.0)},
            "elbow_out": (0.4, 0.4),
        },
        ((0.14, 0.44, 0.07), (-0.16, 0.10, 0.03)),
        (-10.0, 30.0),
        (-72.0, 30.0),
        pitch_deg=90.0,
        duration_s=6.0,
    ),
}


def _foot(ankle: _Ankle, toes_deg: float, sole_deg: float) -> FootTrack:
    full = np.ones(_SAMPLES)
    pitch = np.radians(sole_deg) * full
    return FootTrack(np.tile(np.array(ankle), (_SAMPLES, 1)), pitch, pitch, np.radians(toes_deg) * full)


def _clip(name: str, down: _Down) -> Clip:
    phase = np.arange(_SAMPLES) / _SAMPLES
    table = {**STAND, "cloak_deg": (0.0, 0.0), **down.channels}
    channels = {k: periodic(v if isinstance(v, Mapping) else {0.0: v}, phase) for k, v in table.items()}
    feet = [_foot(*f) for f in zip(down.ankles_m, down.toes_deg, down.sole_deg, strict=True)]
    upright = solve(name, down.duration_s, Tracks(**channels, r_foot=feet[0], l_foot=feet[1]))
    pitch, roll = np.radians(down.pitch_deg), np.radians(down.roll_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return laid(upright, about_z @ about_x)


def laid(clip: Clip, turn: F64) -> Clip:
    """The clip turned as a whole by `turn` [3, 3] about the hips, which stay over the figure's place."""
    place = clip.position_m @ turn.T
    place[..., [0, 2]] -= place[:1, :1, [0, 2]]
    x, y, z, w = quaternions(turn)
    a, b, c, d = np.moveaxis(clip.rotation.astype(np.float64), -1, 0)
    rotation = np.stack(
        [
            w * a + x * d + y * c - z * b,
            w * b - x * c + y * d + z * a,
            w * c + x * b - y * a + z * d,
            w * d - x * a - y * b - z * c,
        ],
        -1,
    )
    return replace(clip, rotation=rotation.astype(np.float32), position_m=place.astype(np.float32))


def settled(clip: Clip, mesh: Mesh, sunk_m: float) -> Clip:
    """The clip lifted or lowered so that the trunk of `mesh` lies on the ground, a little sunk in."""
    from composer.crowd.figure.measure import matrices
    from composer.crowd.figure.simplify import posed_m

    main = np.where(mesh.weight >= 0.5, mesh.joint[:, 0], mesh.joint[:, 1])
    body = np.isin(main, [JOINT[n] for n in ("hips", "spine", "chest")])
    phases = np.arange(0, len(clip.rotation), 4) / len(clip.rotation)
    low = float(posed_m(mesh, matrices(clip, SKELETON.bind_m, phases))[:, body, 1].min())
    shift = np.array([0.0, -low - sunk_m, 0.0], np.float32)
    return replace(clip, position_m=clip.position_m + shift)


def lying_clips(mesh: Mesh) -> tuple[Clip, ...]:
    """All of them, settled for the build of `mesh`."""
    return tuple(settled(_clip(name, down), mesh, down.sunk_m) for name, down in _POSES.items())

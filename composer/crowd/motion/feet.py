"""Where the feet are: planted steps for gaits, and feet that stay where they stand.

A foot is given by the point on the ground under its ankle, its pitch (toes up positive) and its yaw. It rolls about the
back edge of the heel when the toes are up and about the ball when the heel is up, so the part that carries never
slides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from composer.crowd.motion.curves import F64, periodic, smooth_step

#: Sole landmarks relative to the point under the ankle, z (metres; -z is forward).
HEEL_Z_M, BALL_Z_M, TOE_Z_M = 0.068, -0.137, -0.222
ANKLE_M = 0.088
BALL_HEIGHT_M = 0.016


@dataclass(frozen=True)
class Gait:
    """One foot's cycle; phase 0 is its first touch. The other foot is half a cycle later.

    stride_m: travel in a cycle. duty: share of the cycle on the ground. ahead_m: how far behind the middle of the
    stance
    lies (positive: the body leads). pitch_deg: keys over the cycle, toes up positive; must be 0 while flat.
    lift_m: extra height in mid swing. half_width_m: from the middle to each ankle. yaw_deg: toes out.
    """

    stride_m: float
    duty: float
    ahead_m: float
    pitch_deg: Mapping[float, float]
    lift_m: float
    half_width_m: float = 0.075
    yaw_deg: float = 6.0


@dataclass(frozen=True)
class FootTrack:
    """One foot over S samples. ankle_m [S, 3]; pitch, toe pitch and yaw in radians [S] (toes up, toes to the left)."""

    ankle_m: F64
    pitch_rad: F64
    toe_pitch_rad: F64
    yaw_rad: F64


def _pitched(z: F64 | float, y: F64 | float, pitch: F64) -> tuple[F64, F64]:
    """(z, y) of a point turned by `pitch` about the origin, toes (-z) going up."""
    return z * np.cos(pitch) + y * np.sin(pitch), -z * np.sin(pitch) + y * np.cos(pitch)


def place_foot(x: F64, y: F64, z: F64, pitch: F64, toe_follow: F64, yaw: F64) -> FootTrack:
    """A foot whose flat sole would be at (x, z) under the ankle, rolled by `pitch` (see the module's docstring).

    toe_follow [S]: 0 keeps the toes flat while the heel is up, 1 turns them with the foot. The lowest point of the
    sole is `y` above the ground.
    """
    pivot_z = np.where(pitch > 0.0, HEEL_Z_M, BALL_Z_M)
    pivot_y = np.where(pitch > 0.0, 0.0, BALL_HEIGHT_M)
    dz, dy = _pitched(-pivot_z, ANKLE_M - pivot_y, pitch)
    ankle_z, ankle_y = pivot_z + dz, pivot_y + dy
    toe_pitch = np.where(pitch > 0.0, pitch, pitch * toe_follow)
    low = np.zeros_like(y)
    for point_z, turn in ((HEEL_Z_M, pitch), (BALL_Z_M, toe_pitch), (TOE_Z_M, toe_pitch)):
        _, joint_y = _pitched(BALL_Z_M, BALL_HEIGHT_M - ANKLE_M, pitch)
        if point_z == HEEL_Z_M:
            _, from_ankle = _pitched(point_z, -ANKLE_M, pitch)
        else:
            _, beyond = _pitched(point_z - BALL_Z_M, -BALL_HEIGHT_M, turn)
            from_ankle = joint_y + beyond
        low = np.minimum(low, ankle_y + from_ankle)
    cy, sy = np.cos(yaw), np.sin(yaw)
    ankle = np.stack([x + sy * ankle_z, ankle_y + y - low, z + cy * ankle_z], axis=-1)
    return FootTrack(ankle, pitch, toe_pitch, yaw)


def stepping(gait: Gait, phase: F64, side: int) -> FootTrack:
    """The foot of `side` (+1 right, -1 left) through `gait`, in figure space: the ground runs back (+z) at stride
    speed."""
    u = np.mod(phase + (0.0 if side > 0 else 0.5), 1.0)
    first = -gait.stride_m * gait.duty / 2 + gait.ahead_m
    t = np.clip((u - gait.duty) / (1.0 - gait.duty), 0.0, 1.0)
    over = t**3 * (10.0 + t * (6.0 * t - 15.0))  # leaves and meets the ground at the ground's own speed
    z = first + gait.stride_m * (u - over)
    y = gait.lift_m * (4.0 * t * (1.0 - t)) ** 1.1
    follow = smooth_step(0.0, 0.35, t)
    pitch = np.radians(periodic(gait.pitch_deg, u))
    full = np.full_like(u, 1.0)
    return place_foot(full * side * gait.half_width_m, y, z, pitch, follow, full * np.radians(-side * gait.yaw_deg))


def standing(x_m: F64, z_m: F64, yaw_deg: F64, heel_up_deg: F64) -> FootTrack:
    """A foot that stands at (x, z) [S], turned by yaw (to the left), its heel lifted by some degrees about the ball."""
    return place_foot(x_m, np.zeros_like(x_m), z_m, -np.radians(heel_up_deg), np.zeros_like(x_m), np.radians(yaw_deg))

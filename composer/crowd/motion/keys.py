"""What a table of key poses is: channel -> value, or channel -> {phase in [0, 1): value}."""

from __future__ import annotations

from collections.abc import Mapping

Value = float | tuple[float, ...]
Table = Mapping[str, Value | Mapping[float, Value]]

#: A man at ease with spear grounded at his right and shield before his left side; clips change what differs.
STAND: dict[str, Value | Mapping[float, Value]] = {
    "hips_m": (0.0, -0.014, 0.0),
    "hips_deg": (0.0, 0.0, 0.0),
    "spine_deg": (0.0, 0.0, 0.0),
    "head_deg": (0.0, 0.0, 0.0),
    "shrug_deg": (0.0, 0.0),
    "r_hand_m": (0.315, 1.20, -0.275),
    "l_hand_m": (-0.255, 1.055, -0.265),
    "follow": (0.0, 1.0),
    "elbow_out": (0.28, 0.28),
    "spear_deg": (0.0, 0.0, 1.5),
    "spear_grip_m": 1.19,
    "sword_deg": (-14.0, 122.0, 6.0),
    "shield_deg": (22.0, -6.0, 0.0),
    "cloak_deg": (0.0, 0.0),
}

#: Feet of standing clips: (x, z, yaw left, heel up) for right and left, each a value or keys.
Stance = tuple[Mapping[float, Value] | Value, Mapping[float, Value] | Value]

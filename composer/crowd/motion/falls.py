"""Men who fall: one-shot clips that end on the ground, where the last pose is held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from composer.crowd.agents import F32, MATERIALS, Clip, Mesh
from composer.crowd.motion.curves import F64, multiplied, periodic, smooth_step, unit
from composer.crowd.motion.feet import FootTrack, place_foot
from composer.crowd.motion.keys import STAND, Table, Value
from composer.crowd.motion.rig import Tracks, solve
from composer.crowd.skeleton import JOINT, SKELETON

#: A foot's keys: (x, z, yaw left, toes up, height) at times 0..1.
FootKeys = Mapping[float, tuple[float, float, float, float, float]]
_CARRIED = ("spear", "sword", "shield", "cloak_upper", "cloak_lower")
#: The thickest builds sink into the ground by so much, so that the thinnest do not float.
_SINK_M = 0.03
#: What rests on the ground; a scabbard may sink into it.
_BODY = [MATERIALS.index(m) for m in ("skin", "hair", "tunic", "trousers")]


@dataclass(frozen=True)
class Fall:
    """Keys over times 0..1 of a clip played once."""

    duration_s: float
    table: Table
    r_foot: FootKeys
    l_foot: FootKeys
    lying: Mapping[float, Value]


_FROM: dict[str, Value] = {
    "hips_m": (0.0, -0.09, 0.03),
    "hips_deg": (-22.0, 6.0, 0.0),
    "spine_deg": (-4.0, 6.0, 0.0),
    "head_deg": (20.0, -6.0, 0.0),
    "shrug_deg": (10.0, 6.0),
    "r_hand_m": (0.37, 1.58, 0.02),
    "l_hand_m": (-0.14, 1.20, -0.34),
    "spear_deg": (4.0, 92.0, 0.0),
    "sword_deg": (0.0, 10.0, -6.0),
    "shield_deg": (6.0, -5.0, 0.0),
}
_R_FROM, _L_FROM = (0.15, 0.30, -36.0, 0.0, 0.0), (-0.12, -0.26, 4.0, 0.0, 0.0)


def _keys(name: str, later: Mapping[float, Value]) -> dict[float, Value]:
    return {0.0: _FROM[name], **later}


BACK = Fall(
    1.15,
    {
        "hips_m": _keys("hips_m", {0.2: (0.0, -0.10, 0.16), 0.5: (0.02, -0.52, 0.42), 0.72: (0.02, -0.815, 0.55),
                                   0.8: (0.02, -0.80, 0.56), 0.9: (0.02, -0.82, 0.56)}),
        "hips_deg": _keys("hips_deg", {0.2: (-16.0, -16.0, 3.0), 0.5: (-4.0, -58.0, 4.0), 0.72: (3.0, -88.0, 3.0)}),
        "spine_deg": _keys("spine_deg", {0.2: (-14.0, -14.0, 4.0), 0.5: (-6.0, 24.0, 3.0), 0.76: (4.0, 2.0, 3.0)}),
        "head_deg": _keys("head_deg", {0.2: (8.0, -14.0, 0.0), 0.5: (2.0, 34.0, 0.0), 0.76: (4.0, -6.0, 0.0),
                                       0.95: (34.0, -8.0, 4.0)}),
        "shrug_deg": _keys("shrug_deg", {0.3: (24.0, 16.0), 0.8: (14.0, 8.0)}),
        "r_hand_m": _keys("r_hand_m", {0.2: (0.55, 1.62, 0.18), 0.5: (0.66, 0.95, 0.72), 0.78: (0.66, 0.10, 0.90),
                                       0.95: (0.66, 0.09, 0.88)}),
        "l_hand_m": _keys("l_hand_m", {0.2: (-0.36, 1.36, -0.22), 0.5: (-0.50, 0.86, 0.40),
                                       0.8: (-0.48, 0.13, 0.66)}),
        "follow": {0.0: (1.0, 0.8), 0.35: (0.0, 0.0)},
        "elbow_out": {0.0: (0.75, 0.6), 0.6: (0.9, 0.9)},
        "spear_deg": _keys("spear_deg", {0.3: (30.0, 40.0, 0.0), 0.6: (62.0, -40.0, 0.0), 0.8: (66.0, -89.5, 0.0)}),
        "spear_grip_m": {0.0: 1.0, 0.8: 0.95},
        "sword_deg": _keys("sword_deg", {0.3: (20.0, -20.0, 10.0), 0.6: (60.0, -70.0, 0.0), 0.8: (70.0, -89.0, 0.0)}),
        "shield_deg": _keys("shield_deg", {0.3: (26.0, -20.0, 8.0), 0.55: (20.0, -60.0, 6.0),
                                           0.82: (18.0, -88.0, 2.0)}),
        "cloak_deg": (0.0, 0.0),
    },
    {0.0: _R_FROM, 0.2: (0.16, 0.24, -34.0, 14.0, 0.04), 0.5: (0.20, -0.10, -26.0, 50.0, 0.20),
     0.78: (0.22, -0.20, -34.0, 62.0, 0.0)},
    {0.0: _L_FROM, 0.2: (-0.12, -0.28, 4.0, 22.0, 0.02), 0.5: (-0.16, -0.36, 12.0, 62.0, 0.24),
     0.74: (-0.17, -0.29, 24.0, 70.0, 0.0)},
    {0.0: 0.0, 0.35: 0.25, 0.7: 1.0},
)  # fmt: skip

FORWARD = Fall(
    1.25,
    {
        "hips_m": _keys("hips_m", {0.18: (0.0, -0.10, 0.05), 0.42: (0.02, -0.40, -0.06), 0.68: (0.03, -0.72, -0.36),
                                   0.84: (0.03, -0.82, -0.46), 0.92: (0.03, -0.81, -0.47)}),
        "hips_deg": _keys("hips_deg", {0.18: (-10.0, 14.0, 0.0), 0.42: (-4.0, 22.0, -3.0), 0.68: (4.0, 66.0, -4.0),
                                       0.86: (6.0, 89.0, -2.0)}),
        "spine_deg": _keys("spine_deg", {0.18: (0.0, 22.0, 4.0), 0.42: (4.0, 26.0, 5.0), 0.68: (4.0, 6.0, 4.0),
                                         0.88: (4.0, -3.0, 5.0)}),
        "head_deg": _keys("head_deg", {0.2: (8.0, 18.0, 0.0), 0.5: (-6.0, 10.0, 0.0), 0.8: (-30.0, -14.0, 0.0),
                                       0.96: (-52.0, -8.0, 0.0)}),
        "shrug_deg": _keys("shrug_deg", {0.4: (2.0, 2.0), 0.85: (18.0, 16.0)}),
        "r_hand_m": _keys("r_hand_m", {0.2: (0.34, 1.20, -0.16), 0.45: (0.36, 0.74, -0.34),
                                       0.7: (0.42, 0.20, -0.92), 0.86: (0.46, 0.08, -1.18)}),
        "l_hand_m": _keys("l_hand_m", {0.2: (-0.22, 1.10, -0.34), 0.45: (-0.30, 0.62, -0.40),
                                       0.7: (-0.42, 0.22, -0.80), 0.86: (-0.44, 0.12, -0.92)}),
        "follow": {0.0: (1.0, 0.8), 0.35: (0.0, 0.0)},
        "elbow_out": {0.0: (0.75, 0.6), 0.7: (1.0, 1.0)},
        "spear_deg": _keys("spear_deg", {0.4: (-16.0, 84.0, 0.0), 0.8: (-30.0, 90.0, 0.0)}),
        "spear_grip_m": {0.0: 1.0, 0.8: 0.9},
        "sword_deg": _keys("sword_deg", {0.3: (-10.0, 60.0, 0.0), 0.8: (-34.0, 91.0, 0.0)}),
        "shield_deg": _keys("shield_deg", {0.4: (14.0, 24.0, 4.0), 0.66: (20.0, 60.0, 4.0), 0.86: (24.0, 88.0, 0.0)}),
        "cloak_deg": (0.0, 0.0),
    },
    {0.0: _R_FROM, 0.3: (0.16, 0.30, -32.0, -30.0, 0.0), 0.6: (0.16, 0.40, -18.0, -78.0, 0.0),
     0.9: (0.17, 0.64, -12.0, -122.0, 0.0)},
    {0.0: _L_FROM, 0.25: (-0.12, -0.24, 4.0, -10.0, 0.0), 0.5: (-0.13, 0.14, 6.0, -62.0, 0.06),
     0.75: (-0.14, 0.46, 12.0, -98.0, 0.03), 0.92: (-0.15, 0.62, 16.0, -124.0, 0.0)},
    {0.0: 0.0, 0.45: 0.1, 0.85: 1.0},
)  # fmt: skip


def steady_hand(clip: Clip) -> Clip:
    """The clip with the right hand turned with the forearm as it is at the start: where a weapon swings through the
    arm's own direction its grip is undecided."""
    hand, arm = JOINT["r_hand"], JOINT["r_forearm"]
    q = clip.rotation.astype(np.float64)
    back = q[0, arm] * np.array([-1.0, -1.0, -1.0, 1.0])
    out = clip.rotation.copy()
    out[:, hand] = multiplied(q[:, arm], multiplied(back, q[0, hand]))
    return replace(clip, rotation=out)


def twisted(fall: Fall, yaw_deg: float, duration_s: float) -> Fall:
    """The same fall, turned about the upright by up to `yaw_deg` (to the left) on the way down."""

    def share(t: float) -> float:
        u = min(max((t - 0.1) / 0.6, 0.0), 1.0)
        return u * u * (3 - 2 * u)

    def turn(x: float, z: float, t: float) -> tuple[float, float]:
        a = np.radians(yaw_deg * share(t))
        return float(x * np.cos(a) + z * np.sin(a)), float(-x * np.sin(a) + z * np.cos(a))

    def moved(v: Value, t: float) -> Value:
        assert isinstance(v, tuple)
        x, z = turn(v[0], v[2], t)
        return (x, v[1], z)

    def yawed(v: Value, t: float) -> Value:
        assert isinstance(v, tuple)
        return (v[0] + yaw_deg * share(t), *v[1:])

    table = dict(fall.table)
    for name in ("hips_m", "r_hand_m", "l_hand_m"):
        table[name] = {t: moved(v, t) for t, v in table[name].items()}  # type: ignore[union-attr]
    for name in ("hips_deg", "spear_deg", "sword_deg", "shield_deg"):
        table[name] = {t: yawed(v, t) for t, v in table[name].items()}  # type: ignore[union-attr]
    feet = [{t: (*turn(k[0], k[1], t), k[2] + yaw_deg * share(t), *k[3:]) for t, k in foot.items()}
            for foot in (fall.r_foot, fall.l_foot)]  # fmt: skip
    return replace(fall, duration_s=duration_s, table=table, r_foot=feet[0], l_foot=feet[1])


FALLS = {"fall_back": BACK, "fall_forward": FORWARD, "fall_side": twisted(BACK, 75.0, 1.3)}


def fall_clip(name: str, fall: Fall, samples: int) -> Clip:
    """The clip of a fall. Curves are solved there and back again, so that both ends are at rest."""
    phase = np.arange(2 * samples) / (2 * samples)

    def curve(value: Value | Mapping[float, Value]) -> F64:
        if not isinstance(value, Mapping):
            return periodic({0.0: value}, phase)
        there = {0.5 * t: v for t, v in value.items()}
        back = {1.0 - 0.5 * t: v for t, v in value.items() if 0.0 < t < 1.0}
        last = value[max(value)]
        return periodic({**there, 0.5: last, **back}, phase)

    def foot(keys: FootKeys) -> FootTrack:
        x, z, yaw, toes_up, y = np.ascontiguousarray(curve(keys).T)
        follow = np.clip(-toes_up / 60.0, 0.0, 1.0)
        return place_foot(x, y, z, np.radians(toes_up), follow, np.radians(yaw))

    channels = {n: curve(fall.table.get(n, STAND[n])) for n in STAND}
    feet = {"r_foot": foot(fall.r_foot), "l_foot": foot(fall.l_foot)}
    whole = solve(name, fall.duration_s, Tracks(**channels, **feet, lying=curve(fall.lying)))
    return Clip(name, fall.duration_s, _let_go(whole.rotation[:samples]), whole.position_m[:samples], looped=False)


def _let_go(rotation: F32) -> F32:
    """The right hand's grip loosens at once: it turns with the forearm, whatever the weapon does."""
    out = rotation.copy()
    share = smooth_step(0.0, 0.3, np.arange(len(out)) / len(out))[:, None]
    hand, arm = out[:, JOINT["r_hand"]], out[:, JOINT["r_forearm"]]
    arm = np.where(np.sum(hand * arm, axis=1, keepdims=True) < 0.0, -arm, arm)
    held = hand[:1] * np.ones_like(hand)
    out[:, JOINT["r_hand"]] = unit((held + (arm - held) * share).astype(np.float64))
    for s in range(1, len(out)):
        if np.dot(out[s, JOINT["r_hand"]], out[s - 1, JOINT["r_hand"]]) < 0.0:
            out[s, JOINT["r_hand"]] *= -1.0
    return out


def settled(clip: Clip, meshes: tuple[Mesh, ...]) -> Clip:
    """The clip with nobody and nothing that he carries under the ground: the body is lifted as one where it would be,
    each weapon and the cloak by itself. What hangs at the belt does not count."""
    lowest = _lowest(clip, meshes)
    carried = [JOINT[n] for n in _CARRIED]
    body = [j for j in range(len(SKELETON.names)) if j not in carried]
    lift = np.zeros(lowest.shape)
    lift[:, body] = np.maximum(-lowest[:, body].min(axis=1) - _SINK_M, 0.0)[:, None]
    lift[:, carried] = np.maximum(-lowest[:, carried], 0.0)
    place = clip.position_m.copy()
    place[..., 1] += _eased(lift).astype(np.float32)
    return replace(clip, position_m=place)


def _eased(lift: F64) -> F64:
    """At least `lift` [S, J], without its corners."""
    wide = np.max([np.roll(np.pad(lift, ((3, 3), (0, 0)), mode="edge"), k, axis=0) for k in range(-2, 3)], axis=0)
    smooth = np.mean([np.roll(wide, k, axis=0) for k in range(-2, 3)], axis=0)[3:-3]
    return np.maximum(smooth, lift)


def _lowest(clip: Clip, meshes: tuple[Mesh, ...]) -> F64:
    """The height of each joint's lowest vertex that counts, over all meshes, float64 [S, J]; high where there is
    none."""
    out = np.full(clip.position_m.shape[:2], 10.0)
    q = clip.rotation.astype(np.float64)
    up = np.stack([2 * (q[..., 0] * q[..., 1] + q[..., 2] * q[..., 3]),
                   1 - 2 * (q[..., 0] ** 2 + q[..., 2] ** 2),
                   2 * (q[..., 1] * q[..., 2] - q[..., 0] * q[..., 3])], -1)  # fmt: skip
    for mesh in meshes:
        soft = np.zeros(len(mesh.position_m), dtype=bool)
        soft[mesh.triangle[np.isin(mesh.material, _BODY)]] = True
        soft |= np.isin(mesh.joint[:, 0], [JOINT[n] for n in _CARRIED])
        for side in range(2):
            worn = soft & (mesh.weight > 0.35 if side == 0 else mesh.weight < 0.65)
            for j in np.unique(mesh.joint[worn, side]):
                points = mesh.position_m[worn & (mesh.joint[:, side] == j)] - SKELETON.bind_m[j]
                height = (up[:, j] @ points.T.astype(np.float64)).min(axis=1) + clip.position_m[:, j, 1]
                out[:, j] = np.minimum(out[:, j], height)
    return out

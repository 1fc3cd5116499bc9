"""From tracks (hips, spine, hands, feet, weapons) to the rotation and place of every joint: forward for the trunk,
two-bone
inverse kinematics for arms and legs, and a cloak that hangs clear of the legs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from composer.crowd.agents import Clip
from composer.crowd.motion.curves import F64, blur_periodic, frames, quaternions, turned, unit
from composer.crowd.motion.feet import FootTrack
from composer.crowd.skeleton import JOINT, SKELETON

BIND = SKELETON.bind_m.astype(np.float64)
#: From the butt of a spear to its joint, metres.
SPEAR_GRIP_M = 0.85
_STRETCH = 0.9985


@dataclass(frozen=True)
class Tracks:
    """What a clip says, S samples. Metres in figure space, degrees as (yaw left, lean forward, tilt right).

    hips_m [S, 3] is an offset from the bind place (height is then lowered as far as the legs need); spine_deg is on top
    of the hips, head_deg on top of the chest; shrug_deg [S, 2] lifts right and left shoulder. r_hand_m, l_hand_m [S, 3]
    are where the fists close, with the chest at rest; they follow the chest by the share `follow` [S, 2]. elbow_out
    [S, 2] turns the elbows from straight back (0) to straight out (1). spear_deg, sword_deg: (yaw, lean, tilt) of the
    weapon's axis from upright; spear_grip_m [S]: hand to butt. shield_deg: of the shield from facing forward. cloak_deg
    [S, 2]: how far the upper and lower cloak swing back at least. lying [S], if given: from 0, upright, to 1, on the
    ground, where knees bend away from the body's own front and the cloak lies with the back.
    """

    hips_m: F64
    hips_deg: F64
    spine_deg: F64
    head_deg: F64
    shrug_deg: F64
    r_hand_m: F64
    l_hand_m: F64
    follow: F64
    elbow_out: F64
    spear_deg: F64
    spear_grip_m: F64
    sword_deg: F64
    shield_deg: F64
    cloak_deg: F64
    r_foot: FootTrack
    l_foot: FootTrack
    lying: F64 | None = None


def _to(m: F64, v: F64) -> F64:
    return np.einsum("sij,j->si" if v.ndim == 1 else "sij,sj->si", m, v)


@dataclass
class _Pose:
    """Rotation [S, J, 3, 3] and place [S, J, 3] under construction."""

    turn: F64
    place: F64

    def hang(self, name: str, turn: F64) -> None:
        """Put joint `name` where its parent carries it, turned by `turn`."""
        j = JOINT[name]
        p = int(SKELETON.parent[j])
        self.turn[:, j] = turn
        self.place[:, j] = self.place[:, p] + _to(self.turn[:, p], BIND[j] - BIND[p])

    def put(self, name: str, turn: F64, place: F64) -> None:
        self.turn[:, JOINT[name]] = turn
        self.place[:, JOINT[name]] = place


def two_bones(
    root: F64, target: F64, upper: float, lower: float, pole: F64, most: float = 0.99995
) -> tuple[F64, F64, F64]:
    """Directions of the two bones and their hinge axis so that the chain from `root` ends at `target` (or points to
    it). most: how much of its length the chain may reach."""
    reach = target - root
    distance = np.clip(np.linalg.norm(reach, axis=-1), abs(upper - lower) + 1e-4, (upper + lower) * most)
    along = unit(reach)
    side = unit(pole - along * np.sum(along * pole, axis=-1, keepdims=True))
    cos = np.clip((upper**2 + distance**2 - lower**2) / (2 * upper * distance), -1.0, 1.0)
    knee = along * (upper * cos)[:, None] + side * (upper * np.sqrt(1 - cos**2))[:, None]
    end = along * distance[:, None]
    return unit(knee), unit(end - knee), unit(np.cross(along, side))


def _limb(pose: _Pose, names: tuple[str, str], end_bind: F64, target: F64, pole: F64, bind_pole: F64) -> None:
    """Two-bone chain: set the turns of both joints and the place of the second."""
    first, second = (JOINT[n] for n in names)
    a, b = BIND[second] - BIND[first], end_bind - BIND[second]
    root = pose.place[:, first]
    da, db, hinge = two_bones(root, target, float(np.linalg.norm(a)), float(np.linalg.norm(b)), pole)
    whole = end_bind - BIND[first]
    rest = np.cross(unit(whole), bind_pole)[None]
    pose.turn[:, first] = frames(da, hinge) @ frames(a[None], rest).transpose(0, 2, 1)
    pose.turn[:, second] = frames(db, hinge) @ frames(b[None], rest).transpose(0, 2, 1)
    pose.place[:, second] = root + da * np.linalg.norm(a)


def _legs(pose: _Pose, tracks: Tracks) -> None:
    for side, foot in (("r", tracks.r_foot), ("l", tracks.l_foot)):
        out = 1.0 if side == "r" else -1.0
        pose.hang(f"{side}_thigh", pose.turn[:, 0])
        toes = turned(np.stack([np.degrees(foot.yaw_rad), 0 * foot.yaw_rad, 0 * foot.yaw_rad], -1))
        pole = _to(toes, np.array([out * 0.12, 0.0, -1.0]))
        if tracks.lying is not None:
            front = _to(pose.turn[:, 0], np.array([out * 0.25, 0.0, -1.0]))
            pole = pole + (front - pole) * np.minimum(1.6 * tracks.lying, 1.0)[:, None]
        ankle = BIND[JOINT[f"{side}_foot"]]
        _limb(pose, (f"{side}_thigh", f"{side}_shin"), ankle, foot.ankle_m, pole, np.array([out * 0.12, 0.0, -1.0]))
        zero = np.zeros_like(foot.yaw_rad)
        flat = turned(np.degrees(np.stack([foot.yaw_rad, -foot.pitch_rad, zero], -1)))
        pose.put(f"{side}_foot", flat, foot.ankle_m)
        pose.hang(f"{side}_toe", turned(np.degrees(np.stack([foot.yaw_rad, -foot.toe_pitch_rad, zero], -1))))


def _at_least(need: F64, reach: int) -> F64:
    """A smooth curve that covers `need` [S] (nearly everywhere), easing in `reach` samples before and after."""
    wide = np.max([np.roll(need, k) for k in range(-reach, reach + 1)], axis=0)
    return blur_periodic(wide, 0.6 * reach / len(need))


def _ride_height(tracks: Tracks) -> F64:
    """Hips offset [S, 3] with the height lowered where the legs could not reach the feet: smooth, then exact."""
    offset = tracks.hips_m.copy()
    hips = turned(tracks.hips_deg)
    limit = np.full(len(offset), np.inf)
    for side, foot in (("r", tracks.r_foot), ("l", tracks.l_foot)):
        thigh, shin, ankle = (BIND[JOINT[f"{side}_{n}"]] for n in ("thigh", "shin", "foot"))
        length = (np.linalg.norm(shin - thigh) + np.linalg.norm(ankle - shin)) * _STRETCH
        root = BIND[0] + offset + _to(hips, thigh - BIND[0])
        flat = np.sum((root - foot.ankle_m)[:, [0, 2]] ** 2, axis=-1)
        top = foot.ankle_m[:, 1] + np.sqrt(np.maximum(length**2 - flat, 1e-4))
        limit = np.minimum(limit, top - root[:, 1] + offset[:, 1])
    eased = blur_periodic(np.minimum(offset[:, 1], limit - 0.006), 0.045)
    eased -= _at_least(np.maximum(eased - limit, 0.0), 3)
    offset[:, 1] = np.minimum(eased, limit)
    return offset


def _arms(pose: _Pose, tracks: Tracks) -> dict[str, F64]:
    """Shoulders, arms and fists; -> where each fist closes ('r', 'l': [S, 3])."""
    chest, chest_at = pose.turn[:, JOINT["chest"]], pose.place[:, JOINT["chest"]]
    fists: dict[str, F64] = {}
    for i, (side, hand) in enumerate((("r", tracks.r_hand_m), ("l", tracks.l_hand_m))):
        out = 1.0 if side == "r" else -1.0
        zero = np.zeros(len(chest))
        shrug = turned(np.stack([zero, zero, -out * tracks.shrug_deg[:, i]], -1))
        pose.hang(f"{side}_clavicle", chest @ shrug)
        pose.hang(f"{side}_upper_arm", chest @ shrug)
        carried = chest_at + _to(chest, hand - BIND[JOINT["chest"]])
        share = tracks.follow[:, i, None]
        target = hand + (carried - hand) * share
        angle = tracks.elbow_out[:, i] * np.pi / 2
        pole = _to(chest, np.stack([out * np.sin(angle), 0 * angle - 0.35, np.cos(angle)], -1))
        fist = BIND[JOINT["spear" if side == "r" else "shield"]]
        names = (f"{side}_upper_arm", f"{side}_forearm")
        _limb(pose, names, fist, target, pole, np.array([0.0, 0.0, 1.0]))
        fore = pose.turn[:, JOINT[names[1]]]
        pose.hang(f"{side}_hand", fore)
        fists[side] = pose.place[:, JOINT[names[1]]] + _to(fore, fist - BIND[JOINT[names[1]]])
    return fists


def _weapons(pose: _Pose, tracks: Tracks, fists: dict[str, F64]) -> None:
    spear, sword, shield = turned(tracks.spear_deg), turned(tracks.sword_deg), turned(tracks.shield_deg)
    slide = (SPEAR_GRIP_M - tracks.spear_grip_m)[:, None]
    pose.put("spear", spear, fists["r"] + spear[:, :, 1] * slide)
    pose.put("sword", sword, fists["r"])
    pose.put("shield", shield, fists["l"])
    hand, fore = JOINT["r_hand"], JOINT["r_forearm"]
    bone = BIND[JOINT["spear"]] - BIND[hand]
    rest = np.array([0.0, 1.0, 0.0])
    along = _to(pose.turn[:, fore], bone)
    grip = spear[:, :, 1] + 0.25 * _to(pose.turn[:, fore], rest)
    pose.turn[:, hand] = frames(along, grip) @ frames(bone[None], rest[None]).transpose(0, 2, 1)


def _cloak(pose: _Pose, tracks: Tracks) -> None:
    """The cloak hangs from the chest, turned with it, and swings back as far as thighs, calves and heels need."""
    chest = pose.turn[:, JOINT["chest"]]
    yaw = np.degrees(np.arctan2(chest[:, 0, 2], chest[:, 2, 2]))
    upper = BIND[JOINT["cloak_upper"]]
    at = pose.place[:, JOINT["chest"]] + _to(chest, upper - BIND[JOINT["chest"]])
    probes = [
        (JOINT[f"{s}_{joint}"], np.array(offset), gap)
        for s in ("r", "l")
        for joint, offset, gap in (
            ("thigh", (0.0, -0.03, 0.125), 0.06),
            ("thigh", (0.0, -0.25, 0.10), 0.09),
            ("shin", (0.0, 0.0, 0.075), 0.10),
            ("shin", (0.0, -0.12, 0.085), 0.11),
            ("foot", (0.0, 0.02, 0.08), 0.10),
        )
    ]
    points = [(pose.place[:, j] + _to(pose.turn[:, j], o), gap) for j, o, gap in probes]

    def swing(pivot: F64, rest_slope: float, extra_deg: F64, least: F64 | None = None) -> F64:
        need = np.full(len(pivot), -np.inf)
        for point, gap in points:
            below = pivot[:, 1] - point[:, 1]
            angle = np.arctan2(point[:, 2] + gap - pivot[:, 2], np.maximum(below, 1e-3))
            need = np.maximum(need, np.where(below > 0.12, angle, -np.inf))
        need = np.maximum(np.degrees(need) - rest_slope, extra_deg)
        return np.maximum(_at_least(need, 2), need)

    zero = np.zeros(len(yaw))
    top = swing(at, 8.5, tracks.cloak_deg[:, 0])
    pose.put("cloak_upper", _laid(turned(np.stack([yaw, top, zero], -1)), chest, tracks.lying), at)
    lower = BIND[JOINT["cloak_lower"]]
    turn = pose.turn[:, JOINT["cloak_upper"]]
    low_at = at + _to(turn, lower - upper)
    low = np.maximum(swing(low_at, 8.0, tracks.cloak_deg[:, 1]), top * 0.5)
    pose.put("cloak_lower", _laid(turned(np.stack([yaw, low, zero], -1)), chest, tracks.lying), low_at)


def _laid(hanging: F64, chest: F64, lying: F64 | None) -> F64:
    """A cloak's turn: as it hangs while its wearer is up, with his back while he lies."""
    if lying is None:
        return hanging
    share = lying[:, None]
    q, with_back = quaternions(hanging), quaternions(chest)
    with_back = np.where(np.sum(q * with_back, axis=-1, keepdims=True) < 0.0, -with_back, with_back)
    x, y, z, w = unit(q + (with_back - q) * share).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(r, -1) for r in rows], -2)


def solve(name: str, duration_s: float, tracks: Tracks, *, stride_m: float = 0.0) -> Clip:
    """The clip that `tracks` describe. Stance feet stay exactly where `feet` put them."""
    count = len(tracks.hips_m)
    pose = _Pose(np.tile(np.eye(3), (count, len(BIND), 1, 1)), np.zeros((count, len(BIND), 3)))
    hips = turned(tracks.hips_deg)
    pose.put("hips", hips, BIND[0] + _ride_height(tracks))
    half = turned(tracks.spine_deg / 2)
    pose.hang("spine", hips @ half)
    pose.hang("chest", hips @ half @ half)
    chest = pose.turn[:, JOINT["chest"]]
    pose.hang("neck", chest @ turned(tracks.head_deg * 0.4))
    pose.hang("head", chest @ turned(tracks.head_deg))
    _legs(pose, tracks)
    fists = _arms(pose, tracks)
    _weapons(pose, tracks, fists)
    _cloak(pose, tracks)
    rotation = quaternions(pose.turn)
    for s in range(1, count):
        turn_back = np.sum(rotation[s] * rotation[s - 1], axis=-1) < 0.0
        rotation[s][turn_back] *= -1.0
    return Clip(name, duration_s, rotation.astype(np.float32), pose.place.astype(np.float32), True, stride_m)

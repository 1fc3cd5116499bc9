"""How the horse moves: hooves planted while they carry, legs by inverse kinematics, back, neck and tail by keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from composer.crowd.horse.skeleton import HORSE, MOUNTED, SEAT_M
from composer.crowd.motion.curves import F64, blur_periodic, frames, periodic, turned, unit
from composer.crowd.motion.rig import two_bones

BIND = MOUNTED.bind_m.astype(np.float64)
Keys = Mapping[float, float | tuple[float, ...]]
#: Where each hoof stands when the horse does, x and z under its fetlock.
_REST = {"r_fore": (0.140, -0.50), "l_fore": (-0.140, -0.50), "r_hind": (0.140, 0.71), "l_hind": (-0.140, 0.71)}
#: How much of the ground's speed a hoof has as it leaves and meets it.
_FOLLOW = 0.4
#: How much of its length a leg may reach.
_REACH = 0.9999
LEGS = ("r_hind", "r_fore", "l_hind", "l_fore")


@dataclass(frozen=True)
class Gait:
    """One cycle. stride_m: travel in it. duty: share of it that each hoof is on the ground. touch: phase at which each
    of LEGS lands. lift_m: (fore, hind) height in mid swing. ahead_m: how far (fore, hind) stances lie forward of the
    standing place. fold_deg: how far the hoof folds back in swing; roll_deg: how far it has rolled over its toe when it
    leaves the ground.

    bob_m: the back's height, keys. pitch_deg: nose up positive. neck_deg, head_deg: (yaw, lean). tail_deg: (side,
    back).
    """

    stride_m: float
    duration_s: float
    duty: float
    touch: tuple[float, float, float, float]
    lift_m: tuple[float, float]
    ahead_m: tuple[float, float] = (0.0, 0.0)
    fold_deg: float = 60.0
    roll_deg: float = 30.0
    bob_m: Keys = field(default_factory=lambda: {0.0: 0.0})
    pitch_deg: Keys = field(default_factory=lambda: {0.0: 0.0})
    neck_deg: Keys = field(default_factory=lambda: {0.0: (0.0, 0.0)})
    head_deg: Keys = field(default_factory=lambda: {0.0: (0.0, 0.0)})
    tail_deg: Keys = field(default_factory=lambda: {0.0: (0.0, 6.0)})


#: Four beats: right hind, right fore, left hind, left fore.
WALK = Gait(
    1.72, 1.12, 0.62, (0.0, 0.25, 0.5, 0.75), (0.085, 0.075), (0.03, -0.02), 52.0,
    bob_m={0.0: -0.012, 0.25: 0.006, 0.5: -0.012, 0.75: 0.006},
    pitch_deg={0.0: 0.5, 0.25: -0.5, 0.5: 0.5, 0.75: -0.5},
    neck_deg={0.05: (1.0, 6.0), 0.30: (-1.0, -1.0), 0.55: (-1.0, 6.0), 0.80: (1.0, -1.0)},
    head_deg={0.1: (0.0, 3.0), 0.35: (0.0, -2.0), 0.6: (0.0, 3.0), 0.85: (0.0, -2.0)},
    tail_deg={0.0: (6.0, 6.0), 0.5: (-6.0, 6.0)},
)  # fmt: skip
#: Two beats, diagonal pairs, a moment in the air.
TROT = Gait(
    2.60, 0.70, 0.37, (0.0, 0.5, 0.5, 0.0), (0.13, 0.12), (0.04, -0.03), 66.0, 38.0,
    bob_m={0.0: 0.0, 0.17: -0.028, 0.42: 0.022, 0.5: 0.0, 0.67: -0.028, 0.92: 0.022},
    neck_deg={0.0: (0.0, -6.0), 0.2: (0.0, -4.0), 0.45: (0.0, -7.0), 0.7: (0.0, -4.0)},
    head_deg={0.0: (0.0, 6.0)},
    tail_deg={0.0: (4.0, 22.0), 0.5: (-4.0, 22.0)},
)  # fmt: skip
#: Three beats on the right lead: left hind; right hind with left fore; right fore; in the air.
CANTER = Gait(
    3.40, 0.58, 0.31, (0.22, 0.46, 0.0, 0.22), (0.20, 0.16), (0.06, -0.02), 74.0, 42.0,
    bob_m={0.0: 0.01, 0.22: -0.035, 0.5: -0.02, 0.80: 0.045},
    pitch_deg={0.0: 5.0, 0.3: 0.0, 0.6: -5.0, 0.85: 1.0},
    neck_deg={0.0: (0.0, -8.0), 0.3: (0.0, 2.0), 0.6: (0.0, 10.0), 0.85: (0.0, -4.0)},
    head_deg={0.0: (0.0, 6.0), 0.5: (0.0, -4.0)},
    tail_deg={0.0: (3.0, 34.0), 0.5: (-3.0, 46.0)},
)  # fmt: skip
#: Four beats, hinds then fores, all four gathered under him in the air.
GALLOP = Gait(
    5.00, 0.46, 0.20, (0.11, 0.50, 0.0, 0.385), (0.26, 0.22), (0.08, 0.0), 82.0, 48.0,
    bob_m={0.0: 0.0, 0.2: -0.045, 0.45: -0.03, 0.60: -0.04, 0.82: 0.045},
    pitch_deg={0.05: 5.5, 0.3: 0.5, 0.58: -5.5, 0.85: 1.0},
    neck_deg={0.0: (0.0, 14.0), 0.3: (0.0, 24.0), 0.6: (0.0, 30.0), 0.85: (0.0, 16.0)},
    head_deg={0.0: (0.0, -10.0), 0.5: (0.0, -20.0)},
    tail_deg={0.0: (3.0, 52.0), 0.5: (-3.0, 64.0)},
)  # fmt: skip


@dataclass
class HorsePose:
    """Turns [S, J, 3, 3] and places [S, J, 3] of the horse's joints; the man's are identity and bind. seat [S, 3]:
    where the rider's hips go; back [S, 3, 3]: the turn of what he sits on."""

    turn: F64
    place: F64
    seat: F64
    back: F64


def _to(m: F64, v: F64) -> F64:
    return np.einsum("sij,j->si" if v.ndim == 1 else "sij,sj->si", m, v)


def _curve(keys: Keys, phase: F64) -> F64:
    return periodic(keys, phase)


@dataclass(frozen=True)
class Hoof:
    """One hoof over S samples: the middle of its sole [S, 3] and how far it is folded back, radians [S]."""

    place_m: F64
    fold_rad: F64


def stepping(gait: Gait, phase: F64) -> dict[str, Hoof]:
    """The hooves of a gait, in figure space: the ground runs back at the stride's speed while they stand on it."""
    out = {}
    for leg, touch in zip(LEGS, gait.touch, strict=True):
        fore = leg.endswith("fore")
        x, rest = _REST[leg]
        u = np.mod(phase - touch, 1.0)
        t = np.clip((u - gait.duty) / (1.0 - gait.duty), 0.0, 1.0)
        air = 1.0 - gait.duty
        back, follow = gait.stride_m * gait.duty, _FOLLOW * gait.stride_m * air
        carried = back * np.minimum(u / gait.duty, 1.0)
        brought = -back * t * t * (3.0 - 2.0 * t) + follow * (2.0 * t**3 - 3.0 * t**2 + t)
        z = rest - gait.ahead_m[0 if fore else 1] - back / 2 + carried + brought
        y = gait.lift_m[0 if fore else 1] * (4.0 * t * (1.0 - t)) ** 1.2
        keys = {0.0: 0.0, 0.5 * gait.duty: 0.0, gait.duty: gait.roll_deg, gait.duty + 0.4 * air: gait.fold_deg}
        fold = np.radians(periodic({**keys, gait.duty + 0.9 * air: 0.0}, u))
        out[leg] = Hoof(np.stack([np.full_like(z, x), y, z], -1), fold)
    return out


def standing(phase: F64, lifted: Mapping[str, Keys]) -> dict[str, Hoof]:
    """Four hooves on the ground; of `lifted` legs the hind ones rest on the toe, by keys from 0 to 1."""
    out = {}
    for leg, (x, z) in _REST.items():
        rest = _curve(lifted.get(leg, {0.0: 0.0}), phase)
        place = np.stack([np.full_like(phase, x), 0.012 * rest, z - 0.06 * rest], -1)
        out[leg] = Hoof(place, np.radians(34.0) * rest)
    return out


def _fetlock(leg: str, hoof: Hoof) -> tuple[F64, F64]:
    """Where the fetlock is above its hoof, and the hoof's turn [S, 3, 3]."""
    joint = BIND[HORSE[f"{leg}_hoof"]]
    x, z = _REST[leg]
    zero = np.zeros_like(hoof.fold_rad)
    turn = turned(np.degrees(np.stack([zero, hoof.fold_rad, zero], -1)))
    toe = np.array([0.0, 0.0, -0.09])  # it leaves the ground over its toe
    up = joint - np.array([x, 0.0, z]) - toe
    return hoof.place_m + toe + _to(turn, up), turn


def _swing(leg: str, fetlock: F64, root: F64, turn: F64) -> tuple[F64, F64]:
    """The shoulder's or thigh's turn and the place of the joint below it, reaching after the hoof."""
    upper = BIND[HORSE[f"{leg}_{'shoulder' if 'fore' in leg else 'thigh'}"]]
    lower = BIND[HORSE[f"{leg}_{'arm' if 'fore' in leg else 'gaskin'}"]]
    bone = lower - upper
    length = float(np.hypot(bone[1], bone[2]))
    rest = BIND[HORSE[f"{leg}_hoof"]][2]
    share = 0.46 if "fore" in leg else 0.52
    raised = np.maximum(fetlock[:, 1] - BIND[HORSE[f"{leg}_hoof"]][1], 0.0)
    shift = share * (fetlock[:, 2] - rest) - 0.30 * raised
    angle = np.arcsin(np.clip(shift / length, -0.80, 0.80))
    zero = np.zeros_like(angle)
    swing = turn @ turned(np.degrees(np.stack([zero, angle, zero], -1)))
    return swing, root + _to(swing, bone)


def _legs(pose: HorsePose, hooves: Mapping[str, Hoof]) -> None:
    for leg, hoof in hooves.items():
        names = ("shoulder", "arm", "cannon") if "fore" in leg else ("thigh", "gaskin", "cannon")
        top, upper, lower = (HORSE[f"{leg}_{n}"] for n in names)
        end = HORSE[f"{leg}_hoof"]
        holder = HORSE["horse_chest" if "fore" in leg else "horse_rump"]
        root = pose.place[:, holder] + _to(pose.turn[:, holder], BIND[top] - BIND[holder])
        fetlock, hoof_turn = _fetlock(leg, hoof)
        pose.turn[:, top], joint = _swing(leg, fetlock, root, pose.turn[:, holder])
        pose.place[:, top] = root
        a, b = BIND[lower] - BIND[upper], BIND[end] - BIND[lower]
        pole = np.tile(np.array([0.0, 0.0, -1.0 if "fore" in leg else 1.0]), (len(root), 1))
        lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        da, db, hinge = two_bones(joint, fetlock, *lengths, pole, _REACH)
        whole = unit((BIND[end] - BIND[upper])[None])
        rest = np.cross(whole, pole[:1])
        pose.turn[:, upper] = frames(da, hinge) @ frames(a[None], rest).transpose(0, 2, 1)
        pose.turn[:, lower] = frames(db, hinge) @ frames(b[None], rest).transpose(0, 2, 1)
        pose.place[:, upper], pose.place[:, lower] = joint, joint + da * lengths[0]
        pose.turn[:, end], pose.place[:, end] = hoof_turn, pose.place[:, lower] + db * lengths[1]


def _lowered(gait_bob: F64, pitch: F64, hooves: Mapping[str, Hoof]) -> F64:
    """The back's height, lowered where legs could not reach their hooves: smooth, then exact."""
    limit = np.full(len(gait_bob), np.inf)
    for leg, hoof in hooves.items():
        fore = "fore" in leg
        names = ("shoulder", "arm", "cannon", "hoof") if fore else ("thigh", "gaskin", "cannon", "hoof")
        top, upper, lower, end = (BIND[HORSE[f"{leg}_{n}"]] for n in names)
        fetlock, _ = _fetlock(leg, hoof)
        zero = np.zeros_like(pitch)
        tilt = turned(np.stack([zero, -pitch, zero], -1))
        root = BIND[HORSE["horse_back"]] + _to(tilt, top - BIND[HORSE["horse_back"]])
        _, joint = _swing(leg, fetlock, root, tilt)
        length = 0.9985 * float(np.linalg.norm(lower - upper) + np.linalg.norm(end - lower))
        flat = np.sum((joint - fetlock)[:, [0, 2]] ** 2, axis=-1)
        limit = np.minimum(limit, fetlock[:, 1] + np.sqrt(np.maximum(length**2 - flat, 1e-4)) - joint[:, 1])
    eased = blur_periodic(np.minimum(gait_bob, limit - 0.004), 0.04)
    need = np.maximum(eased - limit, 0.0)
    wide = np.max([np.roll(need, k) for k in range(-3, 4)], axis=0)
    return np.minimum(eased - blur_periodic(wide, 1.8 / len(need)), limit)


def posed(gait: Gait, phase: F64, hooves: Mapping[str, Hoof]) -> HorsePose:
    """The horse over S samples."""
    count = len(phase)
    turn, nothing = np.tile(np.eye(3), (count, len(BIND), 1, 1)), np.zeros((count, 3))
    pose = HorsePose(turn, np.tile(BIND, (count, 1, 1)), nothing, turn[:, 0])
    pitch = _curve(gait.pitch_deg, phase)
    zero = np.zeros(count)
    bob = _lowered(_curve(gait.bob_m, phase), pitch, hooves)
    back = turned(np.stack([zero, -pitch, zero], -1))
    at = BIND[HORSE["horse_back"]] + np.stack([zero, bob, zero], -1)

    def hang(name: str, parent: str, turn: F64) -> None:
        j, p = HORSE[name], HORSE[parent]
        pose.turn[:, j] = turn
        pose.place[:, j] = pose.place[:, p] + _to(pose.turn[:, p], BIND[j] - BIND[p])

    pose.turn[:, HORSE["horse_back"]], pose.place[:, HORSE["horse_back"]] = back, at
    hang("horse_chest", "horse_back", back)
    hang("horse_rump", "horse_back", back)
    neck, head = _curve(gait.neck_deg, phase), _curve(gait.head_deg, phase)
    bend = turned(np.stack([neck[:, 0] / 2, neck[:, 1] / 2, zero], -1))
    hang("horse_neck", "horse_chest", back @ bend)
    hang("horse_crest", "horse_neck", back @ bend @ bend)
    hang("horse_head", "horse_crest", back @ bend @ bend @ turned(np.stack([head[:, 0], head[:, 1], zero], -1)))
    tail = _curve(gait.tail_deg, phase)
    swish = turned(np.stack([zero, tail[:, 1], tail[:, 0]], -1))
    hang("horse_tail", "horse_rump", back @ swish)
    late = np.roll(tail, count // 12, axis=0)
    hang("horse_tail_tip", "horse_tail", back @ turned(np.stack([zero, late[:, 1] * 0.8, 1.6 * late[:, 0]], -1)))
    _legs(pose, hooves)
    pose.seat = at + _to(back, np.array(SEAT_M) - BIND[HORSE["horse_back"]])
    pose.back = back
    return pose

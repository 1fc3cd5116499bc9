"""A file's motion on Muster's skeleton: sized to it, standing on the ground, feet planted, travel taken out, looped.

Each joint takes the turn that its counterpart has made from a T pose; arms and legs first swing from Muster's bind pose
to that T pose, so that they point where the file's do. Scale comes from the length of the legs, the up axis from where
the head is above the feet, the ground from the feet while they carry. Legs then bend to hold resting feet still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from composer.crowd.agents import Clip, Skeleton
from composer.crowd.bvh import F64, Bvh
from composer.crowd.footlock import BALL, BIND, Motion, Spans, between, contacts, level_soles, plant, smoothed, swing
from composer.crowd.motion.curves import quaternions, unit
from composer.crowd.rigs import LIMBS, SourceRig, source_rig
from composer.crowd.skeleton import JOINT, SKELETON
from composer.errors import InputError, Where

#: Rest axes (left, up, forward) to figure axes (right, up, back).
_FIGURE_FROM_REST = np.diag([-1.0, 1.0, -1.0])
#: Clips are stored at no more than this.
_MOST_HZ = 60.0
_SHORTEST_LOOP_S = 0.5
#: A clip that gets less far is on the spot.
_TRAVELS_M = 1.2
#: Ground under the feet that varies by more than this was not flat.
_UNEVEN_M = 0.07


@dataclass(frozen=True)
class Retargeted:
    """The clip, and how it was made. scale: metres in one unit of the file. seam_m: how far joints were from meeting at
    the loop's seam (root mean square, before they were made to), 0 for a one-shot. frames: first and last of the file's
    that were used, counted from 1."""

    clip: Clip
    scale: float
    frames: tuple[int, int]
    seam_m: float
    notes: tuple[str, ...]


def retarget(
    bvh: Bvh, skeleton: Skeleton, name: str, frames: tuple[int, int] | None = None, loop: bool = True
) -> Retargeted:
    """A clip from a file.

    frames: first and last of the file's, counted from 1; all of them if None. loop: use the part that repeats best and
    make its ends meet; otherwise the whole is played once. Raises InputError for a skeleton that is not known, frames
    that the file does not have, or too few.
    """
    if skeleton.names != SKELETON.names:
        raise InputError("only Muster's own skeleton can take a motion", where=Where(bvh.path))
    first, last = _range(bvh, frames)
    rig = source_rig(bvh)
    turn, place = bvh.world()
    notes = [f"{bvh.path.name}: {rig.family} skeleton"]
    if first == 1 and _starts_in_t_pose(place, rig):
        first = 2
        notes.append("the first frame is a T pose and was dropped")
    used = slice(first - 1, last)
    motion, scale, up = _on_our_skeleton(rig, turn[used], place[used], 1 / bvh.frame_time_s)
    notes.append(f"one unit is {scale * 100:.3g} cm (by the length of the legs), {up} is up")
    if _arms_out(motion):
        notes.append("it begins in a T pose: give `frames` to leave that out")
    spans = _spans(motion)
    level_soles(motion, spans)
    motion.carry()
    notes += _stand(motion, _spans(motion))
    travels = float(np.ptp(motion.place[:, 0], axis=0)[[0, 2]].max()) > _TRAVELS_M
    seam = 0.0
    if loop:
        a, b, seam = _best_loop(motion, travels)
        _close(motion, a, b)
        first, last = first + a * _step(bvh), first + b * _step(bvh)
        notes.append(f"frames {first}-{last} loop, the ends met within {seam * 100:.1f} cm")
    velocity = _straighten(motion, loop, travels)
    count = len(motion.place) - (1 if loop else 0)
    motion = _planted(motion, loop)
    seconds = count / motion.rate_hz if loop else (count - 1) / motion.rate_hz
    motion.place[:, :, 2] += velocity * (np.arange(len(motion.place)) / motion.rate_hz)[:, None]
    middle = motion.place[:, 0][:, [0, 2]].mean(axis=0)
    motion.place[:, :, [0, 2]] -= middle
    rotation = quaternions(motion.turn)
    for s in range(1, len(rotation)):
        rotation[s][np.sum(rotation[s] * rotation[s - 1], axis=-1) < 0] *= -1
    clip = Clip(name, seconds, rotation.astype(np.float32), motion.place.astype(np.float32), loop, velocity * seconds)
    return Retargeted(clip, scale, (first, last), seam, tuple(notes))


def _range(bvh: Bvh, frames: tuple[int, int] | None) -> tuple[int, int]:
    count = len(bvh.motion)
    first, last = frames or (1, count)
    if not 1 <= first <= last <= count:
        got = f"{first}-{last}"
        raise InputError("the file has no such frames", where=Where(bvh.path), expected=f"1-{count}", got=got)
    if (last - first) * bvh.frame_time_s < _SHORTEST_LOOP_S:
        expected = f"at least {_SHORTEST_LOOP_S:g} s"
        raise InputError("too short for a clip", where=Where(bvh.path), expected=expected, got=f"frames {first}-{last}")
    return first, last


def _step(bvh: Bvh) -> int:
    """Every how many frames are kept."""
    return max(1, round(1 / bvh.frame_time_s / _MOST_HZ))


def _starts_in_t_pose(place: F64, rig: SourceRig) -> bool:
    """The hands jump between the first two frames as they do nowhere else."""
    hands = [rig.joint["l_hand"], rig.joint["r_hand"]]
    at = place[:, hands] - place[:, [rig.joint["hips"]]]
    jump = np.linalg.norm(np.diff(at, axis=0), axis=-1).mean(axis=1)
    return bool(jump[0] > 0.08 * rig.leg and jump[0] > 4 * np.percentile(jump[1:], 99))


def _arms_out(motion: Motion) -> bool:
    """Both arms stretched out level in the first frame."""
    place = motion.place[0]
    for side, out in (("l", -1.0), ("r", 1.0)):
        arm = place[JOINT[f"{side}_hand"]] - place[JOINT[f"{side}_upper_arm"]]
        reach = np.linalg.norm(BIND[JOINT[f"{side}_hand"]] - BIND[JOINT[f"{side}_upper_arm"]])
        if out * arm[0] < 0.8 * reach:
            return False
    return True


def _on_our_skeleton(rig: SourceRig, turn: F64, place: F64, rate_hz: float) -> tuple[Motion, float, str]:
    """(the motion in metres, Y up, facing -Z on average; metres in one unit; the name of the file's up axis)."""
    step = max(1, round(rate_hz / _MOST_HZ))
    turn, place, rate_hz = turn[::step], place[::step], rate_hz / step
    j = rig.joint
    thigh, shin, foot = (BIND[JOINT[f"r_{n}"]] for n in ("thigh", "shin", "foot"))
    our_leg = float(np.linalg.norm(shin - thigh) + np.linalg.norm(foot - shin))
    scale = our_leg / rig.leg
    world, up = _world_from_file(rig, turn, place)
    delta = {n: world @ turn[:, i] @ (rig.rest[n].T @ _FIGURE_FROM_REST.T) for n, i in j.items()}

    motion = Motion(np.empty((len(place), len(BIND), 3, 3)), np.zeros((len(place), len(BIND), 3)), rate_hz)
    for i, name in enumerate(SKELETON.names):
        if name in delta:
            motion.turn[:, i] = delta[name] @ _from_bind(rig, name)
        else:
            motion.turn[:, i] = motion.turn[:, SKELETON.parent[i]]
    thighs = [JOINT["l_thigh"], JOINT["r_thigh"]]
    seat = scale * (place[:, [j["l_thigh"], j["r_thigh"]]].mean(axis=1) @ world.T)
    motion.place[:, 0] = seat - motion.turn[:, 0] @ (BIND[thighs].mean(axis=0) - BIND[0])
    motion.carry()
    return motion, scale, up


def _from_bind(rig: SourceRig, name: str) -> F64:
    """The swing from Muster's bind pose to the file's T pose, figure space."""
    side, _, bone = name.partition("_")
    limb = "forearm" if bone == "hand" else bone
    if limb not in LIMBS:
        return np.eye(3)
    bind = unit(BIND[JOINT[f"{side}_{LIMBS[limb]}"]] - BIND[JOINT[f"{side}_{limb}"]])
    return swing(bind, _FIGURE_FROM_REST @ rig.direction[f"{side}_{limb}"])


def _world_from_file(rig: SourceRig, turn: F64, place: F64) -> tuple[F64, str]:
    """Rotation [3, 3] to Y up and -Z ahead, and the file's up axis by name."""
    j = rig.joint
    feet = place[:, [j["l_foot"], j["r_foot"]]].mean(axis=1)
    rise = np.median(place[:, j["head"]] - feet, axis=0)
    axis = int(np.argmax(np.abs(rise)))
    up = np.zeros(3)
    up[axis] = np.sign(rise[axis])
    ahead = (turn[:, j["hips"]] @ rig.rest["hips"].T)[:, :, 2].mean(axis=0)
    way = place[-1, j["hips"]] - place[0, j["hips"]]
    if np.linalg.norm(way - up * (way @ up)) > 1.5 * rig.leg and way @ ahead > 0.5 * np.linalg.norm(way):
        ahead = way  # a walk goes where it goes, however the hips sway
    ahead = unit(ahead - up * (ahead @ up))
    return np.stack([np.cross(ahead, up), up, -ahead]), ("-" if up[axis] < 0 else "") + "XYZ"[axis]


def _spans(motion: Motion) -> dict[str, Spans]:
    return {s: contacts(motion.sole(s, BALL), motion.rate_hz) for s in "rl"}


def _stand(motion: Motion, spans: dict[str, Spans]) -> list[str]:
    """Put the ground at 0. Ground that was not flat is taken out step by step."""
    every = sorted(((a, b), s) for s in spans for a, b in spans[s])
    if not every:
        lowest = min(float(motion.sole(s, BALL)[:, 1].min()) for s in "rl")
        motion.place[:, :, 1] -= lowest
        return ["no foot rests: the lowest point of the feet is the ground"]
    balls = {s: motion.sole(s, BALL)[:, 1] for s in "rl"}
    heights = np.array([np.median(balls[s][a:b]) for (a, b), s in every])
    lengths = np.array([b - a for (a, b), _ in every])
    level = float(np.median(np.repeat(heights, lengths)))
    spread = float(np.ptp(heights))
    if spread < _UNEVEN_M:
        motion.place[:, :, 1] -= level
        return []
    weight = np.zeros(len(motion.place))
    total = np.zeros(len(motion.place))
    for s in spans:
        if not spans[s]:
            continue
        mine = np.array([[np.median(balls[s][a:b])] for a, b in spans[s]])
        total += between(spans[s], mine, len(total))[:, 0]
        weight += 1
    floor = smoothed(total / weight, motion.rate_hz, 0.08)
    motion.place[:, :, 1] -= floor[:, None]
    return [f"the ground under the feet varied by {spread * 100:.0f} cm and was taken out step by step"]


def _best_loop(motion: Motion, travels: bool) -> tuple[int, int, float]:
    """(first, last, root mean square distance in metres): the part whose ends meet best, long ones preferred."""
    rate, frames = motion.rate_hz, len(motion.place)
    step = max(1, frames // 400)
    body = [i for i, n in enumerate(SKELETON.names) if n.split("_")[0] not in ("cloak", "spear", "sword", "shield")]
    hips = motion.place[:, :1] * np.array([1.0, 0.0, 1.0])
    yaw = _yaw(motion)
    face = _about_y(-yaw if travels else 0 * yaw)  # somebody who walks may turn round and walk back
    local = np.einsum("fij,fkj->fki", face, (motion.place - hips)[:, body])
    moving = np.gradient(smoothed(motion.place, rate, 0.03), axis=0)[:, body] * rate
    moving = np.einsum("fij,fkj->fki", face, moving)
    feature = np.concatenate([local, 0.1 * moving], axis=-1)[::step].reshape(len(range(0, frames, step)), -1)
    squares = np.sum(feature**2, axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * feature @ feature.T, 0) / len(body))
    turned = yaw[::step]
    apart += 0.3 * np.abs(turned[None] - turned[:, None])
    index = np.arange(len(feature))
    seconds = (index[None] - index[:, None]) * step / rate
    whole = (frames - 1) / rate
    # A walk repeats itself, and the best step will do; on the spot the whole action is wanted.
    shortest, bonus = (min(_SHORTEST_LOOP_S, whole), 0.05) if travels else (0.6 * whole, 0.25)
    allowed = seconds >= shortest - 1e-6
    if travels:
        way = hips[::step, 0]
        far = np.linalg.norm(way[None] - way[:, None], axis=-1)
        pace = float(np.linalg.norm(np.diff(smoothed(hips[:, 0], rate, 0.2), axis=0), axis=1).sum()) / whole
        moves = far >= 0.6 * pace * seconds
        allowed &= moves if (allowed & moves).any() else True
    score = np.where(allowed, apart - bonus * seconds / whole, np.inf)
    a, b = np.unravel_index(int(np.argmin(score)), score.shape)
    return int(a) * step, int(b) * step, float(apart[a, b])


def _yaw(motion: Motion) -> F64:
    """Which way the hips face, float64 [F] radians, 0 is -Z, positive to the left; without the sway of a step."""
    ahead = -motion.turn[:, 0, :, 2]
    return smoothed(np.unwrap(np.arctan2(-ahead[:, 0], -ahead[:, 2])), motion.rate_hz, 0.25)


def _about_y(angle: F64) -> F64:
    """Rotations [F, 3, 3] that turn to the left."""
    c, s, o, z = np.cos(angle), np.sin(angle), np.ones_like(angle), np.zeros_like(angle)
    return np.stack([np.stack(r, -1) for r in ((c, z, s), (z, o, z), (-s, z, c))], -2)


def _face_ahead(motion: Motion) -> None:
    """Turn the whole so that it travels along -Z (or faces it, if it goes elsewhere than it looks)."""
    yaw = float(_yaw(motion).mean())
    way = motion.place[-1, 0] - motion.place[0, 0]
    heading = float(np.arctan2(-way[0], -way[2]))
    if np.hypot(way[0], way[2]) > 0.2 and np.cos(heading - yaw) > 0.5:
        yaw = heading
    turn = _about_y(np.array([-yaw]))[0]
    motion.turn, motion.place = turn @ motion.turn, motion.place @ turn.T


def _close(motion: Motion, a: int, b: int) -> None:
    """Keep frames a to b and bend them, a little everywhere, so that frame b is frame a but for its travel."""
    from scipy.spatial.transform import Rotation

    turn, place = motion.turn[a : b + 1], motion.place[a : b + 1]
    frames, joints = turn.shape[:2]
    error = Rotation.from_matrix(turn[0] @ turn[-1].transpose(0, 2, 1)).as_rotvec()
    share = np.linspace(-0.5, 0.5, frames)
    bend = Rotation.from_rotvec((share[:, None, None] * error).reshape(-1, 3)).as_matrix().reshape(frames, joints, 3, 3)
    motion.turn = bend @ turn
    motion.place = place.copy()
    motion.place[:, :, 1] += (share * (place[0, 0, 1] - place[-1, 0, 1]))[:, None]
    motion.carry()
    _face_ahead(motion)


def _straighten(motion: Motion, loop: bool, travels: bool) -> float:
    """Take out drift to the side (all drift, where a loop stays on the spot) and -> speed along -Z, m/s."""
    hips = motion.place[:, 0]
    t = np.linspace(0, 1, len(hips))
    way = hips[-1] - hips[0]
    seconds = (len(hips) - 1) / motion.rate_hz
    speed = -float(way[2]) / seconds
    if not travels:
        speed = 0.0
        if loop:
            motion.place[:, :, 2] -= (t * way[2])[:, None]
    if loop:
        motion.place[:, :, 0] -= (t * way[0])[:, None]
    return speed


def _planted(motion: Motion, loop: bool) -> Motion:
    """With feet held. A loop is planted three times over, travel and all, and the middle one kept, so that a step over
    the seam is one step."""
    if not loop:
        plant(motion, _spans(motion))
        return motion
    count = len(motion.place) - 1
    way = motion.place[-1, 0] - motion.place[0, 0]
    way[1] = 0.0
    thrice = Motion(
        np.concatenate([motion.turn[:-1]] * 3),
        np.concatenate([motion.place[:-1] + k * way for k in range(3)]),
        motion.rate_hz,
    )
    plant(thrice, _spans(thrice))
    return Motion(thrice.turn[count : 2 * count], thrice.place[count : 2 * count] - way, motion.rate_hz)

"""How far feet and hooves slide: the length that a foot on the ground moves over it between two frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Agents, Cast
from composer.crowd.horse.skeleton import HORSE, MOUNTED
from composer.crowd.motion.feet import ANKLE_M, BALL_Z_M, HEEL_Z_M
from composer.crowd.motions import played
from composer.crowd.skeleton import JOINT

F64 = NDArray[np.float64]

#: A sole point this low carries.
CONTACT_M = 0.02
#: A sole point: the joint that carries it, and where it is from there in bind pose.
Sole = tuple[int, tuple[float, float, float]]
FEET: tuple[Sole, ...] = tuple(
    (JOINT[f"{side}_foot"], (0.0, -ANKLE_M, z)) for side in "rl" for z in (HEEL_Z_M, BALL_Z_M)
)


def _hooves() -> tuple[Sole, ...]:
    """Under each fetlock, at the toe and at the heel."""
    names = [f"{side}_{end}_hoof" for side in "rl" for end in ("fore", "hind")]
    return tuple((HORSE[n], (0.0, -float(MOUNTED.bind_m[HORSE[n], 1]), z)) for n in names for z in (-0.09, 0.02))


def foot_slide_mm(agents: Agents, cast: Cast, upright_clips: NDArray[np.bool_] | None = None) -> F64:
    """float64 [F - 1, N]: millimetres by which the foot that carries slides between each frame and the next; NaN where
    none carries in both (a runner in the air) and for those whose clip is not one of `upright_clips` (bool, by clip).

    Each foot has two sole points, heel and ball, taken through the clips, their cross-fade, the agent's height, heading
    and place. A point carries if it is within 2 cm of his ground in both frames; of those that carry, the one that
    moves least is where his weight is.
    """
    return _slide_mm(agents, cast, FEET, upright_clips)


def hoof_slide_mm(agents: Agents, cast: Cast, upright_clips: NDArray[np.bool_] | None = None) -> F64:
    """The same for riders' horses; NaN for everybody else."""
    mounted = np.array(["horse_head" in cast.skeletons[f.rig].names for f in cast.figures])[agents.cast]
    out = np.full((len(agents.frames) - 1, len(agents)), np.nan)
    if mounted.any():
        some = {k: getattr(agents, k)[:, mounted] for k in ("position_m", "heading_rad", "clip", "phase")}
        some |= {k: getattr(agents, k)[mounted] for k in ("agent_id", "cast", "side", "height_scale", "albedo", "seed")}
        if agents.blend is not None:
            some |= {k: getattr(agents, k)[:, mounted] for k in ("clip_from", "phase_from", "blend")}
        out[:, mounted] = _slide_mm(replace(agents, **some), cast, _hooves(), upright_clips)
    return out


def _slide_mm(agents: Agents, cast: Cast, soles: tuple[Sole, ...], upright_clips: NDArray[np.bool_] | None) -> F64:
    points = np.stack([_points(agents, cast, joint, np.array(offset)) for joint, offset in soles], axis=2)
    ground = agents.position_m[..., 1].astype(np.float64)[..., None]
    low = points[..., 1] - ground < CONTACT_M
    both = low[1:] & low[:-1]
    moved = np.linalg.norm(np.diff(points[..., [0, 2]], axis=0), axis=-1) * 1000
    least = np.where(both, moved, np.inf).min(axis=-1)
    out = np.where(np.isfinite(least), least, np.nan)
    if upright_clips is not None:
        fine = upright_clips[agents.clip]
        out[~(fine[1:] & fine[:-1])] = np.nan
    return out


def _points(agents: Agents, cast: Cast, joint: int, offset: F64) -> F64:
    """One sole point of everybody, world, float64 [F, N, 3]."""
    plays = played(cast)
    place = _sampled(plays[agents.cast, agents.clip], agents.phase, cast, joint, offset)
    if agents.blend is not None and agents.clip_from is not None and agents.phase_from is not None:
        before = _sampled(plays[agents.cast, agents.clip_from], agents.phase_from, cast, joint, offset)
        place = before + (place - before) * agents.blend[..., None]
    place = place * agents.height_scale[None, :, None]
    s, c = np.sin(agents.heading_rad.astype(np.float64)), np.cos(agents.heading_rad.astype(np.float64))
    turned = np.stack([place[..., 0] * c + place[..., 2] * s, place[..., 1], place[..., 2] * c - place[..., 0] * s], -1)
    return turned + agents.position_m


def _sampled(clip: NDArray[np.int16], phase: NDArray[np.float32], cast: Cast, joint: int, offset: F64) -> F64:
    """`offset` on `joint` in figure space, at each one's clip and phase, float64 [F, N, 3]."""
    out = np.zeros((*clip.shape, 3))
    for number in np.unique(clip):
        c, here = cast.clips[number], clip == number
        q = c.rotation[:, joint].astype(np.float64)
        t = 2 * np.cross(q[:, :3], offset)
        path = c.position_m[:, joint] + offset + q[:, 3:] * t + np.cross(q[:, :3], t)
        n = len(path)
        s = phase[here].astype(np.float64) * n
        i = np.floor(s).astype(int)
        if c.looped:
            a, b = path[i % n], path[(i + 1) % n]
        else:
            a, b = path[np.minimum(i, n - 1)], path[np.minimum(i + 1, n - 1)]
        out[here] = a + (b - a) * (s - i)[:, None]
    return out

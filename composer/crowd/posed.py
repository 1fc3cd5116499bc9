"""Where a joint of a few agents is, in numpy: for what hangs on people and is no part of them. The same sums as the guides'
kernel that poses everybody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Agents, Cast
from composer.crowd.motion.curves import multiplied, rotated
from composer.crowd.motions import played

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def joints_at(agents: Agents, cast: Cast, who: I64, joint: I64) -> tuple[F64, F64, F64]:
    """(rotation [F, K, 4], place [F, K, 3], bind [K, 3]), float64: joint[K] of agent who[K] at the agents' frames. A point
    p on it at bind pose is, in the world, at place + height_scale * rotation applied to (p - bind)."""
    plays = played(cast)
    figure = agents.cast[who]
    q, p = _sampled(cast, plays[figure, agents.clip[:, who]], agents.phase[:, who], joint)
    if agents.blend is not None and agents.clip_from is not None and agents.phase_from is not None:
        before, place = _sampled(cast, plays[figure, agents.clip_from[:, who]], agents.phase_from[:, who], joint)
        share = agents.blend[:, who, None].astype(np.float64)
        q = _between(before, q, share)
        p = place * (1.0 - share) + p * share
    half = 0.5 * agents.heading_rad[:, who].astype(np.float64)
    zero = np.zeros_like(half)
    turn = np.stack([zero, np.sin(half), zero, np.cos(half)], axis=-1)
    if agents.up is not None:
        turn = multiplied(lean(agents.up[:, who].astype(np.float64)), turn)
    scale = agents.height_scale[who].astype(np.float64)[None, :, None]
    rigs = [cast.figures[int(f)].rig for f in figure]
    bind = np.array([cast.skeletons[r].bind_m[j] for r, j in zip(rigs, joint.tolist(), strict=True)], np.float64)
    place = agents.position_m[:, who].astype(np.float64) + rotated(turn, p) * scale
    return multiplied(turn, q), place, bind.reshape(len(who), 3)


def _sampled(cast: Cast, clip: NDArray[np.integer], phase: NDArray[np.floating], joint: I64) -> tuple[F64, F64]:
    """Rotation [F, K, 4] and place [F, K, 3] in figure space, between two samples."""
    q, p = np.zeros((*clip.shape, 4)), np.zeros((*clip.shape, 3))
    whose = np.broadcast_to(joint, clip.shape)
    for number in np.unique(clip):
        here = clip == number
        motion, j = cast.clips[int(number)], whose[here]
        n = len(motion.rotation)
        s = phase[here].astype(np.float64) * n
        i = np.floor(s).astype(int)
        t = (s - i)[:, None]
        a, b = (i % n, (i + 1) % n) if motion.looped else (np.clip(i, 0, n - 1), np.clip(i + 1, 0, n - 1))
        q[here] = _between(motion.rotation[a, j].astype(np.float64), motion.rotation[b, j].astype(np.float64), t)
        p[here] = motion.position_m[a, j] * (1.0 - t) + motion.position_m[b, j] * t
    return q, p


def _between(a: F64, b: F64, share: F64) -> F64:
    """Unit quaternions between a and b, the short way."""
    b = np.where((a * b).sum(-1, keepdims=True) < 0.0, -b, b)
    q = a * (1.0 - share) + b * share
    return q / np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-12)


def lean(up: F64) -> F64:
    """Quaternions [..., 4] of the shortest arc from +Y to `up` [..., 3], of any length; none where it is no direction."""
    size = np.maximum(np.linalg.norm(up, axis=-1), 1e-12)
    y = up[..., 1] / size
    q = np.stack([up[..., 2] / size, np.zeros_like(y), -up[..., 0] / size, 1.0 + y], axis=-1)
    q = np.where((y > -0.999999)[..., None], q, np.array([1.0, 0.0, 0.0, 0.0]))
    q = np.where((np.linalg.norm(up, axis=-1) > 1e-6)[..., None], q, np.array([0.0, 0.0, 0.0, 1.0]))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)

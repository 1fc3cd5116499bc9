"""Shadow stamps: in the sun's wide levels figures are drawn as small depth pictures that all of one kit, clip, pose and
direction share; a figure then costs a few texel reads and not a mesh.

Stamps are kept from frame to frame. What is in one follows from its number alone, so no frame depends on another.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.crowd.agents import Agents
from composer.guides.assets import MIDDLE_M, Assets
from composer.guides.device import Pool, empty, lanes, upload
from composer.guides.kernel_pose import Motion, pose_kernel
from composer.guides.kernel_stamp import (
    POSES,
    RISES,
    TURNS,
    Stamps,
    Throws,
    choose_kernel,
    make_kernel,
    seen_from_kernel,
)
from composer.guides.kernel_sun import FAR, SunLevel
from composer.guides.kernel_view import Draws, mat34

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: A stamp's texel. The map's are at least twice as wide.
STAMP_TEXEL_M = 0.12
#: Stamps are thrown away, all of them, when their texels get more than that.
MOST_TEXELS = 32_000_000
SIDES = TURNS * 2 * RISES


@dataclass
class _Shelf:
    """The stamps made so far for one cast and one height of the sun: their numbers, ascending; which level each has; the
    levels; and the texels, the first `used` of them."""

    assets: Assets
    number: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    row: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    level: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, SunLevel.numpy_dtype()))
    depth: wp.array | None = None
    used: int = 0


_shelves: OrderedDict[tuple[int, float], _Shelf] = OrderedDict()
_lock = Lock()


def throws_of(
    agents: Agents, who: I64, middle: F64, axes: F64, assets: Assets, pool: Pool, device: str
) -> tuple[Stamps, Throws]:
    """Stamps for these agents (layout indices), making those that are missing. middle: float64 [N, 3] of all agents, rel;
    axes as in `SunPlan`."""
    n = len(who)
    clip, phase = _playing(agents, who)
    clip = assets.played[agents.cast[who], clip].astype(np.int64)
    up = np.zeros((0, 3), np.float32) if agents.up is None else agents.up[1, who].astype(np.float32)
    throws = Throws()
    throws.turn = empty((n,), wp.vec2, device)
    pose, side = (empty((n,), wp.int32, device) for _ in range(2))
    given = [
        upload(agents.heading_rad[1, who].astype(np.float32), wp.float32, device), upload(up, wp.vec3, device),
        upload(phase.astype(np.float32), wp.float32, device), upload(assets.looped[clip], wp.int32, device),
    ]  # fmt: skip
    vectors = [wp.vec3(*(float(v) for v in row)) for row in axes]
    wp.launch(choose_kernel, dim=n, device=device, inputs=[*vectors, *given, pose, side, throws.turn])
    kind = agents.cast[who].astype(np.int64) * len(assets.looped) + clip
    number = (kind * (POSES + 1) + pose.numpy()) * SIDES + side.numpy()
    stamps, row = _stamps(number, float(np.arcsin(axes[2, 1])), assets, pool, device)
    throws.stamp = upload(row.astype(np.int32), wp.int32, device)
    along = middle[who] @ (axes * [[1.0], [1.0], [-1.0]]).T
    throws.middle = upload(along.astype(np.float32), wp.vec3, device)
    throws.scale = upload(agents.height_scale[who].astype(np.float32), wp.float32, device)
    return stamps, throws


def _playing(agents: Agents, who: I64) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Each one's clip and phase now; of two that fade into each other the stronger."""
    clip, phase = agents.clip[1, who], agents.phase[1, who]
    if agents.blend is None or agents.clip_from is None or agents.phase_from is None:
        return clip, phase
    older = agents.blend[1, who] < 0.5
    return np.where(older, agents.clip_from[1, who], clip), np.where(older, agents.phase_from[1, who], phase)


def _stamps(number: I64, own: float, assets: Assets, pool: Pool, device: str) -> tuple[Stamps, I64]:
    """The stamps of these numbers, and which of them is each."""
    with _lock:
        key = (id(assets), own)
        shelf = _shelves.setdefault(key, _Shelf(assets))
        _shelves.move_to_end(key)
        while len(_shelves) > 2:
            _shelves.popitem(last=False)
        missing = np.unique(number[~_has(shelf, number)])
        if len(missing) and shelf.used > MOST_TEXELS:
            shelf = _shelves[key] = _Shelf(assets)
            missing = np.unique(number)
        if len(missing):
            _make(shelf, missing, own, pool, device)
        stamps = Stamps()
        stamps.level = upload(shelf.level, SunLevel, device)
        stamps.depth = shelf.depth
        return stamps, shelf.row[np.searchsorted(shelf.number, number)]


def _has(shelf: _Shelf, number: I64) -> NDArray[np.bool_]:
    if not len(shelf.number):
        return np.zeros(len(number), bool)
    at = np.minimum(np.searchsorted(shelf.number, number), len(shelf.number) - 1)
    return shelf.number[at] == number


def _make(shelf: _Shelf, number: I64, own: float, pool: Pool, device: str) -> None:
    """Pose these figures, look at them from the sun, and put their stamps on the shelf."""
    assets, n = shelf.assets, len(number)
    kind, pose, side = number // (SIDES * (POSES + 1)), number // SIDES % (POSES + 1), number % SIDES
    figure, clip = kind // len(assets.looped), kind % len(assets.looped)
    draws = Draws()
    mesh = assets.mesh_of[figure, -1]
    counts, joints = assets.vertices[mesh], assets.joints_of[assets.rig_of[figure]].astype(np.int64)
    draws.mesh = upload(mesh.astype(np.int32), wp.int32, device)
    draws.first_vertex = upload((np.cumsum(counts) - counts).astype(np.int32), wp.int32, device)
    draws.first_matrix = upload((np.cumsum(joints) - joints).astype(np.int32), wp.int32, device)
    draws.matrix = empty((2, int(joints.sum())), mat34, device)
    draws.sunward = empty((int(counts.sum()),), wp.vec3, device)
    motion = _standing(assets, clip, np.minimum(pose / POSES, 0.9999), device)
    sides = upload(side.astype(np.int32), wp.int32, device)
    box = upload(np.tile(np.array([1e9, 1e9, -1e9, -1e9], np.float32), (n, 1)), wp.float32, device)
    everyone, k = upload(np.arange(n, dtype=np.int32), wp.int32, device), lanes(device)
    middle = wp.vec3(*(float(v) for v in MIDDLE_M))

    def look(part: tuple[int, int]) -> None:
        a, b = part
        inputs = [motion, everyone[a:b], 1, draws.first_matrix, min(k, 32), draws.matrix]
        wp.launch(pose_kernel, dim=(b - a, 1, min(k, 32)), device=device, inputs=inputs)
        seen = [assets.meshes, draws, everyone[a:b], sides, own, middle, k, box]
        wp.launch(seen_from_kernel, dim=(b - a, k), device=device, inputs=seen)

    pool.run(look, pool.split(n))
    level = _levels(box.numpy(), shelf.used)
    made = shelf.used + int((level["width"].astype(np.int64) * level["height"]).sum())
    depth = _room(shelf, made, device)
    depth[shelf.used : made].fill_(FAR)
    levels = upload(level, SunLevel, device)

    def draw(part: tuple[int, int]) -> None:
        a, b = part
        wp.launch(
            make_kernel, dim=(b - a, k), device=device, inputs=[assets.meshes, draws, everyone[a:b], levels, k, depth]
        )

    pool.run(draw, pool.split(n))
    row = np.concatenate([shelf.row, len(shelf.level) + np.arange(n)])
    numbers = np.concatenate([shelf.number, number])
    order = np.argsort(numbers)
    shelf.number, shelf.row = numbers[order], row[order]
    shelf.level = np.concatenate([shelf.level, level])
    shelf.depth, shelf.used = depth, made


def _standing(assets: Assets, clip: I64, phase: F64, device: str) -> Motion:
    """Figures at the origin, upright, of height 1, each in a pose of its clip; frame 1 of three is all that is used."""
    n, motion, base = len(clip), Motion(), assets.motion
    motion.rotation, motion.position, motion.bind = base.rotation, base.position, base.bind
    motion.first, motion.count, motion.looped = base.first, base.count, base.looped
    motion.joints, motion.first_bind = base.joints, base.first_bind
    motion.place = upload(np.zeros((3, n, 3), np.float32), wp.vec3, device)
    motion.heading = upload(np.zeros((3, n), np.float32), wp.float32, device)
    motion.up = upload(np.zeros((0, 0, 3), np.float32), wp.vec3, device)
    motion.clip = upload(np.tile(clip.astype(np.int32), (3, 1)), wp.int32, device)
    motion.phase = upload(np.tile(phase.astype(np.float32), (3, 1)), wp.float32, device)
    motion.clip_from = upload(np.zeros((0, 0), np.int32), wp.int32, device)
    motion.phase_from, motion.blend = (upload(np.zeros((0, 0), np.float32), wp.float32, device) for _ in range(2))
    motion.scale = upload(np.ones(n, np.float32), wp.float32, device)
    return motion


def _levels(box: NDArray[np.float32], first: int) -> NDArray[np.void]:
    """A little map around each box, on a grid whose texel corner is the figure's middle."""
    low = np.floor(box[:, :2] / STAMP_TEXEL_M)
    size = np.maximum(np.ceil(box[:, 2:] / STAMP_TEXEL_M) - low, 1.0).astype(np.int64)
    level = np.zeros(len(box), SunLevel.numpy_dtype())
    level["texel_m"], level["per_m"] = STAMP_TEXEL_M, 1.0 / STAMP_TEXEL_M
    level["off_u"], level["off_v"] = (low * STAMP_TEXEL_M).T
    level["width"], level["height"] = size.T
    area = size[:, 0] * size[:, 1]
    level["first"] = first + np.cumsum(area) - area
    return level


def _room(shelf: _Shelf, texels: int, device: str) -> wp.array:
    """The shelf's texels in an array that holds that many. The old array is left as it is: another frame may read it."""
    if shelf.depth is not None and texels <= len(shelf.depth):
        return shelf.depth
    grown = empty((max(texels + texels // 2, 1 << 16),), wp.float32, device)
    if shelf.depth is not None and shelf.used:
        wp.copy(grown, shelf.depth, count=shelf.used)
    return grown

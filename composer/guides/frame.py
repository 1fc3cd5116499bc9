"""One frame's agents on the device: who may be seen, which mesh each wears, their matrices and skinned vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import Agents, Cast
from composer.errors import InputError
from composer.guides.assets import MIDDLE_M, Assets
from composer.guides.device import Pool, empty, lanes, upload
from composer.guides.kernel_catch import Feet, crowding_kernel
from composer.guides.kernel_pose import Motion, cast_kernel, pose_kernel, skin_kernel
from composer.guides.kernel_view import Draws, Eye, mat34
from composer.guides.lens_table import LensTables
from composer.guides.stamps import throws_of
from composer.guides.sun import Casters, SunPlan

F64 = NDArray[np.float64]
MOST_SLOTS = 1 << 20
FIGURE_M = 1.8
#: Agents this far outside the picture still count for contact and crowding.
SKIRT_M = 1.5
CONTACT_M = 0.9
MOST_CELLS = 4_000_000


@dataclass(frozen=True)
class Crowd:
    """Spheres around all agents, rel to the camera. order: layout indices by ascending agent id of those with a
    place. axis: unit, from feet to head, now."""

    order: NDArray[np.int64]
    place: NDArray[np.float32]
    axis: F64
    middle: F64
    radius: F64
    height_px: F64
    seen: NDArray[np.bool_]


@dataclass(frozen=True)
class Slots:
    """The agents at work: index [K] into the layout, ascending id; seen bool [K]; box int32 [K, 6] as in
    `skin_kernel`. draws.matrix holds frame 1, `joints` [K] of them each; `pose_beside` makes those of the frames beside it.
    far: their coarsest meshes, of those who cast with them."""

    index: NDArray[np.int64]
    slot_of: NDArray[np.int64]
    seen: NDArray[np.bool_]
    joints: NDArray[np.int64]
    draws: Draws
    far: Draws
    motion: Motion
    box: NDArray[np.int32]


def check_agents(agents: Agents, cast: Cast) -> None:
    """InputError unless the agents come with three frames and index into the cast."""
    n = len(agents)
    if agents.position_m.shape != (3, n, 3):
        raise InputError(
            "guides need the agents at three frames",
            expected=f"position_m [3, {n}, 3]",
            got=str(list(agents.position_m.shape)),
        )
    if agents.up is not None and agents.up.shape != (3, n, 3):
        raise InputError(
            "the body axes do not fit the agents", expected=f"up [3, {n}, 3]", got=str(list(agents.up.shape))
        )
    for name in ("clip_from", "phase_from", "blend"):
        part = getattr(agents, name)
        if (part is None) != (agents.blend is None) or (part is not None and part.shape != (3, n)):
            got = "none" if part is None else str(list(part.shape))
            raise InputError("the cross-fades do not fit the agents", expected=f"{name} [3, {n}]", got=got)
    if (
        n
        and agents.clip_from is not None
        and not 0 <= int(agents.clip_from.min()) <= int(agents.clip_from.max()) < len(cast.clips)
    ):
        raise InputError("an agent comes from a clip that the cast lacks", expected=f"below {len(cast.clips)}")
    if n and (int(agents.cast.max()) >= len(cast.figures) or int(agents.cast.min()) < 0):
        raise InputError("an agent wears a figure that the cast lacks", expected=f"below {len(cast.figures)}")
    if n and (int(agents.clip.max()) >= len(cast.clips) or int(agents.clip.min()) < 0):
        raise InputError("an agent plays a clip that the cast lacks", expected=f"below {len(cast.clips)}")


def look(agents: Agents, assets: Assets, view: View, tables: LensTables) -> Crowd:
    """Cull all agents against the picture."""
    origin = view.position_m
    place = (agents.position_m.astype(np.float64) - origin).astype(np.float32)
    finite = np.isfinite(place)
    if not finite.all():
        place = np.where(finite, place, place[1:2])
    order = np.argsort(agents.agent_id, kind="stable")
    there = finite[1, :, 0] & finite[1, :, 1] & finite[1, :, 2]
    order = order[there[order]]
    scale = agents.height_scale.astype(np.float64)
    axis = _axes(agents)
    middle = place[1].astype(np.float64) + (scale * MIDDLE_M[1])[:, None] * axis
    radius = assets.radius_m[agents.cast, agents.clip[1]]
    if agents.clip_from is not None:
        radius = np.maximum(radius, assets.radius_m[agents.cast, agents.clip_from[1]])
    radius = scale * radius * 1.02 + 0.05
    reach = radius + SKIRT_M
    seen = np.isfinite(middle[:, 0] + middle[:, 1] + middle[:, 2])
    for inward in picture_sides(view, tables) @ middle.T:
        seen &= inward > -reach
    distance = np.maximum(np.sqrt(np.einsum("ij,ij->i", middle, middle)), 0.1)
    return Crowd(order, place, axis, middle, radius, view.focal_px[1] * FIGURE_M * scale / distance, seen)


def picture_sides(view: View, tables: LensTables) -> F64:
    """float64 [5, 3]: unit normals, world axes, of the planes through the camera that hold all it sees on their inner
    side: the picture's own plane, left, right, top and bottom."""
    x0, y0, x1, y1 = tables.ideal_box
    camera = np.array([[0, 0, -1], [1, 0, x0], [-1, 0, -x1], [0, -1, y0], [0, 1, -y1]], np.float64)
    camera /= np.linalg.norm(camera, axis=1)[:, None]
    return camera @ view.camera_from_world[:3, :3]


def _axes(agents: Agents) -> F64:
    """Unit [N, 3]: each agent's `up` now; +Y for what is no direction."""
    axis = np.tile(np.array([0.0, 1.0, 0.0]), (len(agents), 1))
    if agents.up is not None:
        size = np.linalg.norm(agents.up[1].astype(np.float64), axis=1)
        good = (size > 1e-6) & (size < 1e6)
        axis[good] = agents.up[1][good] / size[good, None]
    return axis


def _motion(agents: Agents, crowd: Crowd, assets: Assets, index: NDArray[np.int64], device: str) -> Motion:
    motion, base = Motion(), assets.motion
    motion.rotation, motion.position, motion.bind = base.rotation, base.position, base.bind
    motion.first, motion.count, motion.looped = base.first, base.count, base.looped
    motion.joints, motion.first_bind = base.joints, base.first_bind
    motion.place = upload(crowd.place[:, index], wp.vec3, device)
    motion.heading = upload(agents.heading_rad[:, index].astype(np.float32), wp.float32, device)
    up = np.zeros((0, 0, 3), np.float32) if agents.up is None else agents.up[:, index].astype(np.float32)
    motion.up = upload(up, wp.vec3, device)
    clip = assets.played[agents.cast[index], agents.clip[:, index]]
    motion.clip = upload(clip.astype(np.int32), wp.int32, device)
    motion.phase = upload(agents.phase[:, index].astype(np.float32), wp.float32, device)
    fade = (agents.clip_from, agents.phase_from, agents.blend)
    nobody = np.zeros((0, 0), np.float32)
    parts = [nobody if part is None or agents.blend is None else part[:, index] for part in fade]
    before = parts[0] if not len(parts[0]) else assets.played[agents.cast[index], parts[0]]
    motion.clip_from = upload(before.astype(np.int32), wp.int32, device)
    motion.phase_from, motion.blend = (upload(part.astype(np.float32), wp.float32, device) for part in parts[1:])
    motion.scale = upload(agents.height_scale[index].astype(np.float32), wp.float32, device)
    return motion


def _worn(assets: Assets, mesh: NDArray[np.int32], rig: NDArray[np.int32], device: str) -> tuple[Draws, int]:
    """What the slots wear, and how many vertices that is; without any arrays of vertices or matrices."""
    draws = Draws()
    counts = assets.vertices[mesh]
    joints = assets.joints_of[rig].astype(np.int64)
    draws.mesh = upload(mesh.astype(np.int32), wp.int32, device)
    draws.first_vertex = upload((np.cumsum(counts) - counts).astype(np.int32), wp.int32, device)
    draws.rig = upload(rig, wp.int32, device)
    draws.first_matrix = upload((np.cumsum(joints) - joints).astype(np.int32), wp.int32, device)
    return draws, int(counts.sum())


def skin(agents: Agents, crowd: Crowd, plan: SunPlan, assets: Assets, eye: Eye, pool: Pool, device: str) -> Slots:
    """Pose and skin everyone who is seen or casts a shadow of his own that may be."""
    fine, coarse, _ = plan.casters(len(agents))
    wanted = crowd.seen | fine | coarse
    index = crowd.order[wanted[crowd.order]]
    n = len(index)
    if n > MOST_SLOTS:
        raise InputError("too many soldiers at work in one frame", expected=f"at most {MOST_SLOTS}", got=str(n))
    figure = agents.cast[index]
    rig = assets.rig_of[figure]
    draws, total = _worn(assets, assets.lod(figure, crowd.height_px[index]), rig, device)
    joints = assets.joints_of[rig].astype(np.int64)
    draws.matrix = empty((2, int(joints.sum())), mat34, device)
    draws.rel, draws.pixel, draws.sunward = (empty((total,), wp.vec3, device) for _ in range(3))
    far, total = _worn(assets, assets.mesh_of[figure, -1], rig, device)
    far.matrix, far.sunward = draws.matrix, empty((total,), wp.vec3, device)
    motion = _motion(agents, crowd, assets, index, device)
    seen = crowd.seen[index]
    seen_d, fine_d = (upload(who.astype(np.int32), wp.int32, device) for who in (seen, fine[index]))
    axes = [wp.vec3(*(float(v) for v in row)) for row in plan.axes]
    box = upload(np.tile(np.array([2**30, 2**30, -(2**30), -(2**30), 0, 2**30], np.int32), (n, 1)), wp.int32, device)
    everyone = upload(np.arange(n, dtype=np.int32), wp.int32, device)
    afar = np.flatnonzero(coarse[index]).astype(np.int32)

    def work(part: tuple[int, int]) -> None:
        a, b = part
        k = lanes(device)
        inputs = [motion, everyone[a:b], 1, draws.first_matrix, min(k, 32), draws.matrix]
        wp.launch(pose_kernel, dim=(b - a, 1, min(k, 32)), device=device, inputs=inputs)
        inputs = [assets.meshes, draws, eye, *axes, a, k, seen_d, fine_d, box]
        wp.launch(skin_kernel, dim=(b - a, k), device=device, inputs=inputs)
        here = afar[np.searchsorted(afar, a) : np.searchsorted(afar, b)]
        if len(here):
            inputs = [assets.meshes, far, upload(here, wp.int32, device), k, *axes]
            wp.launch(cast_kernel, dim=(len(here), k), device=device, inputs=inputs)

    if n:
        pool.run(work, pool.split(n, 16))
    slot_of = np.full(len(agents), -1, dtype=np.int64)
    slot_of[index] = np.arange(n)
    return Slots(index, slot_of, seen, joints, draws, far, motion, box.numpy())


def casters_of(
    agents: Agents, plan: SunPlan, slots: Slots, middle: F64, assets: Assets, pool: Pool, device: str
) -> Casters:
    """Who casts and how, stamps included."""
    who = np.flatnonzero(plan.casters(len(agents))[2])
    throw_of = np.full(len(agents), -1, dtype=np.int64)
    throw_of[who] = np.arange(len(who))
    stamps = throws = None
    if len(who):
        stamps, throws = throws_of(agents, who, middle, plan.axes, assets, pool, device)
    return Casters(slots.slot_of, slots.draws, slots.far, throw_of, stamps, throws)


def pose_beside(slots: Slots, who: NDArray[np.int32], device: str) -> Draws:
    """The matrices of these slots at the frames before and after (0 and 2), which only motion asks for: packed, since few
    of all slots show."""
    beside = Draws()
    joints = slots.joints[who]
    first = np.zeros(len(slots.index), np.int32)
    first[who] = np.cumsum(joints) - joints
    beside.first_matrix = upload(first, wp.int32, device)
    beside.matrix = empty((3, int(joints.sum())), mat34, device)
    if len(who):
        k = min(lanes(device), 32)
        inputs = [slots.motion, upload(who, wp.int32, device), 0, beside.first_matrix, k, beside.matrix]
        wp.launch(pose_kernel, dim=(len(who), 2, k), device=device, inputs=inputs)
    return beside


def _leaned(level: F64, axis: F64) -> F64:
    """Level vectors [N, 3] turned by the shortest arc from +Y to `axis`."""
    share = (level * axis).sum(1) / np.maximum(1.0 + axis[:, 1], 1e-6)
    return level - share[:, None] * (axis + np.array([0.0, 1.0, 0.0]))


def plant(
    agents: Agents,
    crowd: Crowd,
    slots: Slots,
    stand_rel: NDArray[np.float32],
    hooves_rel: NDArray[np.float32] | None,
    origin_m: F64,
    device: str,
) -> tuple[Feet, wp.array]:
    """Who stands on which cell of the ground, for contact; and how tightly each stands, float32 [K]. stand_rel: [K, 4, 3], hips
    and ankles as in `Assets`, NaN for what is no person; hooves_rel: [K, 4, 3], NaN without. origin_m: the camera's place."""
    n = len(slots.index)
    pairs = _pairs(agents, crowd, slots, stand_rel, hooves_rel)
    feet = Feet()
    stands = np.flatnonzero(np.isfinite(pairs.left).all(1))
    flat = pairs.body[stands][:, ::2].astype(np.float64)
    reach = (CONTACT_M * pairs.scale[stands]).astype(np.float64)
    some = len(stands) > 0
    low = flat.min(0) - 1.5 if some else np.zeros(2)
    high = flat.max(0) + 1.5 if some else np.ones(2)
    cell = max(1.0, 2.0 ** np.ceil(np.log2(np.sqrt(np.prod(high - low) / MOST_CELLS))))
    corner = -np.mod(origin_m[[0, 2]], cell)  # of the world's cell at the camera
    i0, j0 = (int(v) for v in np.floor((low - corner) / cell))
    nx, nz = (int(v) for v in np.floor((high - corner) / cell) - (i0, j0) + 1)
    first = (np.floor((flat - reach[:, None] - corner) / cell).astype(np.int64) - (i0, j0)).clip(0)
    last = (np.floor((flat + reach[:, None] - corner) / cell).astype(np.int64) - (i0, j0)).clip(0, (nx - 1, nz - 1))
    wide = int((last - first).max()) + 1 if some else 0
    cells, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for dz in range(wide):
        for dx in range(wide):
            fits = (first[:, 0] + dx <= last[:, 0]) & (first[:, 1] + dz <= last[:, 1])
            cells.append(((first[:, 1] + dz) * nx + first[:, 0] + dx)[fits])
            items.append(stands[fits])
    where, who = np.concatenate(cells), np.concatenate(items)
    start = np.concatenate([[0], np.cumsum(np.bincount(where, minlength=nx * nz))])
    many = max(len(pairs.body), 1)
    who = np.sort(where * many + who) % many  # by cell, then in their own order
    feet.x0, feet.z0, feet.inv_cell = float(corner[0]), float(corner[1]), 1.0 / cell
    feet.i0, feet.j0, feet.nx, feet.nz, feet.people = i0, j0, nx, nz, n
    feet.start = upload(start.astype(np.int32), wp.int32, device)
    feet.item = upload(np.append(who, 0).astype(np.int32), wp.int32, device)
    feet.body = upload(pairs.body, wp.vec3, device)
    feet.left, feet.right = (upload(side, wp.vec3, device) for side in (pairs.left, pairs.right))
    feet.scale = upload(pairs.scale, wp.float32, device)
    crowding = wp.zeros(max(n, 1), dtype=wp.float32, device=device)
    if n:
        wp.launch(crowding_kernel, dim=n, device=device, inputs=[feet, crowding])
    return feet, crowding


@dataclass(frozen=True)
class _Pairs:
    """P pairs of feet, rel: body, left, right float32 [P, 3], scale float32 [P]. The first K are the slots'."""

    body: NDArray[np.float32]
    left: NDArray[np.float32]
    right: NDArray[np.float32]
    scale: NDArray[np.float32]


def _pairs(
    agents: Agents,
    crowd: Crowd,
    slots: Slots,
    stand_rel: NDArray[np.float32],
    hooves_rel: NDArray[np.float32] | None,
) -> _Pairs:
    """A man's feet with his body over them; of a horse, fore and hind feet with the part of it that is over each."""
    index = slots.index
    n = len(index)
    scale = agents.height_scale[index].astype(np.float32)
    body = crowd.place[1, index].copy() if n else np.zeros((0, 3), np.float32)
    heading = agents.heading_rad[1, index]
    ahead = 0.06 * _leaned(np.stack([-np.sin(heading), np.zeros(n), -np.cos(heading)], axis=1), crowd.axis[index])
    ahead = ahead.astype(np.float32)
    ground = body[:, 1].copy()
    if n:
        middle = 0.5 * (stand_rel[:, 0] + stand_rel[:, 1])
        person = np.isfinite(middle).all(1)
        body[person, 0], body[person, 2] = middle[person, 0], middle[person, 2]
    bodies, lefts, rights, scales = [body], [stand_rel[:, 2] + ahead], [stand_rel[:, 3] + ahead], [scale]
    if hooves_rel is not None:
        mounted = np.flatnonzero(np.isfinite(hooves_rel).all((1, 2)))
        for left, right in ((0, 1), (2, 3)):
            pair = hooves_rel[mounted][:, [left, right]]
            over = pair.mean(1)
            over[:, 1] = ground[mounted]
            for rows, more in ((bodies, over), (lefts, pair[:, 0]), (rights, pair[:, 1]), (scales, scale[mounted])):
                rows.append(more)
    return _Pairs(*(np.concatenate(rows).astype(np.float32) for rows in (bodies, lefts, rights, scales)))

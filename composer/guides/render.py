"""`render_guides`: one frame's guide passes from agents, cast, views, ground, holdouts and light."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import Agents, Cast
from composer.environment.model import Environment
from composer.errors import InputError
from composer.guides import (
    kernel_catch,
    kernel_part,
    kernel_pose,
    kernel_raster,
    kernel_resolve,
    kernel_stamp,
    kernel_sun,
)
from composer.guides.assets import Assets, assets_of
from composer.guides.bands import Inputs, draw_bands
from composer.guides.canvas import Canvas
from composer.guides.device import Pool, empty, eye_of, load_kernels, upload, zeros
from composer.guides.frame import Crowd, Slots, casters_of, check_agents, look, picture_sides, plant, skin
from composer.guides.kernel_catch import Feet, ground_kernel, ground_point_kernel, surface_kernel
from composer.guides.kernel_pose import joint_kernel
from composer.guides.kernel_resolve import Blockers
from composer.guides.kernel_shade import Shading
from composer.guides.kernel_sun import Sun
from composer.guides.kernel_view import Eye
from composer.guides.lens_table import LensTables, lens_tables, sample_grid
from composer.guides.passes import GuidePasses, Holdout, Light, PlacePasses, Samples
from composer.guides.pattern import PATTERNS, sample_places
from composer.guides.pieces import staged
from composer.guides.pose import joint_passes
from composer.guides.sun import draw_sun, filter_taps, plan_sun

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


class _Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def _lens_notes(tables: LensTables) -> tuple[str, ...]:
    if tables.error_px <= 0.01:
        return ()
    return (f"lens: where the model nears its limit the picture is off by up to {tables.error_px:.2g} px",)


def _check(views: Sequence[View], ground_depth_m: F32 | None, holdouts: Sequence[Holdout], samples: int) -> None:
    w, h = views[1].size_px
    if samples not in PATTERNS:
        raise InputError("guides take that many samples a pixel", expected="1, 4, 8 or 16", got=str(samples))
    arrays = [("the ground's depth", ground_depth_m)] + [("a holdout's alpha", one.alpha) for one in holdouts]
    arrays += [("a holdout's depth", one.depth_m) for one in holdouts if isinstance(one.depth_m, np.ndarray)]
    for name, array in arrays:
        if array is not None and np.shape(array) != (h, w):
            raise InputError(f"{name} does not fit the picture", expected=f"[{h}, {w}]", got=str(list(np.shape(array))))


def _blockers(ground_depth_m: F32 | None, holdouts: Sequence[Holdout], shape: tuple[int, int], device: str) -> Blockers:
    blockers = Blockers()
    k = len(holdouts)
    alpha = np.zeros((k, *shape), np.float32)
    whole = all(np.ndim(one.depth_m) == 0 for one in holdouts)
    depth = np.zeros((k, 1, 1) if whole else (k, *shape), np.float32)
    for i, one in enumerate(holdouts):
        alpha[i] = np.clip(np.nan_to_num(one.alpha), 0.0, 1.0)
        depth[i] = np.asarray(one.depth_m, dtype=np.float32)
    blockers.alpha = upload(alpha, wp.float32, device)
    blockers.depth = upload(depth, wp.float32, device)
    ground = np.zeros((0, 0), np.float32) if ground_depth_m is None else np.asarray(ground_depth_m, np.float32)
    blockers.ground = upload(ground, wp.float32, device)
    return blockers


def _receivers(
    view: View, tables: LensTables, ground_depth_m: F32 | None, crowd: Crowd, holdouts: Sequence[Holdout]
) -> F64:  # fmt: skip
    """Places in the picture that a shadow may fall on, rel: the ground and holdouts on a coarse grid, and the agents."""
    tops, axis = crowd.middle[crowd.seen], crowd.axis[crowd.seen]
    places = [tops - axis, tops + 1.2 * axis]
    for surface_m in (ground_depth_m, *(one.surface_m for one in holdouts)):
        if surface_m is None:
            continue
        h, w = surface_m.shape
        rows = np.unique(np.append(np.arange(0, h, 8), h - 1))
        columns = np.unique(np.append(np.arange(0, w, 8), w - 1))
        depth = surface_m[np.ix_(rows, columns)].astype(np.float64)
        j, i = np.nonzero(np.isfinite(depth) & (depth > 0))
        px = np.stack([columns[i] + 0.5, rows[j] + 0.5], axis=-1)
        ray = (px - np.array(view.centre_px)) / np.array(view.focal_px)
        if tables.inverse is not None:
            ray = ray + sample_grid(tables.inverse, px)
        d = depth[j, i][:, None]
        cam = np.concatenate([ray[:, :1], -ray[:, 1:], -np.ones((len(ray), 1))], axis=1) * d
        points = cam @ view.world_from_camera[:3, :3].T
        places.append(points[np.isfinite(points).all(1)])
    return np.concatenate(places)


#: What flies is this far above the ground that would take light from it.
ALOFT_M = 100.0


def _shading(
    agents: Agents, light: Light, assets: Assets, slots: Slots, crowd: Crowd, crowding: wp.array, device: str
) -> Shading:
    index = slots.index
    shading = Shading()
    shading.sun, shading.sky, shading.bounce = (wp.vec3(*map(float, v)) for v in (light.sun, light.sky, light.bounce))
    toward = np.array(light.sun_direction, dtype=np.float64)
    shading.toward = wp.vec3(*map(float, toward / max(float(np.linalg.norm(toward)), 1e-9)))
    shading.albedo = upload(agents.albedo[index].astype(np.float32), wp.vec3, device)
    foot = crowd.place[1, index].copy()
    foot[~assets.person_of[assets.rig_of[agents.cast[index]]], 1] -= ALOFT_M
    shading.foot = upload(foot, wp.vec3, device)
    shading.height = upload(agents.height_scale[index].astype(np.float32), wp.float32, device)
    shading.agent_id = upload(agents.agent_id[index].astype(np.uint32), wp.uint32, device)
    shading.crowding = crowding
    return shading


def _ground(
    ground_depth_m: F32 | None, eye: Eye, sun: Sun, feet: Feet, blockers: Blockers, size_px: tuple[int, int],
    full: wp.array, pool: Pool, device: str,
) -> tuple[F32, F32]:  # fmt: skip
    """shadow and contact, float32 [H, W] each."""
    w, h = size_px
    shadow, contact = zeros((h, w), wp.float32, device), zeros((h, w), wp.float32, device)
    if ground_depth_m is None:
        return shadow.numpy(), contact.numpy()
    point = empty((h, w), wp.vec3, device)
    tap = upload(filter_taps(), wp.vec4, device)

    def points(rows: tuple[int, int]) -> None:
        dim = (rows[1] - rows[0], w)
        wp.launch(ground_point_kernel, dim=dim, device=device, inputs=[eye, blockers.ground, rows[0], point])

    def fill(rows: tuple[int, int]) -> None:
        wp.launch(
            ground_kernel, dim=(rows[1] - rows[0], w), device=device,
            inputs=[sun, feet, point, blockers.ground, blockers.alpha, blockers.depth, tap, full, rows[0],
                    shadow, contact],
        )  # fmt: skip

    strips = pool.split(h, 24)
    pool.run(points, strips)
    pool.run(fill, strips)
    return shadow.numpy(), contact.numpy()


def _on_holdouts(
    holdouts: Sequence[Holdout], eye: Eye, sun: Sun, size_px: tuple[int, int], pool: Pool, device: str
) -> F32 | None:  # fmt: skip
    """The share of sunlight taken from what holdouts with a surface show, float32 [H, W]; None without any."""
    each = [one for one in holdouts if one.surface_m is not None]
    if not each:
        return None
    w, h = size_px
    total = np.zeros((h, w), np.float32)
    tap = upload(filter_taps(), wp.vec4, device)
    for one in each:
        target = empty((h, w), wp.float32, device)
        inputs = [sun, eye, upload(np.asarray(one.surface_m, np.float32), wp.float32, device), tap]

        def fill(rows: tuple[int, int], inputs: list[object] = inputs, target: wp.array = target) -> None:
            dim = (rows[1] - rows[0], w)
            wp.launch(surface_kernel, dim=dim, device=device, inputs=[*inputs, rows[0], target])

        pool.run(fill, pool.split(h, 24))
        total = np.maximum(total, target.numpy())
    return total


def _joints(
    slots: Slots, who: NDArray[np.int32], joint: wp.array, place: wp.array, eye: Eye, pool: Pool, device: str,
    pictured: bool = False,
) -> tuple[F32, F32]:  # fmt: skip
    """These joints of the slots listed: rel [K, J, 3] and, if asked for, (x, y, depth) [K, J, 3]. joint, place: [rigs, J]."""
    n, many = len(who), joint.shape[1]
    rel = empty((n, many), wp.vec3, device)
    pixel = empty((n, many) if pictured else (0, 0), wp.vec3, device)
    listed = upload(who, wp.int32, device)

    def work(part: tuple[int, int]) -> None:
        a, b = part
        inputs = [slots.draws, listed[a:b], joint, place, eye, rel[a:b], pixel[a:b] if pictured else pixel]
        wp.launch(joint_kernel, dim=(b - a, many), device=device, inputs=inputs)

    pool.run(work, pool.split(n, 256) if n else [])
    return rel.numpy(), pixel.numpy()


def _standing(slots: Slots, assets: Assets, eye: Eye, pool: Pool, device: str) -> tuple[F32, F32 | None]:
    """Hips and ankles of every slot, rel [K, 4, 3]; and hooves [K, 4, 3], None where nobody has any."""
    everyone = np.arange(len(slots.index), dtype=np.int32)
    stand = _joints(slots, everyone, assets.stand_joint, assets.stand_place, eye, pool, device)[0]
    if not assets.hoofed:
        return stand, None
    return stand, _joints(slots, everyone, assets.hoof_joint, assets.hoof_place, eye, pool, device)[0]


def _in_sight(points: F64, view: View, tables: LensTables) -> F64:
    """Those of rel points [P, 3] that lie in the picture or close beside it."""
    inside = np.ones(len(points), bool)
    for side in picture_sides(view, tables):
        inside &= points @ side > -10.0
    return points[inside]


def _place_passes(canvas: Canvas | None, samples: Samples, environment: Environment | None) -> PlacePasses | None:
    if canvas is None or environment is None:
        return None
    return PlacePasses(
        depth_m=canvas.fetch("depth"), normal=canvas.fetch("normal"), piece_id=canvas.fetch("agent_id"),
        motion_px=canvas.fetch("motion"), motion_back_px=canvas.fetch("motion_back"),
        coverage=canvas.fetch("coverage"), albedo=canvas.fetch("albedo"), beauty=canvas.fetch("beauty"), samples=samples,
        names=environment.names, sun=canvas.fetch("light_sun") if canvas.light_set else None,
    )  # fmt: skip


def render_guides(
    agents: Agents,
    cast: Cast,
    views: tuple[View, View, View],
    ground_depth_m: F32 | None,
    holdouts: Sequence[Holdout],
    light: Light,
    *,
    samples: int = 4,
    device: str = "cpu",
    threads: int | None = None,
    band_rows: int | None = None,
    light_set: bool = False,
    environment: Environment | None = None,
) -> GuidePasses:
    """What the camera sees of the crowd at the middle one of three frames.

    agents: at (frame - 1, frame, frame + 1), as are the views; the neighbours serve motion only. ground_depth_m:
    float32 [H, W], planar, inf where there is no ground; it catches shadow and hides soldiers behind hills. None:
    neither. samples: 1, 4, 8 or 16 a pixel. device: "cpu" or "cuda". threads, band_rows: how the work is cut; the
    passes are the same bit for bit. light_set: the beauty by light too. environment: what stands around them.
    Raises InputError for arrays that do not fit the picture or the cast.
    """
    stages = _Stages()
    stand = staged(cast, environment) if environment is not None and environment.meshes else None
    if stand is not None:
        cast, agents = stand.cast, stand.over(agents)
    check_agents(agents, cast)
    _check(views, ground_depth_m, holdouts, samples)
    view = views[1]
    w, h = size = view.size_px
    load_kernels(
        device, kernel_pose, kernel_raster, kernel_sun, kernel_stamp, kernel_resolve, kernel_catch, kernel_part
    )
    pool = Pool(device, threads)
    try:
        assets = assets_of(cast, device)
        tables = tuple(lens_tables(v) for v in views)
        eyes = tuple(eye_of(v, t, view.position_m, device) for v, t in zip(views, tables, strict=True))
        stages.mark("prepare")
        crowd = look(agents, assets, view, tables[1])
        focal = float(np.sqrt(view.focal_px[0] * view.focal_px[1]))
        receivers = _receivers(view, tables[1], ground_depth_m, crowd, holdouts)
        if stand is not None:
            receivers = np.concatenate([receivers, _in_sight(stand.lumps.outline - view.position_m, view, tables[1])])
        lit = max(light.sun) > 0.0
        middle = np.where(np.isfinite(crowd.middle), crowd.middle, 1e9)
        plan = plan_sun(
            light.sun_direction,
            focal,
            view.position_m,
            middle,
            crowd.radius,
            receivers[: len(receivers) * lit],
            picture_sides(view, tables[1]),
            None if stand is None else assets.rig_of[agents.cast] == stand.rig,
        )
        stages.mark("cull")
        slots = skin(agents, crowd, plan, assets, eyes[1], pool, device)
        stand_rel, hooves_rel = _standing(slots, assets, eyes[1], pool, device)
        stages.mark("skin")
        casters = casters_of(agents, plan, slots, middle, assets, pool, device)
        sun = draw_sun(plan, casters, middle, crowd.radius, view.position_m, assets.meshes, pool, device)
        stages.mark("sun")
        feet, crowding = plant(agents, crowd, slots, stand_rel, hooves_rel, view.position_m, device)
        blockers = _blockers(ground_depth_m, holdouts, (h, w), device)
        canvas = Canvas(size, device, light_set)
        offset = upload(sample_places(samples), wp.vec2i, device)
        shading = _shading(agents, light, assets, slots, crowd, crowding, device)
        visible = wp.zeros(max(len(slots.index), 1), dtype=wp.uint8, device=device)
        full = wp.zeros((h, w), dtype=wp.uint8, device=device)
        place = Canvas(size, device, light_set) if stand is not None else None
        inputs = Inputs(
            assets, slots, eyes, sun, shading, blockers, offset, visible, full, samples, size, device, place,
            stand.rig if stand is not None else -1,
        )  # fmt: skip
        stages.mark("set up")
        merged, of_place = draw_bands(inputs, canvas, pool, band_rows)
        stages.mark("raster and resolve")
        shadow, contact = _ground(ground_depth_m, eyes[1], sun, feet, blockers, size, full, pool, device)
        on_holdouts = _on_holdouts(holdouts, eyes[1], sun, size, pool, device)
        stages.mark("ground")
        depth, agent_id = canvas.fetch("depth"), canvas.fetch("agent_id")
        nearest = depth if place is None else np.minimum(depth, place.fetch("depth"))
        shows = np.flatnonzero(visible.numpy()[: len(slots.index)]).astype(np.int32)
        if stand is not None:  # a wall has no skeleton
            shows = shows[assets.rig_of[agents.cast[slots.index[shows]]] != stand.rig]
        joints_px = _joints(slots, shows, assets.pose_joint, assets.pose_place, eyes[1], pool, device, pictured=True)[1]
        whose = agents.agent_id[slots.index[shows]]
        pose = joint_passes(whose, joints_px, nearest, agent_id, ground_depth_m, holdouts)
        stages.mark("pose")
        return GuidePasses(
            depth_m=depth, normal=canvas.fetch("normal"), agent_id=agent_id,
            motion_px=canvas.fetch("motion"), motion_back_px=canvas.fetch("motion_back"),
            coverage=canvas.fetch("coverage"), albedo=canvas.fetch("albedo"), beauty=canvas.fetch("beauty"),
            shadow=shadow, contact=contact, pose_px=pose.pixel, pose_agent=pose.agent, pose_visible=pose.visible,
            samples=merged, lights=canvas.lights(), dropped=0, seconds=stages.seconds,
            notes=(*_lens_notes(tables[1]), *plan.notes), place=_place_passes(place, of_place, environment),
            on_holdouts=on_holdouts,
        )  # fmt: skip
    finally:
        pool.close()

"""`render_guides`: one frame's guide passes from agents, cast, views, ground, holdouts and light.

The picture is drawn in bands of rows, each small enough to stay in a core's cache: triangles into the band's visibility
buffer, then the band's pixels resolved. On the CPU the bands are shared among threads; nothing depends on how many,
or on the bands' height.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import Agents, Cast
from composer.errors import InputError
from composer.guides import kernel_catch, kernel_raster, kernel_shade, kernel_sun
from composer.guides.assets import Assets, assets_of
from composer.guides.device import Pool, empty_floats, eye_of, lanes, load_kernels, upload
from composer.guides.frame import Crowd, Slots, check_agents, look, plant, pose_beside, skin
from composer.guides.kernel_catch import Feet, ground_kernel, ground_point_kernel
from composer.guides.kernel_raster import COARSE, EMPTY, coarse_kernel, joint_kernel, raster_kernel
from composer.guides.kernel_shade import Blockers, Entries, Passes, Shading, count_kernel, resolve_kernel
from composer.guides.kernel_sun import Sun
from composer.guides.kernel_view import Eye
from composer.guides.lens_table import LensTables, lens_tables, sample_grid
from composer.guides.passes import GuidePasses, Holdout, Light, LightSet, Samples
from composer.guides.pattern import PATTERNS, sample_places
from composer.guides.pose import joint_passes
from composer.guides.sun import draw_sun, filter_taps, plan_sun

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CPU_BAND_BYTES = 6_000_000
CUDA_BAND_BYTES = 400_000_000


@dataclass(frozen=True)
class _Inputs:
    """What every band reads."""

    assets: Assets
    slots: Slots
    eyes: tuple[Eye, Eye, Eye]
    sun: Sun
    shading: Shading
    blockers: Blockers
    offset: wp.array
    visible: wp.array
    full: wp.array
    samples: int
    size_px: tuple[int, int]
    device: str


@dataclass(frozen=True)
class _Band:
    """A band's samples, once resolved."""

    row0: int
    start: NDArray[np.int64]
    agent_id: NDArray[np.uint32]
    coverage: F32
    depth: F32
    rgb: F32


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


def _receivers(view: View, tables: LensTables, ground_depth_m: F32 | None, crowd: Crowd) -> F64:
    """Places in the picture that a shadow may fall on, rel: the ground on a coarse grid, and the agents."""
    tops, axis = crowd.middle[crowd.seen], crowd.axis[crowd.seen]
    places = [tops - axis, tops + 1.2 * axis]
    if ground_depth_m is not None:
        h, w = ground_depth_m.shape
        rows = np.unique(np.append(np.arange(0, h, 8), h - 1))
        columns = np.unique(np.append(np.arange(0, w, 8), w - 1))
        depth = ground_depth_m[np.ix_(rows, columns)].astype(np.float64)
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


LIGHTS = ("light_sun", "light_sky", "light_bounce")


class _Canvas:
    """The passes as numpy arrays and, for kernels, the same memory on the CPU or a copy to fetch from CUDA."""

    def __init__(self, size_px: tuple[int, int], device: str, light_set: bool) -> None:
        w, h = size_px
        self.passes = Passes()
        self.device = device
        self._host: dict[str, NDArray] = {}  # type: ignore[type-arg]
        kinds = {
            "depth": (wp.float32, np.float32, ()), "normal": (wp.vec3, np.float32, (3,)),
            "agent_id": (wp.uint32, np.uint32, ()), "motion": (wp.vec2, np.float32, (2,)),
            "motion_back": (wp.vec2, np.float32, (2,)), "coverage": (wp.float32, np.float32, ()),
            "albedo": (wp.vec3, np.float32, (3,)), "beauty": (wp.vec3, np.float32, (3,)),
        }  # fmt: skip
        for name, (kind, dtype, tail) in kinds.items():
            host = np.full((h, w), np.inf, dtype) if name == "depth" else np.zeros((h, w, *tail), dtype)
            self._host[name] = host
            setattr(self.passes, name, upload(host, kind, device))
        for name in LIGHTS:
            self._host[name] = np.zeros((h, w, 3) if light_set else (0, 0, 3), np.float32)
            setattr(self.passes, name, upload(self._host[name], wp.vec3, device))
        self.light_set = light_set

    def lights(self) -> LightSet | None:
        return LightSet(*(self.fetch(name) for name in LIGHTS)) if self.light_set else None

    def fetch(self, name: str) -> NDArray:  # type: ignore[type-arg]
        return self._host[name] if self.device == "cpu" else getattr(self.passes, name).numpy()


#: The nearest agents drawn before what is hidden is looked for, and how many more each further time.
FIRST_CHUNK = 48
MOST_CHUNK = 1024


def fill_visibility(
    assets: Assets, slots: Slots, eye: Eye, rows: tuple[int, int], width: int, samples: int, offset: wp.array,
    device: str,
) -> tuple[wp.array, NDArray[np.int32]] | None:  # fmt: skip
    """The visibility buffer of rows[0]..rows[1] and the slots that were tried; None where there are none.

    On the CPU nearest agents first, and those that are then known to be hidden are passed over: the same buffer.
    """
    row0, row1 = rows
    box = slots.box
    across = (box[:, 1] < row1) & (box[:, 3] >= row0) & (box[:, 0] < width) & (box[:, 2] >= 0)
    chosen = np.flatnonzero(slots.seen & (across | (box[:, 4] > 0))).astype(np.int32)
    if len(chosen) == 0:
        return None
    vis = wp.empty((row1 - row0) * width * samples, dtype=wp.uint64, device=device)
    vis.fill_(EMPTY)
    n = lanes(device)
    edges = [0, len(chosen)]
    squares = (0, 0)
    if device == "cpu" and len(chosen) > 2 * FIRST_CHUNK:
        chosen = chosen[np.argsort(box[chosen, 5], kind="stable")]
        edges = [0, FIRST_CHUNK]
        while edges[-1] < len(chosen):
            edges.append(min(edges[-1] + min(edges[-1], MOST_CHUNK), len(chosen)))
        squares = (-(-(row1 - row0) // COARSE), -(-width // COARSE))
    far = wp.full(squares, np.inf, dtype=wp.float32, device=device)
    boxes = upload(box, wp.int32, device)
    who = upload(chosen, wp.int32, device)
    for a, b in itertools.pairwise(edges):
        if a > 0:
            wp.launch(coarse_kernel, dim=squares, device=device, inputs=[vis, row1 - row0, width, samples, far])
        wp.launch(
            raster_kernel, dim=(b - a, n), device=device,
            inputs=[assets.meshes, slots.draws, eye, who[a:b], n, row0, row1, width, samples, offset, vis, boxes, far],
        )  # fmt: skip
    return vis, chosen


def _band(inputs: _Inputs, canvas: _Canvas, row0: int, row1: int) -> _Band | None:
    """Draw and resolve rows row0..row1."""
    w, _ = inputs.size_px
    device, s = inputs.device, inputs.samples
    filled = fill_visibility(inputs.assets, inputs.slots, inputs.eyes[1], (row0, row1), w, s, inputs.offset, device)
    if filled is None:
        return None
    vis, chosen = filled
    rows = row1 - row0
    count = wp.empty(rows * w, dtype=wp.int64, device=device)
    wp.launch(
        count_kernel, dim=(rows, w), device=device,
        inputs=[vis, s, row0, w, inputs.blockers, count, inputs.visible, inputs.full],
    )  # fmt: skip
    start = np.zeros(rows * w + 1, np.int64)
    np.cumsum(count.numpy(), out=start[1:])
    total = int(start[-1])
    if total == 0:
        return None
    # bands at work at once may pose the same agent, alike
    pose_beside(inputs.slots, chosen[inputs.visible.numpy()[chosen] > 0], device)
    entries = Entries()
    entries.start = upload(start, wp.int64, device)
    entries.agent_id = wp.empty(total, dtype=wp.uint32, device=device)
    entries.coverage = wp.empty(total, dtype=wp.float32, device=device)
    entries.depth = wp.empty(total, dtype=wp.float32, device=device)
    entries.rgb = wp.empty(total, dtype=wp.vec3, device=device)
    wp.launch(
        resolve_kernel, dim=(rows, w), device=device,
        inputs=[vis, s, inputs.offset, row0, w, inputs.assets.meshes, inputs.slots.draws, *inputs.eyes, inputs.sun,
                inputs.shading, inputs.blockers, canvas.passes, entries],
    )  # fmt: skip
    return _Band(
        row0, start, entries.agent_id.numpy(), entries.coverage.numpy(), entries.depth.numpy(), entries.rgb.numpy()
    )


def _join(bands: list[_Band], size_px: tuple[int, int]) -> Samples:
    w, h = size_px
    start = np.zeros(h * w + 1, np.int64)
    filled, total = 0, 0
    for band in bands:
        a = band.row0 * w
        start[filled : a + 1] = total
        filled = a + len(band.start)
        np.add(band.start, total, out=start[a:filled])
        total = int(start[filled - 1])
    start[filled:] = total
    return Samples(
        start,
        np.concatenate([np.zeros(0, np.uint32), *(b.agent_id for b in bands)]),
        np.concatenate([np.zeros(0, np.float32), *(b.coverage for b in bands)]),
        np.concatenate([np.zeros(0, np.float32), *(b.depth for b in bands)]),
        np.concatenate([np.zeros((0, 3), np.float32), *(b.rgb for b in bands)]),
    )


def _draw_bands(inputs: _Inputs, canvas: _Canvas, pool: Pool, band_rows: int | None) -> Samples:
    """The whole picture, band by band."""
    w, h = inputs.size_px
    memory = CPU_BAND_BYTES if inputs.device == "cpu" else CUDA_BAND_BYTES
    rows = band_rows or max(16, memory // (w * inputs.samples * 8))
    edges = list(range(0, h, rows))
    bands: list[_Band | None] = [None] * len(edges)

    def work(k: int) -> None:
        bands[k] = _band(inputs, canvas, edges[k], min(edges[k] + rows, h))

    pool.run(work, range(len(edges)))
    return _join([band for band in bands if band is not None], inputs.size_px)


def _ground(
    ground_depth_m: F32 | None, eye: Eye, sun: Sun, feet: Feet, blockers: Blockers, size_px: tuple[int, int],
    full: wp.array, pool: Pool, device: str,
) -> tuple[F32, F32]:  # fmt: skip
    """shadow and contact, float32 [H, W] each."""
    w, h = size_px
    shadow, contact = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    if ground_depth_m is None:
        return shadow, contact
    shadow_d, contact_d = upload(shadow, wp.float32, device), upload(contact, wp.float32, device)
    point = empty_floats((h, w), wp.vec3, device)
    tap = upload(filter_taps(), wp.vec4, device)

    def points(rows: tuple[int, int]) -> None:
        dim = (rows[1] - rows[0], w)
        wp.launch(ground_point_kernel, dim=dim, device=device, inputs=[eye, blockers.ground, rows[0], point])

    def fill(rows: tuple[int, int]) -> None:
        wp.launch(
            ground_kernel, dim=(rows[1] - rows[0], w), device=device,
            inputs=[sun, feet, point, blockers.ground, blockers.alpha, blockers.depth, tap, full, rows[0],
                    shadow_d, contact_d],
        )  # fmt: skip

    strips = pool.split(h, 24)
    pool.run(points, strips)
    pool.run(fill, strips)
    return (shadow, contact) if device == "cpu" else (shadow_d.numpy(), contact_d.numpy())


def _joints(slots: Slots, joint: wp.array, place: wp.array, eye: Eye, device: str) -> tuple[F32, F32]:
    """These joints of every slot: rel [K, J, 3] and (x, y, depth) [K, J, 3]. joint, place: [rigs, J]."""
    dim = (len(slots.index), joint.shape[1])
    rel = wp.empty(dim, dtype=wp.vec3, device=device)
    pixel = wp.empty(dim, dtype=wp.vec3, device=device)
    if dim[0]:
        wp.launch(joint_kernel, dim=dim, device=device, inputs=[slots.draws, joint, place, eye, rel, pixel])
    return rel.numpy(), pixel.numpy()


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
) -> GuidePasses:
    """What the camera sees of the crowd at the middle one of three frames.

    agents: at (frame - 1, frame, frame + 1), as are the views; the neighbours serve motion only. ground_depth_m:
    float32 [H, W], planar, inf where there is no ground; it catches shadow and hides soldiers behind hills. None:
    neither. samples: 1, 4, 8 or 16 a pixel. device: "cpu" or "cuda". threads, band_rows: how the work is cut; the
    passes are the same bit for bit. light_set: the beauty by light too. Raises InputError for arrays that do not fit
    the picture or the cast.
    """
    stages = _Stages()
    check_agents(agents, cast)
    _check(views, ground_depth_m, holdouts, samples)
    view = views[1]
    w, h = size = view.size_px
    load_kernels(device, kernel_raster, kernel_sun, kernel_shade, kernel_catch)
    pool = Pool(device, threads)
    try:
        assets = assets_of(cast, device)
        tables = tuple(lens_tables(v) for v in views)
        eyes = tuple(eye_of(v, t, view.position_m, device) for v, t in zip(views, tables, strict=True))
        stages.mark("prepare")
        crowd = look(agents, assets, view, tables[1])
        focal = float(np.sqrt(view.focal_px[0] * view.focal_px[1]))
        receivers = _receivers(view, tables[1], ground_depth_m, crowd)
        lit = max(light.sun) > 0.0
        with_place = np.isfinite(crowd.middle).all(1)
        middle = np.where(with_place[:, None], crowd.middle, 1e9)
        plan = plan_sun(
            light.sun_direction, focal, view.position_m, middle, crowd.radius, receivers[: len(receivers) * lit]
        )
        stages.mark("cull")
        slots = skin(agents, crowd, plan.casters, assets, eyes[1], pool, device)
        joints_rel, joints_px = _joints(slots, assets.pose_joint, assets.pose_place, eyes[1], device)
        hooves_rel = _joints(slots, assets.hoof_joint, assets.hoof_place, eyes[1], device)[0] if assets.hoofed else None
        stages.mark("skin")
        sun = draw_sun(
            plan, slots.slot_of, middle, crowd.radius, view.position_m, assets.meshes, slots.draws, pool, device
        )
        stages.mark("sun")
        feet, crowding = plant(agents, crowd, slots, joints_rel, hooves_rel, view.position_m, device)
        blockers = _blockers(ground_depth_m, holdouts, (h, w), device)
        canvas = _Canvas(size, device, light_set)
        offset = upload(sample_places(samples), wp.vec2i, device)
        shading = _shading(agents, light, assets, slots, crowd, crowding, device)
        visible = wp.zeros(max(len(slots.index), 1), dtype=wp.uint8, device=device)
        full = wp.zeros((h, w), dtype=wp.uint8, device=device)
        inputs = _Inputs(assets, slots, eyes, sun, shading, blockers, offset, visible, full, samples, size, device)
        stages.mark("set up")
        merged = _draw_bands(inputs, canvas, pool, band_rows)
        stages.mark("raster and resolve")
        shadow, contact = _ground(ground_depth_m, eyes[1], sun, feet, blockers, size, full, pool, device)
        stages.mark("ground")
        depth, agent_id = canvas.fetch("depth"), canvas.fetch("agent_id")
        pose = joint_passes(agents.agent_id[slots.index], slots, joints_px, depth, agent_id, ground_depth_m, holdouts)
        stages.mark("pose")
        return GuidePasses(
            depth_m=depth, normal=canvas.fetch("normal"), agent_id=agent_id,
            motion_px=canvas.fetch("motion"), motion_back_px=canvas.fetch("motion_back"),
            coverage=canvas.fetch("coverage"), albedo=canvas.fetch("albedo"), beauty=canvas.fetch("beauty"),
            shadow=shadow, contact=contact, pose_px=pose.pixel, pose_agent=pose.agent, pose_visible=pose.visible,
            samples=merged, lights=canvas.lights(), dropped=0, seconds=stages.seconds,
            notes=(*_lens_notes(tables[1]), *plan.notes),
        )  # fmt: skip
    finally:
        pool.close()

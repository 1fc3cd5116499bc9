"""`surface_pass`: what lies under each sample of a picture, named so that it is the same in every frame.

An agent's point is its place on the body at rest, whatever his pose, turn or level of detail; the ground's is its place in
the world; the sky's a direction. Noise that is locked to the world is a function of these (`inference.noise`), and a
picture is carried from one frame to another along them (`inference.carry`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import Agents, Cast
from composer.errors import InputError
from composer.guides import kernel_pose, kernel_raster, kernel_surface
from composer.guides.assets import assets_of
from composer.guides.bands import CPU_BAND_BYTES, CUDA_BAND_BYTES, fill_visibility
from composer.guides.device import Pool, eye_of, load_kernels, upload
from composer.guides.frame import check_agents, look, pose_beside, skin
from composer.guides.kernel_surface import Points, surface_kernel
from composer.guides.lens_table import lens_tables
from composer.guides.pattern import PATTERNS, sample_places
from composer.guides.sun import SunPlan

F32 = NDArray[np.float32]
SKY, GROUND, AGENT = 0, 1, 2


@dataclass(frozen=True)
class Surface:
    """S samples a pixel, at the places of `pattern.sample_places`; holdouts are not asked.

    kind: uint8 [H, W, S], SKY, GROUND or AGENT. agent_id: uint32 [H, W, S], 0 where nobody is. place_m: float32
    [H, W, S, 3]: of an agent on the body at rest (figure space, before his own size), of the ground in the world less
    `origin_m`, of the sky a unit direction. across, along: uint8 [H, W, S], how large a pixel is there, in the same space:
    held square to the view, and lying along the ground (elsewhere the same); metres are 2 ** (code / 8 - 20).
    origin_m: float64 [3], the camera's place. before_px: float32 [H, W, S, 2], where the same point lies in the first of
    the three views, at its time (NaN: behind that camera); None where it was not asked for.
    """

    kind: NDArray[np.uint8]
    agent_id: NDArray[np.uint32]
    place_m: F32
    across: NDArray[np.uint8]
    along: NDArray[np.uint8]
    origin_m: NDArray[np.float64]
    before_px: F32 | None = None

    @property
    def size_px(self) -> tuple[int, int]:
        """(W, H)."""
        return self.kind.shape[1], self.kind.shape[0]

    @property
    def samples(self) -> int:
        return self.kind.shape[2]


def surface_pass(
    agents: Agents,
    cast: Cast,
    views: tuple[View, View, View],
    ground_depth_m: F32 | None,
    samples: int = 1,
    device: str = "cpu",
    *,
    trace: bool = False,
    threads: int | None = None,
    band_rows: int | None = None,
    rows: tuple[int, int] | None = None,
) -> Surface:
    """The surface points behind the middle one of three frames; arguments as of `render_guides`. samples: 1, 4, 8 or 16;
    noise for latents of f x f pixels wants about 64 / (f * f) or more. trace: follow each point into the first view, of
    whatever frame that is. rows: [first, end) of the picture that are asked for; the others are then left undefined."""
    check_agents(agents, cast)
    view = views[1]
    w, h = view.size_px
    if samples not in PATTERNS:
        raise InputError("surfaces take that many samples a pixel", expected="1, 4, 8 or 16", got=str(samples))
    first, end = (0, h) if rows is None else (max(0, rows[0]), min(h, rows[1]))
    if ground_depth_m is not None and ground_depth_m.shape != (h, w):
        raise InputError(
            "the ground's depth does not fit the picture", expected=f"[{h}, {w}]", got=str(list(ground_depth_m.shape))
        )
    load_kernels(device, kernel_pose, kernel_raster, kernel_surface)
    pool = Pool(device, threads)
    try:
        assets, tables = assets_of(cast, device), lens_tables(view)
        eye = eye_of(view, tables, view.position_m, device)
        before = eye_of(views[0], lens_tables(views[0]), view.position_m, device)
        crowd = look(agents, assets, view, tables)
        slots = skin(agents, crowd, SunPlan(np.eye(3), ()), assets, eye, pool, device)
        offset = upload(sample_places(samples), wp.vec2i, device)
        none = np.zeros((0, 0), np.float32)
        ground = upload(none if ground_depth_m is None else np.asarray(ground_depth_m, np.float32), wp.float32, device)
        who = upload(agents.agent_id[slots.index].astype(np.uint32), wp.uint32, device)
        scale = upload(agents.height_scale[slots.index].astype(np.float32), wp.float32, device)
        host = {
            "kind": np.empty(h * w * samples, np.uint8), "agent_id": np.empty(h * w * samples, np.uint32),
            "place": np.empty((h * w * samples, 3), np.float32), "across": np.empty(h * w * samples, np.uint8),
            "along": np.empty(h * w * samples, np.uint8),
            "before": np.empty((h * w * samples * trace, 2), np.float32),
        }  # fmt: skip
        kinds = {"agent_id": wp.uint32, "place": wp.vec3, "before": wp.vec2}
        points = Points()
        for name, array in host.items():
            setattr(points, name, upload(array, kinds.get(name, wp.uint8), device))
        nobody = wp.empty(0, dtype=wp.uint64, device=device)
        band = band_rows or max(16, (CPU_BAND_BYTES if device == "cpu" else CUDA_BAND_BYTES) // (w * samples * 8))

        def work(row0: int) -> None:
            row1 = min(row0 + band, end)
            filled = fill_visibility(assets, slots, eye, (row0, row1), w, samples, offset, device)
            vis = nobody if filled is None else filled[0]
            traced = np.zeros(0, np.int32) if filled is None or not trace else filled[1]
            beside = pose_beside(slots, traced, device)
            wp.launch(
                surface_kernel, dim=(row1 - row0, w), device=device,
                inputs=[vis, samples, offset, row0, w, assets.meshes, slots.draws, beside, before, eye, ground, who,
                        scale, points],
            )  # fmt: skip

        pool.run(work, range(first, end, band))
    finally:
        pool.close()
    got = {name: array if device == "cpu" else getattr(points, name).numpy() for name, array in host.items()}
    shape = (h, w, samples)
    return Surface(
        got["kind"].reshape(shape), got["agent_id"].reshape(shape), got["place"].reshape(*shape, 3),
        got["across"].reshape(shape), got["along"].reshape(shape), np.asarray(view.position_m, np.float64),
        got["before"].reshape(*shape, 2) if trace else None,
    )  # fmt: skip

"""`render_reference`: the same soldiers through the same camera as the guides, in a far better picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import Agents, Cast
from composer.guides.assets import assets_of
from composer.guides.bands import fill_visibility
from composer.guides.device import Pool, eye_of, upload
from composer.guides.frame import Slots, look, skin
from composer.guides.kernel_resolve import count_kernel
from composer.guides.lens_table import lens_tables
from composer.guides.passes import Holdout, Light
from composer.guides.pattern import sample_places
from composer.guides.render import _blockers
from composer.guides.sun import SunPlan, sun_axes
from models.levy.recipe.kernel_reference import Gathered, Lamps, reference_kernel, smooth_kernel
from models.levy.recipe.kernel_relief import CURTAIN, MAIL, PLATES, State

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Wear:
    """What only the text tells of each agent, float32 [N] in 0..1. other: another number gives the same people other folds,
    stains and dents."""

    wear: F32
    mud: F32
    blood: F32
    dust: F32
    other: int = 0


def render_reference(
    agents: Agents,
    cast: Cast,
    view: View,
    ground_depth_m: F32 | None,
    holdouts: Sequence[Holdout],
    light: Light,
    wear: Wear,
    *,
    sun_spread: float = 0.012,
    samples: int = 16,
    seed: int = 0,
    device: str = "cpu",
    rows: int = 64,
    threads: int | None = 1,
) -> F32:
    """float32 [H, W, 4]: radiance ACEScg premultiplied by coverage, and coverage, after ground and holdouts.

    agents: at three frames, as the guides take them. sun_spread: tangent of the sun's half angle (a hazy sky widens it)."""
    pool = Pool(device, threads)
    try:
        w, h = view.size_px
        assets, tables = assets_of(cast, device), lens_tables(view)
        eye = eye_of(view, tables, view.position_m, device)
        crowd = look(agents, assets, view, tables)
        slots = skin(agents, crowd, SunPlan(sun_axes(light.sun_direction), ()), assets, eye, pool, device)
        out = wp.zeros((h, w), dtype=wp.vec4, device=device)
        if len(slots.index) == 0:
            return out.numpy()
        scene = _scene(slots, assets.meshes, device)
        blockers = _blockers(ground_depth_m, holdouts, (h, w), device)
        offset = upload(sample_places(samples), wp.vec2i, device)
        albedo = upload(agents.albedo[slots.index].astype(np.float32), wp.vec3, device)
        states = _states(agents, cast, slots, wear, device)
        lamps = lamps_of(light, sun_spread)
        dull, sky = wp.zeros((h, w), dtype=wp.vec3, device=device), _gathered((h, w), device)
        visible = wp.zeros(len(slots.index), dtype=wp.uint8, device=device)
        full = wp.zeros((h, w), dtype=wp.uint8, device=device)

        def work(row0: int) -> None:
            band = (row0, min(row0 + rows, h))
            filled = fill_visibility(assets, slots, eye, band, w, samples, offset, device)
            if filled is None:
                return
            vis, _ = filled
            dim = (band[1] - band[0], w)
            count = wp.zeros(dim[0] * w, dtype=wp.int64, device=device)
            wp.launch(
                count_kernel, dim=dim, device=device, inputs=[vis, samples, row0, w, blockers, count, visible, full]
            )
            wp.launch(
                reference_kernel, dim=dim, device=device,
                inputs=[vis, samples, offset, row0, w, assets.meshes, slots.draws, eye, blockers, albedo, states, lamps,
                        scene.id, wp.uint32(seed & 0xFFFFFFFF), out, dull, sky],
            )  # fmt: skip

        pool.run(work, range(0, h, rows))
        wp.launch(smooth_kernel, dim=(h, w), device=device, inputs=[dull, sky, REACH_PX, out])
        return out.numpy()
    finally:
        pool.close()


#: How far the sky's light is averaged.
REACH_PX = 4


def _gathered(shape: tuple[int, int], device: str) -> Gathered:
    sky = Gathered()
    sky.light, sky.normal = wp.zeros(shape, dtype=wp.vec4, device=device), wp.zeros(shape, dtype=wp.vec3, device=device)
    sky.depth = wp.zeros(shape, dtype=wp.float32, device=device)
    sky.slot = wp.full(shape, -1, dtype=wp.int32, device=device)
    return sky


def _scene(slots: Slots, meshes: object, device: str) -> wp.Mesh:
    """All that stands in or near the picture, for rays."""
    mesh = slots.draws.mesh.numpy()
    first_tri, tris, tri = (np.asarray(getattr(meshes, k).numpy()) for k in ("first_tri", "tris", "tri"))
    base = slots.draws.first_vertex.numpy()
    corners = [tri[first_tri[m] : first_tri[m] + tris[m]] + base[k] for k, m in enumerate(mesh)]
    index = np.ascontiguousarray(np.concatenate(corners).reshape(-1).astype(np.int32))
    return wp.Mesh(points=slots.draws.rel, indices=wp.array(index, dtype=wp.int32, device=device))


#: What a kit's metal is made of on the body: mail, a mail curtain at the neck alone, or plates and scales.
ARMOUR = {
    "spearman": MAIL, "bannerman": MAIL, "lancer": MAIL, "swordsman": CURTAIN, "heavy": PLATES, "officer": PLATES
}  # fmt: skip


def _states(agents: Agents, cast: Cast, slots: Slots, wear: Wear, device: str) -> wp.array:
    host = np.zeros(len(slots.index), dtype=State.numpy_dtype())
    host["seed"] = agents.seed[slots.index] + np.uint32(wear.other)
    for name in ("wear", "mud", "blood", "dust"):
        host[name] = getattr(wear, name)[slots.index]
    kit = np.array([ARMOUR.get(f.name.partition("_")[0], 0) for f in cast.figures], np.int32)
    host["armour"] = kit[agents.cast[slots.index]]
    return wp.array(host, dtype=State, device=device)


def lamps_of(light: Light, spread: float) -> Lamps:
    lamps = Lamps()
    toward = np.array(light.sun_direction, np.float64)
    lamps.toward = wp.vec3(*(toward / np.linalg.norm(toward)).tolist())
    lamps.spread = spread
    lamps.sun, lamps.sky, lamps.bounce = (wp.vec3(*map(float, v)) for v in (light.sun, light.sky, light.bounce))
    return lamps

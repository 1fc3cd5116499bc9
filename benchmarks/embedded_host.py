"""The crowd of a shot as a mesh for the embedded scene's own renderer, which shares no code with Muster's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import MATERIALS, Agents, Cast
from composer.guides.assets import assets_of
from composer.guides.device import Pool, eye_of
from composer.guides.frame import look, skin
from composer.guides.lens_table import lens_tables
from composer.guides.sun import SunPlan, sun_axes

F32 = NDArray[np.float32]
SCENE = Path(__file__).resolve().parents[1] / "scenes" / "valley"
SUN_UP = (0.0, 1.0, 0.0)


def maker() -> ModuleType:
    """The scene's own package, which is not installed."""
    sys.path.insert(0, str(SCENE))
    try:
        import maker.files
        import maker.renderer

        return maker
    finally:
        sys.path.remove(str(SCENE))


@dataclass(frozen=True)
class Posed:
    """Soldiers in the world, triangle by triangle. corner_m, normal: float32 [T, 3, 3]. albedo: float32 [T, 3], ACEScg.
    material: int [T], index into MATERIALS. rise_m: float32 [T, 3], of each corner above its soldier's feet; crowding is
    not in it."""

    corner_m: F32
    normal: F32
    albedo: F32
    material: NDArray[np.int64]
    rise_m: F32


def posed(agents: Agents, cast: Cast, view: Any) -> Posed:
    """All soldiers in the picture of `view`, as detailed as Muster draws them there. agents: at three frames."""
    pool = Pool("cpu", 1)
    try:
        assets, tables = assets_of(cast, "cpu"), lens_tables(view)
        eye = eye_of(view, tables, view.position_m, "cpu")
        crowd = look(agents, assets, view, tables)
        slots = skin(agents, crowd, SunPlan(sun_axes(SUN_UP), ()), assets, eye, pool, "cpu")
    finally:
        pool.close()
    draws, meshes = slots.draws, assets.meshes
    rel, matrix = draws.rel.numpy(), draws.matrix.numpy()[1].astype(np.float64)
    names = ("first_tri", "tris", "first_vertex", "tri", "tri_normal", "normal", "joint", "weight", "material")
    first_tri, tris, first_vertex, tri, tri_normal, normal, joint, weight, material = (
        np.asarray(getattr(meshes, name).numpy()) for name in names
    )
    parts: list[tuple[F32, ...]] = []
    worn, vertex, joints = (a.numpy() for a in (draws.mesh, draws.first_vertex, draws.first_matrix))
    for k in np.flatnonzero(slots.seen):
        m = worn[k]
        which = slice(first_tri[m], first_tri[m] + tris[m])
        corner = tri[which].reshape(-1, 3)
        at = first_vertex[m] + corner
        turn = matrix[joints[k] + joint[at].astype(np.int64)][..., :3]  # [T, 3, 2, 3, 3]
        straight = normal[tri_normal[which].reshape(-1, 3)].astype(np.float64)
        share = np.stack([weight[at], 1 - weight[at]], axis=-1)
        turned = np.einsum("tcbij,tcj,tcb->tci", turn, straight, share)
        turned /= np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-9)
        place = rel[vertex[k] + corner].astype(np.float64) + view.position_m
        foot = agents.position_m[1, slots.index[k], 1]
        parts.append(
            (place, turned, agents.albedo[slots.index[k]][material[which]], material[which], place[..., 1] - foot)
        )
    joined = [np.concatenate(p) for p in zip(*parts, strict=True)]
    corner_m, normals, albedo, rise = (a.astype(np.float32) for a in (*joined[:3], joined[4]))
    return Posed(corner_m, normals, albedo, joined[3].astype(np.int64), rise)


def host_mesh(soldiers: Posed) -> Any:
    """As a `maker.meshes.Mesh`: cloth as wool, metal as iron, the rest as leather and wood. Corners are not shared."""
    meshes = maker().meshes
    kinds = {"metal": meshes.METAL, **dict.fromkeys(("tunic", "trousers", "cloak", "crest"), meshes.CLOTH)}
    stuff = np.array([kinds.get(name, meshes.PLAIN) for name in MATERIALS], np.float32)[soldiers.material]
    count = soldiers.corner_m.shape[0] * 3
    open_ = np.ones((count, 2), np.float32)
    # The renderer has no rays for the sky: what is low on a body sees less of it, as its own figures have it
    open_[:, 1] = 0.45 + 0.55 * np.clip(soldiers.rise_m.reshape(-1) / 1.2, 0, 1)
    return meshes.Mesh(
        soldiers.corner_m.reshape(-1, 3), soldiers.normal.reshape(-1, 3), np.repeat(soldiers.albedo, 3, axis=0), open_,
        np.repeat(stuff, 3), np.arange(count, dtype=np.int32).reshape(-1, 3),
    )  # fmt: skip


def ball_mesh(middle_m: tuple[float, float, float], radius_m: float, albedo: float) -> Any:
    """A matt grey ball."""
    meshes = maker().meshes
    place, triangle = meshes.icosphere(5)
    at = (place * np.float32(radius_m) + np.array(middle_m, np.float32)).astype(np.float32)
    return meshes.uniform(at, place.astype(np.float32), triangle, (albedo,) * 3, meshes.MATT)

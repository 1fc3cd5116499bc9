"""A cast on the device: meshes, clips and skeleton packed once a process, and bounds for culling."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.crowd.agents import Cast, Clip, Figure
from composer.errors import InputError
from composer.guides.kernel_raster import Motion
from composer.guides.kernel_view import Meshes

MAX_TRIANGLES = 4096
MIDDLE_M = np.array([0.0, 0.95, 0.0])
#: A figure this many pixels high or more gets lods[0], and so on; the last one serves what is smaller.
LOD_PX = (150.0, 50.0, 18.0)


@dataclass(frozen=True)
class Assets:
    """meshes, motion (without the agents' own arrays) on the device; mesh_of: int32 [figures, most lods]; radius_m:
    float64 [figures, clips] of a sphere around `MIDDLE_M`, over the whole clip; joints: of the skeleton."""

    meshes: Meshes
    motion: Motion
    mesh_of: NDArray[np.int32]
    lods: NDArray[np.int32]
    vertices: NDArray[np.int64]
    radius_m: NDArray[np.float64]
    joints: int
    pose_joint: wp.array
    pose_place: wp.array

    def lod(self, figure: NDArray[np.int16], height_px: NDArray[np.float64]) -> NDArray[np.int32]:
        """The mesh for figures of these heights in the picture."""
        level = np.searchsorted(-np.array(LOD_PX), -height_px, side="right").astype(np.int32)
        return self.mesh_of[figure, np.minimum(level, self.lods[figure] - 1)]


def _check(cast: Cast) -> None:
    joints = len(cast.skeleton.parent)
    for figure in cast.figures:
        for mesh in figure.lods:
            if len(mesh.triangle) > MAX_TRIANGLES:
                raise InputError(
                    f"figure {figure.name} has too many triangles",
                    expected=f"at most {MAX_TRIANGLES}", got=str(len(mesh.triangle)),
                )  # fmt: skip
            if len(mesh.joint) and int(mesh.joint.max()) >= joints:
                raise InputError(f"figure {figure.name} hangs on a joint that the skeleton lacks")
        if not figure.lods:
            raise InputError(f"figure {figure.name} has no mesh")
    if not cast.figures or not cast.clips:
        raise InputError("a cast needs at least one figure and one clip")


def _radius(figure: Figure, clip: Clip, bind_m: NDArray[np.float32]) -> float:
    """A sphere around `MIDDLE_M` that holds the figure through the clip: each joint's place plus its farthest
    vertex."""
    mesh = figure.lods[0]
    reach = np.zeros(len(bind_m))
    for side in range(2):
        used = mesh.weight > 0 if side == 0 else mesh.weight < 1
        j = mesh.joint[used, side].astype(np.int64)
        np.maximum.at(reach, j, np.linalg.norm(mesh.position_m[used] - bind_m[j], axis=1))
    worn = reach > 0
    if not worn.any():
        return 1.0
    return float((np.linalg.norm(clip.position_m[:, worn] - MIDDLE_M, axis=2) + reach[worn]).max())


def _starts(counts: list[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)


def _pack(cast: Cast, device: str) -> Assets:
    _check(cast)
    flat = [mesh for figure in cast.figures for mesh in figure.lods]
    lods = np.array([len(figure.lods) for figure in cast.figures], dtype=np.int32)
    mesh_of = np.zeros((len(lods), int(lods.max())), dtype=np.int32)
    for k, first in enumerate(_starts([int(n) for n in lods])):
        mesh_of[k] = first + np.minimum(np.arange(mesh_of.shape[1]), lods[k] - 1)

    def up(data: NDArray, dtype: object) -> wp.array:  # type: ignore[type-arg]
        return wp.array(np.ascontiguousarray(data), dtype=dtype, device=device)

    vertices = [len(m.position_m) for m in flat]
    triangles = [len(m.triangle) for m in flat]
    meshes = Meshes()
    meshes.position = up(np.concatenate([m.position_m for m in flat]).astype(np.float32), wp.vec3)
    meshes.normal = up(np.concatenate([m.normal for m in flat]).astype(np.float32), wp.vec3)
    meshes.joint = up(np.concatenate([m.joint for m in flat]).astype(np.int32), wp.vec2i)
    meshes.weight = up(np.concatenate([m.weight for m in flat]).astype(np.float32), wp.float32)
    meshes.tri = up(np.concatenate([m.triangle for m in flat]).astype(np.int32), wp.vec3i)
    meshes.material = up(np.concatenate([m.material for m in flat]).astype(np.int32), wp.int32)
    meshes.first_vertex, meshes.vertices = up(_starts(vertices), wp.int32), up(np.array(vertices, np.int32), wp.int32)
    meshes.first_tri, meshes.tris = up(_starts(triangles), wp.int32), up(np.array(triangles, np.int32), wp.int32)
    motion = Motion()
    motion.rotation = up(np.concatenate([c.rotation for c in cast.clips]).astype(np.float32), wp.quat)
    motion.position = up(np.concatenate([c.position_m for c in cast.clips]).astype(np.float32), wp.vec3)
    counts = [len(c.rotation) for c in cast.clips]
    motion.first, motion.count = up(_starts(counts), wp.int32), up(np.array(counts, np.int32), wp.int32)
    motion.looped = up(np.array([c.looped for c in cast.clips], np.int32), wp.int32)
    skeleton = cast.skeleton
    motion.bind = up(skeleton.bind_m.astype(np.float32), wp.vec3)
    radius = [[_radius(figure, clip, skeleton.bind_m) for clip in cast.clips] for figure in cast.figures]
    return Assets(
        meshes=meshes,
        motion=motion,
        mesh_of=mesh_of,
        lods=lods,
        vertices=np.array(vertices, dtype=np.int64),
        radius_m=np.array(radius),
        joints=len(skeleton.parent),
        pose_joint=up(skeleton.openpose.astype(np.int32), wp.int32),
        pose_place=up(skeleton.openpose_offset_m.astype(np.float32), wp.vec3),
    )


_cache: OrderedDict[tuple[int, str], tuple[Cast, Assets]] = OrderedDict()
_lock = Lock()


def assets_of(cast: Cast, device: str) -> Assets:
    """The cast on `device`, packed at its first use and kept for the last few casts. Raises InputError for a mesh
    that the visibility buffer cannot name."""
    key = (id(cast), device)
    with _lock:
        if key not in _cache:
            _cache[key] = (cast, _pack(cast, device))
            while len(_cache) > 4:
                _cache.popitem(last=False)
        _cache.move_to_end(key)
        return _cache[key][1]

"""A cast on the device: meshes, clips and skeleton packed once a process, and bounds for culling."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.crowd.agents import Cast, Clip, Figure, Mesh
from composer.crowd.motion.feet import ANKLE_M
from composer.crowd.motions import played
from composer.errors import InputError
from composer.guides.kernel_pose import Motion
from composer.guides.kernel_view import Meshes

MAX_TRIANGLES = 4096
MIDDLE_M = np.array([0.0, 0.95, 0.0])
#: Of the 18 joints: right and left hip, left and right ankle.
STANDING = [8, 11, 13, 10]
#: A figure this many pixels high or more gets lods[0], and so on; the last one serves what is smaller.
LOD_PX = (150.0, 50.0, 18.0)


@dataclass(frozen=True)
class Assets:
    """meshes, motion (without the agents' own arrays) on the device; mesh_of: int32 [figures, most lods]; radius_m:
    float64 [figures, clips] of a sphere around `MIDDLE_M`, over the whole clip; rig_of: int32 [figures]; joints_of:
    int32 [rigs]; looped: int32 [clips]; played: int16 [figures, clips], see `motions.played`; tall: float64 [figures],
    heights relative to a man; pose_joint, pose_place: [rigs, 18]; stand_joint, stand_place: [rigs, 4], of these the right
    and left hip, left and right ankle; hoof_joint, hoof_place: [rigs, 4], -1 without; person_of: bool [rigs], whether it
    stands on the ground; hoofed: any of them on hooves."""

    meshes: Meshes
    motion: Motion
    mesh_of: NDArray[np.int32]
    lods: NDArray[np.int32]
    vertices: NDArray[np.int64]
    radius_m: NDArray[np.float64]
    rig_of: NDArray[np.int32]
    joints_of: NDArray[np.int32]
    looped: NDArray[np.int32]
    played: NDArray[np.int16]
    tall: NDArray[np.float64]
    pose_joint: wp.array
    pose_place: wp.array
    stand_joint: wp.array
    stand_place: wp.array
    hoof_joint: wp.array
    hoof_place: wp.array
    person_of: NDArray[np.bool_]
    hoofed: bool

    def lod(self, figure: NDArray[np.int16], height_px: NDArray[np.float64]) -> NDArray[np.int32]:
        """The mesh for figures whose men are of these heights in the picture."""
        height_px = height_px * self.tall[figure]
        level = np.searchsorted(-np.array(LOD_PX), -height_px, side="right").astype(np.int32)
        return self.mesh_of[figure, np.minimum(level, self.lods[figure] - 1)]


def _check(cast: Cast) -> None:
    for figure in cast.figures:
        if not 0 <= figure.rig < len(cast.skeletons):
            raise InputError(f"figure {figure.name} hangs on a rig that the cast lacks")
        if not any(c.rig == figure.rig for c in cast.clips):
            raise InputError(f"figure {figure.name} has no clip of its own rig")
        joints = len(cast.skeletons[figure.rig].parent)
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
    for clip in cast.clips:
        if not 0 <= clip.rig < len(cast.skeletons) or clip.rotation.shape[1] != len(cast.skeletons[clip.rig].parent):
            raise InputError(f"clip {clip.name} does not move the joints of its rig")


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


def _tall(figure: Figure) -> float:
    """How much larger than a man, at least 1: what level of detail it gets."""
    return max(1.0, float(np.ptp(figure.lods[0].position_m, axis=0).max()) / 1.8)


def _places(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The vertices that move apart from each other: one vertex of each place, in the mesh's own order, and the place of
    every vertex. Vertices that differ in nothing but their normal share one, so that it is skinned once."""
    if hasattr(mesh, "uv"):  # of pieces few do, and there are many vertices
        return np.arange(len(mesh.position_m)), np.arange(len(mesh.position_m))
    row = np.zeros((len(mesh.position_m), 6), np.float32)
    row[:, :3], row[:, 3] = mesh.position_m, mesh.weight
    row[:, 4] = mesh.joint[:, 0]
    row[:, 5] = np.where(mesh.weight < 1, mesh.joint[:, 1], mesh.joint[:, 0])
    _, first, place = np.unique(row, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    order = np.argsort(first)
    rank[order] = np.arange(len(first))
    return first[order], rank[place.reshape(-1)]


def _soles(cast: Cast, hooves: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 [rigs, 4, 3]: the middle of each hoof's sole at bind pose, as high over the ground as a man's ankle."""
    out = np.zeros((*hooves.shape, 3), np.float32)
    for skeleton, row, place in zip(cast.skeletons, hooves, out, strict=True):
        place[row >= 0] = skeleton.bind_m[row[row >= 0]]
    out[..., 1] = np.minimum(out[..., 1], ANKLE_M)
    return out


def _own(meshes: list[Mesh], name: str, width: int) -> NDArray[np.float32]:
    """float32 [V, width]: what pieces of the place have at each vertex, 0 for figures; one row where there are none."""
    rows = [np.reshape(getattr(m, name, np.zeros((len(m.normal), width))), (-1, width)) for m in meshes]
    return np.concatenate([*rows, np.zeros((1, width))]).astype(np.float32)


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

    placed = [_places(m) for m in flat]
    vertices = [len(first) for first, _ in placed]
    corners = _starts([len(m.normal) for m in flat])
    triangles = [len(m.triangle) for m in flat]
    meshes = Meshes()
    both = list(zip(flat, placed, strict=True))
    meshes.position = up(np.concatenate([m.position_m[k] for m, (k, _) in both]).astype(np.float32), wp.vec3)
    meshes.joint = up(np.concatenate([m.joint[k] for m, (k, _) in both]).astype(np.int32), wp.vec2i)
    meshes.weight = up(np.concatenate([m.weight[k] for m, (k, _) in both]).astype(np.float32), wp.float32)
    meshes.normal = up(np.concatenate([m.normal for m in flat]).astype(np.float32), wp.vec3)
    meshes.tri = up(np.concatenate([place[m.triangle] for m, (_, place) in both]).astype(np.int32), wp.vec3i)
    pieces = any(hasattr(m, "uv") for m in flat)
    meshes.albedo, meshes.uv = (up(_own(flat if pieces else [], name, 3), wp.vec3) for name in ("albedo", "uv"))
    meshes.open = up(_own(flat if pieces else [], "open", 1)[:, 0], wp.float32)
    numbered = [m.triangle + first for m, first in zip(flat, corners, strict=True)]
    meshes.tri_normal = up(np.concatenate(numbered).astype(np.int32), wp.vec3i)
    meshes.material = up(np.concatenate([m.material for m in flat]).astype(np.int32), wp.int32)
    meshes.first_vertex, meshes.vertices = up(_starts(vertices), wp.int32), up(np.array(vertices, np.int32), wp.int32)
    meshes.first_tri, meshes.tris = up(_starts(triangles), wp.int32), up(np.array(triangles, np.int32), wp.int32)
    motion = Motion()
    motion.rotation = up(np.concatenate([c.rotation.reshape(-1, 4) for c in cast.clips]).astype(np.float32), wp.quat)
    motion.position = up(np.concatenate([c.position_m.reshape(-1, 3) for c in cast.clips]).astype(np.float32), wp.vec3)
    joints_of = np.array([len(s.parent) for s in cast.skeletons], np.int32)
    rig = np.array([c.rig for c in cast.clips])
    counts = np.array([len(c.rotation) for c in cast.clips], np.int32)
    motion.first = up(_starts([int(n) for n in counts * joints_of[rig]]), wp.int32)
    motion.count, motion.joints = up(counts, wp.int32), up(joints_of[rig], wp.int32)
    motion.first_bind = up(_starts([int(n) for n in joints_of])[rig], wp.int32)
    motion.looped = up(np.array([c.looped for c in cast.clips], np.int32), wp.int32)
    motion.bind = up(np.concatenate([s.bind_m for s in cast.skeletons]).astype(np.float32), wp.vec3)
    hooves = np.full((len(cast.skeletons), 4), -1, np.int32)
    for rig_number, skeleton in enumerate(cast.skeletons):
        hooves[rig_number, : len(skeleton.hooves)] = skeleton.hooves
    pose_joint = np.stack([s.openpose for s in cast.skeletons]).astype(np.int32)
    pose_place = np.stack([s.openpose_offset_m for s in cast.skeletons]).astype(np.float32)
    plays = played(cast)
    radius = np.zeros(plays.shape)
    for f, figure in enumerate(cast.figures):
        bind_m = cast.skeletons[figure.rig].bind_m
        for k in np.unique(plays[f]):
            radius[f, plays[f] == k] = _radius(figure, cast.clips[k], bind_m)
    return Assets(
        meshes=meshes,
        motion=motion,
        mesh_of=mesh_of,
        lods=lods,
        vertices=np.array(vertices, dtype=np.int64),
        radius_m=radius,
        rig_of=np.array([f.rig for f in cast.figures], np.int32),
        joints_of=joints_of,
        looped=np.array([c.looped for c in cast.clips], np.int32),
        played=plays,
        tall=np.array([1.0 if f.rig == 0 else _tall(f) for f in cast.figures]),
        pose_joint=up(pose_joint, wp.int32),
        pose_place=up(pose_place, wp.vec3),
        stand_joint=up(pose_joint[:, STANDING], wp.int32),
        stand_place=up(pose_place[:, STANDING], wp.vec3),
        hoof_joint=up(hooves, wp.int32),
        hoof_place=up(_soles(cast, hooves), wp.vec3),
        person_of=np.array([(s.openpose >= 0).any() for s in cast.skeletons]),
        hoofed=bool((hooves >= 0).any()),
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

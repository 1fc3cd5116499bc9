"""Rays against a triangle mesh: Warp's BVH finds the triangle, float64 finds the place on it."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.io.warp_log import quiet_warp

F64 = NDArray[np.float64]


@wp.kernel
def _first_hit(
    mesh: wp.uint64,
    origin: wp.array(dtype=wp.vec3),
    direction: wp.array(dtype=wp.vec3),
    face: wp.array(dtype=wp.int32),
):
    i = wp.tid()
    o = origin[wp.min(i, origin.shape[0] - 1)]
    query = wp.mesh_query_ray(mesh, o, direction[i], 1.0e30)
    face[i] = -1
    if query.result:
        face[i] = query.face


class RayMesh:
    """A mesh that rays can be asked of. position_m: float32 [V, 3]; triangle: int32 [T, 3]."""

    def __init__(self, position_m: NDArray[np.float32], triangle: NDArray[np.int32]) -> None:
        quiet_warp()
        self._corner = position_m.astype(np.float64)[triangle]
        # Near the origin float32 is finer: the BVH works on the mesh moved to its middle.
        self._middle = (position_m.min(axis=0).astype(np.float64) + position_m.max(axis=0)) / 2
        points = np.ascontiguousarray(position_m.astype(np.float64) - self._middle, dtype=np.float32)
        self._points = wp.array(points, dtype=wp.vec3, device="cpu")
        self._indices = wp.array(np.ascontiguousarray(triangle, dtype=np.int32).ravel(), dtype=wp.int32, device="cpu")
        self._mesh = wp.Mesh(self._points, self._indices)

    def cast(self, origin: F64, direction: F64) -> tuple[F64, NDArray[np.int32]]:
        """Nearest hits of rays from `origin` [N, 3] or [1, 3] along `direction` [N, 3] (any length, NaN misses).

        Returns points float64 [N, 3] (NaN: miss) and triangle index int32 [N] (-1: miss).
        """
        fine = np.isfinite(direction).all(axis=1)
        along = np.where(fine[:, None], direction, (0.0, 1.0, 0.0))
        along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-300)
        count = len(along)
        face = np.full(count, -1, dtype=np.int32)
        if count:
            start = np.ascontiguousarray(origin - self._middle, dtype=np.float32)
            out = wp.zeros(count, dtype=wp.int32, device="cpu")
            wp.launch(
                _first_hit,
                dim=count,
                inputs=[
                    self._mesh.id,
                    wp.array(start, dtype=wp.vec3, device="cpu"),
                    wp.array(np.ascontiguousarray(along, dtype=np.float32), dtype=wp.vec3, device="cpu"),
                    out,
                ],
                device="cpu",
            )
            face = out.numpy()
        face[~fine] = -1
        hit = face >= 0
        points = np.full((count, 3), np.nan)
        corner = self._corner[face[hit]]
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        begin = np.broadcast_to(origin, (count, 3))[hit]
        steep = np.einsum("ni,ni->n", along[hit], normal)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.einsum("ni,ni->n", corner[:, 0] - begin, normal) / steep
        points[hit] = begin + distance[:, None] * along[hit]
        return points, face

    def normal(self, face: NDArray[np.int32]) -> F64:
        """Unit normals [N, 3] of triangles, turned upwards (y >= 0); NaN for face -1."""
        corner = self._corner[face]
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
        normal *= np.where(normal[:, 1:2] < 0, -1.0, 1.0)
        normal[face < 0] = np.nan
        return normal

"""How much of the sky each vertex of a piece sees: rays over its hemisphere against the piece and the ground under it."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.environment.solid import Shape
from composer.io.warp_log import quiet_warp

F32 = NDArray[np.float32]

RAYS = 24
#: Things further off than this hide nothing: they are lit themselves.
REACH_M = 7.0


@wp.kernel
def _open_kernel(
    mesh: wp.uint64, point: wp.array(dtype=wp.vec3), normal: wp.array(dtype=wp.vec3), way: wp.array(dtype=wp.vec3),
    reach: float, open: wp.array(dtype=float),
):  # fmt: skip
    i = wp.tid()
    n = normal[i]
    side = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(n[0]) > 0.7:
        side = wp.vec3(0.0, 1.0, 0.0)
    s = wp.normalize(wp.cross(n, side))
    t = wp.cross(n, s)
    p = point[i] + n * 0.02
    free = float(0.0)
    for k in range(way.shape[0]):
        w = way[k]
        d = s * w[0] + t * w[1] + n * w[2]
        far = float(reach)
        query = wp.mesh_query_ray(mesh, p, d, reach)
        if query.result:
            far = query.t
        q = far / reach
        # what is near hides, what is at the end of the reach no more
        free += q * q * (3.0 - 2.0 * q)
    open[i] = free / float(way.shape[0])


def _ways() -> F32:
    """Cosine-weighted directions about +z, by the golden angle."""
    k = np.arange(RAYS) + 0.5
    r, turn = np.sqrt(k / RAYS), k * np.pi * (3 - np.sqrt(5))
    return np.stack([r * np.cos(turn), r * np.sin(turn), np.sqrt(1 - k / RAYS)], axis=1).astype(np.float32)


def openness(shape: Shape, ground_y: float | None = 0.0) -> F32:
    """float32 [V] in 0..1. ground_y: level ground under the piece, that hides what looks down close over it; None: none."""
    quiet_warp()
    points, triangles = shape.vertices, shape.triangles
    if ground_y is not None:
        far = float(np.abs(points[:, [0, 2]]).max()) + 2 * REACH_M
        floor = np.array([[-far, ground_y, -far], [far, ground_y, -far], [far, ground_y, far], [-far, ground_y, far]])
        n = len(points)
        points = np.concatenate([points, floor.astype(np.float32)])
        triangles = np.concatenate([triangles, np.array([[n, n + 2, n + 1], [n, n + 3, n + 2]], np.int32)])
    held = wp.array(np.ascontiguousarray(points), dtype=wp.vec3, device="cpu")
    mesh = wp.Mesh(held, wp.array(np.ascontiguousarray(triangles).ravel(), dtype=wp.int32, device="cpu"))
    count = len(shape.vertices)
    out = wp.zeros(count, dtype=wp.float32, device="cpu")
    arrays = [wp.array(np.ascontiguousarray(a), dtype=wp.vec3, device="cpu") for a in (shape.vertices, shape.normal)]
    ways = wp.array(_ways(), dtype=wp.vec3, device="cpu")
    wp.launch(_open_kernel, dim=count, device="cpu", inputs=[mesh.id, *arrays, ways, REACH_M, out])
    return np.clip(out.numpy(), 0.05, 1.0)

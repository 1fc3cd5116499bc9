"""Set pieces, and a ray caster of numpy alone to hold the guides against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.environment.model import PIECE_BITS, Mesh
from composer.environment.solid import Builder, Shape

F64 = NDArray[np.float64]


def piece(number: int, shape: Shape) -> Mesh:
    n = len(shape.vertices)
    return Mesh(
        f"piece{number}", shape.vertices, shape.triangles, shape.albedo, PIECE_BITS + number, shape.normal, shape.uv,
        np.ones(n, np.float32), shape.surface,
    )  # fmt: skip


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Shape:
    b = Builder()
    b.box(low, high, "plain", (0.3, 0.3, 0.3), bottom=True)
    return b.shape()


def hits(meshes: tuple[Mesh, ...], origin: F64, ways: F64) -> tuple[F64, NDArray[np.uint32]]:
    """Nearest hit of rays [P, 3] from origin [3] or [P, 3] by Moeller-Trumbore: distance in lengths of the ray, piece."""
    best, who = np.full(len(ways), np.inf), np.zeros(len(ways), np.uint32)
    for mesh in meshes:
        v = mesh.vertices.astype(np.float64)
        for a, b, c in v[mesh.triangles]:
            p = np.cross(ways, c - a)
            area = p @ (b - a)
            with np.errstate(divide="ignore", invalid="ignore"):
                s = origin - a
                u = (s * p).sum(-1) / area if np.ndim(s) == 2 else p @ s / area
                q = np.cross(s, b - a)
                w = (ways * q).sum(-1) / area
                t = (q @ (c - a)) / area
                near = (np.abs(area) > 1e-12) & (u >= 0) & (w >= 0) & (u + w <= 1) & (t > 1e-3) & (t < best)
            best[near], who[near] = (np.broadcast_to(t, best.shape))[near], mesh.piece_id
    return best, who

"""How much of each material a figure shows: a plain rasteriser over poses and directions, for fitting levels of detail.

Parallel projection, one sample a cell, no filtering: each view's cells are counted, so that what hides what is measured
and nothing is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import F32, MATERIALS, Clip, Mesh

F64 = NDArray[np.float64]
#: The side of a cell, metres.
CELL_M = 0.02
_GRID = 512


@dataclass(frozen=True)
class Views:
    """P poses, each seen from D directions. matrix: float32 [P, J, 3, 4], to be applied to bind-pose vertices. eye:
    float32 [P, D, 3, 3], rows right, up and toward the viewer. shift: float32 [P, D, 2], in cells, so that cells fall
    differently on each view."""

    matrix: F32
    eye: F32
    shift: F32


def matrices(clip: Clip, bind_m: F32, phase: F64) -> F32:
    """float32 [P, J, 3, 4] of the clip at `phase` [P] (nearest sample), relative to bind pose."""
    sample = np.round(phase * len(clip.rotation)).astype(int) % len(clip.rotation)
    x, y, z, w = np.moveaxis(clip.rotation[sample].astype(np.float64), -1, 0)
    turn = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], -1),
            np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], -1),
            np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], -1),
        ],
        -2,
    )
    place = clip.position_m[sample] - np.einsum("pjab,jb->pja", turn, bind_m.astype(np.float64))
    return np.concatenate([turn, place[..., None]], -1).astype(np.float32)


def views(
    clips: Sequence[Clip],
    bind_m: F32,
    *,
    phases: int = 4,
    directions: int = 4,
    elevation_deg: tuple[float, float] = (0.0, 16.0),
) -> Views:
    """Every clip at `phases` points, each seen from `directions` azimuths, no two poses from the same, and from
    elevations spread over a range."""
    at = (np.arange(phases) + 0.37) / phases
    matrix = np.concatenate([matrices(c, bind_m, at) for c in clips])
    count = len(matrix)
    azimuth = (
        2 * np.pi * (np.arange(directions)[None] / directions + (np.arange(count) * 0.618034 / directions)[:, None])
    )
    low, high = np.radians(elevation_deg)
    tilt = low + (high - low) * np.mod(np.arange(count * directions) * 0.618034 + 0.3, 1.0).reshape(count, directions)
    c, s = np.cos(azimuth), np.sin(azimuth)
    zero = np.zeros_like(c)
    toward = np.stack([s * np.cos(tilt), np.sin(tilt), c * np.cos(tilt)], -1)
    right = np.stack([c, zero, -s], -1)
    eye = np.stack([right, np.cross(toward, right), toward], -2).astype(np.float32)
    k = np.arange(count * directions)
    shift = np.stack([np.mod(k * 0.754878, 1.0), np.mod(k * 0.569840, 1.0)], -1).reshape(count, directions, 2)
    return Views(matrix, eye, shift.astype(np.float32))


def shown_m2(mesh: Mesh, seen: Views, materials: int = len(MATERIALS)) -> F64:
    """float64 [P * D, materials]: the area that each material covers in each view, square metres."""
    import warp as wp

    kernels = _kernels()
    poses, directions = seen.eye.shape[:2]
    vertices = len(mesh.position_m)
    with wp.ScopedDevice("cpu"):
        area = wp.zeros((poses * directions, materials), dtype=wp.int32)
        wp.launch(
            kernels.shown_kernel,
            dim=1,
            inputs=[
                wp.array(np.ascontiguousarray(mesh.position_m, np.float32), dtype=wp.vec3),
                wp.array(mesh.joint.astype(np.int32), dtype=wp.vec2i),
                wp.array(np.ascontiguousarray(mesh.weight, np.float32), dtype=wp.float32),
                wp.array(np.ascontiguousarray(mesh.triangle, np.int32), dtype=wp.vec3i),
                wp.array(mesh.material.astype(np.int32), dtype=wp.int32),
                wp.array(seen.matrix, dtype=kernels.mat34),
                wp.array(seen.eye, dtype=wp.mat33),
                wp.array(seen.shift, dtype=wp.vec2),
                1.0 / CELL_M,
                _GRID,
                wp.empty(vertices, dtype=wp.vec3),
                wp.empty(vertices, dtype=wp.vec3),
                wp.zeros(_GRID * _GRID, dtype=wp.float32),
                wp.zeros(_GRID * _GRID, dtype=wp.int32),
                area,
            ],
        )
        return area.numpy().astype(np.float64) * CELL_M**2


@cache
def _kernels() -> SimpleNamespace:
    """The kernel, compiled at its first use."""
    from composer.crowd.figure import kernel_shown

    return SimpleNamespace(shown_kernel=kernel_shown.shown_kernel, mat34=kernel_shown.mat34)


def seen_share(mesh: Mesh, seen: Views) -> F64:
    """float64 [T]: how much of each triangle is seen, from 0 to 1 (all that can be seen of it from everywhere)."""
    from dataclasses import replace

    count = len(mesh.triangle)
    shown = shown_m2(replace(mesh, material=np.arange(count, dtype=np.int16)), seen, count).mean(0)
    corner = mesh.position_m[mesh.triangle].astype(np.float64)
    area = 0.5 * np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=-1)
    return np.clip(shown / np.maximum(0.25 * area, 1e-6), 0.0, 1.0)

"""An arrow by code, along +Y with its middle at the origin: shaft, iron head and three feathers. Its coarser levels are
needles that show as much from the side, the farther the shorter and thicker, so that few samples still find them."""

from __future__ import annotations

import numpy as np

from composer.crowd.agents import F32, Clip, Figure, Mesh, Skeleton
from composer.crowd.figure.loft import F64, MATERIAL, merge, part

NAME = "arrow"
LENGTH_M = 0.75
SHAFT_M = 0.006
#: What the full mesh shows from the side, square metres, the mean over all turns about its axis.
SHOWN_M2 = 0.0113
#: Lengths of the coarser levels.
NEEDLES_M = (0.70, 0.45, 0.28)
#: Feathers, iron, shaft: reflectance, ACEScg.
FEATHER, IRON, ASH = (0.52, 0.49, 0.42), (0.22, 0.21, 0.20), (0.30, 0.21, 0.12)


def skeleton() -> Skeleton:
    """One joint, and none of a person's: OpenPose knows nothing of an arrow."""
    place = np.zeros((1, 3), np.float32)
    return Skeleton((NAME,), np.array([-1], np.int16), place, np.full(18, -1, np.int16), np.zeros((18, 3), np.float32))


def still(rig: int) -> Clip:
    """It does not move in itself."""
    rotation = np.zeros((1, 1, 4), np.float32)
    rotation[..., 3] = 1.0
    return Clip(NAME, 1.0, rotation, np.zeros((1, 1, 3), np.float32), rig=rig)


def figure(rig: int) -> Figure:
    return Figure(NAME, (full(), *(needle(length_m) for length_m in NEEDLES_M)), rig)


def albedo(materials: int) -> F32:
    """float32 [materials, 3]: an arrow's colours."""
    out = np.full((materials, 3), 0.2, np.float32)
    for name, rgb in (("crest", FEATHER), ("metal", IRON), ("wood", ASH)):
        out[MATERIAL[name]] = rgb
    return out


def _skin(points: F64) -> tuple[np.ndarray, F64]:
    return np.zeros((len(points), 2), np.int16), np.ones(len(points))


def _ring(radius_m: float, y: float) -> F64:
    turn = np.arange(3) * 2 * np.pi / 3
    return np.stack([radius_m * np.cos(turn), np.full(3, y), radius_m * np.sin(turn)], axis=1)


def _solid(points: F64, faces: list[tuple[int, int, int]], material: list[str]) -> Mesh:
    return part(points, np.array(faces), np.array([MATERIAL[m] for m in material]), _skin)


def _side(a: int, b: int) -> list[tuple[int, int, int]]:
    """Between two rings of three, the first point of each given."""
    turns = [(k, (k + 1) % 3) for k in range(3)]
    return [f for k, n in turns for f in ((a + k, b + k, a + n), (a + n, b + k, b + n))]


def full() -> Mesh:
    """A three-sided shaft, a head, and three feathers of two sides each."""
    half, neck = LENGTH_M / 2, LENGTH_M / 2 - 0.05
    shaft = np.concatenate([_ring(SHAFT_M, -half), _ring(SHAFT_M, neck)])
    faces = [*_side(0, 3), (0, 1, 2)]
    parts = [_solid(shaft, faces, ["wood"] * 7)]
    head = np.concatenate([_ring(2.2 * SHAFT_M, neck), [[0.0, half, 0.0]]])
    parts.append(_solid(head, [(0, 3, 1), (1, 3, 2), (2, 3, 0), (0, 1, 2)], ["metal"] * 4))
    for out in _ring(1.0, 0.0):
        edge = [(1.0, 0.02), (5.0, 0.01), (5.0, 0.09), (1.0, 0.13)]
        points = np.array([out * SHAFT_M * r + np.array([0.0, y - half, 0.0]) for r, y in edge])
        across = np.cross(out, [0.0, 1.0, 0.0])
        parts.append(_sheet(points, across))
    return merge(parts)


def _sheet(points: F64, across: F64) -> Mesh:
    """Four corners, both sides."""
    position = np.concatenate([points, points]).astype(np.float32)
    normal = np.repeat(np.stack([across, -across]), 4, axis=0).astype(np.float32)
    triangle = np.array([(0, 1, 2), (0, 2, 3), (4, 6, 5), (4, 7, 6)], np.int32)
    flat = np.cross(points[1] - points[0], points[2] - points[0])
    if flat @ across < 0:
        normal = -normal
    joint, weight = _skin(points)
    material = np.full(4, MATERIAL["crest"], np.int16)
    return Mesh(
        position, normal, np.repeat(joint, 2, axis=0), np.repeat(weight, 2).astype(np.float32), triangle, material
    )


def needle(length_m: float) -> Mesh:
    """Pointed at both ends, thickest where the feathers end; six triangles. Shows `SHOWN_M2` from the side."""
    mean_width = 3.0 * np.sqrt(3.0) / np.pi  # of a three-sided rod of radius 1, over all turns
    radius = 2.0 * SHOWN_M2 / (mean_width * length_m)
    thick = -0.2 * length_m
    points = np.concatenate([[[0.0, -length_m / 2, 0.0]], _ring(radius, thick), [[0.0, length_m / 2, 0.0]]])
    turns = [(1 + k, 1 + (k + 1) % 3) for k in range(3)]
    faces = [f for a, b in turns for f in ((0, a, b), (4, b, a))]
    return _solid(points, faces, ["crest", "wood"] * 3)

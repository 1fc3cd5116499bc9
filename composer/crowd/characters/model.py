"""What a character file holds, whatever its format: the readers' common result, before it becomes a figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

#: Limits of a file, decided before anything large is built.
MAX_FILE_BYTES = 256 << 20
MAX_TRIANGLES = 400_000
MAX_VERTICES = 400_000
MAX_JOINTS = 256
MAX_SAMPLES = 4096


@dataclass(frozen=True)
class Surface:
    """One material: its colour (linear Rec.709 reflectance), metallic from 0 to 1, seen from both sides."""

    name: str
    rgb: tuple[float, float, float]
    metallic: float = 0.0
    both_sides: bool = False


@dataclass(frozen=True)
class Motion:
    """matrix: float64 [S, J, 4, 4], each joint's world matrix (file's units and axes), sampled evenly over
    `duration_s`, ends included."""

    name: str
    duration_s: float
    matrix: F64


@dataclass(frozen=True)
class Model:
    """A skinned mesh in bind pose and its joints.

    point: float64 [V, 3]. joint: int64 [V, K]; weight: float64 [V, K], each vertex's add up to 1. triangle: int64
    [T, 3], counter-clockwise from outside. surface_of: int64 [T]. names, parent: J joints. inverse_bind: float64
    [J, 4, 4], from bind-pose points to the joint's own space. rest: float64 [J, 4, 4], world matrices as the file
    stands. forward: the way it faces, 'z' (glTF) or '-z'; up: 'y' or 'z'. metres: of one of its units.
    """

    point: F64
    joint: NDArray[np.int64]
    weight: F64
    triangle: NDArray[np.int64]
    surface_of: NDArray[np.int64]
    surfaces: tuple[Surface, ...]
    names: tuple[str, ...]
    parent: tuple[int, ...]
    inverse_bind: F64
    rest: F64
    motions: tuple[Motion, ...]
    up: str = "y"
    forward: str = "z"
    metres: float = 1.0
    notes: tuple[str, ...] = ()

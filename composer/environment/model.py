"""The environment's types: meshes in world metres that never move, and what lies behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from composer.environment.sky import Sky
    from composer.environment.volumes import Volumes

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]

#: What a triangle is made of; guides draw its finer detail from this.
SURFACES = ("plain", "stone", "rock", "turf", "wood", "cloth", "thatch", "iron", "leaves", "fire")
SURFACE = {name: i for i, name in enumerate(SURFACES)}
#: Ids of pieces have these bits set, so that a list of people and pieces can be told apart.
PIECE_BITS = 0xF0000000


@dataclass(frozen=True)
class Mesh:
    """One piece of the place.

    vertices: float32 [V, 3], world metres. triangles: int32 [T, 3], counter-clockwise seen from outside; sheets carry both
    sides. albedo: float32 [V, 3], ACEScg reflectance. normal: float32 [V, 3], unit. uv: float32 [V, 3], metres: along
    and up the surface and a number of the sheet, or a place in space (rock, turf, leaves), where its detail is read.
    open: float32 [V], the share of the sky's half-space that nothing close by hides. surface: int16 [T], of SURFACES.
    piece_id: uint32, of `Environment.names`.
    """

    name: str
    vertices: F32
    triangles: I32
    albedo: F32
    piece_id: int
    normal: F32
    uv: F32
    open: F32
    surface: I16
    roughness: float = 0.9


@dataclass(frozen=True)
class Haze:
    """extinction_per_m at height 0, halved each `half_m` (inf: the same everywhere); colour: float64 [3], ACEScg."""

    extinction_per_m: float
    colour: F64
    half_m: float = float("inf")


@dataclass(frozen=True)
class Environment:
    """What stands around the crowd. names: by piece id. kinds: what each piece is, by id. footprints: polygons
    [K, 2] (x, z) where nobody of the crowd may stand. sky: None leaves the plate's own. volumes: what
    hangs in the air."""

    meshes: tuple[Mesh, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    kinds: Mapping[int, str] = field(default_factory=dict)
    footprints: tuple[F64, ...] = ()
    sky: Sky | None = None
    haze: Haze | None = None
    volumes: Volumes | None = None
    notes: tuple[str, ...] = ()

    @property
    def triangle_count(self) -> int:
        return sum(len(m.triangles) for m in self.meshes)

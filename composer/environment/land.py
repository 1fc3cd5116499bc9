"""What people walk on: the plate's ground, and the terrain that rises from it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from composer.environment.build import build_environment
from composer.environment.model import Environment
from composer.shot.ground import Ground, mesh_ground
from composer.shot.stage import Stage

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_laid: OrderedDict[int, tuple[Environment, Land]] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class Land:
    """ground: the plate's. hills: the terrains, as they are drawn. Whatever is highest is walked on. All queries are those of
    `Ground`, and vectorised."""

    ground: Ground
    hills: tuple[Ground, ...]
    kind: Literal["mesh"] = "mesh"

    def height_m(self, x: ArrayLike, z: ArrayLike) -> F32:
        """World y at (x, z), broadcast; NaN where there is neither."""
        return np.fmax.reduce([part.height_m(x, z) for part in (self.ground, *self.hills)])

    def normal(self, x: ArrayLike, z: ArrayLike) -> F32:
        """Unit normal [..., 3] of what is highest at (x, z), upwards."""
        normal, top = self.ground.normal(x, z), self.ground.height_m(x, z)
        for hill in self.hills:
            height = hill.height_m(x, z)
            over = np.isfinite(height) & ~(height <= top)
            normal, top = np.where(over[..., None], hill.normal(x, z), normal), np.where(over, height, top)
        return normal.astype(np.float32, copy=False)

    def intersect(self, origin: ArrayLike, directions: ArrayLike) -> F64:
        """Where rays from `origin` [3] along `directions` [..., 3] first meet either: [..., 3], NaN = miss."""
        start = np.asarray(origin, np.float64)
        found = [part.intersect(start, directions) for part in (self.ground, *self.hills)]
        far = np.stack([np.linalg.norm(points - start, axis=-1) for points in found])
        first = np.argmin(np.where(np.isnan(far), np.inf, far), axis=0)
        return np.take_along_axis(np.stack(found), first[None, ..., None], axis=0)[0]


def land_of(stage: Stage) -> Ground | Land:
    """What the crowd of this stage walks on; the plate's ground itself where nothing rises from it. The same object for the
    same place. Raises InputError."""
    place = build_environment(stage)
    if place is None or "terrain" not in place.kinds.values():
        return stage.ground
    with _lock:
        if id(place) not in _laid:
            _laid[id(place)] = (place, Land(stage.ground, _hills(place)))
            while len(_laid) > 3:
                _laid.popitem(last=False)
        return _laid[id(place)][1]


def _hills(place: Environment) -> tuple[Ground, ...]:
    """The place's terrains as meshes to stand on."""
    return tuple(
        mesh_ground(mesh.vertices, mesh.triangles, trust="terrain")
        for mesh in place.meshes
        if place.kinds[mesh.piece_id] == "terrain"
    )

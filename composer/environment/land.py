"""What people walk on: the plate's ground, the terrain that rises from it, and the tops of set pieces."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from composer.environment.build import build_environment
from composer.environment.model import Environment, Mesh
from composer.errors import InputError
from composer.shot.ground import Ground, mesh_ground
from composer.shot.stage import Stage

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: On a set piece one stands where it is nearly level so far around: 20 degrees at most.
ROOM_M, STEP_M = 0.3, 0.12
_AROUND = [(np.cos(a), np.sin(a)) for a in np.arange(8) * np.pi / 4]

_laid: OrderedDict[tuple[int, tuple[str, ...]], tuple[Environment, Land]] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class Platform:
    """Where one can stand on a set piece: its highest surface, NaN where that has no room: merlons, ridges, edges."""

    top: Ground

    @property
    def outline_m(self) -> F64:
        """float64 [4, 2]: the box around it, (x, z)."""
        (x0, _, z0), (x1, _, z1) = self.top.position_m.min(0).tolist(), self.top.position_m.max(0).tolist()
        return np.array([[x0, z0], [x1, z0], [x1, z1], [x0, z1]])

    def height_m(self, x: ArrayLike, z: ArrayLike) -> F32:
        """World y at (x, z), broadcast."""
        x, z = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(z, np.float64))
        height = self.top.height_m(x, z)
        for dx, dz in _AROUND:
            beside = self.top.height_m(x + ROOM_M * dx, z + ROOM_M * dz)
            height = np.where(np.abs(beside - height) <= STEP_M, height, np.float32(np.nan))
        return height

    def normal(self, x: ArrayLike, z: ArrayLike) -> F32:
        """As `Ground.normal`."""
        return self.top.normal(x, z)

    def intersect(self, origin: ArrayLike, directions: ArrayLike) -> F64:
        """As `Ground.intersect`."""
        return self.top.intersect(origin, directions)


@dataclass(frozen=True)
class Land:
    """ground: the plate's. hills: terrains, and set pieces that somebody stands on, as they are drawn. Whatever is highest is
    walked on. platforms: those pieces by name. All queries are those of `Ground`, and vectorised."""

    ground: Ground
    hills: tuple[Ground, ...]
    platforms: Mapping[str, Platform] = field(default_factory=dict)
    kind: Literal["mesh"] = "mesh"

    def height_m(self, x: ArrayLike, z: ArrayLike) -> F32:
        """World y at (x, z), broadcast; NaN where there is nothing."""
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
        """Where rays from `origin` [3] along `directions` [..., 3] first meet any of them: [..., 3], NaN = miss."""
        start = np.asarray(origin, np.float64)
        found = [part.intersect(start, directions) for part in (self.ground, *self.hills)]
        far = np.stack([np.linalg.norm(points - start, axis=-1) for points in found])
        first = np.argmin(np.where(np.isnan(far), np.inf, far), axis=0)
        return np.take_along_axis(np.stack(found), first[None, ..., None], axis=0)[0]


def land_of(stage: Stage) -> Ground | Land:
    """What the crowd of this stage walks on; the plate's ground itself where nothing rises from it that is. The same object for
    the same place. Raises InputError."""
    stood_on = tuple(dict.fromkeys(r.on for r in stage.shot.crowd.regions if r.on is not None))
    place = build_environment(stage)
    if place is None:
        place = Environment()
    if not stood_on and "terrain" not in place.kinds.values():
        return stage.ground
    with _lock:
        key = (id(place), stood_on)
        if key not in _laid:
            hills = [_standing(mesh) for mesh in place.meshes if place.kinds[mesh.piece_id] == "terrain"]
            platforms = {name: _platform(stage, place, name) for name in stood_on}
            tops = [platform.top for platform in platforms.values()]
            _laid[key] = (place, Land(stage.ground, (*hills, *tops), platforms))
            while len(_laid) > 3:
                _laid.popitem(last=False)
        return _laid[key][1]


def _platform(stage: Stage, place: Environment, name: str) -> Platform:
    """Of all pieces of this name. Raises InputError at the region that names it."""
    pieces = [m for m in place.meshes if name in (m.name, m.name.rpartition(".")[0])]
    pieces = [m for m in pieces if place.kinds[m.piece_id] != "terrain"]
    if not pieces:
        number = next(i for i, r in enumerate(stage.shot.crowd.regions) if r.on == name)
        known = sorted({p.name for p in stage.shot.environment.pieces}) if stage.shot.environment else []
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        raise InputError(
            "no set piece to stand on", where=stage.shot.where("crowd", "regions", number, "on"),
            expected=", ".join(known) or "a name of environment.pieces", got=name,
            hint=f"did you mean {close[0]}?" if close else None,
        )  # fmt: skip
    first = np.cumsum([0, *(len(m.vertices) for m in pieces)])
    corners = np.concatenate([m.triangles + n for m, n in zip(pieces, first[:-1], strict=True)])
    return Platform(mesh_ground(np.concatenate([m.vertices for m in pieces]), corners, trust=name))


def _standing(mesh: Mesh) -> Ground:
    return mesh_ground(mesh.vertices, mesh.triangles, trust=mesh.name)

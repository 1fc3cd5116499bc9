"""Pieces of the place in the guides: they go into the crowd's own visibility buffer and sun maps, as figures on a rig of
one joint that never move. So a soldier and a wall hide each other sample by sample, and shade each other in one map; a
second buffer would have to be merged by depth, and a pixel's samples would have lost their order."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import MATERIALS, Agents, Cast, Clip, Figure, Skeleton
from composer.crowd.agents import Mesh as FigureMesh
from composer.environment.model import Environment, Mesh
from composer.guides.assets import MAX_TRIANGLES, MIDDLE_M

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Materials from here on are `environment.model.SURFACES`.
PIECE_MATERIAL = 64
#: Of each lump's vertices so many stand for it where a shadow may fall.
_OUTLINE = 48


@dataclass(frozen=True)
class PieceMesh(FigureMesh):
    """A lump of a piece. albedo, uv: float32 [V, 3]; open: float32 [V]; as in `environment.model.Mesh`."""

    albedo: F32
    uv: F32
    open: F32


@dataclass(frozen=True)
class Lumps:
    """A piece's triangles in lumps that the visibility buffer can name. figures: one for each; piece_id: uint32 [K]; place:
    float64 [K, 3], world; outline: float64 [P, 3], some of their vertices."""

    figures: tuple[PieceMesh, ...]
    piece_id: NDArray[np.uint32]
    place: F64
    outline: F64


def lumps_of(environment: Environment) -> Lumps:
    """Every piece cut into lumps of neighbouring triangles, each about its own middle."""
    figures, ids, places, outline = [], [], [], []
    for mesh in environment.meshes:
        for chosen in _cut(mesh.vertices[mesh.triangles].mean(axis=1), np.arange(len(mesh.triangles))):
            used, index = np.unique(mesh.triangles[chosen], return_inverse=True)
            at = mesh.vertices[used].astype(np.float64)
            place = 0.5 * (at.min(0) + at.max(0)) - MIDDLE_M
            figures.append(_lump(mesh, chosen, used, index.reshape(-1, 3), (at - place).astype(np.float32)))
            ids.append(mesh.piece_id)
            places.append(place)
            outline.append(at[:: max(1, len(at) // _OUTLINE)])
    return Lumps(
        tuple(figures),
        np.array(ids, np.uint32),
        np.array(places).reshape(-1, 3),
        np.concatenate(outline) if outline else np.zeros((0, 3)),
    )


def _cut(middle: F32, chosen: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Triangles halved along the longest side of their box until each part is small enough."""
    if len(chosen) <= MAX_TRIANGLES:
        return [chosen]
    at = middle[chosen]
    axis = int(np.ptp(at, axis=0).argmax())
    order = np.argsort(at[:, axis], kind="stable")
    half = len(order) // 2
    return [*_cut(middle, chosen[order[:half]]), *_cut(middle, chosen[order[half:]])]


def _lump(
    mesh: Mesh, chosen: NDArray[np.int64], used: NDArray[np.int64], triangle: NDArray[np.int64], at: F32
) -> PieceMesh:
    return PieceMesh(
        position_m=at,
        normal=mesh.normal[used],
        joint=np.zeros((len(used), 2), np.int16),
        weight=np.ones(len(used), np.float32),
        triangle=triangle.astype(np.int32),
        material=(PIECE_MATERIAL + mesh.surface[chosen]).astype(np.int16),
        albedo=mesh.albedo[used],
        uv=mesh.uv[used],
        open=mesh.open[used],
    )


def _skeleton() -> Skeleton:
    place = np.zeros((1, 3), np.float32)
    return Skeleton(
        ("piece",), np.array([-1], np.int16), place, np.full(18, -1, np.int16), np.zeros((18, 3), np.float32)
    )


def _still(rig: int) -> Clip:
    rotation = np.zeros((1, 1, 4), np.float32)
    rotation[..., 3] = 1.0
    return Clip("piece", 1.0, rotation, np.zeros((1, 1, 3), np.float32), rig=rig)


@dataclass(frozen=True)
class Staged:
    """A cast with the place's lumps as its last figures; `rig` is theirs."""

    cast: Cast
    lumps: Lumps
    rig: int

    def over(self, agents: Agents) -> Agents:
        """The agents, then the lumps as agents that stand still."""
        n, frames = len(self.lumps.piece_id), len(agents.position_m)
        own = {
            "agent_id": self.lumps.piece_id,
            "position_m": np.broadcast_to(self.lumps.place.astype(np.float32), (frames, n, 3)),
            "heading_rad": np.zeros((frames, n), np.float32),
            "clip": np.full((frames, n), len(self.cast.clips) - 1, np.int16),
            "phase": np.zeros((frames, n), np.float32),
            "cast": np.arange(len(self.cast.figures) - n, len(self.cast.figures)).astype(np.int16),
            "side": np.zeros(n, np.int8),
            "height_scale": np.ones(n, np.float32),
            "albedo": np.full((n, len(MATERIALS), 3), 0.2, np.float32),
            "seed": np.zeros(n, np.uint32),
            "up": np.broadcast_to(np.array([0, 1, 0], np.float32), (frames, n, 3)),
            "clip_from": np.full((frames, n), len(self.cast.clips) - 1, np.int16),
            "phase_from": np.zeros((frames, n), np.float32),
            "blend": np.ones((frames, n), np.float32),
        }
        joined = {}
        for f in fields(Agents):
            value = getattr(agents, f.name)
            if f.name in own and value is not None:
                joined[f.name] = np.concatenate([value, own[f.name].astype(value.dtype)], axis=_axis(f.name))
        return replace(agents, **joined)


def without_people(agents: Agents) -> Agents:
    """The same frames with nobody in them."""
    none = {}
    for f in fields(Agents):
        value = getattr(agents, f.name)
        if isinstance(value, np.ndarray):
            none[f.name] = np.take(value, np.zeros(0, np.int64), axis=_axis(f.name))
    return replace(agents, **none)


def _axis(name: str) -> int:
    return 1 if name in ("position_m", "heading_rad", "clip", "phase", "up", "clip_from", "phase_from", "blend") else 0


_staged: OrderedDict[tuple[int, int], tuple[Cast, Environment, Staged]] = OrderedDict()
_lock = Lock()


def staged(cast: Cast, environment: Environment) -> Staged:
    """Cast and place together; kept for the last few."""
    key = (id(cast), id(environment))
    with _lock:
        if key not in _staged:
            lumps, rig = lumps_of(environment), len(cast.skeletons)
            whole = replace(
                cast,
                figures=(*cast.figures, *(Figure("piece", (lump,), rig) for lump in lumps.figures)),
                clips=(*cast.clips, _still(rig)),
                more_skeletons=(*cast.more_skeletons, _skeleton()),
            )
            _staged[key] = (cast, environment, Staged(whole, lumps, rig))
            while len(_staged) > 3:
                _staged.popitem(last=False)
        _staged.move_to_end(key)
        return _staged[key][2]

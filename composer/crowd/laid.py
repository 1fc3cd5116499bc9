"""A crowd that is laid out: everybody, ready for any frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import F32, I16, Agents
from composer.crowd.behaviour.acts import Acts
from composer.crowd.casting import Casting
from composer.crowd.paths import Path
from composer.crowd.regions import GroundLike

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Marchers:
    """Those of a layout who follow a path. who: int64 [K], indices. along_m, offset_m: float64 [K], where each is at
    the first frame, from the path's start and to its right."""

    who: I64
    path: Path
    along_m: F64
    offset_m: F64
    speed_m_s: float

    def at(self, seconds: F64) -> tuple[F64, F64, F64]:
        """(places [F, K, 2], headings [F, K], how far each has walked since the first frame [F, K]), at times [F].

        The column's middle keeps its pace; in a bend the outer files step out and the inner ones step short."""
        along = self.along_m + self.speed_m_s * seconds[:, None]
        place, heading = self.path.beside(along, self.offset_m)
        turned = heading - self.path.at(self.along_m)[1]
        return place, heading, along - self.along_m + self.offset_m * turned


@dataclass(frozen=True)
class Short:
    """A region that is too small for its people. spacing_m: as it is; nearer_m: about what would do, None where people
    can't stand so near or another key sets the limit."""

    region: str
    holds: int
    wanted: int
    spacing_m: tuple[float, float]
    nearer_m: tuple[float, float] | None


@dataclass(frozen=True)
class Layout:
    """N people, ready for any frame; ascending `agent_id`.

    place_m: float64 [N, 2], (x, z) at `first_frame`. velocity_m_s: float64 [N, 2], along the ground. heading_rad:
    float64 [N]. marchers: those who follow a path (their velocity is the first frame's). region: int16 [N], index
    into `region_names`. casting: what each looks like and does. wanted: how many were asked for; len() is how many
    there are. acts: those who have cues, or None. lean: for each clip, how far its people turn with a slope, 0 to 1.
    short: regions that are too small for their people, where that is let through.
    """

    ground: GroundLike
    first_frame: int
    frame_rate: Fraction
    agent_id: NDArray[np.uint32]
    place_m: F64
    velocity_m_s: F64
    heading_rad: F64
    region: I16
    region_names: tuple[str, ...]
    casting: Casting
    wanted: int
    notes: tuple[str, ...] = ()
    marchers: tuple[Marchers, ...] = ()
    acts: Acts | None = None
    lean: tuple[float, ...] = ()
    short: tuple[Short, ...] = ()
    _still_m: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32), repr=False)

    def __len__(self) -> int:
        return len(self.agent_id)

    def at(self, frames: Sequence[int]) -> Agents:
        """Everybody at each of `frames` (any whole numbers; before `first_frame` too). Walkers follow the ground; one
        who has walked off its edge keeps the height at which he started. Regions with cues are simulated from
        `crowd.start_frame` on, at the first call, or come out of the cache; all others are a function of the frame."""
        seconds = np.array([(f - self.first_frame) / float(self.frame_rate) for f in frames], dtype=np.float64)
        shape = (len(frames), len(self))
        position = np.empty((*shape, 3), dtype=np.float32)
        position[:] = self._still_m
        heading = np.broadcast_to(self.heading_rad.astype(np.float32), shape).copy()
        clock = seconds if not self.marchers else np.broadcast_to(seconds[:, None], shape).copy()
        walking = self._walkers()
        if len(walking):
            start, velocity = self.place_m[walking], self.velocity_m_s[walking]
            moved = (start[None] + velocity[None] * seconds[:, None, None]).astype(np.float32)
            self._put(position, walking, moved)
        for column in self.marchers:
            place, look, walked = column.at(seconds)
            self._put(position, column.who, place.astype(np.float32))
            heading[:, column.who] = look
            clock[:, column.who] = walked / column.speed_m_s  # so that each one's steps are as long as his way
        casting = self.casting
        agents = Agents(
            frames=tuple(frames),
            agent_id=self.agent_id,
            position_m=position,
            heading_rad=heading,
            clip=np.broadcast_to(casting.clip, shape).copy(),
            phase=casting.phase_at(clock),
            cast=casting.cast,
            side=casting.side,
            height_scale=casting.height_scale,
            albedo=casting.albedo,
            seed=casting.look,
            name=casting.heroes,
        )
        if self.acts is not None:
            agents = self.acts.over(agents, self.ground.height_m)
        return self._leaning(agents)

    def straight_on(self, who: I64, frames: Sequence[int]) -> F64:
        """float64 [F, K, 2]: (x, z) of some, ascending, as if nobody had cues."""
        seconds = np.array([(f - self.first_frame) / float(self.frame_rate) for f in frames], dtype=np.float64)
        place = self.place_m[who] + self.velocity_m_s[who] * seconds[:, None, None]
        for column in self.marchers:
            _, mine, theirs = np.intersect1d(who, column.who, return_indices=True)
            place[:, mine] = column.at(seconds)[0][:, theirs]
        return place

    def _leaning(self, agents: Agents) -> Agents:
        """On a slope, those who stand lean a little with it, and those who lie lie on it."""
        normal = ground_normals(self.ground, agents)
        if not self.lean or (normal[..., 1] > 1 - 1e-6).all():
            return agents
        share = np.array(self.lean, np.float32)[agents.clip][..., None]
        up = share * normal + (1 - share) * np.array([0, 1, 0], np.float32)
        return replace(agents, up=up / np.linalg.norm(up, axis=-1, keepdims=True))

    def _walkers(self) -> I64:
        """Those who walk straight on."""
        walking = self.velocity_m_s.any(axis=1)
        for column in self.marchers:
            walking[column.who] = False
        return np.flatnonzero(walking)

    def _put(self, position: F32, who: I64, place: F32) -> None:
        """Write places (x, z) float32 [F, K, 2] of `who`, on the ground where there is some, into position [F, N,
        3]."""
        x, z = place.reshape(-1, 2).T.astype(np.float64)
        height = np.asarray(self.ground.height_m(x, z), dtype=np.float32).reshape(place.shape[:2])
        position[:, who, 0], position[:, who, 2] = place[..., 0], place[..., 1]
        position[:, who, 1] = np.where(np.isfinite(height), height, position[:, who, 1])


def ground_normals(ground: GroundLike, agents: Agents) -> F32:
    """float32 [F, N, 3]: the ground's unit normal under everybody; straight up where there is no ground."""
    x, z = (agents.position_m[..., i].astype(np.float64) for i in (0, 2))
    normal = np.asarray(ground.normal(x.ravel(), z.ravel()), dtype=np.float32).reshape(*x.shape, 3)
    return np.where(np.isfinite(normal), normal, np.array([0, 1, 0], np.float32))

"""Arrows: aimed when they leave, and where they are at any time after. An arc is known from its ends and its time, so
nothing of it is stored for each frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import F32, I32
from composer.crowd.behaviour.track import Arrows
from composer.crowd.seeds import hash01, hash_u32

F64 = NDArray[np.float64]

GRAVITY_M_S2 = 9.81
#: The string's height over the archer's ground, and how far before him an arrow leaves.
LOOSE_HEIGHT_M, LOOSE_AHEAD_M = 1.45, 0.55
#: A man nearer than this to where an arrow comes down may be struck.
STRIKE_M = 0.3
#: A stuck arrow's middle is this far out of the ground.
STUCK_OUT_M = 0.25


def flight_s(distance_m: F64) -> F64:
    """Seconds in the air over level ground: near shots are flat, far ones steep (12 to 42 degrees)."""
    angle = np.radians(np.clip(12.0 + 0.25 * distance_m, 12.0, 42.0))
    drop = distance_m * np.tan(angle) + LOOSE_HEIGHT_M
    return np.sqrt(2.0 * drop / GRAVITY_M_S2)


@dataclass
class Quiver:
    """The arrows of a running simulation."""

    archer: list[int] = field(default_factory=list)
    loose_s: list[float] = field(default_factory=list)
    land_s: list[float] = field(default_factory=list)
    start_m: list[tuple[float, float]] = field(default_factory=list)
    aim_m: list[tuple[float, float]] = field(default_factory=list)
    struck: list[int] = field(default_factory=list)
    _flying: list[int] = field(default_factory=list)

    def loose(
        self, archers: NDArray[np.int64], time_s: float, place_m: F64, heading_rad: F64, seed: NDArray[np.uint32],
        aim_m: F64, spread_m: F64,
    ) -> None:  # fmt: skip
        """One arrow each, ordered by index. aim_m: [A, 2] the middle of each one's target; spread_m: [A, 2], how far
        it reaches from there (one deviation along x and z)."""
        shot = hash_u32(seed.astype(np.int64) + round(time_s * 1000), "arrow")
        scatter = [sum(hash01(shot, f"{axis} {k}").astype(np.float64) for k in range(3)) - 1.5 for axis in "xz"]
        aim = aim_m + np.stack(scatter, axis=1) * 2.0 * spread_m
        start = place_m - LOOSE_AHEAD_M * np.stack([np.sin(heading_rad), np.cos(heading_rad)], axis=1)
        lasts = flight_s(np.hypot(*(aim - start).T))
        for k, who in enumerate(archers):
            self._flying.append(len(self.archer))
            self.archer.append(int(who))
            self.loose_s.append(time_s)
            self.land_s.append(time_s + float(lasts[k]))
            self.start_m.append((float(start[k, 0]), float(start[k, 1])))
            self.aim_m.append((float(aim[k, 0]), float(aim[k, 1])))
            self.struck.append(-1)

    def land(self, time_s: float, place_m: F32, standing: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Whom the arrows strike that have come down by now; ascending, each once."""
        down = [k for k in self._flying if self.land_s[k] <= time_s]
        if not down:
            return np.zeros(0, np.int64)
        self._flying = [k for k in self._flying if self.land_s[k] > time_s]
        alive = np.flatnonzero(standing)
        if not len(alive):
            return np.zeros(0, np.int64)
        where = np.array([self.aim_m[k] for k in down])
        for part in range(0, len(down), 256):
            away = place_m[alive].astype(np.float64)[None] - where[part : part + 256, None]
            distance = np.einsum("abi,abi->ab", away, away)
            nearest = distance.argmin(axis=1)
            for k, n in enumerate(nearest):
                if distance[k, n] < STRIKE_M**2:
                    self.struck[down[part + k]] = int(alive[n])
        return np.unique([self.struck[k] for k in down if self.struck[k] >= 0]).astype(np.int64)

    def arrows(self) -> Arrows:
        """All of them so far."""
        return Arrows(
            np.array(self.archer, np.int32),
            np.array(self.loose_s, np.float64),
            np.array(self.land_s, np.float64),
            np.array(self.start_m, np.float64).reshape(-1, 2),
            np.array(self.aim_m, np.float64).reshape(-1, 2),
            np.array(self.struck, np.int32),
        )


@dataclass(frozen=True)
class ArrowsSeen:
    """A arrows at F frames. position_m, direction: float32 [F, A, 3], the middle and where it points. visible: bool
    [F, A]: it has left the string. stuck: bool [F, A]: it has come down, in the ground or in whom it struck. archer,
    struck: int32 [A], by place in the plan; struck -1: nobody."""

    position_m: F32
    direction: F32
    visible: NDArray[np.bool_]
    stuck: NDArray[np.bool_]
    archer: I32
    struck: I32


def arrows_at(arrows: Arrows, times_s: F64, start_y_m: F64, aim_y_m: F64, struck_m: F64 | None = None) -> ArrowsSeen:
    """Where they are. start_y_m, aim_y_m: float64 [A], the ground's height where they leave and come down; the arc
    meets the ground exactly, or struck_m: float64 [A, 3], what it strikes, NaN where that is the ground."""
    lasts = np.maximum(arrows.land_s - arrows.loose_s, 1e-6)
    start = np.stack([arrows.start_m[:, 0], start_y_m + LOOSE_HEIGHT_M, arrows.start_m[:, 1]], axis=1)
    end = np.stack([arrows.aim_m[:, 0], aim_y_m, arrows.aim_m[:, 1]], axis=1)
    if struck_m is not None:
        end = np.where(np.isfinite(struck_m), struck_m, end)
    fall = np.array([0.0, -GRAVITY_M_S2, 0.0])
    velocity = (end - start) / lasts[:, None] - 0.5 * fall * lasts[:, None]
    since = times_s[:, None] - arrows.loose_s
    t = np.clip(since, 0.0, lasts)[..., None]
    direction = velocity + fall * t
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    position = start + velocity * t + 0.5 * fall * t**2
    stuck = since >= lasts
    position = np.where(stuck[..., None], end - direction * STUCK_OUT_M, position)
    return ArrowsSeen(
        position.astype(np.float32), direction.astype(np.float32), since >= 0, stuck, arrows.archer, arrows.struck
    )

"""What soldiers can be ordered, and the track of a few of them through a few frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import I16, Agents
from composer.crowd.behaviour.acts import Acts
from composer.crowd.casting import Casting

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEVER = 2**62
UP = np.array([0.0, 1.0, 0.0])


class Crowd(Protocol):
    """Who stands where (`layout.Layout`, or the same under orders)."""

    @property
    def first_frame(self) -> int: ...
    @property
    def frame_rate(self) -> Fraction: ...
    @property
    def agent_id(self) -> NDArray[np.uint32]: ...
    @property
    def region(self) -> I16: ...
    @property
    def region_names(self) -> tuple[str, ...]: ...
    @property
    def casting(self) -> Casting: ...
    @property
    def wanted(self) -> int: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def acts(self) -> Acts | None: ...

    def __len__(self) -> int: ...

    def at(self, frames: Sequence[int]) -> Agents: ...


@dataclass(frozen=True)
class Orders:
    """For K soldiers. index: int64 [K], ascending, into the layout. shift_m: float64 [K, 2], (x, z). turn_rad: float64 [K],
    counter-clockwise. clip: int16 [K], -1 as laid out. phase: float64 [K], of the clip at the first frame, NaN as laid
    out. delay_s, speed: float64 [K]. hide, pin: bool [K]. kill_at: int64 [K], a
    frame or NEVER. named: bool [K], by name or by pixel and not with his region only."""

    index: I64
    shift_m: F64
    turn_rad: F64
    clip: I16
    phase: F64
    delay_s: F64
    speed: F64
    hide: Bools
    pin: Bools
    kill_at: I64
    named: Bools


@dataclass
class Track:
    """K soldiers at F frames: place float64 [F, K, 3], heading float64 [F, K], clip int16 [F, K], phase float64 [F, K],
    up float64 [F, K, 3]."""

    place: F64
    heading: F64
    clip: I16
    phase: F64
    up: F64

    def take(self, frame: I64 | slice, who: I64 | slice) -> Track:
        return Track(*(getattr(self, f.name)[frame, who].copy() for f in fields(self)))


def rows_of(agents: Agents, frame: int, index: I64) -> Track:
    up = np.broadcast_to(UP, (len(index), 3)) if agents.up is None else agents.up[frame, index]
    return Track(
        agents.position_m[frame, index].astype(np.float64),
        agents.heading_rad[frame, index].astype(np.float64),
        agents.clip[frame, index],
        agents.phase[frame, index].astype(np.float64),
        up.astype(np.float64),
    )


def between(a: Track, b: Track, share: F64) -> Track:
    """From frame to frame by `share` [F, K]; a clip changes at the later one."""
    w = share[..., None]
    turn = (b.heading - a.heading + np.pi) % (2 * np.pi) - np.pi
    step = (b.phase - a.phase + 0.5) % 1.0 - 0.5
    phase = np.where(a.clip == b.clip, (a.phase + share * step) % 1.0, a.phase)
    up = a.up + w * (b.up - a.up)
    up = np.where(
        (a.up == b.up).all(-1, keepdims=True), a.up, up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-9)
    )
    return Track(a.place + w * (b.place - a.place), a.heading + share * turn, a.clip, phase, up)

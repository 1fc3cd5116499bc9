"""What a simulation gives: everybody at every frame, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I16 = NDArray[np.int16]


@dataclass(frozen=True)
class Moment:
    """All N at one frame. place_m: float32 [N, 2], (x, z). heading_rad, phase, phase_from, blend: float32 [N]. clip,
    clip_from: int16 [N]. mode: int8 [N], see `Mode`. foe: int32 [N], index of the one he fights, -1 nobody."""

    place_m: F32
    heading_rad: F32
    clip: I16
    phase: F32
    clip_from: I16
    phase_from: F32
    blend: F32
    mode: NDArray[np.int8]
    foe: NDArray[np.int32]


@dataclass(frozen=True)
class Arrows:
    """A arrows, in the order in which they left. archer: int32 [A], index of an agent. loose_s, land_s: float64 [A].
    start_m, aim_m: float64 [A, 2], (x, z) where it leaves and where it comes down. struck: int32 [A], whom it hit, -1
    nobody (it sticks in the ground)."""

    archer: NDArray[np.int32]
    loose_s: NDArray[np.float64]
    land_s: NDArray[np.float64]
    start_m: NDArray[np.float64]
    aim_m: NDArray[np.float64]
    struck: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.archer)


@dataclass(frozen=True)
class Track:
    """Frames 0.. from the start, F of them: the fields of `Moment` as [F, N, ...], and the arrows loosed so far."""

    place_m: F32
    heading_rad: F32
    clip: I16
    phase: F32
    clip_from: I16
    phase_from: F32
    blend: F32
    mode: NDArray[np.int8]
    foe: NDArray[np.int32]
    arrows: Arrows

    def __len__(self) -> int:
        return len(self.place_m)

"""What a simulation is made from: people in their places, their regions' cues, the clips' measures. Its digest names
the result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Cast
from composer.crowd.behaviour.modes import CLIP_NAMES, Do
from composer.crowd.seeds import hash_u32, purpose_key
from composer.errors import InputError
from composer.shot.schema import CueSpec, RegionSpec

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
U32 = NDArray[np.uint32]

#: Kits with long weapons strike from further away.
_LONG, _REACH_M, _LONG_REACH_M = ("spear", "pike", "lance"), 1.25, 1.65


@dataclass(frozen=True)
class Cue:
    """One cue of a region. at_s: from the start. target: a region's number, a place (x, z), or None. key: chance."""

    at_s: float
    do: Do
    target: int | tuple[float, float] | None
    spread_s: float
    share: float
    key: int


@dataclass(frozen=True)
class Band:
    """A region. middle_m: (x, z), what its slots are relative to. cues: the first is in force from the start."""

    name: str
    middle_m: tuple[float, float]
    heading_rad: float
    pace_m_s: float
    cues: tuple[Cue, ...]
    simulated: bool


@dataclass(frozen=True)
class ClipTable:
    """index, of the cast, by `Play`; duration_s and stride_m of every clip in the cast. idle: first and count."""

    index: tuple[int, ...]
    duration_s: F32
    stride_m: F32
    idle: tuple[int, int]

    @classmethod
    def of(cls, cast: Cast) -> ClipTable:
        """Raises InputError for a cast that lacks a clip that behaviour needs."""
        names = [c.name for c in cast.clips]
        if missing := [n for n in CLIP_NAMES if n not in names]:
            raise InputError("the cast lacks clips for cues", expected=", ".join(CLIP_NAMES), got=f"no {missing[0]}")
        idles = [i for i, n in enumerate(names) if n == "idle" or n.startswith("idle_")]
        count = next((k for k in range(len(idles)) if idles[k] != idles[0] + k), len(idles))
        return cls(
            tuple(names.index(n) for n in CLIP_NAMES),
            np.array([c.duration_s for c in cast.clips], np.float32),
            np.array([c.stride_m for c in cast.clips], np.float32),
            (idles[0], count),
        )


@dataclass(frozen=True)
class Plan:
    """N people, ready to be stepped; ascending agent id, all of the layout.

    place_m: float64 [N, 2]. heading_rad: float64 [N]. velocity_m_s: float64 [N, 2], of those who are not simulated.
    seed: uint32 [N]. side: int32 [N]. region: int32 [N], index into `bands`. height: float32 [N]. reach_m: float32
    [N]. stand, go: int32 [N], clips while he stands and while his region goes. phase: float32 [N] at the start.
    """

    place_m: F64
    heading_rad: F64
    velocity_m_s: F64
    seed: U32
    side: I32
    region: I32
    height: F32
    reach_m: F32
    stand: I32
    go: I32
    phase: F32
    bands: tuple[Band, ...]
    clips: ClipTable
    step_s: float
    lethality: float
    apart_m: float

    def __len__(self) -> int:
        return len(self.seed)

    @property
    def simulated(self) -> NDArray[np.bool_]:
        """bool [N]: who is stepped; the others are where their analytic layout has them."""
        return np.array([b.simulated for b in self.bands], dtype=bool)[self.region]

    def hostile(self) -> NDArray[np.bool_]:
        """bool [S, S]: the sides of which one is told to charge, fight or shoot the other; without a region as its
        target such a cue is meant for everybody else."""
        sides = int(self.side.max(initial=0)) + 1
        side_of = [set(self.side[self.region == k].tolist()) for k in range(len(self.bands))]
        out = np.zeros((sides, sides), dtype=bool)
        for k, band in enumerate(self.bands):
            for cue in band.cues:
                if cue.do in (Do.CHARGE, Do.MELEE, Do.VOLLEY):
                    theirs = side_of[cue.target] if isinstance(cue.target, int) else set(range(sides))
                    for a in side_of[k]:
                        for b in theirs - {a}:
                            out[a, b] = out[b, a] = True
        return out

    def digest(self) -> str:
        """SHA-256 over all of it and over the code that steps it."""
        total = hashlib.sha256(code_digest().encode())
        for part in (*(getattr(self, f.name) for f in fields(self) if f.name != "clips"), *vars(self.clips).values()):
            if isinstance(part, np.ndarray):
                total.update(f"{part.dtype.str}{part.shape}".encode())
                total.update(np.ascontiguousarray(part).data)
            else:
                total.update(repr(part).encode())
        return total.hexdigest()


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 over this package's sources: other code, other motion."""
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        total.update(path.name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def cues_of(spec: RegionSpec, names: Sequence[str], start_frame: int, frame_rate: float) -> tuple[Cue, ...]:
    """The region's cues in the order of time, after what it does from the start."""
    first = Cue(-1e6, Do.GO if spec.moving else Do.HOLD, None, 0.0, 1.0, 0)
    return (first, *(_cue(c, names, start_frame, frame_rate) for c in sorted(spec.cues, key=lambda c: c.at)))


def _cue(spec: CueSpec, names: Sequence[str], start_frame: int, frame_rate: float) -> Cue:
    at_s = (spec.at - start_frame) / frame_rate
    target = names.index(spec.target) if isinstance(spec.target, str) else spec.target
    key = int(hash_u32(spec.at, spec.do)) ^ int(purpose_key("cue"))
    return Cue(at_s, Do[spec.do.upper()], target, spec.spread_s, spec.share, key)


def involved(regions: Sequence[RegionSpec]) -> list[bool]:
    """Which regions are simulated: those with cues and those that a cue sends somebody against."""
    aimed = {
        c.target for r in regions for c in r.cues if isinstance(c.target, str) and c.do in ("charge", "melee", "volley")
    }
    return [bool(r.cues) or r.name in aimed for r in regions]


def reaches(figure_names: Sequence[str], cast_index: NDArray[np.int16]) -> F32:
    """How far each one's weapon reaches, float32 [N], metres."""
    reach = [_LONG_REACH_M if any(k in n for k in _LONG) else _REACH_M for n in figure_names]
    return np.array(reach, np.float32)[cast_index]

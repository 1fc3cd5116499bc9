"""What a simulation is made from: people in their places, their regions' cues, the clips' measures. Its digest names
the result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Cast
from composer.crowd.behaviour.modes import CLIP_NAMES, Do
from composer.crowd.behaviour.terrain import TerrainSource
from composer.crowd.motions import played
from composer.crowd.paths import Path as Way
from composer.crowd.seeds import hash_u32, purpose_key
from composer.errors import InputError
from composer.shot.schema_crowd import CueSpec, RegionSpec

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
U32 = NDArray[np.uint32]

#: Half the room that a horse takes, across and along.
HORSE_HALF_M = (0.5, 1.3)
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
    """A region. middle_m: (x, z), what its slots are relative to. cues: the first is in force from the start. kind: what
    most of its people are, a row of `ClipTable`. way: the path that a column follows."""

    name: str
    middle_m: tuple[float, float]
    heading_rad: float
    pace_m_s: float
    cues: tuple[Cue, ...]
    simulated: bool
    kind: int = 0
    way: Way | None = None


@dataclass(frozen=True)
class ClipTable:
    """By kind of body: K rows, 0 for those who move as men do, others for riders and characters. index: int32 [K, plays],
    the clip that is played, of the cast. idle: int32 [K, idles]. gait: int32 [K, 5], the clip of each gait (0: none, one
    stands); up, down: float32 [K, 5], m/s, when one changes to the next gait and back. pace_m_s: float32 [K, 3]: a
    charge, a trot, a walk. half_m: float32 [K, 2], half the room of a body (across, along); 0: that of a man.
    duration_s, stride_m: float32, of every clip in the cast."""

    index: I32
    idle: I32
    gait: I32
    up: F32
    down: F32
    pace_m_s: F32
    half_m: F32
    duration_s: F32
    stride_m: F32

    @classmethod
    def of(cls, cast: Cast) -> tuple[ClipTable, I32]:
        """(the table, the row of every figure [figures]). Raises InputError for a cast that lacks a clip that behaviour
        needs."""
        names = [c.name for c in cast.clips]
        if missing := [n for n in CLIP_NAMES if n not in names]:
            raise InputError("the cast lacks clips for cues", expected=", ".join(CLIP_NAMES), got=f"no {missing[0]}")
        idles = [i for i, c in enumerate(cast.clips) if c.rig == 0 and (c.name == "idle" or c.name.startswith("idle_"))]
        plays = played(cast)
        told = [names.index(n) for n in CLIP_NAMES]
        upright = np.array([not f.instead for f in cast.figures])
        rigs = sorted({f.rig for f, up in zip(cast.figures, upright, strict=True) if up} | {0})
        first = [next((k for k, f in enumerate(cast.figures) if f.rig == r and upright[k]), 0) for r in rigs]
        gaits = [_gaits(cast, r) if r else MEN for r in rigs]
        by_name = [{c.name: k for k, c in enumerate(cast.clips) if c.rig == r} for r in rigs]
        gait = [[0, *(own.get(n, 0) for n in g.names)] for own, g in zip(by_name, gaits, strict=True)]
        table = cls(
            plays[np.ix_(first, told)].astype(np.int32),
            plays[np.ix_(first, idles)].astype(np.int32),
            np.array(gait, np.int32),
            np.array([g.up for g in gaits], np.float32),
            np.array([g.down for g in gaits], np.float32),
            np.array([g.pace_m_s for g in gaits], np.float32),
            np.array(
                [HORSE_HALF_M if "horse_head" in cast.skeletons[r].names else (0.0, 0.0) for r in rigs], np.float32
            ),
            np.array([c.duration_s for c in cast.clips], np.float32),
            np.array([c.stride_m for c in cast.clips], np.float32),
        )
        return table, np.array([rigs.index(f.rig) if f.rig in rigs else 0 for f in cast.figures], np.int32)


@dataclass(frozen=True)
class _Gaits:
    """names: of the clips of gaits 1 to 4; the rest as in `ClipTable`."""

    names: tuple[str, str, str, str]
    up: tuple[float, ...]
    down: tuple[float, ...]
    pace_m_s: tuple[float, float, float]


MEN = _Gaits(
    ("walk", "jog", "run", "run"), (0.22, 1.85, 2.75, 1e9, 1e9), (0.0, 0.10, 1.55, 2.45, 1e9), (3.25, 1.9, 1.3)
)


def _gaits(cast: Cast, rig: int) -> _Gaits:
    """Of another rig: its own gaits by their pace; one changes half way between two, as animals do at about equal
    effort. A charge is four fifths of the fastest (it spreads out else)."""
    pace = {c.name: c.stride_m / c.duration_s for c in cast.clips if c.rig == rig and c.stride_m > 0}
    own = sorted((n for n in pace if n in ("walk", "jog", "trot", "canter", "gallop", "run")), key=lambda n: pace[n])
    own = [n for k, n in enumerate(own) if k == 0 or pace[n] > 1.05 * pace[own[k - 1]]][:4]
    if not own:  # it only stands: it is pushed along, which is no worse than before
        return MEN
    between = [0.55 * pace[a] + 0.45 * pace[b] for a, b in pairwise(own)]
    up = [0.22, *between, *([1e9] * 5)][:5]
    up[len(own)] = 1e9
    down = [0.0, 0.10, *(0.86 * s for s in between), *([1e9] * 5)][:5]
    names = (*own, *([own[-1]] * 4))[:4]
    trot = pace[own[min(1, len(own) - 1)]]
    return _Gaits(names, tuple(up), tuple(down), (0.8 * pace[own[-1]], 0.9 * trot, 0.85 * pace[own[0]]))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Plan:
    """N people, ready to be stepped; ascending agent id, all of the layout.

    place_m: float64 [N, 2]. heading_rad: float64 [N]. velocity_m_s: float64 [N, 2], of those who are not simulated.
    seed: uint32 [N]. side: int32 [N]. region: int32 [N], index into `bands`. height: float32 [N]. reach_m: float32
    [N]. stand, go: int32 [N], clips while he stands and while his region goes. phase: float32 [N] at the start. kind:
    int32 [N], row of `clips`. lies: bool [N], dead or wounded from the start. along_m, aside_m: float32 [N], his place
    on his region's path, where it has one.
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
    kind: I32
    lies: NDArray[np.bool_]
    along_m: F32
    aside_m: F32
    bands: tuple[Band, ...]
    clips: ClipTable
    step_s: float
    lethality: float
    apart_m: float
    terrain: TerrainSource | None = None

    def __len__(self) -> int:
        return len(self.seed)

    @property
    def simulated(self) -> NDArray[np.bool_]:
        """bool [N]: who is stepped; the others are where their analytic layout has them."""
        return np.array([b.simulated for b in self.bands], dtype=bool)[self.region] & ~self.lies

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
        own = [getattr(self, f.name) for f in fields(self) if f.name not in ("clips", "terrain", "bands")]
        ground = self.terrain.made if self.terrain else None
        own += [ground.digest() if ground else "open plain", *(_bare(b) for b in self.bands)]
        own += [a for b in self.bands if b.way for a in (b.way.point_m, b.way.heading_rad)]
        for part in (*own, *vars(self.clips).values()):
            if isinstance(part, np.ndarray):
                total.update(f"{part.dtype.str}{part.shape}".encode())
                total.update(np.ascontiguousarray(part).data)
            else:
                total.update(repr(part).encode())
        return total.hexdigest()


def _bare(band: Band) -> str:
    """A band without the points of its path, in words."""
    return repr(replace(band, way=None)) + (f" {band.way.step_m}" if band.way else "")


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

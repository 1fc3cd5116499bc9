"""What a formation is made from and what comes of it: places in the order in which soldiers take them.

A smaller count is always the head of the same list. Places are drawn by hash from the region's own seed; nothing here
knows of counts above what it is asked for, or of other regions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.crowd.areas import Area
from composer.crowd.paths import Path
from composer.crowd.seeds import hash01, hash_u32
from composer.errors import NOWHERE, InputError, Where

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: No two soldiers stand nearer than this.
NEAREST_M = 0.45
#: A region with more cells than this is a mistake in its size or its spacing.
MOST_PLACES = 4_000_000
#: Loose crowds: people stand at least this share of the spacing apart, which packs about one into spacing squared.
LOOSE_TIGHTNESS = 0.78
#: Fires of a camp are at least this far apart, so that their rings do not meet.
_LEAST_CAMP_M = 5.0


@dataclass(frozen=True)
class Brief:
    """What a region asks of its formation. spacing_m: (between files, between ranks). jitter: how far a man strays from
    his place, as a share of the spacing. path: for a column, or a line along it; head: where on it the column's head
    is, as a share of its length; turned: a line along a path looks to the right of it, not to the left."""

    area: Area
    heading_rad: float
    spacing_m: tuple[float, float]
    jitter: float
    seed: int
    files: int | None = None
    ranks: int | None = None
    path: Path | None = None
    head: float = 1.0
    turned: bool = False
    where: Where = NOWHERE


@dataclass(frozen=True)
class March:
    """How a column goes: `along_m` and `offset_m` (to the right) float64 [M], from the start of `path`."""

    path: Path
    along_m: F64
    offset_m: F64


@dataclass(frozen=True)
class Places:
    """Places in the order in which they are taken.

    position_m: float64 [M, 2], (x, z). whole: no more places exist than these. heading_rad: float64 [M], where each
    looks, if not where the region does. anchor_m: float64 [M, 2], what each stands round (a fire), which must be on
    good ground too. march: for a column.
    """

    position_m: F64
    whole: bool
    notes: tuple[str, ...] = ()
    heading_rad: F64 | None = None
    anchor_m: F64 | None = None
    march: March | None = None

    def only(self, kept: NDArray[np.bool_]) -> Places:
        """Those of a mask [M]."""
        some = [None if a is None else a[kept] for a in (self.heading_rad, self.anchor_m)]
        march = self.march and March(self.march.path, self.march.along_m[kept], self.march.offset_m[kept])
        return Places(self.position_m[kept], self.whole, self.notes, *some, march)


NO_PLACES = Places(np.zeros((0, 2)), True)


def axes_of(heading_rad: float) -> tuple[F64, F64]:
    """(right, ahead), unit vectors [2] in (x, z), of someone with this heading."""
    s, c = round(math.sin(heading_rad), 12), round(math.cos(heading_rad), 12)  # the same on every machine
    return np.array([c, -s]), np.array([-s, -c])


def check_spacing(formation: str, spacing_m: tuple[float, float], where: Where = NOWHERE) -> None:
    """InputError where people would stand nearer than `NEAREST_M`."""
    least = least_spacing_m(formation)
    if min(spacing_m) < least - 1e-9:
        camp = formation == "camp"
        raise InputError(
            "the fires of a camp would stand in each other's rings"
            if camp
            else "soldiers would stand inside each other",
            where=where,
            expected=f"a spacing of at least {math.ceil(least * 100 - 1e-6) / 100:g} m",
            got=f"{min(spacing_m):g} m",
        )


def least_spacing_m(formation: str) -> float:
    """The least spacing that a formation can be given."""
    if formation == "camp":
        return _LEAST_CAMP_M
    return NEAREST_M / LOOSE_TIGHTNESS if formation in ("loose", "mob") else NEAREST_M


def too_many(number: float) -> InputError:
    """The error of a region that is a mistake in its size or its spacing."""
    return InputError("too many places", expected=f"at most {MOST_PLACES:,}", got=f"{number:,.0f}")


def stray(
    file: I64, rank: I64, spacing_m: tuple[float, float], jitter: float, seed: int
) -> tuple[F64, tuple[str, ...]]:
    """How far each man stands from his place: [M, 2] (across, depth) in metres, mostly his own, partly a slow wave
    that bends whole files and ranks. It is cut (with a note) where two men could come nearer than `NEAREST_M`."""
    reach = np.array([jitter * s for s in spacing_m])
    room = np.array([(s - NEAREST_M) / 2 for s in spacing_m])
    notes: tuple[str, ...] = ()
    if (reach > room + 1e-9).any():
        notes = (
            f"jitter {jitter:g} at a spacing of {spacing_m[0]:g} x {spacing_m[1]:g} m would bring men nearer than "
            f"{NEAREST_M:g} m and was cut to {room[0] / spacing_m[0]:.2f} x {room[1] / spacing_m[1]:.2f}",
        )
        reach = np.minimum(reach, room)
    own = hash_u32(seed, "place") ^ hash_u32(file * 65537 + rank, "place")
    chances = [hash01(own, f"stray {way}") + hash01(own, f"more {way}") for way in ("across", "deep")]
    each = np.stack(chances, axis=1).astype(np.float64)
    waves = np.stack([_wave(rank, seed, "file wave"), _wave(file, seed, "rank wave")], axis=1)
    return reach * (0.6 * (each - 1.0) + 0.4 * waves), notes


def _wave(index: I64, seed: int, purpose: str, length: int = 7) -> F64:
    """Smooth noise in [-1, 1] along whole numbers."""
    knot = np.floor_divide(index, length)
    t = index / length - knot
    t = t * t * (3 - 2 * t)
    low, high = (
        hash01(hash_u32(seed, purpose) ^ hash_u32(k, purpose), purpose).astype(np.float64) * 2 - 1
        for k in (knot, knot + 1)
    )
    return low * (1 - t) + high * t


def apart(position_m: F64) -> NDArray[np.bool_]:
    """bool [M]: the places [M, 2] that keep `NEAREST_M` from every earlier one that is kept. A longer list says the
    same of its head."""
    from scipy.spatial import cKDTree

    kept = np.ones(len(position_m), dtype=bool)
    if len(position_m) > 1:
        pairs = cKDTree(position_m).query_pairs(NEAREST_M - 1e-7, output_type="ndarray")
        pairs.sort(axis=1)
        for first, later in pairs[np.argsort(pairs[:, 1], kind="stable")].tolist():
            if kept[first]:
                kept[later] = False
    return kept

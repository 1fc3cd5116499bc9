"""What directed soldiers look like: another kit, another side, another roll of the dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import F32, I16, Cast
from composer.crowd.casting import Casting, cast_people, recast
from composer.crowd.seeds import hash01, hash_u32
from composer.crowd.sites import folded
from composer.shot.schema import ShotFile

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Looks:
    """K soldiers: cast int16 [K], side int8 [K] into `side_names`, height_scale float32 [K], albedo float32
    [K, materials, 3], seed, look uint32 [K], kit int16 [K], as in `Casting`. rolled: bool [K], those who were cast anew;
    their clips are in `again`."""

    cast: I16
    side: NDArray[np.int8]
    side_names: tuple[str, ...]
    height_scale: F32
    albedo: F32
    seed: NDArray[np.uint32]
    look: NDArray[np.uint32]
    kit: I16
    rolled: NDArray[np.bool_]
    again: Casting

    def choice(self, who: I64, purpose: str, among: Sequence[int]) -> I16:
        """One of `among` for each of `who` (indices into these K), by his own seed."""
        pick = (hash01(self.seed[who], purpose) * len(among)).astype(np.int64)
        return np.asarray(among, np.int16)[np.minimum(pick, len(among) - 1)]


def looks_of(
    shot: ShotFile,
    cast: Cast,
    casting: Casting,
    agent_id: NDArray[np.uint32],
    region: I16,
    wishes: tuple[I64, I64, I64],
    side_names: tuple[str, ...],
) -> Looks:
    """casting: of these K soldiers as laid out. wishes: (reroll, kit, side), int64 [K] each: reroll 0, kit -1 and side -1
    are as laid out. What is said outright wins over a roll."""
    reroll, kit, side = wishes
    again = _rolled(shot, cast, casting, agent_id, region, reroll)
    sides = casting.side.copy()
    sides[side >= 0] = side[side >= 0]
    new = recast(replace(again, side=sides, side_names=side_names), cast, shot.sides, kit)
    albedo = casting.albedo.copy()
    changed = np.flatnonzero((reroll > 0) | (kit >= 0) | (side >= 0))
    albedo[changed] = new.albedo[changed]
    return Looks(
        new.cast, sides, side_names, new.height_scale, albedo, again.seed, again.look, new.kit, reroll > 0, again
    )


def _rolled(
    shot: ShotFile, cast: Cast, casting: Casting, agent_id: NDArray[np.uint32], region: I16, reroll: I64
) -> Casting:
    """The casting with each roll's people cast as the crowd would be under another seed."""
    if not (reroll > 0).any():
        return casting
    out = rows(casting, np.arange(len(agent_id)))
    for roll in np.unique(reroll[reroll > 0]).tolist():
        mine = np.flatnonzero(reroll == roll)
        seed = int(hash_u32(folded(shot.crowd.seed), f"reroll {roll}"))
        crowd = shot.crowd.model_copy(update={"seed": seed})
        new = cast_people(crowd, _another(cast, roll), shot.sides, agent_id[mine], region[mine])
        for key in _arrays(out):
            getattr(out, key)[mine] = getattr(new, key)
    return out


def _another(cast: Cast, roll: int) -> Cast:
    """The cast with other faces: in a cast of its own, looks follow from its seed, and a hero's from his."""
    if cast.look_seed is None:
        return cast
    heroes = tuple(replace(h, face=int(hash_u32(np.uint32(h.face), f"reroll {roll}"))) for h in cast.heroes)
    return replace(cast, look_seed=int(hash_u32(np.uint32(cast.look_seed), f"reroll {roll}")), heroes=heroes)


def rows(casting: Casting, index: I64) -> Casting:
    """A copy with the rows `index` only: every array of a casting has one row for each person."""
    return replace(casting, **{key: getattr(casting, key)[index] for key in _arrays(casting)})


def _arrays(casting: Casting) -> list[str]:
    return [f.name for f in fields(casting) if isinstance(getattr(casting, f.name), np.ndarray)]

"""The cast that Muster brings: every kit on every build, on one skeleton, with clips of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from composer.crowd.agents import F32, Cast, Clip
from composer.crowd.dyes import Palette, dyed
from composer.crowd.figure import kits
from composer.crowd.figure.body import BUILDS
from composer.crowd.lying import lying_clips
from composer.crowd.motion.clips import own_clips
from composer.crowd.skeleton import SKELETON

#: Kit names; each has one figure for every build, see `figures_of_kit`.
KITS: tuple[str, ...] = tuple(kits.KITS)


@lru_cache(maxsize=1)
def default_cast() -> Cast:
    """Built once and shared: kits x builds in the order of `KITS`, and the clips ('idle' first)."""
    figures = tuple(kits.figure(kit, build) for kit in KITS for build in BUILDS)
    return Cast(SKELETON, figures, own_clips(tuple(f.lods[0] for f in figures)))


@lru_cache(maxsize=1)
def clips_of_the_fallen() -> tuple[Clip, ...]:
    """Those of the dead and the wounded, which a cast has where it has such people."""
    return lying_clips(default_cast().figures[figures_of_kit("levy")[1]].lods[0])


def figures_of_kit(name: str) -> tuple[int, ...]:
    """Indices into `default_cast().figures` of one kit's builds (lean, sturdy, broad). KeyError for an unknown kit."""
    if name not in KITS:
        raise KeyError(name)
    first = KITS.index(name) * len(BUILDS)
    return tuple(range(first, first + len(BUILDS)))


def albedo_for(
    cast_index: NDArray[np.int16],
    side_names: Sequence[str],
    seed: NDArray[np.uint32],
    *,
    side: ArrayLike | None = None,
    palettes: Mapping[str, Palette] | None = None,
) -> F32:
    """Each agent's own reflectances, float32 [N, len(MATERIALS), 3], linear ACEScg, a function of his seed, kit and
    side alone.

    cast_index: int16 [N] into `default_cast().figures`. side_names: a name for each agent; or, with `side` int [N], the
    sides that it indexes. palettes: see `dyes.palettes_with`; the built-in 'red', 'blue' and 'levy' without it.
    Raises InputError for a side without colours.
    """
    if side is None:
        names, index = np.unique(np.asarray(side_names, dtype=object).astype(str), return_inverse=True)
        return dyed(_kits_of(cast_index), [str(n) for n in names], index, seed, palettes)
    return dyed(_kits_of(cast_index), side_names, side, seed, palettes)


def average_albedo(kit: str, sides: Sequence[str] = ("red", "blue", "levy")) -> NDArray[np.float64]:
    """float64 [len(sides), len(MATERIALS), 3]: the average colours of a kit's people on each side."""
    seed = np.arange(64, dtype=np.uint32)
    worn = [dyed([kit] * 64, [side], np.zeros(64, np.int64), seed).mean(0) for side in sides]
    return np.array(worn, np.float64)


def _kits_of(cast_index: NDArray[np.int16]) -> NDArray[np.str_]:
    """The kit of each agent. Figures beyond the built-in ones count as the first kit."""
    kit = np.asarray(cast_index, np.int64) // len(BUILDS)
    return np.array(KITS)[np.where(kit < len(KITS), kit, 0)]

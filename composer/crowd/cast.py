"""The cast that Muster brings: every kit on every build, on one skeleton, with clips of its own."""

from __future__ import annotations

from functools import lru_cache

from composer.crowd.agents import Cast
from composer.crowd.figure import kits
from composer.crowd.figure.body import BUILDS
from composer.crowd.motion.clips import own_clips
from composer.crowd.skeleton import SKELETON

#: Kit names; each has one figure for every build, see `figures_of_kit`.
KITS: tuple[str, ...] = tuple(kits.KITS)


@lru_cache(maxsize=1)
def default_cast() -> Cast:
    """Built once and shared: kits x builds in the order of `KITS`, and the clips ('idle' first)."""
    figures = tuple(kits.figure(kit, build) for kit in KITS for build in BUILDS)
    return Cast(SKELETON, figures, own_clips())


def figures_of_kit(name: str) -> tuple[int, ...]:
    """Indices into `default_cast().figures` of one kit's builds (lean, sturdy, broad). KeyError for an unknown kit."""
    if name not in KITS:
        raise KeyError(name)
    first = KITS.index(name) * len(BUILDS)
    return tuple(range(first, first + len(BUILDS)))

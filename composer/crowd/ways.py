"""Those who walk straight on, and what stands in their way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.obstacles import Obstacles
from composer.shot.schema_crowd import RegionSpec

#: So many of a region's people are followed, to so many frames of the shot.
PEOPLE, LOOKS = 2000, 24


def walked_into(
    regions: Sequence[RegionSpec], region: NDArray[np.int16], obstacles: Obstacles, frames: tuple[int, int],
    place_at: Callable[[NDArray[np.int64], Sequence[int]], NDArray[np.float64]],
) -> tuple[str, ...]:  # fmt: skip
    """A note for each region that moves without cues and meets an obstacle: its people go straight through it.

    region: [N], whose everybody is. frames: first and last. place_at: (x, z) float64 [F, K, 2] of these people at frames."""
    solid = replace(obstacles, shapes=tuple((shape, 0.0) for shape, _ in obstacles.shapes))
    looks = np.unique(np.linspace(*frames, LOOKS).astype(int)).tolist()
    notes = []
    for number, spec in enumerate(regions):
        who = np.flatnonzero(region == number)
        if not solid.shapes or not spec.moving or spec.cues or spec.on is not None or not len(who):
            continue
        place = place_at(who[:: -(-len(who) // PEOPLE)], looks)
        met = next((f for f, at in zip(looks, place, strict=True) if solid.block(at).any()), None)
        if met is not None:
            notes.append(
                f"{spec.name}: walks through an obstacle (seen at frame {met}); with cues it would go round it"
            )
    return tuple(notes)

"""How many tiles a painted frame takes at another size or with other steps, out of what the record of one says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: Share of a tile's side that neighbours have in common (`EngineOptions.overlap`).
OVERLAP = 0.25


@dataclass(frozen=True)
class Tiles:
    """share: of all tiles and texts, those that were run. texts: that a tile may be run for. active: the share of the
    steps that ran. native: (height, width) of a whole tile in latents. factor: pixels a latent."""

    share: float
    texts: int
    active: float
    native: tuple[int, int]
    factor: int

    @classmethod
    def of(cls, paint: Mapping[str, object] | None, width_px: int, native_px: tuple[int, int]) -> Tiles | None:
        """Out of a frame's record; None where nothing was painted. native_px: of the bundle."""
        tiles, steps = (paint or {}).get("tiles"), (paint or {}).get("steps")
        if not isinstance(tiles, Mapping) or not tiles or not isinstance(steps, int) or not int(tiles["jobs"]):
            return None
        texts = int(tiles["texts"])
        across = int(str(tiles["canvas"]).split("x")[1])
        factor = 2 ** round(math.log2(width_px / across))
        cells = math.prod(map(int, str(tiles["grid"]).split("x"))) * texts
        native = (max(1, native_px[0] // factor), max(1, native_px[1] // factor))
        return cls(int(tiles["jobs"]) / cells, texts, 1 - int(tiles["start_step"]) / steps, native, factor)

    def tile_steps(self, size_px: tuple[int, int], steps: int) -> float:
        """Tiles that are run for a frame of (width, height), as whole tiles' areas, times their steps."""
        count, area = 1, 1.0
        for length_px, tile in zip(size_px[::-1], self.native, strict=True):
            length = -(-length_px // self.factor)
            side = min(tile, length)
            gap = max(1, side - int(side * OVERLAP))
            count *= 1 + -(-(length - side) // gap)
            area *= side / tile
        return self.share * self.texts * count * area * self.active * steps

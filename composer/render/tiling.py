"""How many tiles a painted frame takes at another size or with other steps, out of what the record of one says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Share of a tile's side that neighbours have in common (`EngineOptions.overlap`).
OVERLAP = 0.25


@dataclass(frozen=True)
class Tiles:
    """share: of all tiles and texts, those that were run. texts: that a tile may be run for. active: the share of the
    steps that ran. native: (height, width) of a whole tile in latents. factor: pixels a latent. region: (height, width) of
    what the model is shown, shares of the picture's sides (`inference.roi`)."""

    share: float
    texts: int
    active: float
    native: tuple[int, int]
    factor: int
    region: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, paint: Mapping[str, object] | None, width_px: int, native_px: tuple[int, int]) -> Tiles | None:
        """Out of a frame's record; None where nothing was painted. native_px: of the bundle."""
        tiles, steps = (paint or {}).get("tiles"), (paint or {}).get("steps")
        if not isinstance(tiles, Mapping) or not tiles or not isinstance(steps, int) or not int(tiles["jobs"]):
            return None
        texts = int(tiles["texts"])
        down, across = map(int, str(tiles["canvas"]).split("x"))
        factor = 2 ** round(math.log2(width_px / across))
        cells = math.prod(map(int, str(tiles["grid"]).split("x"))) * texts
        native = (max(1, native_px[0] // factor), max(1, native_px[1] // factor))
        h, w = map(int, str(tiles["region"]).split()[2:]) if "region" in tiles else (down, across)
        region = min(1.0, h / down), min(1.0, w / across)
        return cls(int(tiles["jobs"]) / cells, texts, 1 - int(tiles["start_step"]) / steps, native, factor, region)

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Tiles:
        """Out of `asdict`. Raises TypeError or KeyError."""
        return cls(**{**told, **{k: tuple(told[k]) for k in ("native", "region") if k in told}})

    def tile_steps(self, size_px: tuple[int, int], steps: int) -> float:
        """Tiles that are run for a frame of (width, height), as whole tiles' areas, times their steps."""
        count, area = 1, 1.0
        for length_px, tile, share in zip(size_px[::-1], self.native, self.region, strict=True):
            length = math.ceil(length_px * share / self.factor)
            side = min(tile, length)
            gap = max(1, side - int(side * OVERLAP))
            count *= 1 + -(-(length - side) // gap)
            area *= side / tile
        return self.share * self.texts * count * area * self.active * steps

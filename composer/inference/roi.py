"""The region of interest: what of a picture a network is shown.

A network that was trained on crops of all sizes need not see what lies far from everything that it paints, and a crowd seldom
fills a picture: the rest is neither painted nor made noise for. The region is snapped, so that it stays what it is while the
crowd moves a little."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from composer.inference.adapter import LatentSpace
from composer.inference.request import F32, WHOLE, NoiseSource, PaintRequest, Part, Prompt

#: Regions begin and end at multiples of this, and are no smaller than that.
SNAP_PX, LEAST_PX = 32, 192


@dataclass(frozen=True)
class NoiseOfRegion:
    """A source's noise, for requests whose pictures begin at `corner`, in latents of the whole picture."""

    source: NoiseSource
    corner: tuple[int, int]

    def latents(
        self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str, part: Part = WHOLE
    ) -> F32:
        """See `request.NoiseSource`."""
        y, x = (a + b for a, b in zip(self.corner, part.corner, strict=True))
        return self.source.latents(frame, channels, size, factor, purpose, Part((y, x), part.where))

    def smooth(self, frame: int, count: int, size: tuple[int, int], factor: int, part: Part = WHOLE) -> F32:
        """See `request.NoiseSource`."""
        y, x = (a + b for a, b in zip(self.corner, part.corner, strict=True))
        return self.source.smooth(frame, count, size, factor, Part((y, x), part.where))


@dataclass(frozen=True)
class Region:
    """rows, columns: [first, end) in pixels; they begin at whole latents."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    def of(self, request: PaintRequest, factor: int) -> PaintRequest:
        """The request for this region alone."""

        def cut(picture: F32) -> F32:
            return picture[:, slice(*self.rows), slice(*self.columns)]

        pictures = ("plate", "guide", "mask", "strength", "depth", "normal", "albedo", "pose", "agent_id")
        return replace(
            request,
            **{name: cut(getattr(request, name)) for name in pictures},
            noise=NoiseOfRegion(request.noise, (self.rows[0] // factor, self.columns[0] // factor)),
            prompts=tuple(
                p if p.weight is None else Prompt(p.text, p.negative, cut(np.asarray(p.weight)))
                for p in request.prompts
            ),
        )

    def into(self, guide: F32, painted: F32) -> F32:
        """float32 [T, H, W, 3]: the guide with the painted region in its place."""
        whole = guide.astype(np.float32)
        whole[:, slice(*self.rows), slice(*self.columns)] = painted
        return whole

    def record(self, tiles: Mapping[str, int | str], size: tuple[int, int], factor: int) -> dict[str, int | str]:
        """What the engine says of the tiles of this region, for a picture of `size`: where they lie in it, and the region in
        latents (y, x, height, width)."""
        y, x = self.rows[0] // factor, self.columns[0] // factor
        moved = {
            name: " ".join(str(int(start) + first) for start in str(tiles[name]).split())
            for name, first in (("row_starts", y), ("column_starts", x))
        }
        h, w = (-(-side // factor) for side in size)
        return {**tiles, **moved, "region": f"{y} {x} {str(tiles['canvas']).replace('x', ' ')}", "canvas": f"{h}x{w}"}


def region_of(request: PaintRequest, space: LatentSpace) -> Region | None:
    """What holds all that is painted and `space.beside` pixels more; None where that is the whole picture, where nothing is
    painted, or where the network wants to see all."""
    painted = ((request.mask > 0) & (request.strength > 0)).any(axis=0)
    if not space.beside or not painted.any():
        return None
    snap = math.lcm(SNAP_PX, space.factor * space.multiple)
    sides = [_span(painted.any(axis=other), space.beside, snap) for other in (1, 0)]
    if sides == [(0, length) for length in request.size]:
        return None
    return Region(*sides)


def _span(painted: np.ndarray, beside: int, snap: int) -> tuple[int, int]:
    """[first, end) along one axis. painted: bool [n]."""
    length, at = len(painted), np.flatnonzero(painted)
    first, end = int(at[0]) - beside, int(at[-1]) + 1 + beside
    short = max(0, LEAST_PX - (end - first))
    first, end = first - short // 2, end + short - short // 2
    if first < 0:
        first, end = 0, end - first
    if end > length:
        first, end = first - (end - length), length
    return max(0, first // snap * snap), min(length, -(-end // snap) * snap)

"""One axis of a tile plan: where tiles start, and how much of a place each of them gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.inference.request import F32


@dataclass(frozen=True)
class Axis:
    """length: of the picture, tile: of each tile, starts: int32 [n], all in latents. weights: float32 [n, tile]: what tile k
    gives to the place starts[k] + i; at each place the tiles' weights sum to one."""

    length: int
    tile: int
    starts: NDArray[np.int32]
    weights: F32

    def __len__(self) -> int:
        return len(self.starts)

    def span(self, k: int) -> slice:
        """The places that tile k covers."""
        return slice(int(self.starts[k]), int(self.starts[k]) + self.tile)

    def cover(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """(first tile that covers a place, one past the last): int32 [length] each."""
        place = np.arange(self.length)
        first = np.searchsorted(self.starts, place - self.tile, side="right")
        last = np.searchsorted(self.starts, place, side="right")
        return first.astype(np.int32), last.astype(np.int32)


def starts_of(length: int, tile: int, overlap: int, multiple: int = 1) -> NDArray[np.int32]:
    """Tiles spread evenly from edge to edge: the first starts at 0, the last ends at `length`, neighbours share at least
    `overlap` places. All are multiples of `multiple`."""
    if tile >= length:
        return np.zeros(1, np.int32)
    room, most = (length - tile) // multiple, (tile - overlap) // multiple
    if most < 1:
        raise ValueError(f"a tile of {tile} has no room for an overlap of {overlap}")
    gaps = -(-room // most)
    return (np.arange(gaps + 1) * room // gaps * multiple).astype(np.int32)


def bell(starts: NDArray[np.int32], tile: int, length: int) -> F32:
    """Raised-cosine windows, positive everywhere, divided by their sum at each place."""
    window = np.sin(np.pi * (np.arange(tile) + 0.5) / tile) ** 2
    total = np.zeros(length)
    for start in starts:
        total[start : start + tile] += window
    return np.stack([window / total[s : s + tile] for s in starts]).astype(np.float32)


def crop(starts: NDArray[np.int32], tile: int, length: int) -> F32:
    """Each tile gives its interior alone: neighbours meet in the middle of what they share, at least half the overlap away
    from the edges that are the tile's and not the picture's."""
    middle = (starts[1:] + starts[:-1] + tile) // 2
    edges = np.concatenate([[0], middle, [length]])
    place = starts[:, None] + np.arange(tile)
    return ((place >= edges[:-1, None]) & (place < edges[1:, None])).astype(np.float32)


def axis_of(length: int, tile: int, overlap: int, multiple: int = 1, halo: int | None = None) -> Axis:
    """halo: reach of a network's receptive field; where it is known, tiles are cropped to what their edges cannot reach."""
    tile = min(tile, length)
    if halo is not None:
        overlap = max(overlap, 2 * halo)
    starts = starts_of(length, tile, overlap, multiple)
    weights = bell(starts, tile, length) if halo is None else crop(starts, tile, length)
    return Axis(length, tile, starts, weights)

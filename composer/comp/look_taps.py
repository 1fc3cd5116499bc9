"""The filters of a plate's look as tables: edge spread and fringe along one side, grain in its separable parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.comp.plate_look import Edge, Fringe, Grain

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Variance of a pixel's own width: an edge that a renderer drew is spread by it already.
PIXEL_VARIANCE = 1.0 / 12.0
#: What of a grain kernel's energy may be lost in its separable parts.
LOST = 1e-4


@dataclass(frozen=True)
class Taps:
    """weight: float32 [side, n, 3], of R, G, B, each sums to 1. first: int32 [side, 3], the first tap of each. reach: how
    far from its own place a pixel reads."""

    weight: F32
    first: NDArray[np.int32]
    reach: int

    @property
    def fringed(self) -> bool:
        return not np.array_equal(self.first, np.repeat(self.first[:, 1:2], 3, axis=1)) or not np.array_equal(
            self.weight, np.repeat(self.weight[..., 1:2], 3, axis=2)
        )


def added_sigma_px(edge: Edge | None) -> float:
    """The Gaussian that takes a drawn edge to the plate's; 0 where the plate is as sharp as pixels are."""
    return 0.0 if edge is None else math.sqrt(max(edge.spread_px**2 - PIXEL_VARIANCE, 0.0))


def spread_taps(start: int, stop: int, side: int, edge: Edge | None, fringe: Fringe | None) -> Taps:
    """For the pixels start..stop of a picture's side of `side` pixels; taps are counted from `start`."""
    sigma = added_sigma_px(edge)
    place = np.arange(start, stop, dtype=np.float64)
    scales = (1.0, 1.0, 1.0) if fringe is None else (fringe.red, 1.0, fringe.blue)
    source = np.stack([side / 2 + (place + 0.5 - side / 2) / s - 0.5 for s in scales], axis=-1)
    exact = all(s == 1.0 for s in scales)
    half = math.ceil(3.0 * sigma)
    first = np.floor(source).astype(np.int64) - half
    n = 2 * half + (1 if exact else 2)
    away = first[:, None, :] + np.arange(n)[None, :, None] - source[:, None, :]
    # A tent of one pixel, spread: what lies between two pixels is read from both.
    weight = np.maximum(1.0 - np.abs(away), 0.0) if sigma <= 0.2 else np.exp(-0.5 * (away / sigma) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    reach = int(np.abs(np.stack([first, first + n - 1]) - place[None, :, None].astype(np.int64)).max(initial=0))
    return Taps(weight.astype(np.float32), (first - start).astype(np.int32), reach)


@dataclass(frozen=True)
class GrainTaps:
    """across, down: float32 [rank, n, 3]; the sum over rank of their outer products is the kernel."""

    across: F32
    down: F32

    @property
    def half(self) -> int:
        return self.across.shape[1] // 2


def grain_taps(grain: Grain) -> GrainTaps:
    """The kernel as a sum of a few separable ones, by singular values; its energy stays 1 in each channel."""
    kernel = np.asarray(grain.kernel, dtype=np.float64)
    kernel = kernel / np.sqrt((kernel**2).sum(axis=(1, 2), keepdims=True))
    u, s, v = np.linalg.svd(kernel)
    energy = np.cumsum(s**2, axis=1)
    rank = int((energy < 1.0 - LOST).sum(axis=1).max()) + 1
    part = s[:, :rank] / np.sqrt(energy[:, rank - 1 : rank])
    down = np.einsum("cir,cr->ric", u[:, :, :rank], part)
    across = np.einsum("cri->ric", v[:, :rank])
    return GrainTaps(across.astype(np.float32), down.astype(np.float32))


def half_gaussian(sigma: float) -> F32:
    """float32 [n]: a Gaussian from its middle to three sigma; with its other side it sums to 1."""
    x = np.arange(math.ceil(3.0 * sigma) + 1, dtype=np.float64)
    weight = np.exp(-0.5 * (x / sigma) ** 2)
    return (weight / (2 * weight.sum() - weight[0])).astype(np.float32)

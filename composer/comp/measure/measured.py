"""What measuring gives back: a number, how it was found, how far to trust it, and what it was found on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
T = TypeVar("T")

#: Below this a number is told but not used: its value is None.
TRUSTED = 0.3


@dataclass(frozen=True)
class Found(Generic[T]):
    """One measured thing. value: None where the plate does not show it. confidence: 0 nothing .. 1 sure. samples: how
    many places spoke. residual: what is left over by the fit, in the unit that `notes` tell."""

    value: T | None
    confidence: float
    samples: int
    residual: float
    notes: tuple[str, ...]


def nothing(why: str, samples: int = 0) -> Found[T]:
    """Nothing was found, and why."""
    return Found(None, 0.0, samples, float("nan"), (why,))


@dataclass(frozen=True)
class GrainSamples:
    """What the grain was measured on. place: int [N, 3], frame, x, y of a patch's corner. patch_px: its side. level,
    variance: float64 [N, 3]. line: float64 [3, 2], floor and slope of variance against level. spectrum: float64
    [3, F], power against spatial frequency in cycles per pixel `frequency` [F], of the plate; `modelled` the same of
    the kernel."""

    place: NDArray[np.int64]
    patch_px: int
    level: F64
    variance: F64
    line: F64
    frequency: F64
    spectrum: F64
    modelled: F64
    correlation: F64


@dataclass(frozen=True)
class EdgeSamples:
    """place: float64 [N, 3], frame, x, y of an edge. sigma_px: [N], its spread. normal: [N, 2]. shift_px: [N, 2],
    where red and blue lie beside green along the normal. left: [N], by the fit in the worst zone beside the edge, in
    parts of the rise. chosen: bool [N], those that the spread is taken from. distance, profile: [M], all chosen edges
    laid over each other, from 0 dark to 1 bright."""

    place: F64
    sigma_px: F64
    normal: F64
    shift_px: F64
    left: F64
    chosen: NDArray[np.bool_]
    distance: F64
    profile: F64


@dataclass(frozen=True)
class AirSamples:
    """distance_m: [B], the middle of each bin. share: the percentiles [Q]. radiance, modelled: [B, 3, Q]. source: where
    the distances come from. place: int [N, 3], frame, x, y of some of the pixels."""

    distance_m: F64
    share: tuple[float, ...]
    radiance: F64
    modelled: F64
    source: str
    place: NDArray[np.int64]


@dataclass(frozen=True)
class LensSamples:
    """The vignette's evidence. radius: [N], 0 centre .. 1 corner, before and after. log_ratio: [N], how much brighter
    the same place is in the other frame, exposure taken out."""

    radius: F64
    other_radius: F64
    log_ratio: F64

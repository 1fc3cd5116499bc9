"""Temporal antialiasing of painted frames: each is averaged with the one before and the one after it along true motion, so
that what is finer than a pixel does not sizzle. Every frame is painted by itself first, so nothing is chained from frame to
frame, and a frame made alone is the frame of the sequence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.comp.layer import F32
from composer.inference.record import PaintRecord


@dataclass(frozen=True)
class Alone:
    """A frame as it was painted by itself. rgb: float32 [H, W, 3] in model range. painted, coverage: float32 [H, W], how much of
    each pixel may have been changed, and is the crowd. agent_id: uint32 [H, W]."""

    rgb: F32
    painted: F32
    coverage: F32
    agent_id: NDArray[np.uint32]
    record: PaintRecord


def neighbours(number: int, frames: tuple[int, ...]) -> tuple[int, ...]:
    """The frames beside one, of the plate's."""
    return tuple(n for n in (number - 1, number + 1) if n in frames)


def averaged(own: Alone, beside: Iterable[tuple[Alone, F32]]) -> F32:
    """float32 [H, W, 3] in model range. beside: the frames next to it, each with the motion that leads there (float32
    [H, W, 2] in pixels, x right, y down).

    The mean is over those that show the same agent, inside of the crowd and where both were painted: edges are the frame's own.
    What is fetched stays in the range of the pixel's neighbours, so that nothing is dragged along where light or pose change
    (Karis, High-Quality Temporal Supersampling, SIGGRAPH 2014 courses)."""
    near = np.ones((3, 3), np.uint8)
    least, most = cv2.erode(own.rgb, near), cv2.dilate(own.rgb, near)
    inside = _inside(own.coverage) * (own.painted > 0)
    total, weight = own.rgb.copy(), np.ones_like(own.coverage)
    h, w = own.coverage.shape
    rows, columns = np.indices((h, w), dtype=np.float32)
    for other, motion in beside:
        x, y = columns + motion[..., 0], rows + motion[..., 1]
        there = (x >= 0) & (y >= 0) & (x <= w - 1) & (y <= h - 1)  # nowhere where motion is not known
        x, y = np.where(there, x, 0), np.where(there, y, 0)
        nearest = np.rint(y).astype(int), np.rint(x).astype(int)
        same = (other.agent_id[nearest] == own.agent_id) & (other.painted[nearest] > 0)
        share = inside * there * same * _inside(cv2.remap(other.coverage, x, y, cv2.INTER_LINEAR))
        fetched = cv2.remap(other.rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        total += share[..., None] * np.clip(fetched, least, most)
        weight += share
    return (total / weight[..., None]).astype(np.float32)


def _inside(coverage: F32) -> F32:
    """1 in the midst of the crowd, 0 at its edges."""
    return ((coverage - 0.9) / 0.1).clip(0, 1)

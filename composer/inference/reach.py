"""The guide's silhouettes, grown: where the model may paint, and whose ground that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.guides.passes import GuidePasses, Holdout
from composer.inference.around import place_ahead

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: Ground that is nearer than the soldier by more than this share hides him: a ridge, not the earth at his feet.
RIDGE = 0.1


@dataclass(frozen=True)
class Reach:
    """box: rows and columns (y0, y1, x0, x1) that hold all of it, [h, w]; the arrays are of that box.

    outside_px: float32 [h, w], how far each pixel is from one that the crowd covers; 0 on it. inside_px: how far from
    one that it does not cover; 0 off it. source: int64 [h, w], the nearest covered pixel, row-major in the box.
    open: float32 [h, w], 1 where nothing stands before the soldier of `source`, 0 where something hides him.
    """

    box: tuple[int, int, int, int]
    outside_px: F32
    inside_px: F32
    source: NDArray[np.int64]
    open: F32

    @property
    def cut(self) -> tuple[slice, slice]:
        """The box as slices of the whole picture."""
        y0, y1, x0, x1 = self.box
        return slice(y0, y1), slice(x0, x1)

    def outwards(self, picture: NDArray) -> NDArray:  # type: ignore[type-arg]
        """A picture [H, W, ...] within the box, each pixel that of the nearest covered one: [h, w, ...]."""
        return self.outwards_here(picture[self.cut])

    def outwards_here(self, picture: NDArray) -> NDArray:  # type: ignore[type-arg]
        """The same for a picture of the box, [h, w, ...]."""
        return picture.reshape(-1, *picture.shape[2:])[self.source]


def reach_of(
    guides: GuidePasses, holdouts: Sequence[Holdout], ground_m: F32, grow_px: int, who: Bools | None = None
) -> Reach | None:
    """The crowd's coverage and `grow_px` around it; None where nobody is seen. ground_m: float32 [H, W]. who: bool
    [H, W], only this much of what is covered."""
    covered = guides.coverage > 0 if who is None else who & (guides.coverage > 0)
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if not len(rows):
        return None
    h, w = covered.shape
    margin = grow_px + 2
    box = (
        max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, h),
        max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, w),
    )  # fmt: skip
    y0, y1, x0, x1 = box
    here = covered[y0:y1, x0:x1]
    outside, label = cv2.distanceTransformWithLabels(
        (~here).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    y, x = np.nonzero(here)
    table = np.zeros(int(label.max()) + 1, np.int64)
    table[label[y, x]] = y * here.shape[1] + x
    source = table[label]
    # what lies beyond the picture's edge is crowd too where crowd stands at the edge
    padded = cv2.copyMakeBorder(here.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1] if not here.all() else _far(here)
    return Reach(box, outside, inside, source, _open(guides, holdouts, ground_m, source, here, box))


def _far(here: Bools) -> F32:
    return np.full(here.shape, 1e6, np.float32)


def _open(
    guides: GuidePasses, holdouts: Sequence[Holdout], ground_m: F32, source: NDArray[np.int64], here: Bools,
    box: tuple[int, int, int, int],
) -> F32:  # fmt: skip
    y0, y1, x0, x1 = box
    depth_m = guides.depth_m[y0:y1, x0:x1].ravel()[source]
    seen = np.ones(source.shape, np.float32)
    for h in (*holdouts, *place_ahead(guides)):
        limit = h.depth_m[y0:y1, x0:x1] if isinstance(h.depth_m, np.ndarray) else h.depth_m
        seen *= np.where(depth_m > limit, 1.0 - h.alpha[y0:y1, x0:x1], np.float32(1))
    ridge = ground_m[y0:y1, x0:x1] < (1.0 - RIDGE) * depth_m
    return np.where(ridge & ~here, np.float32(0), seen)


def paint_mask(reach: Reach, grow_px: int) -> F32:
    """float32 [h, w] of the reach's box: 1 on the crowd and close around it, falling to 0 over the outer half of
    `grow_px`; nothing where something stands before the crowd."""
    fall = max(grow_px / 2, 1.0)
    return (((grow_px - reach.outside_px) / fall).clip(0, 1) * reach.open).astype(np.float32)

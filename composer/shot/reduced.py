"""A stage at another size: the same framing, light and ground on a smaller raster, for previews."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from composer.shot.holdout import Holdouts
from composer.shot.matte import F32, HoldoutFrame
from composer.shot.plate import Plate
from composer.shot.stage import Stage


def reduced(stage: Stage, width_px: int) -> Stage:
    """The stage with a plate, a camera and holdouts at most `width_px` wide. Regions that were drawn on the plate are in
    the full stage's pixels: lay the crowd out on that one."""
    width, height = stage.plate.size_px
    if width <= width_px:
        return stage
    size = (width_px, max(1, round(height * width_px / width)))
    holdouts = stage.holdouts
    assert isinstance(holdouts, Holdouts)
    given = {f: getattr(stage.plate, f) for f in stage.plate.__dataclass_fields__}
    plate = ReducedPlate(**{**given, "size_px": size}, full=stage.plate)
    small = ReducedHoldouts(holdouts.sources, holdouts.notes, size)
    return replace(stage, plate=plate, camera=stage.camera.resized(size), holdouts=small)


@dataclass(frozen=True)
class ReducedPlate(Plate):
    """A plate whose pictures are made smaller after they were read, in linear light."""

    full: Plate | None = None

    @property
    def factor(self) -> float:
        """Pixels of the plate a pixel, along a side."""
        assert self.full is not None
        return self.full.size_px[0] / self.size_px[0]

    def read(self, frame: int) -> F32:
        assert self.full is not None
        return smaller(self.full.read(frame), self.size_px)

    def read_working(self, frame: int) -> F32:
        assert self.full is not None
        return smaller(self.full.read_working(frame), self.size_px)


@dataclass(frozen=True)
class ReducedHoldouts(Holdouts):
    """Holdouts made smaller: mattes and clean plates averaged, depth by its nearest pixel (an average of two depths is
    neither)."""

    size_px: tuple[int, int] = (0, 0)

    def __call__(self, frame: int) -> list[HoldoutFrame]:
        return [self._small(h) for h in super().__call__(frame)]

    def _small(self, holdout: HoldoutFrame) -> HoldoutFrame:
        depth = holdout.depth_m
        if isinstance(depth, np.ndarray):
            depth = cv2.resize(depth, self.size_px, interpolation=cv2.INTER_NEAREST)
        clean = None if holdout.clean is None else smaller(holdout.clean, self.size_px)
        return HoldoutFrame(smaller(holdout.alpha, self.size_px), depth, clean)


def smaller(picture: F32, size_px: tuple[int, int]) -> F32:
    """float32 [H, W] or [H, W, C], averaged over areas."""
    return np.ascontiguousarray(cv2.resize(picture, size_px, interpolation=cv2.INTER_AREA), dtype=np.float32)

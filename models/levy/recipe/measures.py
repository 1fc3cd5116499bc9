"""What a painted picture is measured by. Pictures float32 [H, W, 3] in model range; crowd: bool [H, W]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: How much a pixel differs from the empty plate where somebody stands; agents smaller than so many pixels are left out.
STANDS_OUT, LEAST_PX = 0.06, 24


@dataclass
class Error:
    """Squared error, gathered over pictures."""

    total: float = 0.0
    count: int = 0

    def add(self, a: F32, b: F32, where: Bools) -> None:
        d = (a[where] - b[where]).astype(np.float64)
        self.total += float((d * d).sum())
        self.count += d.size

    def add_spread(self, pictures: Sequence[F32], where: Bools) -> None:
        """The variance from seed to seed, free of the bias of few seeds."""
        variance = np.stack([p[where] for p in pictures]).var(0, ddof=1, dtype=np.float64)
        self.total += float(variance.sum())
        self.count += variance.size

    @property
    def rms(self) -> float:
        return float(np.sqrt(self.total / max(self.count, 1)))

    @property
    def psnr(self) -> float:
        return float(-10 * np.log10(max(self.total / max(self.count, 1), 1e-12)))


@dataclass
class Mean:
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.count += 1

    @property
    def value(self) -> float:
        return self.total / max(self.count, 1)


def low(picture: F32, factor: int = 4) -> F32:
    """Averages of factor x factor pixels."""
    h, w = (side // factor * factor for side in picture.shape[:2])
    return picture[:h, :w].reshape(h // factor, factor, w // factor, factor, -1).mean((1, 3))


def low_crowd(coverage: F32, factor: int = 4) -> Bools:
    """Which of those the crowd fills by more than half."""
    return low(coverage[..., None], factor)[..., 0] > 0.5


def colour_errors(picture: F32, target: F32, agent: NDArray[np.uint16], coverage: F32) -> list[float]:
    """Of each agent who is large enough, how far his mean colour is from the target's: mean over the channels."""
    out = []
    ids = np.where(coverage > 0.5, agent, 0)
    for who in np.unique(ids[ids > 0]):
        mine = ids == who
        if mine.sum() >= LEAST_PX:
            out.append(float(np.abs(picture[mine].mean(0) - target[mine].mean(0)).mean()))
    return out


def detail(picture: F32, crowd: Bools) -> float:
    """Energy of what is finer than about three pixels, in the crowd."""
    fine = picture - cv2.GaussianBlur(picture, (0, 0), 1.5)
    return float((fine[crowd].astype(np.float64) ** 2).sum())


def silhouette_iou(picture: F32, target: F32, plate: F32, mask: F32) -> tuple[int, int]:
    """Pixels of the mask that stand out from the empty plate in both pictures, and in either."""
    a, b = (np.abs(p - plate).max(-1) > STANDS_OUT for p in (picture, target))
    inside = mask > 0.5
    return int((a & b & inside).sum()), int(((a | b) & inside).sum())


def rms(a: F32, b: F32, where: Bools) -> float:
    return float(np.sqrt(((a[where] - b[where]) ** 2).mean())) if where.any() else 0.0


@dataclass(frozen=True)
class Shown:
    """A frame that motion is measured in. motion_px, back_px: float32 [H, W, 2], to the next frame and to the one before.
    crowd: bool [H, W], all of a pixel. who: uint32 [H, W], the agent in it."""

    motion_px: F32
    back_px: F32
    crowd: Bools
    who: NDArray[np.uint32]


def carried_error(now: F32, after: F32, here: Shown, there: Shown) -> float:
    """RMS between a picture and the next one fetched back along the true motion. What is hidden in either is not counted (Lai
    et al., Learning Blind Video Temporal Consistency, 2018): the same agent fills all four pixels there that are fetched from,
    and the motion back from there leads here (Sundaram et al., Dense Point Trajectories by GPU-accelerated Large Displacement
    Optical Flow, 2010)."""
    h, w = here.crowd.shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    motion = here.motion_px
    to = (x + motion[..., 0], y + motion[..., 1])
    fetched, back = (
        cv2.remap(p, *to, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for p in (after, there.back_px)
    )
    inside = here.crowd & (to[0] >= 0) & (to[0] <= w - 1) & (to[1] >= 0) & (to[1] <= h - 1)
    corners = [(dx, dy) for dx in (0, 1) for dy in (0, 1)]
    column, row = (np.floor(v).astype(np.int64) for v in to)
    at = [(np.clip(row + dy, 0, h - 1), np.clip(column + dx, 0, w - 1)) for dx, dy in corners]
    same = np.all([there.crowd[place] & (there.who[place] == here.who) for place in at], axis=0)
    astray, lengths = (np.square(v).sum(-1) for v in (motion + back, np.concatenate([motion, back], -1)))
    return rms(now, fetched, inside & same & (astray < 0.01 * lengths + 0.5))

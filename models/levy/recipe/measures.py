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

"""Depth as depth-conditioned models take it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def control_depth(depth_m: NDArray[np.float32], near_m: float, far_m: float) -> NDArray[np.float32]:
    """(1/z - 1/far) / (1/near - 1/far), float32 within 0..1: 1 at `near_m` and nearer, 0 at `far_m`, beyond and where
    nobody is (inf)."""
    with np.errstate(divide="ignore"):
        inverse = 1.0 / depth_m
    return ((inverse - np.float32(1 / far_m)) * np.float32(1 / (1 / near_m - 1 / far_m))).clip(0, 1).astype(np.float32)

"""The agents' joints in the picture, and the OpenPose skeleton picture that control models know."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from composer.guides.passes import GuidePasses, Holdout

F32 = NDArray[np.float32]

#: Pairs of COCO/OpenPose body joints, in the order that their colours go round the wheel.
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)  # fmt: skip
STICK_PX = 4.0
CANVAS_PX = 512.0
#: A joint lies inside the body: its own surface, and gear close by, stand this far before it without hiding it.
INSIDE_M = 0.2
MIN_HEIGHT_PX = 24.0


class _HasSlots(Protocol):
    @property
    def seen(self) -> NDArray[np.bool_]: ...


@dataclass(frozen=True)
class JointPasses:
    """pixel: float32 [N, 18, 3], agent: uint32 [N], visible: bool [N, 18], as in `GuidePasses`."""

    pixel: F32
    agent: NDArray[np.uint32]
    visible: NDArray[np.bool_]


def joint_passes(
    agent_id: NDArray[np.uint32], slots: _HasSlots, joints_px: F32, depth_m: F32, id_px: NDArray[np.uint32],
    ground_depth_m: F32 | None, holdouts: Sequence[Holdout],
) -> JointPasses:  # fmt: skip
    """The joints of every agent with one in the picture, nearest first, and which of them nothing hides."""
    h, w = depth_m.shape
    with np.errstate(invalid="ignore"):
        inside = (joints_px[..., 0] >= 0) & (joints_px[..., 0] < w) & (joints_px[..., 1] >= 0) & (joints_px[..., 1] < h)
    keep = np.flatnonzero(slots.seen & inside.any(1))
    keep = keep[np.argsort(joints_px[keep, 1, 2], kind="stable")]
    px, inside, agent = joints_px[keep], inside[keep], agent_id[keep].astype(np.uint32)
    x = np.where(inside, px[..., 0], 0).astype(np.int64)
    y = np.where(inside, px[..., 1], 0).astype(np.int64)
    z = px[..., 2]
    visible = inside & ((id_px[y, x] == agent[:, None]) | (depth_m[y, x] > z - INSIDE_M))
    if ground_depth_m is not None:
        visible &= ground_depth_m[y, x] * 1.02 + INSIDE_M > z
    for holdout in holdouts:
        before = holdout.depth_m[y, x] if isinstance(holdout.depth_m, np.ndarray) else holdout.depth_m
        visible &= (holdout.alpha[y, x] < 0.5) | (z <= before)
    with np.errstate(invalid="ignore"):
        front = np.isfinite(px).all(-1) & (z > 0)
    out = np.zeros(px.shape, np.float32)
    out[..., :2] = np.where(front[..., None], px[..., :2], 0.0)
    out[..., 2] = front
    return JointPasses(out, agent, visible)

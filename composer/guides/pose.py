"""The agents' joints in the picture, and the OpenPose skeleton picture that control models know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class JointPasses:
    """pixel: float32 [N, 18, 3], agent: uint32 [N], visible: bool [N, 18], as in `GuidePasses`."""

    pixel: F32
    agent: NDArray[np.uint32]
    visible: NDArray[np.bool_]


def joint_passes(
    agent_id: NDArray[np.uint32], joints_px: F32, depth_m: F32, id_px: NDArray[np.uint32],
    ground_depth_m: F32 | None, holdouts: Sequence[Holdout],
) -> JointPasses:  # fmt: skip
    """The joints of the agents that show, those with one in the picture, nearest first; and which of them nothing hides."""
    h, w = depth_m.shape
    with np.errstate(invalid="ignore"):
        inside = (joints_px[..., 0] >= 0) & (joints_px[..., 0] < w) & (joints_px[..., 1] >= 0) & (joints_px[..., 1] < h)
    keep = np.flatnonzero(inside.any(1))
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


@dataclass(frozen=True)
class _Sticks:
    """Skeletons as shapes, in 1/16 pixel. ring: int32 [K, 17, 24, 2], a limb's ellipse; limb: bool [K, 17], it is drawn;
    centre: int32 [K, 18, 2] and radius: int [K] of the joints' discs; disc: bool [K, 18]."""

    ring: NDArray[np.int32]
    limb: NDArray[np.bool_]
    centre: NDArray[np.int32]
    radius: NDArray[np.int64]
    disc: NDArray[np.bool_]


def _sticks(px: NDArray[np.float64], ok: NDArray[np.bool_], stick: NDArray[np.float64]) -> _Sticks:
    """px: float64 [K, 18, 2]; ok: bool [K, 18], the joint is to be seen; stick: float64 [K], px."""
    fine = 16.0
    a, b = np.array(LIMBS).T
    limb = ok[:, a] & ok[:, b]
    disc = np.zeros_like(ok)
    for k in range(len(LIMBS)):
        disc[:, a[k]] |= limb[:, k]
        disc[:, b[k]] |= limb[:, k]
    middle, step = 0.5 * (px[:, a] + px[:, b]), px[:, b] - px[:, a]
    length = np.hypot(step[..., 0], step[..., 1])
    along = np.where((length > 1e-6)[..., None], step / np.maximum(length, 1e-6)[..., None], (1.0, 0.0))
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    t = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
    far = (np.cos(t) * 0.5 * length[..., None])[..., None] * along[:, :, None]
    side = (np.sin(t) * stick[:, None, None])[..., None] * across[:, :, None]
    with np.errstate(invalid="ignore"):
        ring = np.rint((middle[:, :, None] + far + side) * fine - 8).astype(np.int32)
        centre = np.rint(px * fine - 8).astype(np.int32)
    return _Sticks(ring, limb, centre, np.rint(stick * fine).astype(np.int64), disc)


def _draw(canvas: NDArray[np.uint8], sticks: _Sticks) -> None:
    """Skeletons over the canvas, the first of them undermost: limbs at 0.6 of their colour, then their joints."""
    import cv2

    dim = [tuple(int(0.6 * v) for v in colour) for colour in COLOURS]
    centre, radius = sticks.centre.tolist(), sticks.radius.tolist()
    for i, (limbs, discs) in enumerate(zip(sticks.limb.tolist(), sticks.disc.tolist(), strict=True)):
        ring = sticks.ring[i]
        for k, drawn in enumerate(limbs):
            if drawn:
                cv2.fillConvexPoly(canvas, ring[k], dim[k], cv2.LINE_AA, 4)
        for k, drawn in enumerate(discs):
            if drawn:
                cv2.circle(canvas, centre[i][k], radius[i], COLOURS[k], -1, cv2.LINE_AA, 4)


def pose_picture(passes: GuidePasses, size_px: tuple[int, int], *, min_height_px: float = MIN_HEIGHT_PX) -> F32:
    """float32 [H, W, 3] in 0..1, display values: the skeletons in OpenPose's colours on black, far ones first.

    size_px: (w, h) of the picture wanted; the joints are scaled to it. On a canvas whose shorter side is 512 px, as
    the models were trained on, limbs are 8 px wide and joints are discs of 4 px radius; in proportion on others, but
    no wider than suits the figure. Joints that something hides are left out, and those that no limb would reach;
    soldiers smaller than `min_height_px` in the picture wanted are too small for a skeleton to help.
    """
    w, h = size_px
    canvas = np.zeros((h, w, 3), np.uint8)
    plate_h, plate_w = passes.depth_m.shape
    scale = np.array([w / plate_w, h / plate_h])
    stick = max(1.0, STICK_PX * min(w, h) / CANVAS_PX)
    front = passes.pose_px[..., 2] > 0
    px = passes.pose_px[..., :2].astype(np.float64) * scale
    # a body on the ground counts by its length
    tall = np.where(front.all(1), np.ptp(px, axis=1).max(1), 0.0) if len(px) else np.zeros(0)
    chosen = np.flatnonzero((tall >= min_height_px) & ((passes.pose_visible & front).sum(1) >= 2))[::-1]
    wide = np.minimum(stick, np.maximum(1.0, tall[chosen] / 24.0))
    _draw(canvas, _sticks(px[chosen], (passes.pose_visible & front)[chosen], wide))
    return np.divide(canvas, np.float32(255.0), dtype=np.float32)

"""The rider's and the horse's joints in one skeleton: the man's 26 first, so that every kit sits on a horse as it is.

A horse of 1.52 m at the withers, standing square, facing -Z; its saddle over the origin. In bind pose the rider stands
in the A pose at the origin, through his horse; clips seat him.
"""

from __future__ import annotations

import numpy as np

from composer.crowd.agents import Skeleton
from composer.crowd.skeleton import SKELETON, mirrored_name

#: name, parent, place; right side and middle.
_ROWS: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("horse_back", "hips", (0.0, 1.22, 0.05)),
    ("horse_chest", "horse_back", (0.0, 1.22, -0.36)),
    ("horse_rump", "horse_back", (0.0, 1.26, 0.42)),
    ("horse_neck", "horse_chest", (0.0, 1.34, -0.66)),
    ("horse_crest", "horse_neck", (0.0, 1.68, -0.92)),
    ("horse_head", "horse_crest", (0.0, 1.93, -1.09)),
    ("horse_tail", "horse_rump", (0.0, 1.38, 0.86)),
    ("horse_tail_tip", "horse_tail", (0.0, 1.00, 0.99)),
    ("r_fore_shoulder", "horse_chest", (0.15, 1.36, -0.44)),
    ("r_fore_arm", "r_fore_shoulder", (0.16, 0.96, -0.50)),
    ("r_fore_cannon", "r_fore_arm", (0.145, 0.46, -0.50)),
    ("r_fore_hoof", "r_fore_cannon", (0.140, 0.155, -0.49)),
    ("r_hind_thigh", "horse_rump", (0.13, 1.22, 0.56)),
    ("r_hind_gaskin", "r_hind_thigh", (0.165, 0.93, 0.44)),
    ("r_hind_cannon", "r_hind_gaskin", (0.145, 0.54, 0.78)),
    ("r_hind_hoof", "r_hind_cannon", (0.140, 0.165, 0.74)),
)


def _build() -> Skeleton:
    right = [row for row in _ROWS if row[0].startswith("r_")]
    left = [(mirrored_name(n), mirrored_name(p), (-x, y, z)) for n, p, (x, y, z) in right]
    rows = [*_ROWS[:8], *right, *left]
    names = (*SKELETON.names, *(row[0] for row in rows))
    parent = np.array([names.index(p) for _, p, _ in rows], np.int16)
    return Skeleton(
        names=names,
        parent=np.concatenate([SKELETON.parent, parent]),
        bind_m=np.concatenate([SKELETON.bind_m, np.array([row[2] for row in rows], np.float32)]),
        openpose=SKELETON.openpose,
        openpose_offset_m=SKELETON.openpose_offset_m,
        hooves=tuple(names.index(f"{end}_hoof") for end in ("l_fore", "r_fore", "l_hind", "r_hind")),
    )


#: 50 joints: the man's, then the horse's.
MOUNTED: Skeleton = _build()
#: Joint number by name.
HORSE: dict[str, int] = {name: i for i, name in enumerate(MOUNTED.names)}
#: The seat, where the rider's hips are when the horse stands.
SEAT_M = (0.0, 1.545, 0.03)

"""Guides in which nobody stands."""

from __future__ import annotations

import numpy as np

from composer.camera.camera import View
from composer.guides.passes import GuidePasses, Samples


def nobody(view: View) -> GuidePasses:
    w, h = view.size_px
    zero, three = np.zeros((h, w), np.float32), np.zeros((h, w, 3), np.float32)
    none = np.zeros(0, np.float32)
    samples = Samples(np.zeros(w * h + 1, np.int64), none.astype(np.uint32), none, none, np.zeros((0, 3), np.float32))
    return GuidePasses(
        zero + np.inf, three, zero.astype(np.uint32), three[..., :2], three[..., :2], zero, three, three, zero, zero,
        np.zeros((0, 18, 3), np.float32), none.astype(np.uint32), np.zeros((0, 18), bool), samples,
    )  # fmt: skip

"""What lies behind a soft matte edge.

A plate pixel under a half-covering matte already holds half of the old background. Putting the crowd over it with the
matte alone leaves that background in: a bright or dark line around the actor. So the old background's share is taken out
first, from a clean plate where there is one, otherwise from the background beside the edge.
"""

from __future__ import annotations

import cv2
import numpy as np

from composer.comp.layer import F32

#: A matte below this counts as background, above 1 - this as foreground.
SOLID = 0.02


def background_behind(plate: F32, matte: F32, clean: F32 | None, reach_px: int = 24) -> F32:
    """The background's colour at every pixel, float32 [H, W, 3], in the plate's space.

    plate: float32 [H, W, 3]. matte: float32 [H, W], 1 is foreground. clean: the empty plate, where known.
    Where the matte is 0 this is the plate itself. Elsewhere it is `clean`, or the mean of the background pixels around,
    weighted by nearness (normalised convolution, Knutsson and Westin 1993), reaching about `reach_px`.
    """
    if clean is not None:
        return np.where(matte[..., None] > 0, clean, plate).astype(np.float32)
    known = (matte < SOLID).astype(np.float32)
    total, weight = plate * known[..., None], known
    colour, filled = np.zeros_like(plate), np.zeros_like(known)
    sigma = 1.5
    while sigma <= reach_px:
        w = cv2.GaussianBlur(weight, (0, 0), sigma)
        c = cv2.GaussianBlur(total, (0, 0), sigma)
        take = (filled == 0) & (w > 0.05)
        colour[take] = c[take] / w[take, None]
        filled[take] = 1
        sigma *= 2
    return np.where((known > 0)[..., None] | (filled == 0)[..., None], plate, colour)

"""A soft matte edge taken apart: what is the actor's colour there, and what the background's.

A plate pixel under a half-covering matte already holds half of the old background. Putting the crowd over it with the
matte alone leaves that background in: a bright or dark line around the actor. So the edge is split into the actor's own
colour and the background's (from a clean plate where there is one, otherwise from beside the edge), and only the
background's share is covered.
"""

from __future__ import annotations

import cv2
import numpy as np

from composer.comp.layer import F32

#: A matte below this counts as background, above 1 - this as foreground.
SOLID = 0.02


def background_behind(plate: F32, matte: F32, clean: F32 | None, reach_px: int = 32) -> F32:
    """The background's colour at every pixel, float32 [H, W, 3], in the plate's space.

    plate: float32 [H, W, 3]. matte: float32 [H, W], 1 is foreground. clean: the empty plate, where known.
    Where the matte is 0 this is the plate itself. Elsewhere it is `clean`, or what the background pixels around say, the nearest
    most, from up to about `reach_px` away; beyond that the plate.
    Source: pull-push, Gortler et al., "The Lumigraph" (SIGGRAPH 1996).
    """
    if clean is not None:
        return np.where(matte[..., None] > 0, clean, plate).astype(np.float32)
    known = (matte < SOLID).astype(np.float32)
    levels = [(plate * known[..., None], known)]
    while 2 ** len(levels) <= reach_px and min(levels[-1][1].shape) > 2:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    total, weight = levels.pop()
    while levels:
        finer, own = levels.pop()
        size = own.shape[::-1]
        coarse = cv2.pyrUp(weight, dstsize=size)
        room = (1 - np.minimum(own, 1)) / np.maximum(coarse, 1)
        total = finer + cv2.pyrUp(total, dstsize=size) * room[..., None]
        weight = own + coarse * room
    trust = np.minimum(weight * 8, 1)[..., None]
    found = total / np.maximum(weight, 1e-6)[..., None] * trust + plate * (1 - trust)
    return np.where((known > 0)[..., None], plate, found)


def actor_colour(plate: F32, matte: F32, back: F32, reach_px: float = 6.0) -> F32:
    """The actor's own colour at every pixel, float32 [H, W, 3]; the plate itself where the matte is 1.

    plate, back: float32 [H, W, 3]. matte: float32 [H, W]. His light is averaged around the pixel, and what the pixel
    itself says corrects that as far as it is his: so noise in the plate is not magnified where the matte is thin.
    Source: after Forte, "Approximate Fast Foreground Colour Estimation" (ICIP 2021), with the background known.
    """
    weight = cv2.GaussianBlur(matte, (0, 0), reach_px)
    share = matte[..., None]
    light = plate - (1.0 - share) * back
    spread = cv2.GaussianBlur(light, (0, 0), reach_px) / np.maximum(weight, 1e-4)[..., None]
    own = spread + share * (plate - share * spread - (1.0 - share) * back)
    return np.maximum(own, 0.0).astype(np.float32)

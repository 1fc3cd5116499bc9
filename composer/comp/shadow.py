"""How dark the crowd makes the plate's ground."""

from __future__ import annotations

import numpy as np

from composer.comp.layer import F32
from composer.guides.passes import Light


def shadow_alpha(shadow: F32, contact: F32, light: Light, luminance_weights: tuple[float, float, float]) -> F32:
    """The share of the ground's light that the crowd takes, [H, W] in 0..1.

    The ground is taken as level: sunlight falls on it with the cosine of the sun's height, sky light from above.
    shadow: share of the sun taken, contact: share of the sky taken, both float32 [H, W].
    """
    weights = np.asarray(luminance_weights)
    sun = float(weights @ np.asarray(light.sun)) * max(light.sun_direction[1], 0.0)
    sky = float(weights @ np.asarray(light.sky))
    share = sun / (sun + sky) if sun + sky > 0 else 0.0
    return (np.float32(share) * shadow + np.float32(1.0 - share) * contact).astype(np.float32)

"""Dust and smoke before the crowd: in the plate and in the better picture, not in the guide, which knows nothing of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.levy.recipe.plates import value_noise
from models.levy.recipe.scenes import LevyScene

F32 = NDArray[np.float32]
#: The most that air hides of what is seen through it.
MOST = 0.45


def through_air(
    scene: LevyScene, plate: F32, crowds: Sequence[F32], crowd_m: F32, ground_m: F32
) -> tuple[F32, Sequence[F32]]:
    """Plate [H, W, 3] and pictures of the crowd [H, W, 4], premultiplied, seen through the scene's air. crowd_m, ground_m:
    float32 [H, W], inf where nothing is."""
    if scene.haze == 0:
        return plate, crowds
    light = np.array(scene.light.sky) + 0.25 * np.array(scene.light.sun)
    tone = np.array([1.0, 0.94, 0.85]) if scene.number % 2 else np.array([0.92, 0.94, 1.0])
    colour = (0.42 * light * tone).astype(np.float32)
    there = np.isfinite(crowd_m)
    middle_m = float(np.median(crowd_m[there])) if there.any() else 20.0
    cloud = _cloud(scene)

    def hidden(depth_m: F32) -> F32:
        air = scene.haze * cloud * np.clip(depth_m / middle_m, 0, 3)
        return (MOST * (1 - np.exp(-air / MOST)))[..., None].astype(np.float32)

    far = hidden(np.where(np.isfinite(ground_m), ground_m, 3 * middle_m))
    near = hidden(np.where(there, crowd_m, ground_m))
    veiled = [
        np.concatenate([c[..., :3] * (1 - near) + colour * near * c[..., 3:], c[..., 3:]], -1).astype(np.float32)
        for c in crowds
    ]
    return plate * (1 - far) + colour * far, veiled


def _cloud(scene: LevyScene) -> F32:
    """float32 [H, W], about 0.7 to 1.3: drifts, larger below. An even veil: clouds that no condition tells of cannot be learned,
    and would not move with the air."""
    w, h = scene.view.size_px
    y, x = np.mgrid[:h, :w] / max(w, h)
    drift = sum(
        0.6**k * value_noise(np.stack([x, 2.2 * y], -1) * 3.0 * 2.1**k, scene.number * 11 + k) for k in range(4)
    ) / sum(0.6**k for k in range(4))
    return (0.7 + 0.6 * drift * (0.6 + 0.4 * y * max(w, h) / h)).astype(np.float32)

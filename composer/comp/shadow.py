"""How dark the crowd makes the plate's ground, and the actors that stand on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from composer.comp.composite import Composite, untouched_digest
from composer.comp.edges import actor_colour, background_behind
from composer.comp.layer import F32, Layer
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


def shaded_holdouts(plate: F32, dark: F32, matte: F32, clean: F32 | None) -> F32:
    """The plate with shadow on its actors, float32 [H, W, 3]. dark: float32 [H, W], the share of their light that is taken.
    matte: float32 [H, W], their share of each pixel: at their edge only their own colour is darkened, not the background's."""
    taken = dark * matte
    if not taken.any():
        return plate
    soft = (taken > 0) & (matte < 1)
    own = plate
    if soft.any():
        own = np.where(soft[..., None], actor_colour(plate, matte, background_behind(plate, matte, clean)), plate)
    return np.where(taken[..., None] > 0, plate - taken[..., None] * own, plate).astype(np.float32)


def with_holdout_shadow(made: Composite, taken: F32) -> Composite:
    """The composite of a plate whose actors are shaded, with that in its `shadow` layer. taken: float32 [H, W], share of light
    that was taken from each pixel."""
    half = taken.astype(np.float16)
    if not half.any():
        return made
    layers = []
    for layer in made.layers:
        if layer.name == "shadow":
            rgba = layer.rgba.copy()
            left = (1 - rgba[..., 3].astype(np.float32)) * (1 - half.astype(np.float32))
            rgba[..., 3] = np.where(half > 0, 1 - left, rgba[..., 3])
            layer = Layer("shadow", rgba)
        layers.append(layer)
    touched = made.touched | (half > 0)
    return replace(made, layers=tuple(layers), touched=touched, untouched_sha256=untouched_digest(made.rgb, touched))

"""The crowd's shadow on the plate's actors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from composer.comp.composite import Composite, untouched_digest
from composer.comp.edges import actor_colour, background_behind
from composer.comp.layer import F16, F32, Layer
from composer.comp.shade import element


def shaded_holdouts(plate: F32, dark: F32, matte: F32, clean: F32 | None) -> F32:
    """The plate with shadow on its actors, float32 [H, W, 3]. dark: float32 [H, W, 3], the share of their light that is taken.
    matte: float32 [H, W], their share of each pixel: at their edge only their own colour is darkened, not the background's."""
    taken = dark * matte[..., None]
    if not taken.any():
        return plate
    soft = taken.any(axis=-1) & (matte < 1)
    own = plate
    if soft.any():
        own = np.where(soft[..., None], actor_colour(plate, matte, background_behind(plate, matte, clean)), plate)
    return np.where(taken > 0, plate - taken * own, plate).astype(np.float32)


def actors_shadow(plate: F32, dark: F32, matte: F32) -> F16:
    """That shadow as an element over the plate as it was: float16 [H, W, 4], premultiplied. dark, matte: as above."""
    return np.clip(element(plate, (dark * matte[..., None]).astype(np.float16)), -65504, 65504).astype(np.float16)


def with_actors_shadow(made: Composite, under: F16) -> Composite:
    """The composite of a plate whose actors are shaded, with that in its `shadow` layer. under: as `actors_shadow`."""
    own = under[..., 3] > 0
    if not own.any():
        return made
    layers = []
    for layer in made.layers:
        if layer.name == "shadow":
            over = layer.rgba.astype(np.float32)
            both = over + (1 - over[..., 3:]) * under.astype(np.float32)
            layer = Layer("shadow", np.where(own[..., None], both.astype(np.float16), layer.rgba))
        layers.append(layer)
    touched = made.touched | own
    return replace(made, layers=tuple(layers), touched=touched, untouched_sha256=untouched_digest(made.rgb, touched))

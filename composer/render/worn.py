"""The ground that a shot's people have trodden down by a frame, laid into the plate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from composer.camera.camera import View
from composer.comp.composite import Composite, untouched_digest
from composer.comp.layer import F16, F32, F64, Layer
from composer.crowd.people import People
from composer.environment.land import land_of
from composer.environment.trampled import trodden, trodden_frames
from composer.guides.passes import Holdout
from composer.guides.worn import worn_picture
from composer.render.air import places_at
from composer.shot.stage import Stage

#: Who is higher than this above the plate's ground does not tread on it.
ABOVE_M = 0.3


def worn_layer(
    stage: Stage, people: People, view: View, plate: F32, ground_m: F32, holdouts: Sequence[Holdout],
    delivery_from_working: F64, device: str,
) -> F16 | None:  # fmt: skip
    """float16 [H, W, 4], premultiplied, in the delivery space: the plate's own ground darker and drier, to go over the plate
    under all else; None where the shot does not ask for it or nobody was there."""
    spec = None if stage.shot.environment is None else stage.shot.environment.trampled
    if spec is None or spec.strength == 0:
        return None
    rate, first = float(stage.plate.frame_rate), stage.plate.frames[0]
    begin = stage.shot.crowd.start_frame
    start = first - round(spec.before_s * rate) if begin is None else min(begin, first)
    frames = trodden_frames(start, view.frame, rate)
    eye = np.asarray(stage.camera.view(first).position_m, np.float64)
    worn = trodden(_on_the_plate(stage, places_at(people, frames)), frames, rate, eye) if frames else None
    if worn is None:
        return None
    share = worn_picture(worn, view, ground_m, device=device)
    for one in holdouts:
        share = share * (1 - np.where(ground_m > one.depth_m, one.alpha, 0))
    alpha = (spec.strength * share).astype(np.float32)
    tint = np.array(spec.colour, np.float32)
    to = np.asarray(delivery_from_working, np.float32)
    ground = plate @ (to @ np.diag(tint) @ np.linalg.inv(to)).T
    layer = np.concatenate([ground * alpha[..., None], alpha[..., None]], axis=2)
    return np.clip(np.where(alpha[..., None] > 0, layer, 0), -65504, 65504).astype(np.float16)


def _on_the_plate(stage: Stage, place_m: F64) -> F64:
    """Places [..., 2] (x, z), NaN where people are on land or on a piece above the plate's ground."""
    land = land_of(stage)
    if land is stage.ground:
        return place_m
    x, z = place_m[..., 0], place_m[..., 1]
    above = land.height_m(x, z) - stage.ground.height_m(x, z) > ABOVE_M
    return np.where(above[..., None], np.nan, place_m)


def trodden_plate(plate: F32, layer: F16) -> F32:
    """The plate with the worn ground over it; where that has no alpha, its own bits."""
    over = layer.astype(np.float32)
    return np.where(over[..., 3:] > 0, plate * (1 - over[..., 3:]) + over[..., :3], plate).astype(np.float32)


def with_worn_layer(made: Composite, layer: F16) -> Composite:
    """The composite over such a plate, with its layer at the bottom."""
    touched = made.touched | (layer[..., 3] > 0)
    layers = (Layer("ground", layer), *made.layers)
    return replace(made, layers=layers, touched=touched, untouched_sha256=untouched_digest(made.rgb, touched))

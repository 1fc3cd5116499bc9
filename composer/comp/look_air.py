"""The plate seen through volumes, for a crowd that gets the plate's look: it is what the look's layer then lies over.

Volumes before crowd and place are in that layer, sample by sample (`Drawn.air`); those before the plate are here. They get the
look's grade, vignette and grain. They are soft, so lens and edge spread are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from composer.comp.air import Scenery, composite_through_air
from composer.comp.composite import Composite, untouched_digest
from composer.comp.layer import F32, F64, Layer
from composer.comp.look_sky import vignette_of
from composer.comp.look_taps import added_sigma_px
from composer.comp.plate_look import PlateLook
from composer.guides.air import AirPasses


@dataclass(frozen=True)
class Behind:
    """What a matched layer lies over, in the delivery space. plate, clean: float32 [H, W, 3], with shadow, air and its grain.
    made: plate, shadow, sky and air alone. grain: float32 [H, W, 3], what the air's grain added to that."""

    plate: F32
    clean: F32 | None
    made: Composite
    grain: F32


def behind_of(
    look: PlateLook, air: AirPasses, scene: Scenery, delivery_from_working: F64, grained: Callable[[F32, F32], F32]
) -> Behind | None:  # fmt: skip
    """None where no volume is before the plate nor before a sample. scene: its crowd and place are left out. grained: picture
    and the share of it that is new, as `composer.comp.look_grain.grained`."""
    assert air.by_sample is not None
    taken = _taken(air, scene.matte)
    before = [a for a in air.by_sample if a is not None]
    if not taken.any() and all((a[:, 3] >= 1).all() for a in before):
        return None
    none, bare = np.zeros_like(scene.plate), np.zeros_like(scene.matte)
    shadow = scene.shadow.each(lambda taken: _spread(taken, scene.matte, added_sigma_px(look.edge)))
    back, near = (_graded(look, a) for a in (air.back, air.before))
    passes = replace(air, crowd=none, place=none, front=none, back=back, before=near)
    alone = replace(scene, crowd_alpha=bare, place_alpha=bare, shadow=shadow)
    made = composite_through_air(passes, alone, delivery_from_working)
    plate = np.where(made.touched[..., None], made.rgb.astype(np.float32), scene.plate)
    seen = grained(plate, taken)
    clean = scene.clean
    if clean is not None:
        dark = np.clip(shadow.taken() / np.maximum(1 - scene.matte, 1e-3)[..., None], 0, 1)
        clean = clean * (1 - dark) * back[..., 3:] + back[..., :3] @ np.asarray(delivery_from_working, np.float32).T
        clean = np.where(scene.matte[..., None] > 0, clean, scene.clean).astype(np.float32)
    return Behind(seen, clean, made, seen - plate)


def with_air_layer(over: Composite, behind: Behind) -> Composite:
    """A matched layer over `behind.plate`, with all layers of both: they add up over the plate with its shadow."""
    under = {la.name: la.rgba for la in behind.made.layers}
    layers = {la.name: la.rgba.astype(np.float32) for la in over.layers}
    crowd, around = layers["crowd"], layers.get("environment", np.zeros_like(layers["crowd"]))
    left = np.maximum(1.0 - crowd[..., 3:] - around[..., 3:], 0.0)
    air = under["air"].astype(np.float32)
    air[..., :3] += behind.grain
    around = around + under["environment"].astype(np.float32) * left
    told = (Layer("environment", _half(around)), Layer("crowd", _half(crowd)), Layer("air", _half(air * left)))
    touched = over.touched | behind.made.touched
    notes = tuple(dict.fromkeys((*behind.made.notes, *over.notes)))
    digest = untouched_digest(over.rgb, touched)
    return Composite(over.rgb, (Layer("shadow", under["shadow"]), *told), touched, digest, notes)


def with_no_air(made: Composite) -> Composite:
    """With an empty layer of air: every frame of a shot has the same layers."""
    return replace(made, layers=(*made.layers, Layer("air", np.zeros_like(made.layers[0].rgba))))


def _taken(air: AirPasses, matte: F32) -> F32:
    """float32 [H, W]: the air's share of what is seen where neither crowd nor place is."""
    taken = matte * (1 - air.before[..., 3]) + (1 - matte) * (1 - air.back[..., 3])
    return np.where(taken.astype(np.float16) > 0, taken, 0).astype(np.float32)


def _graded(look: PlateLook, air: F32) -> F32:
    """Light and share of the air, float32 [H, W, 4], with grade and vignette as those before a sample have them."""
    light, taken = air[..., :3], 1 - air[..., 3:]
    if look.grade is not None:
        light = light @ np.asarray(look.grade.matrix, np.float32).T + taken * np.asarray(look.grade.offset, np.float32)
    if look.vignette is not None:
        light = light * vignette_of(look.vignette.k, air.shape[:2])[..., None]
    return np.concatenate([light, air[..., 3:]], axis=2).astype(np.float32)


def _spread(shadow: F32, matte: F32, sigma_px: float) -> F32:
    """A shadow's edge as the look spreads it; an actor before it stays as sharp as his matte."""
    if sigma_px <= 0.2 or not shadow.any():
        return shadow
    soft = cv2.GaussianBlur(shadow, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    if not matte.any():
        return soft
    seen = cv2.GaussianBlur(1 - matte, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    return np.where(seen > 1e-3, soft * (1 - matte) / np.maximum(seen, 1e-3), 0).astype(np.float32)


def _half(values: F32) -> np.ndarray:
    return np.clip(values, -65504, 65504).astype(np.float16)

"""One training pair: what the engine would show the model of a scene, and the picture that it should paint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.color.model_range import ModelRange
from composer.comp.shadow import shadow_alpha
from composer.guides.control import control_depth
from composer.guides.ground import ground_depth
from composer.guides.pose import pose_picture
from composer.guides.render import render_guides
from models.levy.recipe.plates import plate_of
from models.levy.recipe.reference import render_reference
from models.levy.recipe.scenes import LevyScene, scene_of

F32 = NDArray[np.float32]
#: Luminance of ACEScg.
LUMINANCE = np.array([0.2722287, 0.6740818, 0.0536895])


@dataclass(frozen=True)
class Pair:
    """Pictures float32 [H, W, C], in model range, as `inference.request.PaintRequest` has them."""

    text: str
    plate: F32
    guide: F32
    target: F32
    coverage: F32
    depth: F32
    normal: F32
    pose: F32
    agent_id: NDArray[np.uint32]


def pair_of(number: int, size_px: tuple[int, int], height_px: float | None = None, device: str = "cpu") -> Pair:
    """The pair with this number, of a picture of this size (width, height); height_px as in `scene_of`."""
    return pair_from(scene_of(number, size_px, height_px), device)


def pair_from(scene: LevyScene, device: str = "cpu") -> Pair:
    views, light = (scene.view,) * 3, scene.light
    ground_m = ground_depth(scene.ground, scene.view)
    guides = render_guides(scene.agents, scene.cast, views, ground_m, (), light, samples=8, device=device)
    better = render_reference(
        scene.agents, scene.cast, scene.view, ground_m, (), light, scene.wear, sun_spread=scene.sun_spread,
        seed=scene.number, device=device,
    )  # fmt: skip
    plate = plate_of(scene, ground_m)
    shadow = shadow_alpha(guides.shadow, guides.contact, light, LUMINANCE)[..., None]
    dark = plate * (1 - shadow)
    guide = dark * (1 - guides.coverage[..., None]) + guides.beauty
    target = dark * (1 - better[..., 3:]) + better[..., :3]
    model_range = ModelRange.of_plate(plate)
    near = float(guides.depth_m.min()) if np.isfinite(guides.depth_m).any() else 1.0
    far = float(guides.depth_m[np.isfinite(guides.depth_m)].max(initial=near * 1.1))
    span = _quarter_octaves(near, far)
    normal = np.where(guides.normal.any(-1, keepdims=True), (guides.normal + 1) / 2, 0)
    return Pair(
        text=scene.text,
        plate=model_range.encode(dark),
        guide=model_range.encode(guide),
        target=model_range.encode(target.astype(np.float32)),
        coverage=guides.coverage,
        depth=control_depth(guides.depth_m, *span),
        normal=normal.astype(np.float32),
        pose=pose_picture(guides, scene.view.size_px),
        agent_id=guides.agent_id,
    )


def _quarter_octaves(near: float, far: float) -> tuple[float, float]:
    """As `render.control.control_range` rounds them."""
    low, high = np.floor(np.log2(max(near - 1.2, 0.25)) * 4), np.ceil(np.log2(far + 1.2) * 4)
    return float(2 ** (low / 4)), float(2 ** (max(high, low + 1) / 4))

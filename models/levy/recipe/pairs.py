"""One training pair: what the engine is asked to paint of a scene, and the picture that it should paint.

The conditions are made by the very functions that a render makes them with (`inference.conditions.request_of`), from guides
at the samples of draft quality."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from composer.color.model_range import ModelRange
from composer.comp.shade import Shade
from composer.guides.ground import ground_depth
from composer.guides.pose import pose_picture
from composer.guides.render import render_guides
from composer.inference.conditions import Brief, Sight, request_of
from composer.inference.direction import Direction, Text
from composer.inference.reach import reach_of
from composer.inference.request import WHOLE, PaintRequest, Part
from composer.render.quality import load_quality
from composer.shot.schema_paint import PaintSpec
from models.levy.recipe.air import through_air
from models.levy.recipe.pieces import with_pieces
from models.levy.recipe.plates import plate_of
from models.levy.recipe.reference import render_reference
from models.levy.recipe.scenes import LevyScene, other_wear, reworn, scene_of

F32 = NDArray[np.float32]
#: Steps of the control range in an octave, as `render.control` rounds it.
STEPS = 4


@dataclass(frozen=True)
class Pair:
    """request: of one frame, the noise left out. target: float32 [H, W, 3], in model range. coverage: float32 [H, W].
    other, other_text: the target and the text of the same people in another state of wear."""

    request: PaintRequest
    target: F32
    coverage: F32
    other: F32
    other_text: str

    @property
    def text(self) -> str:
        return self.request.prompts[0].text


class NoNoise:
    """A pair is only looked at; who paints it brings noise."""

    def latents(
        self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str, part: Part = WHOLE
    ) -> F32:
        raise NotImplementedError("this request has no noise: replace it")

    def smooth(self, frame: int, count: int, size: tuple[int, int], factor: int, part: Part = WHOLE) -> F32:
        raise NotImplementedError("this request has no noise: replace it")


def pair_of(number: int, size_px: tuple[int, int], height_px: float | None = None, device: str = "cpu") -> Pair:
    """The pair with this number, of a picture of this size (width, height); height_px as in `scene_of`."""
    return pair_from(scene_of(number, size_px, height_px), device=device)


def pair_from(scene: LevyScene, other: LevyScene | None = None, device: str = "cpu") -> Pair:
    """other: the same people in another state, by `other_wear` if not told."""
    other = other or reworn(scene, other_wear(scene))
    views, light = (scene.view,) * 3, scene.light
    ground_m = ground_depth(scene.ground, scene.view)
    plate, holdouts = with_pieces(scene, plate_of(scene, ground_m), ground_m, device)
    guides = render_guides(
        scene.agents, scene.cast, views, ground_m, holdouts, light, samples=draft_samples(), device=device, threads=1
    )
    better = [
        render_reference(
            scene.agents, scene.cast, scene.view, ground_m, holdouts, light, wear, sun_spread=scene.sun_spread,
            seed=scene.number, device=device,
        )
        for wear in (scene.wear, other.wear)
    ]  # fmt: skip
    plate, better = through_air(scene, plate, better, guides.depth_m, ground_m)
    dark = plate * (1 - Shade.of(guides.shadow, guides.contact, light, np.eye(3)).taken())
    behind = dark * (1 - guides.coverage[..., None])
    grow_px = PaintSpec().grow_px
    sight = Sight(
        number=scene.number,
        plate=dark,
        guide=behind + guides.beauty,
        behind=behind,
        guides=guides,
        pose=pose_picture(guides, scene.view.size_px),
        soft=np.zeros_like(guides.coverage),
        reach=reach_of(guides, holdouts, ground_m, grow_px),
    )
    brief = Brief(
        direction=_direction(scene),
        range=ModelRange.of_plate(plate),
        near_far_m=_near_far(scene, guides.depth_m),
        steps=8,
        guidance=1.0,
        grow_px=grow_px,
    )
    request = replace(request_of([sight], brief, NoNoise()), frames=(scene.number,))
    target, twin = (brief.range.encode((dark * (1 - b[..., 3:]) + b[..., :3]).astype(np.float32)) for b in better)
    return Pair(request, target, guides.coverage, twin, other.text)


@lru_cache(maxsize=1)
def draft_samples() -> int:
    return load_quality("draft").samples


def _direction(scene: LevyScene) -> Direction:
    """The scene's text, everybody at full strength."""
    ids = np.sort(scene.agents.agent_id)
    everybody = np.ones(len(ids), np.float32)
    return Direction((Text(scene.text, ""),), ids, np.zeros(len(ids), np.int64), everybody, 1.0)


def _near_far(scene: LevyScene, depth_m: F32) -> tuple[float, float]:
    """The crowd's depth rounded outwards as `render.control` does it; a shot's other frames widen it now and then."""
    rng = np.random.default_rng((31, scene.number))
    seen = depth_m[np.isfinite(depth_m)]
    near, far = (float(seen.min()), float(seen.max())) if len(seen) else (1.0, 100.0)
    low = np.floor(np.log2(max(near - 1.2, 0.25)) * STEPS) - rng.integers(0, 4) * (rng.random() < 0.4)
    high = np.ceil(np.log2(far + 1.2) * STEPS) + rng.integers(0, 6) * (rng.random() < 0.4)
    return float(2 ** (low / STEPS)), float(2 ** (max(high, low + 1) / STEPS))

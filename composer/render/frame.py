"""`(shot, frame number) -> Frame`: no frame needs another frame's output."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from composer.comp.composite import composite
from composer.comp.layer import F32, Frame
from composer.comp.shadow import shadow_alpha
from composer.crowd.people import People
from composer.guides.ground import ground_depth
from composer.guides.passes import GuidePasses, Holdout, Light
from composer.guides.pose import pose_picture
from composer.guides.render import render_guides
from composer.shot.holdout import HoldoutFrame
from composer.shot.schema import LIGHT_SET
from composer.shot.stage import Stage


@dataclass(frozen=True)
class Scene:
    """A shot that is ready to render: the stage, who is on it, and how well it is to be drawn."""

    stage: Stage
    people: People
    samples: int
    device: str

    @property
    def light(self) -> Light:
        light = self.stage.light
        return Light(light.sun_direction, light.sun, light.sky, light.bounce)


@dataclass(frozen=True)
class Inputs:
    """What one frame reads from disk. plate: float32 [H, W, 3], in the delivery space."""

    number: int
    plate: F32
    holdouts: tuple[HoldoutFrame, ...]
    seconds: float


def read_inputs(stage: Stage, number: int) -> Inputs:
    """Plate and holdouts of one frame."""
    begin = time.perf_counter()
    plate, holdouts = stage.plate.read(number), tuple(stage.holdouts(number))
    return Inputs(number, plate, holdouts, time.perf_counter() - begin)


@dataclass
class Stopwatch:
    """Seconds by stage of one frame's work."""

    seconds: dict[str, float] = field(default_factory=dict)
    _mark: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._mark
        self._mark = now


def render_frame(scene: Scene, inputs: Inputs, watch: Stopwatch | None = None) -> Frame:
    """Guides of the crowd, laid into the plate."""
    watch = watch or Stopwatch()
    stage, number = scene.stage, inputs.number
    numbers = (number - 1, number, number + 1)
    views = tuple(stage.camera.view(n) for n in numbers)
    agents = scene.people.layout.at(numbers)
    watch.lap("layout")
    ground_m = ground_depth(stage.ground, views[1], device=scene.device)
    holdouts = guide_holdouts(inputs.holdouts)
    watch.lap("ground")
    light_set = not set(LIGHT_SET).isdisjoint(stage.shot.delivery.wanted)
    guides = render_guides(
        agents, scene.people.cast, views, ground_m, holdouts, scene.light, samples=scene.samples, device=scene.device,
        light_set=light_set,
    )  # fmt: skip
    watch.lap("guides")
    pose = pose_picture(guides, views[1].size_px)
    watch.lap("pose")
    delivery_from_working = stage.color.matrix_from_working(stage.plate.delivery_colorspace)
    to_delivery = delivery_from_working.astype(np.float32)
    crowd = guides.beauty @ to_delivery.T if not np.allclose(to_delivery, np.eye(3)) else guides.beauty
    shadow = shadow_alpha(guides.shadow, guides.contact, scene.light, stage.color.luminance_weights())
    clean = next((h.clean for h in inputs.holdouts if h.clean is not None), None)
    matte = matte_in_front(inputs.holdouts, guides, ground_m)
    result = composite(inputs.plate, crowd, guides.coverage, shadow, matte, clean)
    watch.lap("composite")
    notes = result.notes
    if guides.dropped:
        notes += (f"{guides.dropped} samples were dropped: more agents met in one pixel than there is room for",)
    return Frame(
        number, result.rgb, result.layers, result.touched, result.untouched_sha256, guides, pose, notes,
        delivery_from_working,
    )  # fmt: skip


#: A matte above this is solid: what little it lets through is less than half float can add to a pixel.
SOLID = 1.0 - 2.0**-11


def guide_holdouts(holdouts: Sequence[HoldoutFrame]) -> list[Holdout]:
    """Holdouts as the guides take them. A matte is finer than a depth picture at its edge, so where any matte says
    something, depth pictures say nothing."""
    mattes = [h for h in holdouts if np.ndim(h.depth_m) == 0]
    drawn = np.maximum.reduce([m.alpha for m in mattes]) if mattes else None
    result = []
    for h in holdouts:
        alpha = np.where(h.alpha > SOLID, np.float32(1), h.alpha)
        if np.ndim(h.depth_m) and drawn is not None:
            alpha = np.where(drawn > 0, np.float32(0), alpha)
        result.append(Holdout(alpha, h.depth_m))
    return result


def matte_in_front(holdouts: Sequence[HoldoutFrame], guides: GuidePasses, ground_m: F32) -> F32:
    """How much of each pixel a drawn matte covers that stands in front of the crowd or of its shadow, float32 [H, W]."""
    seen = np.ones_like(guides.coverage)
    nearest_m = np.minimum(guides.depth_m, ground_m)
    for h in holdouts:
        if np.ndim(h.depth_m) == 0:
            seen *= np.where(nearest_m > h.depth_m, 1.0 - h.alpha, 1.0)
    return 1.0 - seen

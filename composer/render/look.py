"""What one frame shows before anything is painted or laid into the plate: its guides, shadow, holdouts and plate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from composer.camera.camera import View
from composer.comp.composite import Composite, composite, laid_over
from composer.comp.layer import F16, F32, F64, Frame
from composer.comp.shadow import shaded_holdouts, shadow_alpha, with_holdout_shadow
from composer.crowd.agents import Agents
from composer.crowd.people import People
from composer.environment.build import build_environment
from composer.environment.model import Environment
from composer.guides.ground import ground_depth
from composer.guides.passes import GuidePasses, Holdout, Light
from composer.guides.pose import pose_picture
from composer.guides.render import render_guides
from composer.inference.conditions import Sight
from composer.inference.reach import reach_of
from composer.inference.record import PaintRecord
from composer.render.actors import actors_of, with_surfaces
from composer.render.air import AirLook, air_look
from composer.render.match import Matching, ahead, matching_of
from composer.render.place import PlaceLook, place_look, with_layers
from composer.render.worn import trodden_plate, with_worn_layer, worn_layer
from composer.shot.holdout import HoldoutFrame
from composer.shot.schema_delivery import LIGHT_SET
from composer.shot.sky_matte import read_sky_matte
from composer.shot.stage import Stage

if TYPE_CHECKING:
    from composer.render.paint import Painter


@dataclass(frozen=True)
class Scene:
    """A shot that is ready to render: the stage, who is on it, and how well it is to be drawn. painter: what paints the
    crowd, where something does."""

    stage: Stage
    people: People
    samples: int
    device: str
    painter: Painter | None = None

    @property
    def environment(self) -> Environment | None:
        """What stands around the crowd."""
        return build_environment(self.stage)

    @property
    def light(self) -> Light:
        light = self.stage.light
        return Light(light.sun_direction, light.sun, light.sky, light.bounce)


@dataclass(frozen=True)
class Inputs:
    """What one frame reads from disk. plate: float32 [H, W, 3], in the delivery space. sky_matte: float32 [H, W], the
    artist's own, where the shot names one."""

    number: int
    plate: F32
    holdouts: tuple[HoldoutFrame, ...]
    seconds: float
    sky_matte: F32 | None = None


def read_inputs(stage: Stage, number: int) -> Inputs:
    """Plate and holdouts of one frame."""
    begin = time.perf_counter()
    plate, holdouts = stage.plate.read(number), tuple(stage.holdouts(number))
    matte = read_sky_matte(stage, number)
    return Inputs(number, plate, holdouts, time.perf_counter() - begin, matte)


@dataclass
class Stopwatch:
    """Seconds by stage of one frame's work."""

    seconds: dict[str, float] = field(default_factory=dict)
    _mark: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._mark
        self._mark = now


@dataclass(frozen=True)
class Look:
    """agents, views: at this frame and those before and after it, this one in the middle. plate, clean: float32
    [H, W, 3], in the delivery space. ground_m, shadow, matte: float32 [H, W]; matte as `matte_in_front` has it. place:
    what stands around the crowd, where the shot has `environment:`. matching: what the crowd gets of the plate's look; None
    is nothing. air: smoke, dust and fog, where there is any. on_actors:
    float32 [H, W], the share of light that the crowd's shadow has taken from the plate's actors (in `plate` already). worn:
    float16 [H, W, 4], the layer of worn ground, where there is any."""

    number: int
    agents: Agents
    views: tuple[View, View, View]
    plate: F32
    clean: F32 | None
    ground_m: F32
    holdouts: Sequence[Holdout]
    guides: GuidePasses
    pose: F32
    shadow: F32
    matte: F32
    delivery_from_working: F64
    place: PlaceLook | None = None
    matching: Matching | None = None
    air: AirLook | None = None
    on_actors: F32 | None = None
    worn: F16 | None = None
    device: str = "cpu"

    def composite(self, guides: GuidePasses) -> Composite:
        """The crowd, as these guides have it, and its shadow in the plate; matched to the plate where the shot asks."""
        if self.matching is not None:
            pictures = (self.plate, self.shadow, self.matte, self.clean)
            ahead_m = ahead(self.holdouts, self.ground_m)
            return self.matching.composite(guides, pictures, ahead_m, self.delivery_from_working, self.device)
        crowd = self._delivered(guides.beauty)
        if self.place is None:
            return composite(self.plate, crowd, guides.coverage, self.shadow, self.matte, self.clean)
        if self.air is not None:
            pictures = (self.shadow, self.matte, self.clean)
            return self.air.composite(
                guides, self.place, pictures, self.ground_m, self.holdouts, self.delivery_from_working
            )
        around = self._delivered(self.place.rgb)
        front, alpha = crowd + around, np.minimum(guides.coverage + self.place.alpha, 1.0)
        made = composite(self.place.plate, front, alpha, self.shadow, self.matte, self.clean)
        return with_layers(made, self.place, crowd, guides.coverage, around)

    def sight(self, grow_px: int) -> Sight:
        """The frame as a painter takes it, in ACEScg. grow_px: how far beyond the crowd is painted."""
        guides = self.guides
        alpha, dark = guides.coverage.astype(np.float16), self.shadow.astype(np.float16)
        crowd = np.where((alpha > 0)[..., None], self._delivered(guides.beauty), 0).astype(np.float32)
        rest = (self.matte, self.clean)
        behind, around = self.plate, (np.zeros_like(crowd), np.zeros_like(alpha))
        if self.place is not None:
            behind, around = self.place.plate, (self._delivered(self.place.rgb), self.place.alpha.astype(np.float16))
        filled = laid_over(behind, crowd + around[0], np.minimum(alpha + around[1], np.float16(1)), dark, *rest)
        empty = laid_over(behind, *around, dark, *rest)
        return Sight(
            self.number, self.working(empty), self.working(filled), self.working(filled - crowd), guides, self.pose,
            self.matte, reach_of(guides, self.holdouts, self.ground_m, grow_px),
        )  # fmt: skip

    def _delivered(self, rgb: F32) -> F32:
        return _through(rgb, self.delivery_from_working)

    def working(self, rgb: F32) -> F32:
        """From the delivery space to ACEScg."""
        return _through(rgb, np.linalg.inv(self.delivery_from_working))


def finish(look: Look, guides: GuidePasses, paint: PaintRecord | None, watch: Stopwatch) -> Frame:
    """The crowd, as `guides` have it, laid into the plate."""
    result = look.composite(guides)
    if look.on_actors is not None:
        result = with_holdout_shadow(result, look.on_actors)
    if look.worn is not None:
        result = with_worn_layer(result, look.worn)
    watch.lap("composite")
    notes = result.notes
    if guides.dropped:
        notes += (f"{guides.dropped} samples were dropped: more agents met in one pixel than there is room for",)
    return Frame(
        look.number, result.rgb, result.layers, result.touched, result.untouched_sha256, guides, look.pose, notes,
        look.delivery_from_working, paint,
    )  # fmt: skip


def _through(rgb: F32, matrix: F64) -> F32:
    return rgb if np.allclose(matrix, np.eye(3)) else rgb @ matrix.T.astype(np.float32)


def look_at(scene: Scene, inputs: Inputs, watch: Stopwatch | None = None) -> Look:
    """Draw the crowd's guides for one frame."""
    watch = watch or Stopwatch()
    stage, number = scene.stage, inputs.number
    numbers = (number - 1, number, number + 1)
    before, now, after = (stage.camera.view(n) for n in numbers)
    agents = scene.people.at(numbers)
    watch.lap("layout")
    ground_m = ground_depth(stage.ground, now, device=scene.device)
    holdouts = with_surfaces(guide_holdouts(inputs.holdouts), stage.shot.holdouts, ground_m)
    watch.lap("ground")
    guides = render_guides(
        agents, scene.people.cast, (before, now, after), ground_m, holdouts, scene.light, samples=scene.samples,
        device=scene.device, light_set=not set(LIGHT_SET).isdisjoint(stage.shot.delivery.wanted),
        environment=scene.environment,
    )  # fmt: skip
    watch.lap("guides")
    delivered = stage.color.matrix_from_working(stage.plate.delivery_colorspace)
    worn = worn_layer(stage, scene.people, now, inputs.plate, ground_m, holdouts, delivered, scene.device)
    if worn is not None:
        inputs = replace(inputs, plate=trodden_plate(inputs.plate, worn))
    weights = stage.color.luminance_weights()
    clean = next((h.clean for h in inputs.holdouts if h.clean is not None), None)
    shadow = shadow_alpha(guides.shadow, guides.contact, scene.light, weights)
    actors, on_actors = actors_of(holdouts), None
    if actors is not None and guides.on_holdouts is not None:
        dark = shadow_alpha(guides.on_holdouts, np.zeros_like(actors), scene.light, weights)
        inputs = replace(inputs, plate=shaded_holdouts(inputs.plate, dark, actors, clean))
        on_actors, shadow = dark * actors, shadow * (1 - actors)  # the ground behind an actor is not seen
    place = None
    if scene.environment is not None:
        place = place_look(
            scene.environment, guides, now, inputs.plate, ground_m, holdouts, inputs.sky_matte, delivered, scene.device
        )
        watch.lap("place")
    air = None
    if scene.environment is not None:
        air = air_look(stage, scene.environment.volumes, scene.people, now, scene.light, scene.device)
        watch.lap("air")
    pose = pose_picture(guides, now.size_px)
    watch.lap("pose")
    return Look(
        number=number,
        agents=agents,
        views=(before, now, after),
        plate=inputs.plate,
        clean=clean,
        ground_m=ground_m,
        holdouts=holdouts,
        guides=guides,
        pose=pose,
        shadow=shadow,
        matte=matte_in_front(inputs.holdouts, guides, ground_m),
        delivery_from_working=delivered,
        place=place,
        matching=matching_of(stage, number),
        air=air,
        on_actors=on_actors,
        worn=worn,
        device=scene.device,
    )


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

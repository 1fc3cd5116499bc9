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
from composer.comp.look_air import with_air_layer, with_no_air
from composer.comp.shade import Shade
from composer.comp.shadow import actors_shadow, shaded_holdouts, with_actors_shadow
from composer.crowd.agents import Agents
from composer.crowd.people import People
from composer.environment.build import build_environment
from composer.environment.model import Environment
from composer.guides.ground import ground_depth
from composer.guides.passes import GuidePasses, Holdout, Light
from composer.guides.pose import pose_picture
from composer.guides.project import KeyPicture
from composer.guides.render import render_guides
from composer.inference.around import place_behind
from composer.inference.conditions import Sight
from composer.inference.reach import reach_of
from composer.inference.record import PaintRecord
from composer.render.actors import actors_of, with_surfaces
from composer.render.air import AirLook, air_look
from composer.render.match import Matching, ahead, ground_seen, matching_of
from composer.render.paintings import PlacePainter, with_paintings
from composer.render.place import PlaceLook, place_look, with_layers, with_sky_layer
from composer.render.repairs import Repaired, RepairPainter, repaired, with_repairs
from composer.render.worn import trodden_plate, with_worn_layer, worn_layer
from composer.shot.matte import HoldoutFrame
from composer.shot.schema_delivery import LIGHT_SET
from composer.shot.sky_matte import read_sky_matte
from composer.shot.stage import Stage

if TYPE_CHECKING:
    from composer.render.paint import Painter


@dataclass(frozen=True)
class Scene:
    """A shot that is ready to render: the stage, who is on it, and how well it is to be drawn. painter: what paints the
    crowd, where something does; place_painter: what paints key views of the place; repair_painter: what paints things out."""

    stage: Stage
    people: People
    samples: int
    device: str
    painter: Painter | None = None
    place_painter: PlacePainter | None = None
    repair_painter: RepairPainter | None = None

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
    [H, W, 3], in the delivery space. ground_m, matte: float32 [H, W]; matte as `matte_in_front` has it. place:
    what stands around the crowd, where the shot has `environment:`. matching: what crowd and place get of the plate's look;
    None is nothing. air: smoke, dust and fog, where there is any. on_actors: float16 [H, W, 4], the crowd's shadow on
    the plate's actors as `actors_shadow` has it (in `plate` already). worn: float16 [H, W, 4], the layer of worn
    ground, where there is any."""

    number: int
    agents: Agents
    views: tuple[View, View, View]
    plate: F32
    clean: F32 | None
    ground_m: F32
    holdouts: Sequence[Holdout]
    guides: GuidePasses
    pose: F32
    shadow: Shade
    matte: F32
    delivery_from_working: F64
    place: PlaceLook | None = None
    matching: Matching | None = None
    air: AirLook | None = None
    on_actors: F16 | None = None
    worn: F16 | None = None
    device: str = "cpu"
    notes: tuple[str, ...] = ()
    repairs: Repaired | None = None

    def composite(self, guides: GuidePasses) -> Composite:
        """The crowd, as these guides have it, and its shadow in the plate; matched to the plate where the shot asks."""
        place = self._place(guides)
        if self.matching is not None:
            plate, around = (self.plate, None) if place is None else (place.plate, place.around)
            share = ground_seen(self.holdouts, self.ground_m, self.matte)
            shadow = self.matching.in_air(self.shadow, plate, self.ground_m, self.delivery_from_working)
            shadow = self.matching.shadow(shadow, self.ground_m, share, self.views, self.device)
            pictures = (plate, shadow, self.matte, self.clean)
            ahead_m = ahead(self.holdouts, self.ground_m)
            if self.air is not None and place is not None:
                smoky = self.air.matched(
                    guides, place, pictures[1:], self.ground_m, self.holdouts, self.delivery_from_working, self.matching
                )  # fmt: skip
                if smoky is not None:
                    behind, air = smoky
                    pictures = (behind.plate, Shade.none(self.matte.shape), self.matte, behind.clean)
                    made = self.matching.composite(
                        guides, pictures, ahead_m, self.delivery_from_working, self.device, around, air
                    )  # fmt: skip
                    return with_air_layer(made, behind)
            made = self.matching.composite(guides, pictures, ahead_m, self.delivery_from_working, self.device, around)
            made = made if place is None else with_sky_layer(made, place)
            return made if self.air is None else with_no_air(made)
        crowd = self._delivered(guides.beauty)
        if place is None:
            return composite(self.plate, crowd, guides.coverage, self.shadow, self.matte, self.clean)
        if self.air is not None:
            pictures = (self.shadow, self.matte, self.clean)
            return self.air.composite(guides, place, pictures, self.ground_m, self.holdouts, self.delivery_from_working)
        around = self._delivered(place.rgb)
        front, alpha = crowd + around, np.minimum(guides.coverage + place.alpha, 1.0)
        made = composite(place.plate, front, alpha, self.shadow, self.matte, self.clean)
        return with_layers(made, place, crowd, guides.coverage, around)

    def _place(self, guides: GuidePasses) -> PlaceLook | None:
        """The place as these guides leave it: a painted edge may cover more of it or less."""
        if self.place is None or guides.place is None or guides.place is self.guides.place:
            return self.place
        return self.place.of(guides.place)

    def shown(self, guides: GuidePasses) -> F32:
        """The picture with the crowd as these guides have it, before the plate's look on it: float32 [H, W, 3], ACEScg."""
        dark, crowd = self.shadow.taken().astype(np.float16), self._delivered(guides.beauty)
        alpha, behind, place = guides.coverage, self.plate, self._place(guides)
        if place is not None:
            behind, crowd = place.plate, crowd + self._delivered(place.rgb)
            alpha = np.minimum(alpha + place.alpha, 1.0)
        crowd = np.where((alpha > 0)[..., None], crowd, 0).astype(np.float32)
        return self.working(laid_over(behind, crowd, alpha.astype(np.float16), dark, self.matte, self.clean))

    def sight(self, grow_px: int) -> Sight:
        """The frame as a painter takes it, in ACEScg. grow_px: how far beyond the crowd is painted."""
        guides = self.guides
        alpha, dark = guides.coverage.astype(np.float16), self.shadow.taken().astype(np.float16)
        crowd = np.where((alpha > 0)[..., None], self._delivered(guides.beauty), 0).astype(np.float32)
        rest = (self.matte, self.clean)
        behind, around = self.plate, np.zeros((*alpha.shape, 4), np.float32)
        if self.place is not None:
            behind = self.place.plate
            around = np.concatenate([self._delivered(self.place.rgb), self.place.alpha[..., None]], axis=2)
        share = np.minimum(alpha + around[..., 3].astype(np.float16), np.float16(1))
        filled = laid_over(behind, crowd + around[..., :3], share, dark, *rest)
        if guides.place is not None:
            around = place_behind(around, guides)
        empty = laid_over(behind, around[..., :3], around[..., 3].astype(np.float16), dark, *rest)
        return Sight(
            self.number, self.working(empty), self.working(filled), self.working(filled - crowd), guides, self.pose,
            self.matte, reach_of(guides, self.holdouts, self.ground_m, grow_px), self.views[1].focal_px[1],
        )  # fmt: skip

    def behind_the_place(self) -> F32:
        """The plate with its new sky, float32 [H, W, 3], ACEScg."""
        return self.working(self.plate if self.place is None else self.place.plate)

    def _delivered(self, rgb: F32) -> F32:
        return _through(rgb, self.delivery_from_working)

    def working(self, rgb: F32) -> F32:
        """From the delivery space to ACEScg."""
        return _through(rgb, np.linalg.inv(self.delivery_from_working))


def finish(look: Look, guides: GuidePasses, paint: PaintRecord | None, watch: Stopwatch) -> Frame:
    """The crowd, as `guides` have it, laid into the plate."""
    result = look.composite(guides)
    if look.on_actors is not None:
        result = with_actors_shadow(result, look.on_actors)
    if look.worn is not None:
        result = with_worn_layer(result, look.worn)
    result = with_repairs(result, look.repairs)
    watch.lap("composite")
    notes = (*look.notes, *result.notes)
    if guides.dropped:
        notes += (f"{guides.dropped} samples were dropped: more agents met in one pixel than there is room for",)
    return Frame(
        look.number, result.rgb, result.layers, result.touched, result.untouched_sha256, guides, look.pose, notes,
        look.delivery_from_working, paint,
    )  # fmt: skip


def _through(rgb: F32, matrix: F64) -> F32:
    return rgb if np.allclose(matrix, np.eye(3)) else rgb @ matrix.T.astype(np.float32)


def look_at(
    scene: Scene, inputs: Inputs, watch: Stopwatch | None = None, keys: Sequence[KeyPicture] | None = None
) -> Look:  # fmt: skip
    """Draw the guides of one frame. keys: paintings on the place in place of the shot's own."""
    watch = watch or Stopwatch()
    stage, number = scene.stage, inputs.number
    numbers = (number - 1, number, number + 1)
    before, now, after = (stage.camera.view(n) for n in numbers)
    agents = scene.people.at(numbers)
    watch.lap("layout")
    ground_m = ground_depth(stage.ground, now, device=scene.device)
    holdouts = with_surfaces(guide_holdouts(inputs.holdouts), stage.shot.holdouts, ground_m)
    watch.lap("ground")
    mended = repaired(stage, number, inputs.plate, ground_m, scene.repair_painter, scene.device)
    if mended is not None:
        inputs = replace(inputs, plate=mended.plate)
        watch.lap("repairs")
    volumes = None if scene.environment is None else scene.environment.volumes
    wants_lights = not set(LIGHT_SET).isdisjoint(stage.shot.delivery.wanted)
    guides = render_guides(
        agents, scene.people.cast, (before, now, after), ground_m, holdouts, scene.light, samples=scene.samples,
        device=scene.device, light_set=wants_lights or volumes is not None, environment=scene.environment,
    )  # fmt: skip
    watch.lap("guides")
    air = air_look(stage, volumes, scene.people, now, scene.light, scene.device)
    if air is not None:
        guides = air.shaded(guides, ground_m, holdouts, wants_lights)
        watch.lap("air")
    painted = with_paintings(scene, guides, number, keys)
    drawn, guides = guides.place, painted.guides
    if air is not None:
        guides = replace(guides, place=air.shaded_place(guides.place, drawn))
    watch.lap("paintings")
    delivered = stage.color.matrix_from_working(stage.plate.delivery_colorspace)
    worn = worn_layer(stage, scene.people, now, inputs.plate, ground_m, holdouts, delivered, scene.device)
    if worn is not None:
        inputs = replace(inputs, plate=trodden_plate(inputs.plate, worn))
    clean = next((h.clean for h in inputs.holdouts if h.clean is not None), None)
    shadow = Shade.of(guides.shadow, guides.contact, scene.light, delivered)
    actors, on_actors = actors_of(holdouts), None
    if actors is not None and guides.on_holdouts is not None:
        dark = Shade(guides.on_holdouts, np.zeros_like(actors), shadow.share).taken()
        on_actors = actors_shadow(inputs.plate, dark, actors)
        inputs = replace(inputs, plate=shaded_holdouts(inputs.plate, dark, actors, clean))
        shadow = shadow.each(lambda taken: taken * (1 - actors))  # the ground behind an actor is not seen
    place, matching = None, matching_of(stage, number)
    if scene.environment is not None:
        place = place_look(
            scene.environment, guides, (before, now, after), inputs.plate, ground_m, holdouts, inputs.sky_matte,
            delivered, matching, scene.device,
        )  # fmt: skip
        watch.lap("place")
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
        matching=matching,
        air=air,
        on_actors=on_actors,
        worn=worn,
        device=scene.device,
        notes=(*painted.notes, *(mended.notes if mended else ())),
        repairs=mended,
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
    """How much of each pixel a drawn matte covers that stands in front of the crowd or of its shadow, float32 [H, W]. A picture
    of depth counts where it has a soft edge, which one that was read has not, and where no matte says anything."""
    seen = np.ones_like(guides.coverage)
    nearest_m = np.minimum(guides.depth_m, ground_m)
    if guides.place is not None:
        nearest_m = np.minimum(nearest_m, guides.place.depth_m)
    mattes = [h for h in holdouts if np.ndim(h.depth_m) == 0]
    for h in mattes:
        seen *= np.where(nearest_m > h.depth_m, 1.0 - h.alpha, 1.0)
    for h in holdouts:
        if np.ndim(h.depth_m) and ((h.alpha > 0) & (h.alpha < 1)).any():
            covers = (nearest_m > h.depth_m) & (h.alpha < 1)  # where it is whole, the guides have left it out
            for matte in mattes:
                covers &= matte.alpha == 0
            seen *= np.where(covers, 1.0 - h.alpha, 1.0)
    return 1.0 - seen

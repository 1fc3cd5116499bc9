"""The air of a frame: which volumes, what dust hangs at people's feet, and all of it laid into the picture."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.air import Scenery, composite_through_air
from composer.comp.composite import Composite
from composer.comp.layer import F32, F64
from composer.comp.look_air import Behind, behind_of
from composer.comp.look_drawn import SampleAir
from composer.comp.shade import Shade
from composer.crowd.people import People
from composer.environment.feet import REACH_M, Raised, cell_for, puffs_of, raised, step_frames
from composer.environment.land import land_of
from composer.environment.volumes import Feet, Volumes
from composer.guides.air import AirPasses, AirSetting, air_passes, plate_depth
from composer.guides.clouds import Clouds
from composer.guides.passes import GuidePasses, Holdout, Light, PlacePasses, Samples
from composer.guides.under import sun_taken
from composer.render.match import Matching
from composer.render.place import PlaceLook
from composer.shot.stage import Stage

#: A horse and its rider raise as much as so many men.
HORSE = 3.0
_KEPT = 256

_places: OrderedDict[tuple[int, int], tuple[People, NDArray[np.float32]]] = OrderedDict()
_cells: OrderedDict[int, tuple[People, float]] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class AirLook:
    """What one frame's air is made of, ready to be seen through."""

    setting: AirSetting
    device: str

    @cached_property
    def clouds(self) -> Clouds:
        """The frame's smoke and dust, made once."""
        return self.setting.clouds(self.device)

    def shaded(
        self, guides: GuidePasses, ground_m: F32, holdouts: Sequence[Holdout], keep_lights: bool
    ) -> GuidePasses:  # fmt: skip
        """The guides in the shadow of the air: on the plate's ground, and on the crowd, whose `lights` they have brought.
        keep_lights: whether those are wanted for themselves."""
        view, toward = self.setting.view, self.setting.toward
        ground = sun_taken(self.clouds, view, toward, ground_m, device=self.device) * _open(ground_m, holdouts)
        shadow = (guides.shadow + (1 - guides.shadow) * ground).astype(np.float32)
        crowd = sun_taken(self.clouds, view, toward, guides.depth_m, device=self.device)[..., None]
        lights = guides.lights
        if lights is None or not crowd.any():
            return replace(guides, shadow=shadow, lights=lights if keep_lights else None)
        left = _left(guides.beauty, lights.sun, crowd)
        return replace(
            guides, shadow=shadow, beauty=guides.beauty * left, samples=_dimmed(guides.samples, left),
            lights=replace(lights, sun=lights.sun * (1 - crowd)) if keep_lights else None,
        )  # fmt: skip

    def shaded_place(self, place: PlacePasses | None, drawn: PlacePasses | None) -> PlacePasses | None:
        """The place in the shadow of the air. drawn: before anything was painted on it, with its `sun`: a painting loses as
        much light as what is painted over."""
        if place is None or drawn is None or drawn.sun is None:
            return place
        taken = sun_taken(self.clouds, self.setting.view, self.setting.toward, drawn.depth_m, device=self.device)
        if not taken.any():
            return place
        left = _left(drawn.beauty, drawn.sun, taken[..., None])
        return replace(place, beauty=place.beauty * left, samples=_dimmed(place.samples, left))

    def matched(
        self, guides: GuidePasses, place: PlaceLook, pictures: tuple[Shade, F32, F32 | None], ground_m: F32,
        holdouts: Sequence[Holdout], delivery_from_working: F64, matching: Matching,
    ) -> tuple[Behind, SampleAir] | None:  # fmt: skip
        """What the matched crowd and place lie over, and the air before their samples; None where no air is in the picture.
        pictures: shadow, matte, clean plate."""
        shadow, matte, clean = pictures
        around = None if guides.place is None else place.rgb
        air = air_passes(
            self.setting, guides, guides.beauty, around, plate_depth(ground_m, holdouts), holdouts,
            clouds=self.clouds, by_sample=True, device=self.device,
        )  # fmt: skip
        assert air.by_sample is not None
        air = _before_depth(air, matte, holdouts)
        scene = Scenery(place.plate, clean, place.sky_new, place.sky_alpha, guides.coverage, place.alpha, shadow, matte)

        def grained(picture: F32, share: F32) -> F32:
            return matching.grained(picture, share, self.device, "air grain")

        behind = behind_of(matching.look, air, scene, delivery_from_working, grained)
        return None if behind is None else (behind, air.by_sample)

    def composite(
        self, guides: GuidePasses, place: PlaceLook, pictures: tuple[Shade, F32, F32 | None], ground_m: F32,
        holdouts: Sequence[Holdout], delivery_from_working: F64,
    ) -> Composite:  # fmt: skip
        """The frame with its air. pictures: shadow, matte, clean plate."""
        shadow, matte, clean = pictures
        around = None if guides.place is None else place.rgb
        air = air_passes(
            self.setting, guides, guides.beauty, around, plate_depth(ground_m, holdouts), holdouts,
            clouds=self.clouds, device=self.device,
        )  # fmt: skip
        air = _before_depth(air, matte, holdouts)
        scene = Scenery(place.plate, clean, place.sky_new, place.sky_alpha, guides.coverage, place.alpha, shadow, matte)
        return composite_through_air(air, scene, delivery_from_working)


def _left(beauty: F32, sun: F32, taken: F32) -> F32:
    """The share of the light that is left, float32 [H, W, 3], where `taken` of what the sun adds is gone."""
    dark = np.maximum(beauty - sun * taken, 0)
    return np.divide(dark, beauty, out=np.ones_like(beauty), where=beauty > 0)


def _dimmed(samples: Samples, left: F32) -> Samples:
    return replace(samples, rgb=samples.rgb * np.repeat(left.reshape(-1, 3), np.diff(samples.start), axis=0))


def _before_depth(air: AirPasses, matte: F32, holdouts: Sequence[Holdout]) -> AirPasses:
    """A matte that a soft depth holdout makes is where the plate is: the air before it is that before the plate."""
    drawn = [one.alpha > 0 for one in holdouts if not np.ndim(one.depth_m)]
    soft = (matte > 0) & ~np.logical_or.reduce(drawn) if drawn else matte > 0
    return replace(air, before=np.where(soft[..., None], air.back, air.before)) if soft.any() else air


def air_look(
    stage: Stage, volumes: Volumes | None, people: People, view: View, light: Light, device: str
) -> AirLook | None:  # fmt: skip
    """The frame's air; None where the shot has none."""
    if not volumes:
        return None
    hangs = None if volumes.feet is None else _raised(volumes, volumes.feet, people, view.frame)
    setting = AirSetting(volumes, hangs, view, light, land_of(stage).height_m)
    return AirLook(setting, device)


def _open(ground_m: F32, holdouts: Sequence[Holdout]) -> F32:
    """float32 [H, W] in 0..1: how much of each pixel the plate's ground is, after the holdouts before it."""
    seen = np.isfinite(ground_m).astype(np.float32)
    for one in holdouts:
        seen *= np.where(one.depth_m < ground_m, 1 - one.alpha, 1)
    return seen


def _raised(volumes: Volumes, feet: Feet, people: People, frame: int) -> Raised | None:
    frames = step_frames(frame, feet, volumes.frame_rate)
    place = places_at(people, frames)
    rig = np.array([figure.rig for figure in people.cast.figures])
    weight = np.where(rig[people.layout.at((frame,)).cast] == 0, 1.0, HORSE)
    puffs = puffs_of(place, frames, frame, feet, volumes.frame_rate, weight)
    return raised(puffs, feet, _cell(volumes, people), volumes.eye_m)


def places_at(people: People, frames: Sequence[int]) -> F64:
    """float64 [F, N, 2]: where everybody stands (x, z), kept from frame to frame."""
    with _lock:
        missing = [f for f in frames if (id(people.layout), f) not in _places]
    if missing:
        at = people.layout.at(sorted(missing)).position_m
        with _lock:
            for k, f in enumerate(sorted(missing)):
                _places[id(people.layout), f] = (people, np.ascontiguousarray(at[k][:, [0, 2]]))
    with _lock:
        out = np.stack([_places[id(people.layout), f][1] for f in frames]).astype(np.float64)
        while len(_places) > _KEPT:
            _places.popitem(last=False)
    return out


def _cell(volumes: Volumes, people: People) -> float:
    """The cell of the dust at feet: from where everybody stands at the shot's first frame."""
    with _lock:
        if id(people.layout) in _cells:
            return _cells[id(people.layout)][1]
    place = places_at(people, (volumes.start_frame,))[0]
    near = place[np.hypot(place[:, 0] - volumes.eye_m[0], place[:, 1] - volumes.eye_m[2]) < REACH_M]
    extent = np.ptp(near, axis=0) + 12.0 if len(near) else np.full(2, 12.0)
    cell = cell_for((float(extent[0]), float(extent[1])))
    with _lock:
        _cells[id(people.layout)] = (people, cell)
        while len(_cells) > 4:
            _cells.popitem(last=False)
    return cell

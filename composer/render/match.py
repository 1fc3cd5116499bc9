"""`match:` of a shot as the look that its layers get, and what a frame tells the look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from composer.camera.camera import Camera, View
from composer.comp.composite import Composite
from composer.comp.layer import F32, F64
from composer.comp.look_apply import Setting, composite_with_look, grain_key, spread_px
from composer.comp.look_drawn import Around, SampleAir
from composer.comp.look_grain import grained
from composer.comp.look_shadow import GroundSeen, shadow_through
from composer.comp.look_sky import SkySetting, sky_through
from composer.comp.look_smaller import smaller_look
from composer.comp.look_tint import shadow_in_air
from composer.comp.plate_look import Air, Edge, Fringe, Grade, Grain, Optics, PlateLook, Vignette
from composer.comp.shade import Shade
from composer.guides.passes import GuidePasses, Holdout
from composer.shot.reduced import ReducedPlate
from composer.shot.schema_match import (
    AirSpec,
    DefocusSpec,
    EdgeSpec,
    FringeSpec,
    GradeSpec,
    GrainSpec,
    MatchSpec,
    MotionBlurSpec,
    VignetteSpec,
)
from composer.shot.stage import Stage

#: At the distance that is called visibility, this share of the contrast is left (Koschmieder).
_CONTRAST = 0.02
#: Ground is in front of a crowd that is so many times further away; otherwise it may be what the crowd stands on.
_GROUND_AHEAD = 2.0
#: What is nearer than this share of the ground's depth behind it stands on the ground.
_ABOVE_GROUND = 0.95


def plate_look(spec: MatchSpec | None) -> PlateLook | None:
    """What a shot's `match:` asks for, strengths taken in; None where that is nothing."""
    if spec is None:
        return None
    look = PlateLook(
        _given(spec.grade, _grade), _given(spec.air, _air), _given(spec.grain, _grain), _given(spec.edge, _edge),
        _given(spec.vignette, _vignette), _given(spec.fringe, _fringe), _optics(spec.defocus, spec.motion_blur),
    )  # fmt: skip
    return look or None


def _given(spec: object, make: object) -> object:
    """The part, unless it is off or has no strength."""
    return None if spec is None or spec.strength == 0 else make(spec)


def _grade(spec: GradeSpec) -> Grade:
    matrix = np.diag(spec.gain or (1.0, 1.0, 1.0)) if spec.matrix is None else np.array(spec.matrix, np.float64)
    return Grade(np.eye(3) + spec.strength * (matrix - np.eye(3)), spec.strength * np.array(spec.offset, np.float64))


def _air(spec: AirSpec) -> Air:
    take = spec.extinction_per_m
    if take is None:
        assert spec.visibility_m is not None
        take = (-math.log(_CONTRAST) / spec.visibility_m,) * 3
    return Air(tuple(spec.strength * t for t in take), spec.inscatter)  # type: ignore[arg-type]


def _grain(spec: GrainSpec) -> Grain:
    if spec.kernel is not None:
        kernel = np.array(spec.kernel, np.float64)
    else:
        assert spec.size_px is not None
        half = math.ceil(3 * spec.size_px)
        row = np.exp(-0.5 * (np.arange(-half, half + 1) / max(spec.size_px, 1e-3)) ** 2)
        kernel = np.stack([np.outer(row, row)] * 3)
    kernel /= np.sqrt((kernel**2).sum(axis=(1, 2), keepdims=True))
    mix = np.eye(3) if spec.mix is None else np.array(spec.mix, np.float64)
    variance = np.array(spec.variance, np.float64) * spec.strength**2
    return Grain(np.array(spec.level, np.float64), variance, kernel.astype(np.float32), mix)


def _edge(spec: EdgeSpec) -> Edge:
    return Edge(spec.spread_px * spec.strength, min(spec.wrap * spec.strength, 1.0), spec.wrap_px)


def _vignette(spec: VignetteSpec) -> Vignette:
    return Vignette(np.array(spec.k, np.float64) * spec.strength)


def _fringe(spec: FringeSpec) -> Fringe:
    return Fringe(1 + (spec.red - 1) * spec.strength, 1 + (spec.blue - 1) * spec.strength)


def _optics(defocus: DefocusSpec | None, blur: MotionBlurSpec | None) -> Optics | None:
    parts: dict[str, float | int] = {}
    if defocus is not None and defocus.strength > 0:
        parts |= {"f_stop": defocus.f_stop / defocus.strength, "focus_m": defocus.focus_m}
        parts |= {"blades": defocus.blades, "turn_deg": defocus.turn_deg}
    if blur is not None and blur.strength * blur.shutter_deg > 0:
        opens = -blur.shutter_deg / 2 if blur.shutter_offset_deg is None else blur.shutter_offset_deg
        opens += blur.shutter_deg * (1 - blur.strength) / 2
        parts |= {"shutter_deg": blur.shutter_deg * blur.strength, "shutter_offset_deg": opens}
    return Optics(**parts) if parts else None  # type: ignore[arg-type]


def focal_m(camera: Camera, frame: int) -> float:
    """The focal length that the camera's film back says it has."""
    k = min(max(frame - camera.first_frame, 0), len(camera.focal_mm) - 1)
    return float(camera.focal_mm[k]) / 1000.0


@dataclass(frozen=True)
class Matching:
    """The look of a shot, and what it has to know of one frame. seed: of the grain. focal_m: the camera's true focal
    length. view: of this frame."""

    look: PlateLook
    seed: int
    focal_m: float
    view: View

    def in_air(self, shadow: Shade, plate: F32, ground_m: F32, delivery_from_working: F64) -> Shade:
        """The crowd's shadow as it is seen through the air."""
        if self.look.air is None:
            return shadow
        return shadow_in_air(shadow, plate, ground_m, self.look.air, self.view, delivery_from_working)

    def composite(
        self, guides: GuidePasses, pictures: tuple[F32, Shade, F32, F32 | None], ahead_m: F32 | None,
        delivery_from_working: F64, device: str, around: Around | None = None, air: SampleAir | None = None,
    ) -> Composite:  # fmt: skip
        """As `composer.comp.composite.composite`, with the look. pictures: plate, shadow, matte, clean. ahead_m: as
        `ahead`. around: what stands around the crowd. air: volumes before the samples of both."""
        setting = Setting(self.view, self.focal_m, delivery_from_working, ahead_m, self.seed, self.view.frame)
        return composite_with_look(self.look, guides, pictures, setting, around=around, air=air, device=device)

    def shadow(self, shadow: Shade, ground_m: F32, share: F32, views: tuple[View, View, View], device: str) -> Shade:
        """The shadow through the lens. share: as `ground_seen`."""
        ground = GroundSeen(ground_m, share, views, self.focal_m)
        return shadow.each(lambda taken: shadow_through(self.look, taken, ground, device))

    def spread_px(self, guides: GuidePasses) -> int:
        """How far the look takes a pixel's light."""
        return spread_px(self.look, guides, self.focal_m, self.view)

    def sky(self, sky: F32, views: tuple[View, View, View]) -> F32:
        """A new sky, float32 [H, W, 3] in the delivery space, through the plate's lens."""
        return sky_through(self.look, sky, SkySetting(views, self.focal_m))

    def grained(self, plate: F32, share: F32, device: str, what: str = "sky grain") -> F32:
        """The plate with something new in it, and its grain on that. share: float32 [H, W], how much of a pixel is new.
        what: things over one another need noises of their own."""
        if self.look.grain is None:
            return plate
        return grained(plate, share, self.look.grain, grain_key(self.seed, self.view.frame, what), device)


def look_of(stage: Stage) -> PlateLook | None:
    """The shot's look; of the plate made smaller, where it was. None where the shot asks for nothing."""
    look, plate = plate_look(stage.shot.match), stage.plate
    if look is None or not isinstance(plate, ReducedPlate):
        return look
    return smaller_look(look, plate.factor)


def matching_of(stage: Stage, frame: int) -> Matching | None:
    """None where the shot asks for nothing."""
    look = look_of(stage)
    if look is None:
        return None
    return Matching(look, stage.shot.crowd.seed, focal_m(stage.camera, frame), stage.camera.view(frame))


def ahead(holdouts: Sequence[Holdout], ground_m: F32) -> F32:
    """float32 [H, W]: planar depth of what on the plate hides a crowd behind it with a line of its own; inf where nothing
    does. Ground may be what the crowd stands on, so it counts only as if it were further away. Drawn mattes are not in
    it."""
    nearest = ground_m * np.float32(_GROUND_AHEAD)
    for holdout in holdouts:
        if np.ndim(holdout.depth_m):
            depth = np.where(holdout.alpha > 0.5, np.asarray(holdout.depth_m, np.float32), np.float32(np.inf))
            is_ground = depth > ground_m * np.float32(_ABOVE_GROUND)
            nearest = np.minimum(nearest, np.where(is_ground, depth * np.float32(_GROUND_AHEAD), depth))
    return nearest


def ground_seen(holdouts: Sequence[Holdout], ground_m: F32, matte: F32) -> F32:
    """float32 [H, W]: how much of a pixel shows the plate's ground. matte: what a drawn matte in front covers."""
    share = 1.0 - matte
    for holdout in holdouts:
        if np.ndim(holdout.depth_m):
            ahead_of = (holdout.alpha > 0.5) & (np.asarray(holdout.depth_m) < ground_m * np.float32(_ABOVE_GROUND))
            share = np.where(ahead_of, np.float32(0), share)
    return share.astype(np.float32)


def match_notes(stage: Stage) -> tuple[str, ...]:
    """What the manifest says of it."""
    look = plate_look(stage.shot.match)
    if look is None:
        return ()
    place = stage.shot.environment
    notes = [f"match: {', '.join(look.parts)} on the crowd{' and the place' if place else ''}"]
    if place and place.haze and look.air:
        notes.append("match: the place has its own haze, so its air is on the crowd alone")
    optics = look.optics
    if optics and math.isfinite(optics.f_stop):
        mm = sorted({round(float(f), 2) for f in stage.camera.focal_mm})
        focal = f"{mm[0]:g}" if len(mm) == 1 else f"{mm[0]:g}-{mm[-1]:g}"
        back = " x ".join(f"{v:g}" for v in stage.camera.filmback_mm)
        notes.append(f"defocus: f/{optics.f_stop:g} at {optics.focus_m:g} m, {focal} mm on a film back of {back} mm")
    return tuple(notes)

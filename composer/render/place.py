"""What stands around the crowd, in one frame: its layer, and the plate behind it with another sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from composer.camera.camera import View
from composer.comp.composite import Composite, untouched_digest
from composer.comp.layer import F32, Layer
from composer.comp.look_drawn import Around
from composer.comp.sky import sky_edge, with_sky
from composer.environment.model import Environment, Haze
from composer.guides.passes import GuidePasses, Holdout, PlacePasses
from composer.guides.sky import sky_picture
from composer.render.match import Matching


@dataclass(frozen=True)
class PlaceLook:
    """rgb: float32 [H, W, 3], ACEScg, premultiplied by `alpha` [H, W]: set pieces and terrain, in their air. sky_new: float32
    [H, W, 3], in the delivery space, what the new sky brings, and sky_alpha how much of the plate it takes; behind all.
    plate: the plate with that sky. around: the place sample by sample, where it is matched to the plate; then sky_new and
    plate have been through the lens and have the grain. haze, view: of the place's air."""

    rgb: F32
    alpha: F32
    sky_new: F32
    sky_alpha: F32
    plate: F32
    around: Around | None = None
    haze: Haze | None = None
    view: View | None = None

    def of(self, passes: PlacePasses) -> PlaceLook:
        """With other passes of the same place."""
        assert self.view is not None
        rgb = passes.beauty if self.haze is None else hazed(passes, self.haze, self.view)
        around = None if self.around is None else around_of(passes, self.haze, self.view)
        return replace(self, rgb=rgb, alpha=passes.coverage, around=around)


def hazed(place: PlacePasses, haze: Haze, view: View) -> F32:
    """The place's beauty through the air before it, float32 [H, W, 3]."""
    depth = np.where(np.isfinite(place.depth_m), place.depth_m, 0.0)
    seen = place.coverage > 0
    rays = np.zeros((*depth.shape, 3))
    rays[seen] = view.rays(np.argwhere(seen)[:, ::-1] + 0.5)
    through = _clear(haze, view, rays * depth[..., None])[..., None].astype(np.float32)
    return place.beauty * through + (1 - through) * haze.colour.astype(np.float32) * place.coverage[..., None]


def _clear(haze: Haze, view: View, step: np.ndarray) -> np.ndarray:
    """How much light comes through the haze from step, float64 [..., 3], away from the camera."""
    far = np.linalg.norm(step, axis=-1)
    if np.isfinite(haze.half_m):
        rate = np.log(2.0) / haze.half_m
        low, high = view.position_m[1] * rate, (view.position_m[1] + step[..., 1]) * rate
        rise = high - low
        level = np.where(
            np.abs(rise) < 1e-4, np.exp(-low), (np.exp(-low) - np.exp(-high)) / np.where(rise == 0, 1, rise)
        )
        far = far * np.clip(level, 0.0, 4.0)
    return np.exp(-haze.extinction_per_m * far)


def around_of(place: PlacePasses, haze: Haze | None, view: View) -> Around:
    """The place for the plate's look: each sample with the haze at its own depth."""
    if haze is None:
        return Around(place)
    samples, width = place.samples, place.coverage.shape[1]
    count = np.diff(samples.start)
    pixel = np.flatnonzero(count)
    rays = view.rays(np.stack([pixel % width, pixel // width], axis=-1) + 0.5)
    step = np.repeat(rays, count[pixel], axis=0) * samples.depth_m.astype(np.float64)[:, None]
    mist = (float(haze.colour[0]), float(haze.colour[1]), float(haze.colour[2]))
    return Around(place, _clear(haze, view, step).astype(np.float32), mist)


def place_look(
    environment: Environment, guides: GuidePasses, views: tuple[View, View, View], plate: F32, ground_m: F32,
    holdouts: Sequence[Holdout], matte: F32 | None, delivered: np.ndarray, matching: Matching | None, device: str,
) -> PlaceLook:  # fmt: skip
    """The frame's place. matte: the artist's sky matte. delivered: float64 [3, 3], ACEScg to the delivery space."""
    view, around = views[1], None
    h, w = guides.coverage.shape
    rgb, alpha = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32)
    if guides.place is not None:
        alpha = guides.place.coverage
        rgb = guides.place.beauty if environment.haze is None else hazed(guides.place, environment.haze, view)
        around = None if matching is None else around_of(guides.place, environment.haze, view)
    new, share, base = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32), plate
    if environment.sky is not None:
        edge = sky_edge(plate, ground_m, holdouts, matte, environment.sky.key)
        sky = sky_picture(environment.sky, view, view.frame, device=device)
        if not np.allclose(delivered, np.eye(3)):
            sky = sky @ delivered.T.astype(np.float32)
        share = edge.alpha
        sky = sky if matching is None else matching.sky(sky, views)
        base, new = with_sky(plate, edge, sky)
        if matching is not None:
            grained = matching.grained(base, share, device)
            base, new = grained, new + (grained - base)
    return PlaceLook(rgb, alpha, new, share, base, around, environment.haze, view)


def with_sky_layer(made: Composite, look: PlaceLook) -> Composite:
    """A matched composite with the new sky in its layer `environment`, and in what it touched."""
    layers = {la.name: la.rgba for la in made.layers}
    crowd = layers["crowd"].astype(np.float32)
    around = layers.get("environment", np.zeros_like(layers["crowd"])).astype(np.float32)
    behind = np.maximum(1.0 - crowd[..., 3] - around[..., 3], 0.0)[..., None]
    sky = np.concatenate([look.sky_new, look.sky_alpha[..., None]], axis=2) * behind
    layers["environment"] = np.where(sky != 0, _half(around + sky), layers.get("environment", np.float16(0)))
    touched = made.touched | (look.sky_alpha > 0)
    told = tuple(Layer(n, layers[n]) for n in ("shadow", "environment", "crowd"))
    return replace(made, layers=told, touched=touched, untouched_sha256=untouched_digest(made.rgb, touched))


def with_layers(made: Composite, look: PlaceLook, crowd: F32, crowd_alpha: F32, place: F32) -> Composite:
    """The composite with the crowd and the place as layers of their own (each held out by the other: they add), and what the
    sky touched. crowd, place: float32 [H, W, 3], premultiplied, in the delivery space."""
    behind = np.maximum(1.0 - crowd_alpha - look.alpha, 0.0)
    own = np.concatenate([crowd, crowd_alpha[..., None]], axis=2)
    around = np.concatenate(
        [place + look.sky_new * behind[..., None], (look.alpha + look.sky_alpha * behind)[..., None]], axis=2
    )
    layers = tuple(la for la in made.layers if la.name != "crowd")
    layers = (*layers, Layer("environment", _half(around)), Layer("crowd", _half(np.where(own[..., 3:] > 0, own, 0))))
    touched = made.touched | (look.sky_alpha > 0)
    return replace(made, layers=layers, touched=touched, untouched_sha256=untouched_digest(made.rgb, touched))


def _half(values: F32) -> np.ndarray:
    return np.clip(values, -65504, 65504).astype(np.float16)

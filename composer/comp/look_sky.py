"""The plate's lens on a new sky: it lies at infinity, so one circle of confusion and the camera's own turning are all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from composer.camera.camera import View
from composer.comp.layer import F32
from composer.comp.look_iris import FAR_M, Spans
from composer.comp.look_lens import Lens, spans_of
from composer.comp.plate_look import PlateLook

#: From pixel to pixel of the coarse raster that paths are known on.
_STEP = 16
#: Shorter ways and smaller circles than this are not seen in clouds, px.
_SEEN_PX = 0.25
_MOST_STEPS = 64


@dataclass(frozen=True)
class SkySetting:
    """views: before, at and after the frame. focal_m: the lens' true focal length."""

    views: tuple[View, View, View]
    focal_m: float


def sky_through(look: PlateLook, sky: F32, setting: SkySetting) -> F32:
    """The sky, float32 [H, W, 3] in the plate's space, as the plate's lens would have seen it: motion blur, defocus, vignette.
    Its colour and its haze are its own, so grade and air are not for it."""
    seen = sky
    if look.optics is not None and look.optics.blurs:
        now = setting.views[1]
        lens = Lens.of(look.optics, setting.focal_m, now.focal_px)
        seen = _defocused(_smeared(seen, lens, setting.views), lens)
    if look.vignette is not None:
        seen = seen * vignette_of(look.vignette.k, sky.shape[:2])[..., None]
    return seen.astype(np.float32, copy=False)


def vignette_of(k: np.ndarray, size: tuple[int, int]) -> F32:
    """float32 [H, W]: what is left of the light."""
    y, x = np.ogrid[: size[0], : size[1]]
    r2 = (y + 0.5 - size[0] / 2) ** 2 + (x + 0.5 - size[1] / 2) ** 2
    r2 = r2 / (math.hypot(*size) / 2) ** 2
    return (1.0 + r2 * (k[0] + r2 * (k[1] + r2 * k[2]))).astype(np.float32)


def _smeared(sky: F32, lens: Lens, views: tuple[View, View, View]) -> F32:
    """The mean over the shutter's time: what is at a pixel then is elsewhere at the frame's time."""
    if not lens.closes > lens.opens:
        return sky
    before, now, after = views
    forward, back = (_far_motion(now, view) for view in (after, before))
    longest = max(float(np.abs(m).max(initial=0.0)) for m in (forward, back)) * (lens.closes - lens.opens)
    if longest < _SEEN_PX:
        return sky
    y, x = (np.arange(n, dtype=np.float32) for n in sky.shape[:2])
    count = min(math.ceil(longest) + 1, _MOST_STEPS)
    total = np.zeros_like(sky)
    for step in range(count):
        t = lens.opens + (lens.closes - lens.opens) * (step + 0.5) / count
        way = 0.5 * ((forward - back) * t + (forward + back) * (t * t))
        at = cv2.resize(way.astype(np.float32), (sky.shape[1], sky.shape[0]), interpolation=cv2.INTER_LINEAR)
        across, down = x[None, :] - at[..., 0], y[:, None] - at[..., 1]
        total += cv2.remap(sky, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total / np.float32(count)


def _far_motion(now: View, other: View) -> np.ndarray:
    """float64 [h, w, 2]: where what is infinitely far goes to in another view, px, on a coarse raster of the picture."""
    width, height = now.size_px
    columns, rows = (max(-(-n // _STEP), 1) for n in (width, height))
    x, y = (np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows
    here = np.stack(np.meshgrid(x, y), axis=-1)
    there, _ = other.project(other.position_m + FAR_M * now.rays(here))
    return np.nan_to_num(there - here)


def _defocused(sky: F32, lens: Lens) -> F32:
    radius = float(lens.circle.radius_px(np.array(FAR_M)))
    if abs(radius) < _SEEN_PX:
        return sky
    return cv2.filter2D(sky, -1, _disc(spans_of(lens, radius)), borderType=cv2.BORDER_REPLICATE)


def _disc(spans: Spans) -> F32:
    """The iris as a picture that sums to 1."""
    wide = math.ceil(float(max(np.abs(spans.low).max(), np.abs(spans.high).max()))) + 1
    left = np.arange(-wide, wide + 1) - 0.5
    low, high = spans.low[:, None], spans.high[:, None]
    cover = np.clip(np.minimum(high, left + 1) - np.maximum(low, left), 0, None)
    return (cover / cover.sum()).astype(np.float32)

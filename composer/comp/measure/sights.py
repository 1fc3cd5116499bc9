"""The frames that are measured: pixels, how far away each is, and what stands in front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.guides.ground import ground_depth
from composer.shot.holdout import open_holdout
from composer.shot.matte import HoldoutFrame
from composer.shot.stage import Stage

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: A matte that lets less than this through hides what is behind it.
HIDES = 0.02


@dataclass(frozen=True)
class Sight:
    """One frame. rgb: float32 [H, W, 3], delivery space. distance_m: float32 [H, W], from the eye to what is seen, along
    the ray; inf: sky, or not known. held: bool [H, W], mattes of things in front. view: its camera."""

    number: int
    rgb: F32
    distance_m: F32
    held: Mask
    view: View


@dataclass(frozen=True)
class Sights:
    """The frames. locked: the camera does not move in them. depth_from: `depth` (pictures of depth) or `ground`.
    linear: the files themselves are scene-linear. weights: float64 [3], luminance of the delivery space. to_working:
    float64 [3, 3], delivery space to ACEScg."""

    frames: tuple[Sight, ...]
    locked: bool
    depth_from: str
    linear: bool
    weights: F64
    to_working: F64
    notes: tuple[str, ...] = ()


def frames_to_measure(stage: Stage, most: int = 4) -> tuple[int, ...]:
    """At most so many frames, spread evenly over the shot."""
    numbers = stage.plate.frames
    n = min(most, len(numbers))
    return tuple(dict.fromkeys(numbers[round(i * (len(numbers) - 1) / max(n - 1, 1))] for i in range(n)))


def read_sights(stage: Stage, frames: Sequence[int]) -> Sights:
    """Reads plate, ground and holdouts of these frames."""
    sights, pictured = [], False
    sources, notes = _drawn(stage)
    for number in frames:
        view = stage.camera.view(number)
        depth = ground_depth(stage.ground, view)
        held = np.zeros(depth.shape, dtype=bool)
        pictures = []
        for holdout in sources(number):
            if np.ndim(holdout.depth_m):
                pictures.append(np.where(holdout.alpha > HIDES, holdout.depth_m, np.inf))
            else:
                held |= holdout.alpha > HIDES
        if pictures:
            # A picture of depth knows what stands on the ground, and where there is sky.
            depth, pictured = np.minimum.reduce(pictures).astype(np.float32), True
        distance = (depth * _stretch(view)).astype(np.float32)
        sights.append(Sight(number, stage.plate.read(number), distance, held, view))
    poses = np.stack([s.view.world_from_camera for s in sights])
    still = bool(np.allclose(poses, poses[0], atol=1e-6))
    matrix = np.linalg.inv(stage.color.matrix_from_working(stage.plate.delivery_colorspace))
    weights = np.asarray(stage.color.luminance_weights(), dtype=np.float64) @ matrix
    linear = stage.plate.colorspace == stage.plate.delivery_colorspace
    return Sights(tuple(sights), still, "depth" if pictured else "ground", linear, weights, matrix, notes)


def _drawn(stage: Stage) -> tuple[Callable[[int], list[HoldoutFrame]], tuple[str, ...]]:
    """The holdouts that are read; what is made out of the whole clip or found by models is left out here."""
    specs = stage.shot.holdouts
    kept = [s for s in specs if s.kind != "difference" and not s.finds]
    if len(kept) == len(specs):
        return stage.holdouts, ()
    found = [open_holdout(stage.shot, s, stage.plate, stage.camera) for s in kept]
    left = ["difference mattes"] if any(s.kind == "difference" for s in specs) else []
    left += ["holdouts that models find"] if any(s.finds for s in specs) else []
    return lambda number: [f(number) for f in found], tuple(f"match: {what} are not looked at" for what in left)


def _stretch(view: View, step: int = 16) -> F64:
    """float64 [H, W]: length of each pixel's ray at planar depth 1. Smooth, so worked out on a coarse grid."""
    w, h = view.size_px
    xs, ys = np.linspace(0.5, w - 0.5, w // step + 2), np.linspace(0.5, h - 0.5, h // step + 2)
    rays = view.rays(np.stack(np.meshgrid(xs, ys), axis=-1))
    coarse = np.nan_to_num(np.linalg.norm(rays, axis=-1), nan=1.0)
    at_x = ((np.arange(w) + 0.0) / (w - 1) * (len(xs) - 1)).astype(np.float32)
    at_y = ((np.arange(h) + 0.0) / (h - 1) * (len(ys) - 1)).astype(np.float32)
    return cv2.remap(coarse.astype(np.float32), *np.meshgrid(at_x, at_y), cv2.INTER_LINEAR)


def clipped(rgb: F32) -> Mask:
    """bool [H, W]: where a channel has come to the end of the medium. Only where many pixels share the highest value."""
    out = np.zeros(rgb.shape[:2], dtype=bool)
    for c in range(3):
        top = float(rgb[..., c].max())
        if (rgb[..., c] == top).mean() > 1e-4:
            out |= rgb[..., c] >= 0.97 * top
    return out

"""Where holdouts stand, so that the crowd's shadow can fall on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from composer.comp.layer import F32
from composer.guides.beside import beside
from composer.guides.passes import Holdout
from composer.shot.schema import HoldoutSpec

#: Smaller pieces of a matte than this share of the picture stand where the nearest larger one does.
LEAST = 2e-5


def with_surfaces(holdouts: Sequence[Holdout], specs: Sequence[HoldoutSpec], ground_m: F32) -> list[Holdout]:
    """Holdouts that catch shadow know how far away what they show is. specs: the shot's, in the same order."""
    return [
        one if spec.shadow is None else replace(one, surface_m=_surface(one, spec, ground_m))
        for one, spec in zip(holdouts, specs, strict=True)
    ]


def actors_of(holdouts: Sequence[Holdout]) -> F32 | None:
    """float32 [H, W]: the share of each pixel that shows something which catches shadow; None where nothing does."""
    each = [np.where(np.isfinite(one.surface_m), one.alpha, 0) for one in holdouts if one.surface_m is not None]
    return np.maximum.reduce(each).astype(np.float32) if each else None


def _surface(one: Holdout, spec: HoldoutSpec, ground_m: F32) -> F32:
    """float32 [H, W], planar depth; inf where it shows nothing, or nothing but the ground."""
    nothing = np.float32(np.inf)
    if spec.shadow == "depth":
        there = (one.alpha > 0) & (ground_m > one.depth_m)
        return np.where(there, np.asarray(one.depth_m, np.float32) - np.float32(spec.bias_m), nothing)
    if spec.shadow == "distance":
        return np.where(one.alpha > 0, np.float32(spec.distance_m or 0), nothing).astype(np.float32)
    return np.where(one.alpha > 0, _at_feet(one.alpha, ground_m), nothing)


def _at_feet(alpha: F32, ground_m: F32) -> F32:
    """float32 [H, W]: each piece of a matte stands where its lowest pixels see the ground, as a card that faces the camera."""
    solid = (alpha > 0.5).astype(np.uint8)
    many, label, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    depth = np.full(many, np.nan, np.float32)
    for k in range(1, many):
        x, y, w, h, area = (int(v) for v in stats[k])
        if area < LEAST * alpha.size:
            continue
        columns = x + np.flatnonzero(label[y + h - 1, x : x + w] == k)
        seen = ground_m[y + h - 1, columns]
        seen = seen[np.isfinite(seen)]
        if len(seen):
            depth[k] = np.median(seen)
    found = depth[label]
    unknown = ~np.isfinite(found)
    return np.where(unknown.all(), np.float32(np.inf), beside(found, unknown))

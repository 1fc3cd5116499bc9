"""The edge of the painted crowd, taken apart: how much of a pixel it is, and what its own colour is there.

The old plate lies in every painted pixel along a silhouette, by 1 - alpha. What is left must be as nearly as can be the
colour that the crowd has beside it, so that neither that plate nor noise divided by a small alpha ends up in the
element's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.inference.reach import Reach

F32 = NDArray[np.float32]

#: What is left of a pixel's coverage at least: a model may draw a soldier's edge inwards, but not away with him.
KEPT = 0.5
#: Added coverage below this is none.
LEAST = 1.0 / 256.0
#: The edge is believed only where crowd and plate differ by more than this share of their light ...
CONTRAST = (0.15, 0.45)
#: ... and the pixel lies between the two, off the line by no more than this share of their difference.
OFF_LINE = 0.35
#: Less than this the edge has not moved: two soldiers' colours in one pixel, or grain, say as much.
DOUBT = (0.1, 0.35)
#: A pixel that still shows so much of the crowd has not been given up.
STILL_CROWD = (0.3, 0.7)
#: A painted pixel that differs from the flat render's by less than this share of its light is that render's.
SAME = (0.002, 0.02)


@dataclass(frozen=True)
class Shown:
    """What a picture shows of the crowd. near: float32 [h, w, 3], the crowd's colour at and beside each pixel,
    unpremultiplied. sure: float32 [h, w], how surely something else than the plate is there. share: float32 [h, w], how
    much of the pixel is crowd, by its colour. trust: float32 [h, w], how far that can be believed."""

    near: F32
    sure: F32
    share: F32
    trust: F32


def shown(picture: F32, plate: F32, behind: F32, coverage: F32, reach: Reach, edge_px: int) -> Shown:
    """picture, plate: float32 [h, w, 3]. behind: what of the plate is in the picture by the guide's coverage.

    Between plate B and crowd C beside it, a pixel P has the alpha (P - B).(C - B) / |C - B|^2. That can be believed where
    C and B differ, and where P lies between them.
    """
    sure = drawn_upon(picture, plate)
    deep = np.maximum(_ramp(reach.inside_px, edge_px, edge_px + 2.0), 0.003)  # where no edge can have moved to
    near = crowd_colour(picture - behind, coverage, sure * deep)
    step = np.where((coverage > 0)[..., None], near, reach.outwards_here(near)) - plate
    size = np.maximum((step * step).sum(-1), 1e-12)
    share = (((picture - plate) * step).sum(-1) / size).clip(0, 1)
    off = np.sqrt(((picture - plate - share[..., None] * step) ** 2).sum(-1) / size)
    contrast = np.sqrt(size / np.maximum((plate * plate + (step + plate) ** 2).sum(-1), 1e-12))
    return Shown(near, sure, share, _ramp(contrast, *CONTRAST) * (1.0 - off / OFF_LINE).clip(0, 1))


def drawn_upon(painted: F32, plate: F32) -> F32:
    """How surely a pixel shows something else than the plate, float32 [h, w] from nearly 0 to 1."""
    step = np.sqrt(((painted - plate) ** 2).sum(-1))
    return np.maximum(_ramp(step / np.maximum(np.sqrt((plate**2 + painted**2).sum(-1)), 1e-6), *CONTRAST), 1e-3)


def crowd_colour(light: F32, alpha: F32, sure: F32, reach_px: float = 2.0) -> F32:
    """The crowd's own colour at and around every pixel it covers, float32 [h, w, 3], unpremultiplied.

    light: premultiplied, float32 [h, w, 3]. sure: float32 [h, w], how much a pixel counts. Solid pixels count most.
    Source: after Forte, "Approximate Fast Foreground Colour Estimation" (ICIP 2021), with the background known.
    """
    weight = alpha * sure
    spread = cv2.GaussianBlur(np.maximum(light, 0) * weight[..., None], (0, 0), reach_px)
    return (spread / np.maximum(cv2.GaussianBlur(weight * alpha, (0, 0), reach_px), 1e-6)[..., None]).astype(np.float32)


def crowd_light(light: F32, near: F32, alpha: F32, sure: F32, edge_px: int) -> F32:
    """The crowd's premultiplied colour, float32 [h, w, 3]: as painted where it is solid. At its edge the colour beside
    it, put right by what the pixel itself shows as far as the pixel is surely the crowd's, and no brighter than what is
    near.

    light: painted - (1 - alpha) plate. near: out of `crowd_colour`. sure: out of `drawn_upon`.
    """
    a = alpha[..., None]
    own = near + a * sure[..., None] * (light - a * near)
    size = 2 * max(edge_px, 1) + 3
    brightest = cv2.dilate(np.where(a > 0.9, np.maximum(light, near), near), np.ones((size, size), np.uint8))
    edge = a * np.clip(own, 0.0, brightest)
    return np.where(a >= 1.0, light, edge).astype(np.float32)


def refined_alpha(
    shown: Shown, as_guide: Shown, coverage: F32, soft: F32, reach: Reach, edge_px: int
) -> F32:  # fmt: skip
    """The coverage, moved within `edge_px` of its edge to where the picture shows it. float32 [h, w].

    shown: what the painted picture says; as_guide: what the flat render says, of which the coverage is known: only what
    they differ by is a move. It is believed less and less away from the guide's edge, and inwards only where the plate
    shows. Along a holdout's soft edge (soft: float32 [h, w]), and where something hides the crowd, the guide's word
    stands.
    """
    away = np.where(coverage > 0, np.maximum(reach.inside_px - 1.0, 0.0), reach.outside_px)
    trust = shown.trust * (1.0 - away / (edge_px + 1.0)).clip(0, 1) * (soft <= 0) * reach.open
    trust = cv2.blur(trust.astype(np.float32), (3, 3)) * (trust > 0)
    moved = shown.share - as_guide.share
    moved = np.where(moved < 0, moved * (1.0 - _ramp(shown.share, *STILL_CROWD)), moved)
    alpha = coverage + trust * moved * _ramp(np.abs(moved), *DOUBT)
    alpha = np.maximum(alpha, KEPT * coverage)
    return np.where((coverage <= 0) & (alpha < LEAST), 0.0, alpha.clip(0, 1)).astype(np.float32)


def _ramp(value: F32, low: float, high: float) -> F32:
    return ((value - low) / (high - low)).clip(0, 1)


def differs(picture: F32, other: F32) -> F32:
    """float32 [h, w], 0 where a pixel is the other's, 1 where it is clearly another colour."""
    step = np.sqrt(((picture - other) ** 2).sum(-1))
    return _ramp(step / np.maximum(np.sqrt((picture**2 + other**2).sum(-1)), 1e-6), *SAME)

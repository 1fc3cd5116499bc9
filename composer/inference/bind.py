"""The painted picture bound to the guides: its alpha, its colour without the plate in it, its samples.

A painted picture is the crowd over the plate. What of it is crowd is known from the guides, never guessed from the
picture; only within a few pixels of the silhouette may the picture say that it drew the edge a little elsewhere. There
the pixel is taken apart: painted = light + (1 - alpha) plate, with the light as nearly as can be the colour that the
crowd has beside it, so that neither the old plate nor noise divided by a small alpha ends up in the element's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.color.model_range import ModelRange
from composer.guides.passes import GuidePasses
from composer.inference.conditions import Change, Sight, tame
from composer.inference.reach import Reach
from composer.inference.rebind import rebound

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
#: A pixel is drawn upon where it differs from the plate by more than this, in model range.
SEEN = 0.04


@dataclass(frozen=True)
class Bound:
    """guides: as the painted crowd has them: beauty, coverage, samples, and the passes of pixels that were added.
    adherence: intersection over union of the painted silhouette with the coverage; guide_adherence: of the flat guide
    render's, measured in the same way, which tells how much of 1 can be seen at all. added, taken: pixels whose coverage
    the picture has changed by more than a tenth."""

    guides: GuidePasses
    adherence: float | None
    guide_adherence: float | None
    added: int
    taken: int


def bind(painted: F32, sight: Sight, change: Change, edge_px: int, model_range: ModelRange) -> Bound:
    """painted: float32 [H, W, 3], ACEScg, the model's picture. Outside of what may be changed the guide is kept."""
    if sight.reach is None:
        return Bound(sight.guides, None, None, 0, 0)
    cut, reach = sight.reach.cut, sight.reach
    changed = (change.mask[cut] * change.strength[cut]) > 0
    guide = sight.guide[cut]
    own = np.where(changed[..., None] & np.isfinite(painted[cut]), painted[cut], guide)
    coverage = sight.guides.coverage[cut]
    plate, behind = (np.nan_to_num(p[cut], nan=0.0, posinf=0.0, neginf=0.0) for p in (sight.plate, sight.behind))
    sure = drawn_upon(own, plate)
    deep = np.maximum(_ramp(reach.inside_px, edge_px, edge_px + 2.0), 0.003)  # where no edge can have moved to
    near = crowd_colour(own - behind, coverage, sure * deep)
    alpha = coverage
    if edge_px:
        alpha = refined_alpha(own, plate, near, coverage, sight.soft[cut], reach, edge_px)
        alpha = np.where(changed, alpha, coverage)
    behind = behind + (coverage - alpha)[..., None] * plate
    light = crowd_light(own - behind, near, alpha, sure, edge_px)
    light = np.where(changed[..., None], light, sight.guides.beauty[cut])
    measured = _Silhouettes(sight, reach, change, model_range)
    return Bound(
        rebound(sight.guides, reach, light, alpha.astype(np.float32)),
        measured.adherence(own),
        measured.adherence(guide),
        int(np.count_nonzero(alpha - coverage > 0.1)),
        int(np.count_nonzero(coverage - alpha > 0.1)),
    )


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
    painted: F32, plate: F32, near: F32, coverage: F32, soft: F32, reach: Reach, edge_px: int
) -> F32:  # fmt: skip
    """The coverage, moved within `edge_px` of its edge to where the picture shows it. float32 [h, w].

    Between plate B and crowd C beside it, a painted pixel P has the alpha (P - B).(C - B) / |C - B|^2. That is believed
    where C and B differ, where P lies between them, and less and less away from the guide's edge. Along a holdout's soft
    edge, and where something hides the crowd, the guide's word stands.
    """
    step = np.where((coverage > 0)[..., None], near, reach.outwards_here(near)) - plate
    size = np.maximum((step * step).sum(-1), 1e-12)
    found = (((painted - plate) * step).sum(-1) / size).clip(0, 1)
    off = np.sqrt(((painted - plate - found[..., None] * step) ** 2).sum(-1) / size)
    contrast = np.sqrt(size / np.maximum((plate * plate + (step + plate) ** 2).sum(-1), 1e-12))
    trust = _ramp(contrast, *CONTRAST) * (1.0 - off / OFF_LINE).clip(0, 1)
    away = np.where(coverage > 0, np.maximum(reach.inside_px - 1.0, 0.0), reach.outside_px)
    trust *= (1.0 - away / (edge_px + 1.0)).clip(0, 1) * (soft <= 0) * reach.open
    trust = cv2.blur(trust.astype(np.float32), (3, 3)) * (trust > 0)
    moved = found - coverage
    alpha = coverage + trust * moved * _ramp(np.abs(moved), *DOUBT)
    alpha = np.maximum(alpha, KEPT * coverage)
    return np.where((coverage <= 0) & (alpha < LEAST), 0.0, alpha.clip(0, 1)).astype(np.float32)


def _ramp(value: F32, low: float, high: float) -> F32:
    return ((value - low) / (high - low)).clip(0, 1)


@dataclass(frozen=True)
class _Silhouettes:
    """Where a picture differs from the plate, against where the guides say that the crowd is."""

    sight: Sight
    reach: Reach
    change: Change
    range: ModelRange

    def adherence(self, picture: F32) -> float | None:
        """Intersection over union, of pixels within the mask that are not behind a soft edge; None without any."""
        cut = self.reach.cut
        differs = np.abs(self.range.encode(tame(picture)) - self.range.encode(tame(self.sight.plate[cut])))
        drawn = differs.max(axis=-1) > SEEN
        counted = (self.change.mask[cut] > 0) & (self.sight.soft[cut] <= 0)
        known = self.sight.guides.coverage[cut] > 0.5
        both, either = (int(np.count_nonzero(counted & m)) for m in (drawn & known, drawn | known))
        return round(both / either, 4) if either else None

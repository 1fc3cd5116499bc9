"""The painted picture bound to the guides: its alpha, its colour without the plate in it, its samples.

A painted picture is the crowd over the plate. What of it is crowd is known from the guides, never guessed from the
picture; only within a few pixels of the silhouette may the picture say that it drew the edge a little elsewhere. There
the pixel is taken apart: painted = light + (1 - alpha) plate, with the light as nearly as can be the colour that the
crowd has beside it, so that neither the old plate nor noise divided by a small alpha ends up in the element's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.color.model_range import ModelRange
from composer.guides.passes import GuidePasses
from composer.inference.conditions import Change, Sight, tame
from composer.inference.edge import crowd_light, differs, refined_alpha, shown
from composer.inference.reach import Reach
from composer.inference.rebind import rebound

F32 = NDArray[np.float32]

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
    seen = shown(own, plate, behind, coverage, reach, edge_px)
    alpha = coverage
    if edge_px:
        as_guide = shown(np.nan_to_num(guide), plate, behind, coverage, reach, edge_px)
        alpha = refined_alpha(seen, as_guide, coverage, sight.soft[cut], reach, edge_px)
        alpha = np.where(changed, alpha, coverage)
    behind = behind + (coverage - alpha)[..., None] * plate
    light = crowd_light(own - behind, seen.near, alpha, seen.sure, edge_px)
    painted_on = np.where(alpha == coverage, differs(own, guide) * changed, 1.0)[..., None]
    light = sight.guides.beauty[cut] + painted_on * (light - sight.guides.beauty[cut])
    measured = _Silhouettes(sight, reach, change, model_range)
    return Bound(
        rebound(sight.guides, reach, light, alpha.astype(np.float32)),
        measured.adherence(own),
        measured.adherence(guide),
        int(np.count_nonzero(alpha - coverage > 0.1)),
        int(np.count_nonzero(coverage - alpha > 0.1)),
    )


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

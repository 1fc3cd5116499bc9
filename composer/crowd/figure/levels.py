"""A figure's levels of detail: the full mesh, two with fewer rows and columns, and a puppet of about 80 triangles; each
bent until it shows as much of every material as the full mesh does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from composer.crowd.agents import MATERIALS, Mesh
from composer.crowd.figure.coarse import coarseness
from composer.crowd.figure.fit import F64, Target, fitted, outward, pushed
from composer.crowd.figure.loft import MATERIAL, merge, rumpled
from composer.crowd.figure.measure import Views, shown_m2
from composer.crowd.figure.puppet import paint_of, puppet
from composer.crowd.figure.simplify import creased

#: Parts smaller than this (metres, longest side) are left out of each level.
_SMALLEST_M = (0.0, 0.085, 0.23)
_CLOTH = [MATERIAL[m] for m in ("tunic", "trousers", "cloak", "leather")]


@dataclass(frozen=True)
class Fit:
    """What was found for one figure's coarse levels. paint: the puppet's materials. push: for each coarse level, how
    far each material stands out, in tenths of a millimetre, in the order of MATERIALS."""

    paint: str
    push: tuple[tuple[int, ...], ...]


def _worn(mesh: Mesh) -> Mesh:
    """Cloth and leather a little rumpled."""
    return rumpled(mesh, 0.22) if np.isin(mesh.material[:1], _CLOTH)[0] else mesh


def built(parts: Callable[[], list[Mesh]]) -> list[Mesh]:
    """The full mesh and the two that have fewer rows and columns."""
    made = []
    for level, smallest in enumerate(_SMALLEST_M):
        with coarseness(level):
            kept = [p for p in parts() if float(np.ptp(p.position_m, axis=0).max()) >= smallest]
        made.append(merge([_worn(p) for p in kept] if level == 0 else kept))
    return made


def levels(parts: Callable[[], list[Mesh]], fit: Fit | None = None) -> tuple[Mesh, ...]:
    """All levels of the figure that `parts` builds at the current coarseness. Without a fit, only the full mesh and the
    two next to it, as they are."""
    made = built(parts)
    if fit is None:
        return tuple(made)
    coarse = [*made[1:], puppet(made[0], paint=fit.paint)]
    near, mid, far = (bent(m, np.array(push) * 1e-4) for m, push in zip(coarse, fit.push, strict=True))
    return made[0], near, mid, creased(far)


def bent(mesh: Mesh, push_m: F64) -> Mesh:
    """The mesh with its materials standing out as found."""
    return pushed(mesh, outward(mesh), np.pad(push_m, (0, len(MATERIALS) - len(push_m))))


def fit_levels(parts: Callable[[], list[Mesh]], seen: Views, albedo: F64, *, rounds: int = 16) -> Fit:
    """Find the fit of a figure's levels by measuring them in the views `seen`. albedo: float64 [K, len(MATERIALS), 3],
    its average colours on each of K sides."""
    made = built(parts)
    target = Target(shown_m2(made[0], seen).mean(0), albedo)
    coarsest = puppet(made[0], seen)
    push = [fitted(m, target, seen, rounds=rounds) for m in (*made[1:], coarsest)]
    return Fit(paint_of(coarsest), tuple(rounded(p) for p in push))


def rounded(push_m: F64) -> tuple[int, ...]:
    """Tenths of a millimetre."""
    return tuple(int(v) for v in np.round(push_m * 1e4))


def shown_error(mesh: Mesh, full: Mesh, seen: Views, albedo: F64) -> tuple[float, float]:
    """How far a level is off on average over the views: in area, and in colour (the largest of the three channels), as
    shares. albedo: float [len(MATERIALS), 3]."""
    own, true = shown_m2(mesh, seen).mean(0), shown_m2(full, seen).mean(0)
    assert own.shape == (len(MATERIALS),)
    colour = (own @ albedo) / own.sum() / ((true @ albedo) / true.sum()) - 1.0
    return float(own.sum() / true.sum() - 1.0), float(np.abs(colour).max())

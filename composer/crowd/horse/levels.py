"""Levels of detail of a rider on his horse: the man's levels and the horse's, fitted together."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from composer.crowd.agents import Mesh
from composer.crowd.figure.coarse import coarseness
from composer.crowd.figure.fit import F64, Target, fitted
from composer.crowd.figure.levels import Fit, bent, built, rounded
from composer.crowd.figure.loft import merge
from composer.crowd.figure.measure import Views, matrices, shown_m2, views
from composer.crowd.figure.puppet import paint_of, puppet
from composer.crowd.figure.simplify import creased, simplified
from composer.crowd.horse.body import horse
from composer.crowd.horse.far import far_horse
from composer.crowd.horse.riders import rider_clips
from composer.crowd.horse.skeleton import MOUNTED

#: A figure has at most 4,096 triangles; the horse takes these.
_HORSE = 1600
_MAN = 4096 - _HORSE


@lru_cache(maxsize=1)
def horses() -> tuple[Mesh, ...]:
    """The horse at four levels, the last one of about 80 triangles."""
    full = merge(horse())
    coarse = []
    for level in (1, 2):
        with coarseness(level):
            coarse.append(merge(horse()))
    by_name = {c.name: c for c in rider_clips()}
    phases = np.array([0.05, 0.3, 0.55, 0.8])
    poses = np.concatenate([matrices(by_name[n], MOUNTED.bind_m, phases) for n in ("idle", "walk", "canter", "gallop")])
    near = simplified(full, _HORSE, poses, np.ones(len(full.triangle)))
    return near, coarse[0], coarse[1], far_horse()


def rider_views(phases: int = 4, directions: int = 5) -> Views:
    """What riders are fitted in."""
    return views(rider_clips(), MOUNTED.bind_m, phases=phases, directions=directions)


def _riders(parts: Callable[[], list[Mesh]]) -> list[Mesh]:
    """The man's full mesh and the next two; the second one in place of the first where that is too fine."""
    made = built(parts)
    return [made[0] if len(made[0].triangle) <= _MAN else made[1], *made[1:]]


def mounted_levels(parts: Callable[[], list[Mesh]], fit: Fit) -> tuple[Mesh, ...]:
    """All levels of the man that `parts` builds, on his horse. His joints are the first ones of `MOUNTED`."""
    men = _riders(parts)
    men.append(puppet(men[0], paint=fit.paint))
    full, *coarse = (merge([man, beast]) for man, beast in zip(men, horses(), strict=True))
    near, mid, far = (bent(m, np.array(push) * 1e-4) for m, push in zip(coarse, fit.push, strict=True))
    return full, near, mid, creased(far)


def fit_mounted(parts: Callable[[], list[Mesh]], seen: Views, albedo: F64, *, rounds: int = 12) -> Fit:
    """As `levels.fit_levels`, for a rider; seen: of `MOUNTED`."""
    men = _riders(parts)
    men.append(puppet(men[0], seen))
    full, *coarse = (merge([man, beast]) for man, beast in zip(men, horses(), strict=True))
    target = Target(shown_m2(full, seen).mean(0), albedo)
    return Fit(paint_of(men[3]), tuple(rounded(fitted(m, target, seen, rounds=rounds)) for m in coarse))

"""Formations without files: loose crowds, mobs and camps, spread by progressive blue noise.

Any head of such an order is spread over the whole area, denser where the paint is whiter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from composer.crowd.areas import FAINT, Area
from composer.crowd.darts import Darts
from composer.crowd.formations import F64, LOOSE_TIGHTNESS, MOST_PLACES, NEAREST_M, Brief, Places, apart, too_many
from composer.crowd.seeds import hash01, hash_u32

#: A mob: how many stand in one of its knots (5 and up, with a long tail; one in four is one or two who stand alone),
#: and how much of the ground the knots take in all.
_MOST_IN_KNOT, _MEAN_KNOT, _MOB_FILL = 60, 12.0, 0.55
_ALONE = 0.25
_KNOT_TURN = math.radians(35)
#: A camp: how many sit round a fire, at which distance from it, and how many of them stand behind.
_FEWEST_ROUND, _MOST_ROUND = 3, 8
_RING_M, _BEHIND_M = (1.1, 1.3), 1.85


def loose(brief: Brief, wanted: int) -> Places:
    """At least `wanted` places of a loose crowd, or all there are: at least 0.78 of the spacing (the geometric mean
    of the pair) apart, and about one to each spacing squared."""
    spacing = math.sqrt(brief.spacing_m[0] * brief.spacing_m[1])
    position, whole = _spread(brief.area, max(NEAREST_M, spacing * LOOSE_TIGHTNESS), brief.seed, wanted)
    return Places(position, whole)


def _spread(area: Area, distance_m: float, seed: int, wanted: int) -> tuple[F64, bool]:
    """(places [M, 2], no more will come).

    On paint, number i at a place of weight w comes when i / w have come on white: every head of the order is as dense
    as it is painted. A place is certain when no dart to come could be before it.
    """
    if area.area_m2 / distance_m**2 * LOOSE_TIGHTNESS**2 > MOST_PLACES:
        raise too_many(area.area_m2 / distance_m**2)
    darts = Darts(area, distance_m, seed)
    if area.paint is None:
        return darts.throw(wanted), darts.full
    thrown = wanted
    while True:
        points = darts.throw(thrown)
        key = np.arange(1, len(points) + 1) / np.maximum(area.weight(points), FAINT)
        certain = np.flatnonzero(key <= len(points))
        if len(certain) >= wanted or darts.full:
            return points[certain[np.argsort(key[certain], kind="stable")]], darts.full
        thrown = len(points) + 1


def mob(brief: Brief, wanted: int) -> Places:
    """Knots of people of every size, each turned its own way, and some who stand alone; knots may run into each
    other."""
    spacing = max(NEAREST_M / LOOSE_TIGHTNESS, math.sqrt(brief.spacing_m[0] * brief.spacing_m[1]))
    pattern = _pattern(spacing * LOOSE_TIGHTNESS, brief.seed)
    between = spacing * math.sqrt(0.7 * _MEAN_KNOT / _MOB_FILL)

    def knot(centre: F64, chance: F64) -> tuple[F64, F64]:
        few, long, turn, shift, look = chance.tolist()
        size = 1 + int(few * 8) % 2  # alone
        if few >= _ALONE:
            size = min(_MOST_IN_KNOT, int(5 / ((few - _ALONE) / (1 - _ALONE) + 1e-3) ** 0.75))
        stretch = 1 + 0.9 * long
        local = (pattern - 0.6 * spacing * (shift - 0.5)) * np.array([1 / stretch, stretch])
        nearest = np.argsort(np.einsum("ij,ij->i", local, local), kind="stable")[:size]
        c, s = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
        place = centre + (pattern[nearest] - pattern[nearest[0]]) @ np.array([[c, s], [-s, c]])
        return place.round(6), np.full(size, brief.heading_rad + _KNOT_TURN * (2 * look - 1))

    draws = ("size", "stretch", "turn", "shift", "look")
    return _groups(brief, between, wanted, _MEAN_KNOT, draws, knot, anchored=False)


def camp(brief: Brief, wanted: int) -> Places:
    """Fires, and 3 to 8 people round each, looking at it. A smaller count has fewer fires, spread over the whole
    camp."""
    between = math.sqrt(brief.spacing_m[0] * brief.spacing_m[1]) * LOOSE_TIGHTNESS

    def fire(centre: F64, chance: F64) -> tuple[F64, F64]:
        many, turn, back = chance[:3].tolist()
        size = _FEWEST_ROUND + int(many * (_MOST_ROUND - _FEWEST_ROUND + 1))
        # One gap in the ring (the wind blows there), the others strayed by part of what is free between them.
        slot = (np.arange(size) + 0.5) / (size + 0.8)
        strays = chance[3:].reshape(-1, 2)[:size]
        angle = 2 * math.pi * (turn + slot + (strays[:, 0] - 0.5) * 0.35 / (size + 0.8))
        off = _RING_M[0] + (_RING_M[1] - _RING_M[0]) * strays[:, 1]
        if back < 0.7:
            off[int(back * size)] = _BEHIND_M
        way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return (centre + off[:, None] * way).round(6), np.arctan2(way[:, 0], way[:, 1])

    draws = ("size", "turn", "behind", *(f"{way} {i}" for i in range(_MOST_ROUND) for way in ("round", "off")))
    return _groups(brief, between, wanted, 0.5 * (_FEWEST_ROUND + _MOST_ROUND), draws, fire, anchored=True)


def _groups(
    brief: Brief,
    between_m: float,
    wanted: int,
    mean: float,
    draws: Sequence[str],
    make: Callable[[F64, F64], tuple[F64, F64]],
    *,
    anchored: bool,
) -> Places:
    """Groups in the order of their centres, `between_m` apart, each whole before the next. make: (centre [2], a chance
    for each of `draws`) to (places [K, 2], headings [K])."""
    centres, full = _spread(brief.area, between_m, brief.seed, math.ceil(wanted / mean * 1.3) + 8)
    own = hash_u32(hash_u32(brief.seed, "group") ^ np.arange(len(centres)), "group")
    chances = np.stack([hash01(own, name) for name in draws], axis=1).astype(np.float64)
    made = [make(centre, chance) for centre, chance in zip(centres, chances, strict=True)]
    if not made:
        return Places(np.zeros((0, 2)), True)
    position, heading = (np.concatenate(p) for p in zip(*made, strict=True))
    anchor = np.repeat(centres, [len(p) for p, _ in made], axis=0) if anchored else None
    kept = brief.area.inside(position)
    places = Places(position, full, (), heading, anchor).only(kept)
    return places.only(apart(places.position_m))


def _pattern(distance_m: float, seed: int) -> F64:
    """Places [M, 2] about (0, 0), `distance_m` apart and close, enough for the largest knot in any shape."""
    radius = distance_m * math.sqrt(_MOST_IN_KNOT) * 1.7
    angle = np.arange(24) * (2 * math.pi / 24)
    disc = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius
    return Darts(Area(disc), distance_m, int(hash_u32(seed, "knot"))).throw(2**40).round(6)

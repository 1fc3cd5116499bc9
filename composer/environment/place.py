"""Where pieces stand: one place, scattered over a polygon, along a path. Places nest: the first ten of twenty are the ten.

Scattering is by Poisson-like dart throwing in a fixed order of candidates (Mitchell 1991), so a larger count only adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from composer.crowd.regions import inside
from composer.crowd.seeds import hash01
from composer.errors import InputError, Where
from composer.shot.schema_environment import BUILT_ALONG, PieceSpec

F64 = NDArray[np.float64]

#: Candidates tried for each piece wanted.
_TRIES = 40
_USUAL_APART_M = {"tent": 7.0, "tree": 5.0, "rock": 3.0, "fire": 8.0, "banner": 6.0}
_PANEL_M = {"wall": 8.0, "palisade": 6.0}


@dataclass(frozen=True)
class Spot:
    """x, z and heading of one piece; scale on top of the group's; length_m of a panel that is built along a path. number:
    in its group, from 0."""

    x: float
    z: float
    heading_rad: float
    scale: float
    number: int
    length_m: float = 0.0


def heading_of(azimuth_deg: float) -> float:
    """An azimuth (clockwise from -Z) as a heading (counter-clockwise from -Z), radians."""
    return -float(np.radians(azimuth_deg))


def spots_of(spec: PieceSpec, seed: int, where: Where) -> tuple[Spot, ...]:
    """The places of a group. Raises InputError where its polygon is too small for its count."""
    if spec.at_m is not None:
        return (_turned(spec, seed, 0, *spec.at_m, 0.0),)
    if spec.path_m is not None:
        path = np.array(spec.path_m, float)
        return _panels(spec, path) if spec.kind in BUILT_ALONG else _along(spec, seed, path)
    return _scattered(spec, seed, where)


def _turned(spec: PieceSpec, seed: int, number: int, x: float, z: float, usual: float) -> Spot:
    chance = [float(hash01(seed + 7919 * number, f"piece {what}")) for what in ("turn", "size")]
    heading = usual
    if spec.heading_deg is not None:
        heading = heading_of(spec.heading_deg)
    elif spec.face_m is not None:
        heading = float(np.arctan2(-(spec.face_m[0] - x), -(spec.face_m[1] - z)))
    heading += np.radians(spec.turn_deg) * (2 * chance[0] - 1)
    return Spot(x, z, heading, 1 + spec.vary * (2 * chance[1] - 1), number)


def _scattered(spec: PieceSpec, seed: int, where: Where) -> tuple[Spot, ...]:
    polygon = np.array(spec.polygon_m, float)
    low, size = polygon.min(0), np.ptp(polygon, axis=0)
    apart = spec.spacing_m if spec.spacing_m is not None else _USUAL_APART_M.get(spec.kind or "", 5.0)
    wanted = int(spec.count or 0)
    free = spec.heading_deg is None and spec.face_m is None
    tried = np.arange(_TRIES * wanted + 400)
    u = np.stack([hash01(tried + 1_000_003 * seed, "piece x"), hash01(tried + 1_000_003 * seed, "piece z")], axis=1)
    at = low + u.astype(float) * size
    at = at[inside(polygon, at)]
    taken: dict[tuple[int, int], list[int]] = {}
    kept: list[int] = []
    for k, p in enumerate(at):
        i, j = (int(v) for v in np.floor(p / apart))
        near = [q for a in (-1, 0, 1) for b in (-1, 0, 1) for q in taken.get((i + a, j + b), ())]
        if all(np.hypot(*(at[q] - p)) >= apart for q in near):
            taken.setdefault((i, j), []).append(k)
            kept.append(k)
            if len(kept) == wanted:
                break
    if len(kept) < wanted:
        raise InputError(
            f"{spec.name} does not fit its polygon {apart:g} m apart",
            where=where,
            expected=f"at most {len(kept)}",
            got=str(wanted),
            hint="a larger polygon, or spacing_m",
        )
    turn = 2 * np.pi * hash01(np.arange(wanted) + 77 * seed, "piece heading").astype(float)
    return tuple(
        _turned(spec, seed, n, *(float(v) for v in at[k]), float(turn[n]) if free else 0.0) for n, k in enumerate(kept)
    )


def _measured(path: F64) -> tuple[F64, F64]:
    step = np.hypot(*np.diff(path, axis=0).T)
    return np.append(0.0, np.cumsum(step)), step


def _at(path: F64, far: F64, d: float) -> tuple[F64, float]:
    """Place and heading (across the path, to its left) at a distance along it."""
    k = int(np.clip(np.searchsorted(far, d, side="right") - 1, 0, len(path) - 2))
    t = (d - far[k]) / max(far[k + 1] - far[k], 1e-9)
    along = path[k + 1] - path[k]
    return path[k] + t * along, float(np.arctan2(-along[1], along[0]))


def _along(spec: PieceSpec, seed: int, path: F64) -> tuple[Spot, ...]:
    far, _ = _measured(path)
    if spec.count is not None:
        places = far[-1] * (np.arange(spec.count) + 0.5) / spec.count
    else:
        apart = spec.spacing_m if spec.spacing_m is not None else _USUAL_APART_M.get(spec.kind or "", 5.0)
        places = np.arange(0.0, far[-1] + 1e-6, apart)
    apart = far[-1] / max(len(places), 1)
    out = []
    for n, d in enumerate(places):
        shift = spec.jitter * 0.5 * apart * (2 * float(hash01(seed + n, "piece along")) - 1)
        p, heading = _at(path, far, float(np.clip(d + shift, 0, far[-1])))
        out.append(_turned(spec, seed, n, float(p[0]), float(p[1]), heading))
    return tuple(out)


def _panels(spec: PieceSpec, path: F64) -> tuple[Spot, ...]:
    """Lengths of wall between the path's corners, front to the left of the way along it."""
    out = []
    for a, b in pairwise(path):
        along = b - a
        length = float(np.hypot(*along))
        count = max(1, round(length / (_PANEL_M[spec.kind or "wall"] * spec.scale)))
        heading = float(np.arctan2(-along[1], along[0]))
        for k in range(count):
            p = a + along * (k + 0.5) / count
            out.append(Spot(float(p[0]), float(p[1]), heading, 1.0, len(out), length / count))
    return tuple(out)

"""Maps of the image plane that have a formula in one direction only: where they fold back, and their inverse.

Every polynomial lens model is closed form in one direction (Brown: ideal to plate; 3DEqualizer: plate to ideal) and
turns back on itself at some radius. `fold_radius` finds that radius for each direction from the centre, `invert`
solves the other direction by damped Newton steps that stay inside it. Outside it both directions are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ANGLES = 120
_RADII = 500
_TOLERANCE = 1e-12
_STEPS = 60
_HALVINGS = 10
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Curve:
    """A number for each frame from `first_frame`; before and after, the end values hold."""

    first_frame: int
    values: tuple[float, ...]

    def at(self, frame: int) -> float:
        return self.values[min(max(frame - self.first_frame, 0), len(self.values) - 1)]

    def scaled(self, factor: float) -> Curve:
        return Curve(self.first_frame, tuple(v * factor for v in self.values))


Param = float | Curve


def at(param: Param, frame: int) -> float:
    """The value of a parameter that may be animated."""
    return param.at(frame) if isinstance(param, Curve) else float(param)


def scaled(param: Param, factor: float) -> Param:
    return param.scaled(factor) if isinstance(param, Curve) else param * factor


_Lens = TypeVar("_Lens")


def shifted(lens: _Lens, frames: int) -> _Lens:
    """The same lens with its curves moved by a number of frames."""
    curves = {f.name: getattr(lens, f.name) for f in fields(lens)}  # type: ignore[arg-type]
    moved = {k: Curve(c.first_frame + frames, c.values) for k, c in curves.items() if isinstance(c, Curve)}
    return replace(lens, **moved) if moved and frames else lens  # type: ignore[type-var]


class PlaneMap(Protocol):
    """A formula (x, y) -> (u, v), smooth around the origin, which it keeps in place. Hashable, so that its fold is
    found once. `limit`: beyond this radius it is not used."""

    limit: float

    def forward(self, x: Array, y: Array) -> tuple[Array, Array]: ...

    def jacobian(self, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        """du/dx, du/dy, dv/dx, dv/dy."""
        ...


def _turns(plane: PlaneMap, x: Array, y: Array) -> NDArray[np.bool_]:
    a, b, c, d = plane.jacobian(x, y)
    return ~(a * d - b * c > 0)


@lru_cache(maxsize=512)
def _fold(plane: PlaneMap) -> Array:
    """float64 [A + 1]: for evenly spaced directions from -pi to pi, the radius where the map first turns back."""
    angle = np.linspace(-np.pi, np.pi, _ANGLES + 1)
    cos, sin = np.cos(angle), np.sin(angle)
    radius = np.linspace(0.0, plane.limit, _RADII + 1)
    with np.errstate(all="ignore"):
        bad = _turns(plane, radius * cos[:, None], radius * sin[:, None])
        first = np.where(bad.any(axis=1), bad.argmax(axis=1), _RADII)
        low, high = radius[np.maximum(first - 1, 0)], radius[first]
        found = bad.any(axis=1)
        for _ in range(40):
            middle = (low + high) / 2
            folded = _turns(plane, middle * cos, middle * sin)
            high = np.where(folded, middle, high)
            low = np.where(folded, low, middle)
    return np.where(found, low, plane.limit)


def fold_radius(plane: PlaneMap) -> float:
    """The smallest radius, over all directions, at which the map turns back; `plane.limit` if it does not before
    that."""
    return float(_fold(plane).min())


def inside(plane: PlaneMap, x: Array, y: Array) -> NDArray[np.bool_]:
    """Where the map is used: nearer the centre than its fold. False at NaN."""
    fold = _fold(plane)
    r = np.hypot(x, y)
    near = r < fold.min()
    rest = ~near & (r < fold.max())
    if rest.any():
        place = (np.arctan2(y[rest], x[rest]) + np.pi) * (_ANGLES / (2 * np.pi))
        near[rest] = r[rest] < np.interp(place, np.arange(_ANGLES + 1), fold)
    return near


def forward(plane: PlaneMap, xy: Array) -> Array:
    """The map at float64 [..., 2]; NaN outside its domain."""
    x, y = xy[..., 0].ravel(), xy[..., 1].ravel()
    ok = inside(plane, x, y)
    out = np.full((x.size, 2), np.nan)
    u, v = plane.forward(x[ok], y[ok])
    out[ok, 0], out[ok, 1] = u, v
    return out.reshape(xy.shape)


def invert(plane: PlaneMap, uv: Array) -> Array:
    """The points that the map takes to float64 [..., 2]: on the sheet around the centre, NaN where there are none."""
    flat = np.asarray(uv, dtype=np.float64).reshape(-1, 2)
    parts = [_invert(plane, flat[i : i + _CHUNK]) for i in range(0, max(len(flat), 1), _CHUNK)]
    return np.concatenate(parts).reshape(uv.shape)


def _invert(plane: PlaneMap, uv: Array) -> Array:
    out = np.full(uv.shape, np.nan)
    todo = np.flatnonzero(np.isfinite(uv).all(axis=1))
    goal = uv[todo]
    reach = 0.95 * fold_radius(plane)
    point = goal * np.minimum(1.0, reach / np.maximum(np.hypot(goal[:, 0], goal[:, 1]), 1e-300))[:, None]
    miss = _miss(plane, point, goal)
    for _ in range(_STEPS):
        done = np.hypot(miss[:, 0], miss[:, 1]) <= _TOLERANCE * (1.0 + np.hypot(goal[:, 0], goal[:, 1]))
        out[todo[done]] = point[done]
        todo, goal, point, miss = todo[~done], goal[~done], point[~done], miss[~done]
        if not todo.size:
            break
        point, miss, moved = _newton(plane, point, goal, miss)
        todo, goal, point, miss = todo[moved], goal[moved], point[moved], miss[moved]
    ok = inside(plane, out[:, 0], out[:, 1])
    out[~ok] = np.nan
    return out


def _miss(plane: PlaneMap, point: Array, goal: Array) -> Array:
    u, v = plane.forward(point[:, 0], point[:, 1])
    return np.stack([u - goal[:, 0], v - goal[:, 1]], axis=1)


def _newton(plane: PlaneMap, point: Array, goal: Array, miss: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """One step for each point, halved until it comes nearer and stays inside the fold; `moved` is where one was
    found."""
    a, b, c, d = plane.jacobian(point[:, 0], point[:, 1])
    with np.errstate(all="ignore"):
        det = a * d - b * c
        step = np.stack([d * miss[:, 0] - b * miss[:, 1], a * miss[:, 1] - c * miss[:, 0]], axis=1) / det[:, None]
    size = np.hypot(miss[:, 0], miss[:, 1])
    moved = np.zeros(len(point), dtype=bool)
    new_point, new_miss = point.copy(), miss.copy()
    share = 1.0
    for _ in range(_HALVINGS):
        left = np.flatnonzero(~moved)
        if not left.size:
            break
        trial = point[left] - share * step[left]
        ok = np.flatnonzero(inside(plane, trial[:, 0], trial[:, 1]))
        trial_miss = _miss(plane, trial[ok], goal[left[ok]])
        nearer = np.hypot(trial_miss[:, 0], trial_miss[:, 1]) < size[left[ok]]
        taken = left[ok[nearer]]
        new_point[taken], new_miss[taken] = trial[ok[nearer]], trial_miss[nearer]
        moved[taken] = True
        share /= 2
    return new_point, new_miss, moved

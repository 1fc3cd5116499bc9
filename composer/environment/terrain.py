"""Land that rises out of the plate's ground: a height field on a level grid, shaped like rock that water has cut.

Ridged multifractal noise with warped places (Musgrave, "Texturing and Modeling", 1998), then water is led downhill over
the grid and cuts where much of it runs steep (stream power, Braun and Willett 2013, by relaxation instead of order), and
slopes steeper than scree slide. All of it follows from the seed and world metres: a finer grid shows the same hills.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from composer.environment.noise import noise2
from composer.shot.schema_environment import TerrainSpec

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

MOST_CELLS = 1_000_000
USUAL_CELLS = 110_000
#: The land's edge lies this deep in the ground.
SUNK_M = 1.5
FLOW_STEPS = 60
#: World y of the ground at x, z [N]; finite everywhere.
GroundAt = Callable[[F64, F64], F64]


@dataclass(frozen=True)
class Seat:
    """A level place for a piece: inside `radius_m` of (x, z) the land has one height, and joins within `blend_m`."""

    x: float
    z: float
    radius_m: float
    blend_m: float


@dataclass(frozen=True)
class Terrain:
    """y_m: float64 [M, N] at x_m [N], z_m [M]; NaN outside. rise_m: how far it is above the ground it rises from."""

    name: str
    x_m: F64
    z_m: F64
    y_m: F64
    rise_m: F64
    cell_m: float

    def height(self, x: F64, z: F64) -> F64:
        """World y at places [N]; NaN outside."""
        i = (np.asarray(x, float) - self.x_m[0]) / self.cell_m
        j = (np.asarray(z, float) - self.z_m[0]) / self.cell_m
        m, n = self.y_m.shape
        on = (i >= 0) & (i <= n - 1) & (j >= 0) & (j <= m - 1)
        i, j = np.where(on, i, 0), np.where(on, j, 0)
        a, b = np.minimum(i.astype(int), n - 2), np.minimum(j.astype(int), m - 2)
        u, v = i - a, j - b
        y = self.y_m
        out = (y[b, a] * (1 - u) + y[b, a + 1] * u) * (1 - v) + (y[b + 1, a] * (1 - u) + y[b + 1, a + 1] * u) * v
        return np.where(on, out, np.nan)


def smooth(t: F64) -> F64:
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _line_distance(x: F64, z: F64, line: F64) -> F64:
    """Distance of places to a path [K, 2]."""
    best = np.full(x.shape, np.inf)
    for a, b in pairwise(line):
        d = b - a
        t = np.clip(((x - a[0]) * d[0] + (z - a[1]) * d[1]) / max(float(d @ d), 1e-12), 0, 1)
        np.minimum(best, np.hypot(x - a[0] - t * d[0], z - a[1] - t * d[1]), out=best)
    return best


def _inside(x: F64, z: F64, polygon: F64) -> NDArray[np.bool_]:
    found = np.zeros(x.shape, bool)
    for (x0, z0), (x1, z1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if z0 != z1:
            found ^= ((z0 > z) != (z1 > z)) & (x < (x1 - x0) * (z - z0) / (z1 - z0) + x0)
    return found


def line_of(spec: TerrainSpec, eye: tuple[float, float]) -> F64:
    """The crest [K, 2] that a bearing or a path draws. eye: (x, z) of the first frame's camera."""
    if spec.crest_m is not None:
        return np.array(spec.crest_m, float)
    assert spec.bearing is not None
    turn = np.radians(spec.bearing.azimuth_deg)
    way, side = np.array([np.sin(turn), -np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])
    middle = np.array(eye) + way * spec.bearing.distance_m
    half = spec.bearing.width_m / 2
    return np.stack([middle - half * side, middle + half * side])


def _mask(spec: TerrainSpec, x: F64, z: F64, eye: tuple[float, float], seed: int) -> F64:
    """0 at the foot, 1 where it has its full height; the line between wanders."""
    wander = 0.22 * spec.falloff_m * (noise2(x / 45, z / 45, seed + 91) + 0.5 * noise2(x / 17, z / 17, seed + 92))
    if spec.polygon_m is not None:
        polygon = np.array(spec.polygon_m, float)
        edge = _line_distance(x, z, np.concatenate([polygon, polygon[:1]]))
        return smooth((np.where(_inside(x, z, polygon), edge, -edge) + np.minimum(wander, 0.0)) / spec.falloff_m)
    distance = _line_distance(x, z, line_of(spec, eye))
    return smooth(1.0 - (distance - np.minimum(wander, 0.0)) / spec.falloff_m)


def ridged(x: F64, z: F64, seed: int, octaves: int, sharp: float) -> F64:
    """0..1: ridges on ridges; each octave is stronger where the last was high."""
    wx = x + 0.35 * noise2(x * 0.7 + 3.1, z * 0.7, seed + 11)
    wz = z + 0.35 * noise2(x * 0.7, z * 0.7 + 9.2, seed + 12)
    total, weight, share, norm = np.zeros(x.shape), np.ones(x.shape), 0.5, 0.0
    for k in range(octaves):
        n = noise2(wx * 2.03**k + 5.3 * k, wz * 2.03**k - 8.1 * k, seed + k)
        rolling, crest = 0.5 + 0.5 * n, (1 - np.minimum(np.abs(n), 1.0)) ** 2
        value = rolling * (1 - sharp) + crest * sharp
        total += value * weight * share
        norm += share
        weight = np.clip(value * 1.7, 0.0, 1.0)
        share *= 0.5
    return total / norm


def _shifted(a: F64, dz: int, dx: int) -> F64:
    return np.roll(a, (dz, dx), (0, 1))


def _cut(y: F64, cell_m: float, strength: float) -> F64:
    """Water runs downhill, gathers, and cuts."""
    ways = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
    far = [cell_m * np.hypot(*w) for w in ways]
    drop = [np.maximum((y - _shifted(y, *w)) / f, 0.0) for w, f in zip(ways, far, strict=True)]
    total = sum(d**1.5 for d in drop) + 1e-9
    share = [d**1.5 / total for d in drop]
    water, sum_ = np.ones_like(y), np.ones_like(y)
    for _ in range(FLOW_STEPS):
        moved = np.zeros_like(y)
        for w, s in zip(ways, share, strict=True):
            moved += _shifted(water * s, -w[0], -w[1])
        water = moved
        sum_ += water
    steep = np.maximum.reduce(drop)
    area = np.sqrt(sum_) * cell_m
    return y - strength * np.minimum(0.055 * area * steep, 0.09 * np.ptp(y) + 1e-9)


def _slide(y: F64, cell_m: float, steepest: float, times: int) -> F64:
    """Slopes beyond `steepest` give way."""
    limit = steepest * cell_m
    for _ in range(times):
        for w in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            over = np.maximum(y - _shifted(y, *w) - limit, 0.0) * 0.25
            y = y - over + _shifted(over, -w[0], -w[1])
    return y


def make_terrain(
    spec: TerrainSpec, seed: int, ground: GroundAt, eye: tuple[float, float], seats: tuple[Seat, ...] = ()
) -> Terrain:
    """The land of one block. ground: what it rises from. seats: made level on it, where they lie on it."""
    if spec.polygon_m is not None:
        outline, reach = np.array(spec.polygon_m, float), 0.0
    else:
        outline, reach = line_of(spec, eye), 1.3 * spec.falloff_m
    low, high = outline.min(0) - reach - 2.0, outline.max(0) + reach + 2.0
    area = float(np.prod(high - low))
    cell = spec.cell_m or max(0.5, round(float(np.sqrt(area / USUAL_CELLS)), 2))
    cell = max(cell, float(np.sqrt(area / MOST_CELLS)))
    # the grid lies in the world, whatever the outline
    first = np.floor(low / cell).astype(int)
    last = np.ceil(high / cell).astype(int)
    xs, zs = (np.arange(first[k], last[k] + 1) * cell for k in (0, 1))
    x, z = np.meshgrid(xs, zs)
    mask = _mask(spec, x, z, eye, seed)
    octaves = int(np.clip(np.log2(spec.scale_m / cell), 3, 9))
    shape = ridged(x / spec.scale_m, z / spec.scale_m, seed, octaves, 0.25 + 0.75 * spec.roughness)
    rough = 0.25 + 0.6 * spec.roughness
    shape = (1 - rough) + rough * np.clip((shape - 0.18) / 0.55, 0.0, 1.25)
    rise = spec.height_m * mask * shape
    for _ in range(2):
        rise = np.maximum(_cut(rise, cell, 0.4 + 0.6 * spec.roughness), 0.0)
    rise = _slide(rise, cell, 0.75 + 1.1 * spec.roughness, 6) * smooth(mask * 8)
    base = ground(x.ravel(), z.ravel()).reshape(x.shape)
    y = base + rise
    for seat in seats:
        y = _levelled(y, x, z, seat)
    y = y - SUNK_M * (1 - smooth((y - base) / 2.0))
    return Terrain(spec.name, xs, zs, np.where(mask > 1e-6, y, np.nan), y - base, cell)


def _levelled(y: F64, x: F64, z: F64, seat: Seat) -> F64:
    away = np.hypot(x - seat.x, z - seat.z)
    near = away < seat.radius_m
    if not near.any():
        return y
    level = float(np.quantile(y[near], 0.6))
    # not a table: a little of the land's own stays
    share = smooth(1 - (away - seat.radius_m) / seat.blend_m)
    return y + (level + 0.12 * (y - level) - y) * share


def surface_of(
    terrain: Terrain, spec: TerrainSpec, seed: int
) -> tuple[F32, NDArray[np.int32], F32, F32, F32, NDArray[np.int16]]:
    """vertices, triangles, normal, albedo, open, surface of the land's mesh; triangles wholly in the ground are left
    out."""
    from composer.environment.model import SURFACE

    y = terrain.y_m
    m, n = y.shape
    filled = np.where(np.isfinite(y), y, np.nanmin(y))
    gz, gx = np.gradient(filled, terrain.cell_m)
    normal = np.stack([-gx, np.ones_like(gx), -gz], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    x, z = np.meshgrid(terrain.x_m, terrain.z_m)
    broad = noise2(x / 26, z / 26, seed + 41) + 0.5 * noise2(x / 9, z / 9, seed + 42)
    steep = 1 - normal[..., 1]
    rocky = smooth((steep - 0.20 - 0.13 * broad + 0.25 * (0.5 - spec.roughness)) / 0.16)
    albedo = np.array(spec.turf) * (1 - rocky[..., None]) + np.array(spec.rock) * rocky[..., None]
    albedo = albedo * (1 + 0.18 * broad[..., None])
    open_ = np.clip(1 - 0.9 * (_blurred(filled, 4) - filled) / (6 * terrain.cell_m), 0.35, 1.0)
    index = np.arange(m * n).reshape(m, n)
    a, b, c, d = (v.ravel() for v in (index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]))
    flip = (np.add.outer(np.arange(m - 1), np.arange(n - 1)) % 2 == 0).ravel()
    one = np.where(flip[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    two = np.where(flip[:, None], np.stack([c, b, d], 1), np.stack([a, d, c], 1))
    triangle = np.concatenate([one, two])
    out = np.isfinite(y).ravel() & (terrain.rise_m.ravel() > -SUNK_M * 0.98)
    known = np.isfinite(y).ravel()[triangle].all(1) & out[triangle].any(1)
    triangle = triangle[known]
    vertices = np.stack([x, filled, z], axis=-1).reshape(-1, 3)
    kind = np.where(rocky.ravel()[triangle].mean(1) > 0.5, SURFACE["rock"], SURFACE["turf"])
    used, back = np.unique(triangle, return_inverse=True)
    return (
        vertices[used].astype(np.float32), back.reshape(-1, 3).astype(np.int32),
        normal.reshape(-1, 3)[used].astype(np.float32), albedo.reshape(-1, 3)[used].astype(np.float32),
        open_.ravel()[used].astype(np.float32), kind.astype(np.int16),
    )  # fmt: skip


def _blurred(a: F64, times: int) -> F64:
    for _ in range(times):
        for axis in (0, 1):
            a = 0.5 * a + 0.25 * (np.roll(a, 1, axis) + np.roll(a, -1, axis))
    return a

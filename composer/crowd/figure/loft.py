"""Closed parts by code: rings joined into tubes, flat plates, sheets with two sides; smooth or hard edged, skinned to two joints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from typing import ParamSpec

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import MATERIALS, Mesh
from composer.crowd.seeds import hash01
from composer.crowd.skeleton import JOINT, SKELETON, mirrored_name

F64 = NDArray[np.float64]
#: Joints [V, 2] and the share of the first [V] for points [V, 3].
Skin = Callable[[F64], tuple[NDArray[np.int16], F64]]
MATERIAL: dict[str, int] = {name: i for i, name in enumerate(MATERIALS)}


_P = ParamSpec("_P")
#: How coarse parts are built now: 0 full, then about 700, 250 and 110 triangles a figure. Set by `coarseness`.
_LEVEL: ContextVar[int] = ContextVar("level", default=0)
#: Per level: rows that lie within this of a straight line between their neighbours are left out (metres).
_ROW_TOLERANCE_M = (0.0, 0.017, 0.045, 0.09)
#: Per level: how far parts are pushed out for the small ones that are left out, so that the figure's area stays.
_PUSH_M = (0.0, 0.0048, 0.0180, 0.0330)


@contextmanager
def coarseness(level: int) -> Iterator[None]:
    """Parts built inside are that coarse: fewer rows, fewer columns, as wide on average as the full ones."""
    token = _LEVEL.set(level)
    try:
        yield
    finally:
        _LEVEL.reset(token)


def shared(build: Callable[_P, list[Mesh]]) -> Callable[_P, list[Mesh]]:
    """Parts are built once for each set of arguments and level; kits and builds share them."""

    @lru_cache(maxsize=None)
    def at_level(level: int, args: tuple[object, ...], named: tuple[tuple[str, object], ...]) -> tuple[Mesh, ...]:
        return tuple(build(*args, **dict(named)))

    @wraps(build)
    def cached(*args: _P.args, **named: _P.kwargs) -> list[Mesh]:
        return list(at_level(_LEVEL.get(), args, tuple(sorted(named.items()))))

    return cached


def shared_part(build: Callable[_P, Mesh]) -> Callable[_P, Mesh]:
    """`shared` for a function that builds one part."""
    parts = shared(lambda *args, **named: [build(*args, **named)])
    return wraps(build)(lambda *args, **named: parts(*args, **named)[0])


def rigid(joint: str) -> Skin:
    """All on one joint."""
    number = JOINT[joint]

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        return np.full((len(points), 2), number, np.int16), np.ones(len(points))

    return skin


def chain(joints: Sequence[str], cuts: Sequence[float], axis: Sequence[float], blend: Sequence[float]) -> Skin:
    """Along `axis` (a direction; its dot with a point is compared with `cuts`) one joint follows another, blended
    over `blend` metres about each cut. Later joints lie further along the axis."""
    numbers = np.array([JOINT[j] for j in joints])
    direction, at = np.array(axis, np.float64), np.array(cuts, np.float64)
    half = np.array(blend, np.float64) / 2

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        along = points @ direction
        nearest = np.argmin(np.abs(along[:, None] - at[None]), axis=1)
        t = np.clip((along - at[nearest]) / half[nearest] * 0.5 + 0.5, 0.0, 1.0)
        later = t * t * (3.0 - 2.0 * t)
        pair = np.stack([numbers[nearest], numbers[nearest + 1]], axis=-1)
        return pair.astype(np.int16), 1.0 - later

    return skin


@dataclass(frozen=True)
class Ring:
    """One cross-section: centre, half widths to the side and to front and back (or top and bottom), squareness
    (2 an ellipse, more a box) and the material of the band that starts here."""

    centre: tuple[float, float, float]
    side: float
    front: float
    back: float
    power: float = 2.0
    material: str = ""


def ring_points(ring: Ring, count: int, side: F64, front: F64, start: float = 0.0) -> F64:
    """`count` points [count, 3] of a ring in the plane of unit `side` and `front`, as wide on average as the true curve."""
    angle = (np.arange(count) + start) / count * 2 * np.pi
    c, s = np.cos(angle), np.sin(angle)
    if ring.power != 2.0:
        c, s = (np.sign(v) * np.abs(v) ** (2.0 / ring.power) for v in (c, s))
    wide = (np.pi / count) / np.sin(np.pi / count)
    depth = np.where(s > 0, ring.front, ring.back)
    return np.array(ring.centre) + wide * (ring.side * c[:, None] * side + (depth * s)[:, None] * front)


def _smooth_normals(position: F64, triangle: NDArray[np.int64]) -> F64:
    """Angle-weighted vertex normals; zero where no triangle is."""
    corner = position[triangle]
    face = _cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    face /= np.maximum(np.sqrt(np.sum(face * face, -1, keepdims=True)), 1e-12)
    edge = np.roll(corner, -1, axis=1) - corner
    edge /= np.maximum(np.sqrt(np.sum(edge * edge, -1, keepdims=True)), 1e-12)
    angle = np.arccos(np.clip(-np.sum(edge * np.roll(edge, 1, axis=1), -1), -1.0, 1.0))
    share = (face[:, None] * angle[..., None]).reshape(-1, 3)
    index = triangle.ravel()
    normal = np.stack([np.bincount(index, share[:, k], len(position)) for k in range(3)], -1)
    return normal / np.maximum(np.sqrt(np.sum(normal * normal, -1, keepdims=True)), 1e-12)


def _cross(a: F64, b: F64) -> F64:
    """np.cross for [N, 3], without its overhead."""
    out = np.empty_like(a)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def part(position: F64, triangle: NDArray[np.int64], material: NDArray[np.int64], skin: Skin,
         hard: bool | NDArray[np.bool_] = False, lean: F64 | None = None) -> Mesh:
    """A part from points and triangles. hard: every edge (True), or per triangle: hard triangles keep their own normals.
    lean [V, 3] is added to the smooth normals.

    Turned inside out where its signed volume is negative, so that triangles are counter-clockwise seen from outside.
    """
    corner = position[triangle]
    middle = position.mean(0)
    volume = np.sum(_cross(corner[:, 0] - middle, corner[:, 1] - middle) * (corner[:, 2] - middle))
    if volume < 0:
        triangle = triangle[:, ::-1]
    faces = np.broadcast_to(np.asarray(hard), (len(triangle),))
    soft, stiff = triangle[~faces], triangle[faces]
    smooth = _smooth_normals(position, soft)
    if lean is not None:
        smooth = smooth + lean
        smooth /= np.maximum(np.sqrt(np.sum(smooth * smooth, -1, keepdims=True)), 1e-12)
    points, normals, order = [position], [smooth], [soft]
    if len(stiff):
        corner = position[stiff]
        flat = _cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        flat /= np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-12)
        points.append(corner.reshape(-1, 3))
        normals.append(np.repeat(flat, 3, axis=0))
        order.append(len(position) + np.arange(3 * len(stiff)).reshape(-1, 3))
    position, normal, triangle = np.concatenate(points), np.concatenate(normals), np.concatenate(order)
    material = np.concatenate([material[~faces], material[faces]])
    used = np.zeros(len(position), bool)
    used[triangle] = True
    index = (np.cumsum(used) - 1)[triangle]
    position, normal = position[used], normal[used]
    joint, weight = skin(position)
    return Mesh(
        position.astype(np.float32), normal.astype(np.float32), joint, weight.astype(np.float32),
        index.reshape(-1, 3).astype(np.int32), material.astype(np.int16))


def merge(parts: Sequence[Mesh]) -> Mesh:
    """One mesh of many parts."""
    start = np.cumsum([0] + [len(p.position_m) for p in parts[:-1]])
    return Mesh(
        np.concatenate([p.position_m for p in parts]), np.concatenate([p.normal for p in parts]),
        np.concatenate([p.joint for p in parts]), np.concatenate([p.weight for p in parts]),
        np.concatenate([p.triangle + np.int32(s) for p, s in zip(parts, start, strict=True)]),
        np.concatenate([p.material for p in parts]))


def _width(count: int) -> float:
    """How much a polygon must grow to be as wide on average as its circle."""
    return float((np.pi / count) / np.sin(np.pi / count))


def _rows_to_keep(rows: F64, change: NDArray[np.bool_], tolerance_m: float) -> list[int]:
    """Rows [R] without which the shape would change by more than the tolerance; first, last and `change` always."""
    keep = [0, *(int(r) for r in np.flatnonzero(change[1:-1]) + 1), len(rows) - 1]
    done = False
    while not done:
        done = True
        for a, b in zip(keep[:-1], keep[1:], strict=True):
            if b - a < 2:
                continue
            share = (np.arange(a + 1, b) - a)[:, None, None] / (b - a)
            middle, ends = rows[a + 1 : b].mean(1), (rows[a].mean(0), rows[b].mean(0))
            length = float(np.sum((ends[1] - ends[0]) ** 2))
            if length > 1e-6:
                share = np.clip(((middle - ends[0]) @ (ends[1] - ends[0])) / length, 0.0, 1.0)[:, None, None]
            off = np.abs(rows[a] * (1 - share) + rows[b] * share - rows[a + 1 : b]).max((1, 2))
            if off.max() > tolerance_m:
                keep = sorted({*keep, a + 1 + int(np.argmax(off))})
                done = False
                break
    return keep


def _fewer(paint: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Paint [R, S] at some columns, with each colour's share of every row (and of all rows together) kept."""
    out, owed = paint[:, columns].copy(), 0.0
    for row, full in zip(out, paint, strict=True):
        colours = np.unique(full)
        if len(colours) != 2:
            continue
        exact = float(np.mean(full == colours[1])) * len(row) + owed
        want = int(np.clip(round(exact), 0, len(row)))
        owed = exact - want
        spread = np.mod(np.arange(len(row)) * 0.618034, 1.0)
        order = np.argsort(2.0 * (row != colours[1]) + spread)
        row[order[:want]], row[order[want:]] = colours[1], colours[0]
    return out


def _coarser(rows: F64, paint: NDArray[np.int64], creases: Sequence[int], level: int, grow: bool) -> tuple[F64, NDArray[np.int64], tuple[int, ...]]:
    """The same tube with fewer rows and columns; paint [R - 1, S]."""
    around = rows.shape[1]
    change = np.zeros(len(rows), bool)
    change[1:-1] = (paint[1:] != paint[:-1]).any(1)
    close = np.append(np.abs(np.diff(rows, axis=0)).max((1, 2)) < 0.02, False)
    change &= ~close if level >= 2 else level < 3
    keep = _rows_to_keep(rows, change, _ROW_TOLERANCE_M[level])
    count = around if around <= 4 else max(4, round(around * 0.5)) if level == 1 else 5 if around >= 16 and level == 2 else 4 if around >= 10 else 3
    columns = np.round(np.arange(count) * around / count).astype(int)
    picked = rows[keep][:, columns]
    if grow:
        centre = rows[keep].mean(1, keepdims=True)
        radius = np.linalg.norm(rows[keep] - centre, axis=-1).mean(1)[:, None, None]
        picked = centre + (picked - centre) * (_width(count) / _width(around) + _PUSH_M[level] / (radius + 0.04))
    new = {r: i for i, r in enumerate(keep)}
    return picked, _fewer(paint[keep[:-1]], columns), tuple(new[r] for r in creases if r in new and level == 1)


def tube(rows: F64, band: Sequence[str] | NDArray[np.int64], skin: Skin, *, caps: tuple[str, str] = ("flat", "flat"),
         hard: bool = False, creases: Sequence[int] = (), cap_material: tuple[str, str] = ("", ""),
         cap_lift: tuple[float, float] = (0.0, 0.0), roll: float = 0.0, grow: bool = True) -> Mesh:
    """A closed tube through rings `rows` [R, S, 3].

    band: the material of each of the R - 1 bands, or an array of material numbers [R - 1, S]. caps: per end 'flat' (hard
    edged), 'round' (one smooth surface with the side); cap_material names theirs where it is not the band's,
    cap_lift how far up their middles lie. creases: rows at which the surface has a hard edge;
    roll > 0 shades each band between creases as if it bulged, like hoops of lamellae. grow: coarse levels
    widen the tube by what its polygon loses.
    """
    if isinstance(band, np.ndarray):
        bands = band.astype(np.int64)
    else:
        bands = np.repeat(np.array([[MATERIAL[m]] for m in band]), rows.shape[1], axis=1)
    if level := _LEVEL.get():
        rows, bands, creases = _coarser(rows, bands, creases, level, grow)
        caps, roll = ("flat", "flat") if level >= 2 else caps, 0.0
    count, around = rows.shape[:2]
    paint = bands.reshape(-1)
    position = [rows.reshape(-1, 3)]
    row = np.arange(count)[:, None] * around
    lower, upper = row.copy(), row.copy()
    extra = count * around
    for r in creases:
        upper[r] = extra
        position.append(rows[r])
        extra += around
    k = np.arange(around)
    n = (k + 1) % around
    a, b = upper[:-1] + k, upper[:-1] + n
    c, d = lower[1:] + k, lower[1:] + n
    triangles = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    material = [paint, paint]
    is_hard = [np.full(2 * len(paint), hard)]
    for end, style in enumerate(caps):
        ring = rows[-end]
        base = (lower if end else upper)[-end, 0]
        if style == "flat" and not hard:
            position.append(ring)
            base = extra
            extra += around
        fan = np.stack([np.full(around - 2, base), base + k[1:-1], base + n[1:-1]], -1)
        if (style == "round" or around > 6 or cap_lift[end]) and _LEVEL.get() < 2:
            position.append(ring.mean(0, keepdims=True) + np.array([0.0, cap_lift[end], 0.0]))
            fan = np.stack([np.full(around, extra), base + k, base + n], -1)
            extra += 1
        triangles.append(fan if end else fan[:, ::-1])
        own = cap_material[end]
        material.append(np.full(len(fan), MATERIAL[own] if own else paint[-1] if end else paint[0]))
        is_hard.append(np.full(len(fan), hard))
    points = np.concatenate(position)
    lean = None
    if roll:
        up = rows[-1].mean(0) - rows[0].mean(0)
        up *= roll / np.linalg.norm(up)
        lean = np.zeros_like(points)
        for r in (*creases, count - 1):
            lean[r * around : (r + 1) * around] = up
        for start in (0, *(int(upper[r, 0]) for r in creases)):
            lean[start : start + around] = -up
    return part(points, np.concatenate(triangles), np.concatenate(material), skin, np.concatenate(is_hard), lean)


def loft(rings: Sequence[Ring], count: int, skin: Skin, *, side: tuple[float, float, float] = (1, 0, 0),
         front: tuple[float, float, float] = (0, 0, -1), start: float = 0.0, caps: tuple[str, str] = ("flat", "flat"),
         hard: bool = False, creases: Sequence[int] = (), cap_material: tuple[str, str] = ("", ""), roll: float = 0.0) -> Mesh:
    """A tube through elliptical rings; each band has the material of the ring that it starts at."""
    s, f = np.array(side, np.float64), np.array(front, np.float64)
    rows = np.stack([ring_points(r, count, s, f, start) for r in rings])
    return tube(rows, [r.material for r in rings[:-1]], skin, caps=caps, hard=hard, creases=creases, cap_material=cap_material, roll=roll)


def sheet(grid: F64, material: str | NDArray[np.int64], skin: Skin, thickness_m: float = 0.012, outward: F64 | None = None) -> Mesh:
    """A thin closed sheet over `grid` [R, C, 3] with both sides; `outward` [3] tells which side is out (default: from
    the grid's own winding). Its border is sharp: both sides meet there."""
    if level := _LEVEL.get():
        keep_r = np.unique(np.round(np.linspace(0, len(grid) - 1, (7, 5, 3, 2)[level])).astype(int))
        keep_c = np.unique(np.round(np.linspace(0, grid.shape[1] - 1, (7, 6, 4, 3)[level])).astype(int))
        grid = grid[keep_r][:, keep_c]
        grid = grid.mean((0, 1)) + (grid - grid.mean((0, 1))) * (1.0, 1.02, 1.06, 1.10)[level]
        if not isinstance(material, str):
            material = material[np.ix_(keep_r[:-1], keep_c[:-1])]
    rows, columns = grid.shape[:2]
    k = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = k[:-1, :-1].ravel(), k[:-1, 1:].ravel(), k[1:, :-1].ravel(), k[1:, 1:].ravel()
    face = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)])
    points = grid.reshape(-1, 3)
    normal = _smooth_normals(points, face)
    if outward is not None and np.sum(normal @ outward) < 0:
        face, normal = face[:, ::-1], -normal
    inner = np.zeros((rows, columns), bool)
    inner[1:-1, 1:-1] = True
    behind = points - normal * (thickness_m * inner.ravel())[:, None]
    number = np.full((rows - 1) * (columns - 1), MATERIAL[material]) if isinstance(material, str) else material.ravel()
    position = np.concatenate([points, behind])
    joint, weight = skin(position)
    triangle = np.concatenate([face, face[:, ::-1] + len(points)])
    return Mesh(
        position.astype(np.float32), np.concatenate([normal, -normal]).astype(np.float32), joint,
        weight.astype(np.float32), triangle.astype(np.int32), np.tile(number, 4).astype(np.int16))


def box(centre: Sequence[float], half: Sequence[float], material: str, skin: Skin, axes: F64 | None = None,
        taper: float = 1.0) -> Mesh:
    """A box with hard edges, half sizes along `axes` rows [3, 3]; the end along the second axis is scaled by `taper`."""
    frame = np.eye(3) if axes is None else axes
    rows = []
    for t, scale in ((-1.0, 1.0), (1.0, taper)):
        corners = [(-scale, t, -scale), (scale, t, -scale), (scale, t, scale), (-scale, t, scale)]
        rows.append([np.array(centre) + (np.array(c) * np.array(half)) @ frame for c in corners])
    return tube(np.array(rows), [material], skin, hard=True)


def rumpled(mesh: Mesh, amount: float, cell_m: float = 0.004) -> Mesh:
    """The same part with its normals stirred (about `amount` radians) by a hash of their place: mail, wool and felt are not
    smooth. The same place has the same normal, so edges between smooth triangles stay smooth."""
    cell = np.round(mesh.position_m / cell_m).astype(np.int64)
    key = (cell[:, 0] * 73856093 ^ cell[:, 1] * 19349663 ^ cell[:, 2] * 83492791) & 0xFFFFFFFF
    shake = np.stack([hash01(key, f"rumple {c}") for c in "xyz"], -1) - np.float32(0.5)
    normal = mesh.normal + np.float32(2.0 * amount) * shake
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return replace(mesh, normal=normal.astype(np.float32))


def mirrored(mesh: Mesh) -> Mesh:
    """The same part on the other side of the body: x turned round, triangles reversed, left joints for right ones."""
    swap = np.array([JOINT[mirrored_name(n)] for n in SKELETON.names], np.int16)
    flip = np.array([-1, 1, 1], np.float32)
    return Mesh(
        mesh.position_m * flip, mesh.normal * flip, swap[mesh.joint], mesh.weight,
        np.ascontiguousarray(mesh.triangle[:, ::-1]), mesh.material)

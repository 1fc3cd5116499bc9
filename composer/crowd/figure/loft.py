"""Closed parts by code: rings joined into tubes, plates, two-sided sheets; smooth or hard edged, skinned to two
joints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import MATERIALS, Mesh
from composer.crowd.figure.coarse import coarser, coarser_grid, level, mean_width
from composer.crowd.seeds import hash01
from composer.crowd.skeleton import JOINT, SKELETON, mirrored_name

F64 = NDArray[np.float64]
#: Joints [V, 2] and the share of the first [V] for points [V, 3].
Skin = Callable[[F64], tuple[NDArray[np.int16], F64]]
MATERIAL: dict[str, int] = {name: i for i, name in enumerate(MATERIALS)}


def rigid(joint: str, numbers: Mapping[str, int] = JOINT) -> Skin:
    """All on one joint. numbers: of the skeleton's joints."""
    number = numbers[joint]

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        return np.full((len(points), 2), number, np.int16), np.ones(len(points))

    return skin


def chain(
    joints: Sequence[str], cuts: Sequence[float], axis: Sequence[float], blend: Sequence[float],
    numbers: Mapping[str, int] = JOINT,
) -> Skin:  # fmt: skip
    """Along `axis` (a direction; its dot with a point is compared with `cuts`) one joint follows another, blended
    over `blend` metres about each cut. Later joints lie further along the axis. numbers: of the skeleton's joints."""
    row = np.array([numbers[j] for j in joints])
    direction, at = np.array(axis, np.float64), np.array(cuts, np.float64)
    half = np.array(blend, np.float64) / 2

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        along = points @ direction
        nearest = np.argmin(np.abs(along[:, None] - at[None]), axis=1)
        t = np.clip((along - at[nearest]) / half[nearest] * 0.5 + 0.5, 0.0, 1.0)
        later = t * t * (3.0 - 2.0 * t)
        pair = np.stack([row[nearest], row[nearest + 1]], axis=-1)
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


@cache
def _around(count: int, start: float, power: float) -> tuple[F64, F64]:
    """Cosine and sine, squared off by `power`, of `count` steps round a circle."""
    angle = (np.arange(count) + start) / count * 2 * np.pi
    c, s = np.cos(angle), np.sin(angle)
    if power != 2.0:
        c, s = (np.sign(v) * np.abs(v) ** (2.0 / power) for v in (c, s))
    return c, s


def ring_points(ring: Ring, count: int, side: F64, front: F64, start: float = 0.0) -> F64:
    """`count` points [count, 3] of a ring in the plane of unit `side` and `front`, as wide on average as the true
    curve."""
    c, s = _around(count, start, ring.power)
    wide = mean_width(count)
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


def part(
    position: F64,
    triangle: NDArray[np.int64],
    material: NDArray[np.int64],
    skin: Skin,
    hard: bool | NDArray[np.bool_] = False,
    lean: F64 | None = None,
) -> Mesh:
    """A part from points and triangles. hard: every edge (True), or per triangle: hard triangles keep their own
    normals.
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
        position.astype(np.float32),
        normal.astype(np.float32),
        joint,
        weight.astype(np.float32),
        index.reshape(-1, 3).astype(np.int32),
        material.astype(np.int16),
    )


def merge(parts: Sequence[Mesh]) -> Mesh:
    """One mesh of many parts."""
    start = np.cumsum([0] + [len(p.position_m) for p in parts[:-1]])
    return Mesh(
        np.concatenate([p.position_m for p in parts]),
        np.concatenate([p.normal for p in parts]),
        np.concatenate([p.joint for p in parts]),
        np.concatenate([p.weight for p in parts]),
        np.concatenate([p.triangle + np.int32(s) for p, s in zip(parts, start, strict=True)]),
        np.concatenate([p.material for p in parts]),
    )


def tube(
    rows: F64,
    band: Sequence[str] | NDArray[np.int64],
    skin: Skin,
    *,
    caps: tuple[str, str] = ("flat", "flat"),
    hard: bool = False,
    creases: Sequence[int] = (),
    cap_material: tuple[str, str] = ("", ""),
    cap_lift: tuple[float, float] = (0.0, 0.0),
    roll: float = 0.0,
    grow: bool = True,
    columns: Sequence[int] = (),
) -> Mesh:
    """A closed tube through rings `rows` [R, S, 3].

    band: the material of each of the R - 1 bands, or an array of material numbers [R - 1, S]. caps: per end 'flat'
    (hard edged), 'round' (one smooth surface with the side); cap_material names theirs where it is not the band's,
    cap_lift how far up their middles lie. creases: rows at which the surface has a hard edge;
    roll > 0 shades each band between creases as if it bulged, like hoops of lamellae. grow: coarse levels
    widen the tube by what its polygon loses. columns: how many points of a ring each coarse level keeps, if not the usual.
    """
    if isinstance(band, np.ndarray):
        bands = band.astype(np.int64)
    else:
        bands = np.repeat(np.array([[MATERIAL[m]] for m in band]), rows.shape[1], axis=1)
    if at_level := level():
        rows, bands, creases = coarser(rows, bands, creases, at_level, grow, columns)
        caps, roll = ("flat", "flat") if at_level >= 2 else caps, 0.0
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
        if (style == "round" or around > 6 or cap_lift[end]) and level() < 2:
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


def loft(
    rings: Sequence[Ring],
    count: int,
    skin: Skin,
    *,
    side: tuple[float, float, float] = (1, 0, 0),
    front: tuple[float, float, float] = (0, 0, -1),
    start: float = 0.0,
    caps: tuple[str, str] = ("flat", "flat"),
    hard: bool = False,
    creases: Sequence[int] = (),
    cap_material: tuple[str, str] = ("", ""),
    roll: float = 0.0,
) -> Mesh:
    """A tube through elliptical rings; each band has the material of the ring that it starts at."""
    s, f = np.array(side, np.float64), np.array(front, np.float64)
    rows = np.stack([ring_points(r, count, s, f, start) for r in rings])
    return tube(
        rows,
        [r.material for r in rings[:-1]],
        skin,
        caps=caps,
        hard=hard,
        creases=creases,
        cap_material=cap_material,
        roll=roll,
    )


def sheet(
    grid: F64, material: str | NDArray[np.int64], skin: Skin, thickness_m: float = 0.012, outward: F64 | None = None
) -> Mesh:
    """A thin closed sheet over `grid` [R, C, 3] with both sides; `outward` [3] tells which side is out (default: from
    the grid's own winding). Its border is sharp: both sides meet there."""
    if isinstance(material, str):
        paint = np.full((grid.shape[0] - 1, grid.shape[1] - 1), MATERIAL[material])
    else:
        paint = material.astype(np.int64)
    if at_level := level():
        grid, paint = coarser_grid(grid, paint, at_level)
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
    position = np.concatenate([points, behind])
    joint, weight = skin(position)
    triangle = np.concatenate([face, face[:, ::-1] + len(points)])
    return Mesh(
        position.astype(np.float32),
        np.concatenate([normal, -normal]).astype(np.float32),
        joint,
        weight.astype(np.float32),
        triangle.astype(np.int32),
        np.tile(paint.ravel(), 4).astype(np.int16),
    )


def box(
    centre: Sequence[float],
    half: Sequence[float],
    material: str,
    skin: Skin,
    axes: F64 | None = None,
    taper: float = 1.0,
) -> Mesh:
    """A box with hard edges, half sizes along `axes` rows [3, 3]; the end along the second axis is scaled by
    `taper`."""
    frame = np.eye(3) if axes is None else axes
    rows = []
    for t, scale in ((-1.0, 1.0), (1.0, taper)):
        corners = [(-scale, t, -scale), (scale, t, -scale), (scale, t, scale), (-scale, t, scale)]
        rows.append([np.array(centre) + (np.array(c) * np.array(half)) @ frame for c in corners])
    return tube(np.array(rows), [material], skin, hard=True)


def rumpled(mesh: Mesh, amount: float, cell_m: float = 0.004) -> Mesh:
    """The same part with its normals stirred (about `amount` radians) by a hash of their place: mail, wool and felt
    are not
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
        mesh.position_m * flip,
        mesh.normal * flip,
        swap[mesh.joint],
        mesh.weight,
        np.ascontiguousarray(mesh.triangle[:, ::-1]),
        mesh.material,
    )

"""Building with a few solids: faces, boxes, beams, rings and sheets gathered into one shape, each face with the metres
that its detail is read in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from composer.environment.model import SURFACE

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Faces are divided so that what lights them varies within this.
CELL_M = 1.2


@dataclass(frozen=True)
class Shape:
    """A finished shape in its own space, metres, feet on y = 0, front towards -Z. vertices, normal, albedo, uv: float32
    [V, 3]; triangles: int32 [T, 3]; surface: int16 [T]."""

    vertices: F32
    triangles: NDArray[np.int32]
    normal: F32
    albedo: F32
    uv: F32
    surface: NDArray[np.int16]


@dataclass
class Builder:
    """Gathers faces. `sheet` numbers walls so that no two show the same stones."""

    cell_m: float = CELL_M
    sheet: int = 0
    _parts: list[tuple[F64, NDArray[np.int64], F64, F64, F64, NDArray[np.int64]]] = field(default_factory=list)
    _count: int = 0

    def grid(
        self, points: F64, surface: str, albedo: ArrayLike, *, uv: F64 | None = None, smooth: bool = False,
        both: bool = False,
    ) -> None:  # fmt: skip
        """A sheet of points [M, N, 3], seen from the side where rows go up and columns go right. both: from behind
        too."""
        m, n = points.shape[:2]
        if uv is None:
            across = np.linalg.norm(np.diff(points, axis=1), axis=2).mean(0)
            up = np.linalg.norm(np.diff(points, axis=0), axis=2).mean(1)
            u, v = np.append(0, np.cumsum(across)), np.append(0, np.cumsum(up))
            uv = np.stack([np.broadcast_to(u, (m, n)), np.broadcast_to(v[:, None], (m, n)), np.zeros((m, n))], axis=-1)
        uv = uv + np.array([0.0, 0.0, 1.0]) * self.sheet
        self.sheet += 1
        rows, columns = np.gradient(points, axis=0), np.gradient(points, axis=1)
        normal = np.cross(columns, rows)
        if not smooth:
            normal = np.broadcast_to(normal.mean((0, 1)), normal.shape)
        normal = normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12)
        i = np.arange(m * n).reshape(m, n)
        a, b, c, d = (x.ravel() for x in (i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]))
        triangle = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
        self.add(points.reshape(-1, 3), triangle, normal.reshape(-1, 3), albedo, uv.reshape(-1, 3), surface)
        if both:
            self.add(
                points.reshape(-1, 3), triangle[:, ::-1], -normal.reshape(-1, 3), albedo, uv.reshape(-1, 3), surface
            )

    def add(
        self, points: F64, triangle: NDArray[np.int64], normal: F64, albedo: ArrayLike, uv: F64, surface: str
    ) -> None:  # fmt: skip
        """Triangles as they are."""
        colour = np.broadcast_to(np.asarray(albedo, np.float64), points.shape)
        kind = np.full(len(triangle), SURFACE[surface])
        self._parts.append((points, np.asarray(triangle) + self._count, normal, colour, uv, kind))
        self._count += len(points)

    def quad(
        self, a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike, surface: str, albedo: ArrayLike,
        origin: tuple[float, float] = (0.0, 0.0),
    ) -> None:  # fmt: skip
        """A flat face, counter-clockwise from its lower left, divided into cells. origin: uv of its first corner."""
        a, b, c, d = (np.asarray(p, np.float64) for p in (a, b, c, d))
        wide = max(np.linalg.norm(b - a), np.linalg.norm(c - d))
        high = max(np.linalg.norm(d - a), np.linalg.norm(c - b))
        s = np.linspace(0, 1, max(2, int(np.ceil(wide / self.cell_m)) + 1))[None, :, None]
        t = np.linspace(0, 1, max(2, int(np.ceil(high / self.cell_m)) + 1))[:, None, None]
        points = (a * (1 - s) + b * s) * (1 - t) + (d * (1 - s) + c * s) * t
        uv = np.concatenate([origin[0] + s * wide + 0 * t, origin[1] + t * high + 0 * s, 0 * s * t], axis=2)
        self.grid(points, surface, albedo, uv=uv)

    def box(self, low: ArrayLike, high: ArrayLike, surface: str, albedo: ArrayLike, *, bottom: bool = False) -> None:
        """An upright box; courses of its sides count from y = 0."""
        (x0, y0, z0), (x1, y1, z1) = low, high  # type: ignore[misc]
        sides = [
            ((x1, z0), (x0, z0)), ((x0, z0), (x0, z1)), ((x0, z1), (x1, z1)), ((x1, z1), (x1, z0)),
        ]  # fmt: skip
        for (ax, az), (bx, bz) in sides:
            self.quad((ax, y0, az), (bx, y0, bz), (bx, y1, bz), (ax, y1, az), surface, albedo, (0.0, float(y0)))
        self.quad((x0, y1, z1), (x1, y1, z1), (x1, y1, z0), (x0, y1, z0), surface, albedo)
        if bottom:
            self.quad((x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1), surface, albedo)

    def beam(
        self, start: ArrayLike, end: ArrayLike, wide: float, thick: float, albedo: ArrayLike, surface: str = "wood"
    ) -> None:
        """A squared timber between two points."""
        p, q = np.asarray(start, np.float64), np.asarray(end, np.float64)
        along = q - p
        length = np.linalg.norm(along)
        along = along / length
        side = np.cross(along, [0.0, 1.0, 0.0] if abs(along[1]) < 0.9 else [0.0, 0.0, 1.0])
        side = side / np.linalg.norm(side)
        over = np.cross(side, along)
        s, o = side * wide / 2, over * thick / 2
        ring = [-s - o, s - o, s + o, -s + o]
        for i in range(4):
            j = (i + 1) % 4
            # u along the grain
            self.grid(
                np.stack([np.stack([p + ring[j], q + ring[j]]), np.stack([p + ring[i], q + ring[i]])])[::-1],
                surface, albedo,
            )  # fmt: skip
        for end_at, order in ((p, (0, 3, 2, 1)), (q, (0, 1, 2, 3))):
            a, b, c, d = (end_at + ring[k] for k in order)
            self.grid(np.stack([np.stack([a, b]), np.stack([d, c])]), surface, albedo)

    def lathe(
        self, profile: Sequence[tuple[float, float]], surface: str, albedo: ArrayLike, *, sides: int = 24,
        middle: tuple[float, float] = (0.0, 0.0), turn: tuple[float, float] = (0.0, 2 * np.pi), smooth: bool = True,
    ) -> None:  # fmt: skip
        """A surface of revolution about the upright axis through `middle` (x, z). profile: (radius, y), upwards on the
        outside; a sharp edge is a place given twice. turn: from and to, radians."""
        angle = np.linspace(*turn, sides + 1)
        for (r0, y0), (r1, y1) in pairwise(profile):
            length = float(np.hypot(r1 - r0, y1 - y0))
            if length < 1e-9:
                continue
            t = np.linspace(0, 1, max(2, int(np.ceil(length / self.cell_m)) + 1))
            r, y = r0 + (r1 - r0) * t, y0 + (y1 - y0) * t
            # seen from outside, columns go right as the angle falls
            x = middle[0] + r[:, None] * np.sin(-angle)
            z = middle[1] + r[:, None] * np.cos(-angle)
            points = np.stack([x, np.broadcast_to(y[:, None], x.shape), z], axis=-1)[:, ::-1]
            u = np.broadcast_to((angle * max(r0, r1)), x.shape)
            v = np.broadcast_to((y if abs(y1 - y0) > 0.3 * length else t * length)[:, None], x.shape)
            uv = np.stack([v, u, 0 * x] if surface == "wood" else [u, v, 0 * x], axis=-1)  # grain runs up
            out = np.stack([np.sin(-angle) * (y1 - y0), np.full_like(angle, r0 - r1), np.cos(-angle) * (y1 - y0)], -1)
            out = np.broadcast_to(out[::-1] / length, points.shape)
            self._ring(points, uv, out, surface, albedo, smooth)

    def _ring(self, points: F64, uv: F64, out: F64, surface: str, albedo: ArrayLike, smooth: bool) -> None:
        m, n = points.shape[:2]
        self.sheet += 1
        uv = uv + np.array([0.0, 0.0, 1.0]) * self.sheet
        if not smooth:
            for k in range(n - 1):
                self.grid(points[:, k : k + 2], surface, albedo, uv=uv[:, k : k + 2])
                self.sheet -= 1  # one sheet all round
            return
        i = np.arange(m * n).reshape(m, n)
        a, b, c, d = (x.ravel() for x in (i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]))
        triangle = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
        flat = points.reshape(-1, 3)
        edge = flat[triangle]
        turn = np.cross(edge[:, 1] - edge[:, 0], edge[:, 2] - edge[:, 0])
        good = np.linalg.norm(turn, axis=1) > 1e-12
        if (turn[good] * out.reshape(-1, 3)[triangle[good, 0]]).sum() < 0:
            triangle = triangle[:, ::-1]
        self.add(flat, triangle[good], out.reshape(-1, 3).copy(), albedo, uv.reshape(-1, 3), surface)

    def merge(self, shape: Shape, matrix: F64 | None = None) -> None:
        """Another shape, moved."""
        moved = shape if matrix is None else placed(shape, matrix)
        uv = moved.uv.astype(np.float64) + np.array([0.0, 0.0, 1.0]) * self.sheet
        self.sheet += 64
        self._parts.append(
            (
                moved.vertices.astype(np.float64),
                moved.triangles.astype(np.int64) + self._count,
                moved.normal.astype(np.float64),
                moved.albedo.astype(np.float64),
                uv,
                moved.surface.astype(np.int64),
            )
        )
        self._count += len(moved.vertices)

    def shape(self) -> Shape:
        """All of it."""
        points, triangle, normal, albedo, uv, kind = (np.concatenate(p) for p in zip(*self._parts, strict=True))
        return Shape(
            points.astype(np.float32), triangle.astype(np.int32), normal.astype(np.float32), albedo.astype(np.float32),
            uv.astype(np.float32), kind.astype(np.int16),
        )  # fmt: skip


def moved_by(x: float, y: float, z: float, heading_rad: float = 0.0, scale: ArrayLike = 1.0) -> F64:
    """float64 [4, 4]: scaled, turned (positive to the left, 0 keeps -Z ahead), put at x, y, z."""
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    out = np.eye(4)
    out[:3, :3] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) * np.broadcast_to(np.asarray(scale, float), 3)
    out[:3, 3] = x, y, z
    return out


def placed(shape: Shape, matrix: F64) -> Shape:
    """The shape in another space. Its detail keeps its size where the matrix scales."""
    turn = matrix[:3, :3]
    size = float(np.cbrt(abs(np.linalg.det(turn))))
    normal = shape.normal @ np.linalg.inv(turn).astype(np.float32)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    vertices = (shape.vertices.astype(np.float64) @ turn.T + matrix[:3, 3]).astype(np.float32)
    uv = shape.uv.copy()
    uv[:, :2] *= np.float32(size)
    return Shape(vertices, shape.triangles, normal.astype(np.float32), shape.albedo, uv, shape.surface)

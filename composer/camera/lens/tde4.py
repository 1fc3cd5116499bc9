"""3DEqualizer's lens models: classic, radial standard degree 4, anamorphic standard degree 4.

Each is a polynomial from the plate to the ideal picture, so `undistort` is closed form and `distort` iterates. They
live on the film: coordinates from the lens centre, x right and y up, divided by half the film back's diagonal.
Source: the formulas published with 3DEqualizer's Lens Distortion Plugin Kit (classic_ld_model,
radial_standard_degree_4 with its symmetric cylindric bending, anamorphic_standard_degree_4 with its rotation, squeeze
and pixel aspect).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from composer.camera.camera import Camera
from composer.camera.lens.plane import Array, Curve, Param, PlaneMap, at, forward, invert

LIMIT = 4.0  # half diagonals


@dataclass(frozen=True, kw_only=True)
class FilmLens:
    """A lens that is defined on a film back.

    filmback_mm: (width, height); centre_mm: the lens centre from the film back's middle, x right, y up. focal_mm:
    what one unit of normalised coordinates is on the film.
    Bound to a camera by `for_camera`: its focal length counts then, and its principal point, on this film back.
    """

    filmback_mm: tuple[float, float]
    focal_mm: Param
    centre_mm: tuple[float, float] = (0.0, 0.0)
    pixel_aspect: float = 1.0
    unit_mm: tuple[Param, Param] | None = None
    principal_mm: tuple[Param, Param] | None = None

    def map_at(self, frame: int) -> PlaneMap:
        raise NotImplementedError

    def for_camera(self, camera: Camera) -> Self:
        width, height = self.filmback_mm
        first, size = camera.first_frame, camera.size_px
        shift = (camera.centre_px / size - 0.5) * (width, -height)
        return replace(
            self,
            unit_mm=tuple(
                Curve(first, tuple((camera.focal_mm * s / c).tolist()))
                for s, c in zip(self.filmback_mm, camera.filmback_mm, strict=True)
            ),
            principal_mm=(Curve(first, tuple(shift[:, 0].tolist())), Curve(first, tuple(shift[:, 1].tolist()))),
        )

    def _frame(self, frame: int) -> tuple[Array, Array]:
        """Half diagonals in a unit of normalised coordinates (y down), and the principal point in half diagonals."""
        radius = math.hypot(*self.filmback_mm) / 2
        unit = self.unit_mm or (self.focal_mm, self.focal_mm)
        middle = self.principal_mm or self.centre_mm
        scale = np.array([at(unit[0], frame), -at(unit[1], frame)]) / radius
        return scale, (np.array([at(m, frame) for m in middle]) - self.centre_mm) / radius

    def distort(self, xy: Array, frame: int) -> Array:
        scale, shift = self._frame(frame)
        return (invert(self.map_at(frame), xy * scale + shift) - shift) / scale

    def undistort(self, xy: Array, frame: int) -> Array:
        scale, shift = self._frame(frame)
        return (forward(self.map_at(frame), xy * scale + shift) - shift) / scale


@dataclass(frozen=True)
class EvenMap:
    """x (1 + a0 x2 + a1 y2 + a2 x4 + a3 x2 y2 + a4 y4), y (1 + b0 x2 + ...), between two linear maps `before` and
    `after` (each row by row). What the classic and the anamorphic model come down to."""

    a: tuple[float, float, float, float, float]
    b: tuple[float, float, float, float, float]
    before: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    after: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    limit: ClassVar[float] = LIMIT

    def forward(self, x: Array, y: Array) -> tuple[Array, Array]:
        k, m = self.before, self.after
        x, y = k[0] * x + k[1] * y, k[2] * x + k[3] * y
        s, t = x * x, y * y
        u, v = x * _gain(self.a, s, t), y * _gain(self.b, s, t)
        return m[0] * u + m[1] * v, m[2] * u + m[3] * v

    def jacobian(self, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        k, m = self.before, self.after
        x, y = k[0] * x + k[1] * y, k[2] * x + k[3] * y
        s, t = x * x, y * y
        (ds_a, dt_a), (ds_b, dt_b) = _slopes(self.a, s, t), _slopes(self.b, s, t)
        ux, uy = _gain(self.a, s, t) + 2 * s * ds_a, 2 * x * y * dt_a
        vx, vy = 2 * x * y * ds_b, _gain(self.b, s, t) + 2 * t * dt_b
        ux, uy = ux * k[0] + uy * k[2], ux * k[1] + uy * k[3]
        vx, vy = vx * k[0] + vy * k[2], vx * k[1] + vy * k[3]
        return m[0] * ux + m[1] * vx, m[0] * uy + m[1] * vy, m[2] * ux + m[3] * vx, m[2] * uy + m[3] * vy


def _gain(c: tuple[float, ...], s: Array, t: Array) -> Array:
    return 1 + c[0] * s + c[1] * t + c[2] * s * s + c[3] * s * t + c[4] * t * t


def _slopes(c: tuple[float, ...], s: Array, t: Array) -> tuple[Array, Array]:
    """The derivatives of `_gain` by s and by t."""
    return c[0] + 2 * c[2] * s + c[3] * t, c[1] + c[3] * s + 2 * c[4] * t


@dataclass(frozen=True, kw_only=True)
class LensClassic3de(FilmLens):
    """3DE Classic LD Model: ld (distortion), sq (anamorphic squeeze), cx, cy (curvature), qu (quartic distortion)."""

    distortion: Param = 0.0
    squeeze: Param = 1.0
    curvature_x: Param = 0.0
    curvature_y: Param = 0.0
    quartic: Param = 0.0
    name: str = "3de_classic"

    def map_at(self, frame: int) -> PlaneMap:
        ld, sq, qu = at(self.distortion, frame), at(self.squeeze, frame), at(self.quartic, frame)
        cx, cy = at(self.curvature_x, frame), at(self.curvature_y, frame)
        return EvenMap((ld / sq, (ld + cx) / sq, qu / sq, 2 * qu / sq, qu / sq), (ld + cy, ld, qu, 2 * qu, qu))


@dataclass(frozen=True)
class RadialMap:
    """Radial and decentering terms of degree 2 and 4, then a symmetric matrix (m00, m01, m11)."""

    c2: float
    u2: float
    v2: float
    c4: float
    u4: float
    v4: float
    m: tuple[float, float, float]
    limit: ClassVar[float] = LIMIT

    def forward(self, x: Array, y: Array) -> tuple[Array, Array]:
        s, xy = x * x + y * y, 2 * x * y
        g = 1 + self.c2 * s + self.c4 * s * s
        a, b = self.u2 + self.u4 * s, self.v2 + self.v4 * s
        u = x * g + (s + 2 * x * x) * a + xy * b
        v = y * g + (s + 2 * y * y) * b + xy * a
        return self.m[0] * u + self.m[1] * v, self.m[1] * u + self.m[2] * v

    def jacobian(self, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        s, xy = x * x + y * y, 2 * x * y
        g, dg = 1 + self.c2 * s + self.c4 * s * s, self.c2 + 2 * self.c4 * s
        a, b = self.u2 + self.u4 * s, self.v2 + self.v4 * s
        along_x, along_y = s + 2 * x * x, s + 2 * y * y
        du = along_x * self.u4 + xy * self.v4  # how u grows with s through a and b
        dv = along_y * self.v4 + xy * self.u4
        ux = g + 2 * x * x * dg + 6 * x * a + 2 * y * b + 2 * x * du
        uy = xy * dg + 2 * y * a + 2 * x * b + 2 * y * du
        vx = xy * dg + 2 * x * b + 2 * y * a + 2 * x * dv
        vy = g + 2 * y * y * dg + 6 * y * b + 2 * x * a + 2 * y * dv
        m = self.m
        return m[0] * ux + m[1] * vx, m[0] * uy + m[1] * vy, m[1] * ux + m[2] * vx, m[1] * uy + m[2] * vy


@dataclass(frozen=True, kw_only=True)
class Radial4(FilmLens):
    """3DE4 Radial - Standard, Degree 4. phi_deg, bending: the cylindric part (sqrt(1 + b) along phi, its inverse
    across)."""

    c2: Param = 0.0
    u2: Param = 0.0
    v2: Param = 0.0
    c4: Param = 0.0
    u4: Param = 0.0
    v4: Param = 0.0
    phi_deg: Param = 0.0
    bending: Param = 0.0
    name: str = "3de_radial4"

    def map_at(self, frame: int) -> PlaneMap:
        phi, q = math.radians(at(self.phi_deg, frame)), math.sqrt(1 + at(self.bending, frame))
        c, s = math.cos(phi), math.sin(phi)
        bend = (c * c * q + s * s / q, (q - 1 / q) * c * s, c * c / q + s * s * q)
        terms = (self.c2, self.u2, self.v2, self.c4, self.u4, self.v4)
        return RadialMap(*(at(t, frame) for t in terms), m=bend)


@dataclass(frozen=True, kw_only=True)
class Anamorphic4(FilmLens):
    """3DE4 Anamorphic - Standard, Degree 4: x (1 + sum of c_ij r^j cos(i phi)), y likewise, seen in the lens's own
    rotation and without the pixel aspect, then squeezed."""

    cx02: Param = 0.0
    cy02: Param = 0.0
    cx22: Param = 0.0
    cy22: Param = 0.0
    cx04: Param = 0.0
    cy04: Param = 0.0
    cx24: Param = 0.0
    cy24: Param = 0.0
    cx44: Param = 0.0
    cy44: Param = 0.0
    rotation_deg: Param = 0.0
    squeeze_x: Param = 1.0
    squeeze_y: Param = 1.0
    name: str = "3de_anamorphic4"

    def map_at(self, frame: int) -> PlaneMap:
        def terms(axis: str) -> tuple[float, float, float, float, float]:
            c02, c22, c04, c24, c44 = (at(getattr(self, f"c{axis}{k}"), frame) for k in ("02", "22", "04", "24", "44"))
            return c02 + c22, c02 - c22, c04 + c24 + c44, 2 * c04 - 6 * c44, c04 - c24 + c44

        angle, aspect = math.radians(at(self.rotation_deg, frame)), self.pixel_aspect
        c, s = math.cos(angle), math.sin(angle)
        sx, sy = at(self.squeeze_x, frame) * aspect, at(self.squeeze_y, frame)
        return EvenMap(terms("x"), terms("y"), (c / aspect, s, -s / aspect, c), (c * sx, -s * sy, s * sx, c * sy))

"""Brown's lens model, as OpenCV and COLMAP write it, and MatchMover's one-term radial model.

Both work on coordinates normalised by the focal length, so they need not know the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from composer.camera.lens.plane import Array, Param, at, forward, invert

LIMIT = 10.0  # tan of 84 degrees off the axis


@dataclass(frozen=True)
class BrownMap:
    """Ideal to plate: x g + 2 p1 x y + p2 (r2 + 2 x x), y g + p1 (r2 + 2 y y) + 2 p2 x y, with
    g = (1 + k1 r2 + k2 r4 + k3 r6) / (1 + k4 r2 + k5 r4 + k6 r6).

    Source: OpenCV, calib3d, "Detailed Description"; COLMAP's camera models with their terms.
    """

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0
    limit: ClassVar[float] = LIMIT

    def _gain(self, s: Array) -> tuple[Array, Array]:
        """g and its derivative by s = r squared."""
        top = 1 + s * (self.k1 + s * (self.k2 + s * self.k3))
        low = 1 + s * (self.k4 + s * (self.k5 + s * self.k6))
        d_top = self.k1 + s * (2 * self.k2 + s * 3 * self.k3)
        d_low = self.k4 + s * (2 * self.k5 + s * 3 * self.k6)
        return top / low, (d_top * low - top * d_low) / (low * low)

    def forward(self, x: Array, y: Array) -> tuple[Array, Array]:
        s = x * x + y * y
        g, _ = self._gain(s)
        u = x * g + 2 * self.p1 * x * y + self.p2 * (s + 2 * x * x)
        v = y * g + self.p1 * (s + 2 * y * y) + 2 * self.p2 * x * y
        return u, v

    def jacobian(self, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        g, dg = self._gain(x * x + y * y)
        cross = 2 * x * y * dg + 2 * self.p1 * x + 2 * self.p2 * y
        return (
            g + 2 * x * x * dg + 2 * self.p1 * y + 6 * self.p2 * x,
            cross,
            cross,
            g + 2 * y * y * dg + 6 * self.p1 * y + 2 * self.p2 * x,
        )


@dataclass(frozen=True)
class Brown:
    """OpenCV's pinhole distortion with up to eight terms, each a number or a curve over frames.

    `distort` is closed form, `undistort` iterates; both are NaN beyond the radius where the model folds back.
    """

    k1: Param = 0.0
    k2: Param = 0.0
    p1: Param = 0.0
    p2: Param = 0.0
    k3: Param = 0.0
    k4: Param = 0.0
    k5: Param = 0.0
    k6: Param = 0.0
    name: str = "brown"

    def map_at(self, frame: int) -> BrownMap:
        names = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
        return BrownMap(*(at(getattr(self, n), frame) for n in names))

    def distort(self, xy: Array, frame: int) -> Array:
        plane = self.map_at(frame)
        return xy if plane == BrownMap() else forward(plane, xy)

    def undistort(self, xy: Array, frame: int) -> Array:
        plane = self.map_at(frame)
        return xy if plane == BrownMap() else invert(plane, xy)


@dataclass(frozen=True)
class RadialUndistort:
    """One radial term with the closed form the other way: ideal = plate (1 + k r2), r of the plate point.

    MatchMover's `rd`. Source: fitted to the tracks inside two of its files, whose stated residuals it reproduces to the
    last digit that they carry.
    """

    k: Param = 0.0
    name: str = "matchmover_radial"

    def distort(self, xy: Array, frame: int) -> Array:
        k = at(self.k, frame)
        return xy if k == 0.0 else invert(BrownMap(k1=k), xy)

    def undistort(self, xy: Array, frame: int) -> Array:
        k = at(self.k, frame)
        return xy if k == 0.0 else forward(BrownMap(k1=k), xy)

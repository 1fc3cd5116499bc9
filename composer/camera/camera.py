"""`Camera`: a tracked move in metres, and `View`: that camera at one frame.

World: metres, right-handed, Y up. The camera looks down -Z, x right, y up. Pixels: origin top left, centres at +0.5.
Depth is planar: metres along the view axis, positive in front.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Lens(Protocol):
    """A distortion model on normalised image coordinates.

    `xy` is float64 [..., 2]: (X / depth, Y / depth) with x right and y DOWN, as in OpenCV. `distort` takes ideal
    (pinhole) coordinates to those of the plate, `undistort` the other way; points outside the model's domain (where it
    folds back) come out as NaN.
    """

    name: str

    def distort(self, xy: Array, frame: int) -> Array: ...

    def undistort(self, xy: Array, frame: int) -> Array: ...


@dataclass(frozen=True)
class Pinhole:
    """No distortion."""

    name: str = "pinhole"

    def distort(self, xy: Array, frame: int) -> Array:
        return xy

    def undistort(self, xy: Array, frame: int) -> Array:
        return xy


@dataclass(frozen=True)
class View:
    """A camera at one frame.

    world_from_camera: float64 [4, 4], rigid.
    focal_px: (x, y); they differ where pixels are not square. centre_px: principal point, (x, y) from the top left.
    """

    frame: int
    size_px: tuple[int, int]
    world_from_camera: Array
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    lens: Lens = field(default_factory=Pinhole)

    @property
    def camera_from_world(self) -> Array:
        """float64 [4, 4]."""
        return np.linalg.inv(self.world_from_camera)

    @property
    def position_m(self) -> Array:
        """float64 [3], in the world."""
        return self.world_from_camera[:3, 3]

    def project(self, points_m: Array) -> tuple[Array, Array]:
        """World points [..., 3] to plate pixels [..., 2] and planar depth in metres [...].

        Behind the camera (depth <= 0) and outside the lens model's domain the pixel is NaN.
        """
        m = self.camera_from_world
        cam = np.asarray(points_m, dtype=np.float64) @ m[:3, :3].T + m[:3, 3]
        depth = -cam[..., 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            ideal = np.stack([cam[..., 0] / depth, -cam[..., 1] / depth], axis=-1)
        ideal[depth <= 0] = np.nan
        xy = self.lens.distort(ideal, self.frame)
        return xy * self.focal_px + np.asarray(self.centre_px), depth

    def rays(self, pixels: Array) -> Array:
        """Plate pixels [..., 2] to world directions [..., 3] with unit planar depth.

        A point at planar depth d is `position_m + d * rays(px)`.
        """
        xy = (np.asarray(pixels, dtype=np.float64) - self.centre_px) / self.focal_px
        ideal = self.lens.undistort(xy, self.frame)
        cam = np.stack([ideal[..., 0], -ideal[..., 1], -np.ones(ideal.shape[:-1])], axis=-1)
        return cam @ self.world_from_camera[:3, :3].T


@dataclass(frozen=True)
class Camera:
    """A tracked or hand-set camera over F consecutive frames, numbered from `first_frame`.

    world_from_camera: float64 [F, 4, 4], metres.
    focal_mm: float64 [F]. filmback_mm: (width, height); focal length in pixels is focal_mm * size_px / filmback_mm by
    axis, so pixels that are not square live in the film back. centre_px: float64 [F, 2], principal point.
    shutter: (open, close) in frames, relative to the frame's time.
    notes: what the reader assumed (units, axes, rotation order, frame offset), one sentence each, for the log and
    manifest.
    """

    first_frame: int
    world_from_camera: Array
    focal_mm: Array
    filmback_mm: tuple[float, float]
    centre_px: Array
    size_px: tuple[int, int]
    pixel_aspect: float = 1.0
    lens: Lens = field(default_factory=Pinhole)
    shutter: tuple[float, float] = (-0.25, 0.25)
    notes: tuple[str, ...] = ()

    @property
    def last_frame(self) -> int:
        return self.first_frame + len(self.world_from_camera) - 1

    def covers(self, frame: int) -> bool:
        return self.first_frame <= frame <= self.last_frame

    def view(self, frame: int) -> View:
        """The camera at `frame`. One step beyond either end goes on as the last step did, so that the first and last
        frame have true motion; further out raises IndexError."""
        i = frame - self.first_frame
        n = len(self.world_from_camera)
        if i < -1 or i > n:
            raise IndexError(f"frame {frame} is outside the camera's {self.first_frame}-{self.last_frame}")
        k = min(max(i, 0), n - 1)
        world_from_camera = self.world_from_camera[k]
        if i != k and n > 1:
            inner = self.world_from_camera[1 if i < 0 else n - 2]
            world_from_camera = world_from_camera @ np.linalg.inv(inner) @ world_from_camera
        w, h = self.size_px
        f = float(self.focal_mm[k])
        return View(
            frame=frame,
            size_px=self.size_px,
            world_from_camera=world_from_camera,
            focal_px=(f * w / self.filmback_mm[0], f * h / self.filmback_mm[1]),
            centre_px=(float(self.centre_px[k, 0]), float(self.centre_px[k, 1])),
            lens=self.lens,
        )

    def resized(self, size_px: tuple[int, int]) -> Camera:
        """The same camera for another raster of the same film back (a solve made on smaller pictures)."""
        factor = np.array(size_px, dtype=np.float64) / self.size_px
        return replace(self, size_px=size_px, centre_px=self.centre_px * factor)

    def transformed(self, world_from_old: Array) -> Camera:
        """The camera in another world: `world_from_old` is a similarity [4, 4] (rotation, uniform scale, shift).
        The camera's own axes stay rigid."""
        m = world_from_old @ self.world_from_camera
        scale = np.cbrt(np.linalg.det(world_from_old[:3, :3]))
        m[:, :3, :3] /= scale
        return replace(self, world_from_camera=m)

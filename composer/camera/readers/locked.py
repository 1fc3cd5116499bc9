"""A locked-off camera, written by hand."""

from __future__ import annotations

import numpy as np

from composer.camera.camera import Camera
from composer.camera.readers.common import conform, euler, transform
from composer.errors import InputError, Where


def locked_off(
    *,
    focal_mm: float,
    filmback_mm: tuple[float, float],
    height_m: float,
    tilt_deg: float = 0.0,
    roll_deg: float = 0.0,
    pan_deg: float = 0.0,
    size_px: tuple[int, int],
    first_frame: int,
    frame_count: int,
    pixel_aspect: float = 1.0,
) -> Camera:
    """A camera that stands `height_m` above the origin of the ground and never moves.

    tilt_deg: up is positive, down negative. pan_deg: clockwise seen from above, 0 looks along -Z, 90 along +X.
    roll_deg: the camera leans to its right (clockwise seen from behind it), so the horizon in the picture turns
    counter-clockwise. The film back's width counts; its height follows from the picture's shape.
    """
    checks = {
        "focal_mm": focal_mm,
        "filmback_mm": min(filmback_mm),
        "frame_count": frame_count,
        "pixel_aspect": pixel_aspect,
    }
    for name, value in checks.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError("must be positive", where=Where(field=f"camera.locked.{name}"), got=f"{value:g}")
    for name, value in {"height_m": height_m, "tilt_deg": tilt_deg, "roll_deg": roll_deg, "pan_deg": pan_deg}.items():
        if not np.isfinite(value):
            raise InputError("must be a number", where=Where(field=f"camera.locked.{name}"), got=f"{value}")
    notes = ["locked-off camera written by hand, above the origin of the world, metres, Y up"]
    filmback = conform(filmback_mm[0], filmback_mm[1], size_px, pixel_aspect, notes)
    turn = euler("ZXY", np.array([tilt_deg, -pan_deg, -roll_deg]))
    pose = transform(turn[None], np.array([[0.0, height_m, 0.0]]))
    return Camera(
        first_frame=first_frame,
        world_from_camera=np.repeat(pose, frame_count, axis=0),
        focal_mm=np.full(frame_count, float(focal_mm)),
        filmback_mm=filmback,
        centre_px=np.tile(np.array(size_px, dtype=np.float64) / 2, (frame_count, 1)),
        size_px=size_px,
        pixel_aspect=pixel_aspect,
        notes=tuple(notes),
    )

"""Where the sun stands: by angles, or by shadows on the plate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Camera
from composer.errors import InputError
from composer.shot.ground import Ground
from composer.shot.schema_light import SunPickSpec

F64 = NDArray[np.float64]


def direction_of(elevation_deg: float, azimuth_deg: float) -> F64:
    """Unit [3], to the sun. Azimuth 0 is -Z, clockwise seen from above."""
    el, az = np.radians(elevation_deg), np.radians(azimuth_deg)
    return np.array([np.sin(az) * np.cos(el), np.sin(el), -np.cos(az) * np.cos(el)])


def angles_of(direction: F64) -> tuple[float, float]:
    """(elevation_deg, azimuth_deg 0..360) of a direction to the sun."""
    d = direction / np.linalg.norm(direction)
    return float(np.degrees(np.arcsin(d[1]))), float(np.degrees(np.arctan2(d[0], -d[2])) % 360)


def picked_direction(pick: SunPickSpec, camera: Camera, ground: Ground) -> F64:
    """Unit [3], from the tip of a shadow to the top of the upright object that throws it."""
    if not camera.covers(pick.frame):
        raise InputError(
            "the camera has no such frame", expected=f"{camera.first_frame}-{camera.last_frame}", got=str(pick.frame)
        )
    view = camera.view(pick.frame)
    rays = view.rays(np.array([pick.base_px, pick.tip_px, pick.top_px]))
    base, tip = ground.intersect(view.position_m, rays[:2])
    for name, place in (("base_px", base), ("tip_px", tip)):
        if not np.isfinite(place).all():
            raise InputError(f"{name} does not lie on the ground")
    # The upright through the base, and the ray through the top: where they come nearest.
    eye, ray = view.position_m, rays[2]
    across = np.cross(ray, [0.0, 1.0, 0.0])
    if np.linalg.norm(across) < 1e-9 * np.linalg.norm(ray):
        raise InputError("the camera looks straight along the object")
    along = np.cross(across, ray)
    height = float((eye - base) @ along / along[1])
    if height <= 0:
        raise InputError("top_px must be above base_px")
    sun = base + np.array([0.0, height, 0.0]) - tip
    if np.hypot(sun[0], sun[2]) < 1e-6:
        raise InputError("tip_px and base_px are one place")
    return sun / np.linalg.norm(sun)


def sun_of_picks(picks: Sequence[SunPickSpec], camera: Camera, ground: Ground) -> tuple[F64, float]:
    """Unit [3] to the sun that most picks agree on (their spherical median), and their median distance from it in
    degrees. Raises InputError."""
    each = np.stack([picked_direction(pick, camera, ground) for pick in picks])
    middle = each.mean(axis=0)
    for _ in range(50):
        middle /= np.linalg.norm(middle)
        apart = np.maximum(np.arccos(np.clip(each @ middle, -1, 1)), 1e-4)
        middle = (each / apart[:, None]).sum(axis=0)
    middle /= np.linalg.norm(middle)
    return middle, float(np.degrees(np.median(np.arccos(np.clip(each @ middle, -1, 1)))))

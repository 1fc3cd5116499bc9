"""From the solve's world to metres with the ground at y = 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Camera, View
from composer.errors import InputError
from composer.shot.ground import Ground
from composer.shot.schema_place import DistanceSpec, ScaleSpec

F64 = NDArray[np.float64]


def world_on_plane(view: View, point: F64, normal: F64, scale: float) -> F64:
    """The similarity [4, 4] from the solve's world to one whose ground is y = 0: origin under `view`'s camera, -Z its
    horizontal direction, lengths times `scale`. point, normal (unit, up): the ground in the solve's world."""
    eye = view.position_m
    foot = eye - normal * float((eye - point) @ normal)
    ahead = -view.world_from_camera[:3, 2]
    ahead = ahead - normal * float(ahead @ normal)
    if np.linalg.norm(ahead) < 0.05:  # it looks straight down: the top of the picture is ahead
        ahead = view.world_from_camera[:3, 1] - normal * float(view.world_from_camera[:3, 1] @ normal)
    ahead = ahead / np.linalg.norm(ahead)
    rotation = np.stack([np.cross(ahead, normal), normal, -ahead])
    out = np.eye(4)
    out[:3, :3] = scale * rotation
    out[:3, 3] = -scale * rotation @ foot
    return out


def metres_per_unit(spec: ScaleSpec, ground: Ground, camera: Camera, frames: tuple[int, ...]) -> tuple[float, str]:
    """The scale that the shot asks for, with `ground` and `camera` still in the solve's units, and a note on it."""
    if spec.distance is not None:
        length = picked_length(spec.distance, ground, camera)
        scale = spec.distance.metres / length
        return (
            scale,
            f"scale: {scale:.5g} metres a unit, from {spec.distance.metres:g} m between two places on the ground",
        )
    assert spec.camera_height_m is not None
    eyes = np.stack([camera.view(f).position_m for f in frames])
    heights = (eyes - ground.point_m) @ ground.plane_normal
    height = float(np.median(heights))
    if height <= 0:
        raise InputError("the camera is below the ground", got=f"{height:.3g} units")
    scale = spec.camera_height_m / height
    note = f"scale: {scale:.5g} metres a unit, from a camera height of {spec.camera_height_m:g} m (the median of frames"
    return scale, f"{note}; from {heights.min() * scale:.2f} to {heights.max() * scale:.2f} m)"


def picked_length(spec: DistanceSpec, ground: Ground, camera: Camera) -> float:
    """Distance on the ground between the two picks, in the camera's units."""
    if not camera.covers(spec.frame):
        raise InputError(
            "the camera has no such frame", expected=f"{camera.first_frame}-{camera.last_frame}", got=str(spec.frame)
        )
    view = camera.view(spec.frame)
    places = ground.intersect(view.position_m, view.rays(np.array(spec.points_px)))
    if not np.isfinite(places).all():
        raise InputError("a pick does not lie on the ground", got=str(list(map(list, spec.points_px))))
    length = float(np.linalg.norm(places[1] - places[0]))
    if length == 0:
        raise InputError("the two picks are one place")
    return length

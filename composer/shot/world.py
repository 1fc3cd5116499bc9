"""Camera and ground of a shot, in world metres."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Camera
from composer.camera.readers import CameraTrack, locked_off, read_camera
from composer.errors import InputError
from composer.io.image import read_channels, read_image, read_info
from composer.shot.ground import Ground, plane_ground
from composer.shot.ground_files import height_field, read_mesh
from composer.shot.ground_fit import fit_ground, over_plane, unit, up_of_cameras
from composer.shot.located import located
from composer.shot.plate import Plate, listed
from composer.shot.scale import metres_per_unit, world_on_plane
from composer.shot.schema import ShotFile
from composer.shot.schema_place import HeightFieldSpec, PicksSpec

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What `prepare` needs of the place. points_m: float32 [P, 3], the solve's; None where there are none."""

    camera: Camera
    ground: Ground
    notes: tuple[str, ...]
    points_m: NDArray[np.float32] | None = None


def open_track(shot: ShotFile, plate: Plate) -> CameraTrack:
    """The camera as its file has it, at the plate's size, covering the plate's frames. Raises InputError."""
    spec = shot.camera
    first, last = plate.frames[0], plate.frames[-1]
    if spec.locked is not None:
        with located(shot, "camera", "locked"):
            camera = locked_off(
                **spec.locked.model_dump(),
                size_px=plate.size_px,
                first_frame=first,
                frame_count=last - first + 1,
                pixel_aspect=plate.pixel_aspect,
            )
        track = CameraTrack(camera, notes=camera.notes)
    else:
        assert spec.path is not None
        with located(shot, "camera", "path"):
            track = read_camera(
                shot.path(spec.path),
                format=spec.format,
                node=spec.node,
                scale=spec.scale,
                up=spec.up or "from file",
                frame_offset=spec.frame_offset,
                rotation_order=spec.rotation_order,
                filmback_mm=spec.filmback_mm,
                focal_mm=spec.focal_mm,
                size_px=plate.size_px,
                pixel_aspect=plate.pixel_aspect,
                frames=plate.frames,
                frame_rate=float(plate.frame_rate),
            )
    camera = track.camera
    if camera.size_px != plate.size_px:
        camera = camera.resized(plate.size_px)
    if spec.lens is not None:
        from composer.shot.lens import with_shot_lens

        before = len(camera.notes)
        with located(shot, "camera", "lens"):
            camera = with_shot_lens(shot, spec.lens, camera)
        track = replace(track, notes=(*track.notes, *camera.notes[before:]))
    uncovered = tuple(f for f in plate.frames if not camera.covers(f))
    if uncovered:
        raise InputError(
            "the camera is too short",
            where=shot.where("camera"),
            expected=f"frames {first}-{last}",
            got=f"{camera.first_frame}-{camera.last_frame}, none for {listed(uncovered)}",
            hint="camera.frame_offset shifts it",
        )
    return replace(track, camera=camera)


def open_world(shot: ShotFile, plate: Plate, track: CameraTrack) -> World:
    """Ground and scale. A fitted or picked ground becomes y = 0 under the first frame's camera, which looks along -Z; a
    given plane, mesh or height field stays in the camera file's world."""
    camera, spec, points = track.camera, shot.ground, track.points_m
    if spec is None:
        ground = plane_ground((0, 0, 0), (0, 1, 0), trust="level, at the locked camera's height")
        return _scaled(shot, plate, World(camera, ground, (), points))
    if spec.mesh is not None:
        with located(shot, "ground", "mesh"):
            ground = read_mesh(shot.path(spec.mesh))
        return World(camera, ground, ground.notes, points)
    if spec.height_field is not None:
        with located(shot, "ground", "height_field"):
            ground = _height_field(shot, spec.height_field)
        return World(camera, ground, ground.notes, points)
    if spec.plane is not None:
        return _scaled(shot, plate, World(camera, plane_ground(spec.plane.point_m, spec.plane.normal), (), points))
    key = "fit" if spec.fit else "picks"
    with located(shot, "ground", key):
        if track.points_m is None or not len(track.points_m):
            raise InputError("this camera brings no solve points", hint="give ground.plane or ground.mesh")
        if spec.fit:
            eyes = np.stack([camera.view(f).world_from_camera for f in plate.frames])
            fit = fit_ground(track.points_m, eyes, spec.min_trust)
            point, normal, notes, trust = fit.point, fit.normal, fit.notes, f"fitted, trust {fit.trust:.2f}"
        else:
            assert spec.picks is not None
            point, normal, notes = _picked(spec.picks, plate, track)
            trust = "picked"
    solved = Ground("plane", point, normal)  # in the solve's world, which need not have Y up
    scale = 1.0
    if shot.scale is not None:
        with located(shot, "scale"):
            scale, note = metres_per_unit(shot.scale, solved, camera, plate.frames)
        notes = (*notes, note)
    else:
        notes = (*notes, "scale: none given: the solve's unit is taken for a metre")
    world_from_solve = world_on_plane(camera.view(plate.frames[0]), point, normal, scale)
    ground = plane_ground((0, 0, 0), (0, 1, 0), trust=trust, notes=notes)
    return World(camera.transformed(world_from_solve), ground, notes, _moved(points, world_from_solve))


def _scaled(shot: ShotFile, plate: Plate, world: World) -> World:
    """A given plane and its camera, made `scale` times as big about the origin."""
    if shot.scale is None:
        return world
    with located(shot, "scale"):
        scale, note = metres_per_unit(shot.scale, world.ground, world.camera, plate.frames)
    ground = plane_ground(world.ground.point_m * scale, world.ground.plane_normal, trust=world.ground.trust)
    larger = np.diag([scale, scale, scale, 1.0])
    return World(world.camera.transformed(larger), ground, (*world.notes, note), _moved(world.points_m, larger))


def _moved(points: NDArray[np.float32] | None, matrix: F64) -> NDArray[np.float32] | None:
    """Points [P, 3] through a matrix [4, 4]."""
    return None if points is None else (points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)


def _picked(spec: PicksSpec, plate: Plate, track: CameraTrack) -> tuple[F64, F64, tuple[str, ...]]:
    """A plane (point, normal up) through the solve points nearest to three picks."""
    camera = track.camera
    assert track.points_m is not None
    if not camera.covers(spec.frame):
        raise InputError(
            "the camera has no such frame", expected=f"{camera.first_frame}-{camera.last_frame}", got=str(spec.frame)
        )
    pixels, depth = camera.view(spec.frame).project(track.points_m)
    places, notes = [], []
    for number, pick in enumerate(spec.points_px, start=1):
        distance = np.linalg.norm(pixels - np.array(pick), axis=1)
        distance[~np.isfinite(distance) | (depth <= 0)] = np.inf
        nearest = int(distance.argmin())
        if distance[nearest] > spec.within_px:
            near = "" if np.isinf(distance[nearest]) else f"the nearest is {distance[nearest]:.0f} px away"
            raise InputError(
                f"no solve point near pick {number} at {pick[0]:g}, {pick[1]:g}",
                expected=f"one within {spec.within_px:g} px",
                got=near or "none in the picture",
                hint="pick where the solve has points, or raise within_px",
            )
        places.append(track.points_m[nearest])
        notes.append(f"{distance[nearest]:.1f}")
    a, b, c = places
    cross = np.cross(b - a, c - a)
    longest = max(np.linalg.norm(b - a), np.linalg.norm(c - b), np.linalg.norm(a - c))
    if np.linalg.norm(cross) < 0.02 * longest**2:
        raise InputError("the three picks lie on one line", hint="pick a wide triangle")
    normal = unit(cross)
    eyes = np.stack([camera.view(f).world_from_camera for f in plate.frames])
    up = up_of_cameras(eyes)
    normal = normal if normal @ up > 0 else -normal
    tilt = float(np.degrees(np.arccos(np.clip(normal @ up, -1, 1))))
    if tilt > 45:
        raise InputError(
            "the picked plane is not a ground", expected="within 45 degrees of level", got=f"{tilt:.0f} degrees"
        )
    if over_plane(eyes[:, :3, 3], a, normal).min() <= 0:
        raise InputError("the picked plane is above the camera")
    note = f"ground: three picks, snapped by {', '.join(notes)} px; {tilt:.1f} degrees from the cameras' up"
    return a, normal, (note,)


def _height_field(shot: ShotFile, spec: HeightFieldSpec) -> Ground:
    path = shot.path(spec.path)
    if spec.channel == "auto":
        info = read_info(path)
        name = next((n for n in ("Z", "Y", "R") if n in info.channels), None)
        heights = read_channels(path, [name])[name] if name else read_image(path)[0][..., 0]
    else:
        heights = read_channels(path, [spec.channel])[spec.channel]
    return height_field(np.asarray(heights, dtype=np.float32), spec.size_m, spec.origin_m, spec.height_scale, path.name)

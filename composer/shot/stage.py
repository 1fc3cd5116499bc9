"""`prepare`: from `shot.yaml` to what every later room works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from composer.camera.camera import Camera
from composer.color.spaces import ColorManager
from composer.shot.ground import Ground
from composer.shot.holdout import open_holdouts
from composer.shot.light import ShotLight, light_of
from composer.shot.matte import F32, HoldoutFrame
from composer.shot.plate import Plate, open_color, open_plate
from composer.shot.schema import ShotFile
from composer.shot.world import open_track, open_world


@dataclass(frozen=True)
class Stage:
    """A shot, opened. camera: world metres, at the plate's size. holdouts: what stands in front, for a frame. notes:
    what was assumed, found or fallen back to, one sentence each. points_m: float32 [P, 3], the solve's, in world metres;
    None where the camera brings none."""

    shot: ShotFile
    plate: Plate
    camera: Camera
    ground: Ground
    light: ShotLight
    holdouts: Callable[[int], list[HoldoutFrame]]
    color: ColorManager
    notes: tuple[str, ...]
    points_m: F32 | None = None


def prepare(shot: ShotFile) -> Stage:
    """Opens everything that the shot names. Raises InputError at the first thing that is wrong (`check` finds them
    all). Writes nothing."""
    color = open_color(shot)
    plate = open_plate(shot, color)
    track = open_track(shot, plate)
    world = open_world(shot, plate, track)
    light, light_notes = light_of(shot, plate, world.camera, world.ground)
    holdouts = open_holdouts(shot, plate, world.camera)
    notes = (*color.notes, *plate.notes, *track.notes, *world.notes, *light_notes, *holdouts.notes)
    return Stage(
        shot, plate, world.camera, world.ground, light, holdouts, color, tuple(dict.fromkeys(notes)), world.points_m
    )

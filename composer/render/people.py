"""The people of a stage, and who is seen at one pixel of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from composer.camera.camera import View
from composer.crowd.agents import Cast
from composer.crowd.orders import Crowd
from composer.crowd.overrides import Picker
from composer.crowd.people import People, people_of
from composer.environment.build import build_environment
from composer.environment.land import Land, land_of
from composer.errors import InputError
from composer.guides.ground import ground_depth
from composer.guides.passes import Light
from composer.guides.render import render_guides
from composer.render.look import guide_holdouts
from composer.shot.matte import HoldoutFrame
from composer.shot.schema import ShotFile
from composer.shot.schema_crowd import ObstacleSpec
from composer.shot.stage import Stage

#: A soldier counts as seen at a pixel at the samples of a final render.
PICK_SAMPLES = 16
_DARK = Light((0.0, 1.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def people_on(stage: Stage, count: int | None = None, cache: Path | None = None, fit: bool = False) -> People:
    """The shot's crowd on its stage, overrides and all. count: in place of the shot's own. cache: the folder that keeps
    simulations of those with cues. fit: of too many, those are there who fit. Raises InputError."""
    plate = stage.plate
    land = land_of(stage)
    return people_of(
        _around_pieces(stage),
        land,
        stage.camera.view,
        plate.frame_rate,
        plate.frames[0],
        count,
        lambda c: picker(stage, c),
        last_frame=plate.frames[-1],
        cache=cache,
        fit=fit,
        platforms=land.platforms if isinstance(land, Land) else {},
    )


def _around_pieces(stage: Stage) -> ShotFile:
    """The shot with the set pieces among the crowd's obstacles."""
    place = build_environment(stage)
    if place is None or not place.footprints:
        return stage.shot
    more = tuple(ObstacleSpec(polygon_m=tuple((float(x), float(z)) for x, z in p)) for p in place.footprints)
    crowd = stage.shot.crowd.model_copy(update={"obstacles": (*stage.shot.crowd.obstacles, *more)})
    shot = stage.shot.model_copy(update={"crowd": crowd})
    shot._file, shot._places = stage.shot._file, stage.shot._places
    return shot


def picker(stage: Stage, cast: Cast) -> Picker:
    """Asks the id pass at one pixel, by drawing that pixel alone: holdouts and hills hide who is behind them."""

    def pick(crowd: Crowd, frame: int, at_px: tuple[float, float]) -> int:
        if frame not in stage.plate.frames:
            first, last = stage.plate.frames[0], stage.plate.frames[-1]
            raise InputError("the plate has no such frame", expected=f"{first}-{last}", got=str(frame))
        width, height = stage.camera.size_px
        column, row = math.floor(at_px[0]), math.floor(at_px[1])
        if not (0 <= column < width and 0 <= row < height):
            size = f"inside {width} x {height}"
            raise InputError("the pixel is outside the picture", expected=size, got=str(list(at_px)))
        numbers = (frame - 1, frame, frame + 1)
        before, now, after = (_one_pixel(stage.camera.view(n), column, row) for n in numbers)
        guides = render_guides(
            crowd.at(numbers),
            cast,
            (before, now, after),
            ground_depth(stage.ground, now),
            guide_holdouts([_cut(h, column, row) for h in stage.holdouts(frame)]),
            _DARK,
            samples=PICK_SAMPLES,
            environment=build_environment(stage),
            threads=1,
        )
        return int(guides.agent_id[0, 0])

    return pick


def _one_pixel(view: View, column: int, row: int) -> View:
    """The view with nothing but this pixel in its picture."""
    return replace(view, size_px=(1, 1), centre_px=(view.centre_px[0] - column, view.centre_px[1] - row))


def _cut(holdout: HoldoutFrame, column: int, row: int) -> HoldoutFrame:
    def cut(picture: np.ndarray) -> np.ndarray:
        return picture[row : row + 1, column : column + 1]

    depth = holdout.depth_m
    clean = None if holdout.clean is None else cut(holdout.clean)
    return replace(
        holdout, alpha=cut(holdout.alpha), depth_m=cut(depth) if isinstance(depth, np.ndarray) else depth, clean=clean
    )

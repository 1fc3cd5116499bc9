"""The crowd's colours matched to a region of the plate that the artist marks."""

from __future__ import annotations

from typing import Literal

import numpy as np

from composer.comp.measure.grade import measure_grade
from composer.comp.measure.measured import Found, nothing
from composer.comp.plate_look import Grade
from composer.render.look import Scene, look_at, read_inputs
from composer.render.people import people_on
from composer.shot.stage import Stage

#: Pixels that the crowd covers less than this are edges.
_COVERED = 0.95


def grade_of_region(
    stage: Stage,
    frame: int,
    region_px: tuple[int, int, int, int],
    method: Literal["covariance", "transport"],
    strength: float,
) -> Found[Grade]:
    """The grade that takes the crowd, as its guides show it at `frame`, to region_px (x, y, width, height) of the
    plate."""
    x, y, width, height = region_px
    guides = look_at(Scene(stage, people_on(stage, None), 1, "cpu"), read_inputs(stage, frame)).guides
    covered = guides.coverage > _COVERED
    if not covered.any():
        return nothing(f"grade: no soldier is seen in frame {frame}")
    layer = guides.beauty[covered] / guides.coverage[covered][:, None]
    region = stage.plate.read_working(frame)[y : y + height, x : x + width].reshape(-1, 3)
    return measure_grade(layer.astype(np.float64), region.astype(np.float64), method, strength)

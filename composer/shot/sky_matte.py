"""The artist's own sky matte, where the shot names one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.shot.holdout import Difference, Pictures, open_holdout
from composer.shot.located import located
from composer.shot.reduced import ReducedPlate, smaller
from composer.shot.schema import HoldoutSpec
from composer.shot.stage import Stage


def open_sky_matte(stage: Stage) -> Pictures | Difference | None:
    """Raises InputError at the line of `shot.yaml`."""
    place = stage.shot.environment
    if place is None or place.sky is None or place.sky.matte is None:
        return None
    spec = place.sky.matte
    with located(stage.shot, "environment", "sky", "matte"):
        asked = HoldoutSpec(matte=spec.path, channel=None if spec.channel == "auto" else spec.channel)
        plate = stage.plate  # the artist's matte is of the plate as it was shot
        if isinstance(plate, ReducedPlate) and plate.full is not None:
            plate = plate.full
        return open_holdout(stage.shot, asked, plate, stage.camera)


def read_sky_matte(stage: Stage, number: int) -> NDArray[np.float32] | None:
    """float32 [H, W] in 0..1, 1 is sky; None where the shot names none."""
    source = open_sky_matte(stage)
    if source is None:
        return None
    alpha = source(number).alpha
    return alpha if alpha.shape[::-1] == stage.plate.size_px else smaller(alpha, stage.plate.size_px)


def sky_matte_file(stage: Stage, number: int) -> Path | None:
    """What `read_sky_matte` reads."""
    source = open_sky_matte(stage)
    return source.sequence.path(number) if isinstance(source, Pictures) else None

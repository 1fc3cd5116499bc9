"""A known fall-off on ground that moves through the picture, every frame at its own exposure."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.plates import sights_of, view_of

from composer.comp.measure.sights import Sights
from composer.comp.measure.vignette import measure_vignette

F64 = NDArray[np.float64]
SIZE = (480, 270)


def _pan(fall: float, step_m: float) -> Sights:
    """Three frames over painted ground; the camera looks steeply down and moves sideways."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width] + 0.5
    radius2 = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / ((width / 2) ** 2 + (height / 2) ** 2)
    pictures, distances, views = [], [], []
    for i, gain in enumerate((1.0, 1.3, 0.85)):
        view = view_of(SIZE, 1001 + i, x_m=i * step_m, pitch_deg=60.0)
        rays = view.rays(np.stack([x, y], axis=-1))
        place = view.position_m - rays * (view.position_m[1] / rays[..., 1])[..., None]
        tone = 0.2 + 0.08 * np.sin(place[..., 0] * 3.1) * np.cos(place[..., 2] * 2.7) + 0.03 * np.sin(place[..., 0] * 9)
        rgb = (tone * gain * (1 + fall * radius2))[..., None] * np.array([1.0, 0.9, 0.7])
        pictures.append(rgb + np.random.default_rng(i).normal(0, 0.002, rgb.shape))
        distances.append(np.linalg.norm(place - view.position_m, axis=-1))
        views.append(view)
    return sights_of(pictures, distances, views)


@pytest.mark.parametrize("fall", [-0.2, -0.45])
def test_a_known_fall_off_is_found(fall: float) -> None:
    found, samples = measure_vignette(_pan(fall, 0.5))
    assert found.value is not None and samples is not None
    r2 = np.linspace(0, 0.8, 9)
    assert found.value.k[0] * r2 + found.value.k[1] * r2**2 == pytest.approx(fall * r2, abs=0.03)


def test_none_is_told_where_there_is_none() -> None:
    found, _ = measure_vignette(_pan(0.0, 0.5))
    assert found.value is None and "not enough" in found.notes[0]


def test_a_camera_that_hardly_moves_says_so() -> None:
    found, _ = measure_vignette(_pan(-0.45, 0.005))
    assert found.value is None and "move" in found.notes[0]
    locked = sights_of([np.full((90, 160, 3), 0.2)], locked=True)
    assert "locked" in measure_vignette(locked)[0].notes[0]

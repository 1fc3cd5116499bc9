"""Known air put before made and real land."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.plates import sights_of, view_of

from composer.comp.measure.air import measure_air
from composer.comp.measure.sights import frames_to_measure, read_sights
from composer.io.content import find_content
from composer.shot.load import load_shot
from composer.shot.stage import prepare

F64 = NDArray[np.float64]
SIZE = (480, 270)


def _land() -> tuple[F64, F64]:
    """Patchy land to the horizon [H, W, 3], and its distance [H, W]."""
    width, height = SIZE
    view = view_of(SIZE, pitch_deg=4.0, height_m=12.0)
    y, x = np.mgrid[:height, :width] + 0.5
    rays = view.rays(np.stack([x, y], axis=-1))
    with np.errstate(divide="ignore"):
        t = -12.0 / rays[..., 1]
    distance = np.where((t > 0) & (t < 3000), t * np.linalg.norm(rays, axis=-1), np.inf)
    rng = np.random.default_rng(4)
    tone = rng.choice([0.02, 0.08, 0.15, 0.3], p=[0.15, 0.3, 0.35, 0.2], size=(height, width, 1))
    return tone * rng.lognormal(0, 0.15, (height, width, 1)) * np.array([1.0, 0.9, 0.5]), distance


def _hazed(rgb: F64, distance: F64, extinction: F64, inscatter: F64) -> F64:
    through = np.exp(-np.where(np.isfinite(distance), distance, 1e9)[..., None] * extinction)
    return rgb * through + inscatter * (1 - through)


@pytest.mark.parametrize("per_m", [8e-4, 4e-3])
def test_known_air_is_found_on_made_land(per_m: float) -> None:
    land, distance = _land()
    extinction, inscatter = per_m * np.array([0.9, 1.0, 1.15]), np.array([0.5, 0.58, 0.7])
    picture = _hazed(land, distance, extinction, inscatter)
    found, samples = measure_air(sights_of([picture], [distance], [view_of(SIZE, pitch_deg=4.0)], depth_from="depth"))
    assert found.value is not None and samples is not None and found.confidence > 0.5
    assert found.value.extinction_per_m == pytest.approx(extinction, rel=0.12)
    assert found.value.inscatter == pytest.approx(inscatter, rel=0.06)


def test_clear_air_is_left_alone() -> None:
    land, distance = _land()
    found, _ = measure_air(sights_of([land], [distance], depth_from="depth"))
    assert found.value is None and "no haze" in found.notes[0]


def test_without_distances_there_is_no_number() -> None:
    land, _ = _land()
    found, samples = measure_air(sights_of([land]))
    assert found.value is None and samples is None


@pytest.mark.parametrize("per_m", [2e-3, 6e-3])
def test_air_put_before_the_demo_is_found(per_m: float) -> None:
    """Land with trees, rocks and mountains, and air of its own (about 0.0003 a metre), which adds up."""
    stage = prepare(load_shot(find_content("scenes/valley/shot.yaml")))
    sights = read_sights(stage, frames_to_measure(stage, 1))
    sight = sights.frames[0]
    extinction, inscatter = per_m * np.array([0.9, 1.0, 1.1]), np.array([0.5, 0.55, 0.62])
    picture = _hazed(sight.rgb.astype(np.float64), sight.distance_m.astype(np.float64), extinction, inscatter)
    found, _ = measure_air(sights_of([picture], [sight.distance_m], [sight.view], depth_from="depth"))
    assert found.value is not None
    own = 3e-4
    assert np.mean(found.value.extinction_per_m) == pytest.approx(extinction.mean() + own, rel=0.15)
    assert found.value.inscatter == pytest.approx(inscatter, rel=0.03)


def test_air_that_is_brighter_towards_the_sun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left of the picture it has three times the light of the right: the mean is told, and the extinction is not misled, as
    it is where one inscatter has to serve all of it."""
    land, distance = _land()
    extinction, inscatter = 4e-3 * np.array([0.9, 1.0, 1.15]), np.array([0.5, 0.58, 0.7])
    turn = np.geomspace(1.7, 0.58, SIZE[0])[None, :, None]
    sights = sights_of(
        [_hazed(land, distance, extinction, inscatter * turn)], [distance], [view_of(SIZE, pitch_deg=4.0)],
        depth_from="depth",
    )  # fmt: skip
    found, _ = measure_air(sights)
    assert found.value is not None
    assert found.value.extinction_per_m == pytest.approx(extinction, rel=0.2)
    assert found.value.inscatter == pytest.approx(inscatter * turn.mean(), rel=0.06)
    monkeypatch.setattr("composer.comp.measure.air.SECTORS", 1)
    misled = measure_air(sights)[0].value
    assert misled is None or misled.extinction_per_m[1] < 0.5 * extinction[1]

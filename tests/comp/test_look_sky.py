"""The plate's lens and grain on a new sky, which is infinitely far."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from support.looks import view_of

from composer.camera.camera import View
from composer.comp.look_grain import grained
from composer.comp.look_iris import Circle
from composer.comp.look_sky import SkySetting, sky_through
from composer.comp.plate_look import Air, Grade, Grain, Optics, PlateLook, Vignette

SIZE = (72, 96)
FOCAL_PX = 200.0


def _pan(degrees: float) -> View:
    """Turned to the right by so much."""
    view, turn = view_of(SIZE, FOCAL_PX), np.eye(4)
    c, s = math.cos(math.radians(-degrees)), math.sin(math.radians(-degrees))
    turn[0, 0], turn[0, 2], turn[2, 0], turn[2, 2] = c, s, -s, c
    return View(1, view.size_px, turn, view.focal_px, view.centre_px)


def _still() -> tuple[View, View, View]:
    return (view_of(SIZE, FOCAL_PX),) * 3


def _clouds() -> np.ndarray:
    rough = np.random.default_rng(4).uniform(0, 1, (*SIZE, 3))
    return ndimage.gaussian_filter(rough, (1.5, 1.5, 0)).astype(np.float32) + 0.2


def test_a_look_without_lens_and_vignette_leaves_it() -> None:
    look = PlateLook(grade=Grade(np.diag([2.0, 1, 1]), np.zeros(3)), air=Air((1e-2,) * 3, (1, 1, 1)))
    sky = _clouds()
    assert np.array_equal(sky_through(look, sky, SkySetting(_still(), 0.05)), sky)


def test_it_gets_the_vignette_that_a_layer_gets() -> None:
    from support.looks import guides_of, laid_in

    look = PlateLook(vignette=Vignette(np.array([-0.3, 0.1, -0.05])))
    sky = _clouds()
    layer = laid_in(look, guides_of((sky, np.ones(SIZE, np.float32), 20.0)), np.zeros_like(sky))
    seen = sky_through(look, sky, SkySetting(_still(), 0.05))
    assert np.allclose(seen, layer.rgb, rtol=1e-3)


def test_a_near_focus_blurs_it_by_the_circle_of_infinity() -> None:
    optics = Optics(0.5, 8.0)
    point = np.zeros((*SIZE, 3), np.float32)
    point[36, 48] = 1
    seen = sky_through(PlateLook(optics=optics), point, SkySetting(_still(), 0.05))[..., 0].astype(np.float64)
    radius = float(Circle.of(optics, 0.05, FOCAL_PX).radius_px(np.array(1e7)))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] - np.array([36.0, 48.0])[:, None, None]
    assert radius > 1 and seen.sum() == pytest.approx(1, rel=1e-3)
    assert (seen * (x * x + y * y)).sum() == pytest.approx(
        radius**2 / 2, abs=0.2
    )  # a disc's second moment, and a pixel's
    assert np.allclose(sky_through(PlateLook(optics=Optics(2.8, np.inf)), point, SkySetting(_still(), 0.05)), point)


def test_a_pan_smears_it_along_the_way_of_the_camera() -> None:
    views = (_pan(-2), _pan(0), _pan(2))
    optics = Optics(shutter_deg=180, shutter_offset_deg=-90)
    sky = np.broadcast_to(np.sin(np.arange(SIZE[1]) / 1.7)[:, None] + 2, (*SIZE, 3)).astype(np.float32)
    seen = sky_through(PlateLook(optics=optics), sky, SkySetting(views, 0.05))
    # many views over the shutter's time; a picture of the sky lies at infinity
    middle, total = views[1], np.zeros(SIZE[1])
    pixel = np.stack(np.meshgrid(np.arange(SIZE[1]) + 0.5, [36.5]), axis=-1)
    for t in np.linspace(-0.25, 0.25, 201):
        at = middle.project(_pan(2 * t).rays(pixel))[0][0, :, 0] - 0.5
        total += np.interp(at, np.arange(SIZE[1]), sky[36, :, 0]) / 201
    inner = slice(8, -8)
    assert np.abs(seen[36, inner, 0] - total[inner]).max() < 0.02
    assert np.abs(sky[36, inner, 0] - total[inner]).max() > 0.05


def test_grain_is_as_strong_as_the_share_that_is_new_and_the_plate_keeps_its_own() -> None:
    grain = Grain(np.array([0.0, 1.0]), np.array([[1e-4, 9e-4]] * 3), np.ones((1, 1, 1), np.float32), np.eye(3))
    grain = Grain(grain.level, grain.variance, np.ones((3, 1, 1), np.float32), grain.mix)
    shape = (240, 320)
    share = np.repeat(np.array([0, 0.5, 1, 1], np.float32), 60)[:, None] * np.ones((1, 320), np.float32)
    plate = np.where(np.arange(240)[:, None, None] < 180, np.float32(1), np.float32(0.5)) * np.ones(
        (240, 320, 3), np.float32
    )
    made = grained(plate, share, grain, 7, threads=1)
    assert np.array_equal(made[:60], plate[:60])
    noise = made - plate
    for rows, expected in ((slice(60, 120), 9e-4 * 0.75), (slice(120, 180), 9e-4), (slice(180, 240), 5e-4)):
        assert noise[rows].var() == pytest.approx(expected, rel=0.05)
    assert np.array_equal(made, grained(plate, share, grain, 7, threads=3))
    other = grained(plate, share, grain, 8, threads=1) - plate
    assert abs(np.corrcoef(noise[120:180].ravel(), other[120:180].ravel())[0, 1]) < 0.02
    assert made.shape[:2] == shape

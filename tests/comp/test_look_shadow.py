"""The plate's lens on the shadow: as soft as the ground it lies on, and never on what stands before that."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal
from support.looks import disc, view_of

from composer.camera.camera import View
from composer.comp.look_iris import Circle
from composer.comp.look_shadow import GroundSeen, shadow_through
from composer.comp.plate_look import Edge, Optics, PlateLook

SIZE = (96, 128)
STILL = (view_of(SIZE),) * 3
CENTRED = {"shutter_deg": 180.0, "shutter_offset_deg": -90.0}


def _ground(depth: object, share: object = 1.0, views: tuple[View, View, View] = STILL) -> GroundSeen:
    return GroundSeen(*(np.broadcast_to(np.float32(a), SIZE).copy() for a in (depth, share)), views, 0.05)


def _beside(x_m: float) -> View:
    at = np.eye(4)
    at[0, 3] = x_m
    return View(1, STILL[1].size_px, at, STILL[1].focal_px, STILL[1].centre_px)


def test_without_a_lens_it_stays() -> None:
    shadow = 0.5 * disc(SIZE, (48, 64), 20)
    assert shadow_through(PlateLook(edge=Edge(1.0)), shadow, _ground(20)) is shadow
    sharp = shadow_through(PlateLook(optics=Optics(0.5, 20.0)), shadow, _ground(20))
    assert np.allclose(sharp, shadow, atol=1e-6)


@pytest.mark.parametrize("depth_m", [5.0, 60.0])
def test_it_is_as_soft_as_its_ground(depth_m: float) -> None:
    optics = Optics(0.5, 12.0)
    shadow = 0.6 * disc(SIZE, (48, 64), 18)
    radius = abs(float(Circle.of(optics, 0.05, 1000.0).radius_px(np.array(depth_m))))
    y, x = np.mgrid[-24:25, -24:25]
    iris = np.clip(radius - np.hypot(y, x) + 0.5, 0, 1)
    expected = signal.fftconvolve(shadow, iris / iris.sum(), mode="same")
    found = shadow_through(PlateLook(optics=optics), shadow, _ground(depth_m))
    assert radius > 3 and np.abs(found - expected).max() < 0.03
    assert found.sum() == pytest.approx(shadow.sum(), rel=0.01)


def test_a_moving_camera_smears_it_as_it_does_the_ground() -> None:
    views = (_beside(-0.2), _beside(0.0), _beside(0.2))  # 10 px a frame at 20 m
    shadow = np.zeros(SIZE, np.float32)
    shadow[30:60, 50:80] = 0.5
    found = shadow_through(PlateLook(optics=Optics(**CENTRED)), shadow, _ground(20.0, views=views))
    edge = np.clip((np.arange(SIZE[1]) + 0.5 - 50 + 2.5) / 5, 0, 1) * 0.5  # a ramp 5 px wide
    assert np.abs(found[45, :65] - edge[:65]).max() < 0.06
    assert np.allclose(found[45, 58:72], 0.5, atol=1e-3) and not found[:29].any()


def test_what_stands_before_the_ground_gets_none_and_takes_none() -> None:
    share = 1 - disc(SIZE, (48, 64), 12)
    full = np.full(SIZE, 0.5, np.float32)
    for optics in (Optics(0.5, 12.0), Optics(0.5, 12.0, **CENTRED)):
        views = (_beside(-0.2), _beside(0.0), _beside(0.2))
        found = shadow_through(PlateLook(optics=optics), full * share, _ground(5.0, share, views))
        assert np.allclose(found, 0.5 * share, atol=2e-3)  # even shadow stays even up to his edge
    hill = np.where(np.arange(SIZE[0])[:, None] < 40, np.inf, 5.0)
    shadow = np.where(np.isfinite(hill), np.float32(0.5), 0) * np.ones(SIZE, np.float32)
    found = shadow_through(PlateLook(optics=Optics(0.5, 12.0)), shadow, _ground(hill))
    assert np.allclose(found, shadow, atol=1e-5)


def test_threads_do_not_change_a_bit() -> None:
    shadow = 0.5 * disc(SIZE, (48, 64), 20)
    look = PlateLook(optics=Optics(0.5, 12.0, **CENTRED))
    depth = np.linspace(60, 5, SIZE[0])[:, None]
    views = (_beside(-0.2), _beside(0.0), _beside(0.2))
    one, three = (shadow_through(look, shadow, _ground(depth, views=views), threads=n) for n in (1, 3))
    assert np.array_equal(one, three) and (one > 0).sum() > (shadow > 0).sum()

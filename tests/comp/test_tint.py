"""The crowd's shadow in the air before the ground."""

from __future__ import annotations

import numpy as np
import pytest

from composer.camera.camera import View
from composer.comp.look_tint import shadow_in_air
from composer.comp.plate_look import Air
from composer.comp.shade import Shade

SIZE = (64, 48)
VIEW = View(1001, SIZE, np.eye(4), (60.0, 60.0), (32.0, 24.0))


def test_a_shadow_darkens_the_ground_and_not_the_air_before_it() -> None:
    """Grey ground 150 m away (planar), half of its light gone: what is left is half the ground's own light, through the air."""
    w, h = SIZE
    y, x = np.mgrid[:h, :w] + 0.5
    reach = 150.0 * np.sqrt(1 + ((x - 32) / 60) ** 2 + ((y - 24) / 60) ** 2)
    through = np.exp(-0.004 * reach)[..., None]
    ground, glow = np.full(3, 0.2), np.array([0.6, 0.6, 0.6])
    plate, dark = (ground * light * through + glow * (1 - through) for light in (1.0, 0.5))
    shadow = np.zeros((h, w), np.float32)
    shadow[10:30, 5:50] = 0.5
    air = Air((0.004,) * 3, (0.6,) * 3)
    far, whole = np.full((h, w), 150.0, np.float32), Shade(shadow, np.float32(0.5) * shadow, (0.8, 0.7, 0.5))
    assert (shadow_in_air(whole, plate.astype(np.float32), far, air, VIEW, np.eye(3)).taken() < whole.taken())[
        shadow > 0
    ].all()
    found = shadow_in_air(Shade.grey(shadow), plate.astype(np.float32), far, air, VIEW, np.eye(3)).taken()[..., 0]
    seen = plate * (1 - found[..., None])
    inside = np.s_[14:26, 9:46]  # the plate's light is averaged over some pixels
    assert seen[inside] == pytest.approx(dark[inside], rel=0.01)
    assert (found[shadow == 0] == 0).all() and found.max() < 0.5


def test_a_shadow_on_a_plate_darker_than_its_air_is_gone_and_none_stays_none() -> None:
    w, h = SIZE
    plate, far = np.full((h, w, 3), 0.1, np.float32), np.full((h, w), 900.0, np.float32)
    air = Air((0.01,) * 3, (0.5,) * 3)
    dark = Shade.grey(np.full((h, w), 0.7, np.float32))
    assert not shadow_in_air(dark, plate, far, air, VIEW, np.eye(3)).taken().any()
    none = Shade.none((h, w))
    assert shadow_in_air(none, plate, far, air, VIEW, np.eye(3)) is none

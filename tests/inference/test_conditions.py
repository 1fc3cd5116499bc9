"""From the guides to what a model is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from composer.color.model_range import ModelRange
from composer.guides.passes import Holdout
from composer.inference.conditions import Brief, change_of, request_of, tame
from composer.inference.direction import Direction, Text
from composer.inference.reach import paint_mask, reach_of
from tests.support import sights
from tests.support.sights import FAR, NEAR, H, W

OWN, MUD, RED = Text("an army", "photo"), Text("mud", ""), Text("red cloth", "")
RANGE = ModelRange(1.0)


class Silent:
    def latents(self, frame, channels, size, factor, purpose, part=None):  # type: ignore[no-untyped-def]
        return np.zeros((channels, *size), np.float32)


def direction(texts=(OWN,), text=(0, 0), strength=(0.6, 0.6), shot=0.6) -> Direction:  # type: ignore[no-untyped-def]
    """FAR stands before NEAR in the arrays, by id."""
    ids = np.array([FAR, NEAR], np.uint32)
    return Direction(tuple(texts), ids, np.array([*text, 0]), np.array([*strength, shot], np.float32), shot)


def brief(told: Direction | None = None, grow_px: int = 12) -> Brief:
    return Brief(told or direction(), RANGE, (4.0, 64.0), 9, 3.0, grow_px)


def asked(told: Direction | None = None, **changes):  # type: ignore[no-untyped-def]
    return request_of([replace(sights.sight(), **changes)], brief(told), Silent())


def test_pictures_go_in_model_range_and_passes_as_the_contract_has_them() -> None:
    sight, request = sights.sight(), asked()
    assert request.frames == (1001,) and request.size == (H, W) and (request.steps, request.guidance) == (9, 3.0)
    for name in ("plate", "guide"):
        picture = getattr(request, name)
        assert picture.shape == (1, H, W, 3) and picture.min() >= 0 and picture.max() <= 1
        assert np.allclose(RANGE.decode(picture[0]), getattr(sight, name), rtol=1e-3, atol=1e-4)
    depth = request.depth[0]
    assert (depth[sight.guides.coverage == 0] == 0).all()
    assert depth[48, 40] == pytest.approx((1 / 8 - 1 / 64) / (1 / 4 - 1 / 64), rel=1e-5)
    normal = request.normal[0]
    assert np.allclose(normal[48, 40], (0.5, 0.5, 1.0)) and not normal[sight.guides.coverage == 0].any()
    assert np.array_equal(request.agent_id[0], sight.guides.agent_id)


def test_what_a_metre_takes_in_pixels_goes_with_the_depth() -> None:
    request = asked(focal_px=1600.0)
    far, near = request.metre_px
    assert (far, near) == (1600 / 64, 1600 / 4)
    assert far + request.depth[0][48, 40] * (near - far) == pytest.approx(1600 / 8, rel=1e-5)
    assert asked().metre_px == (np.inf, np.inf)


def test_albedo_is_plain_colour_without_light_or_coverage() -> None:
    """At a soft edge as in the middle, and however bright the guide is."""
    passes, request = sights.sight().guides, asked()
    alone = sights.disc(sights.CENTRES[FAR]) == 0
    edge = (passes.coverage > 0.05) & (passes.coverage < 0.95) & (passes.agent_id == NEAR) & alone
    assert edge.sum() > 20
    there = RANGE.decode(request.albedo[0])
    for where in (edge, (slice(48, 49), slice(40, 41))):
        assert np.allclose(there[where], 0.5 * np.array(sights.COLOUR[NEAR]), rtol=2e-3, atol=1e-4)
    assert not request.albedo[0][passes.coverage == 0].any()
    bright = asked(guides=replace(passes, beauty=4 * passes.beauty))
    assert np.array_equal(bright.albedo, request.albedo)


def test_the_mask_is_the_coverage_grown_and_falls_to_nothing() -> None:
    sight = sights.sight()
    mask = change_of(sight, brief()).mask
    y, x = np.mgrid[:H, :W]
    away = np.min([np.hypot(y + 0.5 - c[0], x + 0.5 - c[1]) - sights.RADIUS for c in sights.CENTRES.values()], axis=0)
    assert (mask[sight.guides.coverage > 0] == 1).all()
    assert mask[away < 4].min() == 1 and mask[away > 13].max() == 0
    ring = (away > 7) & (away < 11)
    assert mask[ring].min() > 0 and mask[ring].max() < 1


def test_what_stands_before_the_crowd_is_not_painted() -> None:
    left = np.zeros((H, W), np.float32)
    left[:, :60] = 1
    near, far = (change_of(sights.sight(holdouts=(Holdout(left, d),)), brief()).mask for d in (0.0, 10.0))
    assert near[:, :60].max() == 0 and near[48, 80] == 1
    # 10 m: before the far one, behind the near one, whose grown ground stays his
    assert far[48, 40] == 1 and far[48, 24] > 0
    wall = np.full((H, W), np.inf, np.float32)
    wall[:, 100:] = 3.0
    depth = change_of(sights.sight(holdouts=(Holdout(np.ones((H, W), np.float32), wall),)), brief()).mask
    assert depth[:, 100:].max() == 0 and depth[48, 80] == 1


def test_a_ridge_hides_and_the_earth_at_his_feet_does_not() -> None:
    assert change_of(sights.sight(ground_m=13.5), brief()).mask[48, 104] > 0
    ridge = change_of(sights.sight(ground_m=5.0), brief()).mask
    assert ridge[48, 104] == 0 and ridge[48, 80] == 1


def test_each_gets_his_own_text_and_strength_and_so_does_the_ground_around_him() -> None:
    request = asked(direction((OWN, MUD, RED), text=(1, 2), strength=(0.2, 0.9)))
    assert [p.text for p in request.prompts] == ["an army", "mud", "red cloth"]
    own, mud, red = (p.weight[0] for p in request.prompts)
    assert np.allclose(own + mud + red, 1)
    assert red[48, 40] == 1 and mud[44, 90] == 1 and own[0, 0] == 1 and own[48, 40] == 0
    assert red[48, 28] == 1 and mud[44, 101] == 1  # beside them, within what is painted
    strength = request.strength[0]
    assert strength[48, 40] == pytest.approx(0.9) and strength[44, 90] == pytest.approx(0.2)
    assert strength[0, 0] == pytest.approx(0.6)
    both = (red > 0) & (mud > 0)  # both in one pixel: by how much of it is whose
    assert both.any() and np.allclose(strength[both], 0.9 * red[both] + 0.2 * mud[both], atol=1e-5)


def test_text_is_optional_and_one_text_needs_no_weights() -> None:
    assert asked(direction((Text("", ""),))).prompts == ()
    (only,) = asked().prompts
    assert only.text == "an army" and only.negative == "photo" and only.weight is None
    # somebody's text beside a shot without one: the rest is told nothing
    nothing, mud = asked(direction((Text("", ""), MUD), text=(0, 1))).prompts
    assert nothing.text == "" and mud.weight[0].max() == 1


def test_a_text_that_nobody_in_the_frame_has_is_not_asked_for() -> None:
    assert [p.text for p in asked(direction((OWN, MUD, RED), text=(1, 1))).prompts] == ["an army", "mud"]


def test_odd_plate_values_are_tamed() -> None:
    odd = np.array([[[np.nan, np.inf, -np.inf]]], np.float32)
    assert tame(odd).tolist() == [[[0.0, 65504.0, 0.0]]]


def test_nobody_there_is_nothing_to_paint() -> None:
    empty = replace(sights.guides(), coverage=np.zeros((H, W), np.float32))
    assert reach_of(empty, (), np.full((H, W), np.inf, np.float32), 12) is None
    sight = replace(sights.sight(), guides=empty, reach=None)
    assert not change_of(sight, brief()).mask.any()


def test_the_nearest_soldier_is_found_pixel_by_pixel() -> None:
    sight = sights.sight()
    reach = sight.reach
    assert reach is not None
    covered = np.argwhere(sight.guides.coverage > 0)
    got = reach.outwards(np.stack(np.mgrid[:H, :W], -1))
    y0, _, x0, _ = reach.box
    rng = np.random.default_rng(0)
    for y, x in zip(rng.integers(0, got.shape[0], 60), rng.integers(0, got.shape[1], 60), strict=True):
        exact = np.hypot(*(covered - (y + y0, x + x0)).T).min()
        assert np.hypot(*(got[y, x] - (y + y0, x + x0))) <= exact * 1.05 + 0.5
        assert reach.outside_px[y, x] == pytest.approx(exact, rel=0.03, abs=0.3)
    assert paint_mask(reach, 12).shape == got.shape[:2]

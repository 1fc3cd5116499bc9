"""Pairs: the same again, in range, their silhouettes the guides', their targets free of noise, held-out ones apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from composer.guides.ground import ground_depth
from composer.guides.render import render_guides
from models.levy.recipe import scenes
from models.levy.recipe.data import Stored, slices, stored
from models.levy.recipe.pairs import draft_samples, pair_from
from models.levy.recipe.reference import render_reference
from models.levy.recipe.scenes import HELD_OUT, SUN_HELD_DEG, may_meet, scene_of
from tests.levy.conftest import NUMBERS, SIZE_PX


def test_a_number_is_always_the_same_pair(pairs: list[Stored]) -> None:
    again = stored(NUMBERS[0], SIZE_PX, 40.0)
    assert again.text == pairs[0].text
    for name in ("bytes", "depth", "agent"):
        np.testing.assert_array_equal(getattr(again, name), getattr(pairs[0], name))
    assert (pairs[0].bytes != pairs[1].bytes).any()


def test_silhouettes_are_the_guides_and_the_rest_is_plate() -> None:
    scene = scene_of(5, SIZE_PX, 60.0)
    pair = pair_from(replace(scene, haze=0.0))
    request, cover = pair.request, pair.coverage
    assert draft_samples() == 8 and (cover > 0.5).any()
    nobody = cover == 0
    passes = (request.plate, request.guide, request.normal, request.albedo, request.pose, request.depth)
    for picture in (pair.target, *(one[0] for one in passes)):
        assert np.isfinite(picture).all() and picture.min() >= 0 and picture.max() <= 1
    np.testing.assert_allclose(request.guide[0][nobody], request.plate[0][nobody], atol=1e-6)
    # the target has twice the samples: a little of somebody may show where the guide saw nobody
    off = np.abs(pair.target - request.plate[0]).max(-1)[nobody] > 0.02
    assert off.mean() < 0.01
    assert not request.depth[0][nobody].any() and (request.mask[0][cover > 0] == 1).all()
    plain = request.depth[0][cover > 0.99]
    assert (plain > 0).all()
    if not _has_pieces(scene):
        view = scene.view
        guides = render_guides(
            scene.agents, scene.cast, (view,) * 3, ground_depth(scene.ground, view), (), scene.light, samples=8
        )
        np.testing.assert_array_equal(guides.coverage, cover)


def _has_pieces(scene: scenes.LevyScene) -> bool:
    from models.levy.recipe.pieces import SHARE

    return np.random.default_rng((77, scene.number)).random() <= SHARE


def test_targets_carry_no_grain() -> None:
    """Two seeds of the rays differ by less than what a display shows as noise."""
    scene = scene_of(23, (128, 128), 90.0)  # an overcast one: nearly all of the light is the sky's
    ground_m = ground_depth(scene.ground, scene.view)
    a, b = (
        render_reference(scene.agents, scene.cast, scene.view, ground_m, (), scene.light, scene.wear, seed=seed)
        for seed in (1, 2)
    )
    crowd = a[..., 3] > 0.99
    level = a[crowd][:, :3].mean()
    deviation = np.sqrt(((a - b)[crowd][:, :3] ** 2).mean() / 2)
    assert crowd.sum() > 400 and deviation < 0.03 * level, deviation / level


@pytest.mark.parametrize("word", [w for w in scenes.WEARS if w != "clean"])
def test_a_word_of_wear_shows_in_the_target_and_nowhere_else(word: str) -> None:
    """Mud lies low, blood is red, dust makes everybody's colours alike; the guide knows nothing of it."""
    scene = replace(scene_of(40, SIZE_PX, 90.0), haze=0.0)
    clean, worn = (pair_from(scenes.reworn(scene, w)) for w in ("clean", word))
    crowd, nobody = clean.coverage > 0.9, clean.coverage == 0
    change = worn.target - clean.target
    assert np.sqrt((change[crowd] ** 2).mean()) > 0.015
    np.testing.assert_array_equal(worn.request.guide, clean.request.guide)
    # twice the samples: a little of somebody may show where the guide saw nobody
    assert (change[nobody] != 0).any(-1).mean() < 0.01 and worn.text.replace(word, "clean") == clean.text
    red = change[crowd][:, 0] - change[crowd][:, 1:].mean(-1)
    hues = [(p.target - p.target.mean(-1, keepdims=True))[crowd].std(0).mean() for p in (clean, worn)]
    if word == "bloody":
        assert red.mean() > 0.003
    if word == "dusty and torn":
        assert hues[1] < 0.9 * hues[0]
    if word == "muddy":
        rows = np.argwhere(crowd)[:, 0]
        darker = -change[crowd].mean(-1)
        below = rows > np.median(rows)
        assert darker[below].mean() > 1.3 * darker[~below].mean()


@pytest.mark.parametrize("number", [5, HELD_OUT + 5])
def test_the_same_people_are_shown_in_another_state(number: int) -> None:
    scene = scene_of(number, (96, 80), 40.0)
    pair = pair_from(scene)
    word = scenes.other_wear(scene)
    alone = pair_from(scenes.reworn(scene, word))
    np.testing.assert_array_equal(pair.other, alone.target)
    assert pair.other_text == alone.text != pair.text and word != scenes.wear_of(scene)
    if number >= HELD_OUT:
        assert word == scenes.OPPOSITE[scenes.wear_of(scene)]
    np.testing.assert_array_equal(pair_from(scenes.reworn(scene, scenes.wear_of(scene))).target, pair.target)


@pytest.mark.parametrize("number", range(4))
def test_held_out_suns_and_mixtures_are_never_trained_on(number: int) -> None:
    def height(n: int) -> float:
        rng = np.random.default_rng(n)
        return float(np.degrees(np.arcsin(scenes._light(rng, n >= HELD_OUT)[0].sun_direction[1])))

    def held(deg: float) -> bool:
        return any(a - 1e-3 <= deg <= b + 1e-3 for a, b in SUN_HELD_DEG)

    assert held(height(HELD_OUT + number)) and not held(height(number))


def test_each_mixture_of_kits_is_either_trained_on_or_held_out() -> None:
    kits = (*scenes.FOOT, *scenes.RIDING)
    pairs = [(a, b) for a in kits for b in scenes.FOOT]
    held = [p for p in pairs if may_meet(*p, True)]
    assert 0 < len(held) < len(pairs) / 3 and not [p for p in held if may_meet(*p, False)]


def test_parts_lie_side_by_side(pairs: list[Stored]) -> None:
    assert slices()["coverage"].stop == pairs[0].bytes.shape[-1]
    assert pairs[0].part("guide").shape == (SIZE_PX[1], SIZE_PX[0], 3) and pairs[0].part("mask").ndim == 2
    assert set(np.unique(pairs[0].agent)) >= {0, 1}

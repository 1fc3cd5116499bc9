"""`match:` and `environment.volumes:` in one shot: smoke before the crowd goes through the plate's look with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from composer.comp.composite import Composite
from composer.comp.plate_look import Edge, Grade, Grain, Optics, PlateLook, Vignette
from composer.environment.build import build_environment
from composer.render.look import Look, Scene, look_at, read_inputs
from composer.render.match import Matching
from composer.render.people import people_on
from composer.render.place import around_of
from composer.shot.load import load_shot
from composer.shot.stage import prepare

MakeShot = Callable[..., Path]
PLACE = """\
environment:
  sky: {clouds: {cover: 0.5}}
  pieces: [{name: wall, kind: palisade, path_m: [[-4, -14], [4, -13]]}]
"""
AIR = """\
  volumes:
    smoke: [{name: fire, at_m: [1.5, -8], height_m: 6, width_m: 0.8}]
    dust: [{name: bank, polygon_m: [[-5, -20], [-1, -20], [-1, -26], [-5, -26]], height_m: 2, visibility_m: 12, soft_m: 1}]
"""
IDENTITY = PlateLook(grade=Grade(np.eye(3), np.zeros(3)))
GRAIN = Grain(np.array([0.0, 1.0]), np.full((3, 2), 1e-3), np.ones((3, 1, 1), np.float32), np.eye(3))
SOFT = PlateLook(
    Grade(np.diag([1.2, 1.0, 0.8]), np.full(3, 0.01)), None, GRAIN, Edge(1.2, 0.3, 5.0),
    vignette=Vignette(np.array([-0.3, 0.0, 0.0])), optics=Optics(f_stop=1.4, focus_m=3.0),
)  # fmt: skip


def looked_at(make_shot: MakeShot, block: str) -> Look:
    shot = make_shot(frames=1)
    own = shot.with_name("air.yaml")
    own.write_text(shot.read_text().replace("crowd:\n", block + "crowd:\n", 1))
    stage = prepare(load_shot(own))
    return look_at(Scene(stage, people_on(stage), 4, "cpu"), read_inputs(stage, 1001))


def matched(look: Look, plate_look: PlateLook) -> Look:
    place = look.place
    if place is not None and look.guides.place is not None:
        place = replace(place, around=around_of(look.guides.place, place.haze, look.views[1]))
    return replace(look, matching=Matching(plate_look, 7, 0.035, look.views[1]), place=place)


def added_up(look: Look, made: Composite) -> np.ndarray:
    layers = {la.name: la.rgba.astype(np.float64) for la in made.layers}
    front = layers["crowd"] + layers["environment"] + layers["air"]
    assert front[..., 3].max() < 1.002
    ground = look.plate * (1 - layers["shadow"][..., 3:]) + layers["shadow"][..., :3]
    return ground * (1 - front[..., 3:]) + front[..., :3]


@pytest.fixture
def look(make_shot: MakeShot) -> Look:
    return looked_at(make_shot, PLACE + AIR)


def test_a_look_that_changes_nothing_is_the_air_alone(look: Look) -> None:
    alone, both = look.composite(look.guides), matched(look, IDENTITY).composite(look.guides)
    assert [la.name for la in alone.layers] == [la.name for la in both.layers]
    assert np.allclose(alone.rgb.astype(float), both.rgb.astype(float), rtol=3e-3, atol=2e-3)
    assert np.array_equal(alone.touched, both.touched)
    without = replace(matched(look, IDENTITY), air=None).composite(look.guides)
    assert np.abs(without.rgb.astype(float) - both.rgb).max() > 0.05


@pytest.mark.parametrize("block", [PLACE + AIR, "environment:\n" + AIR])
def test_layers_add_up_and_the_rest_is_the_plate(make_shot: MakeShot, block: str) -> None:
    look = matched(looked_at(make_shot, block), SOFT)
    made = look.composite(look.guides)
    air = next(la.rgba for la in made.layers if la.name == "air")
    assert (air[..., 3] > 0.2).any()
    assert np.allclose(added_up(look, made), made.rgb, rtol=6e-3, atol=6e-3)
    rest = ~made.touched
    assert rest.mean() > 0.05
    assert np.array_equal(made.rgb[rest], look.plate[rest].astype(np.float16))
    alpha = sum(la.rgba[..., 3].astype(float) for la in made.layers)
    assert (alpha[rest] == 0).all()


def test_air_of_no_density_is_the_look_alone(look: Look) -> None:
    assert look.air is not None
    volumes = look.air.setting.volumes
    thin = replace(volumes, plumes=(), banks=(), fog=None)
    setting = replace(look.air.setting, volumes=thin, raised=None)
    clear = replace(matched(look, SOFT), air=replace(look.air, setting=setting))
    one, two = clear.composite(look.guides), replace(clear, air=None).composite(look.guides)
    assert np.array_equal(one.rgb, two.rgb) and one.untouched_sha256 == two.untouched_sha256
    parts = {la.name: la.rgba for la in one.layers}
    assert not parts.pop("air").any()
    for la in two.layers:
        assert np.array_equal(parts[la.name], la.rgba)


def test_smoke_gets_the_grade_and_grain_before_the_plate_too(look: Look) -> None:
    plain = matched(look, IDENTITY).composite(look.guides)
    warm = matched(look, PlateLook(grade=Grade(np.diag([2.0, 1.0, 0.5]), np.zeros(3)))).composite(look.guides)
    first, second = (next(la.rgba.astype(float) for la in m.layers if la.name == "air") for m in (plain, warm))
    thick = first[..., 3] > 0.2
    assert thick.sum() > 50
    first_lit, second_lit = (a[thick][:, :3] @ np.linalg.inv(look.delivery_from_working).T for a in (first, second))
    assert np.allclose(second_lit, first_lit * [2, 1, 0.5], rtol=6e-3, atol=2e-3)
    grainy = matched(look, PlateLook(grain=GRAIN)).composite(look.guides)
    noise = next(la.rgba.astype(float) for la in grainy.layers if la.name == "air")[thick][:, 1] - first[thick][:, 1]
    share = first[thick][:, 3]
    meant = np.sqrt(1e-3 * np.mean(share * (2 - share)))
    assert 0.75 * meant < noise.std() < 1.25 * meant


def test_a_shot_file_may_have_both(make_shot: MakeShot) -> None:
    shot = make_shot(frames=1)
    text = shot.read_text().replace("crowd:\n", "environment:\n" + AIR + "crowd:\n", 1)
    shot.write_text(text + "match: {grade: {gain: [2, 2, 2]}}\n")
    loaded = load_shot(shot)
    assert loaded.match is not None and loaded.environment is not None and loaded.environment.volumes is not None
    place = build_environment(prepare(loaded))
    assert place is not None and place.volumes

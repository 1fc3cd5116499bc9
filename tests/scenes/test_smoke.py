"""The valley with its air: what the shot asks for is in the picture, and the hosts are those of the fortress."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.empty import nobody

from composer.camera.camera import View
from composer.crowd.people import People
from composer.environment.build import build_environment
from composer.environment.model import Environment
from composer.guides.air import air_passes, plate_depth
from composer.guides.ground import ground_depth
from composer.guides.passes import Holdout, Light, Samples
from composer.guides.pieces import without_people
from composer.guides.render import render_guides
from composer.render.air import AirLook, air_look
from composer.render.people import people_on
from composer.shot.load import load_shot
from composer.shot.reduced import reduced
from composer.shot.stage import prepare

SCENES = Path(__file__).parents[2] / "scenes" / "valley"


def test_smoke_dust_and_feet_are_in_the_picture() -> None:
    stage = reduced(prepare(load_shot(SCENES / "smoke.yaml")), 320)
    place = build_environment(stage)
    assert place is not None and place.volumes is not None
    view, people = stage.camera.view(1012), people_on(stage)
    light = Light(stage.light.sun_direction, stage.light.sun, stage.light.sky, stage.light.bounce)
    look = air_look(stage, place.volumes, people, view, light, "cpu")
    assert look is not None and look.setting.raised is not None
    ground = ground_depth(stage.ground, view)
    guides = nobody(view)
    air = air_passes(look.setting, guides, guides.beauty, None, plate_depth(ground, []), [])
    taken = 1 - air.back[..., 3]
    assert 0.1 < (taken > 0.05).mean() < 0.8 and taken.max() > 0.5
    assert (air.back >= 0).all() and np.isfinite(air.back).all()
    for plume in place.volumes.plumes:  # each column is where the shot has it
        up = plume.foot_m + np.array([0.0, 3.0, 0.0])
        cam = view.camera_from_world[:3, :3] @ (up - view.position_m)
        x = int(cam[0] / -cam[2] * view.focal_px[0] + view.centre_px[0])
        y = int(-cam[1] / -cam[2] * view.focal_px[1] + view.centre_px[1])
        if 4 <= x < 316 and 4 <= y < 176:
            assert taken[y - 3 : y + 4, x - 4 : x + 5].max() > 0.2, plume.name


@dataclass(frozen=True)
class Seen:
    """Frame 1012 at 480 px."""

    place: Environment
    people: People
    views: tuple[View, View, View]
    light: Light
    ground: NDArray[np.float32]
    air: AirLook


@pytest.fixture(scope="module")
def seen() -> Seen:
    stage = reduced(prepare(load_shot(SCENES / "smoke.yaml")), 480)
    place, people = build_environment(stage), people_on(stage)
    assert place is not None
    views = (stage.camera.view(1011), stage.camera.view(1012), stage.camera.view(1013))
    light = Light(stage.light.sun_direction, stage.light.sun, stage.light.sky, stage.light.bounce)
    air = air_look(stage, place.volumes, people, views[1], light, "cpu")
    assert air is not None
    return Seen(place, people, views, light, ground_depth(stage.ground, views[1]), air)


def in_samples(samples: Samples, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """What a picture's samples add up to."""
    pixel = np.repeat(np.arange(shape[0] * shape[1]), np.diff(samples.start))
    total = [np.bincount(pixel, samples.rgb[:, k], shape[0] * shape[1]) for k in range(3)]
    return np.stack(total, -1).reshape(shape)


def test_the_smoke_shades_ground_and_crowd(seen: Seen) -> None:
    """What the sun gives is less under it, what the sky gives is not; samples and lights say the same."""
    agents, ground = seen.people.at((1011, 1012, 1013)), seen.ground
    clear = render_guides(agents, seen.people.cast, seen.views, ground, [], seen.light, samples=4, light_set=True)
    assert clear.lights is not None
    under = seen.air.shaded(clear, ground, [], True)
    darker = under.shadow - clear.shadow
    assert darker.min() > -1e-6 and darker.max() > 0.4 and 0.01 < (darker > 0.05).mean() < 0.5
    assert (darker[~np.isfinite(ground)] == 0).all()
    assert under.lights is not None and (under.beauty <= clear.beauty + 1e-6).all()
    gone = clear.beauty - under.beauty
    assert gone.max() > 0.05
    np.testing.assert_allclose(under.lights.sun + clear.lights.sky + clear.lights.bounce, under.beauty, atol=2e-4)
    np.testing.assert_allclose(in_samples(under.samples, under.beauty.shape), under.beauty, atol=1e-4)
    matte = Holdout(np.ones(ground.shape, np.float32), 0.5)  # all of the ground hidden: nothing to shade
    np.testing.assert_array_equal(seen.air.shaded(clear, ground, [matte], False).shadow, clear.shadow)


def test_the_smoke_shades_what_stands_around(seen: Seen) -> None:
    """Tents and slopes lose of what the sun gives them, a painting on them as much as they do."""
    empty = without_people(seen.people.at((1011, 1012, 1013)))
    drawn = render_guides(
        empty,
        seen.people.cast,
        seen.views,
        seen.ground,
        [],
        seen.light,
        samples=4,
        light_set=True,
        environment=seen.place,
    ).place
    assert drawn is not None and drawn.sun is not None
    assert (drawn.sun <= drawn.beauty + 1e-6).all() and (drawn.sun > 0.05).mean() > 0.02
    under = seen.air.shaded_place(drawn, drawn)
    assert under is not None
    gone = drawn.beauty - under.beauty
    assert (gone >= 0).all() and (gone <= drawn.sun + 1e-6).all() and gone.max() > 0.05
    np.testing.assert_allclose(in_samples(under.samples, under.beauty.shape), under.beauty, atol=1e-4)
    painting = seen.air.shaded_place(replace(drawn, beauty=drawn.beauty * 2), drawn)
    assert painting is not None
    np.testing.assert_allclose(painting.beauty, 2 * under.beauty, rtol=1e-5)


def test_the_hosts_are_those_of_the_fortress() -> None:
    first, second = (load_shot(SCENES / name) for name in ("fortress.yaml", "smoke.yaml"))
    assert first.crowd == second.crowd
    assert first.environment is not None and second.environment is not None
    assert first.environment.pieces == second.environment.pieces

"""People on terrain: they stand on what is drawn, wherever it is higher than the plate's ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from composer.environment.build import build_environment
from composer.environment.land import Land, Platform, land_of
from composer.errors import InputError, InputErrors
from composer.guides.ground import ground_depth
from composer.guides.passes import Light
from composer.guides.render import render_guides
from composer.render.people import people_on
from composer.render.worn import worn_layer
from composer.shot.ground import mesh_ground, plane_ground
from composer.shot.load import load_shot
from composer.shot.stage import Stage, prepare

MakeShot = Callable[..., Path]
HILL = """\
environment:
  seed: 3
  terrain:
    - {name: hill, polygon_m: [[-40, -60], [40, -60], [40, -14], [-40, -14]], height_m: 7, falloff_m: 18, roughness: 0.1,
       cell_m: 1}
crowd:
  seed: 2
  regions:
    - {name: slope, polygon_m: [[-9, -18], [9, -18], [9, -29], [-9, -29]], spacing_m: [1.6, 1.6], count: 60, clip: walk,
       moving: true}
    - {name: foot, polygon_m: [[-3, -6], [3, -6], [3, -12], [-3, -12]], count: 6}
"""


def on_hill(make_shot: MakeShot, text: str = HILL) -> Path:
    plain = make_shot(frames=3)
    own = plain.with_name("hill.yaml")
    own.write_text(plain.read_text().split("crowd:\n", 1)[0] + text)
    return own


@pytest.fixture
def stage(make_shot: MakeShot) -> Stage:
    return prepare(load_shot(on_hill(make_shot)))


def cone() -> Land:
    """A pyramid of four faces, 6 m high, 20 m wide, on a plane at height 1."""
    corner = np.array([[-10, 0, -10], [10, 0, -10], [10, 0, 10], [-10, 0, 10], [0, 7, 0]], np.float32)
    return Land(
        plane_ground((0, 1, 0), (0, 1, 0)), (mesh_ground(corner, [[1, 0, 4], [2, 1, 4], [3, 2, 4], [0, 3, 4]]),)
    )


def test_the_higher_of_both_is_walked_on() -> None:
    land = cone()
    x, z = np.meshgrid(np.linspace(-14, 14, 57), np.linspace(-14, 14, 57))
    expected = np.maximum(1.0, 7 - 0.7 * np.maximum(np.abs(x), np.abs(z)))
    np.testing.assert_allclose(land.height_m(x, z), expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(land.normal(x, z), axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(land.normal(0.0, 5.0), np.array([0, 1, 0.7]) / np.hypot(1, 0.7), atol=1e-6)
    np.testing.assert_allclose(land.normal(13.0, 0.0), [0, 1, 0], atol=1e-6)


def test_a_ray_ends_at_the_first_of_both() -> None:
    land, eye = cone(), np.array([0.0, 2.0, 30.0])
    hits = land.intersect(eye, np.array([[0, 0.05, -1], [0, -0.1, -1], [0.9, -0.05, -1], [0, 1, -1]], float))
    np.testing.assert_allclose(hits[0], [0, 2 + 0.05 * hits[0, 2] * -1 + 1.5, hits[0, 2]], atol=1e-5)
    assert hits[0, 1] == pytest.approx(7 - 0.7 * hits[0, 2], abs=1e-5)
    np.testing.assert_allclose(hits[1], [0, 1, 20], atol=1e-6)
    np.testing.assert_allclose(hits[2], [18, 1, 10], atol=1e-6)
    assert np.isnan(hits[3]).all()


def test_everybody_stands_on_what_is_drawn(stage: Stage) -> None:
    people, place = people_on(stage), build_environment(stage)
    assert place is not None
    for frames in ((1001, 1002, 1003), (1010, 1011, 1012)):
        agents = people.at(frames)
        at = agents.position_m.astype(np.float64)
        (mesh,) = place.meshes
        drawn = mesh_ground(mesh.vertices, mesh.triangles).height_m(at[..., 0], at[..., 2])
        ground = stage.ground.height_m(at[..., 0], at[..., 2])
        np.testing.assert_allclose(at[..., 1], np.fmax(drawn, ground), atol=1e-4)
    high = at[1, :, 1] - ground[1]
    assert high.max() > 2 and (high < 1e-3).sum() >= 6 and len(people.layout) == 66
    # he who stands on a slope leans with it, a little
    assert agents.up is not None and (agents.up[..., 1] < 0.9999).any()


def test_their_feet_are_seen_where_the_hill_is(stage: Stage) -> None:
    """Ankles that no comrade hides are seen; those of men who sink into the hill are not."""
    place, people = build_environment(stage), people_on(stage)
    numbers = (1001, 1002, 1003)
    views = tuple(stage.camera.view(n) for n in numbers)
    light = Light(stage.light.sun_direction, stage.light.sun, stage.light.sky, stage.light.bounce)

    def ankles_seen(sunk_m: float) -> float:
        agents = people.at(numbers)
        agents = replace(agents, position_m=agents.position_m - np.array([0, sunk_m, 0], np.float32))
        seen = render_guides(agents, people.cast, views, None, [], light, samples=16, environment=place)
        return float(seen.pose_visible[:, [10, 13]].mean())

    assert ankles_seen(0.0) > 0.35 and ankles_seen(0.8) < 0.4 * ankles_seen(0.0)


def test_on_a_piece_people_stand_where_there_is_room() -> None:
    """A block 4 m wide with a parapet along one side, a ledge beside it, and a steep roof."""

    def box(low: tuple[float, ...], high: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        corner = np.array([[low[0], high[1], low[2]], [high[0], high[1], low[2]], [high[0], high[1], high[2]],
                           [low[0], high[1], high[2]]])  # fmt: skip
        return corner, np.array([[0, 2, 1], [0, 3, 2]])

    parts = [box((0, 0, 0), (4, 8, 3)), box((0, 0, 0), (4, 9.5, 0.5)), box((4, 0, 0), (4.4, 6, 3))]
    roof = np.array([[-3, 8, 0], [-3, 8, 3], [0, 11, 3], [0, 11, 0]], float), np.array([[0, 1, 2], [0, 2, 3]])
    corners = np.concatenate([c for c, _ in (*parts, roof)])
    faces = np.concatenate([f + 4 * k for k, (_, f) in enumerate((*parts, roof))])
    platform = Platform(mesh_ground(corners, faces))
    x = np.array([2.0, 2.0, 2.0, 4.2, 3.9, -1.5, 9.0])
    z = np.array([1.5, 0.25, 0.7, 1.5, 1.5, 1.5, 1.5])
    height = platform.height_m(x, z)
    assert height[0] == pytest.approx(8) and np.isnan(height[1:]).all()
    np.testing.assert_allclose(platform.outline_m, [[-3, 0], [4.4, 0], [4.4, 3], [-3, 3]], atol=1e-5)


ON_TOWER = """\
environment:
  pieces:
    - {name: watch, kind: tower, at_m: [2, -24], size_m: 9}
    - {name: camp, kind: tent, polygon_m: [[-9, -14], [-5, -14], [-5, -20], [-9, -20]], count: 2, spacing_m: 4}
crowd:
  regions:
    - {name: guard, on: watch, count: 5, spacing_m: [0.9, 0.9]}
    - {name: around, polygon_m: [[-6, -18], [10, -18], [10, -30], [-6, -30]], count: 30}
"""


def test_some_stand_on_a_tower_and_the_others_around_it(make_shot: MakeShot) -> None:
    stage = prepare(load_shot(on_hill(make_shot, ON_TOWER)))
    people = people_on(stage)
    at = people.at((1001,)).position_m[0].astype(np.float64)
    guard = people.layout.region == people.layout.region_names.index("guard")
    away = np.hypot(at[:, 0] - 2, at[:, 2] + 24)
    assert guard.sum() == 5 and len(guard) == 35
    assert (at[guard, 1] > 8.5).all() and np.ptp(at[guard, 1]) < 0.1 and (away[guard] < 2.4).all()
    assert np.abs(at[~guard, 1]).max() < 1e-5 and (away[~guard] > 2.6).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("on: watch", "on: wach"), "no set piece to stand on"),
        (("on: watch, count: 5", "on: watch"), "how many stand on a piece is not known"),
        (("on: watch,", "on: watch, moving: true,"), "those who stand on a piece stay there"),
        (("on: watch,", "on: watch, path_m: [[0, 0], [1, 1]],"), "drawn from above"),
        (("count: 5", "count: 500"), "too small for its people"),
    ],
)
def test_what_can_not_stand_on_a_piece_is_said(make_shot: MakeShot, change: tuple[str, str], said: str) -> None:
    shot = on_hill(make_shot, ON_TOWER.replace(*change))
    with pytest.raises((InputError, InputErrors), match=said):
        people_on(prepare(load_shot(shot)))


def test_without_terrain_it_is_the_plates_ground(make_shot: MakeShot) -> None:
    stage = prepare(load_shot(make_shot(frames=1)))
    assert land_of(stage) is stage.ground
    hill = prepare(load_shot(on_hill(make_shot)))
    assert isinstance(land_of(hill), Land) and land_of(hill) is land_of(hill)


def test_a_region_may_be_drawn_on_the_hill_above_the_horizon(make_shot: MakeShot, stage: Stage) -> None:
    """Pixels that meet no ground but the terrain; without it they are refused."""
    view, land = stage.camera.view(1001), land_of(stage)
    top = np.array([[-6.0, -38.0], [6.0, -38.0], [6.0, -30.0], [-6.0, -30.0]])
    height = np.asarray(land.height_m(top[:, 0], top[:, 1]), np.float64)
    px = view.project(np.stack([top[:, 0], height, top[:, 1]], 1))[0].round(2)
    region = f"    - {{name: top, polygon_px: {{frame: 1001, points: {px.tolist()}}}, count: 8}}\n"
    text = HILL.split("    - {name: slope", 1)[0] + region
    people = people_on(prepare(load_shot(on_hill(make_shot, text))))
    assert len(people.layout) == 8 and people.at((1001,)).position_m[0, :, 1].min() > 1


def test_those_with_cues_run_over_the_hill(make_shot: MakeShot, tmp_path: Path) -> None:
    cue = "moving: true, cues: [{at: 1001, do: charge, target: foot}]}"
    stage = prepare(load_shot(on_hill(make_shot, HILL.replace("moving: true}", cue))))
    people, land = people_on(stage, cache=tmp_path), land_of(stage)
    at = people.at((1002, 1003)).position_m.astype(np.float64)
    np.testing.assert_allclose(at[..., 1], land.height_m(at[..., 0], at[..., 2]), atol=1e-3)
    assert np.ptp(at[1, :, 1]) > 2 and np.abs(at[1] - at[0]).max() > 0.01


def test_the_plate_is_not_trodden_by_those_above_it(make_shot: MakeShot) -> None:
    def worn(region: str) -> np.ndarray | None:
        text = HILL.split("    - {name: slope", 1)[0].replace("crowd:", "  trampled: {before_s: 4}\ncrowd:") + region
        stage = prepare(load_shot(on_hill(make_shot, text)))
        view, plate = stage.camera.view(1002), stage.plate.read(1002)
        ground_m = ground_depth(stage.ground, view)
        return worn_layer(stage, people_on(stage), view, plate, ground_m, (), np.eye(3), "cpu")

    foot = worn("    - {name: foot, polygon_m: [[-3, -6], [3, -6], [3, -12], [-3, -12]], count: 20}\n")
    top = worn("    - {name: top, polygon_m: [[-6, -34], [6, -34], [6, -44], [-6, -44]], count: 20}\n")
    assert foot is not None and (foot[..., 3] > 0).any() and top is None

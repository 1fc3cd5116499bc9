from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.camera.readers import locked_off
from composer.errors import InputError
from composer.shot.ground import plane_ground
from composer.shot.light import in_polygon
from composer.shot.load import load_shot, parse_shot
from composer.shot.schema_light import SunPickSpec
from composer.shot.schema_place import GroundSpec, PicksSpec
from composer.shot.stage import Stage, prepare
from composer.shot.sun import angles_of, direction_of, picked_direction


@given(st.floats(1, 89), st.floats(0, 359))
def test_sun_angles_come_back(elevation: float, azimuth: float) -> None:
    assert angles_of(direction_of(elevation, azimuth)) == pytest.approx((elevation, azimuth), abs=1e-6)


def test_azimuth_is_clockwise_from_the_view() -> None:
    assert direction_of(0, 0) == pytest.approx([0, 0, -1])
    assert direction_of(0, 90) == pytest.approx([1, 0, 0])


@settings(max_examples=40, deadline=None)
@given(st.floats(15, 75), st.floats(0, 359), st.floats(-2, 2))
def test_a_picked_sun_is_the_sun_that_threw_the_shadow(elevation: float, azimuth: float, x: float) -> None:
    camera = locked_off(
        focal_mm=24, filmback_mm=(36, 24), height_m=12, tilt_deg=-45, size_px=(960, 640), first_frame=1, frame_count=1
    )
    sun = direction_of(elevation, azimuth)
    base = np.array([x, 0, -12.0])
    top = base + np.array([0, 1.0, 0])
    tip = top - sun / sun[1]
    pixels, _ = camera.view(1).project(np.stack([top, base, tip]))
    pick = SunPickSpec(frame=1, top_px=tuple(pixels[0]), base_px=tuple(pixels[1]), tip_px=tuple(pixels[2]))
    found = picked_direction(pick, camera, plane_ground((0, 0, 0), (0, 1, 0)))
    assert np.degrees(np.arccos(min(found @ sun, 1))) < 1e-3


def test_in_polygon_against_a_triangle() -> None:
    triangle = np.array([[0, 0], [4, 0], [0, 4.0]])
    places = np.array([[1, 1], [3, 3], [-1, 1], [np.nan, 1]])
    assert in_polygon(places, triangle).tolist() == [True, False, False, False]


def test_a_tiny_shot_is_staged(tiny: Path) -> None:
    stage = prepare(load_shot(tiny))
    assert stage.plate.frames == (1001, 1002, 1003) and stage.plate.size_px == (96, 64)
    assert stage.plate.delivery_colorspace == stage.color.space("ACEScg")
    assert stage.camera.view(1002).position_m == pytest.approx([0, 2, 0])
    assert stage.ground.height_m(3, -4) == 0
    assert stage.holdouts(1001) == []
    plate = stage.plate.read(1001)
    linear = ((118 / 255 + 0.055) / 1.055) ** 2.4  # sRGB
    assert plate.dtype == np.float32 and plate == pytest.approx(linear, rel=1e-3)
    # Exposure: a ground of albedo 0.2 shows the plate's own light.
    sun, sky = np.array(stage.light.sun), np.array(stage.light.sky)
    weights = stage.color.luminance_weights()
    assert 0.2 * (sun * stage.light.sun_direction[1] + sky) @ weights == pytest.approx(linear, rel=1e-3)
    assert any("exposure auto" in note for note in stage.notes)


def test_exposure_in_stops_and_a_scaled_plane(tiny: Path) -> None:
    text = tiny.read_text().replace(
        "azimuth_deg: 90}}", "azimuth_deg: 90, strength: 2, color: [1, 1, 1]}, exposure: 1}"
    )
    text = text.replace("light:", "scale: {camera_height_m: 4}\nlight:")
    stage = prepare(parse_shot(text, tiny))
    assert stage.light.sun == (4, 4, 4)
    assert stage.camera.view(1001).position_m == pytest.approx([0, 4, 0])


def test_a_distance_sets_the_scale(tiny: Path) -> None:
    stage = prepare(load_shot(tiny))
    view = stage.camera.view(1001)
    pixels, _ = view.project(np.array([[-1, 0, -8], [1, 0, -8.0]]))
    points = [[round(float(v), 4) for v in p] for p in pixels]
    text = tiny.read_text() + f"scale: {{distance: {{frame: 1001, points_px: {points}, metres: 6}}}}\n"
    assert prepare(parse_shot(text, tiny)).camera.view(1001).position_m == pytest.approx([0, 6, 0], abs=1e-3)


# --- the real plates ---


@pytest.fixture(scope="module")
def sceaux(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    text = (Path(__file__).parent / "shots" / "sceaux.yaml").read_text().replace("{shared}", str(shared_data))
    return prepare(parse_shot(text, tmp_path_factory.mktemp("s") / "shot.yaml"))


#: The feet of the two bollards on the lawns' corners, read off the pictures by eye. No solve point lies on them.
BOLLARDS_PX = (
    {7103: (2716, 1858), 7104: (2136, 1830), 7105: (1452, 1877), 7106: (783, 1865)},
    {7103: (1580, 1900), 7104: (937, 1832), 7105: (287, 1849)},
)


def test_what_stands_on_the_forecourt_of_sceaux_stands_on_the_ground(sceaux: Stage) -> None:
    for pixels in BOLLARDS_PX:
        normal, right = np.zeros((3, 3)), np.zeros(3)
        for frame, pixel in pixels.items():  # the point nearest to all rays
            view = sceaux.camera.view(frame)
            ray = view.rays(np.array(pixel, dtype=float))
            across = np.eye(3) - np.outer(ray, ray) / (ray @ ray)
            normal, right = normal + across, right + across @ view.position_m
        foot = np.linalg.solve(normal, right)
        assert abs(foot[1]) < 0.15, foot  # it is 20 m and more from the facade, on which the plane stands


def test_the_cameras_of_sceaux_are_held_at_one_height(sceaux: Stage) -> None:
    heights = [sceaux.camera.view(f).position_m[1] for f in sceaux.plate.frames]
    assert min(heights) > 1.3 and max(heights) < 1.9 and np.median(heights) == pytest.approx(1.6)


def test_the_pedestrian_of_sceaux_has_a_person_s_height(sceaux: Stage) -> None:
    view = sceaux.camera.view(7100)
    feet, head = np.array([292.0, 1876]), np.array([292.0, 1718])
    place = sceaux.ground.intersect(view.position_m, view.rays(feet))
    metres = np.linspace(1.2, 2.4, 241)
    tops, _ = view.project(place + np.stack([0 * metres, metres, 0 * metres], axis=-1))
    assert 1.5 < metres[np.abs(tops[:, 1] - head[1]).argmin()] < 2.0


def test_the_sun_of_sceaux_stands_behind_the_house_to_the_left(sceaux: Stage) -> None:
    elevation, azimuth = angles_of(np.array(sceaux.light.sun_direction))
    assert 25 < elevation < 42 and 255 < azimuth < 290


def test_picks_snap_to_solve_points_or_are_refused(real_shot: Callable[[str], str], tmp_path: Path) -> None:
    text = real_shot("sceaux")
    head, _, tail = text.partition("ground: {fit: points, min_trust: 0.35}")
    picks = "ground: {{picks: {{frame: 7104, points_px: {0}}}}}"
    bad = parse_shot(head + picks.format([[20, 20], [1400, 1700], [2700, 1650]]) + tail, tmp_path / "shot.yaml")
    with pytest.raises(InputError, match=r"shot\.yaml:8:10: ground.picks: no solve point near pick 1"):
        prepare(bad)


def test_three_picks_at_the_foot_of_the_house_give_the_same_ground(sceaux: Stage, tmp_path: Path) -> None:
    from composer.shot.world import open_track

    shot, old = sceaux.shot, open_track(sceaux.shot, sceaux.plate)
    assert old.points_m is not None
    a, b = old.camera.view(7104).world_from_camera, sceaux.camera.view(7104).world_from_camera
    scale = np.linalg.norm(sceaux.camera.view(7110).position_m - b[:3, 3]) / np.linalg.norm(
        old.camera.view(7110).position_m - a[:3, 3]
    )
    turn = b[:3, :3] @ a[:3, :3].T
    points = (old.points_m - a[:3, 3]) @ turn.T * scale + b[:3, 3]
    assert sceaux.points_m == pytest.approx(points, abs=1e-3 * np.abs(points).max())
    foot = points[np.abs(points[:, 1]) < 0.05]
    left, right = foot[:, 0].argmin(), foot[:, 0].argmax()
    line = (foot[right] - foot[left])[[0, 2]]
    away = np.abs((foot - foot[left])[:, [0, 2]] @ [-line[1], line[0]])
    wide = [left, right, away.argmax()]
    pixels, _ = sceaux.camera.view(7104).project(foot[wide])
    picks = PicksSpec(frame=7104, points_px=tuple(tuple(float(v) for v in p) for p in pixels))
    picked = shot.model_copy(update={"ground": GroundSpec(picks=picks)})
    stage = prepare(picked)
    assert any("three picks" in note for note in stage.notes)
    height = stage.camera.view(7104).position_m[1]
    assert height == pytest.approx(sceaux.camera.view(7104).position_m[1], abs=0.25)


def test_a_scene_linear_plate_keeps_its_bits(
    real_shot: Callable[[str], str], shared_data: Path, tmp_path: Path
) -> None:
    import OpenImageIO as oiio

    stage = prepare(parse_shot(real_shot("crissy"), tmp_path / "shot.yaml"))
    path = shared_data / "plates" / "crissy_field_still" / "CrissyField_rgb_half.exr"
    oracle = oiio.ImageInput.open(str(path)).read_image(0, 0, 0, 3, "float")
    assert stage.plate.delivery_colorspace == stage.plate.colorspace
    assert stage.plate.read(1001).tobytes() == np.ascontiguousarray(oracle, dtype=np.float32).tobytes()
    assert stage.plate.read(1001).max() > 1

"""Suns, skies and balls that are made with known light, and measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from composer.errors import InputError, InputErrors
from composer.io.exr import ExrPart, write_exr
from composer.shot.light_measure import measure_ground, measure_light
from composer.shot.load import load_shot
from composer.shot.stage import prepare
from composer.shot.sun import angles_of, direction_of

F64 = NDArray[np.float64]
REC709 = np.array([0.2126, 0.7152, 0.0722])
SUN, SKY, BOUNCE = np.array([3.0, 2.5, 1.8]), np.array([0.4, 0.55, 0.9]), np.array([0.2, 0.17, 0.1])
SIZE = (480, 320)
SHOT = """\
muster: 1
shot: ball_010
plate: {{path: plate.exr, colorspace: ACEScg, first_frame: 1001}}
camera: {{locked: {{focal_mm: 40, filmback_mm: [36, 24], height_m: 1.5, tilt_deg: -6, pan_deg: 20}}}}
light: {light}
crowd:
  seed: 7
  count: 10
  regions:
    - name: host
      polygon_m: [[-2, -6], [2, -6], [2, -12], [-2, -12]]
"""


def _shot(folder: Path, light: str, rgb: F64) -> Path:
    planes = {c: rgb[..., i].astype(np.float32) for i, c in enumerate("RGB")}
    write_exr(folder / "plate.exr", [ExrPart("rgba", planes)], SIZE)
    path = folder / "shot.yaml"
    path.write_text(SHOT.format(light=light), encoding="utf-8")
    return path


def _ball(folder: Path, kind: str, toward: F64, centre: tuple[float, float], radius: float) -> F64:
    """A plate with the ball that a ray tracer sees: exact sphere, a soft sky and a disc of sun."""
    path = _shot(folder, "{}", np.full((SIZE[1], SIZE[0], 3), 0.1))
    view = prepare(load_shot(path)).camera.view(1001)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    rays = view.rays(np.stack([x, y], axis=-1))
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    middle = view.rays(np.array([centre]))[0]
    middle /= np.linalg.norm(middle)
    rim = view.rays(np.array([[centre[0] + radius, centre[1]]]))[0]
    size = np.sin(np.arccos(middle @ rim / np.linalg.norm(rim)))
    along = rays @ middle
    inside = along**2 - 1 + size**2
    normal = ((along - np.sqrt(np.maximum(inside, 0)))[..., None] * rays - middle) / size
    if kind == "grey":
        lit = np.maximum(normal @ toward, 0)[..., None]
        up = (0.5 + 0.5 * normal[..., 1])[..., None]
        ball = 0.18 * (SUN * lit + SKY * up + BOUNCE * (1 - up))
    else:
        mirrored = rays - 2 * (rays * normal).sum(-1, keepdims=True) * normal
        dome = np.where(mirrored[..., 1:2] > 0, SKY, BOUNCE)
        # A sun of 5 degrees whose irradiance is that of SUN
        disc = mirrored @ toward > np.cos(np.radians(5))
        solid = 2 * np.pi * (1 - np.cos(np.radians(5)))
        ball = 0.6 * np.where(disc[..., None], SUN * np.pi / solid, dome)
    return np.where((inside > 0)[..., None], ball, 0.1)


@pytest.mark.parametrize("kind", ["grey", "chrome"])
@pytest.mark.parametrize(("elevation", "azimuth"), [(25.0, 60.0), (55.0, 300.0)])
def test_a_ball_tells_its_light(tmp_path: Path, kind: str, elevation: float, azimuth: float) -> None:
    toward = direction_of(elevation, azimuth)
    rgb = _ball(tmp_path, kind, toward, (200.0, 180.0), 70.0)
    rgb = rgb + np.random.default_rng(1).normal(0, 0.002, rgb.shape)
    light = f"{{ball: {{kind: {kind}, frame: 1001, centre_px: [200, 180], radius_px: 70}}}}"
    stage = prepare(load_shot(_shot(tmp_path, light, rgb)))
    found = measure_light(stage.shot, stage.plate, stage.camera, stage.ground)
    assert found.direction is not None and found.sun is not None and found.sky is not None
    apart = np.degrees(np.arccos(np.clip(found.direction @ toward, -1, 1)))
    assert apart < 2.0
    assert found.sun == pytest.approx(SUN, rel=0.12)
    assert found.sky == pytest.approx(SKY, rel=0.12)
    # And the shot is lit with it
    assert np.degrees(np.arccos(np.clip(np.array(stage.light.sun_direction) @ toward, -1, 1))) < 2.0
    assert stage.light.sun == pytest.approx(tuple(SUN), rel=0.12)
    assert any("ball" in note for note in stage.notes)


def test_what_is_written_wins(tmp_path: Path) -> None:
    rgb = _ball(tmp_path, "grey", direction_of(30, 40), (200.0, 180.0), 70.0)
    ball = "ball: {kind: grey, frame: 1001, centre_px: [200, 180], radius_px: 70}"
    by_hand = "sun: {elevation_deg: 12, azimuth_deg: 90, color: [1.0, 0.5, 0.25], strength: 2.0}, sky: {color: [0.1, 0.2, 0.3]}"
    stage = prepare(load_shot(_shot(tmp_path, f"{{{ball}, {by_hand}, exposure: 0.0}}", rgb)))
    assert angles_of(np.array(stage.light.sun_direction)) == pytest.approx((12, 90))
    assert stage.light.sun == pytest.approx((2.0, 1.0, 0.5))
    assert np.array(stage.light.sky) / stage.light.sky[2] == pytest.approx(np.array([0.1, 0.2, 0.3]) / 0.3)


def _ground(parts: tuple[float, float], toward: F64 | None, noise: float = 0.15) -> F64:
    """Pixels of ground of reflectance 0.2 in shade and sun; white under both together."""
    elevation = 1.0 if toward is None else toward[1]
    rng = np.random.default_rng(6)
    white = SUN * elevation + SKY
    albedo = 0.2 * (white @ REC709) / white / (white @ REC709)
    shade, lit = albedo * SKY, albedo * white
    n = [int(6000 * p) for p in parts]
    pixels = np.concatenate([np.tile(shade, (n[0], 1)), np.tile(lit, (n[1], 1))])
    return pixels * rng.lognormal(0, noise, (len(pixels), 1))


def test_ground_in_sun_and_shade_tells_key_and_fill() -> None:
    toward = direction_of(30, 200)
    found = measure_ground(_ground((0.3, 0.7), toward), "here", REC709, toward)
    assert found.sun is not None and found.sky is not None and found.ratio is not None
    white = SUN * toward[1] + SKY  # the ground's own colour undoes this
    assert found.ratio == pytest.approx((SUN * toward[1] / white) @ REC709 / ((SKY / white) @ REC709), rel=0.1)
    assert found.sun[0] / found.sky[0] == pytest.approx(SUN[0] / SKY[0], rel=0.1)
    assert found.sun[2] / found.sky[2] == pytest.approx(SUN[2] / SKY[2], rel=0.1)
    assert found.confidence > 0.4


def test_ground_of_one_kind_tells_nothing() -> None:
    rgb = np.random.default_rng(2).lognormal(-2, 0.4, (5000, 1)) * np.ones(3)
    found = measure_ground(rgb, "here", REC709, None)
    assert found.sun is None and found.sky is None and "no two clusters" in found.notes[0]


def test_without_a_direction_only_the_sky_is_told() -> None:
    found = measure_ground(_ground((0.4, 0.6), None), "here", REC709, None)
    assert found.sun is None and found.sky is not None and found.ratio is not None


def test_light_measured_on_the_ground_goes_into_the_shot(tmp_path: Path) -> None:
    toward = direction_of(30, 200)
    rgb = np.full((SIZE[1], SIZE[0], 3), 0.5)
    field = _ground((0.5, 0.5), toward, 0.0)
    half = SIZE[1] // 3
    # Sun on the left, shade on the right
    rgb[half:, : SIZE[0] // 2], rgb[half:, SIZE[0] // 2 :] = field[-1], field[0]
    rgb = rgb * np.random.default_rng(3).lognormal(0, 0.1, (*rgb.shape[:2], 1))
    measured = prepare(
        load_shot(_shot(tmp_path, "{measure: true, sun: {elevation_deg: 30, azimuth_deg: 200}}", rgb))
    ).light
    plain = prepare(load_shot(_shot(tmp_path, "{sun: {elevation_deg: 30, azimuth_deg: 200}}", rgb))).light
    assert measured.sun[0] / measured.sky[0] == pytest.approx(SUN[0] / SKY[0], rel=0.25)
    assert abs(plain.sun[0] / plain.sky[0] / (SUN[0] / SKY[0]) - 1) > 0.4


def test_several_picks_agree_and_one_bad_one_does_not_spoil_them(tmp_path: Path) -> None:
    """Shadows of uprights, projected with the camera; one tip is picked wrongly."""
    toward = direction_of(35, 130)
    view = prepare(load_shot(_shot(tmp_path, "{}", np.full((SIZE[1], SIZE[0], 3), 0.1)))).camera.view(1001)
    ahead = -view.world_from_camera[:3, 2]
    right = view.world_from_camera[:3, 0]
    picks = []
    for i, side in enumerate((-1.0, 0.0, 1.2, 0.5)):
        base = np.array([0.0, 0.0, 0.0]) + (ahead * [1, 0, 1]) * (7 + i) + right * side
        top = base + np.array([0, 1.0, 0])
        tip = top - toward / toward[1]
        (b, t, p), _ = view.project(np.stack([base, top, tip]))
        if i == 3:
            p = p + np.array([25.0, 6.0])
        points = ", ".join(f"{k}_px: [{v[0]:.3f}, {v[1]:.3f}]" for k, v in (("base", b), ("top", t), ("tip", p)))
        picks.append(f"{{frame: 1001, {points}}}")
    light = f"{{sun: {{picks: [{', '.join(picks)}]}}}}"
    stage = prepare(load_shot(_shot(tmp_path, light, np.full((SIZE[1], SIZE[0], 3), 0.1))))
    apart = np.degrees(np.arccos(np.clip(np.array(stage.light.sun_direction) @ toward, -1, 1)))
    assert apart < 3.0  # the mean of the four is further off
    assert any("scatter" in note for note in stage.notes)


@pytest.mark.parametrize(
    ("light", "said"),
    [
        ("{ball: {kind: glass, frame: 1001, centre_px: [9, 9], radius_px: 5}}", "chrome"),
        ("{ball: {kind: grey, frame: 1001, centre_px: [9, 9], radius_px: 50}}", "not wholly in the picture"),
        ("{ball: {kind: grey, frame: 1007, centre_px: [90, 90], radius_px: 20}}", "no such frame"),
        ("{sun: {picks: []}}", "picks"),
        ("{sun: {color: [1.0, 1.0, 1.0]}}", "where is the sun"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, light: str, said: str) -> None:
    path = _shot(tmp_path, light, np.full((SIZE[1], SIZE[0], 3), 0.1))
    with pytest.raises((InputError, InputErrors), match=said):
        prepare(load_shot(path))


def test_sceaux_has_the_ratio_that_was_set_by_eye(real_shot: Callable[[str], str], tmp_path: Path) -> None:
    """A person set this shot's sun and sky to gravel in the sun and in the castle's shade: 4.6 to 1."""
    path = tmp_path / "shot.yaml"
    path.write_text(real_shot("sceaux"), encoding="utf-8")
    stage = prepare(load_shot(path))
    found = measure_light(stage.shot, stage.plate, stage.camera, stage.ground)
    assert found.ratio == pytest.approx(4.6, rel=0.25)
    assert found.sky is not None and found.sky[2] > found.sky[0]

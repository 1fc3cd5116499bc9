"""Arrows: they leave on the cue, fly as things fall, land on the ground where they were aimed, and stick."""

from __future__ import annotations

import numpy as np
import pytest
from support.cues import NAMES, box, host, laid

from composer.crowd.behaviour.modes import Mode
from composer.crowd.behaviour.quiver import LOOSE_HEIGHT_M, arrows_at, flight_s
from composer.crowd.behaviour.track import Arrows
from composer.shot.ground import plane_ground

SLOPE = plane_ground((0.0, 0.0, 0.0), (0.1, 1.0, 0.05))


@pytest.fixture(scope="module")
def volley():  # type: ignore[no-untyped-def]
    archers = host(count=40, kits={"archer": 1.0}, cues=({"at": 1005, "do": "volley", "target": "blue"},))
    foes = {**host("blue", heading=180.0, count=100), "polygon_m": box(-8, -60, 8, -48), "spacing_m": (0.9, 0.9)}
    crowd = laid(archers, foes, last=1200)
    return crowd, crowd.acts.track_to(1201)


def test_they_leave_on_the_cue_and_come_down_among_the_foe(volley) -> None:  # type: ignore[no-untyped-def]
    crowd, track = volley
    arrows = track.arrows
    assert len(arrows) >= 40
    assert (crowd.region[arrows.archer] == 0).all()
    first = arrows.loose_s.min()
    assert 4 / 24 + 1.5 < first < 4 / 24 + 4  # after one draw
    assert (arrows.land_s > arrows.loose_s + 0.8).all() and (arrows.land_s < arrows.loose_s + 6).all()
    inside = (np.abs(arrows.aim_m[:, 0]) < 12) & (arrows.aim_m[:, 1] > -66) & (arrows.aim_m[:, 1] < -42)
    assert inside.mean() > 0.95
    drawing = NAMES[track.clip[40, crowd.region == 0]]
    assert (drawing == "draw_and_loose").all()
    facing = track.heading_rad[40, crowd.region == 0]
    assert np.abs(facing).max() < 0.35  # towards the foe, who is at -Z


def test_the_struck_fall_when_the_arrow_comes(volley) -> None:  # type: ignore[no-untyped-def]
    crowd, track = volley
    struck = np.flatnonzero(track.arrows.struck >= 0)
    assert len(struck) >= 2
    down = np.isin(track.mode, (Mode.FALL, Mode.DEAD))
    fallen = np.flatnonzero(down[-1])
    assert 0 < len(fallen) <= len(struck) and (crowd.region[fallen] == 1).all()
    for man in fallen:
        frame = int(down[:, man].argmax())
        landed = track.arrows.land_s[track.arrows.struck == man] * 24
        assert np.abs(landed - frame).min() <= 2


def test_arcs() -> None:
    one = Arrows(
        np.array([3], np.int32), np.array([1.0]), np.array([1.0 + flight_s(np.array([60.0]))[0]]),
        np.array([[2.0, -1.0]]), np.array([[2.0, -61.0]]), np.array([-1], np.int32),
    )  # fmt: skip
    times = np.arange(0, 6, 1 / 96)
    heights = [np.asarray(SLOPE.height_m(*at.T)) for at in (one.start_m, one.aim_m)]
    seen = arrows_at(one, times, *heights)
    flying = (times >= 1.0) & (times < one.land_s[0])
    assert not seen.visible[times < 1.0].any() and seen.visible[times >= 1.0].all()
    path = seen.position_m[flying, 0].astype(np.float64)
    np.testing.assert_allclose(path[0], [2.0, heights[0][0] + LOOSE_HEIGHT_M, -1.0], atol=0.4)
    assert np.abs(np.diff(path, 2, axis=0) * 96**2 - [0, -9.81, 0]).max() < 0.5  # only its weight acts on it
    along = np.diff(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    assert np.sum(along * seen.direction[flying, 0][:-1], axis=1).min() > 0.999
    stuck = seen.position_m[times > one.land_s[0] + 0.02, 0]
    assert np.ptp(stuck, axis=0).max() == 0
    tip = stuck[0] + seen.direction[-1, 0] * 0.375
    ground = float(np.asarray(SLOPE.height_m(np.array([2.0]), np.array([-61.0])))[0])
    assert -0.2 < tip[1] - ground < 0 and abs(stuck[0][2] + 61.0) < 0.3
    rise = path[:, 1].max() - path[0, 1]
    assert 3 < rise < 25


def test_the_layout_shows_them(volley) -> None:  # type: ignore[no-untyped-def]
    crowd, track = volley
    seen = crowd.acts.arrows([1001, 1100, 1200], crowd.ground.height_m)
    assert seen.position_m.shape == (3, len(track.arrows), 3)
    assert not seen.visible[0].any() and seen.visible[1].any()
    np.testing.assert_allclose(np.linalg.norm(seen.direction, axis=-1), 1.0, atol=1e-5)


def test_who_is_struck_is_struck_where_he_is(volley) -> None:  # type: ignore[no-untyped-def]
    """The arc of an arrow that strikes ends at its man's chest and not at his feet."""
    crowd, track = volley
    k = int(np.flatnonzero(track.arrows.struck >= 0)[0])
    man, frame = int(track.arrows.struck[k]), int(np.ceil(track.arrows.land_s[k] * 24))
    before = crowd.acts.arrows([1001 + frame - 1], crowd.ground.height_m)
    chest = np.array([*track.place_m[frame, man], 1.2 * crowd.casting.height_scale[man]])[[0, 2, 1]]
    gone_m = np.linalg.norm(before.position_m[0, k] - chest)
    assert gone_m < 1.6 and not before.stuck[0, k]  # at most a frame's flight away
    way = chest - before.position_m[0, k]
    assert way @ before.direction[0, k] > 0.99 * np.linalg.norm(way)

"""Splines: the curve, columns that follow it, lines and bands along it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from support.fields import CAST, ROAD, laid, nearest

from composer.crowd.paths import path_through, rounded
from composer.errors import NOWHERE, InputError

BEND = ((-30.0, -10.0), (-26.0, -30.0), (-5.0, -32.0), (4.0, -12.0), (25.0, -14.0), (30.0, -40.0))


def hermite(points: np.ndarray) -> np.ndarray:
    """The same curve in another form: cubic Hermite pieces with the tangents of the centripetal Catmull-Rom spline."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    d = np.sqrt(np.linalg.norm(np.diff(p, axis=0), axis=1))
    u = np.linspace(0, 1, 400)[:, None]
    curve = []
    for i in range(1, len(p) - 2):
        d0, d1, d2 = d[i - 1 : i + 2]
        m1 = d1 * ((p[i] - p[i - 1]) / d0 - (p[i + 1] - p[i - 1]) / (d0 + d1) + (p[i + 1] - p[i]) / d1)
        m2 = d1 * ((p[i + 1] - p[i]) / d1 - (p[i + 2] - p[i]) / (d1 + d2) + (p[i + 2] - p[i + 1]) / d2)
        h = (2 * u**3 - 3 * u**2 + 1, u**3 - 2 * u**2 + u, -2 * u**3 + 3 * u**2, u**3 - u**2)
        curve.append(h[0] * p[i] + h[1] * m1 + h[2] * p[i + 1] + h[3] * m2)
    return np.concatenate(curve)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-60, 60), st.integers(-60, 60)), min_size=2, max_size=7, unique=True))
def test_the_curve(points) -> None:
    path = path_through([(float(x), float(z)) for x, z in points], NOWHERE)
    expected = hermite(np.array(points, dtype=float))
    assert (
        cKDTree(expected).query(path.point_m)[0].max() < 0.35 and cKDTree(path.point_m).query(expected)[0].max() < 0.06
    )
    length = np.linalg.norm(np.diff(expected, axis=0), axis=1).sum()
    assert path.length_m == pytest.approx(length, rel=2e-3)
    assert np.allclose(path.at(np.array([0.0, path.length_m]))[0], [points[0], points[-1]], atol=1e-5)
    before, after = path.at(np.array([-5.0, path.length_m + 5.0]))[0]
    assert math.dist(before, points[0]) == pytest.approx(5) and math.dist(after, points[-1]) == pytest.approx(5)


def test_bends_are_rounded_and_no_more() -> None:
    path = path_through(((0.0, 0.0), (20.0, 0.0), (20.0, -20.0)), NOWHERE)
    softer, moved = rounded(path, 4.0, NOWHERE)
    assert path.tightest_m < 4 <= softer.tightest_m < 6
    assert moved == pytest.approx(cKDTree(softer.point_m).query(path.point_m)[0].max(), abs=0.6) and moved < 2
    assert np.allclose(softer.point_m[[0, -1]], path.point_m[[0, -1]], atol=1e-5)
    assert rounded(softer, 4.0, NOWHERE) == (softer, 0.0)
    with pytest.raises(InputError, match=r"bends too tightly at \[.*a radius of 40"):
        rounded(path_through(((0.0, 0.0), (20.0, 0.0), (20.0, -2.0), (0.0, -2.0)), NOWHERE), 40.0, NOWHERE)


def column(**more) -> dict:
    return {"name": "a", "formation": "column", "path_m": BEND, "clip": "march", "moving": True, "head": 0.6, **more}


def test_a_column_follows_its_path() -> None:
    crowd = laid([column(files=3, jitter=0.0, head=0.9)], 60)
    (march,) = crowd.marchers
    frames = list(range(1001, 1001 + 24 * 20, 8))
    place = crowd.at(frames).position_m[..., [0, 2]].astype(np.float64)
    on_path = cKDTree(march.path.point_m).query(place)[0]
    start = march.path.point_m[-1]
    ahead = march.path.point_m[-1] - march.path.point_m[-2]
    gone = (place - start) @ ahead > 0  # straight on after the end
    assert gone.any()
    assert np.abs(on_path - np.abs(march.offset_m))[~gone].max() < 0.03
    middle = march.offset_m == 0
    step = np.linalg.norm(np.diff(place[:, middle], axis=0), axis=2)
    assert np.allclose(step, march.speed_m_s * 8 / 24, rtol=0.01)
    assert min(nearest(crowd, f) for f in frames[::6]) > 0.45


def test_feet_do_not_slide_in_bends_and_eyes_look_ahead() -> None:
    crowd = laid([column(files=6)], 120)
    frames = range(1001, 1001 + 240)
    agents = crowd.at(frames)
    place = agents.position_m[..., [0, 2]].astype(np.float64)
    step = np.diff(place, axis=0)
    walked = np.linalg.norm(step, axis=2)
    phase = agents.phase.astype(np.float64)
    steps = np.diff(phase, axis=0) % 1.0
    clip = CAST.clips[int(agents.clip[0, 0])]
    assert np.abs(walked - steps * clip.stride_m * agents.height_scale).max() < 0.004  # metres in a frame
    assert np.ptp(walked.mean(axis=0)) > 0.001  # outer files do walk further
    heading = (agents.heading_rad[:-1] + agents.heading_rad[1:]) / 2
    eyes = np.stack([-np.sin(heading), -np.cos(heading)], axis=2)
    assert (np.einsum("fni,fni->fn", eyes, step) / walked).min() > math.cos(math.radians(2))


def test_frames_in_any_order_are_the_same() -> None:
    crowd = laid([column()], 50)
    forwards, backwards = crowd.at([1001, 1050, 1100]), crowd.at([1100, 1050, 1001])
    assert np.array_equal(forwards.position_m, backwards.position_m[::-1])
    assert np.array_equal(forwards.phase, backwards.phase[::-1])


def test_a_sharp_corner_is_rounded_with_a_note_and_men_keep_apart() -> None:
    corner = ((-30.0, -10.0), (-15.0, -10.0), (0.0, -10.0), (0.5, -10.5), (0.5, -25.0), (0.5, -40.0))
    crowd = laid([column(path_m=corner, files=6)], 120)
    assert any("was rounded by up to" in n for n in crowd.notes)
    assert min(nearest(crowd, f) for f in range(1001, 1400, 19)) > 0.45
    hairpin = ((-30.0, -10.0), (0.0, -10.0), (0.2, -10.5), (0.0, -11.0), (-30.0, -11.0))
    with pytest.raises(InputError, match=r"crowd.regions.0.path_m: the path bends too tightly"):
        laid([column(path_m=hairpin, files=20)], 20)
    knot = ((0.0, 0.0), (30.0, -30.0), (30.0, 0.0), (0.0, -30.0))
    assert any("the path meets itself near" in n for n in laid([column(path_m=knot)], 20).notes)


def test_a_column_that_is_too_long_for_its_path() -> None:
    with pytest.raises(InputError, match=r"too small .* a longer path, more files or closer ranks"):
        laid([column(moving=False)], 1000)
    with pytest.raises(InputError, match="not a path"):
        laid([column(path_m=((1.0, 1.0), (1.0, 1.0)))], 10)


@pytest.mark.parametrize(("heading", "left"), [(None, True), (0.0, True), (180.0, False)])
def test_a_line_along_a_path_looks_to_one_side(heading, left) -> None:
    spec = {
        "name": "a",
        "formation": "rank_and_file",
        "path_m": ((-30, -20), (0, -30), (30, -20)),
        "jitter": 0.0,
        "ranks": 2,
    }
    crowd = laid([spec if heading is None else {**spec, "heading_deg": heading}], 60)
    look = -np.cos(crowd.at([1001]).heading_rad[0])  # its z
    assert ((look < -0.7) if left else (look > 0.7)).all()
    path = path_through(spec["path_m"], NOWHERE)
    off = cKDTree(path.point_m).query(crowd.place_m)[0]
    assert (np.isclose(off, 0, atol=0.03) | np.isclose(off, 1.2, atol=0.03)).all()
    front, rear = crowd.place_m[off < 0.5], crowd.place_m[off > 0.5]
    assert (rear[:, 1].mean() > front[:, 1].mean()) == left  # the second rank stands behind the first
    assert abs(front[:, 0].mean()) < 1.0  # and both in the middle of the line


@pytest.mark.parametrize("formation", ["loose", "mob", "camp"])
def test_a_band_along_a_path(formation: str) -> None:
    crowd = laid([{"name": "a", "formation": formation, "path_m": ROAD, "width_m": 14.0}], 150)
    path = path_through(ROAD, NOWHERE)
    away, where = cKDTree(path.point_m).query(crowd.place_m)
    assert away.max() <= 7.0 - 0.22
    assert np.histogram(where, bins=5)[0].min() > (0 if formation == "mob" else 8)  # all along it

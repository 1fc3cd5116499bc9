"""Nobody stands in an obstacle, and nobody more than need be is sent away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fields import FORMATIONS, assert_part_of, laid

from composer.crowd.obstacles import footprint
from composer.errors import InputError

PLAIN = ((-40.0, -60.0), (40.0, -60.0), (40.0, -5.0), (-40.0, -5.0))
HOUSE = """v -5 0 -30
v 5 0 -30
v 5 0 -20
v -5 0 -20
v 0 6 -25
f 1 2 5
f 2 3 5
f 3 4 5
f 4 1 5
v 12 0 -40
v 18 0 -34
v 18 3 -34
v 12 3 -40
f 6 7 8 9
"""


def distance_to_triangles(points: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Exact, by brute force: 0 inside, else to the nearest edge. points [N, 2], corner [T, 3, 2]."""
    best = np.full(len(points), np.inf)
    for a, b, c in corner:
        sides = [
            (q[0] - p[0]) * (points[:, 1] - p[1]) - (q[1] - p[1]) * (points[:, 0] - p[0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        flat = abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) < 1e-9
        within = (np.all(np.array(sides) >= 0, axis=0) | np.all(np.array(sides) <= 0, axis=0)) & ~flat
        for p, q in ((a, b), (b, c), (c, a)):
            along = q - p
            t = np.clip(((points - p) @ along) / max(along @ along, 1e-30), 0, 1)
            best = np.minimum(best, np.linalg.norm(points - p - t[:, None] * along, axis=1))
        best[within] = 0
    return best


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-4, 4)] * 6), min_size=1, max_size=5), st.floats(0, 2), st.integers(0, 99))
def test_footprints_against_brute_force(triangles, clearance, seed) -> None:
    corner = np.array(triangles).reshape(-1, 3, 2)
    position = np.zeros((corner.size // 2, 3), np.float32)
    position[:, [0, 2]] = corner.reshape(-1, 2)
    made = footprint(position, np.arange(len(position), dtype=np.int32).reshape(-1, 3), clearance)
    points = np.random.default_rng(seed).uniform(-7, 7, (400, 2))
    truth = distance_to_triangles(points, position[:, [0, 2]].astype(float).reshape(-1, 3, 2))
    found = made.within(points, clearance)
    assert found[truth <= clearance].all()
    assert not found[truth > clearance + 0.2].any()


@pytest.mark.parametrize("formation", FORMATIONS)
def test_nobody_in_an_obstacle(formation: str, tmp_path: Path) -> None:
    (tmp_path / "house.obj").write_text(HOUSE)
    wall = ((-30.0, -45.0), (-10.0, -35.0), (-10.5, -34.0), (-30.5, -44.0))
    obstacles = ({"mesh": "house.obj", "clearance_m": 0.6}, {"polygon_m": wall, "clearance_m": 1.0})
    spec = {"name": "a", "formation": formation, "polygon_m": PLAIN}
    if formation == "column":
        spec |= {"files": 40, "spacing_m": (1.0, 1.0)}
    if formation == "camp":
        spec["spacing_m"] = (5.0, 5.0)
    crowd, free = (laid([spec], 3000, fit=True, folder=tmp_path, obstacles=o) for o in (obstacles, ()))
    roof = [[[-5, -30], [5, -30], [5, -20]], [[-5, -30], [5, -20], [-5, -20]]]
    square = np.array([*roof, [[12, -40], [18, -34], [12, -40]]], dtype=float)
    wall_parts = np.array([[wall[0], wall[1], wall[2]], [wall[0], wall[2], wall[3]]])
    assert distance_to_triangles(crowd.place_m, square).min() > 0.6
    assert distance_to_triangles(crowd.place_m, wall_parts).min() > 1.0 - 1e-9
    for words in ("in or too near to obstacles", "obstacle 1: house.obj"):
        assert any(words in n for n in crowd.notes)
    from_roof, from_wall = (distance_to_triangles(free.place_m, shape) for shape in (square, wall_parts))
    clear = (from_roof > 0.8) & (from_wall > 1.0)
    kept = np.isin(free.agent_id, crowd.agent_id)
    if formation != "camp":  # a fire in a wall sends its people away
        assert kept[clear].all()
    if len(crowd) < 3000:
        assert_part_of(laid([spec], 200, folder=tmp_path, obstacles=obstacles), crowd)


def test_what_is_wrong_with_an_obstacle(tmp_path: Path) -> None:
    spec = {"name": "a", "polygon_m": PLAIN}
    with pytest.raises(InputError, match=r"crowd.obstacles.0.mesh: .*none.obj: no such file"):
        laid([spec], 5, folder=tmp_path, obstacles=({"mesh": "none.obj"},))
    with pytest.raises(InputError, match=r"crowd.obstacles.0.polygon_m: the polygon crosses itself"):
        laid([spec], 5, obstacles=({"polygon_m": ((0, 0), (9, 9), (9, 0), (0, 9))},))


WALL = {"polygon_m": ((-12.0, -12.0), (12.0, -12.0), (12.0, -11.0), (-12.0, -11.0))}
HOST = {
    "name": "host", "polygon_m": ((-5.0, -30.0), (5.0, -30.0), (5.0, -20.0), (-5.0, -20.0)), "formation": "phalanx",
    "side": "red", "clip": "march", "heading_deg": 180.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "last", "told"),
    [
        ({"moving": True}, 1240, True),
        ({"moving": True}, 1020, False),  # the shot ends before they are there
        ({"moving": True, "heading_deg": 0.0}, 1240, False),
        ({}, 1240, False),
        ({"moving": True, "cues": ({"at": 1001, "do": "advance"},)}, 1240, False),
    ],
)
def test_who_walks_through_an_obstacle_is_told(change, last: int, told: bool) -> None:  # type: ignore[no-untyped-def]
    made = laid([HOST | change], 40, obstacles=(WALL,), last_frame=last)
    notes = [n for n in made.notes if "walks through an obstacle" in n]
    assert len(notes) == told
    if told:
        frame = int(notes[0].split("frame ")[1].split(")")[0])
        z = made.at([frame]).position_m[0][:, 2]
        assert notes[0].startswith("host:") and ((z > -12) & (z < -11)).any() and frame > 1001


def test_a_column_is_followed_along_its_path() -> None:
    column = {
        "name": "train", "path_m": ((-30.0, -40.0), (-30.0, -11.5), (30.0, -11.5)), "formation": "column", "files": 2,
        "side": "red", "clip": "march", "moving": True, "head": 0.3,
    }  # fmt: skip
    block = {"polygon_m": ((-12.0, -12.0), (12.0, -12.0), (12.0, -7.0), (-12.0, -7.0))}
    made = laid([column], 12, obstacles=(block,), last_frame=1800)
    assert any(n.startswith("train: walks through an obstacle") for n in made.notes)
    who = np.arange(len(made))[::3]
    got = made.straight_on(who, [1001, 1200, 1500])
    np.testing.assert_allclose(got, made.at([1001, 1200, 1500]).position_m[:, who][..., [0, 2]], atol=1e-4)

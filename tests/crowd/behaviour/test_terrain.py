"""Ground: nobody enters an obstacle or a cliff, whatever he was told; slopes slow; the dead stay; columns keep to their
path."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import warp as wp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from support.cues import CAST, FLAT, box, host

from composer.crowd.behaviour.acts import simulate
from composer.crowd.behaviour.kernel_ground import open_at, rise_at
from composer.crowd.behaviour.kernel_ground import pace_on as pace_in_kernel
from composer.crowd.behaviour.kernel_types import Ground
from composer.crowd.behaviour.modes import Mode
from composer.crowd.behaviour.step import Simulation
from composer.crowd.behaviour.terrain import FAR_M, TerrainSource, pace_on
from composer.crowd.laid import Layout
from composer.crowd.layout import layout
from composer.crowd.obstacles import open_obstacles
from composer.crowd.regions import GroundLike
from composer.crowd.sites import STEEPEST_DEG
from composer.shot.ground import mesh_ground, plane_ground
from composer.shot.schema_crowd import CrowdSpec, ObstacleSpec

DOWN = (Mode.FALL, Mode.DEAD, Mode.LIES)


def field(*regions: dict, ground: GroundLike = FLAT, last: int = 1120, folder: Path = Path(), **crowd) -> Layout:
    spec = CrowdSpec(seed=5, regions=regions, **crowd)
    rate = Fraction(24)
    return layout(spec, CAST, ground, lambda f: None, frame_rate=rate, first_frame=1001, last_frame=last, folder=folder)


def inside_by_m(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How deep points lie in a polygon (negative outside), by OpenCV."""
    outline = np.asarray(polygon, np.float32).reshape(-1, 1, 2)
    return np.array([cv2.pointPolygonTest(outline, (float(x), float(z)), True) for x, z in points])


def hill(height: np.ndarray, size_m: float = 40.0, gone: np.ndarray | None = None) -> GroundLike:
    """A height field [n, n] over +-size/2, two triangles to a cell; gone: cells [n - 1, n - 1] that are holes."""
    n = len(height)
    x, z = np.meshgrid(np.linspace(-size_m / 2, size_m / 2, n), np.linspace(-size_m / 2, size_m / 2, n))
    corner = np.arange(n * n).reshape(n, n)
    a, b, c, d = (v.ravel() for v in (corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]))
    there = slice(None) if gone is None else ~gone.ravel()
    triangles = np.concatenate([np.stack([a, c, b], 1)[there], np.stack([b, c, d], 1)[there]])
    return mesh_ground(np.stack([x, height, z], -1).reshape(-1, 3), triangles)


SHAPES = {
    "house": box(-3, -9, 3, -5),
    "wall": ((-5.0, -6.0), (5.0, -6.2), (5.0, -5.9), (-5.0, -5.7)),
    "corner": ((-4.0, -8.0), (4.0, -8.0), (4.0, -4.0), (3.5, -4.0), (3.5, -7.5), (-4.0, -7.5)),
    "post": box(-0.3, -5.3, 0.3, -4.7),
}


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(SHAPES)),
    st.sampled_from(["charge", "march", "advance", "rout"]),
    st.floats(0, 0.8),
    st.floats(0, 6.28),
)
def test_nobody_is_in_an_obstacle_at_any_frame(shape: str, do: str, clearance: float, turn: float) -> None:
    c, s = np.cos(turn), np.sin(turn)
    middle = np.mean(SHAPES[shape], axis=0)
    polygon = (np.array(SHAPES[shape]) - middle) @ np.array([[c, s], [-s, c]]) + middle
    target = (0.0, 30.0) if do == "rout" else (0.0, -16.0)
    cue = {"at": 1002, "do": do, "target": target}
    start = -30.0 if do == "rout" else 2.0
    crowd = field(
        host(z=start, count=60, cues=(cue,)),
        obstacles=({"polygon_m": tuple(map(tuple, polygon.tolist())), "clearance_m": clearance},),
        last=1140,
    )
    track = crowd.acts.track_to(1141)
    deep = inside_by_m(polygon, track.place_m.reshape(-1, 2))
    assert deep.max() < 0, f"{deep.max():.3f} m inside"
    assert deep.max() < -min(clearance, 0.2) + 0.15


@pytest.mark.parametrize("do", ["charge", "march"])
def test_they_get_round_it_and_stay_apart(do: str) -> None:
    """A house in their way: everybody comes by it, on both sides, and nobody is pushed into another."""
    target = (0.0, -24.0)
    crowd = field(
        host(z=1.0, count=70, cues=({"at": 1002, "do": do, "target": target},)),
        obstacles=({"polygon_m": SHAPES["house"]},),
        last=1600,
    )
    track = crowd.acts.track_to(1600)
    passed = (track.place_m[..., 1] < -9.5).any(axis=0)
    assert passed.mean() > 0.95
    beside = np.abs(track.place_m[..., 1] + 7.0) < 1.5
    x = track.place_m[..., 0]
    assert (beside & (x > 3)).any() and (beside & (x < -3)).any()
    near = [cKDTree(f).query(f, k=2)[0][:, 1].min() for f in track.place_m[::4]]
    assert min(near) > 0.36
    step = np.linalg.norm(np.diff(track.place_m, axis=0), axis=-1)
    assert step.max() < 4.5 / 24, "nobody jumps"


def test_a_mesh_is_gone_round_too(tmp_path: Path) -> None:
    corners = [(x, y, z) for y in (0, 3) for x, z in ((-2, -8), (2, -8), (2, -4), (-2, -4))]
    faces = "f 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8\nf 5 6 7 8\n"
    (tmp_path / "house.obj").write_text("".join(f"v {x} {y} {z}\n" for x, y, z in corners) + faces)
    cue = {"at": 1002, "do": "charge", "target": (0.0, -20.0)}
    crowd = field(host(count=40, cues=(cue,)), obstacles=({"mesh": "house.obj"},), folder=tmp_path, last=1240)
    track = crowd.acts.track_to(1241)
    deep = inside_by_m(np.array(box(-2, -8, 2, -4)), track.place_m.reshape(-1, 2))
    assert deep.max() < -0.2 and (track.place_m[-1, :, 1] < -8.5).mean() > 0.8


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000), st.sampled_from(["charge", "advance"]))
def test_nobody_is_on_a_cliff_or_in_a_hole_at_any_frame(seed: int, do: str) -> None:
    """A mesa with sheer sides, and a hole, in a rolling field."""
    n = 121
    rng = np.random.default_rng(seed)
    x, z = np.meshgrid(np.linspace(-30, 30, n), np.linspace(-30, 30, n))
    at = rng.uniform((-3, -6), (3, -3))
    mesa = 5.0 * (np.hypot(x - at[0], z - at[1]) < rng.uniform(1.5, 3.0))
    hole = np.hypot(x + 2 * np.sign(at[0]) - at[0], z + 9)[:-1, :-1] < 1.5
    ground = hill(mesa + 0.6 * np.sin(x / 4 + seed) * np.cos(z / 5), 60.0, hole)
    cue = {"at": 1002, "do": do, "target": (0.0, -12.0)}
    crowd = field(host(z=3.0, count=50, cues=(cue,)), ground=ground, last=1200)
    place = crowd.acts.track_to(1200).place_m.reshape(-1, 2).astype(np.float64)
    up = np.asarray(ground.normal(place[:, 0].copy(), place[:, 1].copy()))[:, 1]
    assert np.isfinite(up).all(), "somebody has no ground under him"
    assert np.degrees(np.arccos(up.min())) <= STEEPEST_DEG


def test_beyond_the_grounds_edge_they_go_on() -> None:
    """A fitted ground ends a little beside the picture: nobody piles up there."""
    cue = {"at": 1002, "do": "charge", "target": (0.0, -60.0)}
    track = field(host(z=3.0, count=40, cues=(cue,)), ground=hill(np.zeros((5, 5))), last=1250).acts.track_to(1251)
    assert track.place_m[-1, :, 1].max() < -21


def test_slopes_slow_the_pace() -> None:
    def gone(rise: float) -> float:
        ground = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, rise))  # -Z climbs for a positive rise
        track = field(host(count=12, cues=({"at": 1001, "do": "advance"},)), ground=ground).acts.track_to(1120)
        return float((track.place_m[0, :, 1] - track.place_m[-1, :, 1]).mean())

    flat, up, down = gone(0.0), gone(0.25), gone(-0.25)
    assert up < 0.8 * flat and up < down < flat and up > 0.4 * flat
    assert pace_on(0.0) == 1.0 and pace_on(-0.05) == 1.0 and pace_on(0.3) < pace_on(-0.3) < 1.0


@wp.kernel
def ask_kernel(
    ground: Ground, at: wp.array(dtype=wp.vec2), out: wp.array(dtype=wp.vec3), rise: wp.array(dtype=wp.vec2)
):
    i = wp.tid()
    out[i] = open_at(ground, at[i])
    slope = rise_at(ground, at[i], wp.vec2(0.6, 0.8))
    rise[i] = wp.vec2(slope, pace_in_kernel(slope))


def test_the_grid_knows_distances_and_slopes() -> None:
    """Against polygons measured by OpenCV and a plane's own slope."""
    ground = plane_ground((0.0, 0.0, 0.0), (0.3, 1.0, -0.2))
    specs = [ObstacleSpec(polygon_m=SHAPES[n], clearance_m=0.5) for n in ("house", "corner")]
    crowd = field(
        host(z=1.0, cues=({"at": 1002, "do": "march"},)),
        ground=ground, obstacles=tuple(s.model_dump(exclude_none=True) for s in specs),
    )  # fmt: skip
    running = Simulation(crowd.acts.plan)
    at = np.random.default_rng(1).uniform((-8, -12), (8, 0), (400, 2)).astype(np.float32)
    out, rise = wp.zeros(400, dtype=wp.vec3, device="cpu"), wp.zeros(400, dtype=wp.vec2, device="cpu")
    asked = [running._ground, wp.array(at, dtype=wp.vec2, device="cpu"), out, rise]
    wp.launch(ask_kernel, 400, inputs=asked, device="cpu")
    true = -np.maximum(*(inside_by_m(SHAPES[n], at) for n in ("house", "corner"))) - 0.5
    off = out.numpy()[:, 0] - np.clip(true, -FAR_M, FAR_M)
    assert np.abs(off).max() < 0.13 and np.abs(off[np.abs(true) < 0.2]).max() < 0.05
    np.testing.assert_allclose(rise.numpy()[:, 0], -0.3 * 0.6 + 0.2 * 0.8, atol=2e-4)
    np.testing.assert_allclose(rise.numpy()[:, 1], pace_on(-0.02), atol=1e-4)
    wide = TerrainSource(open_obstacles(specs, Path()), ground, (-40.0, -40.0), (30.0, 30.0), 40.0).made
    own = crowd.acts.plan.terrain.made
    i, k = (round((own.low_m[a] - wide.low_m[a]) / own.cell_m) for a in (0, 1))
    assert own.cell_m == wide.cell_m
    rows, columns = own.distance_m.shape
    lap = wide.distance_m[max(k, 0) : k + rows, max(i, 0) : i + columns]
    np.testing.assert_array_equal(lap, own.distance_m[max(-k, 0) :, max(-i, 0) :][: lap.shape[0], : lap.shape[1]])


def test_an_open_plain_has_no_grid_and_obstacles_are_in_the_digest() -> None:
    cue = ({"at": 1002, "do": "march"},)
    plain, walled = field(host(cues=cue)), field(host(cues=cue), obstacles=({"polygon_m": SHAPES["post"]},))
    assert plain.acts.plan.terrain.made is None
    assert plain.acts.plan.digest() != walled.acts.plan.digest()
    again = field(host(cues=cue), obstacles=({"polygon_m": SHAPES["post"]},))
    assert again.acts.plan.digest() == walled.acts.plan.digest()


def test_the_same_on_any_number_of_threads() -> None:
    cue = {"at": 1002, "do": "charge", "target": (0.0, -16.0)}
    plan = field(
        {**host(count=2400, cues=(cue,)), "polygon_m": box(-30, 0, 30, 60)}, obstacles=({"polygon_m": SHAPES["house"]},)
    ).acts.plan
    one, three = (simulate(plan, 40, threads=k) for k in (1, 3))
    assert one.place_m.tobytes() == three.place_m.tobytes() and one.phase.tobytes() == three.phase.tobytes()


def test_nobody_fights_through_a_wall() -> None:
    wall = box(-30, -2.2, 30, -1.9)
    cues = ({"at": 1001, "do": "charge"},)
    red = host(z=-1.2, count=36, cues=({**cues[0], "target": "blue"},))
    blue = host("blue", z=-2.9, heading=180.0, count=36, cues=({**cues[0], "target": "red"},))
    assert (field(red, blue, last=1080).acts.track_to(1081).foe >= 0).any()
    walled = field(red, blue, last=1080, obstacles=({"polygon_m": wall, "clearance_m": 0.3},)).acts.track_to(1081)
    assert (walled.foe == -1).all()

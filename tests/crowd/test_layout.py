"""Layouts: counts nest, people keep apart and inside, ids hold, walkers do not slide."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from support.cost import timed

from composer.camera.camera import View
from composer.crowd.agents import Agents
from composer.crowd.cast import default_cast
from composer.crowd.laid import Layout
from composer.crowd.layout import layout
from composer.crowd.regions import inside
from composer.errors import InputError, InputErrors
from composer.shot.ground import Ground, mesh_ground, plane_ground
from composer.shot.schema_crowd import CrowdSpec

FLAT = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
TILTED = plane_ground((0.0, 2.0, 0.0), (0.1, 1.0, -0.2))
CAST = default_cast()
BOX = ((-20.0, -40.0), (20.0, -40.0), (20.0, -10.0), (-20.0, -10.0))
FAR_BOX = ((30.0, -40.0), (60.0, -45.0), (62.0, -12.0), (30.0, -10.0))


def no_view(frame: int) -> View:
    raise AssertionError("no region is drawn on the plate")


def laid(regions: list[dict], total: int | None, ground: Ground = FLAT, seed: int = 7, **options) -> Layout:
    spec = CrowdSpec(seed=seed, count=total, regions=tuple(regions))
    return layout(spec, CAST, ground, no_view, frame_rate=Fraction(24), first_frame=1001, **options)


def by_id(crowd: Layout) -> dict[int, tuple]:
    """Everything about everybody at two frames."""
    agents = crowd.at([1001, 1010])
    return {
        int(i): (
            agents.position_m[:, k].tobytes(), agents.heading_rad[:, k].tobytes(), agents.clip[:, k].tobytes(),
            agents.phase[:, k].tobytes(), int(agents.cast[k]), float(agents.height_scale[k]), int(agents.seed[k]),
            agents.albedo[k].tobytes(),
        )
        for k, i in enumerate(agents.agent_id)
    }  # fmt: skip


def nearest(crowd: Layout, frame: int = 1001) -> float:
    place = crowd.at([frame]).position_m[0][:, [0, 2]]
    return float(cKDTree(place).query(place, k=2)[0][:, 1].min()) if len(place) > 1 else math.inf


formations = st.sampled_from(["rank_and_file", "loose"])


@st.composite
def polygons(draw: st.DrawFn) -> tuple[tuple[float, float], ...]:
    """Star-shaped, so simple; hollow ones too."""
    corners = draw(st.integers(3, 8))
    radii = draw(st.lists(st.floats(6, 25), min_size=corners, max_size=corners))
    angles = 2 * np.pi * (np.arange(corners) + draw(st.floats(0, 1))) / corners
    x, z = draw(st.floats(-50, 50)), draw(st.floats(-90, 0))
    return tuple((float(x + r * np.cos(a)), float(z + r * np.sin(a))) for r, a in zip(radii, angles, strict=True))


@settings(max_examples=40, deadline=None)
@given(
    polygons(),
    formations,
    st.tuples(st.floats(0.6, 3), st.floats(0.6, 3)),
    st.floats(0, 1),
    st.floats(-180, 180),
    st.integers(0, 2**62),
)
def test_apart_and_inside(polygon, formation, spacing, jitter, heading, seed) -> None:
    file_m, rank_m = spacing
    region = {"name": "a", "polygon_m": polygon, "formation": formation, "spacing_m": (file_m, rank_m)}
    crowd = laid([{**region, "jitter": jitter, "heading_deg": heading}], 5000, seed=seed, fit=True)
    if len(crowd) == 0:
        return
    assert inside(np.array(polygon), crowd.place_m, 0.2249).all()
    assert nearest(crowd) >= 0.45 - 1e-6
    area = 0.5 * abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True)))
    if area > 60 * file_m * rank_m:
        assert 0.6 < len(crowd) * file_m * rank_m / area < 1.15  # the spacing is what was asked for


@settings(max_examples=25, deadline=None)
@given(polygons(), formations, formations, st.lists(st.integers(0, 250), min_size=2, max_size=5), st.integers(0, 9))
def test_counts_nest(polygon, one, other, counts, seed) -> None:
    regions = [
        {"name": "a", "polygon_m": polygon, "formation": one, "spacing_m": (0.7, 0.7)},
        {"name": "b", "polygon_m": FAR_BOX, "formation": other, "spacing_m": (0.8, 0.9), "share": 0.3, "side": "blue"},
    ]
    everybody = by_id(laid(regions, 1000, seed=seed, fit=True))
    last: set[int] = set()
    for count in sorted(counts):
        crowd = laid(regions, count, seed=seed, fit=True)
        some = by_id(crowd)
        assert len(some) == count or any("fit" in note for note in crowd.notes), "fewer only where a region is full"
        assert last <= set(some) <= set(everybody)
        assert all(everybody[i] == some[i] for i in some)
        last = set(some)


@settings(max_examples=15, deadline=None)
@given(formations, st.permutations(["a", "b", "c"]))
def test_other_regions_change_nothing(formation, order) -> None:
    regions = {
        "a": {"name": "a", "polygon_m": BOX, "formation": formation, "count": 200},
        "b": {"name": "b", "polygon_m": FAR_BOX, "formation": "loose", "count": 150, "side": "blue"},
        "c": {"name": "c", "polygon_m": ((-60, -40), (-30, -40), (-30, -10)), "count": 60},
    }
    alone = by_id(laid([regions["a"]], None))
    together = by_id(laid([regions[n] for n in order], None))
    assert len(alone) == 200 and len(together) == 410
    assert all(together[i] == alone[i] for i in alone)
    assert 0 not in together


@pytest.mark.parametrize("formation", ["rank_and_file", "loose"])
def test_the_same_twice_and_seeds_differ(formation: str) -> None:
    region = [{"name": "a", "polygon_m": BOX, "formation": formation}]
    first, again, other = (by_id(laid(region, 300, seed=s)) for s in (7, 7, 8))
    assert first == again
    assert set(first) == set(other) or formation == "loose"
    assert first != other


def test_a_known_layout_stays() -> None:
    """Ids are part of people's notes and overrides: they must not change between versions."""
    crowd = laid([{"name": "host", "polygon_m": BOX}], 3)
    first = int(crowd.agent_id[0])
    assert crowd.agent_id.tolist() == [first, first + 1, first + 2]
    assert first == 1836052643


def test_small_counts_are_blocks() -> None:
    """100 of a large rank and file: full ranks and files in the middle of the front, wider than deep."""
    wide = ((-60.0, -100.0), (60.0, -100.0), (60.0, 0.0), (-60.0, 0.0))
    region = {"name": "a", "polygon_m": wide, "spacing_m": (1.0, 1.0), "jitter": 0.0}
    for count in (50, 100, 338, 1000):
        place = laid([region], count).place_m
        cells = {(round(float(x - 0.5)), round(float(z - 0.5))) for x, z in place}
        assert len(cells) == count
        files = {x: sum(c[0] == x for c in cells) for x, _ in cells}
        full = max(files.values())
        assert sum(n < full - 1 for n in files.values()) <= 1  # a last rank may be short, and one file
        assert max(files) - min(files) + 1 == len(files)  # no hole between files
        for x, n in files.items():  # every file is full from the front
            assert {z for cx, z in cells if cx == x} == set(range(-100, -100 + n))
        assert abs(np.mean(list(files))) <= 1.5
        assert 1.4 < len(files) / full < 2.6


def test_small_loose_counts_are_spread() -> None:
    """Any head of the order is blue noise: far apart for its number, and no large gap."""
    region = {"name": "a", "polygon_m": BOX, "formation": "loose", "spacing_m": (1.0, 1.0)}
    area = 40 * 30
    everywhere = np.stack(np.meshgrid(np.linspace(-19, 19, 60), np.linspace(-39, -11, 45)), -1).reshape(-1, 2)
    for count in (20, 50, 100, 300, 1000):
        place = laid([region], count).place_m
        typical = math.sqrt(area / count)
        assert nearest(laid([region], count)) > 0.5 * typical
        assert cKDTree(place).query(everywhere)[0].max() < 1.35 * typical


def test_shares() -> None:
    regions = [
        {"name": "a", "polygon_m": BOX, "spacing_m": (0.8, 0.8), "share": 3.0},
        {"name": "b", "polygon_m": FAR_BOX, "spacing_m": (0.8, 0.8), "share": 1.0},
    ]
    crowd = laid(regions, 400)
    assert np.bincount(crowd.region).tolist() == [300, 100]
    fixed = [{**regions[0], "count": 100, "share": None}, {**regions[1], "share": None}]
    assert np.bincount(laid(fixed, 400).region).tolist() == [100, 300]
    assert np.bincount(laid(fixed, 400, count=40).region).tolist() == [10, 30]
    with pytest.raises(InputError, match="do not add up"):
        laid(fixed, 50)
    by_room = [{**r, "share": None} for r in regions]
    halves = np.bincount(laid([by_room[0], {**by_room[1], "polygon_m": BOX, "name": "c"}], 100, fit=True).region)
    assert abs(int(halves[0]) - 50) <= 1


def test_too_many_says_how_many_fit() -> None:
    region = {"name": "a", "polygon_m": BOX, "spacing_m": (1.0, 1.0)}
    with pytest.raises(InputError, match=r"at most 1,200 .* got 1,500; spacing_m: \[0.87, 0.87\] would do"):
        laid([region], 1500)
    assert len(laid([{**region, "spacing_m": (0.87, 0.87)}], 1500)) == 1500
    crowd = laid([region], 1500, fit=True)
    assert len(crowd) == 1200 and crowd.wanted == 1500
    assert "a: 1,200 of 1,500 fit" in crowd.notes


def test_overlapping_regions_keep_apart() -> None:
    """The smaller one stands as if it were alone; the larger one makes room, and keeps its ids."""
    small = {"name": "guard", "polygon_m": ((-4, -30), (4, -30), (4, -20), (-4, -20)), "spacing_m": (1.0, 1.0)}
    large = {"name": "host", "polygon_m": BOX, "formation": "loose", "spacing_m": (1.0, 1.0)}
    crowd = laid([{**large, "count": 900}, {**small, "count": 60}], None)
    assert nearest(crowd) >= 0.45 - 1e-6
    assert any("host" in n and "guard" in n for n in crowd.notes)
    alone, together = by_id(laid([{**small, "count": 60}], None)), by_id(crowd)
    assert all(together[i] == alone[i] for i in alone)
    host = by_id(laid([{**large, "count": 900}], None))
    common = set(host) & set(together)
    assert len(common) > 700 and all(host[i] == together[i] for i in common)


def test_heights_are_the_grounds() -> None:
    crowd = laid([{"name": "a", "polygon_m": BOX, "clip": "walk", "moving": True, "heading_deg": 40.0}], 200, TILTED)
    agents = crowd.at([1000, 1001, 1200])
    for f in range(3):
        x, y, z = agents.position_m[f].astype(np.float64).T
        assert np.abs(TILTED.height_m(x, z) - y).max() < 1e-5


def cliff() -> Ground:
    """Flat for x < 0, a slope of 60 degrees from 0 to 10, and nothing from there."""
    rise = 10 * math.tan(math.radians(60))
    rows = [(-40, 0), (0, 0), (10, rise)]
    position = [(x, y, z) for z in (-60, 0) for x, y in rows]
    triangle = [(0, 4, 1), (0, 3, 4), (1, 5, 2), (1, 4, 5)]
    return mesh_ground(np.array(position, np.float32), np.array(triangle, np.int32))


@pytest.mark.parametrize("formation", ["rank_and_file", "loose"])
def test_nobody_on_a_cliff_or_in_the_air(formation: str) -> None:
    region = {"name": "a", "polygon_m": BOX, "formation": formation, "spacing_m": (1.0, 1.0)}
    crowd = laid([region], 400, cliff())
    assert len(crowd) == 400 and (crowd.place_m[:, 0] <= 0).all()
    assert any("no ground or a slope above 40 deg" in n for n in crowd.notes)
    flat = by_id(laid([region], 1000))
    assert set(by_id(crowd)) <= set(flat)  # the gaps keep their numbers


@pytest.mark.parametrize("formation", ["rank_and_file", "loose"])
def test_walkers_do_not_slide_and_keep_apart(formation: str) -> None:
    region = {"name": "a", "polygon_m": BOX, "formation": formation, "clip": "march", "moving": True}
    crowd = laid([{**region, "heading_deg": 30.0}], 300)
    frames = [1001, 1002, 1100]
    agents = crowd.at(frames)
    clip = CAST.clips[int(agents.clip[0, 0])]
    assert clip.name == "march"
    moved = agents.position_m[1:].astype(np.float64) - agents.position_m[0]
    ahead = np.array([math.sin(math.radians(30)), 0, -math.cos(math.radians(30))])
    assert np.abs(moved - (moved @ ahead)[..., None] * ahead).max() < 1e-4
    assert np.allclose(agents.heading_rad, -math.radians(30), atol=1e-6)
    # Along the ground, a phase of 1 is one stride of this man.
    for f, frame in enumerate(frames[1:]):
        seconds = (frame - 1001) / 24
        cycles = crowd.casting.rate_hz * seconds
        assert np.allclose(moved[f] @ ahead, cycles * clip.stride_m * agents.height_scale, rtol=1e-4, atol=1e-4)
    assert np.allclose((agents.phase[0] + crowd.casting.rate_hz / 24 - agents.phase[1] + 0.5) % 1, 0.5, atol=1e-5)
    assert abs(nearest(crowd, 1100) - nearest(crowd)) < 1e-3


def spread(phase: np.ndarray) -> float:
    """0 where all phases are one, near 1 where they are anything."""
    return 1 - abs(np.exp(2j * np.pi * phase.astype(np.float64)).mean())


def test_marching_is_in_step_and_idling_is_not() -> None:
    march = laid([{"name": "a", "polygon_m": BOX, "clip": "march", "moving": True}], 300).at([1001, 1060])
    assert spread(march.phase[0]) < 0.03 and spread(march.phase[1]) < 0.06
    assert np.ptp(march.phase) > 0.01
    idle = laid([{"name": "a", "polygon_m": BOX, "clip": "idle"}], 300).at([1001])
    assert spread(idle.phase[0]) > 0.8
    names = {CAST.clips[c].name for c in idle.clip[0]}
    assert len(names) == sum(c.name.split("_")[0] == "idle" for c in CAST.clips)


def test_one_shot_clips_play_once() -> None:
    once = dataclasses.replace(CAST.clips[[c.name for c in CAST.clips].index("strike")], name="hit", looped=False)
    cast = dataclasses.replace(CAST, clips=(*CAST.clips, once))
    spec = CrowdSpec(seed=1, count=200, regions=({"name": "a", "polygon_m": BOX, "clip": "hit"},))
    crowd = layout(spec, cast, FLAT, no_view, frame_rate=Fraction(24), first_frame=1001)
    phase = crowd.at([1001, 1030, 5000]).phase
    assert (np.diff(phase, axis=0) >= 0).all() and (phase[0] == 0).all() and (phase[2] > 0.9999).all()
    assert phase.max() < 1 and 0 < np.mean((phase[1] > 0) & (phase[1] < 0.999)) < 1


def test_facing_a_point() -> None:
    for formation, error in (("loose", 20), ("rank_and_file", 60)):
        crowd = laid([{"name": "a", "polygon_m": BOX, "formation": formation, "face_m": (5.0, 0.0)}], 200)
        agents = crowd.at([1001])
        h = agents.heading_rad[0]
        look = np.stack([-np.sin(h), -np.cos(h)], axis=1)
        to = np.array([5.0, 0.0]) - crowd.place_m
        cos = np.sum(look * to, axis=1) / np.linalg.norm(to, axis=1)
        assert np.degrees(np.arccos(np.clip(cos, -1, 1))).max() < error
        if formation == "rank_and_file":
            assert np.degrees(np.ptp(h)) < 15


def test_mistakes_are_told_together() -> None:
    regions = [
        {"name": "a", "polygon_m": BOX, "kits": {"spearman": 1.0, "wizard": 1.0}, "clip": "fly"},
        {"name": "b", "polygon_m": FAR_BOX, "clip": "idle", "moving": True},
    ]
    with pytest.raises(InputErrors) as error:
        laid(regions, 10)
    text = str(error.value)
    assert "regions.0.kits: no such kit" in text and "wizard" in text
    assert "regions.0.clip: no such clip" in text and "regions.1.clip: this clip cannot move" in text
    with pytest.raises(InputErrors, match="crosses itself") as error:
        knot = ((0, 0), (9, 9), (9, 0), (0, 9))
        laid([{"name": "a", "polygon_m": knot}, {"name": "b", "polygon_m": BOX, "spacing_m": (0.4, 0.4)}], 10)
    assert "inside each other" in str(error.value)


def test_kits_by_weight_and_sides() -> None:
    regions = [
        {"name": "a", "polygon_m": BOX, "kits": {"spearman": 3.0, "archer": 1.0}, "spacing_m": (0.6, 0.6)},
        {"name": "b", "polygon_m": FAR_BOX, "side": "blue"},
    ]
    crowd = laid(regions, 2000)
    agents = crowd.at([1001])
    kit = np.array([CAST.figures[c].name.split("_")[0] for c in agents.cast[crowd.region == 0]])
    assert set(kit) == {"spearman", "archer"}
    assert 0.7 < np.mean(kit == "spearman") < 0.8
    sides = np.array(crowd.casting.side_names)[agents.side]
    assert set(sides[crowd.region == 0]) == {"red"} and set(sides[crowd.region == 1]) == {"blue"}
    assert agents.albedo.shape[0] == 2000 and agents.albedo.min() > 0 and agents.albedo.max() < 1


def test_agents_have_their_types() -> None:
    agents = laid([{"name": "a", "polygon_m": BOX}], 50).at([1000, 1001, 1002])
    wanted = {
        "agent_id": np.uint32, "position_m": np.float32, "heading_rad": np.float32, "clip": np.int16,
        "phase": np.float32, "cast": np.int16, "side": np.int8, "height_scale": np.float32, "albedo": np.float32,
        "seed": np.uint32,
    }  # fmt: skip
    assert isinstance(agents, Agents) and len(agents) == 50
    for name, dtype in wanted.items():
        array = getattr(agents, name)
        assert array.dtype == dtype and array.flags.c_contiguous, name
    assert (np.diff(agents.agent_id.astype(np.int64)) > 0).all()
    assert ((agents.phase >= 0) & (agents.phase < 1)).all()
    assert len(laid([{"name": "a", "polygon_m": BOX}], 0).at([1001])) == 0


@pytest.mark.parametrize("formation", ["rank_and_file", "loose"])
def test_a_hundred_thousand_cost_ten_times_ten_thousand(formation: str) -> None:
    plain = ((-160.0, -330.0), (160.0, -330.0), (160.0, 0.0), (-160.0, 0.0))
    region = {"name": "a", "polygon_m": plain, "formation": formation, "spacing_m": (0.9, 1.1)}
    agents, laid_s, frames_s = {}, {}, {}
    for count in (10_000, 100_000):
        crowd, laid_s[count] = timed(partial(laid, [{**region, "clip": "march", "moving": True}], count), times=2)
        agents[count], frames_s[count] = timed(partial(crowd.at, [1000, 1001, 1002]))
    assert len(agents[100_000]) == 100_000
    # Ten times as many cost about ten times as much, on any machine; a search of all by each would cost a hundred times.
    assert laid_s[100_000] < 30 * laid_s[10_000] and frames_s[100_000] < 40 * frames_s[10_000]


def test_people_lean_with_a_slope_and_stand_straight_on_level_ground() -> None:
    region = {"name": "a", "polygon_m": BOX}
    assert laid([region], 50).at([1001]).up is None
    agents = laid([region], 50, TILTED).at([1001])
    normal = np.asarray(TILTED.normal(np.zeros(1), np.zeros(1)), np.float64)[0]
    lean = np.degrees(np.arccos(agents.up[0, :, 1].astype(np.float64)))
    slope = math.degrees(math.acos(normal[1]))
    assert slope > 2 and np.allclose(lean, 0.3 * slope, atol=0.15 * slope)
    assert np.allclose(np.linalg.norm(agents.up, axis=-1), 1, atol=1e-6)
    down = normal[[0, 2]]
    assert ((agents.up[0][:, [0, 2]] @ down) > 0).all(), "towards the slope's own normal"

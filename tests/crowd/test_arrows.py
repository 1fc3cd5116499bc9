"""Arrows among the agents: seen on their arc, named by their archer, and where they stuck; and nothing of a person's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.cues import CAST, FLAT, box, host, laid

from composer.camera.camera import View
from composer.crowd.agents import Agents
from composer.crowd.arrows import Archery, with_arrow
from composer.crowd.behaviour.quiver import LOOSE_HEIGHT_M
from composer.crowd.figure import arrow
from composer.crowd.laid import Layout
from composer.crowd.names import Names, names_of, with_arrows
from composer.crowd.posed import joints_at
from composer.crowd.skeleton import JOINT
from composer.guides.passes import GuidePasses, Light
from composer.guides.render import render_guides

TINY = """\
muster: 1
shot: tiny
version: v001
plate: {path: plate.exr, frames: 1001-1200, frame_rate: 24}
camera: {locked: {focal_mm: 32, filmback_mm: [36, 20.25], height_m: 1.7}}
ground: {plane: {point_m: [0, 0, 0], normal: [0, 1, 0]}}
crowd:
  seed: 5
  regions:
    - {name: red, polygon_m: [[-6, 0], [6, 0], [6, 9], [-6, 9]], count: 40}
    - {name: blue, polygon_m: [[-8, -60], [8, -60], [8, -48], [-8, -48]], count: 100}
"""
DARK = Light((0.0, 1.0, 0.0), (1.0, 1.0, 1.0), (0.3, 0.3, 0.3), (0.1, 0.1, 0.1))
WITH = with_arrow(CAST)
ARROW = len(WITH.figures) - 1


def view(eye: tuple[float, float, float], at: tuple[float, float, float], focal_px: float = 900.0) -> View:
    back = np.array(eye, np.float64) - at
    back /= np.linalg.norm(back)
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    m = np.eye(4)
    m[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    m[:3, 3] = eye
    return View(1001, (960, 540), m, (focal_px, focal_px), (480.0, 270.0))


def drawn(agents: Agents, seen: View) -> GuidePasses:
    return render_guides(agents, WITH, (seen,) * 3, None, [], DARK, samples=16)


@pytest.fixture(scope="module")
def volley() -> tuple[Layout, Archery, Names]:
    archers = host(count=40, kits={"archer": 1.0}, cues=({"at": 1005, "do": "volley", "target": "blue"},))
    foes = {**host("blue", heading=180.0, count=100), "polygon_m": box(-8, -60, 8, -48), "spacing_m": (0.9, 0.9)}
    crowd = laid(archers, foes, last=1200)
    archery = Archery(WITH, crowd, FLAT)
    return crowd, archery, with_arrows(names_of(crowd), archery)


def arrows_of(agents: Agents) -> np.ndarray:
    return np.flatnonzero(agents.cast == ARROW)


def test_an_arrow_is_seen_on_its_arc(volley: tuple[Layout, Archery, Names]) -> None:
    """The pixels of one arrow against the parabola between its ends, worked out here from the data alone."""
    crowd, archery, names = volley
    flown = crowd.acts.track_to(1201).arrows
    k = int(np.flatnonzero(flown.struck < 0)[3])
    lasts = flown.land_s[k] - flown.loose_s[k]
    start = np.array([flown.start_m[k, 0], LOOSE_HEIGHT_M, flown.start_m[k, 1]])
    end = np.array([flown.aim_m[k, 0], 0.0, flown.aim_m[k, 1]])
    found = []
    for share in (0.2, 0.5, 0.8):
        frame = 1001 + round((flown.loose_s[k] + share * lasts) * 24)
        t = (frame - 1001) / 24 - flown.loose_s[k]
        u = t / lasts
        true = start + (end - start) * u + np.array([0.0, 0.5 * 9.81 * t * (lasts - t), 0.0])
        seen = view((true[0] + 9.0, true[1] + 1.0, true[2] + 2.0), tuple(true))
        agents = archery.over(crowd.at((frame - 1, frame, frame + 1)))
        passes = drawn(agents, seen)
        ids = np.unique(passes.agent_id[268:273, 478:483])
        mine = [int(i) for i in ids if i and names.cast[int(i)] == "arrow"]
        assert len(mine) == 1
        y, x = np.nonzero(passes.agent_id == mine[0])
        assert abs(x.mean() + 0.5 - 480) < 8 and abs(y.mean() + 0.5 - 270) < 4  # its middle, feathers weigh more
        # it points along the arc, and moves along it
        speed = (end - start) / lasts + np.array([0.0, 9.81 * (lasts / 2 - t), 0.0])
        way = seen.project(np.stack([true - 0.1 * speed / 9, true + 0.1 * speed / 9]))[0]
        along = (way[1] - way[0]) / np.linalg.norm(way[1] - way[0])
        spread = np.cov(np.stack([x, y]))
        axis = np.linalg.eigh(spread)[1][:, 1]
        assert abs(axis @ along) > 0.995
        moved = passes.motion_px[y[len(y) // 2], x[len(y) // 2]]
        next_true = true + speed / 24 + np.array([0.0, -0.5 * 9.81 / 24**2, 0.0])
        assert np.abs(seen.project(next_true)[0] - seen.project(true)[0] - moved).max() < 12
        assert names.agent[mine[0]].startswith(f"arrow_{names.agent[int(crowd.agent_id[flown.archer[k]])]}.")
        assert names.side[mine[0]] == "red"
        found.append(mine[0])
    assert len(set(found)) == 1  # the same one all along


def test_ids_are_its_own(volley: tuple[Layout, Archery, Names]) -> None:
    crowd, archery, names = volley
    agents = archery.over(crowd.at((1100, 1150, 1200)))
    assert (np.diff(agents.agent_id.astype(np.int64)) > 0).all()
    who = arrows_of(agents)
    assert len(who) > 60 and not np.isin(agents.agent_id[who], crowd.agent_id).any()
    people = np.isin(agents.agent_id, crowd.agent_id)
    np.testing.assert_array_equal(agents.position_m[:, people], crowd.at((1100, 1150, 1200)).position_m)
    called = [names.agent[int(i)] for i in agents.agent_id]
    assert len(set(called)) == len(called)
    with pytest.raises(KeyError):
        _ = names.agent[int(archery.first_id) - 1]


def test_one_in_the_fist_then_in_the_air(volley: tuple[Layout, Archery, Names]) -> None:
    """At full draw its nock is in the right hand and its shaft over the left; the same arrow flies off."""
    crowd, archery, _ = volley
    flown = crowd.acts.track_to(1201).arrows
    archer, loose = int(flown.archer[0]), 1001 + round(flown.loose_s[0] * 24)
    mine = archery.first_id + archer * 64
    frames = range(loose - 8, loose + 9)
    agents = archery.over(crowd.at(tuple(frames)))
    row = int(np.searchsorted(agents.agent_id, mine))
    assert agents.agent_id[row] == mine
    body = int(np.searchsorted(agents.agent_id, crowd.agent_id[archer]))
    both = np.array([body, body])
    _, hands, _ = joints_at(agents, WITH, both, np.array([JOINT["r_hand"], JOINT["l_hand"]]))
    place, way = agents.position_m[:, row].astype(np.float64), agents.up[:, row].astype(np.float64)
    held = np.arange(len(frames)) < 8
    nock = place - way * 0.375
    assert np.linalg.norm(nock - hands[:, 0], axis=1)[held].max() < 0.16
    to_bow = hands[:, 1] - nock
    off = np.linalg.norm(to_bow - (to_bow * way).sum(1, keepdims=True) * way, axis=1)
    assert off[held].max() < 0.16
    gone = np.linalg.norm(np.diff(place, axis=0), axis=1)
    assert gone[:6].max() < 0.05 and gone[9:].min() > 0.5


def test_what_sticks_in_a_man_falls_with_him(volley: tuple[Layout, Archery, Names]) -> None:
    crowd, archery, _ = volley
    track = crowd.acts.track_to(1201)
    down = np.isin(track.mode[-1], (2, 3))
    k = int(next(k for k in np.flatnonzero(track.arrows.struck >= 0) if down[track.arrows.struck[k]]))
    man, archer = int(track.arrows.struck[k]), int(track.arrows.archer[k])
    hit = 1001 + int(np.ceil(track.arrows.land_s[k] * 24))
    number = int((track.arrows.archer[:k] == archer).sum())
    frames = (hit, hit + 12, hit + 30)
    agents = archery.over(crowd.at(frames))
    row = int(np.searchsorted(agents.agent_id, archery.first_id + archer * 64 + number))
    body = int(np.searchsorted(agents.agent_id, crowd.agent_id[man]))
    _, chest, _ = joints_at(agents, WITH, np.array([body]), np.array([JOINT["chest"]]))
    away = np.linalg.norm(agents.position_m[:, row] - chest[:, 0], axis=1)
    assert np.ptp(away) < 1e-3 and 0.2 < away[0] < 0.6  # rigidly on him, sticking out
    assert chest[2, 0, 1] < 0.5 and np.linalg.norm(chest[2, 0] - chest[0, 0]) > 0.4  # who has fallen


def test_who_is_hidden_shoots_none(volley: tuple[Layout, Archery, Names]) -> None:
    crowd, archery, _ = volley
    agents = crowd.at((1120, 1121, 1122))
    few = np.ones(len(agents), bool)
    few[np.flatnonzero(crowd.region == 0)[:20]] = False
    kept = replace(
        agents,
        **{n: getattr(agents, n)[few] for n in ("agent_id", "cast", "side", "height_scale", "albedo", "seed")},
        **{
            n: getattr(agents, n)[:, few]
            for n in ("position_m", "heading_rad", "clip", "phase", "clip_from", "phase_from", "blend")
        },
    )
    gone = {int(i) for i in agents.agent_id[~few]}
    all_of_them, left = (archery.over(a) for a in (agents, kept))
    assert any(archery.archer_of(int(i)) in gone for i in all_of_them.agent_id)
    assert not any(archery.archer_of(int(i)) in gone for i in left.agent_id)
    assert len(arrows_of(left))


def test_overrides_leave_the_arrows_in_the_air(volley: tuple[Layout, Archery, Names]) -> None:
    """A crowd under orders shoots too; whoever is hidden by name takes his arrows along."""
    from composer.crowd.overrides import direct
    from composer.shot.load import parse_shot

    crowd, archery, names = volley
    archer = int(crowd.acts.track_to(1201).arrows.archer[0])
    called = names.agent[int(crowd.agent_id[archer])]
    shot = parse_shot(TINY + f"overrides:\n  - {{soldier: {called}, hide: true}}\n")
    under = direct(shot, WITH, crowd, FLAT)
    assert len(under) == len(crowd) - 1 and under.acts is crowd.acts
    left = Archery(WITH, under, FLAT).over(under.at((1120, 1121, 1122)))
    mine = [archery.archer_of(int(i)) for i in left.agent_id]
    assert int(crowd.agent_id[archer]) not in mine and sum(m is not None for m in mine) > 10


def alone(distance_m: float, turns: int, seed: int = 0) -> tuple[Agents, View]:
    """Arrows across the view at that distance, at odd places in their pixels and turned about themselves."""
    rng = np.random.default_rng(seed)
    step = np.linspace(-0.4, 0.4, turns) * distance_m
    place = np.stack([step, rng.uniform(-0.2, 0.2, turns) * distance_m, np.full(turns, -distance_m)], 1)
    one = laid(host(count=1)).at((1001, 1002, 1003))
    wide = np.tile(place.astype(np.float32), (3, 1, 1))
    across = np.stack([np.cos(a := rng.uniform(0, 2 * np.pi, turns)), np.sin(a), np.zeros(turns)], 1)
    agents = replace(
        one, agent_id=np.arange(1, turns + 1, dtype=np.uint32), position_m=wide,
        heading_rad=np.tile(rng.uniform(0, 6, turns).astype(np.float32), (3, 1)),
        clip=np.full((3, turns), len(WITH.clips) - 1, np.int16), phase=np.zeros((3, turns), np.float32),
        cast=np.full(turns, ARROW, np.int16), side=np.zeros(turns, np.int8), height_scale=np.ones(turns, np.float32),
        albedo=np.tile(arrow.albedo(one.albedo.shape[1])[None], (turns, 1, 1)), seed=np.arange(turns, dtype=np.uint32),
        up=np.tile(across.astype(np.float32), (3, 1, 1)),
    )  # fmt: skip
    return agents, view((0.0, 0.0, 0.0), (0.0, 0.0, -1.0))


@pytest.mark.parametrize("distance_m", [8.0, 22.0, 60.0, 140.0])
def test_far_arrows_keep_their_area(distance_m: float) -> None:
    """Every level of detail covers as much as the arrow does, and four samples find it nearly every time."""
    agents, seen = alone(distance_m, 160)
    passes = render_guides(agents, WITH, (seen,) * 3, None, [], DARK, samples=4)
    shown = np.bincount(passes.samples.agent_id.astype(int), passes.samples.coverage, minlength=161)[1:]
    true = arrow.SHOWN_M2 * (900.0 / distance_m) ** 2
    assert shown.mean() == pytest.approx(true, rel=0.08)
    assert shown.std() < 0.35 * true + 0.25  # a sample or so
    if true > 1.0:
        assert (shown > 0).mean() > 0.98


def test_levels_show_the_same_from_the_side() -> None:
    """Flat pictures of each level, counted: a second, plainer way than the guides'."""
    from PIL import Image, ImageDraw

    for mesh in arrow.figure(1).lods:
        shares = []
        for turn in np.linspace(0, 2 * np.pi / 3, 12, endpoint=False):
            x = (mesh.position_m[:, 0] * np.cos(turn) + mesh.position_m[:, 2] * np.sin(turn)) * 4000 + 400
            y = mesh.position_m[:, 1] * 4000 + 1600
            picture = Image.new("1", (800, 3200))
            for corner in mesh.triangle:
                ImageDraw.Draw(picture).polygon([(x[i], y[i]) for i in corner], fill=1)
            shares.append(np.asarray(picture).sum() / 4000**2)
        assert np.mean(shares) == pytest.approx(arrow.SHOWN_M2, rel=0.06)


def test_an_arrow_is_no_person(volley: tuple[Layout, Archery, Names]) -> None:
    """No skeleton in the pose pass, and the ground is no darker for it."""
    agents, seen = alone(8.0, 20)
    passes = drawn(agents, seen)
    assert len(passes.pose_agent) == 0 and passes.coverage.max() > 0
    flat = np.full((540, 960), 9.0, np.float32)
    ground = render_guides(agents, WITH, (seen,) * 3, flat, [], DARK, samples=4)
    assert ground.contact.max() == 0


def test_joints_are_where_the_guides_have_them(volley: tuple[Layout, Archery, Names]) -> None:
    """`joints_at` against the pose pass, cross-fades and all."""
    crowd, _, _ = volley
    frame = 1030
    agents = crowd.at((frame - 1, frame, frame + 1))
    seen = view((0.0, 3.0, 14.0), (0.0, 1.0, 4.0))
    passes = render_guides(agents, CAST, (seen,) * 3, None, [], DARK, samples=1)
    rows = np.searchsorted(agents.agent_id, passes.pose_agent)
    for point, joint in ((4, "r_hand"), (7, "l_hand"), (10, "r_foot")):
        _, place, _ = joints_at(agents, CAST, rows, np.full(len(rows), JOINT[joint]))
        px, _ = seen.project(place[1])
        front = passes.pose_px[:, point, 2] > 0
        assert front.sum() > 20
        np.testing.assert_allclose(passes.pose_px[front, point, :2], px[front], atol=0.05)

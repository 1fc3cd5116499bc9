"""Riders at their horses' pace, columns that keep to their path, the dead who stay where they lie."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.spatial import cKDTree
from support.cues import FLAT, NAMES, box, host, laid

from composer.crowd.agents import Cast
from composer.crowd.behaviour.modes import Mode
from composer.crowd.behaviour.plan import HORSE_HALF_M, ClipTable
from composer.crowd.behaviour.slide import foot_slide_mm, hoof_slide_mm
from composer.crowd.cast import default_cast
from composer.crowd.laid import Layout
from composer.crowd.layout import layout
from composer.crowd.motions import played
from composer.crowd.paths import path_through
from composer.crowd.wardrobe import wardrobe
from composer.errors import NOWHERE
from composer.shot.schema_crowd import CrowdSpec


@pytest.fixture(scope="module")
def cast() -> Cast:
    return wardrobe(default_cast(), None, ["lancer", "dead", "wounded"]).cast


def crowd_of(cast: Cast, *regions: dict, last: int = 1100, **crowd) -> Layout:
    spec = CrowdSpec(seed=5, regions=regions, **crowd)
    rate = Fraction(24)
    return layout(spec, cast, FLAT, lambda f: None, frame_rate=rate, first_frame=1001, last_frame=last)


def squadron(count: int = 24, z: float = 0.0, heading: float = 0.0, name: str = "red", **more) -> dict:
    edge = box(-12, z, 12, z + 16) if heading == 0 else box(-12, z - 16, 12, z)
    region = {"name": name, "polygon_m": edge, "heading_deg": heading, "side": name, "count": count}
    return {**region, "kits": {"lancer": 1}, "spacing_m": (1.6, 3.2), **more}


# --- riders ---


def test_the_table_knows_each_kinds_gaits(cast: Cast) -> None:
    table, kind = ClipTable.of(cast)
    plain, own = ClipTable.of(default_cast())
    np.testing.assert_array_equal(table.index[0], plain.index[0])
    assert (own == 0).all() and {f.name.split("_")[0] for f, k in zip(cast.figures, kind, strict=True) if k} == {
        "lancer"
    }
    clips = cast.clips
    assert all(clips[c].rig == 1 for c in table.index[1]) and all(clips[c].rig == 1 for c in table.gait[1, 1:])
    assert [clips[c].name for c in table.gait[1, 1:]] == ["walk", "trot", "canter", "gallop"]
    pace = table.stride_m[table.gait[1, 1:]] / table.duration_s[table.gait[1, 1:]]
    assert (np.diff(pace) > 0).all() and table.pace_m_s[1, 0] > 2 * table.pace_m_s[0, 0]
    for k in range(1, 4):
        assert pace[k - 1] < table.up[1, k] < pace[k] and table.down[1, k + 1] < table.up[1, k]
    plays = played(cast)
    rider = next(i for i, f in enumerate(cast.figures) if f.name.startswith("lancer"))
    falls = [i for i, c in enumerate(clips) if c.name.startswith("fall_")]
    assert {clips[plays[rider, f]].name for f in falls} == {"fall"}


@pytest.mark.parametrize(("do", "least", "most"), [("march", 1.4, 1.7), ("advance", 1.4, 1.7), ("charge", 7.0, 10.0)])
def test_riders_go_at_their_horses_pace_and_hooves_do_not_slide(cast: Cast, do: str, least: float, most: float) -> None:
    crowd = crowd_of(cast, squadron(cues=({"at": 1001, "do": do, "target": (0.0, -90.0)},)))
    track = crowd.acts.track_to(1101)
    agents = crowd.at(range(1001, 1101))
    speed = np.linalg.norm(np.diff(track.place_m, axis=0), axis=-1) * 24
    assert least < np.median(speed[-24:]) < most
    names = {cast.clips[c].name for c in track.clip[-1]}
    assert names <= ({"walk", "march"} if do != "charge" else {"canter", "gallop"}), names
    slide = hoof_slide_mm(agents, cast)
    moving = speed[: len(slide)] > 0.5
    assert np.nanmedian(slide) < 15 and np.nanmedian(slide[moving]) < 15
    assert np.isnan(foot_slide_mm(agents, cast)).all() or np.nanmedian(foot_slide_mm(agents, cast)) >= 0


def test_hoof_slide_is_measured(cast: Cast) -> None:
    """A region that rides at its clip's own pace slides by little; one that is dragged slides by the drag."""
    crowd = crowd_of(cast, squadron(clip="walk", moving=True))
    agents = crowd.at(range(1001, 1020))
    assert np.nanmedian(hoof_slide_mm(agents, cast)) < 6
    dragged = agents.position_m.copy()
    dragged[:, :, 2] = dragged[:1, :, 2] - 0.3 * np.arange(19, dtype=np.float32)[:, None]
    assert np.nanmedian(hoof_slide_mm(replace(agents, position_m=dragged), cast)) > 100
    men = laid(host(clip="idle")).at(range(1001, 1004))
    assert np.isnan(hoof_slide_mm(men, default_cast())).all()


def test_horses_keep_apart(cast: Cast) -> None:
    """Nobody's horse stands in another's: by ellipses a little less than what each is given."""
    crowd = crowd_of(
        cast,
        squadron(cues=({"at": 1002, "do": "charge", "target": "blue"},)),
        squadron(z=-45, heading=180, name="blue", cues=({"at": 1002, "do": "charge", "target": "red"},)),
        last=1160,
    )
    track = crowd.acts.track_to(1160)
    worst = 1.0
    for place, heading, mode in zip(track.place_m[::5], track.heading_rad[::5], track.mode[::5], strict=True):
        ahead = -np.stack([np.sin(heading), np.cos(heading)], axis=1)
        right = np.stack([np.cos(heading), -np.sin(heading)], axis=1)
        for i, j in cKDTree(place).query_pairs(2.6):
            if mode[i] < Mode.FALL or mode[j] < Mode.FALL:
                gap = place[j] - place[i]
                d = np.linalg.norm(gap)
                room = sum(
                    1 / np.hypot(gap @ right[k] / d / HORSE_HALF_M[0], gap @ ahead[k] / d / HORSE_HALF_M[1])
                    for k in (i, j)
                )
                worst = min(worst, d / room)
    assert worst > 0.72
    assert (track.foe[-1] >= 0).any(), "they fight"
    down = np.isin(track.mode[-1], (Mode.FALL, Mode.DEAD))
    assert down.any() and {cast.clips[c].name for c in track.clip[-1, down]} == {"fall"}


def test_a_rider_who_falls_ends_on_the_ground_beside_his_horse(cast: Cast) -> None:
    clip = next(c for c in cast.clips if c.rig == 1 and c.name == "fall")
    names = cast.skeletons[1].names
    at = {n: clip.position_m[:, names.index(n)] for n in ("hips", "head", "r_hand", "horse_back", "horse_head")}
    assert at["hips"][0, 1] > 1.3 and at["hips"][-1, 1] < 0.35 and at["head"][-1, 1] < 0.4
    assert abs(at["hips"][-1, 0]) > 0.8 and np.ptp(at["horse_back"][:, 1]) < 0.1 and at["horse_head"][-1, 1] > 1.5
    assert np.linalg.norm(np.diff(clip.position_m, axis=0), axis=-1).max() < 0.25, "no jump between two samples"
    np.testing.assert_allclose(np.linalg.norm(clip.rotation, axis=-1), 1.0, atol=1e-5)
    assert not clip.looped and clip.position_m[-1, : len(names), 1].min() > -0.25


# --- columns ---

BEND = ((0.0, 20.0), (0.0, 0.0), (12.0, -14.0), (34.0, -16.0))


def column(**more) -> dict:
    return {"name": "red", "path_m": BEND, "formation": "column", "head": 0.4, "count": 40, "files": 4, **more}


@pytest.mark.parametrize("do", ["march", "advance"])
def test_a_column_with_cues_follows_its_path(do: str) -> None:
    crowd = laid(column(cues=({"at": 1010, "do": do},)), last=1400)
    track = crowd.acts.track_to(1401)
    line = cKDTree(path_through(BEND, NOWHERE).point_m)
    half = np.abs(crowd.acts.plan.aside_m).max()
    away = line.query(track.place_m.reshape(-1, 2))[0]
    assert away.max() < half + 1.3  # rounded off in the bend a little
    gone = np.linalg.norm(track.place_m[-1] - track.place_m[0], axis=1)
    assert gone.min() > 10.0
    slide = foot_slide_mm(crowd.at(range(1010, 1300)), default_cast())
    assert np.nanmedian(slide) < 15
    apart = [cKDTree(f).query(f, k=2)[0][:, 1].min() for f in track.place_m[::10]]
    assert min(apart) > 0.4
    # still four abreast: each is where his place on the path is
    plan, frame = crowd.acts.plan, 300
    way = plan.bands[0].way
    off = line.query(track.place_m[frame])[0]
    assert np.abs(off - np.abs(plan.aside_m)).max() < 0.6 and way.length_m > 40


def test_before_its_first_cue_a_moving_column_goes_as_without_cues() -> None:
    with_cue = laid(column(moving=True, clip="march", cues=({"at": 1180, "do": "cheer"},)), last=1170)
    without = laid(column(moving=True, clip="march"))
    frames = [1001, 1060, 1120, 1170]
    one, two = with_cue.at(frames).position_m, without.at(frames).position_m
    off = np.linalg.norm((one - two)[..., [0, 2]], axis=-1)
    assert np.median(off) < 0.15 and off.max() < 0.6


def test_another_cue_takes_it_off_its_path() -> None:
    cues = ({"at": 1005, "do": "march"}, {"at": 1060, "do": "charge", "target": (0.0, -60.0)})
    track = laid(column(cues=cues), last=1200).acts.track_to(1200)
    line = cKDTree(path_through(BEND, NOWHERE).point_m)
    assert line.query(track.place_m[50])[0].max() < 3.0
    assert np.median(track.place_m[-1, :, 1]) < -16 and np.median(line.query(track.place_m[-1])[0]) > 5
    held = laid(column(cues=({"at": 1005, "do": "march"}, {"at": 1060, "do": "hold"})), last=1200).acts.track_to(1200)
    assert line.query(held.place_m[-1])[0].max() < 3.0
    assert np.abs(held.place_m[-1] - held.place_m[-30]).max() < 0.05


# --- the dead ---


def test_the_dead_and_the_wounded_stay_and_the_living_step_round_them(cast: Cast) -> None:
    cues = ({"at": 1003, "do": "charge", "target": (0.0, -40.0)},)
    fallen = {
        **host("levy", z=-9.0, count=14),
        "kits": {"dead": 2, "wounded": 1},
        "cues": ({"at": 1003, "do": "march"},),
    }
    crowd = crowd_of(cast, host(count=60, cues=cues), fallen, last=1160)
    track = crowd.acts.track_to(1161)
    mixed = np.flatnonzero(crowd.region == 1)
    agents = crowd.at([1001, 1080, 1160])
    assert (track.place_m[:, mixed] == track.place_m[0, mixed]).all() and (track.mode[:, mixed] == Mode.LIES).all()
    assert (agents.position_m[:, mixed] == agents.position_m[:1, mixed]).all()
    names = {cast.clips[c].name.split("_")[0] for c in agents.clip[:, mixed].ravel()}
    assert names == {"dead", "wounded"}
    assert (agents.phase[0, mixed] != agents.phase[1, mixed]).any(), "the wounded move"
    living = np.flatnonzero(crowd.region == 0)
    assert (track.place_m[-1, living, 1] < -12).mean() > 0.9
    plain = crowd_of(cast, host(count=60, cues=cues), last=1160).acts.track_to(1161)

    def nearness(track, who) -> np.ndarray:
        """How near to a body's axis each living one comes, at best."""
        head = track.heading_rad[0, mixed]
        out = np.full(len(who), np.inf)
        for k, at in enumerate(dead):
            axis = -np.array([np.sin(head[k]), np.cos(head[k])])
            gap = track.place_m[:, who] - at
            along = np.clip(gap @ axis, -1.0, 1.0)
            out = np.minimum(out, np.linalg.norm(gap - along[..., None] * axis, axis=-1).min(axis=0))
        return out

    dead = track.place_m[0, mixed]
    head = track.heading_rad
    through = nearness(replace(plain, heading_rad=head), np.arange(plain.place_m.shape[1]))
    round_them = nearness(track, living)
    assert np.median(round_them) > np.median(through) + 0.05
    assert NAMES[default_cast().clips[0].rig] is not None and (track.foe[:, mixed] == -1).all()


def test_the_fallen_of_a_region_that_goes_are_left_behind(cast: Cast) -> None:
    region = {**host(count=40, clip="march", moving=True), "kits": {"spearman": 3, "dead": 1}}
    crowd = crowd_of(cast, {**region, "cues": ({"at": 1020, "do": "charge"},)}, last=1090)
    track = crowd.acts.track_to(1091)
    down = track.mode[0] == Mode.LIES
    assert 3 < down.sum() < 20
    gone = np.linalg.norm(track.place_m[-1] - track.place_m[0], axis=1)
    assert (gone[down] == 0).all() and gone[~down].min() > 3

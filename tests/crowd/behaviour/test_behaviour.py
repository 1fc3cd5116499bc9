"""Cues: everybody acts when told, nobody stands inside another, feet hold, the same in any process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import warp as wp
from pydantic import ValidationError
from scipy.spatial import cKDTree
from support.cues import CAST, NAMES, box, charge, host, laid

from composer.crowd.behaviour.kernel_types import chance, key
from composer.crowd.behaviour.modes import Mode
from composer.crowd.behaviour.slide import foot_slide_mm
from composer.crowd.behaviour.track import Track
from composer.crowd.laid import Layout
from composer.crowd.seeds import hash01

DOWN = (Mode.FALL, Mode.DEAD)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def battle() -> tuple[Layout, Track]:
    """500 against 500, six seconds."""
    crowd = charge()
    return crowd, crowd.acts.track_to(1141)


def digest(track: Track) -> str:
    total = hashlib.sha256()
    for part in (*(getattr(track, f.name) for f in fields(track)[:-1]), *vars(track.arrows).values()):
        total.update(np.ascontiguousarray(part).tobytes())
    return total.hexdigest()


def test_nobody_stands_inside_another(battle: tuple[Layout, Track]) -> None:
    _, track = battle
    for frame in range(len(track)):
        up = ~np.isin(track.mode[frame], DOWN)
        place = track.place_m[frame, up]
        assert cKDTree(place).query(place, k=2)[0][:, 1].min() >= 0.4, frame


def test_feet_do_not_slide(battle: tuple[Layout, Track]) -> None:
    crowd, track = battle
    agents = crowd.at(range(1001, 1141))
    slide = foot_slide_mm(agents, CAST, np.array([c.looped for c in CAST.clips]))
    walking = np.linalg.norm(np.diff(track.place_m[: len(slide) + 1], axis=0), axis=-1) * 24 > 0.3
    assert walking.mean() > 0.3
    assert np.nanmedian(slide) < 15 and np.nanmedian(slide[walking]) < 15
    assert np.nanpercentile(slide[~walking], 75) < 15


def test_slide_is_measured() -> None:
    """The measure itself: one who is pushed while he stands slides by the push; a marcher at his pace by little."""
    crowd = laid(host(clip="march", moving=True))
    march = crowd.at(range(1001, 1013))
    assert np.nanmax(foot_slide_mm(march, CAST)) < 5
    still = laid(host(clip="idle")).at(range(1001, 1013))
    still.position_m[:, :, 0] += np.arange(12, dtype=np.float32)[:, None] * 0.02
    assert abs(np.nanmedian(foot_slide_mm(still, CAST)) - 20) < 3


def test_pairs_are_pairs_for_both(battle: tuple[Layout, Track]) -> None:
    crowd, track = battle
    side = crowd.acts.plan.side
    most = 0
    for frame in range(len(track)):
        foe = track.foe[frame]
        who = np.flatnonzero(foe >= 0)
        most = max(most, len(who) // 2)
        assert (foe[foe[who]] == who).all() and (side[foe[who]] != side[who]).all()
        assert not np.isin(track.mode[frame, who], DOWN).any()
    assert most > 20
    who = np.flatnonzero((track.foe[-1] >= 0) & (track.foe[-1] == track.foe[-12]))
    to = track.place_m[-1, track.foe[-1, who]] - track.place_m[-1, who]
    look = -np.stack([np.sin(track.heading_rad[-1, who]), np.cos(track.heading_rad[-1, who])], axis=1)
    cos = np.sum(to * look, axis=1) / np.linalg.norm(to, axis=1)
    assert np.median(np.degrees(np.arccos(np.clip(cos, -1, 1)))) < 15  # they face each other
    assert np.median(np.linalg.norm(to, axis=1)) < 2.0


def test_a_melee_ends_with_bodies_that_stay(battle: tuple[Layout, Track]) -> None:
    _, track = battle
    dead = track.mode[-1] == Mode.DEAD
    assert 5 < dead.sum() < 400
    for man in np.flatnonzero(dead):
        lies = np.flatnonzero(track.mode[:, man] == Mode.DEAD)
        assert (np.diff(lies) == 1).all() and lies[-1] == len(track) - 1  # nobody gets up
        settled = lies[12:]
        for part in (track.place_m, track.heading_rad, track.clip, track.phase):
            assert (part[settled, man] == part[-1, man]).all()
        assert NAMES[track.clip[-1, man]].startswith("fall_")
        fall = np.flatnonzero(track.mode[:, man] == Mode.FALL)
        assert (np.diff(track.phase[fall[1:], man]) > 0).all()


def test_nobody_falls_where_nobody_is_to() -> None:
    crowd = charge(120, behaviour={"lethality": 0.0})
    assert not np.isin(crowd.acts.track_to(1141).mode, DOWN).any()


def test_the_same_in_another_process_and_on_any_number_of_threads() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/crowd/behaviour'); import test_behaviour as t\n"
        "from composer.crowd.behaviour.acts import simulate\n"
        "print(t.digest(simulate(t.charge(1200, 4.0).acts.plan, 40, threads=int(sys.argv[1]))))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, str(threads)], cwd=ROOT, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": str(threads)},
        ).stdout.strip().splitlines()[-1]
        for threads in (1, 3)
    ]  # fmt: skip
    assert len(runs[0]) == 64 and runs[0] == runs[1]


@wp.kernel
def draw_kernel(seed: wp.array(dtype=wp.uint32), purpose: wp.uint32, out: wp.array(dtype=float)):
    i = wp.tid()
    out[i] = chance(seed[i], purpose)


def test_chance_is_the_crowds_own() -> None:
    """The kernels draw the same numbers as `composer.crowd.seeds`."""
    seed = np.array([0, 1, 7, 123456789, 2**32 - 1], np.uint32)
    for purpose in ("cue delay", "pace"):
        out = wp.zeros(len(seed), dtype=float, device="cpu")
        wp.launch(draw_kernel, len(seed), inputs=[wp.array(seed, device="cpu"), key(purpose), out], device="cpu")
        np.testing.assert_array_equal(out.numpy(), hash01(seed, purpose))


def onset(track: Track, least_m: float = 0.02) -> np.ndarray:
    """The first frame (from 0) at which each has left his place."""
    away = np.linalg.norm(track.place_m - track.place_m[0], axis=-1) > least_m
    return np.where(away.any(0), away.argmax(0), 10**6)


def test_cues_come_at_their_frame_one_by_one() -> None:
    for spread in (0.0, 1.0):
        cue = {"at": 1013, "do": "march", "spread_s": spread}
        track = laid(host(cues=(cue,)), last=1080).acts.track_to(1081)
        assert (track.place_m[:12] == track.place_m[0]).all()  # up to 1012 nobody moves
        first = onset(track)
        assert 12 <= first.min() <= 17 + 24 * 0.2 * spread
        assert first.max() <= 12 + 24 * spread + 24
        assert np.ptp(first) <= 4 if spread == 0 else np.ptp(first) > 8


def test_a_share_of_them_obeys() -> None:
    track = laid(host(count=200, cues=({"at": 1005, "do": "cheer", "share": 0.3},)), last=1060).acts.track_to(1061)
    cheering = NAMES[track.clip[-1]] == "cheer"
    assert 0.2 < cheering.mean() < 0.4


def test_marching_keeps_ranks_and_step() -> None:
    crowd = laid(
        host(count=120, spacing_m=(0.9, 1.2), jitter=0.0, cues=({"at": 1001, "do": "march", "spread_s": 0.3},))
    )
    track = crowd.acts.track_to(1101)
    moved = track.place_m[-1] - track.place_m[0]
    assert moved[:, 1].max() < -4.0  # all went on, along -Z
    assert np.abs(moved - moved.mean(0)).max() < 0.35  # in their places in the ranks
    phase = track.phase[-1][NAMES[track.clip[-1]] == "march"].astype(np.float64)
    assert len(phase) > 110 and abs(np.exp(2j * np.pi * phase).mean()) > 0.97
    walk = laid(host(count=120, cues=({"at": 1001, "do": "advance"},))).acts.track_to(1101)
    loose = walk.phase[-1][NAMES[walk.clip[-1]] == "walk"].astype(np.float64)
    assert len(loose) > 110 and abs(np.exp(2j * np.pi * loose).mean()) < 0.9


def test_a_march_to_a_place_wheels_and_stops_there() -> None:
    crowd = laid(host(count=60, z=0.0, cues=({"at": 1001, "do": "march", "target": (9.0, -4.0)},)), last=1300)
    track = crowd.acts.track_to(1301)
    middle = track.place_m.mean(axis=1)
    assert np.linalg.norm(middle[-1] - (9.0, -4.0)) < 1.6
    assert np.abs(track.place_m[-1] - track.place_m[-20]).max() < 0.05
    apart = cKDTree(track.place_m[-1]).query(track.place_m[-1], k=2)[0][:, 1]
    assert apart.min() > 0.45 and np.median(apart) > 0.7


def test_rout_react_and_brace() -> None:
    near = host("blue", z=-8.0, heading=180.0, cues=({"at": 1005, "do": "charge", "target": "red"},))
    crowd = laid(host(cues=({"at": 1005, "do": "rout"},)), near)
    track = crowd.acts.track_to(1101)
    red = crowd.region == 0
    assert (track.place_m[-1, red, 1] - track.place_m[0, red, 1]).mean() > 7.0
    assert (NAMES[track.clip[-1, red]] == "rout").mean() > 0.7

    point = (-20.0, -3.0)
    crowd = laid(host(cues=({"at": 1003, "do": "react", "target": point}, {"at": 1060, "do": "brace"})))
    track = crowd.acts.track_to(1101)
    to = np.array(point) - track.place_m[55]
    off = np.angle(np.exp(1j * (np.arctan2(-to[:, 0], -to[:, 1]) - track.heading_rad[55])))
    assert np.abs(off).max() < 0.2
    assert (track.place_m[55] == track.place_m[0]).all()
    assert (NAMES[track.clip[-1]] == "brace").mean() > 0.95


def test_only_whom_a_cue_names_is_an_enemy() -> None:
    """A third side close by is left alone, and stays as it was."""
    bystanders = {**host("levy", z=2.0), "polygon_m": box(8, -6, 12, 2), "count": 12, "formation": "loose"}
    cue = ({"at": 1003, "do": "charge", "target": "blue"},)
    with_them = laid(host(cues=cue), host("blue", z=-8.0, heading=180.0), bystanders)
    track = with_them.acts.track_to(1101)
    side = with_them.region
    assert (track.foe[:, side == 2] == -1).all()
    assert (track.foe[-1, side == 0] >= 0).any()  # blue, without a cue of its own, fights back
    agents = with_them.at([1001, 1050])
    alone = laid(bystanders).at([1001, 1050])
    mine = np.flatnonzero(side == 2)
    for name in ("position_m", "clip", "phase", "heading_rad"):
        np.testing.assert_array_equal(getattr(agents, name)[:, mine], getattr(alone, name))
    assert (agents.blend[:, mine] == 1).all() and alone.blend is None


def test_frames_before_the_start_and_in_any_order() -> None:
    crowd = charge(60)
    forth = crowd.at([1020, 1021, 1022])
    again = crowd.at([1022, 1020])
    np.testing.assert_array_equal(forth.position_m[[2, 0]], again.position_m)
    before = laid(host(moving=True, clip="march", cues=({"at": 1050, "do": "charge"},))).at([999, 1000, 1001, 1002])
    step = np.diff(before.position_m[..., 2], axis=0)
    assert np.abs(step - step[-1]).max() < 1e-4 and step.max() < -0.04


def test_the_cache_answers_like_the_simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crowd(count: int = 40) -> Layout:
        cues = ({"at": 1003, "do": "charge", "target": (0.0, -30.0)},)
        return laid(host(count=count, cues=cues), cache=tmp_path, last=1030)

    fresh = crowd().acts.track_to(1031)
    (file,) = tmp_path.iterdir()
    from composer.crowd.behaviour import acts

    real = acts.simulate
    monkeypatch.setattr(acts, "simulate", lambda *a, **k: pytest.fail("the cache was not used"))
    assert digest(crowd().acts.track_to(1031)) == digest(fresh)
    monkeypatch.setattr(acts, "simulate", real)
    whole = file.read_bytes()
    for broken in (whole[:-100], whole[:40], b"", whole[:-1] + bytes([whole[-1] ^ 1]), b"x" * 400, whole + b"more"):
        file.write_bytes(broken)
        again = crowd()
        assert digest(again.acts.track_to(1031)) == digest(fresh)
        assert "behaviour" in again.acts.notes[0]
        assert file.read_bytes() == whole  # made anew
    crowd(41).acts.track_to(1031)
    assert len(list(tmp_path.iterdir())) == 2  # another crowd, another file


def test_mistakes_in_cues() -> None:
    with pytest.raises(ValidationError, match="volley at what"):
        laid(host(cues=({"at": 1001, "do": "volley"},)))
    with pytest.raises(ValidationError, match="no other region"):
        laid(host(cues=({"at": 1001, "do": "charge", "target": "green"},)))
    with pytest.raises(ValidationError, match="no other region"):
        laid(host(cues=({"at": 1001, "do": "charge", "target": "red"},)))
    with pytest.raises(ValidationError):
        laid(host(cues=({"at": 1001, "do": "dance"},)))


def test_how_far_counts_nest() -> None:
    """Before contact the fewer are where they would be among the more, but for what neighbours do to each other."""

    def start(count: int) -> dict[int, np.ndarray]:
        cues = ({"at": 1003, "do": "march", "spread_s": 0.4},)
        crowd = laid({**host(count=count, cues=cues), "polygon_m": box(-6, 0, 6, 14)}, last=1060)
        return dict(zip(crowd.agent_id.tolist(), crowd.acts.track_to(1061).place_m[-1], strict=True))

    few, many = start(40), start(80)
    assert set(few) <= set(many)
    apart = np.array([np.linalg.norm(few[i] - many[i]) for i in few])
    assert np.median(apart) < 0.02 and apart.max() < 0.35

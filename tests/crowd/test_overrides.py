"""Direction of one soldier: what is asked happens to him, and to nobody else."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.camera.camera import View
from composer.crowd.agents import Agents
from composer.crowd.cast import KITS, default_cast, figures_of_kit
from composer.crowd.orders import Crowd
from composer.crowd.overrides import direct
from composer.crowd.people import people_of
from composer.errors import InputError, InputErrors
from composer.shot.ground import Ground, mesh_ground, plane_ground
from composer.shot.load import parse_shot

FRAMES = (1000, 1001, 1002, 1025)
SHOT = """\
muster: 1
shot: test
plate: {{path: plate.####.exr}}
camera: {{locked: {{focal_mm: 35, filmback_mm: [36, 20.25], height_m: 1.7}}}}
crowd:
  seed: 5
  regions:
    - {{name: host, polygon_m: [[-8, -9], [8, -9], [8, -20], [-8, -20]], heading_deg: 180, side: red,
       clip: march, moving: true, count: 40}}
    - {{name: guard, polygon_m: [[-30, -9], [-12, -9], [-12, -30], [-30, -30]], formation: loose, side: blue, count: 30}}
{overrides}"""
HILL = mesh_ground(
    [[-50, -2, 20], [50, 3, 20], [50, 1, -60], [-50, 4, -60]], [[0, 1, 2], [0, 2, 3]]
)  # fmt: skip
#: Rows of `Agents` by the axis that soldiers are on.
AXIS = {"position_m": 1, "heading_rad": 1, "clip": 1, "phase": 1} | dict.fromkeys(
    ("agent_id", "cast", "side", "height_scale", "albedo", "seed"), 0
)


def no_view(frame: int) -> View:
    raise AssertionError(frame)


def crowd(
    *entries: str, ground: Ground | None = None, count: int | None = None
) -> tuple[Crowd, dict[str, int], tuple[str, ...]]:
    """The crowd under these overrides, each soldier's id by name, and the notes."""
    text = SHOT.format(overrides="overrides:\n" + "".join(f"  - {{{e}}}\n" for e in entries) if entries else "")
    shot = parse_shot(text)
    people = people_of(shot, ground or plane_ground([0, 0, 0], [0, 1, 0]), no_view, Fraction(24), 1001, count)
    return people.layout, {n: i for i, n in people.names.agent.items()}, people.notes


def one(agents: Agents, agent_id: int) -> dict[str, np.ndarray]:
    """One soldier's arrays, `up` as +Y where nobody leans."""
    at = int(np.flatnonzero(agents.agent_id == agent_id)[0])
    rows = {k: np.take(getattr(agents, k), at, axis=axis) for k, axis in AXIS.items()}
    up = np.broadcast_to(np.float32([0, 1, 0]), agents.position_m.shape) if agents.up is None else agents.up
    return rows | {"up": up[:, at]}


def assert_others_are_the_same(before: Agents, after: Agents, but: set[int]) -> None:
    known = set(AXIS) | {"frames", "name", "up", "clip_from", "phase_from", "blend"}
    assert known == {f.name for f in fields(Agents)}, "a new field: is it directed too?"
    others = np.array([i for i in before.agent_id.tolist() if i not in but], np.uint32)
    for key, axis in AXIS.items():
        old = np.take(getattr(before, key), np.searchsorted(before.agent_id, others), axis=axis)
        new = np.take(getattr(after, key), np.searchsorted(after.agent_id, others), axis=axis)
        assert old.tobytes() == new.tobytes(), key
    if after.up is not None:
        assert (after.up[:, np.searchsorted(after.agent_id, others)] == np.float32([0, 1, 0])).all()


ACTIONS = {
    "move_m": st.tuples(st.floats(-3, 3), st.floats(-3, 3)).map(list),
    "turn_deg": st.floats(-180, 180),
    "kit": st.sampled_from(KITS),
    "side": st.sampled_from(["red", "blue", "levy"]),
    "clip": st.sampled_from(["idle", "run", "cheer"]),
    "phase": st.floats(0, 0.99),
    "delay_s": st.floats(-3, 3),
    "speed": st.floats(0.2, 3),
    "hide": st.sampled_from(["true", "false"]),
    "pin": st.sampled_from(["true", "false"]),
    "kill_at": st.integers(990, 1040),
    "reroll": st.integers(0, 9),
}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["host.00003", "host.00017", "guard.00008"]), st.fixed_dictionaries({}, optional=ACTIONS)),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_whatever_is_asked_of_some_the_others_stay_bit_for_bit(asked: list[tuple[str, dict[str, object]]]) -> None:
    asked = [(name, todo) for name, todo in asked if todo]
    entries = [", ".join([f"soldier: {n}", *(f"{k}: {v}" for k, v in todo.items())]) for n, todo in asked]
    plain, names, _ = crowd(ground=HILL)
    directed, _, _ = crowd(*entries, ground=HILL)
    before, after = plain.at(FRAMES), directed.at(FRAMES)
    assert_others_are_the_same(before, after, {names[n] for n, _ in asked})
    assert len(directed) == len(after) == len(directed.agent_id) == len(directed.casting.cast)
    assert (np.diff(after.agent_id.astype(np.int64)) > 0).all()
    assert (after.phase >= 0).all() and (after.phase < 1).all()
    assert np.isfinite(after.position_m).all()
    again = directed.at([FRAMES[-1]])  # a frame is the same whoever is asked for it with it
    assert (again.position_m[0] == after.position_m[-1]).all() and (again.phase[0] == after.phase[-1]).all()
    assert (directed.casting.cast == after.cast).all() and (directed.casting.side == after.side).all()


def test_no_overrides_is_the_layout_itself() -> None:
    text = SHOT.format(overrides="")
    plain, _, _ = crowd()
    assert direct(parse_shot(text), default_cast(), plain, plane_ground([0, 0, 0], [0, 1, 0])) is plain


def test_move_and_place_are_on_the_ground_and_go_on_walking() -> None:
    plain, names, _ = crowd(ground=HILL)
    old = one(plain.at(FRAMES), names["host.00003"])["position_m"]
    moved = one(crowd("soldier: host.00003, move_m: [2, -3]", ground=HILL)[0].at(FRAMES), names["host.00003"])[
        "position_m"
    ]
    assert np.allclose(moved[:, [0, 2]] - old[:, [0, 2]], [2, -3], atol=1e-5)
    assert np.allclose(moved[:, 1], HILL.height_m(moved[:, 0], moved[:, 2]), atol=1e-5)
    placed = one(crowd("soldier: host.00003, place_m: [1, -30]", ground=HILL)[0].at(FRAMES), names["host.00003"])[
        "position_m"
    ]
    assert np.allclose(placed[1, [0, 2]], [1, -30], atol=1e-5)
    assert np.allclose(np.diff(placed[:, [0, 2]], axis=0), np.diff(old[:, [0, 2]], axis=0), atol=1e-5)


def test_entries_are_applied_in_order() -> None:
    who = "soldier: host.00003"
    base, names, _ = crowd()
    start = one(base.at([1001]), names["host.00003"])["position_m"][0, [0, 2]]

    def there(*entries: str) -> np.ndarray:
        return one(crowd(*entries)[0].at([1001]), names["host.00003"])["position_m"][0, [0, 2]]

    assert np.allclose(there(f"{who}, move_m: [1, 0]", f"{who}, move_m: [0, 2]"), np.add(start, [1, 2]), atol=1e-5)
    assert np.allclose(there(f"{who}, move_m: [1, 0]", f"{who}, place_m: [0, -28]"), [0, -28], atol=1e-5)
    assert np.allclose(there(f"{who}, place_m: [0, -28]", f"{who}, move_m: [1, 0]"), [1, -28], atol=1e-5)
    assert len(crowd("region: host, hide: true", f"{who}, hide: false")[0]) == 31


def test_a_turned_man_walks_the_way_he_looks() -> None:
    plain, names, _ = crowd()
    for order, heading in (("heading_deg: 90", -np.pi / 2), ("turn_deg: -90", -np.pi / 2)):  # clockwise in the shot
        rows = one(crowd(f"soldier: host.00003, {order}")[0].at(FRAMES), names["host.00003"])
        assert np.allclose(np.cos(rows["heading_rad"] - heading), 1, atol=1e-6)
        step = rows["position_m"][-1] - rows["position_m"][1]
        assert step[0] > 1 and abs(step[2]) < 1e-4, "90 degrees is +X"
    old = one(plain.at(FRAMES), names["host.00003"])
    assert np.allclose(rows["position_m"][1], old["position_m"][1]), "at the first frame he stands where he stood"


def test_retiming_takes_the_feet_along() -> None:
    """speed and delay are the same man at another time: his place and his phase stay together."""
    plain, names, _ = crowd()
    who = names["host.00003"]
    late = one(crowd("soldier: host.00003, delay_s: 0.5")[0].at([1025]), who)
    then = one(plain.at([1013]), who)
    assert np.allclose(late["position_m"], then["position_m"], atol=1e-5)
    assert np.allclose(late["phase"], then["phase"], atol=1e-5)
    fast = one(crowd("soldier: host.00003, speed: 1.3")[0].at([1006]), who)  # 6.5 frames of his own time
    a, b = one(plain.at([1007]), who), one(plain.at([1008]), who)
    assert np.allclose(fast["position_m"], (a["position_m"] + b["position_m"]) / 2, atol=1e-5)
    assert np.allclose(fast["phase"], (a["phase"] + b["phase"]) / 2, atol=1e-5)
    given_phase = one(crowd("soldier: host.00003, phase: 0.25")[0].at([1001]), who)
    assert np.allclose(given_phase["phase"], 0.25, atol=1e-6)


def test_pinned_he_stays_and_no_longer_walks() -> None:
    plain, names, _ = crowd()
    for order in ("pin: true", "clip: cheer"):
        rows = one(crowd(f"soldier: host.00003, {order}")[0].at(FRAMES), names["host.00003"])
        assert (rows["position_m"] == one(plain.at([1001]), names["host.00003"])["position_m"]).all()
        assert all(default_cast().clips[c].stride_m == 0 for c in rows["clip"])
    running = one(crowd("soldier: host.00003, clip: run")[0].at([1001, 1002]), names["host.00003"])
    clip = default_cast().clips[int(running["clip"][0])]
    step = np.linalg.norm(running["position_m"][1] - running["position_m"][0])
    stepped = (running["phase"][1] - running["phase"][0]) % 1 * clip.stride_m * running["height_scale"]
    assert np.isclose(step, stepped, rtol=1e-3), "his feet slide"


def test_recast_and_reroll() -> None:
    plain, names, _ = crowd()
    who, agents = names["guard.00008"], plain.at([1001])
    heavy = one(crowd("soldier: guard.00008, kit: heavy, side: levy")[0].at([1001]), who)
    assert int(heavy["cast"]) in figures_of_kit("heavy")
    directed = crowd("soldier: guard.00008, side: levy")[0]
    assert directed.casting.side_names[int(one(directed.at([1001]), who)["side"])] == "levy"
    rolls = [one(crowd(f"soldier: guard.00008, reroll: {n}")[0].at([1001]), who) for n in range(1, 6)]
    assert len({int(r["seed"]) for r in rolls}) == 5 and len({float(r["height_scale"]) for r in rolls}) == 5
    assert all((r["position_m"] == one(agents, who)["position_m"]).all() for r in rolls)
    nothing = crowd("soldier: guard.00008, reroll: 0")[0].at([1001])
    assert_others_are_the_same(agents, nothing, set())
    kept = one(crowd("soldier: guard.00008, kit: heavy", "region: guard, reroll: 3")[0].at([1001]), who)
    assert int(kept["cast"]) in figures_of_kit("heavy"), "what is said outright wins over a roll"


def test_the_killed_lie_down_and_stay() -> None:
    names = crowd()[1]
    directed, _, notes = crowd("soldier: host.00003, kill_at: 1010", ground=HILL)
    who = names["host.00003"]
    rows = one(directed.at([1009, 1010, 1012, 1040, 1400]), who)
    place = rows["position_m"][:, [0, 2]]
    alive = one(crowd(ground=HILL)[0].at([1009, 1010]), who)
    falls = 1 if "no clip of this cast falls: those who are killed tip over" not in notes else 2
    assert (rows["position_m"][0] == alive["position_m"][0]).all()
    assert (rows["phase"][:falls] == alive["phase"][:falls]).all(), "until he is hit he does what he did"
    assert np.linalg.norm(place[1:] - place[1], axis=1).max() < 0.3, "he stays where he fell"
    assert (rows["phase"][3] == rows["phase"][4]).all() and (rows["position_m"][3] == rows["position_m"][4]).all()
    if "no clip of this cast falls: those who are killed tip over" in notes:
        normal = HILL.normal(*np.float64(rows["position_m"][4][[0, 2]]))
        assert abs(float(rows["up"][4] @ normal)) < 1e-5, "he lies on the slope"
        assert rows["up"][2] @ normal > 0.5


def test_hidden_is_gone_and_fewer_is_a_note() -> None:
    names = crowd()[1]
    directed, after, _ = crowd("soldier: [host.00003, guard.00008], hide: true")
    assert set(names) - set(after) == {"host.00003", "guard.00008"} and len(directed) == 68
    fewer, _, notes = crowd("soldier: host.00039, hide: true", count=10)
    assert len(fewer) == 10 and any("host.00039 is not among these 10" in n for n in notes)


@pytest.mark.parametrize(
    ("entry", "column", "said"),
    [
        ("soldier: host.00099, hide: true", 6, "no such soldier: got host.00099; did you mean host.00039? host has 40"),
        ("soldier: [host.00001, hots.00007], hide: true", 28, "did you mean host.00007?"),
        ("soldier: 77, hide: true", 6, "no such soldier: got 77; did you mean"),
        ("region: gaurd, hide: true", 6, "did you mean guard?"),
        ("soldier: host.00001, kit: haevy", 27, "did you mean heavy?"),
        ("soldier: host.00001, side: bleu", 27, "did you mean blue?"),
        ("soldier: host.00001, clip: ide", 27, "did you mean idle?"),
        ("soldier: host.00001, place_m: [900, 0]", 27, "no ground at the new place: got host.00001 at [900.00, 0.00]"),
        ("region: host, move_m: [500, 0]", 20, "and 39 more"),
        ("pixel: {frame: 1001, at_px: [4, 4]}, hide: true", 6, "a soldier by name"),
        ("region: host, place_m: [0, 0]", 20, "a place has room for one"),
        ("soldier: host.00001", 5, "what is he to do?"),
        ("soldier: host.00001, move_m: [0, 0], place_m: [0, 0]", 5, "exclude each other"),
        ("soldier: host.00001, moove_m: [0, 0]", 27, "did you mean move_m?"),
    ],
)
def test_mistakes_are_told_at_their_line_and_column(entry: str, column: int, said: str) -> None:
    with pytest.raises(InputErrors) as caught:
        crowd("region: guard, pin: true", entry, ground=HILL)
    line = caught.value.errors[0].line()
    assert line.startswith(f"shot.yaml:13:{column}: overrides.1") and said in line, line


def test_all_mistakes_at_once_and_crowding_is_noted() -> None:
    with pytest.raises(InputErrors) as caught:
        crowd("soldier: host.00099, hide: true", "soldier: host.00001, kit: x", "region: nobody, hide: true")
    assert len(caught.value.errors) == 3
    plain, names, _ = crowd()
    x, _, z = one(plain.at([1001]), names["host.00002"])["position_m"][0].tolist()
    notes = crowd(f"soldier: host.00001, place_m: [{x + 0.1:.3f}, {z:.3f}]")[2]
    assert any("host.00001 stands 0.10 m from host.00002" in n for n in notes)


def test_a_pixel_is_asked_of_the_crowd_as_the_entries_before_leave_it() -> None:
    shot = parse_shot(
        SHOT.format(
            overrides="overrides:\n  - {soldier: host.00001, hide: true}\n"
            "  - {pixel: {frame: 1002, at_px: [3.5, 4]}, hide: true}\n"
        )
    )
    ground = plane_ground([0, 0, 0], [0, 1, 0])
    asked: list[tuple[int, int, tuple[float, float]]] = []

    def pick(seen: Crowd, frame: int, at_px: tuple[float, float]) -> int:
        asked.append((len(seen), frame, at_px))
        return int(seen.agent_id[0])

    people = people_of(shot, ground, no_view, Fraction(24), 1001, None, lambda cast: pick)
    assert asked == [(69, 1002, (3.5, 4.0))] and len(people.layout) == 68
    assert any("at [3.5, 4] of frame 1002 is " in n for n in people.notes)
    with pytest.raises(InputError, match="no soldier is seen at this pixel"):
        people_of(shot, ground, no_view, Fraction(24), 1001, None, lambda cast: lambda *_: 0)


def test_a_leaning_man_leans_with_his_new_ground() -> None:
    """For crowds whose bodies follow the slope: the axis is carried from the old normal to the new one."""

    class Leaning:
        def __init__(self, base: Crowd) -> None:
            self.base = base

        def __getattr__(self, name: str) -> object:
            return getattr(self.base, name)

        def __len__(self) -> int:
            return len(self.base)

        def at(self, frames: tuple[int, ...]) -> Agents:
            agents = self.base.at(frames)
            x, _, z = np.moveaxis(agents.position_m.astype(np.float64), -1, 0)
            return replace(agents, up=two.normal(x, z))

    two = mesh_ground(
        [[-50, 0, 20], [0, 0, 20], [50, 9, 20], [-50, 0, -60], [0, 0, -60], [50, 9, -60]],
        [[0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4]],
    )
    plain, names, _ = crowd(ground=two)
    shot = parse_shot(SHOT.format(overrides="overrides:\n  - {soldier: guard.00008, place_m: [20, -10]}\n"))
    agents = direct(shot, default_cast(), Leaning(plain), two).at([1001])
    up = one(agents, names["guard.00008"])["up"][0]
    assert np.allclose(up, two.normal(20.0, -10.0), atol=1e-6) and up[1] < 0.99

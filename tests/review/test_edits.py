"""Edits of shot.yaml change what is meant and not a byte besides."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.errors import InputError
from composer.review.edits import remove_override, set_override, set_polygon
from composer.shot.load import parse_shot, read_yaml

HEAD = """\
# the shot: kept as it is
muster: 1
shot: "test"      # quoted
plate: { path: plate.####.exr ,  frames: 1001-1003 }
camera: {locked: {focal_mm: 35.0, filmback_mm: [36, 20.25], height_m: 1.70}}

crowd:
    seed: 0x2A
    count: 10   # ten
    regions:
    -   name: host
        polygon_m: [[-6, -9.0], [6, -9],   # the front
                    [6, -22], [-6, -22]]
    -   name: guard
        polygon_px: {frame: 1001, points: [[300, 900], [1500.5, 890], [900, 700]]}
    -   name: reserve
        polygon_m:
          - [20, -9]   # near
          - - 30
            - -9
          # and far
          - [30, -22]
"""
BLOCK = (
    HEAD
    + """\

# what the director said
overrides:
  # the first
  - {soldier: host.00001, move_m: [1, 2.50]}   # step aside
  - soldier: host.00002   # in block style
    kit: heavy            # and his kit
    # a word between
    turn_deg: 10
  - {region: guard, side: blue}

delivery: {compression: piz}  # the end
"""
)
FLOW = HEAD + "overrides: [{soldier: host.00001, hide: true}, {soldier: [host.00002, host.00003], pin: true}]\n"


def lines_changed(old: str, new: str) -> tuple[list[str], list[str]]:
    diff = list(difflib.ndiff(old.splitlines(True), new.splitlines(True)))
    return [d[2:] for d in diff if d[0] == "-"], [d[2:] for d in diff if d[0] == "+"]


def test_the_first_override_comes_at_the_end_of_the_file() -> None:
    new = set_override(HEAD, "host.00004", {"place_m": (1.25, -10.0)})
    assert new == HEAD + "\noverrides:\n  - {soldier: host.00004, place_m: [1.25, -10]}\n"
    assert parse_shot(new).overrides[0].place_m == (1.25, -10.0)
    assert set_override(HEAD.rstrip("\n"), "host.00004", {"pin": True}).endswith("{soldier: host.00004, pin: true}\n")


def test_a_soldiers_own_entry_is_changed_in_place() -> None:
    new = set_override(BLOCK, "host.00001", {"place_m": (1.0, 2.0), "move_m": None})
    gone, come = lines_changed(BLOCK, new)
    assert gone == ["  - {soldier: host.00001, move_m: [1, 2.50]}   # step aside\n"]
    assert come == ["  - {soldier: host.00001, place_m: [1, 2]}   # step aside\n"]
    new = set_override(BLOCK, "host.00002", {"turn_deg": 12.5, "hide": True})
    gone, come = lines_changed(BLOCK, new)
    assert gone == ["    turn_deg: 10\n"] and come == ["    turn_deg: 12.5\n", "    hide: true\n"]
    gone, come = lines_changed(BLOCK, set_override(BLOCK, "host.00002", {"turn_deg": None}))
    assert gone == ["    turn_deg: 10\n"] and come == []


def test_a_later_entry_for_his_region_has_the_last_word_so_a_new_one_follows_it() -> None:
    new = set_override(BLOCK, "guard.00005", {"side": "red"})
    gone, come = lines_changed(BLOCK, new)
    assert gone == [] and come == ["  - {soldier: guard.00005, side: red}\n"]
    assert parse_shot(new).overrides[3].soldier == ("guard.00005",)
    new = set_override(FLOW, "host.00002", {"pin": False})
    assert new == FLOW.replace("pin: true}]", "pin: true}, {soldier: host.00002, pin: false}]")


def test_entries_go() -> None:
    gone, come = lines_changed(BLOCK, remove_override(BLOCK, 2))
    assert gone == ["  - {region: guard, side: blue}\n"] and come == []
    assert set_override(BLOCK, "host.00001", {"move_m": None}) == remove_override(BLOCK, 0)
    one = set_override(HEAD, "host.00004", {"pin": True})
    empty = set_override(one, "host.00004", {"pin": None})
    assert parse_shot(empty).overrides == () and empty.endswith("overrides:\n  []\n")
    assert parse_shot(set_override(empty, "host.00004", {"pin": True})).overrides[0].pin
    assert remove_override(FLOW, 0) == FLOW.replace("{soldier: host.00001, hide: true}, ", "")
    assert remove_override(FLOW, 1) == FLOW.replace(", {soldier: [host.00002, host.00003], pin: true}", "")
    with pytest.raises(InputError, match="no such override"):
        remove_override(FLOW, 2)


def test_polygons_keep_their_style_and_comments() -> None:
    new = set_polygon(BLOCK, "host", [(-6, -9), (7.5, -9), (6, -22), (-6, -23.25)])
    _, come = lines_changed(BLOCK, new)
    assert come == [
        "        polygon_m: [[-6, -9.0], [7.5, -9],   # the front\n",
        "                    [6, -22], [-6, -23.25]]\n",
    ]
    new = set_polygon(BLOCK, "reserve", [(20, -9), (31.5, -9), (30, -25)])
    assert lines_changed(BLOCK, new)[1] == ["          - - 31.5\n", "          - [30, -25]\n"]
    new = set_polygon(BLOCK, "guard", [(300, 900), (1500.5, 890), (900, 710.4)])
    assert parse_shot(new).crowd.regions[1].polygon_px.points[2] == (900, 710.4)
    more = set_polygon(BLOCK, "guard", [(300, 900), (1500.5, 890), (900, 710.4), (600, 710)])
    assert len(parse_shot(more).crowd.regions[1].polygon_px.points) == 4
    with pytest.raises(InputError, match="no such region"):
        set_polygon(BLOCK, "nobody", [(0, 0)] * 3)


@pytest.mark.parametrize("text", [BLOCK, FLOW, HEAD])
def test_line_ends_stay(text: str) -> None:
    text = text.replace("\n", "\r\n")
    new = set_override(text, "host.00001", {"kit": "archer"})
    assert new.count("\n") == new.count("\r\n") and parse_shot(new)
    new = set_polygon(text, "reserve", [(20, -9), (31.5, -9), (30, -25)])
    assert new.count("\n") == new.count("\r\n") == text.count("\n")


def test_what_cannot_be_written_well_is_refused() -> None:
    flow = "{muster: 1, shot: a, plate: {path: p}, camera: {path: c}, crowd: {count: 1, regions: []}}\n"
    with pytest.raises(InputError, match="spoiling"):
        set_override(flow, "host.00001", {"pin": True})


changes = st.dictionaries(
    st.sampled_from(["place_m", "heading_deg", "kit", "clip", "hide", "pin", "kill_at", "speed"]),
    st.none() | st.just(0),
    min_size=1,
)
values = {
    "place_m": (1.5, -2.25), "heading_deg": 12.5, "kit": "archer", "clip": "no", "hide": True, "pin": False,
    "kill_at": 1010, "speed": 1.5,
}  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([BLOCK, FLOW, HEAD, BLOCK.replace("\n", "\r\n")]),
    st.lists(st.tuples(st.sampled_from(["host.00001", "host.00002", "guard.00003", "1.00004"]), changes), max_size=3),
)
def test_any_run_of_edits_keeps_every_comment_and_every_other_value(text: str, edits: list) -> None:
    start = read_yaml(text, "f")[0]
    new = text
    for soldier, keys in edits:
        new = set_override(new, soldier, {k: None if v is None else values[k] for k, v in keys.items()})
    value = read_yaml(new, "f")[0]
    assert {k: v for k, v in value.items() if k != "overrides"} == {k: v for k, v in start.items() if k != "overrides"}
    head = text[: text.index("crowd:")]
    assert new.startswith(head)
    for comment in ("# quoted", "# the front", "# near", "# and far"):
        assert comment in new
    for soldier, keys in edits[-1:]:
        entries = [e for e in value["overrides"] if e.get("soldier") == soldier] if "overrides" in value else []
        for key, v in keys.items():
            told = entries[-1].get(key) if entries else None
            assert told == (None if v is None else values[key])

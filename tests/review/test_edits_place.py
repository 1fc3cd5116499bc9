"""A painting goes into shot.yaml, and not a byte besides changes."""

from __future__ import annotations

import difflib

import pytest

from composer.errors import InputError
from composer.review.edits_place import set_painting
from composer.shot.load import parse_shot

HEAD = """\
muster: 1
shot: "test"      # quoted
plate: {path: plate.####.exr, frames: 1001-1003}
camera: {locked: {focal_mm: 35.0, filmback_mm: [36, 20.25], height_m: 1.70}}
"""
TAIL = """
crowd:
    count: 10   # ten
    regions:
    -   {name: host, polygon_m: [[-6, -9.0], [6, -9], [6, -22], [-6, -22]]}
"""
PLACE = """\
environment:
    seed: 3    # of the hills
    pieces:
      - {name: keep, kind: tower, at_m: [6, -40]}   # the last piece
    # what was tried: another sky
"""
LISTED = (
    PLACE
    + """\
    paintings:
      # the first
      - {frame: 1001, bundle: sdxl, prompt: "snow", seed: 4}  # to be replaced
      - frame: 1003     # in block style
        picture: old.exr
        pieces: [keep]  # only this
"""
)


def changed(text: str, *args: object) -> tuple[list[str], list[str], tuple]:  # type: ignore[type-arg]
    new = set_painting(text, *args)  # type: ignore[arg-type]
    diff = list(difflib.ndiff(text.splitlines(True), new.splitlines(True)))
    place = parse_shot(new).environment
    assert place is not None
    return [d[2:] for d in diff if d[0] == "-"], [d[2:] for d in diff if d[0] == "+"], place.paintings


def test_the_first_painting_makes_the_list() -> None:
    gone, come, paintings = changed(HEAD + PLACE + TAIL, 1002, "paint/key.1002.exr", None)
    assert not gone and come == ["    paintings:\n", '      - {frame: 1002, picture: "paint/key.1002.exr"}\n']
    assert [(p.frame, p.picture) for p in paintings] == [(1002, "paint/key.1002.exr")]


def test_another_frame_is_added_and_the_same_is_replaced() -> None:
    text = HEAD + LISTED + TAIL
    gone, come, paintings = changed(text, 1002, "a.png", "sRGB")
    assert not gone and come == [
        '      - {frame: 1002, picture: "a.png", colorspace: sRGB}\n'.replace('"a.png"', "a.png")
    ]
    assert [p.frame for p in paintings] == [1001, 1003, 1002]
    gone, come, paintings = changed(text, 1001, "b.exr", None)
    assert come == ["      - {frame: 1001, picture: b.exr}  # to be replaced\n"] and len(gone) == 1
    assert paintings[0].bundle is None
    gone, come, paintings = changed(text, 1003, "c.exr", None)
    assert gone == ["        picture: old.exr\n"] and come == ["        picture: c.exr\n"]
    assert paintings[1].pieces == ("keep",)


def test_what_is_there_already_is_left_alone() -> None:
    text = set_painting(HEAD + LISTED + TAIL, 1001, "b.exr", None)
    assert set_painting(text, 1001, "b.exr", None) == text


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_flow_style_and_line_ends_are_kept(line_end: str) -> None:
    text = HEAD + "environment: {seed: 3, pieces: [{name: keep, kind: tower, at_m: [6, -40]}]}  # one line\n" + TAIL
    text = text.replace("\n", line_end)
    new = set_painting(text, 1001, "a.exr", None)
    assert new == text.replace("]}  # one", "], paintings: [{frame: 1001, picture: a.exr}]}  # one")
    block = (HEAD + PLACE + TAIL).replace("\n", line_end)
    assert set_painting(block, 1001, "a.exr", None).count(line_end) == block.count(line_end) + 2


def test_no_place_no_painting() -> None:
    with pytest.raises(InputError, match="no place to paint"):
        set_painting(HEAD + TAIL, 1001, "a.exr", None)

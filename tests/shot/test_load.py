from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.crowd.dyes import Palette
from composer.errors import InputErrors
from composer.shot.frames import frames_of
from composer.shot.load import MAX_BYTES, load_shot, parse_shot
from composer.shot.schema import SideSpec

GOOD = """\
muster: 1
shot: valley_010
plate: {path: a.####.exr, frames: 1001-1024, frame_rate: 23.976, timecode: "01:00:00:00"}
camera:
  path: camera.nk
  lens: {model: brown, k1: 0.1}
ground: {fit: points}
holdouts:
  - {matte: man.####.png, channel: A}
crowd:
  count: 1000
  regions:
    - name: host
      polygon_m: [[0, -10], [10, -10], [10, -30]]
      spacing_m: [0.9, 1.2]
"""


def told(text: str) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        parse_shot(text)
    return caught.value.line().splitlines()


def test_a_shot_is_read_with_its_types_and_places() -> None:
    shot = parse_shot(GOOD, "here/shot.yaml")
    assert shot.plate.frame_rate == Fraction(24000, 1001)
    assert shot.crowd.regions[0].polygon_m == ((0, -10), (10, -10), (10, -30))
    assert shot.path(shot.plate.path) == Path("here/a.####.exr")
    assert str(shot.where("crowd", "regions", 0, "spacing_m")) == "here/shot.yaml:15:7: crowd.regions.0.spacing_m"


def test_a_mistake_names_line_column_and_field() -> None:
    bad = GOOD.replace("[0.9, 1.2]", "[0.9, wide]")
    assert told(bad) == [
        "shot.yaml:15:24: crowd.regions.0.spacing_m.1: wrong kind of value: expected a number, got 'wide'"
    ]


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    bad = (
        GOOD.replace("k1", "k9")
        .replace("channel", "chanel")
        .replace("1000", "many")
        .replace("fit: points", "fit: planes")
    )
    lines = told(bad)
    assert [line.split(":")[1] for line in lines] == ["6", "7", "9", "11"]
    assert "did you mean channel?" in lines[2]
    assert "camera.lens.k9: unknown key" in lines[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("ground: {fit: points}", "ground: {fit: points, plane: {}}"), "ground: just one of these keys is needed"),
        (("ground: {fit: points}\n", ""), "a tracked camera needs a ground"),
        (
            (
                "  path: camera.nk\n",
                "  path: camera.nk\n  locked: {focal_mm: 35, filmback_mm: [36, 24], height_m: 1}\n",
            ),
            "camera: just one",
        ),
        (("channel: A", "channel: A, distance_m: -1"), "at least 0"),
        (("channel: A", "names: [x]"), "a matte holdout does not take this"),
        (("{matte: man.####.png, channel: A}", "{cryptomatte: a.exr}"), "which objects?"),
        (("count: 1000\n", "count: 1000\n  seed: .nan\n"), "crowd.seed"),
        (("1001-1024", "1024-1001"), "a frame range runs forwards"),
        (("23.976", "film"), "not a frame rate"),
        (("muster: 1", "muster: 2"), "muster: unknown value: expected 1, got 2"),
        (("valley_010", "../etc"), "not a name"),
        (("shot: valley_010", "shot: 7"), "write it in quotes"),
        (("count: 1000", "count: true"), "a whole number"),
        (("polygon_m: [[0, -10], [10, -10], [10, -30]]", "polygon_m: [[0, 1]]"), "too few values"),
    ],
)
def test_mistakes_read_like_sentences(change: tuple[str, str], words: str) -> None:
    assert change[0] in GOOD
    lines = told(GOOD.replace(*change))
    assert any(words in line for line in lines), lines
    assert not any("pydantic" in line or "function-" in line or "tagged" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x 1\nb: *x\n", "anchor &x"),
        ("a: !!python/object:os.system x\n", "tag"),
        ("a: 1\na: 2\n", "2:1: a is given twice; the first is on line 1"),
        ("a: {<<: {b: 1}}\n", "merge key"),
        ("[" * 40 + "]" * 40, "nested too deep"),
        ("a: 1\n---\nb: 1\n", "a second document"),
        ("", "empty"),
        ("- 1\n", "keys and values"),
        ("a: [1\n", "not YAML"),
        ("a: \x00", "not YAML"),
    ],
)
def test_what_yaml_may_not_hold(text: str, words: str) -> None:
    assert any(words in line for line in told(text))


def test_oversize_binary_and_absent_files(tmp_path: Path) -> None:
    path = tmp_path / "shot.yaml"
    for data, words in ((b"# " + b"x" * MAX_BYTES, "too big"), (b"a: \xff\xfe", "not UTF-8"), (None, "no such file")):
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(InputErrors, match=words):
            load_shot(path)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab:{}[]-,\n #&*!|>'\"%1.?\t", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(InputErrors):
        parse_shot(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD) - 2), st.sampled_from("x:-[]{}#1 \n"))
def test_one_wrong_letter_is_told_or_harmless(at: int, letter: str) -> None:
    try:
        parse_shot(GOOD[:at] + letter + GOOD[at + 1 :])
    except InputErrors as errors:
        assert all(e.where.file is not None and e.where.line is not None for e in errors.errors)


def test_side_colours_are_those_that_the_dyers_know() -> None:
    assert set(SideSpec.model_fields) == set(Palette.__dataclass_fields__)


@given(st.integers(0, 5000), st.integers(0, 300), st.integers(1, 20))
def test_frames_of_counts_like_range(first: int, more: int, step: int) -> None:
    assert frames_of(f"{first}-{first + more}x{step}") == tuple(range(first, first + more + 1, step))
    assert frames_of(f"{first}, {first}-{first + more}") == tuple(range(first, first + more + 1))

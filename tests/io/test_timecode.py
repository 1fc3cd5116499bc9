"""Time code against a counter that walks through every label, and frame rates against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.errors import InputError
from composer.io.timecode import Timecode, add_frames, frame_rate

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        (24, Fraction(24)),
        ("25p", Fraction(25)),
        (23.976, Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        ("29.97", NTSC),
        (Fraction(2997, 100), NTSC),
        ("30000/1001", NTSC),
        (59.94, Fraction(60000, 1001)),
        ("47.952", Fraction(48000, 1001)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_frame_rates(written: str | float | Fraction, exact: Fraction) -> None:
    assert frame_rate(written) == exact


@pytest.mark.parametrize("wrong", ["", "fast", "24/0", 0, -24, 2000, float("nan"), float("inf"), True])
def test_wrong_frame_rates(wrong: str | float) -> None:
    with pytest.raises(InputError):
        frame_rate(wrong)


def test_drop_frame_counts_as_a_walk_does() -> None:
    """The first eleven minutes, label by label."""
    number = 0
    for minute in range(11):
        for second in range(60):
            for frame in range(30):
                if minute % 10 and second == 0 and frame < 2:
                    continue
                label = Timecode(0, minute, second, frame, True)
                if second in (0, 59) or frame == 7:
                    assert Timecode.from_frame_number(number, NTSC, True) == label
                    assert label.frame_number(NTSC) == number
                number += 1


def test_drop_frame_keeps_the_clock() -> None:
    """SMPTE ST 12-1: at 29.97 an hour of drop-frame labels is 107892 frames."""
    assert Timecode.parse("01:00:00;00").frame_number(NTSC) == 107892
    assert Timecode.parse("01:00:00;00").frame_number(Fraction(60000, 1001)) == 215784


@given(st.integers(0, 24 * 3600 * 24 - 1), st.sampled_from([Fraction(24), Fraction(24000, 1001), Fraction(25), NTSC]))
def test_non_drop_round_trip(number: int, rate: Fraction) -> None:
    assert Timecode.from_frame_number(number, rate).frame_number(rate) == number


@given(st.integers(0, 107892 * 24 - 1))
def test_drop_round_trip(number: int) -> None:
    label = Timecode.from_frame_number(number, NTSC, True)
    assert label.frame_number(NTSC) == number
    assert Timecode.parse(str(label), NTSC) == label


def test_adding_frames() -> None:
    assert add_frames("01:00:00:00", 24, Fraction(24)) == "01:00:01:00"
    assert add_frames("00:00:59;29", 1, NTSC) == "00:01:00;02"
    assert add_frames("23:59:59:23", 1, Fraction(24)) == "00:00:00:00"


@pytest.mark.parametrize("wrong", ["1:2:3:4", "24:00:00:00", "00:60:00:00", "00:00:00:24", "00:01:00;00", "later"])
def test_labels_that_do_not_exist(wrong: str) -> None:
    with pytest.raises(InputError):
        Timecode.parse(wrong, Fraction(24) if ";" not in wrong else NTSC)

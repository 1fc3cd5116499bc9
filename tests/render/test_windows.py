"""Windows of a video model: one grid for the plate, weights that sum to one."""

from __future__ import annotations

import itertools

import pytest

from composer.render.windows import Windows

PLATE = tuple(range(1001, 1031))


@pytest.mark.parametrize("length", [1, 2, 5, 9, 17, 29, 30, 31, 81])
def test_every_frame_is_in_a_window_and_its_weights_sum_to_one(length: int) -> None:
    windows = Windows(PLATE, length)
    for number in PLATE:
        portions = windows.of(number)
        assert portions and sum(p.weight for p in portions) == pytest.approx(1)
        for p in portions:
            together = windows.frames_from(p.start)
            assert len(together) == length and together[p.index] == number


def test_windows_overlap_and_fade_into_each_other() -> None:
    windows = Windows(PLATE, 16)
    shares = [[p.weight for p in windows.of(n) if p.start == 0] for n in PLATE[:16]]
    first = [s[0] for s in shares]
    assert first[0] == 1 and first[-1] < 0.3 and all(a >= b for a, b in itertools.pairwise(first))
    assert all(0 < s < 1 for s in first[12:])


def test_a_short_plate_repeats_its_last_frame_and_gaps_in_the_numbers_are_none() -> None:
    assert Windows((1001, 1003, 1007), 5).frames_from(0) == (1001, 1003, 1007, 1007, 1007)
    assert Windows((1001, 1003, 1007), 2).of(1003)[0].start == 0


def test_a_picture_model_paints_each_frame_by_itself() -> None:
    windows = Windows(PLATE, 1)
    assert [(p.start, p.index, p.weight) for p in windows.of(1004)] == [(3, 0, 1.0)]

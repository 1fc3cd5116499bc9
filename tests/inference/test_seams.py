"""The seam measure on pictures whose seams are known."""

from __future__ import annotations

import numpy as np
import pytest

from composer.inference.seams import borders_of, seam_measure
from composer.inference.window import axis_of

NONE = np.array([], np.int64)


def waves(h: int = 96, w: int = 128) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.uniform(0, 1, (h, w, 3)).astype(np.float32)


def test_a_picture_without_tiles_has_no_seams() -> None:
    edges = np.arange(16, 96, 16), np.arange(16, 128, 16)
    assert seam_measure(waves(400, 400), np.arange(16, 400, 16), np.arange(16, 400, 16), (16, 16)) == pytest.approx(
        1, abs=0.02
    )
    assert seam_measure(waves(), NONE, NONE, (16, 16)) == 1
    ramp = np.tile(np.arange(128, dtype=np.float32), (96, 1))
    assert seam_measure(ramp, NONE, edges[1], (16, 16)) == pytest.approx(1, abs=1e-9)


def test_a_step_of_known_height_is_measured() -> None:
    ramp = np.tile(np.arange(128, dtype=np.float32), (96, 1))
    ramp[:, 64:] += 3  # a gradient of 4 in one of 7 borders, 1 elsewhere
    assert seam_measure(ramp, NONE, np.arange(16, 128, 16), (16, 16)) == pytest.approx((6 + 4) / 7)
    assert seam_measure(ramp, NONE, np.array([64]), (16, 16)) == pytest.approx(4)
    flat_seam = np.tile(np.arange(128, dtype=np.float32), (96, 1))
    flat_seam[:, 64:] -= 1  # a seam can be too smooth as well
    assert seam_measure(flat_seam, NONE, np.array([64]), (16, 16)) == pytest.approx(0)


def test_rows_and_columns_both_count() -> None:
    picture = waves()
    picture[48:] += 1
    rows = np.array([48])
    assert seam_measure(picture, rows, NONE, (32, 32)) > 2.5
    assert seam_measure(picture.transpose(1, 0, 2), NONE, rows, (32, 32)) > 2.5
    assert seam_measure(picture, NONE, np.array([64]), (32, 32)) == pytest.approx(1, abs=0.2)


def test_borders_of_a_plan() -> None:
    axis = axis_of(40, 16, 8)
    borders = borders_of(axis, 8)
    starts, ends = axis.starts[1:] * 8, (axis.starts[:-1] + 16) * 8
    assert borders.tolist() == sorted({*starts.tolist(), *ends.tolist()})


def test_tiles_that_overlap_by_half_have_twins_that_are_no_borders() -> None:
    picture = np.zeros((64, 64), np.float32)
    picture += np.arange(64) * 0.01
    picture[:, 16:] += 0.1
    picture[:, 32:] += 0.1
    assert seam_measure(picture, NONE, np.array([16, 32, 48]), (32, 32)) == pytest.approx(
        (0.01 + 2 * 0.1 / 3) / 0.01, rel=1e-4
    )


def test_only_what_is_inside_counts() -> None:
    picture = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    picture[32:, 16:] += 5
    inside = np.zeros((64, 64), bool)
    inside[:32] = True
    assert seam_measure(picture, NONE, np.array([16]), (32, 32), inside) == pytest.approx(1)
    assert seam_measure(picture, NONE, np.array([16]), (32, 32), ~inside) == pytest.approx(6)

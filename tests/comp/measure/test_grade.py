"""A real region changed in colour by a known amount, and taken back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.plates import crissy, sceaux

from composer.comp.measure.grade import measure_grade, part_of

F64 = NDArray[np.float64]
#: A symmetric change: warmer, darker, less saturated.
CHANGE = np.array([[0.8, 0.06, 0.02], [0.06, 0.62, 0.03], [0.02, 0.03, 0.5]])
LIFT = np.array([0.02, 0.01, 0.03])


@pytest.mark.parametrize("method", ["covariance", "transport"])
@pytest.mark.parametrize("read", [crissy, sceaux], ids=["crissy", "sceaux"])
def test_a_known_change_of_a_real_region_is_undone(shared_data: Path, read, method) -> None:  # type: ignore[no-untyped-def]
    picture = read(shared_data)
    height, width = picture.shape[:2]
    region = picture[height // 2 : height * 3 // 4, width // 4 : width // 2].reshape(-1, 3)
    changed = region @ CHANGE.T + LIFT
    found = measure_grade(changed, region, method)
    assert found.value is not None and found.confidence > 0.8
    back = changed @ found.value.matrix.T + found.value.offset
    error = np.abs(back - region).mean() / region.mean()
    assert error < (0.02 if method == "covariance" else 0.06)
    assert np.abs(changed - region).mean() / region.mean() > 0.1  # what there was to undo


def test_other_pixels_of_the_same_region_do_as_well(shared_data: Path) -> None:
    """The layer is one half of the heath, changed; the region is the other half: only statistics can match."""
    picture = crissy(shared_data)[520:800]
    left, right = picture[:, :600].reshape(-1, 3), picture[:, 600:].reshape(-1, 3)
    found = measure_grade(left @ CHANGE.T + LIFT, right)
    assert found.value is not None
    back = (left @ CHANGE.T + LIFT) @ found.value.matrix.T + found.value.offset
    assert back.mean(axis=0) == pytest.approx(right.mean(axis=0), rel=0.01)
    assert np.cov(back.T) == pytest.approx(np.cov(right.T), rel=0.08, abs=1e-4)


def test_strength_goes_straight_from_nothing() -> None:
    rng = np.random.default_rng(3)
    layer, region = rng.uniform(0, 1, (500, 3)), rng.uniform(0.2, 0.5, (500, 3)) ** 2
    whole = measure_grade(layer, region).value
    half = measure_grade(layer, region, strength=0.5).value
    none = measure_grade(layer, region, strength=0.0).value
    assert whole is not None and half is not None and none is not None
    assert np.array_equal(none.matrix, np.eye(3)) and not none.offset.any()
    assert half.matrix == pytest.approx((np.eye(3) + whole.matrix) / 2)
    assert part_of(whole, 1.0).matrix == pytest.approx(whole.matrix)


def test_too_few_pixels_and_one_colour() -> None:
    assert measure_grade(np.zeros((5, 3)), np.zeros((500, 3))).value is None
    rng = np.random.default_rng(3)
    flat = np.full((500, 3), 0.3) + rng.normal(0, 1e-7, (500, 3))
    found = measure_grade(flat, rng.uniform(0, 1, (500, 3)))
    assert found.value is not None and np.abs(found.value.matrix).max() < 6  # noise is not blown up

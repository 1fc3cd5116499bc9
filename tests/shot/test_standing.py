from __future__ import annotations

import numpy as np
import pytest

from composer.errors import InputError
from composer.shot.standing import align, filled_depth, standing


def samples(noise: float, outliers: float, seed: int = 1, count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Inverse depths of a ground from 4 to 200 m, and what a model that is off by scale 0.05 and shift -0.02 tells of them; a
    share of it hidden by things that stand nearer."""
    rng = np.random.default_rng(seed)
    known = rng.uniform(1 / 200, 1 / 4, count)
    true = known.copy()
    hidden = rng.random(count) < outliers
    true[hidden] *= rng.uniform(1.1, 4, hidden.sum())
    told = (true + 0.02) / 0.05
    return told + noise * np.ptp((known + 0.02) / 0.05) * rng.normal(size=count), known


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.02])
@pytest.mark.parametrize("outliers", [0.0, 0.3, 0.5])
def test_scale_and_shift_are_found_through_noise_and_what_hides_the_ground(noise: float, outliers: float) -> None:
    found = align(*samples(noise, outliers))
    assert found.scale == pytest.approx(0.05, rel=0.01)
    assert found.shift == pytest.approx(-0.02, abs=0.005 * 0.25)  # half a per cent of the nearest inverse depth
    assert found.inverse(np.float32([[5.4]]))[0, 0] == pytest.approx(0.25, rel=0.01)
    assert found.sigma == pytest.approx(noise * 0.245, rel=0.1, abs=2e-4)
    assert 1 - outliers - 0.03 < found.share < 1 - outliers + 0.25


def test_plain_least_squares_would_not_have_found_it() -> None:
    told, known = samples(0.01, 0.3)
    plain = np.polyfit(told, known, 1)[0]
    assert abs(plain / 0.05 - 1) > 0.1


def test_what_does_not_fit_is_told() -> None:
    told, known = samples(0, 0)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"does not fit the camera's ground: expected 25 %.*got \d+ %, scattered"):
        align(rng.normal(size=3000) ** 5, known)
    with pytest.raises(InputError, match=r"too little of the ground is seen.*got 10"):
        align(told[:10], known[:10])
    with pytest.raises(InputError, match="does not fit"):
        align(-told, known)
    with pytest.raises(InputError, match="one depth all over"):
        align(np.ones(100), known[:100])
    with pytest.raises(InputError, match="got one depth all over"):
        align(told[:100], np.full(100, 0.1))
    told[::7] = np.nan
    assert align(told, known).scale == pytest.approx(0.05, rel=1e-4)


def test_the_same_samples_give_the_same_fit() -> None:
    assert align(*samples(0.02, 0.4)) == align(*samples(0.02, 0.4))


def test_only_what_stands_up_from_the_ground_holds_out() -> None:
    ground = np.full((4, 5), 20, np.float32)
    ground[0] = np.inf  # sky
    told_m = ground.copy()
    told_m[1, 1], told_m[0, 2], told_m[2, 2], told_m[3, 3] = (
        10,
        50,
        19.8,
        40,
    )  # wall, tree top, bump, noise below the ground
    there, depth = standing(np.where(np.isinf(told_m), 0, 1 / told_m).astype(np.float32), ground, 1e-3)
    assert np.argwhere(there).tolist() == [[0, 2], [1, 1]]
    assert depth[1, 1] == pytest.approx(10) and depth[0, 2] == pytest.approx(50) and np.isinf(depth[2, 2])
    there, _ = standing((1 / told_m).astype(np.float32), ground, 0.01)  # less sure: the far tree is not told from sky
    assert np.argwhere(there).tolist() == [[1, 1]]


def test_a_soft_edge_beyond_the_depth_takes_the_nearest() -> None:
    depth = np.full((9, 9), np.inf, np.float32)
    depth[4, 1], depth[4, 7] = 3, 8
    there = np.zeros((9, 9), bool)
    there[4, 1:8] = True
    filled = filled_depth(depth, there)
    assert filled[4, 1:8].tolist() == [3, 3, 3, pytest.approx(3, abs=5.1), 8, 8, 8] and np.isinf(filled[0]).all()
    assert np.isinf(filled_depth(np.full((3, 3), np.inf, np.float32), np.ones((3, 3), bool))).all()

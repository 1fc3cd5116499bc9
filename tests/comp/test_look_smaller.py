"""The look of a plate made smaller, held against the plate with its look made smaller."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.comp.look_grain import grained
from composer.comp.look_smaller import smaller_look
from composer.comp.plate_look import Air, Edge, Fringe, Grain, PlateLook

SIZE = (300, 400)
WIDE, CROSS = np.zeros((5, 5)), np.zeros((5, 5))
WIDE[:] = np.outer(*2 * [np.exp(-0.5 * (np.arange(-2, 3) / 1.1) ** 2)])
CROSS[2, 1:4], CROSS[1:4, 2], CROSS[2, 2] = 0.4, 0.2, 1.0
KERNEL = np.stack([WIDE, CROSS, WIDE])
GRAIN = Grain(
    np.array([0.0, 1.0]), np.array([[4e-4] * 2, [2e-4] * 2, [3e-4] * 2]),
    (KERNEL / np.sqrt((KERNEL**2).sum(axis=(1, 2), keepdims=True))).astype(np.float32),
    np.array([[1, 0, 0], [0.6, 0.8, 0], [0.5, 0.3, 0.81]]),
)  # fmt: skip


def noise(grain: Grain, size: tuple[int, int], key: int) -> np.ndarray:
    flat = np.full((*size, 3), 0.3, np.float32)
    return grained(flat, np.ones(size, np.float32), grain, key) - flat


def statistics(field: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variances; correlation with neighbours across, down, at the corner and two across; and between the channels."""
    variance = (field**2).mean((0, 1))
    across, down, corner, two = (
        (field[dy:, dx:] * field[: field.shape[0] - dy, : field.shape[1] - dx]).mean((0, 1)) / variance
        for dy, dx in ((0, 1), (1, 0), (1, 1), (0, 2))
    )
    return variance, np.stack([across, down, corner, two]), np.corrcoef(field.reshape(-1, 3).T)


@pytest.mark.parametrize("factor", [3.0, 2.0, 1.5, 1.25])
def test_grain_is_that_of_averages(factor: float) -> None:
    """By OpenCV's averages of a large field of grain."""
    large = noise(GRAIN, (round(SIZE[0] * factor), round(SIZE[1] * factor)), 5)
    wanted = statistics(cv2.resize(large, SIZE[::-1], interpolation=cv2.INTER_AREA))
    small = smaller_look(PlateLook(grain=GRAIN), factor).grain
    assert small is not None
    got = statistics(noise(small, SIZE, 9))
    np.testing.assert_allclose(got[0], wanted[0], rtol=0.03)
    np.testing.assert_allclose(got[1], wanted[1], atol=0.03)
    np.testing.assert_allclose(got[2], wanted[2], atol=0.02)


@given(spread=st.floats(0.3, 8.0), factor=st.integers(2, 6))
def test_an_edge_is_that_of_averages(spread: float, factor: int) -> None:
    """The variance of a line that is spread, in a fine grid, and averaged over `factor` pixels."""
    fine, reach = 50, math.ceil(6 * spread) + factor
    x = np.arange(-reach * fine, reach * fine + 1) / fine
    line = np.exp(-0.5 * (x / spread) ** 2)
    total = sum(np.interp(x + k - (factor - 1) / 2, x, line, 0, 0) for k in range(factor))
    variance = float((total * x**2).sum() / total.sum()) / factor**2
    edge = smaller_look(PlateLook(edge=Edge(spread, 0.2, 6.0)), factor).edge
    assert edge is not None and edge.wrap == 0.2 and edge.wrap_px == pytest.approx(6.0 / factor)
    assert edge.spread_px == pytest.approx(math.sqrt(variance), rel=0.01)


def test_what_is_not_in_pixels_stays() -> None:
    air, fringe = Air((1e-3,) * 3, (0.5,) * 3), Fringe(1.001, 0.999)
    look = smaller_look(PlateLook(air=air, fringe=fringe, edge=Edge(0.2)), 3.0)
    assert look.air is air and look.fringe is fringe and look.grain is None
    assert look.edge == Edge(0.2), "sharper than pixels are: nothing is added at any size"

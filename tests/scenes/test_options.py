"""The options of the valley: each count is part of the next, and looks meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from composer.render.people import people_on
from composer.shot.load import load_shot
from composer.shot.stage import prepare

SHOT = Path(__file__).parents[2] / "scenes" / "valley" / "options.yaml"
SPACING_M2 = 0.88 * 1.2


@pytest.fixture(scope="module")
def laid() -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By count: ids, sides and places of everybody."""
    stage = prepare(load_shot(SHOT))
    found = {}
    for count in (100, 1_000, 10_000):
        layout = people_on(stage, count).layout
        agents = layout.at([1012])
        found[count] = (agents.agent_id, layout.casting.side, agents.position_m[0])
    return found


def test_the_hundred_are_among_the_thousand_and_those_among_the_ten_thousand(laid) -> None:
    for few, many in ((100, 1_000), (1_000, 10_000)):
        at = {a: p for a, p in zip(laid[many][0].tolist(), laid[many][2], strict=True)}
        assert len(laid[few][0]) == few and len(at) == many
        for agent, place in zip(laid[few][0].tolist(), laid[few][2], strict=True):
            np.testing.assert_array_equal(at[agent], place)


def test_a_small_count_is_a_small_formation(laid) -> None:
    """The ground that each side covers is what its people need at their spacing: no holes, nobody astray."""
    for count, (_, sides, place) in laid.items():
        for side in np.unique(sides):
            here = place[sides == side][:, [0, 2]].astype(np.float64)
            needed = len(here) * SPACING_M2
            assert 0.6 < ConvexHull(here).volume / needed < 1.45, (count, side)

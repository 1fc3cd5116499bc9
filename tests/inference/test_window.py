"""Windows along one axis: an edge-clamped grid whose weights sum to one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.inference.window import axis_of, starts_of

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 16), st.sampled_from([1, 2, 4]), st.integers(0, 4))


@given(SIZES, st.sampled_from([None, 0, 1, 3]))
@settings(max_examples=120, deadline=None)
def test_each_place_is_covered_once_in_sum(sizes: tuple[int, int, int, int], halo: int | None) -> None:
    length, tile, multiple, overlap = (sizes[0] * sizes[2], sizes[1] * sizes[2], sizes[2], sizes[3])
    if min(tile, length) < max(overlap, 2 * (halo or 0)) + multiple:
        return
    axis = axis_of(length, tile, overlap, multiple, halo)
    assert axis.starts[0] == 0 and axis.starts[-1] + axis.tile == length  # edge to edge, nothing left undenoised
    assert (axis.starts % multiple == 0).all() and (np.diff(axis.starts) <= axis.tile - overlap).all()
    total = np.zeros(length)
    for k in range(len(axis)):
        total[axis.span(k)] += axis.weights[k]
    np.testing.assert_allclose(total, 1, atol=1e-6)
    first, last = axis.cover()
    for place in range(length):
        covering = [k for k in range(len(axis)) if axis.span(k).start <= place < axis.span(k).stop]
        assert covering == list(range(first[place], last[place]))


def test_smooth_windows_are_positive_and_vanish_towards_a_tiles_own_edge() -> None:
    axis = axis_of(40, 16, 8)
    assert (axis.weights > 0).all()
    middle = axis.weights[1]
    assert middle[0] < 0.05 and middle[-1] < 0.05 and middle.max() > 0.6
    assert np.abs(np.diff(middle)).max() < 0.25  # no step


def test_a_known_halo_keeps_what_is_given_away_from_a_tiles_own_edge() -> None:
    axis = axis_of(50, 16, 4, halo=3)
    for k in range(len(axis)):
        given = np.flatnonzero(axis.weights[k])
        assert set(np.unique(axis.weights[k])) <= {0.0, 1.0}
        assert k == 0 or given[0] >= 3
        assert k == len(axis) - 1 or given[-1] <= 16 - 1 - 3


def test_one_tile_is_the_whole() -> None:
    axis = axis_of(12, 64, 16)
    assert len(axis) == 1 and axis.tile == 12
    np.testing.assert_array_equal(axis.weights, np.ones((1, 12), np.float32))


def test_no_room_between_halos() -> None:
    with pytest.raises(ValueError, match="no room"):
        starts_of(64, 8, 8)

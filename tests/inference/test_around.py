"""The place around a painted crowd gives way: what a soldier no longer covers shows it, what he is grown over does not."""

from __future__ import annotations

import numpy as np
from support.looks import disc, guides_of, parted

from composer.inference.around import given_way, place_behind
from composer.inference.reach import reach_of
from composer.inference.rebind import rebound

SIZE = (48, 64)
STONE = np.array([0.6, 0.5, 0.4])


def _before(man_m: float, wall_m: float):  # type: ignore[no-untyped-def]
    """A man and a wall that fills the left three quarters, whichever is nearer."""
    from dataclasses import replace

    wall = np.zeros(SIZE, np.float32)
    wall[:, :48] = 1
    figures = [([0.1, 0.1, 0.1], disc(SIZE, (24, 24), 9), man_m), (STONE, wall, wall_m)]
    nearer = man_m < wall_m
    crowd, place = parted(guides_of(*(figures if nearer else figures[::-1])), (2,) if nearer else (1,))
    return replace(crowd, place=place)


def _sums(samples, size):  # type: ignore[no-untyped-def]
    pixel = np.repeat(np.arange(size[0] * size[1]), np.diff(samples.start))
    cover, light = np.zeros(size[0] * size[1]), np.zeros((size[0] * size[1], 3))
    np.add.at(cover, pixel, samples.coverage)
    np.add.at(light, pixel, samples.rgb)
    return cover.reshape(size), light.reshape(*size, 3)


def test_behind_a_soldier_the_wall_goes_on() -> None:
    guides = _before(10, 40)
    rgba = np.concatenate([guides.place.beauty, guides.place.coverage[..., None]], axis=2)
    whole = place_behind(rgba, guides)
    assert np.allclose(whole[:, :48, 3], 1, atol=1e-5) and np.allclose(whole[:, :48, :3], STONE, atol=1e-4)
    assert not whole[:, 48:].any()


def test_a_smaller_and_a_larger_soldier_leave_no_hole_and_cover_nothing_twice() -> None:
    guides = _before(10, 40)
    for radius in (7, 9, 12):
        cover = disc(SIZE, (24, 24), radius)
        place = given_way(guides, cover)
        wall = np.zeros(SIZE)
        wall[:, :48] = 1 - cover[:, :48]
        assert np.allclose(place.coverage, wall, atol=2e-4)
        assert np.allclose(place.beauty, wall[..., None] * STONE, atol=2e-4)
        assert np.array_equal(np.isfinite(place.depth_m), place.coverage > 0)
        assert np.array_equal(place.piece_id > 0, place.coverage > 0)
        total, light = _sums(place.samples, SIZE)
        assert np.allclose(total, place.coverage, atol=1e-5) and np.allclose(light, place.beauty, atol=1e-5)
        away = cover == guides.coverage
        assert np.array_equal(place.beauty[away], guides.place.beauty[away])
    assert given_way(guides, guides.coverage) is guides.place


def test_what_stands_in_front_of_a_soldier_is_not_painted_on_nor_changed() -> None:
    guides = _before(40, 10)
    guides.coverage[20:28, 48:52] = 0.5  # he looks out beside the wall
    reach = reach_of(guides, [], np.full(SIZE, np.inf, np.float32), 6)
    assert reach is not None
    open_here = np.zeros(SIZE, np.float32)
    open_here[reach.cut] = reach.open
    assert not open_here[:, :48].any() or open_here[:, 42:48].max() < 1e-3
    less = np.where(guides.coverage > 0, np.float32(0.25), 0).astype(np.float32)
    assert np.array_equal(given_way(guides, less).coverage, guides.place.coverage)


def test_the_painted_crowds_passes_have_it() -> None:
    guides = _before(10, 40)
    reach = reach_of(guides, [], np.full(SIZE, np.inf, np.float32), 4)
    assert reach is not None
    alpha = np.maximum(disc(SIZE, (24, 24), 11)[reach.cut], 1e-4 * (guides.coverage[reach.cut] > 0))
    made = rebound(guides, reach, np.repeat(0.1 * alpha[..., None], 3, axis=2), alpha.astype(np.float32))
    both = made.coverage + made.place.coverage
    assert np.allclose(both[:, :48], 1, atol=2e-4)

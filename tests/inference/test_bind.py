"""The painted crowd is bound to its guides: its alpha, its colour without the plate, its ids and samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from composer.color.model_range import ModelRange
from composer.inference.bind import Bound, bind
from composer.inference.conditions import Change, Sight
from tests.support import sights
from tests.support.sights import FAR, NEAR, H, W

RANGE = ModelRange(1.0)
EVERYWHERE = Change(np.ones((H, W), np.float32), np.ones((H, W), np.float32))
#: What a model might have made of the two.
PAINTED = {NEAR: (0.1, 0.45, 0.12), FAR: (0.6, 0.5, 0.05)}


def bound(picture: np.ndarray, sight: Sight | None = None, edge_px: int = 2, change: Change = EVERYWHERE) -> Bound:
    return bind(picture.astype(np.float32), sight or sights.sight(), change, edge_px, RANGE)


def flat(passes) -> np.ndarray:
    """float64 [H, W, 3]: the sum of all samples of a pixel, one by one."""
    out = np.zeros((H * W, 3))
    samples = passes.samples
    for pixel in np.flatnonzero(np.diff(samples.start)):
        out[pixel] = samples.rgb[samples.start[pixel] : samples.start[pixel + 1]].astype(np.float64).sum(0)
    return out.reshape(H, W, 3)


def cover(passes) -> np.ndarray:
    pixel = np.repeat(np.arange(H * W), np.diff(passes.samples.start))
    return np.bincount(pixel, passes.samples.coverage, H * W).reshape(H, W)


def test_a_picture_with_the_guides_own_edges_gives_its_crowd_and_no_plate() -> None:
    wanted = sights.guides(colour=PAINTED)
    got = bound(sights.over(wanted, sights.plate())).guides
    assert np.abs(got.coverage - wanted.coverage).max() < 0.05  # the edge stays where it was
    solid = wanted.coverage == 1
    assert np.allclose(got.beauty[solid], wanted.beauty[solid], atol=1e-6)
    edge = (wanted.coverage > 0) & ~solid
    # the element alone, over black and over white: neither shows the grey plate at its edge
    off = np.abs(got.beauty - wanted.beauty)[edge]
    assert np.quantile(off, 0.97) < 0.03 and off.mean() < 0.005  # the rest: both of them and the plate in one pixel


def test_over_its_own_plate_the_painted_picture_comes_back() -> None:
    wanted = sights.over(sights.guides(colour=PAINTED), sights.plate())
    got = bound(wanted).guides
    off = np.abs(sights.over(got, sights.plate()) - wanted).max(-1)
    edge = (got.coverage > 0) & (got.coverage < 1)
    assert off[~edge].max() < 1e-5 and np.quantile(off[edge], 0.95) < 0.04


def test_without_a_band_the_alpha_is_the_coverage_bit_for_bit() -> None:
    rng = np.random.default_rng(1)
    got = bound(rng.uniform(0, 1, (H, W, 3)), edge_px=0)
    assert np.array_equal(got.guides.coverage, sights.guides().coverage)
    assert np.array_equal(got.guides.samples.agent_id, sights.guides().samples.agent_id)
    assert (got.added, got.taken) == (0, 0)


@pytest.mark.parametrize("grown_px", [1.5, -1.5])
def test_an_edge_that_the_picture_moved_is_followed(grown_px: float) -> None:
    """The model drew both of them a pixel and a half larger, or smaller."""
    wanted = sights.guides(sights.RADIUS + grown_px, PAINTED)
    before = sights.guides(colour=PAINTED)
    got = bound(sights.over(wanted, sights.plate()), edge_px=4)
    off = np.abs(got.guides.coverage - wanted.coverage).sum()
    assert off < 0.75 * np.abs(before.coverage - wanted.coverage).sum()
    assert (got.added if grown_px > 0 else got.taken) > 50
    assert got.adherence is not None and 0.8 < got.adherence < 1


@pytest.mark.parametrize("edge_px", [1, 2, 4])
def test_beyond_the_band_nothing_is_believed_whatever_was_painted(edge_px: int) -> None:
    rng = np.random.default_rng(edge_px)
    got = bound(rng.uniform(0, 2, (H, W, 3)), edge_px=edge_px).guides
    y, x = np.mgrid[:H, :W]
    away = np.min([np.hypot(y + 0.5 - c[0], x + 0.5 - c[1]) - sights.RADIUS for c in sights.CENTRES.values()], axis=0)
    assert got.coverage[away > edge_px + 1.5].max() == 0
    assert got.coverage[away < -edge_px - 1.5].min() == 1
    assert (got.coverage >= 0.5 * sights.guides().coverage - 1e-6).all()  # nobody is painted away
    assert np.isfinite(got.beauty).all() and got.beauty.min() >= 0


def test_samples_ids_and_depth_are_those_of_the_painted_crowd() -> None:
    wanted = sights.guides(sights.RADIUS + 1.5, PAINTED)
    got = bound(sights.over(wanted, sights.plate()), edge_px=4).guides
    assert np.abs(cover(got) - got.coverage).max() < 1e-5
    assert np.abs(flat(got) - got.beauty).max() < 1e-5
    assert np.array_equal(np.isfinite(got.depth_m), got.coverage > 0)
    assert np.array_equal(got.agent_id > 0, got.coverage > 0)
    assert set(np.unique(got.samples.agent_id).tolist()) == {NEAR, FAR}
    y, x = np.nonzero((got.coverage > 0) & (sights.guides().coverage == 0))
    distance = {a: np.hypot(y + 0.5 - c[0], x + 0.5 - c[1]) for a, c in sights.CENTRES.items()}
    clearly = np.abs(distance[NEAR] - distance[FAR]) > 3
    nearest = np.where(distance[NEAR] < distance[FAR], NEAR, FAR)
    assert clearly.sum() > 100 and (got.agent_id[y, x] == nearest)[clearly].all()
    sums = got.lights.sun + got.lights.sky + got.lights.bounce
    assert np.abs(sums - got.beauty).max() < 1e-5
    assert np.array_equal(got.motion_px[y, x], np.broadcast_to(np.float32([2.0, 1.0]), (len(y), 2)))


def test_where_nothing_may_change_the_guide_stays_bit_for_bit() -> None:
    mask = np.ones((H, W), np.float32)
    mask[:, : W // 2] = 0
    own = sights.guides()
    got = bound(np.full((H, W, 3), 0.9), change=replace(EVERYWHERE, mask=mask)).guides
    left = np.s_[:, : W // 2]
    for name in ("beauty", "coverage", "depth_m", "agent_id", "albedo", "normal"):
        assert np.array_equal(getattr(got, name)[left], getattr(own, name)[left]), name
    assert not np.array_equal(got.beauty, own.beauty)


def test_soft_edges_of_holdouts_keep_the_guides_alpha() -> None:
    sight = sights.sight()
    soft = np.zeros((H, W), np.float32)
    soft[:, 60:] = 0.5
    got = bound(np.random.default_rng(0).uniform(0, 1, (H, W, 3)), replace(sight, soft=soft), edge_px=4).guides
    assert np.array_equal(got.coverage[:, 60:], sight.guides.coverage[:, 60:])


def test_adherence_is_one_for_the_guides_own_shape_and_nothing_for_an_empty_plate() -> None:
    own = bound(sights.over(sights.guides(colour=PAINTED), sights.plate()))
    assert own.adherence > 0.95 and own.guide_adherence > 0.95
    assert bound(sights.plate()).adherence < 0.05
    everything = bound(np.full((H, W, 3), 5.0)).adherence
    assert everything < 0.8


def test_a_bright_sky_does_not_shine_through_the_edge() -> None:
    """Where the model left the plate at a silhouette, the element must not carry the plate's brightness along."""
    sight = sights.sight()
    sky = np.full((H, W, 3), 30.0, np.float32)
    filled = sights.over(sight.guides, sky)
    sight = replace(sight, plate=sky, guide=filled, behind=filled - sight.guides.beauty)
    small = sights.guides(sights.RADIUS - 2.0, PAINTED)
    got = bound(sights.over(small, sky), sight).guides
    edge = (got.coverage > 0.05) & (got.coverage < 0.95)
    own = got.beauty[edge] / got.coverage[edge][:, None]
    naive = (sights.over(small, sky) - (1 - sight.guides.coverage[..., None]) * sky)[edge]
    naive /= np.maximum(sight.guides.coverage[edge], 1e-3)[:, None]
    assert np.median(own) < 3.0 < 20.0 < np.median(naive)

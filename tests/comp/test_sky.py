"""A sky found on the plate and put out of it, against a plate whose sky, land and edge are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from composer.comp.sky import sky_edge, with_sky
from composer.guides.passes import Holdout

H, W = 216, 384


@pytest.fixture(scope="module")
def truth() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """alpha, sky, land and the plate that they make, with grain: hills, a tree, an edge 2 px soft."""
    y, x = np.mgrid[0:H, 0:W].astype(np.float32)
    ridge = 110 + 18 * np.sin(x / 31) + 6 * np.sin(x / 7.3)
    hard = (y < ridge).astype(np.float32)
    hard[np.hypot(x - 260, y - 92) < 26] = 0
    alpha = cv2.GaussianBlur(hard, (0, 0), 1.0)
    sky = np.stack([0.5 + 0.3 * y / H, 0.6 + 0.2 * y / H, 0.95 - 0.1 * x / W], -1).astype(np.float32)
    land = np.stack([0.06 + 0.02 * np.sin(x / 9), 0.07 + 0.01 * np.sin(y / 5), 0.03 + 0 * x], -1).astype(np.float32)
    grain = np.random.default_rng(3).normal(0, 0.004, (H, W, 3)).astype(np.float32)
    a = alpha[..., None]
    return alpha, sky, land, a * sky + (1 - a) * land + grain


def _holdout(alpha: np.ndarray) -> Holdout:
    return Holdout(np.ones((H, W), np.float32), np.where(alpha > 0.5, np.inf, 500).astype(np.float32))


def test_the_edge_is_found_and_the_land_keeps_its_colour(truth) -> None:  # type: ignore[no-untyped-def]
    alpha, _, land, plate = truth
    edge = sky_edge(plate, np.full((H, W), np.inf, np.float32), [_holdout(alpha)])
    assert np.abs(edge.alpha - alpha).mean() < 0.004
    soft = (alpha > 0.2) & (alpha < 0.8)
    assert np.abs(edge.alpha - alpha)[soft].mean() < 0.09
    other = np.array([0.08, 0.02, 0.02], np.float32) * np.ones((H, W, 3), np.float32)
    base, new = with_sky(plate, edge, other)
    wanted = alpha[..., None] * other + (1 - alpha[..., None]) * land
    error = np.abs(base - wanted).mean(-1)
    plain = np.abs(plate * (1 - alpha[..., None]) + alpha[..., None] * other - wanted).mean(-1)
    assert error[soft].mean() < 0.25 * plain[soft].mean()  # no line of the old sky, ten times as bright, is left
    assert error[alpha < 0.001].mean() < 0.004
    left = edge.alpha == 0
    assert left.mean() > 0.3 and np.array_equal(base[left], plate[left]) and not new[left].any()
    a = edge.alpha[..., None]
    assert np.abs(plate * (1 - a) + new - base).max() < 1e-5


def test_without_depth_the_sky_is_keyed(truth) -> None:  # type: ignore[no-untyped-def]
    alpha, _, _, plate = truth
    ground = np.where(np.arange(H)[:, None] < 140, np.inf, 50.0).astype(np.float32) * np.ones((1, W), np.float32)
    edge = sky_edge(plate, ground, [])
    assert np.abs(edge.alpha - alpha).mean() < 0.012
    assert not edge.alpha[145:].any()


def test_an_artists_matte_wins_and_mattes_hold_out(truth) -> None:  # type: ignore[no-untyped-def]
    alpha, _, _, plate = truth
    drawn = np.zeros((H, W), np.float32)
    drawn[:40] = 1
    edge = sky_edge(plate, np.full((H, W), np.inf, np.float32), [_holdout(alpha)], drawn)
    assert np.array_equal(edge.alpha, drawn)
    figure = np.zeros((H, W), np.float32)
    figure[20:60, 50:70] = 1
    edge = sky_edge(plate, np.full((H, W), np.inf, np.float32), [_holdout(alpha), Holdout(figure)])
    assert not edge.alpha[figure == 1].any()


def test_no_sky_no_touch(truth) -> None:  # type: ignore[no-untyped-def]
    plate = truth[3]
    edge = sky_edge(plate, np.full((H, W), 10.0, np.float32), [])
    base, new = with_sky(plate, edge, np.ones((H, W, 3), np.float32))
    assert np.array_equal(base, plate) and not new.any() and not edge.alpha.any()


def test_at_an_actors_edge_before_the_land_there_is_no_sky(truth) -> None:  # type: ignore[no-untyped-def]
    """Depth pictures say nothing under a matte: what is behind the actor is what is beside him."""
    alpha, _, _, plate = truth
    matte = np.zeros((H, W), np.float32)
    matte[150:200, 100:140] = 1
    matte = cv2.GaussianBlur(matte, (0, 0), 2.0)
    known = _holdout(alpha)
    cut = Holdout(np.where(matte > 0, np.float32(0), known.alpha), known.depth_m)
    edge = sky_edge(plate, np.full((H, W), np.inf, np.float32), [cut, Holdout(matte, 8.0)])
    assert not edge.alpha[140:].any()
    assert np.array_equal(edge.alpha[:130], sky_edge(plate, np.full((H, W), np.inf, np.float32), [known]).alpha[:130])

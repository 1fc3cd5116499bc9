from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from composer.shot import closed_form as module
from composer.shot import refine as refine_module
from composer.shot.closed_form import closed_form
from composer.shot.refine import edge_band, guided_by_colour, refine_matte

F32 = np.ndarray


def comp(sigma: float = 1.5, noise: float = 0.01, seed: int = 3) -> tuple[F32, F32]:
    """A wavy blob, soft by `sigma`, of one mottled colour before another: its linear comp with noise, and its true alpha."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:120, 0:160]
    far = np.hypot((x - 80) / 45, (y - 60) / 40) - 0.12 * np.sin(9 * np.arctan2(y - 60, x - 80))
    alpha = cv2.GaussianBlur((far < 1).astype(np.float32), (0, 0), sigma)

    def mottled(*colour: float) -> F32:
        spots = cv2.GaussianBlur(rng.normal(size=(120, 160, 3)).astype(np.float32), (0, 0), 6)
        return np.float32(colour) * (1 + 0.4 * spots)

    rgb = alpha[..., None] * mottled(0.5, 0.2, 0.1) + (1 - alpha[..., None]) * mottled(0.1, 0.3, 0.5)
    return (rgb + noise * rng.normal(size=rgb.shape)).astype(np.float32), alpha


def as_of_a_model(alpha: F32) -> F32:
    """Hard, and cut out of a picture a quarter as large."""
    height, width = alpha.shape
    small = cv2.resize((alpha > 0.5).astype(np.float32), (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    return (cv2.resize(small, (width, height)) > 0.5).astype(np.float32)


def error(a: F32, b: F32) -> float:
    return float(((a - b) ** 2).mean())


@pytest.mark.parametrize(("way", "factor"), [("guided", 8), ("closed_form", 15)])
@pytest.mark.parametrize("sigma", [1.2, 2.5])
@pytest.mark.parametrize("noise", [0.003, 0.015])
def test_a_hard_matte_comes_much_nearer_to_the_true_alpha(way: str, factor: float, sigma: float, noise: float) -> None:
    rgb, alpha = comp(sigma, noise)
    rough = as_of_a_model(alpha)
    assert error(refine_matte(rgb, rough, way, 8), alpha) * factor < error(rough, alpha)


@pytest.mark.parametrize("way", ["guided", "closed_form"])
def test_the_same_at_any_exposure(way: str) -> None:
    rgb, alpha = comp()
    rough = as_of_a_model(alpha)
    usual = refine_matte(rgb, rough, way, 6)
    for gain in (1 / 256, 256):
        assert refine_matte(rgb * np.float32(gain), rough, way, 6) == pytest.approx(usual, abs=2e-3)


@pytest.mark.parametrize("way", ["guided", "closed_form"])
def test_outside_the_band_the_matte_keeps_its_bits(way: str) -> None:
    rgb, alpha = comp()
    matte = np.where(alpha > 0.5, np.float32(0.97), np.float32(0.01))
    refined = refine_matte(rgb, matte, way, 5)
    away = ~edge_band(matte, 5)
    assert away.mean() > 0.5 and (refined[away] == matte[away]).all() and (refined != matte).any()


@pytest.mark.parametrize("way", ["guided", "closed_form"])
def test_where_front_and_back_are_of_one_colour_the_matte_is_believed(way: str) -> None:
    matte = np.zeros((60, 80), np.float32)
    matte[15:45, 20:60] = 1
    rgb = np.full((60, 80, 3), 0.04, np.float32) + 1e-4 * np.random.default_rng(1).normal(size=(60, 80, 3)).astype(
        np.float32
    )
    refined = refine_matte(rgb, matte, way, 6)
    far = (cv2.erode(matte, np.ones((7, 7))) > 0) | (cv2.dilate(matte, np.ones((7, 7))) == 0)
    assert np.abs(refined - matte)[far].max() < 0.05


def test_what_is_thinner_than_the_band_stays() -> None:
    rgb, matte = np.full((60, 80, 3), 0.1, np.float32), np.zeros((60, 80), np.float32)
    matte[:, 38:42] = 1
    rgb[:, 38:42] = (0.4, 0.5, 0.6)
    for way in ("guided", "closed_form"):
        assert refine_matte(rgb, matte, way, 8)[10:50, 39:41].min() > 0.9


def test_a_matte_without_an_edge_and_a_plate_that_is_not_finite() -> None:
    rgb, alpha = comp()
    assert refine_matte(rgb, np.ones_like(alpha), "guided", 6).min() == 1
    rgb[40:45, 30:50] = np.nan
    for way in ("guided", "closed_form"):
        refined = refine_matte(rgb, (alpha > 0.5).astype(np.float32), way, 6)
        assert np.isfinite(refined).all() and refined.min() >= 0 and refined.max() <= 1


def test_two_mattes_in_one_picture_are_as_each_by_itself() -> None:
    rgb, alpha = comp()
    both = np.concatenate([rgb, rgb[:, ::-1]], axis=1)
    rough = as_of_a_model(alpha)
    refined = refine_matte(both, np.concatenate([rough, rough[:, ::-1]], axis=1), "closed_form", 4)
    assert refined[:, :160] == pytest.approx(refine_matte(rgb, rough, "closed_form", 4), abs=2e-3)


# --- oracles ---


def test_the_guided_filter_against_a_plain_loop() -> None:
    """He et al. 2010, equations 14 to 16, window by window, away from the border."""
    rng = np.random.default_rng(2)
    guide, image = rng.random((15, 16, 3)).astype(np.float32), rng.random((15, 16)).astype(np.float32)
    got, told = guided_by_colour(guide, image, 5, 0.01)
    slopes, offsets = np.zeros((15, 16, 3)), np.zeros((15, 16))
    for y in range(2, 13):
        for x in range(2, 14):
            window = guide[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).astype(np.float64)
            values = image[y - 2 : y + 3, x - 2 : x + 3].ravel().astype(np.float64)
            epsilon = 0.01 * (window**2).mean()
            matrix = np.cov(window.T, bias=True) + epsilon * np.eye(3)
            right = (window * values[:, None]).mean(0) - window.mean(0) * values.mean()
            slopes[y, x] = np.linalg.solve(matrix, right)
            offsets[y, x] = values.mean() - slopes[y, x] @ window.mean(0)
    for y in range(4, 11):
        for x in range(4, 12):
            near = np.s_[y - 2 : y + 3, x - 2 : x + 3]
            assert got[y, x] == pytest.approx(slopes[near].mean((0, 1)) @ guide[y, x] + offsets[near].mean(), abs=1e-5)
    assert told.min() >= 0 and told.max() <= 1


def solved_in_full(rgb: F32, guess: F32, known: F32, noise: float, prior: float) -> F32:
    """Levin et al. 2008, equation 12 and its section 3.1, entry by entry over the whole picture, solved directly."""
    height, width = known.shape
    laplacian = lil_matrix((height * width, height * width))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            index = [(y + j) * width + x + i for j in (-1, 0, 1) for i in (-1, 0, 1)]
            window = rgb[y - 1 : y + 2, x - 1 : x + 2].reshape(9, 3).astype(np.float64)
            epsilon = noise * (window**2).mean()
            inverse = np.linalg.inv(np.cov(window.T, bias=True) + epsilon / 9 * np.eye(3))
            own = window - window.mean(0)
            for a in range(9):
                for b in range(9):
                    laplacian[index[a], index[b]] += (a == b) - (1 + own[a] @ inverse @ own[b]) / 9
    here = known.ravel()
    matrix = (laplacian.tocsr() + prior * lil_matrix(np.diag(np.ones(height * width))).tocsr())[~here]
    values = guess.ravel().astype(np.float64)
    right = prior * values[~here] - matrix[:, here] @ values[here]
    values[~here] = spsolve(matrix[:, ~here].tocsc(), right)
    return values.reshape(height, width)


def test_closed_form_against_the_whole_system_solved_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 100)  # several heaps of windows
    monkeypatch.setattr(module, "TOLERANCE", 1e-9)
    rgb, alpha = (part[30:56, 20:54] for part in comp())
    known = (alpha < 0.02) | (alpha > 0.98)
    assert 50 < (~known).sum() < 600
    guess = np.where(known, alpha, 0.5).astype(np.float32)
    expected = solved_in_full(rgb, guess, known, 1e-4, 1e-3)
    assert closed_form(rgb, guess, known, 1e-4, 1e-3) == pytest.approx(expected, abs=1e-4)
    uneven = np.full(known.shape, 1e-3, np.float32)
    assert closed_form(rgb, guess, known, 1e-4, uneven) == pytest.approx(expected, abs=1e-4)


def test_the_guided_filter_in_pieces_is_that_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb, alpha = comp()
    whole = guided_by_colour(rgb, alpha, 9, 0.01)
    monkeypatch.setattr(refine_module, "_TILE_PX", 32)
    for a, b in zip(whole, guided_by_colour(rgb, alpha, 9, 0.01), strict=True):
        assert np.abs(a - b).max() < 1e-5
    some = np.zeros(alpha.shape, bool)
    some[40, 70] = True
    part = guided_by_colour(rgb, alpha, 9, 0.01, some)[0]
    here = np.s_[32:64, 64:96]
    assert np.abs(part[here] - whole[0][here]).max() < 1e-5 and (part[:32] == alpha[:32]).all()

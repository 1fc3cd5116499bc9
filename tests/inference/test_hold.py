"""Averages held at the first prediction: against SciPy, and through the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from support.adapters import SmallAdapter, small_request, within

from composer.inference.engine import Engine, EngineOptions
from composer.inference.hold import Hold
from composer.inference.request import F32, PaintRequest
from composer.inference.schedule import schedule_of

CLEAN = {"_class_name": "DDIMScheduler", "beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"}
CLEAN |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "clip_sample": False}  # type: ignore[dict-item]
SIGMA = 1.5


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_it_is_scipys_gaussian_over_what_is_painted() -> None:
    rng = np.random.default_rng(1)
    first, done = (rng.standard_normal((3, 2, 20, 27)).astype(np.float32) for _ in range(2))
    begin = rng.choice([0, 2, 4], size=(2, 20, 27)).astype(np.int16)  # 4: never
    hold, got = Hold(torch.from_numpy(begin), SIGMA), torch.from_numpy(done.copy())
    for number in range(4):
        if hold.due(number):
            hold.see(number, torch.from_numpy(first * (1 + number)))
    hold.apply(got, 4)
    painted = (begin < 4).astype(np.float64)
    wanted = done.astype(np.float64)
    for c in range(3):
        for t in range(2):
            seen = first[c, t] * (1 + np.minimum(begin[t], 3))
            low, share = (
                gaussian_filter(v * painted[t], SIGMA, mode="constant", radius=round(3 * SIGMA))
                for v in (seen - done[c, t].astype(np.float64), np.ones((20, 27)))
            )
            wanted[c, t] += painted[t] * low / np.maximum(share, 1e-4)
    assert [hold.due(n) for n in range(4)] == [True, False, True, False]
    np.testing.assert_allclose(got.numpy(), wanted, atol=1e-5)
    np.testing.assert_array_equal(got.numpy()[:, begin == 4], done[:, begin == 4])


def _painted(steps: int, sigma: float, change: PaintRequest, tile: tuple[int, int] = (16, 16)) -> F32:
    adapter = SmallAdapter(steps=schedule_of(CLEAN, steps))
    adapter.space = replace(adapter.space, hold=sigma)
    return Engine(adapter, EngineOptions(tile=tile)).paint(replace(change, steps=steps)).rgb[0]


def _low(picture: F32, factor: int = 4) -> F32:
    """The same phase of every latent, averaged as the latents are: [h, w, 3] by latent."""
    h, w = (side // factor for side in picture.shape[:2])
    return gaussian_filter(picture.reshape(h, factor, w, factor, 3), (SIGMA, 0, SIGMA, 0, 0))


def test_a_painting_keeps_the_light_of_its_first_prediction_and_its_own_detail() -> None:
    request = small_request((96, 128))
    one, free, held = _painted(1, SIGMA, request), _painted(4, 0.0, request), _painted(4, SIGMA, request)
    strays, keeps = (np.abs(_low(p) - _low(one))[4:-4, :, 4:-4].std() for p in (free, held))
    assert keeps < 0.35 * strays
    fine = [p.reshape(24, 4, 32, 4, 3) - _low(p) for p in (one, free, held)]
    assert np.abs(fine[2] - fine[1]).mean() < 0.5 * np.abs(fine[2] - fine[0]).mean()


def test_held_pictures_are_tiled_alike_and_keep_what_is_not_painted() -> None:
    request = within(small_request((96, 128)), 24, 72, 32, 96, strength=0.75)
    whole, tiled = (_painted(4, SIGMA, request, tile) for tile in ((24, 32), (12, 20)))
    assert np.abs(whole - tiled).max() < 1e-4
    outside = request.mask[0] == 0
    np.testing.assert_allclose(whole[outside], request.guide[0][outside], atol=1e-5)
    assert np.abs(whole - request.guide[0])[~outside].mean() > 0.05

"""Averages held at the first prediction: against SciPy, and through the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter
from support.adapters import SmallAdapter, small_request, within

from composer.inference.engine import Engine, EngineOptions
from composer.inference.hold import Hold, silhouettes
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
    edges = rng.random(begin.shape) < 0.1
    hold = Hold(torch.from_numpy(begin), SIGMA, torch.from_numpy(edges))
    got = torch.from_numpy(done.copy())
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
            wanted[c, t] = np.where(edges[t] & (begin[t] < 4), seen, wanted[c, t])
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


def test_silhouettes_are_where_the_crowd_ends_and_not_where_men_overlap() -> None:
    who = np.zeros((1, 24, 64), np.uint32)
    who[0, 4:20, 9:16], who[0, 4:20, 16:22] = 7, 9
    request = replace(small_request((24, 64)), agent_id=who)
    edges = silhouettes(request, SmallAdapter(steps=schedule_of(CLEAN, 4)).space)[0].numpy()
    within = binary_dilation(who[0] > 0, np.ones((17, 17))) & ~binary_erosion(who[0] > 0, np.ones((3, 3)))
    np.testing.assert_array_equal(edges, within.reshape(6, 4, 16, 4).any((1, 3)))
    assert not edges[2:4, 3:5].any() and not edges[:, 9:].any() and edges.any()


def test_a_silhouette_is_that_of_the_first_prediction() -> None:
    request = small_request((96, 128))
    who = np.zeros_like(request.agent_id)
    who[0, 20:70, 30:80] = 3
    request = replace(request, agent_id=who)
    one, held, free = (_painted(n, s, request) for n, s in ((1, SIGMA), (4, SIGMA), (4, 0.0)))
    edge, inside = (slice(40, 48), slice(28, 32)), (slice(40, 48), slice(48, 60))
    assert np.abs(held - one)[edge].max() < 1e-5 < 0.01 < np.abs(free - one)[edge].mean()
    assert np.abs(held - one)[inside].mean() > 0.003


def test_held_pictures_are_tiled_alike_and_keep_what_is_not_painted() -> None:
    request = within(small_request((96, 128)), 24, 72, 32, 96, strength=0.75)
    whole, tiled = (_painted(4, SIGMA, request, tile) for tile in ((24, 32), (12, 20)))
    assert np.abs(whole - tiled).max() < 1e-4
    outside = request.mask[0] == 0
    np.testing.assert_allclose(whole[outside], request.guide[0][outside], atol=1e-5)
    assert np.abs(whole - request.guide[0])[~outside].mean() > 0.05

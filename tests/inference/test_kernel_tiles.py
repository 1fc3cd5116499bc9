"""The engine's kernels against plain torch. Tolerance: sums of at most 16 products in single precision, in another order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from composer.inference.adapter import Schedule
from composer.inference.plan import TilePlan, Tiling, plan_tiles
from composer.inference.tiles import Tiles

STEPS = 4
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def schedule() -> Schedule:
    rng = np.random.default_rng(3)
    part = [rng.uniform(0.2, 1.2, STEPS).astype(np.float32) for _ in range(6)]
    ends = [rng.uniform(0.1, 1, STEPS + 1).astype(np.float32) for _ in range(2)]
    return Schedule(*part, *ends)


def random_tiles(device: str, halo: int | None = None) -> tuple[Tiles, np.ndarray, Tensor]:
    """Two texts, 5 frames in windows of 3, and places that begin at every step or never."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rng = np.random.default_rng(5)
    begin = rng.integers(0, STEPS + 1, (5, 19, 23)).astype(np.int16)
    first = np.clip(rng.uniform(-0.5, 1.5, (5, 19, 23)), 0, 1).astype(np.float32)
    weights = np.stack([first, 1 - first])
    plan = plan_tiles(begin, weights, STEPS, Tiling((3, 8, 9), (1, 3, 3), 1, halo))
    torch.manual_seed(0)
    known, noise = torch.randn(4, 5, 19, 23, device=device), torch.randn(4, 5, 19, 23, device=device)
    tiles = Tiles(plan, known, torch.from_numpy(weights).to(device), begin, noise)
    tiles.predictions.normal_()
    tiles.latents.normal_()
    tiles.before.normal_()
    return tiles, begin, torch.from_numpy(weights)


def blend_by_torch(plan: TilePlan, predictions: Tensor, weights: Tensor, step: int) -> Tensor:
    """Scatter each tile times its window into a canvas, in double precision."""
    out = torch.zeros(predictions.shape[1], *weights.shape[1:], dtype=torch.float64)
    total = torch.zeros(*weights.shape[1:], dtype=torch.float64)
    for number, job in enumerate(plan.jobs):
        spans = tuple(axis.span(k) for axis, k in zip((plan.time, plan.rows, plan.columns), job.at, strict=True))
        t, y, x = (
            torch.from_numpy(axis.weights[k]).double()
            for axis, k in zip((plan.time, plan.rows, plan.columns), job.at, strict=True)
        )
        window = t[:, None, None] * y[:, None] * x * weights[job.text][spans]
        out[(slice(None), *spans)] += window * predictions[number].cpu().double()
        total[spans] += window
    return out / total.clamp(min=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("halo", [None, 1])
def test_blend(device: str, halo: int | None) -> None:
    tiles, begin, weights = random_tiles(device, halo)
    expected = blend_by_torch(tiles.plan, tiles.predictions, weights, STEPS)
    painted = torch.from_numpy(begin < STEPS).expand(4, -1, -1, -1)
    torch.testing.assert_close(tiles.blended().cpu()[painted], expected.float()[painted], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("number", [0, 2, 3])
def test_step(device: str, number: int) -> None:
    tiles, begin, weights = random_tiles(device)
    s, fresh = schedule(), torch.randn(4, 5, 19, 23)
    p = blend_by_torch(tiles.plan, tiles.predictions, weights, number).float()
    x, before = tiles.latents.cpu().clone(), tiles.before.cpu().clone()
    due = torch.from_numpy(begin)
    last = torch.where(due == number, p, before)
    going = float(s.keep[number]) * x + float(s.pred[number]) * p + float(s.previous[number]) * last
    going += float(s.noise[number]) * fresh
    waiting = float(s.signal[number + 1]) * tiles.known.cpu() + float(s.sigma[number + 1]) * tiles.start_noise.cpu()
    if number + 1 == STEPS:
        waiting = tiles.known.cpu()  # whatever noise the sampler itself leaves over
    expected = torch.where(due <= number, going, waiting)
    kept = torch.where(due <= number, p, before)
    tiles.step(s, number, fresh.to(device))
    torch.testing.assert_close(tiles.latents.cpu(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(tiles.before.cpu(), kept, atol=2e-6, rtol=1e-5)
    if number + 1 == STEPS:
        never = (due > number).expand(4, -1, -1, -1)
        assert never.any() and torch.equal(tiles.latents.cpu()[never], tiles.known.cpu()[never])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_gather_is_a_copy(device: str, dtype: torch.dtype) -> None:
    tiles, _, _ = random_tiles(device)
    jobs = range(2, 7)
    out = tiles.new_batch(len(jobs), dtype)
    tiles.gather(jobs, 0.37, out)
    for k, job in enumerate(jobs):
        t, y, x = tiles.plan.corner(job)
        part = tiles.latents[:, t : t + 3, y : y + 8, x : x + 9] * 0.37
        torch.testing.assert_close(out[k], part.to(dtype), atol=0, rtol=1e-2 if dtype == torch.bfloat16 else 1e-3)
    assert out.permute(0, 2, 3, 4, 1).is_contiguous()  # channels last in memory


def test_torch_and_warp_share_memory() -> None:
    tiles, _, _ = random_tiles("cpu")
    where = tiles.latents.data_ptr()
    before = tiles.latents.clone()
    tiles.step(schedule(), 1, None)
    assert tiles.latents.data_ptr() == where and not torch.equal(before, tiles.latents)


def test_start_is_the_guide_with_noise() -> None:
    tiles, _, _ = random_tiles("cpu")
    s = schedule()
    tiles.start(s, 2)
    expected = tiles.known * float(s.signal[2]) + tiles.start_noise * float(s.sigma[2])
    torch.testing.assert_close(tiles.latents, expected)
    tiles.start(s, STEPS)
    assert torch.equal(tiles.latents, tiles.known)

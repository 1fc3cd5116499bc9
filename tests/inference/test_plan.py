"""Which tiles are run, and for which text."""

from __future__ import annotations

import numpy as np
from support.adapters import small_request, within

from composer.inference.adapter import LatentSpace
from composer.inference.padding import begin_steps, latent_frames, pad_request, pictures_of
from composer.inference.plan import Tiling, plan_tiles
from composer.inference.request import Prompt

TILING = Tiling((1, 8, 8), (0, 2, 2))
ONE = np.ones((1, 1, 20, 20), np.float32)


def test_a_tile_with_nothing_to_paint_is_not_run() -> None:
    begin = np.full((1, 20, 20), 5, np.int16)
    begin[0, :3, :3] = 0
    plan = plan_tiles(begin, ONE, 5, TILING)
    assert plan.grid == (1, 3, 3)
    assert [(j.at, j.first_step) for j in plan.jobs] == [((0, 0, 0), 0)]
    assert plan_tiles(np.full_like(begin, 5), ONE, 5, TILING).jobs == ()


def test_a_tile_joins_at_the_step_that_first_needs_it() -> None:
    begin = np.full((1, 20, 20), 4, np.int16)
    begin[0, 0, 0], begin[0, 19, 19] = 3, 1
    plan = plan_tiles(begin, ONE, 4, TILING)
    assert {j.at: j.first_step for j in plan.jobs} == {(0, 0, 0): 3, (0, 2, 2): 1}
    assert plan.start_step == 1
    assert [len(plan.batches(step, 9)) for step in range(4)] == [0, 1, 1, 1]
    assert [len(plan.batches(step, 9)[0]) for step in (1, 3)] == [1, 2]


def test_a_text_runs_only_where_it_speaks() -> None:
    begin = np.zeros((1, 20, 20), np.int16)
    left = np.zeros((1, 20, 20), np.float32)
    left[..., :5] = 1
    plan = plan_tiles(begin, np.stack([left, 1 - left]), 3, TILING)
    columns = [{j.at[2] for j in plan.jobs if j.text == text} for text in (0, 1)]
    assert columns == [{0}, {0, 1, 2}]
    assert (plan.table()[:, 1:, 0] == -1).all()
    batches = plan.batches(0, 4)
    assert all(len({plan.jobs[n].text for n in batch}) == 1 for batch in batches)
    assert sorted(n for batch in batches for n in batch) == list(range(len(plan.jobs)))
    assert [len(b) for b in batches] == [3, 3, 3, 3]  # nine are shared out evenly, not 4, 4, 1


def test_windows_along_time_overlap() -> None:
    plan = plan_tiles(np.zeros((9, 8, 8), np.int16), np.ones((1, 9, 8, 8), np.float32), 2, Tiling((5, 8, 8), (2, 0, 0)))
    assert plan.grid == (3, 1, 1) and plan.time.starts.tolist() == [0, 2, 4]


def test_padding_repeats_pictures_and_paints_nothing() -> None:
    request = small_request((30, 45), frames=(7, 8, 9))
    weight = np.ones((3, 30, 45), np.float32)
    request = type(request)(**{**request.__dict__, "prompts": (Prompt("a", weight=weight), Prompt("b"))})
    padded = pad_request(request, LatentSpace(4, 8, (8, 8), multiple=2, frames=5, time_factor=4))
    assert padded.guide.shape == (5, 32, 48, 3) and padded.frames == (7, 8, 9, 10, 11)
    np.testing.assert_array_equal(padded.guide[:3, :30, :45], request.guide)
    np.testing.assert_array_equal(padded.guide[:, 31], padded.guide[:, 29])
    np.testing.assert_array_equal(padded.guide[4], padded.guide[2])
    assert not padded.mask[:, 30:].any() and not padded.mask[:, :, 45:].any() and not padded.mask[3:].any()
    assert padded.prompts[0].weight is not None and padded.prompts[0].weight.shape == (5, 32, 48)
    assert padded.prompts[1].weight is None
    same = small_request((32, 48))
    assert pad_request(same, LatentSpace(4, 8, (8, 8), multiple=2)) is same


def test_strength_decides_when_a_latent_begins() -> None:
    space = LatentSpace(4, 8, (8, 8))
    for strength, expected in ((1.0, 0), (0.3, 7), (0.31, 6), (0.01, 9), (0.0, 10)):
        begin = begin_steps(within(small_request((16, 16)), 3, 4, 9, 10, strength), space, 10)
        assert begin.tolist() == [[[10, expected], [10, 10]]], strength  # one pixel speaks for its latent


def test_latents_along_time() -> None:
    assert [latent_frames(n, 4) for n in (1, 2, 5, 6, 9)] == [1, 2, 2, 3, 3]
    assert [pictures_of(k, 4) for k in range(3)] == [(0, 1), (1, 5), (5, 9)]

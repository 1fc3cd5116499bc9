"""A measure is of a real job and leaves nothing; its forecast meets a short run; a smaller stage frames the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from composer.render.forecast import CostModel, forecast, load_rates
from composer.render.job import prepare_job, run_job
from composer.render.measure import (
    Machine,
    clear_stale,
    covered_share,
    measure,
    measure_key,
    peak_mib,
    reset_peak,
    spread_over,
)
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.shot.load import load_shot
from composer.shot.reduced import reduced
from composer.shot.stage import prepare

Make = Callable[..., Path]


def job_of(shot: Path, out: Path) -> Job:
    return prepare_job(load_shot(shot), out, load_quality("preview"))


def test_the_forecast_meets_a_run_that_is_rendered(make_shot: Make, tmp_path: Path) -> None:
    job = job_of(make_shot(frames=5), tmp_path / "out")
    _, key_s = measure_key(job, Machine.this("cpu"))
    run_job(job)  # kernels are loaded
    seen = measure(job, covered_share(job, job.scene.stage), key_s, tmp_path / "m")
    assert not list((tmp_path / "m").iterdir()), "nothing is left"
    assert seen.frames == 5 and seen.load.soldiers == 30 and 0.05 < seen.load.covered < 0.9
    told = forecast(CostModel.fit([seen]), seen.load, "preview", 5, seen.fixed_s, load_rates(), 0.1)
    again = run_job(job_of(job.scene.stage.shot.file, tmp_path / "again"))
    # Other programs run beside the tests, so the bounds are wide: minutes or milliseconds would be caught.
    assert again.seconds / 4 < told.alone_s < again.seconds * 4
    assert told.peak_mib == seen.peak_mib > 50


def test_its_key_is_that_of_what_is_drawn(make_shot: Make, tmp_path: Path) -> None:
    machine = Machine.this("cpu")
    first = measure_key(job_of(make_shot(frames=2), tmp_path), machine)[0]
    assert measure_key(job_of(make_shot(frames=2), tmp_path), machine)[0] == first
    assert measure_key(job_of(make_shot(frames=2), tmp_path), Machine("other", 64, 512.0, "cpu"))[0] != first
    assert measure_key(job_of(make_shot(frames=2, seed=9), tmp_path), machine)[0] != first


def test_peak_memory_begins_anew() -> None:
    large = np.ones(16 * 2**20, np.float64)
    high = peak_mib()
    del large
    reset_peak()
    assert peak_mib() < high - 64
    again = np.ones(16 * 2**20, np.float64)
    assert peak_mib() > high - 64 and len(again)


def test_frames_are_spread() -> None:
    assert spread_over(range(1001, 1025), 1) == (1013,)
    assert spread_over(range(1001, 1025), 3) == (1001, 1013, 1024)
    assert spread_over((1, 2), 6) == (1, 2)


def test_leftovers_of_dead_processes_go(tmp_path: Path) -> None:
    (tmp_path / ".measure-99999999-x").mkdir()
    (tmp_path / ".measure-1-x").mkdir()
    clear_stale(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".measure-1-x"]


def test_a_smaller_stage_frames_the_same(make_shot: Make) -> None:
    stage = prepare(load_shot(make_shot(frames=1)))
    small = reduced(stage, 96)
    assert small.plate.size_px == small.camera.size_px == (96, 54) and reduced(stage, 400) is stage
    points = np.array([[-3.0, 0.0, -12.0], [2.0, 1.8, -20.0]])
    at, depth = stage.camera.view(1001).project(points)
    less, same = small.camera.view(1001).project(points)
    assert np.allclose(less, at / 2) and np.allclose(same, depth)
    plate = stage.plate.read(1001).reshape(54, 2, 96, 2, 3).mean(axis=(1, 3))
    assert np.allclose(small.plate.read(1001), plate, rtol=1e-5), "averaged in linear light"


def test_holdouts_shrink_with_it(make_shot: Make) -> None:
    from composer.shot.holdout import Holdouts
    from composer.shot.matte import HoldoutFrame
    from composer.shot.reduced import ReducedHoldouts

    alpha = np.kron(np.eye(4, dtype=np.float32), np.ones((2, 2), np.float32))
    alpha[0, 0] = 0
    depth = np.where(alpha > 0, np.float32(7), np.float32(np.inf))
    full = Holdouts((lambda n: HoldoutFrame(alpha, depth), lambda n: HoldoutFrame(alpha, 3.0)))
    deep, flat = ReducedHoldouts(full.sources, (), (4, 4))(1)
    assert deep.alpha[0, 0] == pytest.approx(0.75) and deep.alpha[1, 1] == 1 and deep.alpha[0, 1] == 0
    assert set(np.unique(deep.depth_m)) <= {7.0, np.inf} and flat.depth_m == 3.0

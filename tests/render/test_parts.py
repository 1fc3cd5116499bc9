"""A job in parts gives the files of the job in one piece."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from composer.errors import InputError, MachineError
from composer.render.job import prepare_job, run_job
from composer.render.parts import run_part
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.render.verify import verify_delivery
from composer.shot.load import load_shot
from tests.support.brushes import NoiseBrush, brushed
from tests.support.digests import digests

Make = Callable[..., Path]
PAINT = "paint: {bundle: tiny-sd15, strength: 0.7, edge_px: 0, anchors: {every: 4}}"


def job_of(shot: Path, out: Path, *frames: int) -> Job:
    return prepare_job(load_shot(shot), out, load_quality("preview"), frames=frames or None)


def test_the_parts_make_the_whole(make_shot: Make, tmp_path: Path) -> None:
    shot = make_shot(frames=4)
    straight = run_job(job_of(shot, tmp_path / "a"))
    out = tmp_path / "b"
    assert run_part(job_of(shot, out), "cache").rendered == ()
    last = run_part(job_of(shot, out, 1003, 1004), "frames")
    assert last.rendered == (1003, 1004) and last.manifest is None and not (last.delivery / "manifest.json").exists()
    assert not (last.delivery / "proxy").exists()
    with pytest.raises(MachineError, match=r"expected 4 frames, got 2 \(without 1001-1002\)"):
        run_part(job_of(shot, out), "finish")
    assert not (last.delivery / "manifest.json").exists()
    run_part(job_of(shot, out, 1001, 1002), "frames")
    done = run_part(job_of(shot, out), "finish")
    assert done.skipped == (1001, 1002, 1003, 1004) and done.proxy is not None and done.proxy.is_file()
    assert digests(done.delivery) == digests(straight.delivery)
    assert verify_delivery(done.delivery).findings == ()
    assert run_part(job_of(shot, out), "frames").skipped == (1001, 1002, 1003, 1004)


def test_a_delivery_that_moved_with_its_shot_is_still_done(make_shot: Make, tmp_path: Path) -> None:
    """A farm's nodes see the files elsewhere than the machine that sent the job."""
    shot = make_shot(frames=2)
    run_part(job_of(shot, tmp_path / "out"), "frames")
    (tmp_path / "node").mkdir()
    for name in ("tiny", "out"):
        (tmp_path / name).rename(tmp_path / "node" / name)
    there = tmp_path / "node"
    assert run_part(job_of(there / "tiny" / "shot.yaml", there / "out"), "finish").skipped == (1001, 1002)


def test_a_changed_shot_is_not_finished(make_shot: Make, tmp_path: Path) -> None:
    run_part(job_of(make_shot(frames=2), tmp_path), "frames")
    with pytest.raises(MachineError, match="without 1001-1002"):
        run_part(job_of(make_shot(frames=2, seed=8), tmp_path), "finish")


def test_anchors_are_painted_once_and_for_all(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot(PAINT, frames=5)

    def job(brush: NoiseBrush, *frames: int) -> Job:
        return brushed(prepare_job(load_shot(shot), tmp_path, load_quality("draft"), frames=frames), brush)

    first, again, between = NoiseBrush(), NoiseBrush(), NoiseBrush()
    assert run_part(job(first, 1001, 1005), "anchors").rendered == (1001, 1005)
    assert run_part(job(again, 1001, 1005), "anchors").skipped == (1001, 1005)
    assert [r.frames for r in first.asked] == [(1001,), (1005,)] and again.asked == []
    assert not (tmp_path / "tiny" / "v001" / "exr").exists()
    run_part(job(between, 1003), "frames")
    assert [r.frames for r in between.asked] == [(1003,)]
    with pytest.raises(InputError, match="not anchors: expected 1001, 1005, got 1002"):
        run_part(job(first, 1002), "anchors")


def test_anchors_of_a_shot_without(make_shot: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not anchors: expected a painted shot with paint\.anchors"):
        run_part(job_of(make_shot(), tmp_path), "anchors")

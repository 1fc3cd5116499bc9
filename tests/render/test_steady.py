"""Each painted frame is averaged with those beside it along true motion; a frame alone is still the frame of the sequence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.inference.conditions import guide_in_range
from composer.inference.record import PaintRecord
from composer.render.anchors import surface_at, traced
from composer.render.job import prepare_job, run_job
from composer.render.look import look_at, read_inputs
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.render.steady import Alone, averaged, neighbours
from composer.shot.load import load_shot
from tests.support.brushes import GuideBrush, NoiseBrush, brushed
from tests.support.digests import digests

Make = Callable[..., Path]
PAINT = "paint: {bundle: tiny-sd15, strength: 0.7, edge_px: 0, noise: screen, steady: true}"
H, W = 12, 16
RECORD = PaintRecord("b", "0" * 64, "id", True, "sd15", 4, 1.0, 1.0, 0, "world")
STILL = np.zeros((H, W, 2), np.float32)


def alone(rgb: np.ndarray, agent: int | np.ndarray = 1, coverage: float = 1.0, painted: float = 1.0) -> Alone:
    flat = np.ones((H, W), np.float32)
    ids = np.full((H, W), agent, np.uint32) if np.isscalar(agent) else agent
    return Alone(rgb.astype(np.float32), flat * painted, flat * coverage, ids, RECORD)


def job_of(shot: Path, out: Path, brush: GuideBrush, **options: object) -> Job:
    return brushed(prepare_job(load_shot(shot), out, load_quality("draft"), **options), brush)


def test_what_differs_from_frame_to_frame_is_averaged_away() -> None:
    """Three independent pictures: their mean's deviation is 1 / sqrt(3) of one's. A chessboard beside each pixel keeps the
    range of its neighbours wide."""
    rng = np.random.default_rng(3)
    board = np.where(np.indices((H, W)).sum(0) % 2, 0.9, 0.1)[..., None].repeat(3, -1)
    own, before, after = (alone(board + 0.05 * rng.standard_normal((H, W, 3))) for _ in range(3))
    got = averaged(own, [(before, STILL), (after, STILL)])
    noise = lambda p: float((p - board).std())  # noqa: E731
    assert noise(got) == pytest.approx(noise(own.rgb) / 3**0.5, rel=0.12)


def test_what_moves_is_fetched_from_where_it_was() -> None:
    """A ramp that moves by whole pixels and by half ones: the mean is the frame itself."""
    x = np.indices((H, W))[1][..., None].repeat(3, -1) / W
    for step in (2.0, 0.5):
        before, after = alone(x - step / W), alone(x + step / W)
        back, ahead = STILL + np.float32([step, 0]), STILL - np.float32([step, 0])
        got = averaged(alone(x), [(before, back), (after, ahead)])
        np.testing.assert_allclose(got, x, atol=1e-6)


@pytest.mark.parametrize(
    "own, other, motion",
    [
        (alone(np.zeros((H, W, 3)), agent=2), alone(np.ones((H, W, 3)), agent=1), STILL),
        (alone(np.zeros((H, W, 3)), coverage=0.5), alone(np.ones((H, W, 3))), STILL),
        (alone(np.zeros((H, W, 3))), alone(np.ones((H, W, 3)), coverage=0.5), STILL),
        (alone(np.zeros((H, W, 3)), painted=0.0), alone(np.ones((H, W, 3))), STILL),
        (alone(np.zeros((H, W, 3))), alone(np.ones((H, W, 3))), STILL + np.float32(3 * W)),
        (alone(np.zeros((H, W, 3))), alone(np.ones((H, W, 3))), STILL * np.float32(np.nan)),
        (alone(np.zeros((H, W, 3))), alone(np.ones((H, W, 3))), STILL),
    ],
    ids=["another agent", "own edge", "its edge", "not painted", "outside", "motion unknown", "out of range"],
)
def test_what_the_neighbour_does_not_show_stays_the_frames_own(own: Alone, other: Alone, motion: np.ndarray) -> None:
    np.testing.assert_array_equal(averaged(own, [(other, motion)]), own.rgb)


@given(seed=st.integers(0, 2**32 - 1), step=st.floats(-4, 4))
def test_no_pixel_leaves_the_range_of_its_neighbours(seed: int, step: float) -> None:
    import cv2

    rng = np.random.default_rng(seed)
    own, other = (alone(rng.random((H, W, 3)), agent=rng.integers(0, 3, (H, W)).astype(np.uint32)) for _ in range(2))
    got = averaged(own, [(other, STILL + np.float32(step))])
    near = np.ones((3, 3), np.uint8)
    assert (got >= cv2.erode(own.rgb, near) - 1e-6).all() and (got <= cv2.dilate(own.rgb, near) + 1e-6).all()


def test_neighbours_are_frames_of_the_plate() -> None:
    assert neighbours(1001, (1001, 1002, 1003)) == (1002,) and neighbours(1002, (1001, 1002, 1003)) == (1001, 1003)
    assert neighbours(1001, (1001, 1005)) == ()  # motion leads one frame on


def test_each_frame_is_painted_once_and_the_sequence_is_stiller(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    brush = NoiseBrush()
    job = job_of(paint_shot(PAINT, frames=5), tmp_path, brush)
    result = run_job(job)
    assert [r.frames for r in brush.asked] == [(n,) for n in range(1001, 1006)]
    head = json.loads(result.manifest.read_text())
    assert head["paint"]["steady"] is True
    assert [f["paint"]["frames"] for f in head["frames"][:2]] == [[1001, 1002], [1001, 1002, 1003]]
    scene, painter = job.scene, job.scene.painter
    assert painter is not None and painter.plan.reads(1005) == (1004, 1005)
    one = replace(painter, plan=painter.plan.by_itself(), open_brush=NoiseBrush)
    looks = [look_at(scene, read_inputs(scene.stage, n)) for n in (1002, 1003)]
    before, now = ([p.picture(scene, k, p.plan.record())[0] for p in (painter, one)] for k in looks)
    from composer.inference.carry import carry

    there = traced(scene, looks[1], 1002)
    errors = []
    for was, here in zip(before, now, strict=True):
        moved = carry(was, surface_at(scene, looks[0]), there)
        seen = (moved.seen > 0.99) & (looks[1].guides.coverage > 0.99)
        errors.append(float(np.sqrt(((moved.picture - here)[seen] ** 2).mean())))
    assert seen.sum() > 300 and errors[0] < 0.8 * errors[1]


def test_a_frame_alone_is_the_frame_of_the_sequence(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot(PAINT, frames=5)
    straight = job_of(shot, tmp_path / "a", NoiseBrush())
    run_job(straight)
    for number in (1003, 1001):
        by_itself = job_of(shot, tmp_path / "b", NoiseBrush(), frames=[number])
        run_job(by_itself)
    assert digests(by_itself.delivery).items() <= digests(straight.delivery).items()
    assert len(digests(by_itself.delivery)) == 2


def test_guides_that_are_kept_stay_as_they_are(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    """A side whose strength is 0 keeps its guide render, beside one that is painted."""
    shot = paint_shot(PAINT.replace("steady: true", "parts: [{type: spearman, strength: 0}], steady: true"), frames=3)
    job = job_of(shot, tmp_path, NoiseBrush())
    scene, painter = job.scene, job.scene.painter
    assert painter is not None
    look = look_at(scene, read_inputs(scene.stage, 1002))
    picture, _ = painter.picture(scene, look, painter.plan.record())
    guide = guide_in_range(look.sight(painter.plan.brief.grow_px), painter.plan.brief)
    kept = painter._alone[None][1002].painted == 0
    assert (kept & (look.guides.coverage > 0.99)).sum() > 50
    np.testing.assert_allclose(picture[kept], guide[kept], atol=1e-6)


def test_where_one_frame_is_stale_so_are_its_neighbours(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    """A plate's frame that changes makes those beside it anew, and no others."""
    from composer.render.depends import forget_files, scene_key

    shot = paint_shot(PAINT, frames=5)
    job = job_of(shot, tmp_path, GuideBrush())
    before = {n: scene_key(job.scene, n) for n in job.frames}
    file = job.scene.stage.plate.path(1002)
    file.write_bytes(job.scene.stage.plate.path(1004).read_bytes())
    forget_files()
    changed = [n for n in job.frames if scene_key(job.scene, n) != before[n]]
    assert changed == [1001, 1002, 1003]

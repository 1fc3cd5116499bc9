"""Anchors are painted first and carried along true motion; the others are painted only where no anchor shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from composer.comp.layer import F32
from composer.errors import InputError
from composer.inference.conditions import guide_in_range
from composer.render.anchors import Anchors, Picture, Shown, Store, shown_by
from composer.render.job import prepare_job, run_job
from composer.render.look import Look, Scene, look_at, read_inputs
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.shot.load import load_shot
from tests.support.brushes import GuideBrush, NoiseBrush, brushed
from tests.support.digests import digests

Make = Callable[..., Path]
PAINT = "paint: {bundle: tiny-sd15, strength: 0.7, edge_px: 0, anchors: {every: 4}}"


def job_of(shot: Path, out: Path, brush: GuideBrush, **options: object) -> Job:
    return brushed(prepare_job(load_shot(shot), out, load_quality("draft"), **options), brush)


def test_each_frame_waits_for_the_anchors_beside_it() -> None:
    anchors = Anchors((1001, 1005, 1006), tuple(range(1001, 1009)))
    assert anchors.of(1001) == () == anchors.of(1005)
    assert anchors.of(1002) == ((1001, 0.75), (1005, 0.25))
    assert anchors.of(1008) == ((1006, 1.0),)
    assert anchors.plan() == {
        "1002": [1001, 1005], "1003": [1001, 1005], "1004": [1001, 1005], "1007": [1006], "1008": [1006],
    }  # fmt: skip
    assert anchors.first((1001, 1002, 1005)) == (1001, 1005, 1002)
    assert Anchors((), (1001, 1002)).of(1002) == ()


def test_anchors_come_first_and_the_rest_is_healed(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    brush = NoiseBrush()
    job = job_of(paint_shot(PAINT, frames=5), tmp_path, brush)
    result = run_job(job)
    assert result.rendered == (1001, 1005, 1002, 1003, 1004)
    assert [r.frames for r in brush.asked] == [(1001,), (1005,), (1002,), (1003,), (1004,)]  # each anchor only once
    first, between = brush.asked[0], brush.asked[3]
    painted = between.mask[0] > 0.9
    assert first.strength[0][painted].min() == pytest.approx(0.7)
    healed = between.strength[0][painted]
    assert healed.mean() < 0.35  # most of the crowd was shown by an anchor
    assert np.abs(between.guide - between.plate)[0][painted].mean() > 0.05
    head = json.loads(result.manifest.read_text())
    assert head["paint"]["anchors"] == [1001, 1005] and head["paint"]["waits_for"]["1003"] == [1001, 1005]
    assert [f["paint"]["depends_on"] for f in head["frames"]] == [[], [1001, 1005], [1001, 1005], [1001, 1005], []]


def test_what_an_anchor_shows_is_made_once_for_the_frames_beside_it(
    paint_shot: Make, with_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(scene: Scene, look: Look, picture: Picture, guide: F32) -> Shown:
        made.append(look.number)
        return shown_by(scene, look, picture, guide)

    monkeypatch.setattr("composer.render.paint.shown_by", counted)
    job = job_of(paint_shot(PAINT.replace("every: 4", "frames: [1001, 1003, 1005]"), frames=5), tmp_path, NoiseBrush())
    run_job(job)
    assert made == [1001, 1003, 1005]
    painter = job.scene.painter
    assert len(painter._shown) <= 2
    painter.close()
    assert not painter._shown


def test_a_frame_alone_is_the_frame_of_the_sequence(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot(PAINT, frames=5)
    straight = job_of(shot, tmp_path / "a", NoiseBrush())
    run_job(straight)
    for number in (1003, 1005):
        alone = job_of(shot, tmp_path / "b", NoiseBrush(), frames=[number])
        run_job(alone)
    assert digests(alone.delivery).items() <= digests(straight.delivery).items() and len(digests(alone.delivery)) == 2


def test_what_was_painted_over_the_guide_moves_with_the_crowd(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    """Held against the motion vectors, which come another way: from the frame back to where each point was."""
    import cv2

    brush = NoiseBrush()
    job = job_of(paint_shot(PAINT.replace("every: 4", "frames: [1001]"), frames=4), tmp_path, brush)
    run_job(job)
    anchor, later = brush.asked[0], brush.asked[1]
    assert (anchor.frames, later.frames) == ((1001,), (1002,))
    was = NoiseBrush().picture(anchor)[0] - anchor.guide[0]
    look = look_at(job.scene, read_inputs(job.scene.stage, 1002))
    back, brief = look.guides.motion_back_px, job.scene.painter.plan.brief
    change = later.guide[0] - guide_in_range(look.sight(brief.grow_px), brief)
    y, x = np.mgrid[: was.shape[0], : was.shape[1]].astype(np.float32)
    moved = cv2.remap(was, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = (later.strength[0] < 0.02) & (later.mask[0] > 0.9) & (later.agent_id[0] > 0)
    seen &= np.abs(moved - was).mean(-1) > 0.02  # elsewhere the noise is flat
    carried, stays = (np.abs(change - p).mean(-1)[seen] for p in (moved, was))
    assert seen.sum() > 100 and np.median(carried) < 0.7 * np.median(stays), (
        seen.sum(),
        np.median(carried),
        np.median(stays),
    )


def test_what_changes_nothing_leaves_the_guide_as_it_is(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    """Sharp, however far it is from the anchor: nothing of the picture itself is resampled."""
    job = job_of(paint_shot(PAINT, frames=3), tmp_path, GuideBrush())
    run_job(job)
    painter = job.scene.painter
    look = look_at(job.scene, read_inputs(job.scene.stage, 1002))
    picture, _ = painter._picture(job.scene, look, painter.plan.record())
    own = guide_in_range(look.sight(painter.plan.brief.grow_px), painter.plan.brief)
    assert np.abs(picture - own).max() < 2e-3  # anchors are stored in half precision


def test_the_store_gives_back_what_was_put_and_forgets_what_changed(tmp_path: Path) -> None:
    store = Store(tmp_path / "anchors")
    rng = np.random.default_rng(0)
    picture = Picture(*(rng.uniform(0, 1, s).astype(np.float32) for s in ((4, 5, 3), (4, 5))))
    assert store.get(7, "a" * 64) is None
    kept = store.put(7, "a" * 64, picture)
    again = store.get(7, "a" * 64)
    assert np.array_equal(again.rgb, kept.rgb) and np.array_equal(again.mask, kept.mask)
    assert np.abs(kept.rgb - picture.rgb).max() < 1e-3
    store.put(7, "b" * 64, picture)
    assert store.get(7, "a" * 64) is None and len(list((tmp_path / "anchors").iterdir())) == 1
    next((tmp_path / "anchors").iterdir()).write_bytes(b"\x93NUMPY broken")
    assert store.get(7, "b" * 64) is None


def test_anchors_that_the_plate_has_not_are_told(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot("paint: {bundle: tiny-sd15, anchors: {frames: [1001, 1009]}}")
    with pytest.raises(InputError, match=r"paint.anchors.frames.1: the plate has no such frame: expected 1001-1003"):
        prepare_job(load_shot(shot), tmp_path, load_quality("draft"))

"""A smaller tile is another picture: where memory runs out in one frame, all frames of the shot get it, on every node and in
every run, and the files are those of a shot that never had more memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from composer.inference.request import F32, Painting, PaintRequest
from composer.render.agreed import Limit, TileWord, smaller, word_file
from composer.render.approved import RerollAsk, prepare_reroll
from composer.render.job import JobResult, prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.shot.load import load_shot
from tests.support.brushes import NoiseBrush, brushed
from tests.support.digests import digests

Make = Callable[..., Path]
TINY = "paint: {bundle: tiny-sd15, strength: 0.7}"
SMALL = (8, 8)


class TightBrush(NoiseBrush):
    """Memory runs out in some frames; the picture shows in which tile it was painted."""

    def __init__(self, *tight: int) -> None:
        super().__init__()
        self.tight = tight

    def paint(self, request: PaintRequest, told: Callable[[int, int], None] | None = None) -> Painting:
        out = not set(self.tight).isdisjoint(request.frames) and self.limit is None
        self.limit = SMALL if out else self.limit
        painting = super().paint(request, told)
        return replace(painting, notes=("out of memory",) if out else (), tiles={"tile": str(self.limit)})

    def picture(self, request: PaintRequest) -> F32:
        picture = super().picture(request)
        return picture if self.limit is None else (picture * 0.8).astype(np.float32)


def job_of(shot: Path, out: Path, brush: NoiseBrush, window: int = 1, **options: object) -> Job:
    return brushed(prepare_job(load_shot(shot), out, load_quality("draft"), **options), brush, window)


def limits(result: JobResult) -> list[str]:
    return [f["paint"]["tile_limit"] for f in json.loads(result.manifest.read_text())["frames"]]


def notes(result: JobResult) -> str:
    return " ".join(json.loads(result.manifest.read_text())["notes"])


@pytest.mark.parametrize(
    ("paint", "window", "frames"),
    [(TINY, 1, 3), (TINY, 3, 5), ("paint: {bundle: tiny-sd15, strength: 0.7, anchors: {every: 2}}", 1, 3)],
    ids=["pictures", "windows", "anchors"],
)
def test_memory_that_runs_out_late_gives_the_files_of_a_shot_that_never_had_it(
    paint_shot: Make, with_models: Path, tmp_path: Path, paint: str, window: int, frames: int
) -> None:
    shot, last = paint_shot(paint, frames=frames), 1000 + frames
    late = run_job(job_of(shot, tmp_path / "late", TightBrush(last - 1), window))
    always = run_job(job_of(shot, tmp_path / "always", TightBrush(*range(1001, last + 1)), window))
    never = run_job(job_of(shot, tmp_path / "never", TightBrush(), window))
    assert digests(late.delivery) == digests(always.delivery)
    assert not set(digests(never.delivery).values()) & set(digests(late.delivery).values())
    assert limits(late) == ["8x8"] * frames and limits(never) == [""] * frames
    assert late.notes.count("out of memory") == 1 and not word_file(never.delivery).exists()
    assert len(late.rendered) == frames and late.skipped == ()
    again = run_job(job_of(shot, tmp_path / "late", TightBrush(), window))
    assert again.rendered == () and digests(again.delivery) == digests(late.delivery)


def test_another_process_takes_the_same_tile(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot, out = paint_shot(TINY, frames=3), tmp_path / "farm"
    first = run_job(job_of(shot, out, TightBrush(), frames=[1001]))
    second = run_job(job_of(shot, out, TightBrush(1002), frames=[1002]))
    # the first is done and gone: the manifest says what is to be rendered again
    assert limits(second) == ["", "8x8"] and "frames 1001 were painted in larger tiles" in notes(second)
    third = run_job(job_of(shot, out, TightBrush(), frames=[1003]))
    assert limits(third) == ["", "8x8", "8x8"]
    rest = run_job(job_of(shot, out, TightBrush()))
    assert rest.rendered == (1001,) and rest.skipped == (1002, 1003) and "larger tiles" not in notes(rest)
    assert first.delivery == rest.delivery
    assert digests(rest.delivery) == digests(run_job(job_of(shot, tmp_path / "alone", TightBrush(1001))).delivery)


def test_a_reroll_keeps_to_the_tile_of_its_parent(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot, out = paint_shot(TINY, frames=1), tmp_path / "out"
    run_job(job_of(shot, out, TightBrush(1001)))
    brush = TightBrush()
    rolled = run_job(brushed(prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",))), brush))
    assert brush.limit == SMALL and limits(rolled) == ["8x8"] and not word_file(rolled.delivery).exists()


def test_the_word_only_ever_becomes_smaller(tmp_path: Path) -> None:
    word = TileWord(tmp_path / ".muster" / "tiles.json", "a" * 64)
    assert word.read() is None and word.lower(None) is None and not word.file.exists()
    told: list[Limit] = [(16, 8), (8, 16), (32, 32), None]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(word.lower, told))
    assert word.read() == SMALL == TileWord(word.file, "a" * 64).read()
    assert TileWord(word.file, "b" * 64).read() is None  # another bundle
    assert TileWord(tmp_path / "none.json", "a" * 64, parent=word.file).read() == SMALL
    word.file.write_text('{"largest_tile_latents": [8')
    assert word.read() is None
    assert smaller((4, 9), (6, 2)) == (4, 2) and smaller(None, (1, 1)) == (1, 1) and smaller(None, None) is None


def test_a_frame_in_which_nothing_was_painted_is_of_any_tile(tmp_path: Path) -> None:
    word = TileWord(tmp_path / "tiles.json", "a" * 64)
    word.lower(SMALL)
    assert word.holds(None) and word.holds({"tile_limit": None}) and word.holds({"tile_limit": "8x8"})
    assert not word.holds({"tile_limit": ""}) and not word.holds({"tile_limit": "16x16"})


def test_the_engine_keeps_to_it(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    """The real engine over a real bundle: memory runs out in the second frame."""
    import torch

    from composer.inference.bundle import load_bundle
    from composer.inference.engine import Engine, EngineOptions
    from composer.inference.families import open_adapter
    from composer.render.brush import EngineBrush

    torch.set_num_threads(1)
    adapter = open_adapter(load_bundle(with_models / "tiny-sd15"), "cpu")

    def brush(tight: int) -> EngineBrush:
        asked = 0

        def fault(size: tuple[int, int, int]) -> None:
            if asked >= tight and size[1] > 4:
                raise torch.OutOfMemoryError("injected")

        class Counted(EngineBrush):
            def paint(self, request: PaintRequest, told: Callable[[int, int], None] | None = None) -> Painting:
                nonlocal asked
                asked += 1
                return super().paint(request, told)

        return Counted(Engine(adapter, EngineOptions(fault=fault)), adapter.space.factor)

    shot = paint_shot("paint: {bundle: tiny-sd15, strength: 0.7, steps: 1}", frames=2)
    late, always = (run_job(job_of(shot, tmp_path / str(n), brush(n))) for n in (2, 1))
    assert limits(late) == ["4x4", "4x4"] and digests(late.delivery) == digests(always.delivery)
    frames = json.loads(late.manifest.read_text())["frames"]
    assert [f["paint"]["tiles"]["tile"] for f in frames] == ["1x4x4", "1x4x4"]
    assert sum("out of memory: tiles of 8x8 latents made 4x4" in n for n in late.notes) == 1

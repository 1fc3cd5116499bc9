"""A job in parts, for render farms: what is shared first, then frames anywhere in any order, then the lists over all of them.

Each part can be done again at any time, and by two nodes at once: what is there is kept.
"""

from __future__ import annotations

import time

from composer.errors import InputError, MachineError, Where
from composer.io.files import clean_stale_under
from composer.render.job import JobResult, Progress, keys_of, put_job_together, result_of, run_job
from composer.render.look import look_at, read_inputs
from composer.render.manifest import is_done
from composer.render.ready import Job
from composer.shot.frames import ranges

#: cache: what all frames share. anchors: of a painted shot, so that nobody paints one twice. frames: no more than these.
#: finish: proxy, signatures and manifest.
PARTS = ("cache", "anchors", "frames", "finish")


def run_part(job: Job, part: str, progress: Progress | None = None) -> JobResult:
    """One of PARTS, for the frames of the job. Raises MachineError where `finish` finds frames that are not there."""
    if part == "frames":
        return run_job(job, progress, finish=False)
    begin = time.perf_counter()
    clean_stale_under(job.delivery)
    if part == "cache":
        last = job.scene.stage.plate.frames[-1]
        job.scene.people.at((last - 1, last, last + 1))  # simulated in one go, and kept
        return result_of(job, begin)
    if part == "anchors":
        return result_of(job, begin, *_paint_anchors(job, progress))
    keys = keys_of(job)
    if absent := [n for n in sorted(job.frames) if not is_done(job.delivery, n, keys[n])]:
        raise MachineError(
            "frames are missing, or were made from something else",
            where=Where(file=job.delivery),
            expected=f"{len(keys)} frames",
            got=f"{len(keys) - len(absent)} (without {ranges(absent)})",
            hint="render them with the same Muster and the same files, then finish again",
        )
    return result_of(job, begin, (), tuple(sorted(job.frames)), made=put_job_together(job))


def _paint_anchors(job: Job, progress: Progress | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Those that were painted, and those that were there."""
    painter = job.scene.painter
    chosen = painter.plan.anchors.chosen if painter else ()
    if strange := sorted(set(job.frames) - set(chosen)):
        expected = ranges(chosen) or "a painted shot with paint.anchors"
        raise InputError("not anchors", where=Where(field="--frames"), expected=expected, got=ranges(strange))
    assert painter is not None
    painted, there = [], []
    for done, number in enumerate(job.frames):
        look = look_at(job.scene, read_inputs(job.scene.stage, number))
        (painted if painter.paint_ahead(job.scene, look) else there).append(number)
        if progress:
            progress(done + 1, len(job.frames), number, "rendered" if painted[-1:] == [number] else "skipped")
    painter.close()
    return tuple(painted), tuple(there)

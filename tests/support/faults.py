"""Processes that are killed, that meet on one frame, that run out of disk: what tests/faults does to a delivery."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from composer.render.frame import Stopwatch, read_inputs, render_frame
from composer.render.job import _write, prepare_job, put_job_together, run_job
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.shot.load import load_shot


def context() -> ForkServerContext:
    """Processes that start with everything imported and no thread running."""
    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload(["support.faults"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # the server would not find what it is to import
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return start


def job_of(shot: Path, out: Path, frames: list[int] | None = None) -> Job:
    return prepare_job(load_shot(shot), out, load_quality("preview"), frames=frames)


def write_for_ever(shots: tuple[Path, Path], out: Path, ready: Event) -> None:
    """Write the frames of two looks of a shot over each other until killed: files, records, proxy, manifest."""
    jobs = [job_of(shot, out) for shot in shots]
    made = [
        (job, render_frame(job.scene, read_inputs(job.scene.stage, n)), f"{i}" * 64)
        for i, job in enumerate(jobs)
        for n in job.frames
    ]
    while True:
        for job, frame, key in made:
            _write(job, frame, key, Stopwatch({}))
            put_job_together(job)
            ready.set()  # what is imported on first use is there


def render_together(shot: Path, out: Path, rounds: int, frame: int, barrier: Barrier) -> None:
    """Render one frame into `out`/0, `out`/1, ... each time at once with the others at the barrier."""
    job = job_of(shot, out, [frame])
    render_frame(job.scene, read_inputs(job.scene.stage, frame))  # warm, so that both are equally quick
    for i in range(rounds):
        barrier.wait(120)
        run_job(replace(job, delivery=out / str(i)))


@contextlib.contextmanager
def file_size_limit(most_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond; a write says so, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def digests(delivery: Path, *folders: str) -> dict[str, str]:
    """SHA-256 of every file, temporary ones too; of these folders only, where some are named."""
    roots = [delivery / f for f in folders] or [delivery]
    files = [p for root in roots for p in root.rglob("*") if p.is_file()]
    return {p.relative_to(delivery).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)}


def temporaries(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if "muster-tmp" in p.name]


def is_whole(path: Path) -> bool:
    """Whether a list or movie that is never the same twice is complete."""
    if path.suffix == ".json":
        json.loads(path.read_bytes())
        return True
    import av

    with av.open(str(path)) as movie:
        return len(list(movie.decode(video=0))) > 0 and os.path.getsize(path) > 0


SIGN = "true" if find_spec("c2pa") else "false"

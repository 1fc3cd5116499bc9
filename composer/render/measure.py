"""Frames of a job rendered, written and thrown away, to know what they cost."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from composer.deliver.proxy import write_proxy
from composer.io.files import sha256_bytes
from composer.render.anchors import Store
from composer.render.depends import forget_files, frame_key
from composer.render.forecast import Load, Measure
from composer.render.job import run_job
from composer.render.look import look_at, read_inputs
from composer.render.manifest import FrameRecord, read_record
from composer.render.ready import Job, slate_of
from composer.render.tiling import Tiles
from composer.shot.reduced import reduced
from composer.shot.stage import Stage

#: Frames of one measure; the first and the last do not overlap with others, so they say nothing of a running job.
FRAMES = 6
#: Coverage is looked at on pictures this wide.
_COVER_PX = 320


@dataclass(frozen=True)
class Machine:
    """What measured. cores: those that this process may use. device: cpu or cuda."""

    processor: str
    cores: int
    memory_gib: float
    device: str

    @classmethod
    def this(cls, device: str) -> Machine:
        name = platform.processor() or platform.machine()
        with contextlib.suppress(OSError, IndexError):
            line = next(x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name"))
            name = line.split(":", 1)[1].strip()
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        return cls(name, len(os.sched_getaffinity(0)), round(memory, 1), device)

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.device}"


def spread_over(frames: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` of `frames`, evenly spread; all where there are no more. One: the middle."""
    if count >= len(frames):
        return tuple(frames)
    if count == 1:
        return (frames[len(frames) // 2],)
    return tuple(frames[round(i * (len(frames) - 1) / (count - 1))] for i in range(count))


def covered_share(job: Job, full: Stage) -> float:
    """The share of the picture that shows soldiers: mean over a few of the job's frames."""
    small = replace(
        job.scene, stage=reduced(full, _COVER_PX), samples=4, painter=None, place_painter=None, repair_painter=None
    )
    seen = (look_at(small, read_inputs(small.stage, n)).guides.coverage for n in spread_over(job.frames, FRAMES))
    return statistics.fmean(float(coverage.mean()) for coverage in seen)


def measure_key(job: Job, machine: Machine) -> tuple[str, float]:
    """What a measure of these frames depends on, as a digest; and the seconds a frame that a job takes to find out what
    its frames depend on."""
    slate = slate_of(job)
    frame_key(job.scene, slate, job.frames[0])  # what frames share is digested once a job
    forget_files()
    begin = time.perf_counter()
    keys = [frame_key(job.scene, slate, n) for n in job.frames]
    took = (time.perf_counter() - begin) / len(keys)
    return sha256_bytes("\n".join([*keys, str(machine)]).encode()), took


def measure(job: Job, covered: float, key_s: float, folder: Path) -> Measure:
    """Run a job into a folder of its own below `folder`, which is on the disk of the delivery, and take it away again.
    covered, key_s: as found above."""
    folder.mkdir(parents=True, exist_ok=True)
    clear_stale(folder)
    with tempfile.TemporaryDirectory(prefix=f".measure-{os.getpid()}-", dir=folder) as own:
        delivery = Path(own) / "version"
        scene = job.scene
        if scene.painter is not None:
            scene = replace(scene, painter=replace(scene.painter, store=Store(delivery / ".muster" / "anchors")))
        marks: list[float] = []
        reset_peak()
        begin = time.perf_counter()
        result = run_job(
            replace(job, scene=scene, delivery=delivery),
            lambda done, total, n, what: marks.append(time.perf_counter()) if what == "rendered" else None,
        )
        end, peak = time.perf_counter(), peak_mib()
        records = [r for n in job.frames if (r := read_record(delivery, n))]
        proxy_s = _proxy_s(job, delivery, end - marks[-1], len(marks)) if result.proxy else 0.0
    steady = [b - a for a, b in pairwise(marks[:-1])]
    loading_s = max(_loading_s(r) for r in records)
    if not steady:  # too short to overlap: the work itself
        steady = [sum(r.seconds.values()) - _loading_s(r) for r in records]
    frame_s = statistics.fmean(steady) + key_s + proxy_s
    width, height = scene.stage.plate.size_px
    painted = [r for r in records if r.seconds.get("paint") and r.paint]
    tiles, tile_steps = None, 0.0
    if scene.painter is not None and painted:
        native = scene.painter.plan.bundle.native_px
        tiles = Tiles.of(painted[0].paint, width, native)
        tile_steps = tiles.tile_steps((width, height), scene.painter.plan.brief.steps) if tiles else 0.0
    paint_s = statistics.fmean(r.seconds["paint"] - _loading_s(r) for r in painted) if tiles else 0.0
    load = Load(len(scene.people.layout), width * height / 1e6, scene.samples, covered, tile_steps)
    before_s = marks[0] - begin - (2 if len(marks) > 1 else 1) * frame_s  # the first is told when the second is made
    fixed_s = max(0.0, before_s) + max(0.0, end - marks[-1] - len(marks) * proxy_s)
    fixed_s = max(fixed_s, loading_s)
    return Measure(load, frame_s, statistics.pstdev(steady), fixed_s, peak, len(marks), paint_s, tiles)


def clear_stale(folder: Path) -> None:
    """Take away what measures of dead processes left behind."""
    for old in folder.glob(".measure-*-*"):
        pid = old.name.split("-")[1]
        if pid.isdecimal() and Path("/proc/self").exists() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(old, ignore_errors=True)


def _loading_s(record: FrameRecord) -> float:
    """What it took to load a model's networks, in the first frame that it painted."""
    seconds = (record.paint or {}).get("seconds")
    return float(seconds.get("load", 0.0)) if isinstance(seconds, dict) else 0.0


def _proxy_s(job: Job, delivery: Path, all_s: float, count: int) -> float:
    """Seconds a frame of the proxy, without what it takes whatever its length. all_s: for `count` frames."""
    if count < 2:
        return all_s
    for path in sorted((delivery / "exr").glob("*.exr"))[1:]:
        path.unlink()
    begin = time.perf_counter()
    write_proxy(delivery, slate_of(job), job.scene.stage.plate.frames[0], job.scene.stage.color)
    one_s = time.perf_counter() - begin
    return max(0.0, (all_s - one_s) / (count - 1))


def process_age_s() -> float:
    """Seconds since this process began; 0 where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        up_s = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, up_s - ticks / os.sysconf("SC_CLK_TCK"))
    return 0.0


def reset_peak() -> None:
    """Let the process's peak memory begin anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> int:
    """Peak resident memory since `reset_peak`, MiB; of the whole process where the system does not say."""
    with contextlib.suppress(OSError, StopIteration):
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    from composer.render.job import peak_memory_mib

    return peak_memory_mib()

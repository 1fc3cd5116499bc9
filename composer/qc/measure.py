"""Measure a delivery: its frames one after the other, several runs of them side by side.

Each worker goes through a run of frames in order and keeps only the frame before, so a shot of any length takes the memory of
two frames a worker. Nothing is written here, and a stop between two frames loses nothing but the time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from composer.errors import InputError, MachineError, MusterError
from composer.guides.ground import ground_depth
from composer.io.exr import read_header
from composer.qc.delivery import Listing, Source, changed_files, missing_of
from composer.qc.edges import fringe_readings
from composer.qc.frames import F32, Delivered, read_delivered
from composer.qc.grain import averaged_away, grain_of
from composer.qc.motion import Ground, motion_readings
from composer.qc.painted import painted_readings
from composer.qc.pixels import level_readings, odd_readings, range_readings, untouched_readings
from composer.qc.preset import Preset, preset_findings
from composer.qc.reading import Curve, Finding, Reading
from composer.qc.rules import Head, rule_findings
from composer.qc.silhouette import silhouette_readings

#: Told of each frame: done so far, all, frame number, 'measured'.
Progress = Callable[[int, int, int, str], None]
#: Bytes a pixel that a worker holds at its peak: two frames with all their parts, and what the measures make of them.
PIXEL_BYTES = 420
MOST_WORKERS = 16


@dataclass(frozen=True)
class Ask:
    """frames: that must be there; None for those between the first and the last. workers: None for as many as there is room
    for."""

    frames: tuple[int, ...] | None = None
    preset: Preset | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Measured:
    """curves: of a frame, for plots. findings: rules that are not kept. notes: what could not be looked at."""

    listing: Listing
    source: Source
    frames: tuple[int, ...]
    readings: tuple[Reading, ...]
    findings: tuple[Finding, ...]
    curves: Mapping[int, tuple[Curve, ...]]
    notes: tuple[str, ...]
    seconds: float


@dataclass
class _Seen:
    """Of one frame. digest: of the composite's pixels; plate: of the plate's, '' where it is not known."""

    number: int
    readings: list[Reading] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    curves: tuple[Curve, ...] = ()
    digest: str = ""
    plate: str = ""
    head: Head | None = None


def measure_delivery(listing: Listing, source: Source, ask: Ask, progress: Progress | None = None) -> Measured:
    """Everything that can be measured. Raises InputError only where there is nothing to measure."""
    begin = time.perf_counter()
    frames = tuple(n for n in listing.files if ask.frames is None or n in set(ask.frames))
    if not frames:
        raise InputError("none of these frames is in the delivery", got=str(listing.folder))
    seen = {s.number: s for s in _all_runs(listing, source, frames, ask.workers, progress)}
    seen = dict(sorted(seen.items()))
    heads = {n: s.head for n, s in seen.items() if s.head is not None}
    readings = [r for s in seen.values() for r in s.readings]
    files = [f for s in seen.values() for f in s.findings]
    files += [f for n, r in listing.records.items() if n not in seen for f in changed_files(listing, r)]
    rules = rule_findings(heads, listing, source)
    asked = preset_findings(ask.preset, heads, source) if ask.preset else []
    copies = _duplicates(list(seen.values()))
    missing = missing_of(listing, source, ask.frames, bool(ask.preset and ask.preset.whole))
    lost = [Finding(n, "missing", "the frame is not there") for n in missing]
    extra = [Finding(None, "extra", f"{name}: neither manifest nor records know it") for name in listing.extra]
    damaged = [f for f in files if f.rule == "unreadable"]
    files = [f for f in files if f.rule != "unreadable"]
    counts = {
        "missing_frames": lost, "unreadable_frames": damaged, "duplicate_frames": copies, "extra_files": extra,
        "changed_files": files, "rule_breaks": rules,
    }  # fmt: skip
    if ask.preset:
        counts["preset_breaks"] = asked
    readings += [Reading(name, None, float(len(found))) for name, found in counts.items()]
    notes = (*listing.notes, *([source.why] if source.why else []))
    found = tuple(f for some in counts.values() for f in some)
    curves = {n: s.curves for n, s in seen.items() if s.curves}
    return Measured(
        listing, source, frames, tuple(readings), found, curves, notes, time.perf_counter() - begin
    )  # fmt: skip


def _all_runs(
    listing: Listing, source: Source, frames: tuple[int, ...], workers: int | None, progress: Progress | None
) -> Iterator[_Seen]:
    count = workers or _workers(listing, frames)
    stop = threading.Event()
    done = 0
    runs = [run for run in np.array_split(np.array(frames), min(count, len(frames))) if len(run)]
    told: list[_Seen] = []
    lock = threading.Lock()

    def work(run: Sequence[int]) -> list[_Seen]:
        nonlocal done
        out = []
        for seen in _run(listing, source, [int(n) for n in run], stop):
            out.append(seen)
            with lock:
                done += 1
                if progress:
                    progress(done, len(frames), seen.number, "measured")
        return out

    with ThreadPoolExecutor(len(runs), "qc") as pool:
        try:
            for future in as_completed([pool.submit(work, run) for run in runs]):
                told += future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    yield from told


def _workers(listing: Listing, frames: Sequence[int]) -> int:
    """As many as there are cores and memory for; runs shorter than three frames would read more than they measure."""
    x0, y0, x1, y1 = read_header(listing.files[frames[0]]).parts[0].display_window
    room = _free_bytes() // 2 // max(PIXEL_BYTES * (x1 - x0 + 1) * (y1 - y0 + 1), 1)
    return int(max(1, min(len(os.sched_getaffinity(0)), MOST_WORKERS, room, -(-len(frames) // 3))))


def _free_bytes() -> int:
    """Memory that may still be taken; a great deal where the system does not say."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return int(next(x for x in lines if x.startswith("MemAvailable:")).split()[1]) * 1024
    return 1 << 40


def _run(listing: Listing, source: Source, run: list[int], stop: threading.Event) -> Iterator[_Seen]:
    """The frames of a run in order; one frame beyond it is read, so that its last has a next."""
    before: tuple[Delivered, Ground | None, _Seen] | None = None
    for number in (*run, run[-1] + 1):
        if stop.is_set():
            return
        seen = _Seen(number)
        frame = _open(listing, number, seen) if number in listing.files else None
        ground = _ground(source, frame) if frame else None
        if before:
            if frame and frame.number == before[0].number + 1:
                pair = (before[1], ground) if before[1] and ground else None
                before[2].readings += motion_readings(before[0], frame, pair)
            yield before[2]
            before = None
        if number not in run:
            return
        if frame is None:
            yield seen
            continue
        _look(listing, source, frame, seen)
        before = frame, ground, seen
    if before:
        yield before[2]


def _open(listing: Listing, number: int, seen: _Seen) -> Delivered | None:
    path = listing.files[number]
    try:
        frame = read_delivered(path, number)
        seen.head = Head.of(number, path, read_header(path))
        return frame
    except MusterError as error:
        if isinstance(error, MachineError):
            raise
        seen.findings.append(Finding(number, "unreadable", f"{path.name}: {error.what}"))
        return None


def _look(listing: Listing, source: Source, frame: Delivered, seen: _Seen) -> None:
    """Everything about one frame that needs no other."""
    number, record = frame.number, listing.records.get(frame.number)
    plate = _plate(source, number)
    grain = averaged_away(number) if source.smaller else grain_of(frame)
    seen.curves = grain.curves
    seen.readings += untouched_readings(
        frame, plate, lambda: _beside(source, number), record.undelivered if record else ()
    )
    seen.readings += odd_readings(frame)
    seen.readings += range_readings(frame)
    seen.readings += silhouette_readings(frame, source.spread)
    seen.readings += painted_readings(frame, record.paint if record else None)
    seen.readings += grain.readings
    seen.readings += fringe_readings(frame, plate)
    seen.readings += level_readings(frame)
    if record:
        seen.findings += changed_files(listing, record)
    seen.digest = _digest(frame.rgb)
    seen.plate = "" if plate is None else _digest(plate)


def _plate(source: Source, number: int) -> F32 | None:
    """The plate, in the delivery space; None where it is not known."""
    if source.stage is None or number not in source.stage.plate.frames:
        return None
    return source.stage.plate.read(number)


def _beside(source: Source, number: int) -> dict[int, F32]:
    """Plates of the frames around one."""
    near = {n: _plate(source, n) for n in (number - 1, number + 1, number - 2, number + 2)}
    return {n: p for n, p in near.items() if p is not None}


def _ground(source: Source, frame: Delivered) -> Ground | None:
    if source.stage is None or not source.stage.camera.covers(frame.number):
        return None
    view = source.stage.camera.view(frame.number)
    return None if view.size_px != frame.size_px else Ground(view, ground_depth(source.stage.ground, view, threads=1))


def _digest(pixels: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).view(np.uint8), digest_size=16).hexdigest()


def _duplicates(seen: Sequence[_Seen]) -> list[Finding]:
    """Frames with the picture of an earlier one, unless the plate stands still between them too."""
    first: dict[str, _Seen] = {}
    found = []
    for one in seen:
        other = first.setdefault(one.digest, one) if one.digest else one
        if other is not one and not (one.plate and one.plate == other.plate):
            found.append(Finding(one.number, "duplicate", f"has the picture of frame {other.number}"))
    return found

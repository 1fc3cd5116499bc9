"""From what is asked for to the graph: the job is opened, its frames are measured, each step is told what it needs.

Everything that can be wrong with the shot is found here, on the machine that submits.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from composer.errors import InputError, Where
from composer.farm.cost import Cost, asked_mib, cost_of, frames_per_task, gpu_memory
from composer.farm.graph import Graph, Needs, Slot, Step
from composer.farm.settings import FarmSettings
from composer.inference.bundle import Bundle
from composer.inference.bundle_schema import FILE_NAME
from composer.render.job import prepare_jobs
from composer.render.painters import PaintAsk
from composer.render.quality import Quality
from composer.render.ready import Job
from composer.render.sign import SignAsk
from composer.shot.schema import ShotFile

#: A task that takes this many times longer than was measured hangs; none is given up before an hour.
_HANGS, _LEAST_TIMEOUT_S, _USUAL_TIMEOUT_S = 10, 3600, 86400


@dataclass(frozen=True)
class FarmAsk:
    """frames, count: None for the shot's own. device: that the nodes render on; here: that this machine has. chunk:
    frames a task; memory_mib: of a task; both given, nothing is measured. qc: whether there is a verb that controls a
    delivery. begin: `time.perf_counter()` when the program began."""

    shot_file: Path
    out: Path
    quality: Quality
    frames: tuple[int, ...] | None = None
    count: int | None = None
    device: str = "cpu"
    here: str = "cpu"
    paint: PaintAsk = field(default_factory=PaintAsk)
    sign: SignAsk | None = None
    chunk: int | None = None
    memory_mib: int | None = None
    qc: bool = False
    begin: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class Planned:
    """The graph, the job that it does, and the bundle that paints it."""

    graph: Graph
    job: Job

    @property
    def bundle(self) -> Bundle | None:
        return self.job.scene.painter.plan.bundle if self.job.scene.painter else None


def plan_farm(
    shot: ShotFile, ask: FarmAsk, settings: FarmSettings, say: Callable[[str], None] | None = None
) -> Planned:
    """Open, measure, plan. Raises InputError for whatever is wrong; until then nothing is written. say: of what takes its
    time."""
    say = say or (lambda what: None)
    check_writable(ask.out)
    jobs = prepare_jobs(
        shot, ask.out, ask.quality, frames=ask.frames, count=ask.count, device=ask.here, ask=ask.paint,
        told=lambda name: say(f"checking the files of {name}"), sign=ask.sign,
    )  # fmt: skip
    if len(jobs) > 1:
        names = ", ".join(j.scene.painter.plan.bundle.name for j in jobs if j.scene.painter)
        raise InputError(
            "one bundle a farm job", where=Where(field="--bundle"), expected="one name", got=names,
            hint="send one job for each: --bundle NAME",
        )  # fmt: skip
    job = replace(jobs[0], frames=tuple(sorted(jobs[0].frames)))
    prepare_s = time.perf_counter() - ask.begin
    if ask.chunk is not None and ask.memory_mib is not None:
        cost = Cost(
            None, prepare_s, ask.memory_mib, ask.memory_mib, ("nothing was measured: --chunk and --memory are given",)
        )
    else:
        say(f"measuring frames of {job.delivery.parent.name}")
        cost = cost_of(job, ask.device, ask.out / shot.shot / "farm", prepare_s)
    return Planned(_graph(job, ask, settings, cost), job)


def check_writable(out: Path, flag: str = "--out") -> None:
    """Raises InputError where nobody could write into this folder, there or not yet there."""
    there = out.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        got = "a file" if there.is_file() else "a folder that cannot be written" if there.is_dir() else "neither"
        raise InputError("cannot be written", where=Where(file=there, field=flag), expected="a folder", got=got)


def _graph(job: Job, ask: FarmAsk, settings: FarmSettings, cost: Cost) -> Graph:
    headroom = 1.0 if ask.memory_mib else settings.memory_headroom
    render_mib = asked_mib(ask.memory_mib or cost.memory_mib, headroom)
    gpu_mib, gpu_note = gpu_memory(job) if ask.device == "cuda" else (0, "")
    render = Needs(settings.cores, render_mib, 1 if gpu_mib else 0, gpu_mib)
    steps = _Steps(job, ask, settings, cost, render)
    size = ask.chunk or min(len(job.frames), frames_per_task(cost, settings, steps.window))
    most = max(size, min(settings.most_frames_per_task, len(job.frames)))
    graph = [steps.cache()]
    if anchors := _anchors_for(job):
        graph.append(steps.anchors(anchors))
    graph.append(steps.frames(size, most, tuple(s.name for s in graph)))
    graph.append(steps.finish(min(render_mib, asked_mib(cost.start_mib, headroom))))
    if ask.qc:
        graph.append(steps.control(render_mib))
    notes = (*job.notes, *cost.notes, *((gpu_note,) if gpu_note else ()))
    return Graph(
        job.scene.stage.shot.shot, job.delivery.name, ask.shot_file.absolute(), ask.out.absolute(), job.frames, tuple(graph),
        _bundle_folder(ask), ask.device, cost.frame_s, round(cost.start_s, 2), notes,
    )  # fmt: skip


@dataclass(frozen=True)
class _Steps:
    """Makes each step. render: what a task that renders needs."""

    job: Job
    ask: FarmAsk
    settings: FarmSettings
    cost: Cost
    render: Needs

    @property
    def window(self) -> int:
        """Frames that are painted in one go."""
        painter = self.job.scene.painter
        return painter.plan.window if painter else 1

    def cache(self) -> Step:
        needs = Needs(self.render.cores, self.render.memory_mib)
        what = "Checks the shot on a node, and simulates what its frames share"
        return self._step("Cache", what, self._muster("cache", Slot.ALL_FRAMES), needs)

    def anchors(self, frames: tuple[int, ...]) -> Step:
        what = "Paints the frames that others take their picture from"
        step = self._step("Anchors", what, self._muster("anchors", Slot.FRAMES), self.render)
        return replace(step, frames=frames, waits_for=("Cache",), seconds=self._seconds(1), timeout_s=self._timeout(1))

    def frames(self, size: int, most: int, waits_for: tuple[str, ...]) -> Step:
        what = "Renders frames; those that are there and unchanged are skipped"
        step = self._step("Frames", what, self._muster("frames", Slot.FRAMES), self.render)
        return replace(
            step, frames=self.job.frames, frames_per_task=size, least_per_task=self.window, waits_for=waits_for,
            seconds=self._seconds(size), timeout_s=self._timeout(most),
        )  # fmt: skip

    def finish(self, memory_mib: int) -> Step:
        what = "Encodes the proxy, signs where that is wanted, and puts the manifest together"
        step = self._step("Finish", what, (*self._muster("finish", Slot.ALL_FRAMES), *_sign(self.ask.sign)),
                          Needs(self.render.cores, memory_mib))  # fmt: skip
        return replace(step, waits_for=("Frames",))

    def control(self, memory_mib: int) -> Step:
        command = ("qc", Slot.DELIVERY)
        step = self._step("Control", "Measures the delivery (muster qc)", command, Needs(self.render.cores, memory_mib))
        return replace(step, waits_for=("Finish",))

    def _step(self, name: str, what: str, command: tuple[str | Slot, ...], needs: Needs) -> Step:
        return Step(name, what, command, needs, attempts=self.settings.attempts, timeout_s=_USUAL_TIMEOUT_S)

    def _muster(self, part: str, frames: Slot) -> tuple[str | Slot, ...]:
        """`muster render`, with all that the frames depend on said in full."""
        ask, paint = self.ask, self.ask.paint
        command: list[str | Slot] = ["render", Slot.SHOT, "--only", part, "--frames", frames, "--out", Slot.OUT]
        # a picture painted on a CPU and one painted on a card differ in their last bits: all nodes use the same
        command += ["--quality", ask.quality.name, "--device", ask.device]
        if ask.count is not None:
            command += ["--count", f"CROWD={ask.count}"]
        if paint.bundles:
            command += ["--bundle", Slot.BUNDLE if _bundle_folder(ask) else ",".join(paint.bundles)]
        if paint.steps is not None:
            command += ["--steps", str(paint.steps)]
        if paint.strength is not None:
            command += ["--strength", str(paint.strength)]
        return tuple(command)

    def _seconds(self, frames: int) -> float | None:
        return None if self.cost.frame_s is None else round(self.cost.start_s + frames * self.cost.frame_s, 1)

    def _timeout(self, frames: int) -> int:
        seconds = self._seconds(frames)
        return _USUAL_TIMEOUT_S if seconds is None else max(_LEAST_TIMEOUT_S, math.ceil(_HANGS * seconds))


def _anchors_for(job: Job) -> tuple[int, ...]:
    """The anchors that the job's frames are made from."""
    painter = job.scene.painter
    if painter is None or not painter.plan.anchors.chosen:
        return ()
    anchors = painter.plan.anchors
    needed = {a for n in job.frames for a, _ in anchors.of(n)} | (set(job.frames) & set(anchors.chosen))
    return tuple(sorted(needed))


def _bundle_folder(ask: FarmAsk) -> Path | None:
    """Of a bundle that was given as a folder; those with a name are found by each node."""
    for text in ask.paint.bundles:
        path = Path(text).expanduser()
        if len(path.parts) > 1 or path.suffix in (".yaml", ".yml"):
            return path.absolute() if (path / FILE_NAME).is_file() else path.absolute().parent
    return None


def _sign(ask: SignAsk | None) -> Sequence[str]:
    if ask is None:
        return ()
    return ("--sign", *(str(p.absolute()) for p in (ask.certificate, ask.key) if p))

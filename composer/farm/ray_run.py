"""The graph on a Ray cluster: tasks as they become ready, tried again where the machine failed, until all are done.

All nodes see the shot and the delivery at the same path. Frames that a lost worker had finished are there for the next one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import composer
from composer.errors import MachineError, Where
from composer.farm.cluster import connected, nodes, slots
from composer.farm.graph import Graph, Needs, Step
from composer.farm.settings import FarmSettings
from composer.farm.task import Outcome, run_on_node
from composer.farm.tries import Retry, Task, Tries, given_up, input_error
from composer.io.files import atomic_write
from composer.render.job import Progress
from composer.render.manifest import record_path

if TYPE_CHECKING:
    from ray import ObjectRef

#: Ray's errors in words.
_LOST = {
    "WorkerCrashedError": "its worker was killed",
    "NodeDiedError": "its node is gone",
    "LocalRayletDiedError": "its node is gone",
    "OutOfMemoryError": "its worker was killed, the node ran out of memory",
}
_TICK_S = 0.5
#: How often the cluster is asked what nodes it has.
_LOOK_S = 5.0


@dataclass(frozen=True)
class RayRun:
    """What came of it. rendered, skipped: frames. nodes: tasks that each finished. slots: tasks at once, at the beginning."""

    delivery: Path
    manifest: Path
    rendered: tuple[int, ...]
    skipped: tuple[int, ...]
    retries: tuple[Retry, ...]
    nodes: dict[str, int]
    tasks: int
    slots: int
    seconds: float
    peak_memory_mib: int
    notes: tuple[str, ...]


def run_on_ray(
    graph: Graph,
    settings: FarmSettings,
    address: str | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    *,
    spread: bool = True,
) -> RayRun:
    """Run the whole graph. spread: give every slot of the cluster some of the frames. say: of nodes, retries and waiting.
    Raises InputError of the first task that says so, MachineError where tasks fail for good; either way all frames that are
    finished stay."""
    with connected(address):
        run = _Run(graph, settings, progress, say or (lambda what: None))
        at_once = run.wait_for_room()
        if spread:
            run.graph = spread_over_slots(graph, at_once)
        return run.all(at_once)


def spread_over_slots(graph: Graph, at_once: int) -> Graph:
    """Smaller chunks, where a cluster could do more of them at once."""
    steps = tuple(replace(s, frames_per_task=_share(s, at_once)) for s in graph.steps)
    return replace(graph, steps=steps)


def _share(step: Step, at_once: int) -> int:
    """Frames a task, where so many tasks run at once."""
    return max(1, step.least_per_task, min(step.frames_per_task, -(-len(step.frames) // max(1, at_once))))


@dataclass
class _Run:
    graph: Graph
    settings: FarmSettings
    progress: Progress | None
    say: Callable[[str], None]
    tries: dict[Task, Tries] = field(default_factory=dict)
    running: dict[ObjectRef, Task] = field(default_factory=dict)
    done: dict[Task, Outcome] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    retries: list[Retry] = field(default_factory=list)
    known: frozenset[str] = frozenset()
    told: set[int] = field(default_factory=set)

    def wait_for_room(self) -> int:
        """Tasks that the cluster takes at once; waits a while for a node that is large enough."""
        needs = _largest(self.graph)
        end, told = time.monotonic() + self.settings.patience_s, False
        while not (at_once := slots(needs)):
            if time.monotonic() > end:
                has = "; ".join(f"{name}: {n}" for name, n in nodes()) or "no node"
                raise MachineError(
                    "no node is large enough", where=Where(field="--address"), expected=str(needs), got=has,
                    hint="--memory and configs/farm.yaml say what is asked for",
                )  # fmt: skip
            if not told:
                self.say(f"waiting for a node with {needs}")
                told = True
            time.sleep(_TICK_S)
        return at_once

    def all(self, at_once: int) -> RayRun:
        """Every step; what it depends on first."""
        import ray

        begin, before = time.monotonic(), _written(self.graph)
        tasks = {s.name: [Task(s, i, f) for i, f in enumerate(s.tasks())] for s in self.graph.steps}
        self.tries = {task: Tries() for those in tasks.values() for task in those}
        remote, looked = ray.remote(run_on_node), 0.0
        try:
            while (waiting := self._waiting(tasks)) or self.running:
                self._launch(waiting, remote)
                if time.monotonic() - looked > _LOOK_S:
                    looked = time.monotonic()
                    self._look()
                if self.running:
                    ready, _ = ray.wait(list(self.running), timeout=_TICK_S)
                    for ref in ready:
                        self._take(ref)
                else:
                    time.sleep(_TICK_S / 5)
                self._tell(before)
        finally:
            for ref in self.running:
                ray.cancel(ref, force=True)
        if self.failed:
            raise given_up(self.graph, self.failed)
        return self._result(tasks, at_once, time.monotonic() - begin)

    def _waiting(self, tasks: dict[str, list[Task]]) -> list[Task]:
        """Those that could begin, or could if they had waited long enough after a failure."""
        whole = {name for name, those in tasks.items() if all(t in self.done for t in those)}
        working = set(self.running.values())
        return [
            task
            for those in tasks.values()
            if set(those[0].step.waits_for) <= whole
            for task in those
            if task not in self.done and task not in working and str(task) not in self.failed
        ]

    def _launch(self, waiting: list[Task], remote) -> None:  # type: ignore[no-untyped-def]
        now = time.monotonic()
        for task in waiting:
            if self.tries[task].not_before <= now:
                needs = task.step.needs
                options = remote.options(
                    num_cpus=needs.cores, num_gpus=needs.gpus, memory=needs.memory_mib * 2**20, max_retries=0, name=str(task)
                )  # fmt: skip
                argv = self.graph.argv(task.step, task.frames)
                self.running[options.remote(argv, task.step.timeout_s, composer.__version__)] = task

    def _take(self, ref: ObjectRef) -> None:
        """What came of a task."""
        import ray

        task = self.running.pop(ref)
        try:
            outcome: Outcome = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            self._again(task, "a node", str(error.cause), lost=False)
            return
        except ray.exceptions.RayError as error:
            self._again(task, "a node", _LOST.get(type(error).__name__, type(error).__name__), lost=True)
            return
        if outcome.code == 0:
            self.done[task] = outcome
        elif outcome.code == 2:
            raise input_error(task, outcome)
        else:
            self._again(task, outcome.node, outcome.why, lost=False)

    def _again(self, task: Task, node: str, why: str, *, lost: bool) -> None:
        wait = self.tries[task].again(task, self.settings, lost, time.monotonic())
        if wait is None:
            self.failed[str(task)] = why
            self.say(f"{task} on {node}: {why}; not tried again")
            return
        self.retries.append(Retry(str(task), node, why, lost, round(wait, 2)))
        self.say(f"{task} on {node}: {why}; again in {wait:.0f} s")

    def _look(self) -> None:
        """Say which nodes came and went; with none left that is large enough, wait only so long."""
        here = frozenset(name for name, _ in nodes())
        for name in sorted(self.known - here):
            self.say(f"node {name} is gone; its work goes to the others")
        for name in sorted(here - self.known) if self.known else ():
            self.say(f"node {name} has come")
        self.known = here
        self.wait_for_room()

    def _tell(self, before: dict[int, int]) -> None:
        """Progress by frame: those of finished tasks, and those that running tasks have written."""
        if self.progress is None:
            return
        finished = {n for t, o in self.done.items() if t.step.name == "Frames" for n in (*o.rendered, *o.skipped)}
        working = {n for t in self.running.values() if t.step.name == "Frames" for n in t.frames}
        written = {n for n in working if _stamp(self.graph, n) != before[n]}
        skipped = {n for o in self.done.values() for n in o.skipped}
        for number in sorted((finished | written) - self.told):
            self.told.add(number)
            self.progress(
                len(self.told), len(self.graph.frames), number, "skipped" if number in skipped else "rendered"
            )

    def _result(self, tasks: dict[str, list[Task]], at_once: int, seconds: float) -> RayRun:
        frames = [o for t, o in self.done.items() if t.step.name == "Frames"]
        count: dict[str, int] = {}
        for outcome in self.done.values():
            count[outcome.node] = count.get(outcome.node, 0) + 1
        rendered = sorted(n for o in frames for n in o.rendered)
        skipped = sorted(n for o in frames for n in o.skipped)
        notes = tuple(dict.fromkeys(n for o in self.done.values() for n in o.notes))
        result = RayRun(
            self.graph.delivery, self.graph.delivery / "manifest.json", tuple(rendered), tuple(skipped), tuple(self.retries),
            count, sum(map(len, tasks.values())), at_once, round(seconds, 2),
            max(o.peak_memory_mib for o in self.done.values()), notes,
        )  # fmt: skip
        with atomic_write(self.graph.delivery / ".muster" / "farm.json") as temporary:
            temporary.write_text(json.dumps(asdict(result), indent=1, default=str) + "\n")
        return result


def _largest(graph: Graph) -> Needs:
    """What a node must have to take any task."""
    needs = [s.needs for s in graph.steps]
    return Needs(max(n.cores for n in needs), max(n.memory_mib for n in needs), max(n.gpus for n in needs))


def _stamp(graph: Graph, number: int) -> int:
    try:
        return record_path(graph.delivery, number).stat().st_mtime_ns
    except OSError:
        return 0


def _written(graph: Graph) -> dict[int, int]:
    """When each frame's record was written; 0 where there is none."""
    return {n: _stamp(graph, n) for n in graph.frames}

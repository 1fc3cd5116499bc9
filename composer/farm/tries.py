"""What is tried again, how often, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass

from composer.errors import InputError, InputErrors, MachineError, MusterError, Where
from composer.farm.graph import Graph, Step, frame_text
from composer.farm.settings import FarmSettings
from composer.farm.task import Outcome


@dataclass(frozen=True)
class Task:
    """One run of a step. index: among the tasks of its step."""

    step: Step
    index: int
    frames: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.step.name} {frame_text(self.frames)}".strip()


@dataclass(frozen=True)
class Retry:
    """Why a task was tried again. lost: its worker or node went away; else the machine failed."""

    task: str
    node: str
    why: str
    lost: bool
    wait_s: float


@dataclass
class Tries:
    """Of one task: how often the machine failed, how often it was lost, and when it may begin again (`time.monotonic`)."""

    failed: int = 0
    lost: int = 0
    not_before: float = 0.0

    def again(self, task: Task, settings: FarmSettings, lost: bool, now: float) -> float | None:
        """Count one more, and say after how many seconds it is tried again; None: no more."""
        if lost:
            self.lost += 1
        else:
            self.failed += 1
        if self.failed >= task.step.attempts or self.lost > settings.losses:
            return None
        wait = backoff_s(self.failed + self.lost, settings, f"{task.step.name} {task.index}")
        self.not_before = now + wait
        return wait


def backoff_s(count: int, settings: FarmSettings, who: str) -> float:
    """Seconds before the next try after `count` that failed: doubled each time, and up to a half longer, so that tasks that
    failed together do not come back together."""
    wait = min(settings.backoff_s * 2.0 ** min(count - 1, 60), settings.most_backoff_s)
    return wait * (1 + 0.5 * random.Random(f"{who} {count}").random())


def input_error(task: Task, outcome: Outcome) -> MusterError:
    """The error of a task that says that its input is wrong."""
    errors = [
        InputError(
            str(e.get("what")),
            where=Where(*(e.get(k) for k in ("file", "line", "column", "frame", "field"))),  # type: ignore[arg-type]
            expected=_text(e.get("expected")), got=_text(e.get("got")), hint=_text(e.get("hint")),
        )
        for e in outcome.errors
    ]  # fmt: skip
    return InputErrors(errors) if errors else InputError(f"{task} on {outcome.node}: {outcome.why}")


def given_up(graph: Graph, failed: dict[str, str]) -> MachineError:
    """The error of a job in which tasks failed for good. failed: task to reason."""
    task, why = min(failed.items())  # whichever came first, the same words
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return MachineError(
        f"{task} failed for good{more}",
        where=Where(file=graph.delivery),
        got=why,
        hint="what is finished stays; run it again to go on",
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)

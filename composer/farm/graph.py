"""The job as a graph of steps: built once, written for a farm or run on one.

A step is one command, run once or once for each chunk of its frames. Every command is a `muster` one that can be run again at
any time and by two nodes at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Slot(Enum):
    """What a writer puts into a command: files are elsewhere on other machines, and each task has its own frames."""

    SHOT = "the shot.yaml"
    OUT = "the folder of deliveries"
    BUNDLE = "the folder of the model bundle"
    DELIVERY = "OUT/<shot>/<version>"
    FRAMES = "the frames of this task"
    ALL_FRAMES = "the frames of the job"


@dataclass(frozen=True)
class Needs:
    """Of one task. gpu_memory_mib: 0 where no GPU is needed."""

    cores: int
    memory_mib: int
    gpus: int = 0
    gpu_memory_mib: int = 0

    def __str__(self) -> str:
        gpu = f", {self.gpus} GPU with {self.gpu_memory_mib:,} MiB" if self.gpus else ""
        return f"{self.cores} {'core' if self.cores == 1 else 'cores'}, {self.memory_mib:,} MiB{gpu}"


@dataclass(frozen=True)
class Step:
    """command: what `muster` is called with. frames: none for a step of one task. least_per_task: fewer frames would each cost
    more (a video model paints a window of them in one go). waits_for: names of steps that are whole
    before this one begins. attempts: when the machine fails. timeout_s: a task that takes longer hangs. seconds: that a
    task is thought to take, None where nothing was measured."""

    name: str
    what: str
    command: tuple[str | Slot, ...]
    needs: Needs
    frames: tuple[int, ...] = ()
    frames_per_task: int = 1
    waits_for: tuple[str, ...] = ()
    attempts: int = 1
    timeout_s: int = 86400
    seconds: float | None = None
    least_per_task: int = 1

    def tasks(self) -> tuple[tuple[int, ...], ...]:
        """Frames of each task, in order; one empty chunk for a step without frames."""
        size = self.frames_per_task
        return tuple(self.frames[i : i + size] for i in range(0, len(self.frames), size)) or ((),)


@dataclass(frozen=True)
class Graph:
    """shot_file, out, bundle: where things lie here; bundle: None where nodes find it by its name. frames: all that are
    asked for. frame_s: of one frame, as measured on this machine. notes: what was assumed."""

    shot: str
    version: str
    shot_file: Path
    out: Path
    frames: tuple[int, ...]
    steps: tuple[Step, ...]
    bundle: Path | None = None
    device: str = "cpu"
    frame_s: float | None = None
    start_s: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def delivery(self) -> Path:
        return self.out / self.shot / self.version

    def argv(self, step: Step, frames: tuple[int, ...]) -> list[str]:
        """A task's command with the paths of this machine."""
        values = {
            Slot.SHOT: str(self.shot_file),
            Slot.OUT: str(self.out),
            Slot.BUNDLE: str(self.bundle),
            Slot.DELIVERY: str(self.delivery),
            Slot.FRAMES: frame_text(frames),
            Slot.ALL_FRAMES: frame_text(self.frames),
        }
        return [values[part] if isinstance(part, Slot) else part for part in step.command]

    def as_json(self) -> dict[str, object]:
        """For a program."""
        return {
            "shot": self.shot,
            "version": self.version,
            "delivery": str(self.delivery),
            "frames": list(self.frames),
            "device": self.device,
            "frame_s": self.frame_s,
            "start_s": self.start_s,
            "notes": list(self.notes),
            "steps": [
                {
                    "name": s.name,
                    "what": s.what,
                    "command": [f"<{p.name}>" if isinstance(p, Slot) else p for p in s.command],
                    "tasks": len(s.tasks()),
                    "frames_per_task": s.frames_per_task if s.frames else None,
                    "waits_for": list(s.waits_for),
                    "cores": s.needs.cores,
                    "memory_mib": s.needs.memory_mib,
                    "gpus": s.needs.gpus,
                    "gpu_memory_mib": s.needs.gpu_memory_mib,
                    "attempts": s.attempts,
                    "timeout_s": s.timeout_s,
                    "seconds": s.seconds,
                }
                for s in self.steps
            ],
        }


def frame_text(frames: tuple[int, ...]) -> str:
    """`1001-1010`, `1001-1099:2`, `1001,1004-1008`: as Muster and Open Job Description both read it."""
    parts: list[str] = []
    i = 0
    while i < len(frames):
        step = frames[i + 1] - frames[i] if i + 1 < len(frames) else 1
        end = i
        while end + 1 < len(frames) and frames[end + 1] - frames[end] == step:
            end += 1
        if end - i < 2 and step > 1:
            end = i  # two numbers with a gap are no rhythm
        last = "" if end == i else f"-{frames[end]}" + ("" if step == 1 else f":{step}")
        parts.append(f"{frames[i]}{last}")
        i = end + 1
    return ",".join(parts)

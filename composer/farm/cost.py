"""What a task of a job needs: seconds and memory as measured on this machine, GPU memory out of what a bundle says."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from composer.farm.settings import FarmSettings
from composer.inference.bundle import Bundle
from composer.render.costs import Costs
from composer.render.measure import FRAMES, Machine, peak_mib, spread_over
from composer.render.ready import Job

#: Memory is asked for in steps of this, and never less than the first.
_LEAST_MIB, _STEP_MIB = 1024, 256
#: What a network needs beside its weights where its bundle does not say: a share of them, and work space.
_WORK_SHARE, _WORK_MIB = 0.25, 2048
#: What the guide passes take on a card: itself, and bytes a visibility sample.
_GUIDES_MIB, _SAMPLE_BYTES = 512, 96


@dataclass(frozen=True)
class Cost:
    """frame_s: seconds a frame, None where nothing was measured. start_s: of a task, beside its frames. memory_mib: peak of
    a task that renders; start_mib: of one that only lays the crowd out; both as they were measured, without headroom."""

    frame_s: float | None
    start_s: float
    memory_mib: int
    start_mib: int
    notes: tuple[str, ...] = ()


def cost_of(job: Job, device: str, folder: Path, prepare_s: float) -> Cost:
    """Render a few frames of the job, without signing, and throw them away. device: of the nodes; where it is CUDA and this
    machine has none, what a model does is not measured. folder: keeps what was found. prepare_s: it took to come this far."""
    start_mib = peak_mib()
    notes: list[str] = []
    painter = job.scene.painter
    weights_mib = 0
    if painter is not None and job.scene.device != device:
        weights_mib = _weights_mib(painter.plan.bundle)
        notes.append(
            "no CUDA card here: painted frames were not measured; memory is that of the guides and the weights"
        )
        painter = None
    elif painter is not None:
        if painter.plan.steady:
            notes.append("frames are averaged (paint.steady): every range paints the frames beside it too, 2 more")
        painter = replace(painter, plan=painter.plan.by_itself())
        if painter.plan.window > 1:
            notes.append(
                f"{painter.plan.bundle.name} paints windows of frames: one frame was measured, with its window"
            )
    elif job.scene.device != device:
        notes.append("no CUDA card here: seconds are those of this machine's processor")
    frames = spread_over(job.frames, 1 if painter else FRAMES)
    tried = replace(job, scene=replace(job.scene, painter=painter), frames=frames, signing=None)
    found = Costs(folder / "costs.json", Machine.this(job.scene.device)).of(tried, job.scene.stage)
    frame_s = None if weights_mib else found.seconds
    return Cost(
        frame_s, prepare_s + found.fixed_s, max(found.peak_mib, start_mib) + weights_mib, start_mib, tuple(notes)
    )


def asked_mib(peak: float, headroom: float) -> int:
    """The memory to ask for."""
    return max(_LEAST_MIB, math.ceil(peak * headroom / _STEP_MIB) * _STEP_MIB)


def frames_per_task(cost: Cost, settings: FarmSettings, window: int) -> int:
    """As many frames that a task's start is a small share of it, no more than its time allows, at least a window."""
    if cost.frame_s is None:
        return max(window, settings.frames_per_task)
    share = settings.start_share
    wanted = math.ceil(cost.start_s * (1 - share) / share / cost.frame_s)
    most = min(int(settings.task_seconds / cost.frame_s), settings.most_frames_per_task)
    return max(1, window, min(wanted, most))


def gpu_memory(job: Job) -> tuple[int, str]:
    """MiB that a card must have for this job, and where that is from."""
    width, height = job.scene.stage.plate.size_px
    guides = _GUIDES_MIB + width * height * job.scene.samples * _SAMPLE_BYTES / 2**20
    if job.scene.painter is None:
        return asked_mib(guides, 1.0), "GPU memory is estimated from the picture's size"
    bundle = job.scene.painter.plan.bundle
    if bundle.memory_bytes is not None:
        return asked_mib(guides + bundle.memory_bytes / 2**20, 1.0), f"GPU memory as {bundle.name} says (memory_bytes)"
    model = _weights_mib(bundle) * (1 + _WORK_SHARE) + _WORK_MIB
    note = f"GPU memory is estimated from the weights of {bundle.name}; memory_bytes in its bundle.yaml tells it"
    return asked_mib(guides + model, 1.0), note


def _weights_mib(bundle: Bundle) -> int:
    """Of its weights on disk."""
    sizes = [bundle.path_of(name).stat().st_size for name in bundle.files if name.endswith(".safetensors")]
    return math.ceil(sum(sizes) / 2**20)

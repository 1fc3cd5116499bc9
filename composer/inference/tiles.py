"""A frame's latents on the device and what the kernels do with them. Torch owns the memory; Warp sees it without copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray
from torch import Tensor

from composer.inference import kernel_tiles
from composer.inference.adapter import Canvas, Schedule
from composer.inference.kernel_tiles import AxisTable, PlanTable, Step, blend_kernel, gather_kernel, step_kernel
from composer.inference.plan import TilePlan
from composer.inference.window import Axis
from composer.io.warp_log import quiet_warp

_WARP = {torch.float32: wp.float32, torch.float16: wp.float16, torch.bfloat16: wp.bfloat16}


@contextmanager
def _stream(device: torch.device) -> Iterator[None]:
    """Warp on torch's current stream, so that no one waits for the other."""
    if device.type != "cuda":
        yield
        return
    with wp.ScopedStream(wp.stream_from_torch(torch.cuda.current_stream(device)), sync_enter=False):
        yield


def _level(schedule: Schedule, step: int) -> tuple[float, float]:
    """(signal, sigma) of what is known, before a step. After the last it is itself, also where the sampler's own levels end
    above zero (DDIM without `set_alpha_to_one` leaves about three per cent of noise)."""
    if step == len(schedule):
        return 1.0, 0.0
    return float(schedule.signal[step]), float(schedule.sigma[step])


def start_warp(device: torch.device) -> str:
    """Load the kernels; Warp's name of the device."""
    quiet_warp()
    wp.init()
    name = str(wp.device_from_torch(device))
    wp.load_module(kernel_tiles, device=name)
    return name


class Tiles:
    """The latents of one frame or window while they are painted.

    latents, known, start_noise, before: float32 [C, T', H, W]. predictions: float32 [J, C, t, h, w], one for each job. begin:
    int16 [T', H, W], the first step that paints a latent.
    """

    def __init__(self, plan: TilePlan, known: Tensor, weights: Tensor, begin: NDArray[np.int16], noise: Tensor) -> None:
        self.plan, self.device = plan, known.device
        self._name = start_warp(self.device)
        self.known, self.start_noise = known.float().contiguous(), noise.float().contiguous()
        self.latents, self.before = torch.empty_like(self.known), torch.zeros_like(self.known)
        self._channels = known.shape[0]
        self.predictions = torch.zeros((max(1, len(plan.jobs)), self._channels, *plan.tile), device=self.device)
        self.begin = torch.from_numpy(np.ascontiguousarray(begin)).to(self.device)
        self._weights = weights.float().expand(-1, known.shape[1], -1, -1).contiguous()
        self._corner = torch.from_numpy(plan.corners()).to(self.device)
        self._corner_np = plan.corners()
        self._table = self._plan_table()

    def _up(self, data: NDArray, dtype: object) -> wp.array:  # type: ignore[type-arg]
        return wp.array(np.ascontiguousarray(data), dtype=dtype, device=self._name)

    def _axis(self, axis: Axis) -> AxisTable:
        table, (first, last) = AxisTable(), axis.cover()
        table.first, table.last, table.start = (self._up(v, wp.int32) for v in (first, last, axis.starts))
        table.weight = self._up(axis.weights, wp.float32)
        return table

    def _plan_table(self) -> PlanTable:
        table, plan = PlanTable(), self.plan
        table.t, table.y, table.x = self._axis(plan.time), self._axis(plan.rows), self._axis(plan.columns)
        table.rows, table.texts, table.frames = len(plan.rows), plan.texts, self.known.shape[1]
        table.job = self._up(plan.table(), wp.int32)
        table.say = wp.from_torch(self._weights.flatten(0, 1))
        return table

    def start(self, schedule: Schedule, step: int) -> None:
        """The guide with the noise of `step` on it."""
        signal, sigma = _level(schedule, step)
        torch.mul(self.known, signal, out=self.latents)
        self.latents.add_(self.start_noise, alpha=sigma)

    def gather(self, jobs: range, scale: float, out: Tensor) -> None:
        """The jobs' tiles of the latents into `out` [B, C, t, h, w], which lies channels-last in memory."""
        flat = out.permute(0, 2, 3, 4, 1).flatten(0, 1)
        with _stream(self.device):
            wp.launch(
                gather_kernel,
                dim=flat.shape,
                inputs=[wp.from_torch(self.latents), wp.from_torch(self._corner), jobs.start, self.plan.tile[0], scale],
                outputs=[wp.from_torch(flat, dtype=_WARP[out.dtype])],
                device=self._name,
            )

    def new_batch(self, size: int, dtype: torch.dtype) -> Tensor:
        """Room for `size` tiles of latents, [B, C, t, h, w], channels-last in memory."""
        t, h, w = self.plan.tile
        room = torch.zeros((size, t, h, w, self._channels), dtype=dtype, device=self.device)
        return room.permute(0, 4, 1, 2, 3)

    def cut(self, canvases: Mapping[str, Canvas], jobs: range) -> dict[str, Tensor]:
        """The jobs' tiles of the conditions, each [B, C, t or 1, h * scale, w * scale], channels-last in memory."""
        return {name: self._cut(canvas, jobs) for name, canvas in canvases.items()}

    def _cut(self, canvas: Canvas, jobs: range) -> Tensor:
        (t, h, w), s = self.plan.tile, canvas.scale
        parts = []
        for j in jobs:
            t0, y, x = (int(v) for v in self._corner_np[j])
            frames = slice(0, 1) if canvas.data.shape[1] == 1 else slice(t0, t0 + t)
            parts.append(canvas.data[:, frames, y * s : (y + h) * s, x * s : (x + w) * s].permute(1, 2, 3, 0))
        return torch.stack(parts).permute(0, 4, 1, 2, 3)

    def places(self, jobs: range) -> Tensor:
        """int32 [B, 2] on the device: (y, x) of the jobs' tiles."""
        return self._corner[jobs.start : jobs.stop, 1:]

    def put(self, jobs: range, prediction: Tensor) -> None:
        """Keep the network's answer for these jobs."""
        self.predictions[jobs.start : jobs.stop].copy_(prediction[: len(jobs)])

    def put_whole(self, picture: Tensor) -> None:
        """A picture [C, T', H, W] in place of all answers."""
        t, h, w = self.plan.tile
        for j in range(len(self.plan.jobs)):
            t0, y, x = (int(v) for v in self._corner_np[j])
            self.predictions[j].copy_(picture[:, t0 : t0 + t, y : y + h, x : x + w])

    def _flat(self) -> wp.array:
        return wp.from_torch(self.predictions.flatten(0, 1))

    def blended(self) -> Tensor:
        """The predictions as one picture, [C, T', H, W]."""
        out = torch.empty_like(self.latents)
        with _stream(self.device):
            inputs = [self._table, self._flat(), self._channels]
            wp.launch(blend_kernel, dim=out.shape, inputs=inputs, outputs=[wp.from_torch(out)], device=self._name)
        return out

    def step(self, schedule: Schedule, number: int, fresh: Tensor | None) -> None:
        """Blend and go one step on. fresh: noise of a stochastic sampler, [C, T', H, W]."""
        s = Step()
        s.number = number
        s.keep, s.pred, s.previous = (float(v[number]) for v in (schedule.keep, schedule.pred, schedule.previous))
        s.noise = 0.0 if fresh is None else float(schedule.noise[number])
        s.signal, s.sigma = _level(schedule, number + 1)
        begin = wp.from_torch(self.begin)
        pictures = (self.known, self.start_noise, self.start_noise if fresh is None else fresh)
        state = [wp.from_torch(v) for v in (*pictures, self.latents, self.before)]
        with _stream(self.device):
            inputs = [self._table, s, self._flat(), begin, *state, self._channels]
            wp.launch(step_kernel, dim=self.latents.shape, inputs=inputs, device=self._name)

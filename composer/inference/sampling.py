"""One request's way from noise to latents: at each step the tiles' predictions, one blend, one sampler's step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

from composer.inference.adapter import Adapter, LatentSpace, Prepared, Schedule, TileBatch
from composer.inference.graphs import Denoiser
from composer.inference.hold import Hold
from composer.inference.memory import upload
from composer.inference.padding import noise_latents
from composer.inference.plan import TilePlan
from composer.inference.request import F32, PaintRequest
from composer.inference.tiles import Tiles
from composer.inference.varied import Varied

Progress = Callable[[int, int], None]
Fault = Callable[[tuple[int, int, int]], None]


class NoiseAhead:
    """The request's noise, made in a thread of its own while the device works: the first before the loop, then that of the
    step after."""

    def __init__(self, request: PaintRequest, space: LatentSpace, device: torch.device) -> None:
        self._request, self._space, self._device = request, space, device
        self._pool = ThreadPoolExecutor(1)
        self._due: dict[str, Future[F32]] = {}

    def order(self, purpose: str) -> None:
        """Begin to make it."""
        if purpose not in self._due:
            self._due[purpose] = self._pool.submit(
                noise_latents, self._request.noise, self._request, self._space, purpose
            )

    def take(self, purpose: str) -> Tensor:
        """float32 [C, T', h, w] on the device."""
        self.order(purpose)
        return upload(self._due.pop(purpose).result(), self._device)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def noise_ahead(request: PaintRequest, space: LatentSpace, device: torch.device) -> Iterator[NoiseAhead]:
    """The first noise is ordered at once."""
    noise = NoiseAhead(request, space, device)
    try:
        noise.order("initial")
        yield noise
    finally:
        noise.close()


def cut_bytes(prepared: Prepared, plan: TilePlan) -> int:
    """Of the conditions' tiles of all jobs."""
    each, (t, h, w) = 0, plan.tile
    for canvas in prepared.canvases.values():
        data, s = canvas.data, canvas.scale
        each += data.shape[0] * min(t, data.shape[1]) * h * w * s * s * data.element_size()
    return each * len(plan.jobs)


class Sampling:
    """Runs the steps over `tiles`. keep_bytes: the conditions' tiles stay on the device from step to step if they are no more
    than this. kept_bytes: what they then are, 0 where they are cut anew at each step. edges: of `Hold`, None where
    nothing is held. varied: mixes the first step's answers; None: there is one."""

    def __init__(
        self,
        adapter: Adapter,
        prepared: Prepared,
        schedule: Schedule,
        tiles: Tiles,
        denoiser: Denoiser,
        keep_bytes: int,
        edges: Tensor | None,
        varied: Varied | None = None,
    ) -> None:
        self._adapter, self._prepared, self._schedule = adapter, prepared, schedule
        self.tiles, self._denoiser, self._edges, self._varied = tiles, denoiser, edges, varied
        whole = cut_bytes(prepared, tiles.plan)
        self.kept_bytes = whole if whole <= keep_bytes else 0
        self._cut: dict[range, dict[str, Tensor]] = {}
        self._rooms: dict[int, Tensor] = {}

    def run(self, noise: NoiseAhead, batch: int, progress: Progress | None, fault: Fault | None) -> None:
        """All steps."""
        tiles, plan, schedule = self.tiles, self.tiles.plan, self._schedule
        total = len(schedule)
        tiles.start(schedule, plan.start_step)
        hold = None
        if self._edges is not None and self._adapter.space.hold > 0 and total - plan.start_step > 1:
            hold = Hold(tiles.begin, self._adapter.space.hold, self._edges)
        for number in range(plan.start_step, total):
            if schedule.noise[number] != 0:
                noise.order(f"step {number}")
            for jobs in plan.batches(number, batch):
                if fault is not None:
                    fault((len(jobs), plan.tile[1], plan.tile[2]))
                tiles.put(jobs, self.denoise(jobs, number))
            if self._varied is not None and self._varied.shares is not None and number == plan.start_step:
                self._mix(self._varied, number, batch)
            if hold is not None and hold.due(number):
                hold.see(number, tiles.blended())
            fresh = noise.take(f"step {number}") if schedule.noise[number] != 0 else None
            tiles.step(schedule, number, fresh)
            if progress is not None:
                progress(number + 1, total)
        if hold is not None:
            hold.apply(tiles.latents, total)

    def _mix(self, varied: Varied, number: int, batch: int) -> None:
        """In place of the answer at step `number`, the same in several states of wear."""
        tiles, plan, others = self.tiles, self.tiles.plan, []
        own = tiles.blended()
        for state in range(1, self._prepared.states + 1):
            for jobs in plan.batches(number, batch):
                tiles.put(jobs, self.denoise(jobs, number, state))
            others.append(tiles.blended())
        tiles.put_whole(varied.mixed(own, others))

    def forget(self) -> None:
        """Let go of the conditions' tiles."""
        self._cut.clear()
        self._rooms.clear()

    def denoise(self, jobs: range, number: int, state: int = 0) -> Tensor:
        """The network's answer for these jobs at a step; valid until the next call. state: of the texts, 0 their own."""
        tiles, count, timestep = self.tiles, len(jobs), float(self._schedule.timestep[number])
        if count not in self._rooms:
            self._rooms[count] = tiles.new_batch(count, self._adapter.dtype)
        tiles.gather(jobs, float(self._schedule.scale_in[number]), self._rooms[count])
        batch = TileBatch(
            latents=self._rooms[count],
            canvases=self._conditions(jobs),
            text=state * tiles.plan.texts + tiles.plan.jobs[jobs.start].text,
            timestep=torch.full((count,), timestep, device=self._adapter.device),
            places=tiles.places(jobs),
            size=(tiles.plan.rows.length, tiles.plan.columns.length),
            host_timestep=timestep,
        )
        return self._denoiser(batch)

    def _conditions(self, jobs: range) -> dict[str, Tensor]:
        if jobs in self._cut:
            return self._cut[jobs]
        cut = self.tiles.cut(self._prepared.canvases, jobs)
        if self.kept_bytes:
            self._cut[jobs] = cut
        return cut

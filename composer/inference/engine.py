"""The engine: a request in, a painting out, over whatever adapter. It owns the loop (tiles, blend, sampler's step), so that
every family is tiled, seeded and masked alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from composer.errors import MachineError
from composer.inference.adapter import Adapter, Prepared, Schedule, TileBatch
from composer.inference.padding import begin_steps, noise_latents, pad_request
from composer.inference.plan import TilePlan, Tiling, plan_tiles
from composer.inference.request import Painting, PaintRequest
from composer.inference.tiles import Tiles


@dataclass(frozen=True)
class EngineOptions:
    """tile: (h, w) in latents; None: the family's native size. whole: one tile as large as the picture. overlap: of
    neighbours, share of a tile's side. batch: tiles that the network takes at once; None: by memory.

    progress: called with (steps done, steps of all) after each step; what it raises ends the painting.
    fault: called before each batch with its (B, h, w), for tests: it may raise torch.OutOfMemoryError.
    """

    tile: tuple[int, int] | None = None
    whole: bool = False
    overlap: float = 0.25
    batch: int | None = None
    progress: Callable[[int, int], None] | None = None
    fault: Callable[[tuple[int, int, int]], None] | None = None


class Engine:
    """Paints requests with one adapter. It keeps what it learned of the device (tile and batch) for the whole shot."""

    def __init__(self, adapter: Adapter, options: EngineOptions | None = None) -> None:
        self.adapter, self.options = adapter, options or EngineOptions()
        self._most: tuple[int, int] | None = None  # the largest tile that memory allowed

    @torch.no_grad()
    def paint(self, request: PaintRequest) -> Painting:
        """Paint a frame, or a window of frames for a video model."""
        clock = time.perf_counter
        began, seconds, notes = clock(), {}, []
        padded = pad_request(request, self.adapter.space)
        prepared = self.adapter.prepare(padded)
        seconds["prepare"] = clock() - began
        began = clock()
        latents, plan = self._sample_within_memory(padded, prepared, notes)
        seconds["denoise"] = clock() - began
        began = clock()
        pictures = self.adapter.codec().decode(latents[None])
        (h, w), t = request.size, len(request.frames)
        rgb = pictures[0, :, :t, :h, :w].permute(1, 2, 3, 0).float().cpu().numpy()
        seconds["decode"] = clock() - began
        return Painting(np.ascontiguousarray(rgb), prepared.dropped, tuple(notes), self._record(plan), seconds)

    # ---- the plan

    def _tiling(self, canvas: tuple[int, int, int]) -> Tiling:
        """For latents [T', h, w]."""
        space, options = self.adapter.space, self.options
        m = space.multiple
        tile = canvas[1:] if options.whole else (options.tile or space.native)
        if self._most is not None:
            tile = (min(tile[0], self._most[0]), min(tile[1], self._most[1]))
        sides = [min(-(-side // m) * m, full) for side, full in zip(tile, canvas[1:], strict=True)]
        frames = min(canvas[0], 1 + (space.frames - 1) // space.time_factor)
        overlap = [int(side * options.overlap) for side in (frames, *sides)]
        return Tiling((frames, sides[0], sides[1]), (overlap[0], overlap[1], overlap[2]), m, space.halo)

    def _smaller(self, tile: tuple[int, int, int]) -> bool:
        """Half the tile for the rest of the shot, where that still makes a tile."""
        space = self.adapter.space
        m = space.multiple
        least = m if space.halo is None else -(-(2 * space.halo + m) // m) * m
        sides = [max(least, side // 2 // m * m) for side in tile[1:]]
        self._most = (min(sides[0], tile[1]), min(sides[1], tile[2]))
        return self._most != tile[1:]

    # ---- sampling

    def _sample_within_memory(
        self, request: PaintRequest, prepared: Prepared, notes: list[str]
    ) -> tuple[Tensor, TilePlan]:
        """Sample; where memory runs out, again with smaller tiles, which then stay for the whole shot."""
        schedule = self.adapter.schedule(request.steps)
        begin = begin_steps(request, self.adapter.space, len(schedule))
        weights = prepared.weights.float().expand(-1, begin.shape[0], -1, -1).cpu().numpy()
        first: tuple[int, int, int] | None = None
        while True:
            tiling = self._tiling(begin.shape)  # type: ignore[arg-type]
            plan = plan_tiles(begin, weights, len(schedule), tiling)
            noise = torch.from_numpy(noise_latents(request.noise, request, self.adapter.space, "initial"))
            tiles = Tiles(plan, prepared.known, prepared.weights, begin, noise.to(prepared.known.device))
            try:
                self._sample(request, prepared, schedule, tiles)
            except torch.OutOfMemoryError:
                first = first or tiling.tile
                if not self._smaller(tiling.tile):
                    raise MachineError(
                        "out of memory with the smallest tile",
                        got=f"{tiling.tile[1]}x{tiling.tile[2]} latents",
                        hint="free the card's memory, or paint on the CPU",
                    ) from None
                continue
            if first is not None:
                t = tiling.tile
                notes.append(
                    f"out of memory: tiles of {first[1]}x{first[2]} latents made {t[1]}x{t[2]} for the whole shot"
                )
            return tiles.latents, plan

    def _sample(self, request: PaintRequest, prepared: Prepared, schedule: Schedule, tiles: Tiles) -> None:
        plan, total = tiles.plan, len(schedule)
        tiles.start(schedule, plan.start_step)
        for number in range(plan.start_step, total):
            for jobs in plan.batches(number, self.options.batch or 4):
                self._denoise(prepared, schedule, tiles, jobs, number)
            tiles.step(schedule, number, self._fresh(request, schedule, number))
            if self.options.progress is not None:
                self.options.progress(number + 1, total)

    def _fresh(self, request: PaintRequest, schedule: Schedule, number: int) -> Tensor | None:
        if schedule.noise[number] == 0:
            return None
        noise = noise_latents(request.noise, request, self.adapter.space, f"step {number}")
        return torch.from_numpy(noise).to(self.adapter.device)

    def _denoise(self, prepared: Prepared, schedule: Schedule, tiles: Tiles, jobs: range, number: int) -> None:
        plan, device = tiles.plan, self.adapter.device
        if self.options.fault is not None:
            self.options.fault((len(jobs), plan.tile[1], plan.tile[2]))
        latents = tiles.new_batch(len(jobs), self.adapter.dtype)
        tiles.gather(jobs, float(schedule.scale_in[number]), latents)
        batch = TileBatch(
            latents=latents,
            canvases=tiles.cut(prepared.canvases, jobs),
            text=plan.jobs[jobs.start].text,
            timestep=torch.full((len(jobs),), float(schedule.timestep[number]), device=device),
            origin=tiles.origins(jobs),
            size=(plan.rows.length, plan.columns.length),
        )
        tiles.put(jobs, self.adapter.denoise(batch))

    def _record(self, plan: TilePlan) -> dict[str, int | str]:
        (nt, nr, nc), (t, h, w) = plan.grid, plan.tile
        return {"tile": f"{t}x{h}x{w}", "grid": f"{nt}x{nr}x{nc}", "texts": plan.texts, "jobs": len(plan.jobs)}

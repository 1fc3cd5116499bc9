"""The engine: a request in, a painting out, over whatever adapter. It owns the loop (tiles, blend, sampler's step), so that
every family is tiled, seeded and masked alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from composer.errors import InputError, MachineError
from composer.inference.adapter import Adapter, Prepared
from composer.inference.graphs import ATTENTION, Denoiser
from composer.inference.hold import silhouettes
from composer.inference.memory import LiveBytes, TileCost, cost_of, download, free_bytes, peak_of
from composer.inference.padding import begin_steps, pad_request
from composer.inference.plan import TilePlan, Tiling, plan_tiles
from composer.inference.request import Painting, PaintRequest
from composer.inference.roi import region_of
from composer.inference.sampling import Fault, NoiseAhead, Progress, Sampling, noise_ahead
from composer.inference.tiles import Tiles
from composer.inference.vae import BAND_BYTES, banded
from composer.inference.varied import varied_of

#: Tiles at once where memory allows more: beyond these a batch gains nothing.
MOST_CPU, MOST_CUDA = 4, 16
#: Share of the free memory that the conditions' tiles may keep.
_KEEP = 0.25
_LEAST_BAND = 1 << 20

Done = TypeVar("Done")


@dataclass(frozen=True)
class EngineOptions:
    """How to paint. All of it changes the picture within rounding only, but for `tile`, `whole` and `overlap`.

    tile: (h, w) in latents; None: the family's native size. whole: one tile as large as the picture. overlap: of
    neighbours, share of a tile's side. batch: tiles that the network takes at once; None: by memory. memory_bytes: the most
    that may be used, on the CPU for a request's tensors, on CUDA with the weights; None: what is free. band_bytes: of a
    codec's layer at once. graphs: CUDA graphs of the denoising step. compiled: torch.compile. attention: 'flash', 'cudnn',
    'efficient' or 'math'; None: torch chooses. measure: count bytes on the CPU too (slower).

    progress: called with (steps done, steps of all) after each step; what it raises ends the painting.
    fault: called before each batch with its (B, h, w), for tests: it may raise torch.OutOfMemoryError.
    """

    tile: tuple[int, int] | None = None
    whole: bool = False
    overlap: float = 0.25
    batch: int | None = None
    memory_bytes: int | None = None
    band_bytes: int = BAND_BYTES
    graphs: bool = True
    compiled: bool = False
    attention: str | None = None
    measure: bool = False
    progress: Progress | None = None
    fault: Fault | None = None


class Engine:
    """Paints requests with one adapter. It keeps what it learned of the device (tile and batch) for the whole shot."""

    def __init__(self, adapter: Adapter, options: EngineOptions | None = None) -> None:
        self.adapter, self.options = adapter, options or EngineOptions()
        _check(self.options)
        self._denoiser = Denoiser(adapter, self.options.graphs, self.options.compiled, self.options.attention)
        self._band = self.options.band_bytes
        self._most: tuple[int, int] | None = None  # the largest tile that memory allowed
        self._batch: dict[tuple[int, int, int], int] = {}
        self._forecast: dict[tuple[int, int, int], int] = {}
        self._decode_forecast: dict[tuple[int, ...], int] = {}

    @property
    def limit(self) -> tuple[int, int] | None:
        """The largest tile that is taken, (h, w) in latents: what memory allowed, or what it is set to before a picture;
        None: as large as the family's own."""
        return self._most

    @limit.setter
    def limit(self, most: tuple[int, int] | None) -> None:
        self._most = most

    @torch.no_grad()
    def paint(self, request: PaintRequest) -> Painting:
        """Paint a frame, or a window of frames for a video model."""
        device, cuda = self.adapter.device, self.adapter.device.type == "cuda"
        if cuda:
            torch.cuda.reset_peak_memory_stats(device)
        space = self.adapter.space
        region = None if self.options.whole else region_of(request, space)
        with LiveBytes() if self.options.measure and not cuda else nullcontext() as live:
            painting = self._paint(request if region is None else region.of(request, space.factor), live)
        peak = torch.cuda.max_memory_allocated(device) if cuda else live.peak if live is not None else 0
        painting = replace(painting, peak_bytes=peak)
        if region is None:
            return painting
        tiles = region.record(painting.tiles, request.size, space.factor)
        return replace(painting, rgb=region.into(request.guide, painting.rgb), tiles=tiles)

    def _paint(self, request: PaintRequest, live: LiveBytes | None) -> Painting:
        clock, notes = time.perf_counter, list(self.adapter.notes())
        stages, began = dict[str, float](), clock()

        def stage(name: str) -> None:
            nonlocal began
            stages[name], began = clock() - began, clock()

        padded = pad_request(request, self.adapter.space)
        with noise_ahead(padded, self.adapter.space, self.adapter.device) as noise:
            prepared = self._banded(lambda: self.adapter.prepare(padded), notes)
            stage("prepare")
            self._denoiser.new_request(len(prepared.weights) * (1 + prepared.states))
            latents, plan, batch = self._sample(padded, prepared, noise, live, notes)
            stage("denoise")
        dropped = prepared.dropped
        del prepared
        if self.options.measure or self.adapter.device.type == "cuda":
            self._forecast_decode(latents, plan, live)
        pictures = self._banded(lambda: self.adapter.codec().decode(latents[None]), notes)
        (h, w), t = request.size, len(request.frames)
        rgb = download(pictures[0, :, :t, :h, :w].permute(1, 2, 3, 0))
        stage("decode")
        notes += self._denoiser.take_notes()
        return Painting(rgb, dropped, tuple(notes), self._record(plan, batch), stages)

    # ---- the plan

    def _tiling(self, canvas: tuple[int, int, int]) -> Tiling:
        """For latents [T', h, w]."""
        space, options = self.adapter.space, self.options
        m = space.multiple
        tile = canvas[1:] if options.whole else (options.tile or space.native)
        if self._most is not None:
            tile = (min(tile[0], self._most[0]), min(tile[1], self._most[1]))
        sides = [min(max(-(-side // m) * m, self._least()), full) for side, full in zip(tile, canvas[1:], strict=True)]
        frames = min(canvas[0], 1 + (space.frames - 1) // space.time_factor)
        overlap = [int(side * options.overlap) for side in (frames, *sides)]
        return Tiling((frames, sides[0], sides[1]), (overlap[0], overlap[1], overlap[2]), m, space.halo)

    def _least(self) -> int:
        """The smallest side that still leaves something between two halos."""
        m, halo = self.adapter.space.multiple, self.adapter.space.halo or 0
        return -(-(2 * halo + m) // m) * m

    def _smaller(self, tile: tuple[int, int, int]) -> None:
        """Half the tile for the rest of the shot; MachineError where that makes no tile any more."""
        m, least = self.adapter.space.multiple, self._least()
        sides = [min(side, max(least, side // 2 // m * m)) for side in tile[1:]]
        if (sides[0], sides[1]) == tile[1:]:
            raise MachineError(
                "out of memory with the smallest tile",
                got=f"{tile[1]}x{tile[2]} latents",
                hint="free memory on the device, or paint on the CPU",
            )
        self._most = (sides[0], sides[1])

    # ---- sampling

    def _sample(
        self, request: PaintRequest, prepared: Prepared, noise: NoiseAhead, live: LiveBytes | None, notes: list[str]
    ) -> tuple[Tensor, TilePlan, int]:
        """The painted latents, the plan and the batch. Where memory runs out, again with a smaller batch, then with smaller
        tiles; both then stay for the whole shot."""
        space = self.adapter.space
        mixes = 0 < prepared.states <= request.steps - 2
        edges = silhouettes(request, space).to(self.adapter.device) if space.hold > 0 or mixes else None
        fewer = request.steps - prepared.states
        varied = varied_of(request, space, fewer, edges) if mixes and edges is not None else None
        schedule = self.adapter.schedule(request.steps if varied is None else fewer)
        begin = begin_steps(request, space, len(schedule))
        weights = prepared.weights.float().expand(-1, begin.shape[0], -1, -1).cpu().numpy()
        start_noise = noise.take("initial")
        first: str | None = None
        while True:
            tiling = self._tiling((begin.shape[0], begin.shape[1], begin.shape[2]))
            plan = plan_tiles(begin, weights, len(schedule), tiling)
            size = f"{tiling.tile[1]}x{tiling.tile[2]}"
            batch = 0
            try:
                tiles = Tiles(plan, prepared.known, prepared.weights, begin, start_noise)
                room = free_bytes(self.adapter.device, self.options.memory_bytes)
                keep = int(_KEEP * room)
                sampling = Sampling(self.adapter, prepared, schedule, tiles, self._denoiser, keep, edges, varied)
                batch = self._batch_of(plan, sampling, live)
                if batch or not plan.jobs:
                    sampling.run(noise, max(1, batch), self.options.progress, self.options.fault)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                self._release()
            else:
                if batch or not plan.jobs:
                    if first is not None:
                        notes.append(
                            f"out of memory: tiles of {first} made {size}, {batch} at once, for the whole shot"
                        )
                    return tiles.latents, plan, batch
            first = first or f"{size} latents"
            if batch > 1:
                self._batch[tiling.tile] = batch // 2
            else:
                self._smaller(tiling.tile)

    def _batch_of(self, plan: TilePlan, sampling: Sampling, live: LiveBytes | None) -> int:
        """Tiles at once, from the measured bytes of a tile and the free memory; 0 where not even one fits. It is found once a
        shot for each size of tile."""
        if not plan.jobs:
            return 0
        device, options = self.adapter.device, self.options
        most = options.batch or (MOST_CUDA if device.type == "cuda" else MOST_CPU)
        if plan.tile not in self._batch:
            same = sum(job.text == plan.jobs[0].text for job in plan.jobs)
            if options.fault is not None:
                options.fault((1, plan.tile[1], plan.tile[2]))
            cost = cost_of(lambda b: sampling.denoise(range(b), plan.start_step), device, same)
            sampling.forget()
            taken = live.live if live is not None else 0
            self._denoiser.drop()
            room = free_bytes(device, options.memory_bytes) - taken
            self._batch[plan.tile] = cost.batch_within(room, most)
            self._forecast[plan.tile] = self._forecast_of(cost, plan, taken, sampling.kept_bytes)
        return self._batch[plan.tile]

    def _forecast_of(self, cost: TileCost, plan: TilePlan, taken: int, kept: int) -> int:
        """The peak to expect of the denoising. kept: the conditions' tiles of all jobs, of which the batch's own are already
        in its cost."""
        batch = max((len(b) for b in plan.batches(plan.steps, max(1, self._batch[plan.tile]))), default=1)
        device = self.adapter.device
        resident = torch.cuda.memory_allocated(device) if device.type == "cuda" else taken
        return resident + cost.of(batch) + kept * (len(plan.jobs) - batch) // len(plan.jobs)

    def _forecast_decode(self, latents: Tensor, plan: TilePlan, live: LiveBytes | None) -> None:
        """The peak to expect of decoding: that of a sixteenth of the picture, in bands of a sixteenth, times sixteen."""
        device, key = self.adapter.device, tuple(latents.shape)
        if key not in self._decode_forecast:
            m = self.adapter.space.multiple
            h, w = (max(m, side // 4 // m * m) for side in latents.shape[-2:])
            part = latents[None, ..., :h, :w].contiguous()
            with banded(self.adapter.codec(), max(1, self._band // 16)), peak_of(device) as peak:
                self.adapter.codec().decode(part)
            scale = latents.shape[-2] * latents.shape[-1] / (h * w)
            resident = torch.cuda.memory_allocated(device) if device.type == "cuda" else live.live if live else 0
            self._decode_forecast[key] = resident + int(peak.bytes * scale)
        self._forecast[plan.tile] = max(self._forecast.get(plan.tile, 0), self._decode_forecast[key])

    # ---- memory

    def _banded(self, work: Callable[[], Done], notes: list[str]) -> Done:
        """Codec's work by bands; thinner ones for the rest of the shot where memory runs out."""
        while True:
            try:
                with banded(self.adapter.codec(), self._band):
                    return work()
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                if self._band <= _LEAST_BAND:
                    raise MachineError(
                        "out of memory in the codec", hint="free memory on the device, or paint on the CPU"
                    ) from None
            self._band = max(_LEAST_BAND, self._band // 8)
            self._release()
            notes.append(f"out of memory: the codec works in bands of {self._band >> 20} MB for the whole shot")

    def _release(self) -> None:
        """After running out of memory."""
        self._denoiser.drop()
        gc.collect()
        if self.adapter.device.type == "cuda":
            torch.cuda.empty_cache()

    def _record(self, plan: TilePlan, batch: int) -> dict[str, int | str]:
        (nt, nr, nc), (t, h, w) = plan.grid, plan.tile
        record: dict[str, int | str] = {
            "tile": f"{t}x{h}x{w}", "grid": f"{nt}x{nr}x{nc}", "canvas": f"{plan.rows.length}x{plan.columns.length}",
            "texts": plan.texts, "jobs": len(plan.jobs), "batch": batch, "start_step": plan.start_step,
            "dtype": str(self.adapter.dtype).removeprefix("torch."), "smaller": int(self._most is not None),
            "row_starts": " ".join(map(str, plan.rows.starts)), "column_starts": " ".join(map(str, plan.columns.starts)),
        }  # fmt: skip
        if plan.tile in self._forecast:
            record["forecast_bytes"] = self._forecast[plan.tile]
        return record


def _out_of_memory(error: Exception) -> bool:
    """CUDA has an error of its own; the CPU's allocator says it in words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _check(options: EngineOptions) -> None:
    if not 0 <= options.overlap <= 0.5:
        raise InputError("tiles' overlap", expected="0 to 0.5 of a side", got=str(options.overlap))
    if options.attention is not None and options.attention not in ATTENTION:
        raise InputError("attention backend", expected=", ".join(ATTENTION), got=options.attention)
    if options.batch is not None and options.batch < 1:
        raise InputError("tiles at once", expected="1 or more", got=str(options.batch))

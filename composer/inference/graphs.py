"""The network's call: as it is, compiled, or on CUDA as a captured graph that is replayed at later steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from composer.inference.adapter import Adapter, TileBatch

#: Attention backends by name; torch takes the first of them that can run.
ATTENTION = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
_Key = tuple[object, ...]


@dataclass(frozen=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    batch: TileBatch
    out: Tensor


class Denoiser:
    """Calls `adapter.denoise`.

    A graph reads where it read at capture: latents, time steps, places and conditions are copied there before each replay.
    What else the work depends on is in its key (`Adapter.stage`, `Adapter.work_key`), so that a graph serves all places, all
    steps of a stage and, while the key stays the same, all requests of a shot.
    """

    def __init__(self, adapter: Adapter, graphs: bool, compiled: bool, attention: str | None) -> None:
        self._adapter = adapter
        self._call: Callable[[TileBatch], Tensor] = adapter.denoise
        if compiled:
            self._call = torch.compile(adapter.denoise, dynamic=False)
        self._graphs = graphs and adapter.device.type == "cuda"
        self._attention = attention
        self._ready: dict[_Key, _Captured] = {}
        self._warm: set[_Key] = set()
        self._pool: object | None = None
        self._notes: list[str] = []

    def new_request(self, texts: int) -> None:
        """Graphs that none of the new request's texts can use go. texts: their number."""
        good = {self._adapter.work_key(text) for text in range(texts)}
        self._ready = {key: graph for key, graph in self._ready.items() if key[-1] in good}
        self._warm = {key for key in self._warm if key[-1] in good}
        if not self._ready:
            self._pool = None

    def drop(self) -> None:
        """All graphs and their memory go."""
        self._ready.clear()
        self._warm.clear()
        self._pool = None

    def take_notes(self) -> list[str]:
        """What is to be said once."""
        said, self._notes = self._notes, []
        return said

    @contextmanager
    def _backend(self) -> Iterator[None]:
        names = [self._attention, "math"] if self._attention else []
        with sdpa_kernel([ATTENTION[n] for n in names]) if names else nullcontext():
            yield

    def _key(self, batch: TileBatch) -> _Key:
        """All that a graph cannot be told anew; `work_key` last."""
        shapes = (tuple(batch.latents.shape), *((n, tuple(c.shape)) for n, c in sorted(batch.canvases.items())))
        stage = self._adapter.stage(batch.host_timestep)
        return (batch.text, batch.size, shapes, stage, self._adapter.work_key(batch.text))

    def __call__(self, batch: TileBatch) -> Tensor:
        """The prediction for a batch; valid until the next call."""
        with self._backend():
            if not self._graphs:
                return self._call(batch)
            key = self._key(batch)
            if key in self._ready:
                return self._replay(self._ready[key], batch)
            if key in self._warm:
                return self._capture(key, batch)
            self._warm.add(key)
            return self._call(batch)

    def _replay(self, kept: _Captured, batch: TileBatch) -> Tensor:
        kept.batch.latents.copy_(batch.latents)
        kept.batch.timestep.copy_(batch.timestep)
        kept.batch.places.copy_(batch.places)
        for name, canvas in batch.canvases.items():
            kept.batch.canvases[name].copy_(canvas)
        kept.graph.replay()
        return kept.out

    def _capture(self, key: _Key, batch: TileBatch) -> Tensor:
        """Capture on a stream of its own. Not by torch.cuda.graph(), which empties the allocator's cache each time."""
        device = self._adapter.device
        own = replace(
            batch,
            latents=batch.latents.clone(),
            timestep=batch.timestep.clone(),
            places=batch.places.clone(),
            canvases={name: canvas.clone() for name, canvas in batch.canvases.items()},
        )
        try:
            graph, out = self._recorded(own)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._graphs = False
            self._notes.append(f"no CUDA graphs: the network cannot be captured ({str(error).splitlines()[0]})")
            torch.cuda.synchronize(device)
            return self._call(batch)
        self._ready[key] = _Captured(graph, own, out)
        return self._replay(self._ready[key], batch)

    def _recorded(self, batch: TileBatch) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        device = self._adapter.device
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
        torch.cuda.synchronize(device)
        with torch.cuda.stream(stream):
            graph.capture_begin(pool=self._pool)  # type: ignore[arg-type]
            try:
                out = self._call(batch)
            finally:
                graph.capture_end()
        return graph, out

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
#: A capture costs about one call: worth it from so many replays on.
_WORTH = 3

_Key = tuple[object, ...]


@dataclass(frozen=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    batch: TileBatch
    out: Tensor


class Denoiser:
    """Calls `adapter.denoise`.

    A graph reads where it read at capture: latents, time steps and conditions are copied there before each replay. An
    adapter with `work_key()` keeps its texts in place, and says by the key (and by `stage(timestep)`) what else the
    work depends on: its graphs serve the whole shot and all places. Of any other adapter they serve one request and one batch
    of its plan.
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

    @property
    def _lasting(self) -> bool:
        return hasattr(self._adapter, "work_key")

    def new_request(self) -> None:
        """The last request's graphs go, unless the adapter keeps them good."""
        if not self._lasting:
            self.drop()

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

    def _key(self, batch: TileBatch, timestep: float) -> _Key:
        shapes = (tuple(batch.latents.shape), *(tuple(c.shape) for c in batch.canvases.values()))
        if not self._lasting:
            return (batch.text, batch.origin.tobytes(), shapes)
        adapter = self._adapter
        stage = adapter.stage(timestep) if hasattr(adapter, "stage") else 0
        return (batch.text, batch.size, shapes, stage, adapter.work_key())  # type: ignore[attr-defined]

    def __call__(self, batch: TileBatch, timestep: float, steps_left: int) -> Tensor:
        """The prediction for a batch; valid until the next call. steps_left: how often this batch will still come."""
        with self._backend():
            if not self._graphs:
                return self._call(batch)
            key = self._key(batch, timestep)
            if key in self._ready:
                return self._replay(self._ready[key], batch)
            if key in self._warm and (self._lasting or steps_left >= _WORTH):
                return self._capture(key, batch)
            self._warm.add(key)
            return self._call(batch)

    def _replay(self, kept: _Captured, batch: TileBatch) -> Tensor:
        kept.batch.latents.copy_(batch.latents)
        kept.batch.timestep.copy_(batch.timestep)
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
            canvases={name: canvas.clone() for name, canvas in batch.canvases.items()},
        )
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
        torch.cuda.synchronize(device)
        try:
            with torch.cuda.stream(stream):
                graph.capture_begin(pool=self._pool)  # type: ignore[arg-type]
                try:
                    out = self._call(own)
                finally:
                    graph.capture_end()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._graphs = False
            self._notes.append(f"no CUDA graphs: the network cannot be captured ({str(error).splitlines()[0]})")
            torch.cuda.synchronize(device)
            return self._call(batch)
        self._ready[key] = _Captured(graph, own, out)
        return self._replay(self._ready[key], batch)

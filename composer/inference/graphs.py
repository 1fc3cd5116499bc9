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

_Key = tuple[int, bytes, tuple[int, ...]]


@dataclass(frozen=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    batch: TileBatch
    out: Tensor


class Denoiser:
    """Calls `adapter.denoise`. Graphs are kept for one request: its conditions and texts lie where they lay at capture.

    A graph belongs to one batch of the plan (text, places and shape), whose conditions stay in place from step to step; latents
    and time steps are copied in. notes: why graphs were not used, where they were wanted.
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
        self.notes: list[str] = []

    def forget(self) -> None:
        """A new request: nothing of the last one's graphs is valid."""
        self._ready.clear()
        self._warm.clear()
        self._pool = None

    def take_notes(self) -> list[str]:
        """What is to be said once."""
        said, self.notes = self.notes, []
        return said

    @contextmanager
    def _backend(self) -> Iterator[None]:
        names = [self._attention, "math"] if self._attention else []
        with sdpa_kernel([ATTENTION[n] for n in names if n]) if names else nullcontext():
            yield

    def __call__(self, batch: TileBatch, steps_left: int) -> Tensor:
        """The prediction for a batch; valid until the next call. steps_left: how often this batch will still come."""
        with self._backend():
            if not self._graphs:
                return self._call(batch)
            key = (batch.text, batch.origin.tobytes(), tuple(batch.latents.shape))
            if key in self._ready:
                return self._replay(self._ready[key], batch)
            if key in self._warm and steps_left >= _WORTH:
                return self._capture(key, batch)
            self._warm.add(key)
            return self._call(batch)

    def _replay(self, kept: _Captured, batch: TileBatch) -> Tensor:
        kept.batch.latents.copy_(batch.latents)
        kept.batch.timestep.copy_(batch.timestep)
        kept.graph.replay()
        return kept.out

    def _capture(self, key: _Key, batch: TileBatch) -> Tensor:
        """Capture on a stream of its own. Not by torch.cuda.graph(), which empties the allocator's cache each time."""
        device = self._adapter.device
        own = replace(batch, latents=batch.latents.clone(), timestep=batch.timestep.clone())
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
            self.notes.append(f"no CUDA graphs: the network cannot be captured ({str(error).splitlines()[0]})")
            torch.cuda.synchronize(device)
            return self._call(batch)
        self._ready[key] = _Captured(graph, own, out)
        return self._replay(self._ready[key], batch)

"""What a tile costs and what the device has: measured, not guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: Share of the free memory that a plan may take: the rest is fragmentation and the libraries' own work space.
SHARE = 0.9


class LiveBytes(TorchDispatchMode):
    """Bytes of the tensors made inside and still alive (`live`); `peak`, the most at once. Work space inside a library is
    not seen."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._see(leaf, counts=False)  # it was there before: its views are nothing new
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf, counts=True)
        self.peak = max(self.peak, self.live)
        return out

    def _see(self, tensor: Tensor, counts: bool) -> None:
        if tensor.layout != torch.strided:
            return  # packed for a library: no storage to ask
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._seen or self._seen[key][0].expired():
            self._seen[key] = (StorageWeakRef(storage), storage.nbytes() if counts else 0)

    @property
    def live(self) -> int:
        """Alive now."""
        self._seen = {k: v for k, v in self._seen.items() if not v[0].expired()}
        return sum(size for _, size in self._seen.values())


@dataclass
class Peak:
    """The most bytes alive at once while a block ran, beyond those before it."""

    bytes: int = 0


@contextmanager
def peak_of(device: torch.device) -> Iterator[Peak]:
    """Measure a block. On CUDA the allocator's own count; on the CPU the tensors made inside."""
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        torch.cuda.synchronize(device)
        peak.bytes = torch.cuda.max_memory_allocated(device) - before
    else:
        with LiveBytes() as live:
            yield peak
        peak.bytes = live.peak


def free_bytes(device: torch.device, limit: int | None) -> int:
    """What may still be taken: the card's free memory with what torch holds unused, or the machine's; at most `limit`."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        room = free + held
        if limit is not None:
            room = min(room, limit - torch.cuda.memory_allocated(device))
        return room
    return min(v for v in (_available(), limit) if v is not None)


def _available() -> int:
    info = Path("/proc/meminfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 1 << 62


@dataclass(frozen=True)
class TileCost:
    """Measured bytes of a batch: fixed + per_tile * B."""

    fixed: int
    per_tile: int

    def of(self, batch: int) -> int:
        return self.fixed + self.per_tile * batch

    def batch_within(self, room: int, most: int) -> int:
        """The largest batch of at most `most` tiles that fits; 0 if none does."""
        fits = (int(room * SHARE) - self.fixed) // max(1, self.per_tile)
        return max(0, min(most, fits))


def cost_of(run: Callable[[int], object], device: torch.device, tiles: int) -> TileCost:
    """Probe: `run(B)` denoises B tiles. One tile, then two where there are two, give the fixed part and that of a tile."""
    one = _probe(run, device, 1)
    if tiles < 2 or device.type == "cpu":
        return TileCost(0, one)
    per_tile = max(1, _probe(run, device, 2) - one)
    return TileCost(max(0, one - per_tile), per_tile)


def _probe(run: Callable[[int], object], device: torch.device, batch: int) -> int:
    # the first run of a shape also sets up libraries; the second one is what every later batch costs
    if device.type == "cuda":
        run(batch)
    with peak_of(device) as peak:
        run(batch)
    return peak.bytes


def upload(data: NDArray[np.float32], device: torch.device) -> Tensor:
    """To the device; on CUDA through pinned memory, so that the copy runs beside the kernels."""
    host = torch.from_numpy(data)
    if device.type != "cuda":
        return host
    return host.pin_memory().to(device, non_blocking=True)


def download(tensor: Tensor) -> NDArray[np.float32]:
    """float32, C-contiguous, on the host."""
    tensor = tensor.float().contiguous()
    if tensor.device.type != "cuda":
        return tensor.numpy()
    host = torch.empty(tensor.shape, dtype=torch.float32, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensor.device).synchronize()
    return host.numpy()

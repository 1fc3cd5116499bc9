"""Small bridges between numpy and Warp, and the pool of threads that the CPU back end needs (a launch uses one
thread)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import ModuleType
from typing import TypeVar

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.guides.kernel_view import Eye, Grid2
from composer.guides.lens_table import Grid, LensTables

Job = TypeVar("Job")


_loaded: set[tuple[str, str]] = set()
_load_lock = Lock()


def load_kernels(device: str, *modules: ModuleType) -> None:
    """Compile or fetch the kernels of these modules once, in one thread (two at a time would compile twice)."""
    with _load_lock:
        for module in modules:
            if (module.__name__, device) not in _loaded:
                wp.load_module(module, device=device)
                _loaded.add((module.__name__, device))


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def upload(data: NDArray, dtype: object, device: str) -> wp.array:  # type: ignore[type-arg]
    """`data` for kernels: shared without a copy on the CPU, copied to CUDA."""
    return wp.array(np.ascontiguousarray(data), dtype=dtype, device=device, copy=device != "cpu")


def empty(shape: tuple[int, ...], dtype: type, device: str) -> wp.array:
    """A large array for kernels, uninitialised; on the CPU in numpy's memory, which asks for large pages."""
    if device != "cpu":
        return wp.empty(shape, dtype=dtype, device=device)
    tail, scalar = getattr(dtype, "_shape_", ()), getattr(dtype, "_wp_scalar_type_", dtype)
    return upload(np.empty((*shape, *tail), wp.dtype_to_numpy(scalar)), dtype, device)


def zeros(shape: tuple[int, ...], dtype: type, device: str) -> wp.array:
    """The same, all zero."""
    if device != "cpu":
        return wp.zeros(shape, dtype=dtype, device=device)
    tail, scalar = getattr(dtype, "_shape_", ()), getattr(dtype, "_wp_scalar_type_", dtype)
    return upload(np.zeros((*shape, *tail), wp.dtype_to_numpy(scalar)), dtype, device)


def lanes(device: str) -> int:
    """Threads that share one agent: the CPU back end runs them one after the other, so one; CUDA wants many."""
    return 1 if device == "cpu" else 128


class Pool:
    """Runs jobs on `threads` threads of this process; on CUDA one after the other."""

    def __init__(self, device: str, threads: int | None) -> None:
        self.threads = 1 if device != "cpu" else max(1, threads if threads is not None else min(cores(), 16))
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def run(self, work: Callable[[Job], None], jobs: Iterable[Job]) -> None:
        """Do all the jobs; the first exception is raised."""
        if self._pool is None:
            for job in jobs:
                work(job)
        else:
            for done in [self._pool.submit(work, job) for job in jobs]:
                done.result()

    def split(self, n: int, least: int = 64) -> list[tuple[int, int]]:
        """n items as ranges for the threads, a few for each so that they even out."""
        parts = 1 if self.threads == 1 else max(1, min(4 * self.threads, n // least))
        edges = np.linspace(0, n, parts + 1).astype(int)
        return [(int(a), int(b)) for a, b in itertools.pairwise(edges) if b > a]

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def _grid(grid: Grid | None, device: str) -> Grid2:
    g = Grid2()
    if grid is None:
        g.value = wp.zeros((1, 1), dtype=wp.vec2, device=device)
        g.on = 0
        return g
    g.value = upload(grid.value, wp.vec2, device)
    g.on = 1
    g.x0, g.y0 = grid.origin
    g.inv_dx, g.inv_dy = 1.0 / grid.step[0], 1.0 / grid.step[1]
    return g


def eye_of(view: View, tables: LensTables, origin_m: NDArray[np.float64], device: str) -> Eye:
    """The view for kernels; positions are relative to `origin_m` (world)."""
    eye = Eye()
    m = view.camera_from_world
    shift = m[:3, :3] @ origin_m + m[:3, 3]
    eye.row_x, eye.row_y, eye.row_z = (wp.vec3(*(float(v) for v in row)) for row in m[:3, :3])
    eye.shift = wp.vec3(*(float(v) for v in shift))
    eye.fx, eye.fy = (float(v) for v in view.focal_px)
    eye.cx, eye.cy = (float(v) for v in view.centre_px)
    eye.forward = _grid(tables.forward, device)
    eye.inverse = _grid(tables.inverse, device)
    return eye

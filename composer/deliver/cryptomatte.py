"""Cryptomatte 1.2: which object covers how much of a pixel, as colours that any compositing program can pick.

Source: Friedman and Jones, "Fully automatic ID mattes with support for motion blur and transparency" (Psyop, 2015), and
the Cryptomatte specification 1.2.0: MurmurHash3_32 of the UTF-8 name, read as a float32 whose exponent is never all 0
or all 1; channels `R G B A` of a level hold id, coverage, id, coverage in falling order of coverage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import mmh3
import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.deliver import kernel_crypto
from composer.deliver.kernel_crypto import extent_kernel, level_kernel, place_kernel
from composer.guides.device import Pool, load_kernels, upload
from composer.guides.passes import F32, Samples
from composer.io.window import Window

U32 = NDArray[np.uint32]


@lru_cache(maxsize=1 << 20)
def name_hash(name: str) -> int:
    """The 32-bit id of a name, as an unsigned integer whose bits are a normal float32."""
    bits = mmh3.hash(name, 0, signed=False)
    exponent = (bits >> 23) & 0xFF
    return bits ^ (1 << 23) if exponent in (0, 255) else bits


def hash_floats(names: list[str]) -> F32:
    """The ids of `names` as float32 [N]."""
    return np.array([name_hash(n) for n in names], dtype=np.uint32).view(np.float32)


def metadata(layer: str, names: list[str]) -> dict[str, str]:
    """The EXR attributes of one Cryptomatte layer, manifest included."""
    key = f"cryptomatte/{name_hash(layer):08x}"[: len("cryptomatte/") + 7]
    manifest = {n: f"{name_hash(n):08x}" for n in sorted(names)}
    return {
        f"{key}/name": layer,
        f"{key}/hash": "MurmurHash3_32",
        f"{key}/conversion": "uint32_to_float32",
        f"{key}/manifest": json.dumps(manifest, separators=(",", ":"), ensure_ascii=True),
    }


@dataclass(frozen=True)
class Shares:
    """What is in each pixel, in CSR form: pixel p (row-major) owns entries start[p]:start[p + 1].

    start: int64 [H * W + 1]. thing: int32 [E], its number. coverage: float32 [E]; those of one thing in a pixel add up.
    grouped: things are groups of agents.
    """

    start: NDArray[np.int64]
    thing: NDArray[np.int32]
    coverage: F32
    grouped: bool = False


def by_agent(samples: Samples, agents: U32) -> Shares:
    """Things are the places in `agents`: uint32 [K], ascending, everybody in `samples`."""
    thing = np.zeros(len(samples.agent_id), np.int32)
    inputs = [
        upload(agents, wp.uint32, "cpu"),
        upload(samples.agent_id, wp.uint32, "cpu"),
        upload(thing, wp.int32, "cpu"),
    ]
    _in_rows(len(thing), lambda a, b: wp.launch(place_kernel, dim=b - a, device="cpu", inputs=[a, *inputs]), 4096)
    return Shares(samples.start, thing, samples.coverage)


def by_group(shares: Shares, group: NDArray[np.int64]) -> Shares:
    """The same by what the things belong to: int64 [K], the group of each."""
    return Shares(shares.start, group.astype(np.int32)[shares.thing], shares.coverage, grouped=True)


def levels(shares: Shares, size_px: tuple[int, int], ids: F32, level_count: int = 3) -> list[tuple[Window, list[F32]]]:
    """The pictures of a layer: for each level the window that holds anything and its four planes float32 [h, w], two
    ranks of id and coverage in falling order. What has no rank is dropped; a level that holds nothing is one pixel.

    ids: float32 [K], the hash of each thing.
    """
    width, height = size_px
    kinds = (wp.int64, wp.int32, wp.float32)
    arrays = [upload(a, k, "cpu") for a, k in zip((shares.start, shares.thing, shares.coverage), kinds, strict=True)]
    extent = np.tile(np.array([width, -1], np.int32), (height, level_count, 1))
    reach = upload(extent, wp.int32, "cpu")

    def find(a: int, b: int) -> None:
        wp.launch(extent_kernel, dim=b - a, device="cpu", inputs=[a, width, *arrays, reach])

    _in_rows(height, find)
    colours = upload(ids, wp.float32, "cpu")
    found = []
    for level in range(level_count):
        box = _window(extent[:, level])
        planes = np.zeros((4, box.height, box.width), np.float32)
        inputs = [box.x, box.y, width, level, int(shares.grouped), *arrays, colours, upload(planes, wp.float32, "cpu")]

        def fill(a: int, b: int, inputs: list[object] = inputs, columns: int = box.width) -> None:
            wp.launch(level_kernel, dim=(b - a, columns), device="cpu", inputs=[a, *inputs])

        _in_rows(box.height, fill)
        found.append((box, list(planes)))
    return found


def _window(extent: NDArray[np.int32]) -> Window:
    """extent: int32 [H, 2], first and last column of each row."""
    rows = np.flatnonzero(extent[:, 1] >= extent[:, 0])
    if len(rows) == 0:
        return Window(0, 0, 1, 1)
    left, right = int(extent[rows, 0].min()), int(extent[rows, 1].max())
    return Window(left, int(rows[0]), right - left + 1, int(rows[-1] - rows[0]) + 1)


def _in_rows(n: int, work: Callable[[int, int], None], least: int = 24) -> None:
    """`work(a, b)` for parts of n rows, on the cores there are."""
    load_kernels("cpu", kernel_crypto)
    pool = Pool("cpu", None)
    try:
        pool.run(lambda part: work(*part), pool.split(n, least))
    finally:
        pool.close()

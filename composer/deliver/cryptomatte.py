"""Cryptomatte 1.2: which object covers how much of a pixel, as colours that any compositing program can pick.

Source: Friedman and Jones, "Fully automatic ID mattes with support for motion blur and transparency" (Psyop, 2015), and
the Cryptomatte specification 1.2.0: MurmurHash3_32 of the UTF-8 name, read as a float32 whose exponent is never all 0
or all 1; channels `R G B A` of a level hold id, coverage, id, coverage in falling order of coverage.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import mmh3
import numpy as np
from numpy.typing import NDArray

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

    start: int64 [H * W + 1]. thing: int64 [E], its number. coverage: float32 [E]; a thing is once in a pixel.
    """

    start: NDArray[np.int64]
    thing: NDArray[np.int64]
    coverage: F32


def by_agent(samples: Samples, agents: U32) -> Shares:
    """Things are the places in `agents`: uint32 [K], ascending, everybody in `samples`."""
    return Shares(samples.start, np.searchsorted(agents, samples.agent_id), samples.coverage)


def by_group(shares: Shares, group: NDArray[np.int64]) -> Shares:
    """The same by what the things belong to: int64 [K], the group of each. Coverages of one group add up in a pixel."""
    if len(shares.thing) == 0:
        return shares
    pixel = _pixels(shares.start)
    groups = int(group.max()) + 1
    key, coverage = pixel * groups + group[shares.thing], shares.coverage
    crowded = np.flatnonzero(np.diff(shares.start)[pixel] > 1)
    order = crowded[np.argsort(key[crowded], kind="stable")]
    key[crowded], coverage = key[order], coverage.copy()
    coverage[crowded] = shares.coverage[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    count = np.bincount(key[first] // groups, minlength=len(shares.start) - 1)
    total = np.minimum(np.add.reduceat(coverage, first), np.float32(1))
    return Shares(np.concatenate([[0], np.cumsum(count)]), key[first] % groups, total)


def levels(shares: Shares, size_px: tuple[int, int], ids: F32, level_count: int = 3) -> list[tuple[Window, list[F32]]]:
    """The pictures of a layer: for each level the window that holds anything and its four planes float32 [h, w], two
    ranks of id and coverage in falling order. What has no rank is dropped; a level that holds nothing is one pixel.

    ids: float32 [K], the hash of each thing.
    """
    width, _ = size_px
    count = np.diff(shares.start)
    pixel = _pixels(shares.start)
    thing, coverage = shares.thing, shares.coverage
    crowded = np.flatnonzero(count[pixel] > 1)
    if len(crowded):
        order = crowded[np.lexsort((-coverage[crowded], pixel[crowded]))]
        thing, coverage = thing.copy(), coverage.copy()
        thing[crowded], coverage[crowded] = shares.thing[order], shares.coverage[order]
    rank = np.arange(len(pixel)) - shares.start[pixel]
    y, x = np.divmod(pixel, width)
    found = []
    for level in range(level_count):
        mine = [np.flatnonzero((rank == 2 * level + k) & (coverage > 0)) for k in range(2)]
        first = mine[0]
        box = Window(0, 0, 1, 1)
        if len(first):
            left, top = int(x[first].min()), int(y[first].min())
            box = Window(left, top, int(x[first].max()) - left + 1, int(y[first].max()) - top + 1)
        planes = [np.zeros((box.height, box.width), np.float32) for _ in range(4)]
        for k, entries in enumerate(mine):
            at = (y[entries] - box.y, x[entries] - box.x)
            planes[2 * k][at], planes[2 * k + 1][at] = ids[thing[entries]], coverage[entries]
        found.append((box, planes))
    return found


def _pixels(start: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pixel of each entry."""
    return np.repeat(np.arange(len(start) - 1, dtype=np.int64), np.diff(start))

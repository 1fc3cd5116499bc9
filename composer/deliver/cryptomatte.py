"""Cryptomatte 1.2: which object covers how much of a pixel, as colours that any compositing program can pick.

Source: Friedman and Jones, "Fully automatic ID mattes with support for motion blur and transparency" (Psyop, 2015), and the
Cryptomatte specification 1.2.0: MurmurHash3_32 of the UTF-8 name, read as a float32 whose exponent is never all 0 or all 1;
channels `R G B A` of a level hold id, coverage, id, coverage in falling order of coverage.
"""

from __future__ import annotations

import json
from functools import lru_cache

import mmh3
import numpy as np
from numpy.typing import NDArray

from composer.guides.passes import F32, Samples

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


def levels(samples: Samples, size_px: tuple[int, int], agents: U32, ids: F32, level_count: int = 3) -> list[F32]:
    """`level_count` pictures float32 [H, W, 4], each two ranks of (id, coverage); what has no rank is dropped.

    agents: uint32 [K], ascending, every agent in `samples`; ids: float32 [K], their hashes.
    """
    width, height = size_px
    ranks = 2 * level_count
    count = np.diff(samples.start)
    pixel = np.repeat(np.arange(width * height, dtype=np.int64), count)
    order = np.lexsort((-samples.coverage, pixel)) if count.max(initial=0) > 1 else slice(None)
    coverage, agent = samples.coverage[order], samples.agent_id[order]
    rank = np.arange(len(pixel)) - samples.start[pixel]
    keep = (rank < ranks) & (coverage > 0)
    out = np.zeros((height * width, ranks, 2), dtype=np.float32)
    out[pixel[keep], rank[keep], 0] = ids[np.searchsorted(agents, agent[keep])]
    out[pixel[keep], rank[keep], 1] = coverage[keep]
    out = out.reshape(height, width, level_count, 4)
    return [out[:, :, i] for i in range(level_count)]

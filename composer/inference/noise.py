"""Noise that is locked to the world: `WorldNoise`, and `ScreenNoise` beside it.

The method is integral noise (Chang et al., How I Warped Your Noise, ICLR 2024; Deng et al., Infinite-Resolution Integral
Noise Warping for Diffusion Models, ICLR 2025) without any warping from frame to frame, since the surface behind every
sample is known: space is cut into cells, of the body at rest for an agent, of the world for the ground, of directions for
the sky. A cell has a standard normal value, from a counter-based generator keyed by the shot's seed, the purpose, whose cell
it is and where. A latent is the sum of its cells over the root of their number. Each cell counts for one latent only, the
one that sees most of it, so that latents are independent and of unit variance whatever is seen; a latent without a cell of
its own takes the screen's noise.

Cells are a few pixels large: boxes with sides of powers of two metres, longer along the view where ground is seen flatly.
Values are tied by Haar refinement: a box's normalised sum over its halves is its own value, so that where the camera comes
closer and cells are halved much of the noise stays.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.errors import InputError
from composer.guides.device import Pool, load_kernels, upload
from composer.guides.surface import Surface
from composer.inference import kernel_noise
from composer.inference.kernel_noise import SPLITS, TURNS, Field, gather_kernel, screen_kernel, sum_kernel

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

#: Fixed point: a normal number of 1 in the table, and a weight of 1.
TABLE_ONE, WEIGHT_ONE = 1 << 16, 1 << 14
#: Cells that one latent keeps track of.
MOST_CELLS = 128


@lru_cache(maxsize=1)
def normal_table() -> NDArray[np.int32]:
    """int32 [65536]: the normal distribution's quantiles in equal steps, variance one, times TABLE_ONE."""
    from scipy.special import ndtri

    quantile = ndtri((np.arange(65536) + 0.5) / 65536)
    return np.round(quantile / np.sqrt(np.mean(quantile**2)) * TABLE_ONE).astype(np.int32)


def _weights() -> I64:
    """Of the splits above a cell, nearest first, and of the last box: their squares sum to one. Last, of a cell alone."""
    shares = [2.0 ** -(k + 1) for k in range(int(SPLITS))]
    return np.round(np.sqrt([*shares, shares[-1], 1.0]) * WEIGHT_ONE).astype(np.int64)


def _keys(seed: int, purpose: str, what: str) -> tuple[int, int]:
    """Two 32-bit keys of a shot's seed and what the noise is for."""
    digest = hashlib.blake2b(f"{what}\n{seed}\n{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def _check(channels: int, size: tuple[int, int], factor: int) -> None:
    if channels < 1 or factor < 1 or min(size) < 1 or size[0] * size[1] > 1 << 28:
        raise InputError("noise of that shape is not made", got=f"{channels} channels, {size}, factor {factor}")


def _spread(total: I64, channels: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """[channels, h, w] of [latents, groups, 4]."""
    flat = total.reshape(size[0] * size[1], -1)[:, :channels]
    return flat.T.reshape(channels, *size).astype(np.float64)


@dataclass(frozen=True)
class ScreenNoise:
    """Noise that stays where it is in the picture, in every frame: what world-locked noise is measured against."""

    seed: int
    device: str = "cpu"

    def latents(self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str) -> F32:
        """float32 [channels, h, w]; see `request.NoiseSource`. The same for every frame."""
        _check(channels, size, factor)
        load_kernels(self.device, kernel_noise)
        groups = -(-channels // 4)
        k0, k1 = _keys(self.seed, purpose, "screen")
        table = upload(normal_table(), wp.int32, self.device)
        out = wp.empty((size[0] * size[1], groups), dtype=wp.vec4l, device=self.device)
        inputs = [size[1], wp.uint32(k0), wp.uint32(k1), table, out]
        wp.launch(screen_kernel, dim=(size[0] * size[1], groups), device=self.device, inputs=inputs)
        return (_spread(out.numpy(), channels, size) / TABLE_ONE).astype(np.float32)


@dataclass(frozen=True)
class Owned:
    """Which cells are whose. start: int32 [latents + 1]; sample: int32, for each cell a sample that lies in it."""

    start: NDArray[np.int32]
    sample: NDArray[np.int32]


def cell_bias(factor: int, samples: int) -> int:
    """Eighths of octaves from a pixel's size to twice a cell's: about a quarter of a latent, and two samples or more."""
    side_px = max(factor / 4.0, 2.0 / np.sqrt(samples))
    return round(8 * (np.log2(side_px) + 0.5))


def _field(surface: Surface, factor: int, device: str) -> Field:
    field = Field()
    field.kind = upload(surface.kind.reshape(-1), wp.uint8, device)
    field.agent_id = upload(surface.agent_id.reshape(-1), wp.uint32, device)
    field.place = upload(surface.place_m.reshape(-1, 3), wp.vec3, device)
    field.across = upload(surface.across.reshape(-1), wp.uint8, device)
    field.along = upload(surface.along.reshape(-1), wp.uint8, device)
    field.origin = wp.vec3d(*map(float, surface.origin_m))
    angle = np.arange(int(TURNS)) * np.pi / int(TURNS)
    field.turn = upload(np.stack([np.cos(angle), np.sin(angle)], -1), wp.vec2d, device)
    field.inverse = upload(2.0 ** (32.0 - np.arange(64)), wp.float64, device)
    field.bias = cell_bias(factor, surface.samples)
    field.width, field.height = surface.size_px
    field.samples = surface.samples
    return field


def _gather(
    field: Field, size: tuple[int, int], factor: int, pool: Pool, device: str
) -> tuple[NDArray[np.uint64], I64, NDArray[np.int32]]:
    """Every (cell, latent) pair in the order of latents: key, count << 32 | (latents from the end), a sample."""
    rows, columns = size
    room = min(MOST_CELLS, 1 << int(np.ceil(np.log2(max(2, factor * factor * field.samples)))))
    chunk = max(1, (1 << 21 if device == "cpu" else 1 << 25) // (room * columns))
    starts = range(0, rows, chunk)
    parts: list[tuple[NDArray[np.uint64], I64, NDArray[np.int32]]] = [None] * len(starts)  # type: ignore[list-item]

    def work(n: int) -> None:
        row0 = starts[n]
        count = min(chunk, rows - row0)
        shape = (count * columns, room)
        key = wp.empty(shape, dtype=wp.uint64, device=device)
        seen, first = (wp.empty(shape, dtype=wp.int32, device=device) for _ in range(2))
        inputs = [field, factor, row0, columns, key, seen, first]
        wp.launch(gather_kernel, dim=(count, columns), device=device, inputs=inputs)
        keys = key.numpy().reshape(-1)
        used = np.flatnonzero(keys)
        latent = used // room + row0 * columns
        rank = (seen.numpy().reshape(-1)[used].astype(np.int64) << 32) | (rows * columns - latent)
        parts[n] = keys[used], rank, first.numpy().reshape(-1)[used]

    pool.run(work, range(len(starts)))
    key, rank, sample = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return key, rank, sample


def owned_cells(surface: Surface, size: tuple[int, int], factor: int, device: str, threads: int | None) -> Owned:
    """Give each cell to the latent that sees most of it; of equals, to the first."""
    load_kernels(device, kernel_noise)
    pool = Pool(device, threads)
    try:
        key, rank, sample = _gather(_field(surface, factor, device), size, factor, pool, device)
    finally:
        pool.close()
    order = np.argsort(key)
    ordered = key[order]
    edge = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(key) else np.zeros(0, np.int64)
    best = np.maximum.reduceat(rank[order], edge) if len(key) else rank
    won = np.zeros(len(key), bool)
    won[order] = rank[order] == np.repeat(best, np.diff(np.append(edge, len(key))))
    latents = size[0] * size[1]
    latent = latents - (rank[won] & 0xFFFFFFFF)
    start = np.concatenate([[0], np.cumsum(np.bincount(latent, minlength=latents))]).astype(np.int32)
    return Owned(start, sample[won])


class WorldNoise:
    """Noise that stays on the bodies, on the ground and in the sky. surface_of: frame number to that frame's `Surface`; the
    last few surfaces are kept, and frames may be asked for in any order."""

    def __init__(
        self,
        surface_of: Callable[[int], Surface],
        seed: int,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.surface_of, self.seed, self.device, self.threads = surface_of, seed, device, threads
        self._kept: OrderedDict[tuple[int, tuple[int, int], int], tuple[Field, Surface, Owned]] = OrderedDict()
        self._lock = Lock()

    def latents(self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str) -> F32:
        """float32 [channels, h, w]; see `request.NoiseSource`."""
        _check(channels, size, factor)
        field, owned = self._cells(frame, size, factor)
        groups, latents = -(-channels // 4), size[0] * size[1]
        k0, k1 = _keys(self.seed, purpose, "world")
        table = upload(normal_table(), wp.int32, self.device)
        weight = upload(_weights(), wp.int64, self.device)
        start, sample = (upload(a, wp.int32, self.device) for a in (owned.start, owned.sample))
        out = wp.zeros((latents, groups), dtype=wp.vec4l, device=self.device)
        pool = Pool(self.device, self.threads)

        def work(part: tuple[int, int]) -> None:
            inputs = [field, start, sample, part[0], groups, wp.uint32(k0), wp.uint32(k1), table, weight, out]
            wp.launch(sum_kernel, dim=part[1] - part[0], device=self.device, inputs=inputs)

        try:
            pool.run(work, pool.split(latents, 256))
        finally:
            pool.close()
        count = np.diff(owned.start).reshape(size)
        one = float(TABLE_ONE * WEIGHT_ONE)
        noise = (_spread(out.numpy(), channels, size) / (np.sqrt(np.maximum(count, 1)) * one)).astype(np.float32)
        if (count == 0).any():
            screen = ScreenNoise(self.seed, self.device).latents(frame, channels, size, factor, purpose)
            noise = np.where(count == 0, screen, noise)
        return noise

    def _cells(self, frame: int, size: tuple[int, int], factor: int) -> tuple[Field, Owned]:
        key = (frame, size, factor)
        with self._lock:
            if key not in self._kept:
                surface = self.surface_of(frame)
                owned = owned_cells(surface, size, factor, self.device, self.threads)
                self._kept[key] = (_field(surface, factor, self.device), surface, owned)
                while len(self._kept) > 2:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            field, _, owned = self._kept[key]
        return field, owned

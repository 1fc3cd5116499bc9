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
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.errors import InputError
from composer.guides.device import Pool, load_kernels, upload
from composer.guides.pattern import PATTERNS
from composer.guides.surface import Surface
from composer.inference import kernel_noise
from composer.inference.kernel_noise import (
    SPLITS,
    TURNS,
    Cells,
    Field,
    apply_kernel,
    blend_kernel,
    gather_kernel,
    gram_kernel,
    screen_kernel,
    value_kernel,
)
from composer.inference.request import WHOLE, Part
from composer.inference.smooth import margin, on_bodies, on_screen

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

#: Fixed point: a normal number of 1 in the table, and a weight of 1.
TABLE_ONE, WEIGHT_ONE = 1 << 16, 1 << 14
#: Cells that one latent keeps track of.
MOST_CELLS = 128
#: Latents about those that are asked for, whose cells are shared with theirs or whiten them.
_ABOUT = 6
#: Variance of a latent's sum below which the screen's noise fills up; inside a picture it is 0.66.
LEAST_SELF = 0.6
#: Eigenvalues of the sums' covariance that are whitened; inside a picture they lie in 0.24 .. 1.1.
SPECTRUM, DEGREE = (0.1, 1.35), 10


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

    def latents(
        self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str, part: Part = WHOLE
    ) -> F32:
        """float32 [channels, h, w]; see `request.NoiseSource`. The same for every frame."""
        _check(channels, size, factor)
        load_kernels(self.device, kernel_noise)
        groups = -(-channels // 4)
        k0, k1 = _keys(self.seed, purpose, "screen")
        table = upload(normal_table(), wp.int32, self.device)
        out = wp.empty((size[0] * size[1], groups), dtype=wp.vec4l, device=self.device)
        inputs = [size[1], *part.corner, wp.uint32(k0), wp.uint32(k1), table, out]
        wp.launch(screen_kernel, dim=(size[0] * size[1], groups), device=self.device, inputs=inputs)
        return (_spread(out.numpy(), channels, size) / TABLE_ONE).astype(np.float32)

    def smooth(self, frame: int, count: int, size: tuple[int, int], factor: int, part: Part = WHOLE) -> F32:
        """float32 [count, h, w]; see `request.NoiseSource`. The same for every frame."""
        edge = margin(factor)
        wider = Part((part.corner[0] - edge, part.corner[1] - edge))
        return on_screen(
            self.latents(frame, count, (size[0] + 2 * edge, size[1] + 2 * edge), factor, "smooth", wider), factor
        )


def cell_bias(factor: int, samples: int) -> int:
    """Eighths of octaves from a pixel's size to twice a cell's: about a third of a latent, and of ten samples or so where
    that leaves it below half a latent."""
    side_px = min(factor / 2.0, max(factor / 2.83, 3.0 / np.sqrt(samples)))
    return round(8 * (np.log2(side_px) + 0.5))


def _field(surface: Surface, factor: int, device: str) -> Field:
    field = Field()
    field.kind = upload(surface.kind.reshape(-1), wp.uint8, device)
    field.agent_id = upload(surface.agent_id.reshape(-1), wp.uint32, device)
    field.place = upload(surface.place_m.reshape(-1, 3), wp.vec3, device)
    field.across = upload(surface.across.reshape(-1), wp.uint8, device)
    field.along = upload(surface.along.reshape(-1), wp.uint8, device)
    field.origin = wp.vec3d(*map(float, surface.origin_m))
    angle = np.append(np.arange(int(TURNS)), np.arange(int(TURNS)) + 0.5) * np.pi / int(TURNS)
    field.turn = upload(np.stack([np.cos(angle), np.sin(angle)], -1), wp.vec2d, device)
    field.inverse = upload(2.0 ** (32.0 - np.arange(64)), wp.float64, device)
    field.offset = upload(np.array(PATTERNS[surface.samples], np.int32), wp.vec2i, device)
    field.bias = cell_bias(factor, surface.samples)
    field.width, field.height = surface.size_px
    field.samples = surface.samples
    return field


def _gather(
    field: Field, size: tuple[int, int], factor: int, pool: Pool, device: str, wanted: NDArray[np.uint8]
) -> tuple[NDArray[np.uint64], NDArray[np.int32], I64]:
    """Every piece of a cell in a latent's square: key, a sample, and int64 [3, n]: samples, their sums of x and y, 1/16 px."""
    rows, columns = size
    room = min(MOST_CELLS, 1 << int(np.ceil(np.log2(max(2, factor * factor * field.samples)))))
    chunk = max(1, (1 << 20 if device == "cpu" else 1 << 25) // (room * columns))
    starts = range(0, rows, chunk)
    asked = upload(wanted, wp.uint8, device)
    parts: list[tuple[NDArray[np.uint64], NDArray[np.int32], I64]] = [None] * len(starts)  # type: ignore[list-item]

    def work(n: int) -> None:
        row0 = starts[n]
        count = min(chunk, rows - row0)
        key = wp.empty((count * columns, room), dtype=wp.uint64, device=device)
        piece = wp.empty((count * columns, room), dtype=wp.vec4i, device=device)
        inputs = [field, factor, row0, columns, asked, key, piece]
        wp.launch(gather_kernel, dim=(count, columns), device=device, inputs=inputs)
        keys = key.numpy().reshape(-1)
        used = np.flatnonzero(keys)
        of = piece.numpy().reshape(-1, 4)[used]
        latent = used // room + row0 * columns
        sums = of[:, 1:].T.astype(np.int64)
        sums[1] += sums[0] * (latent % columns) * (16 * factor)
        sums[2] += sums[0] * (latent // columns) * (16 * factor)
        parts[n] = keys[used], of[:, 0].copy(), sums

    pool.run(work, range(len(starts)))
    key, sample, sums = zip(*parts, strict=True)
    return np.concatenate(key), np.concatenate(sample), np.concatenate(sums, axis=1)


def taps(t: NDArray[np.float64]) -> F32:
    """float32 [n, 4]: Catmull-Rom weights of the four latents about a place t in 0..1 between the middle two."""
    return np.stack(
        [((-0.5 * t + 1.0) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1.0, ((-1.5 * t + 2.0) * t + 0.5) * t,
         (0.5 * t - 0.5) * t * t], axis=1,
    ).astype(np.float32)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What one frame's latents are made of, on the device. sample: int32, of each cell one that lies in it. gram: float32
    [latents, 49], the covariance of the latents' weighted sums. alone: uint8 [latents], 1 where no cell is in the sum. fill:
    float32 [h, w], variance from the screen's noise, where the picture ends. scale: float32 [h, w], by which sums are made
    smaller."""

    surface: Surface
    field: Field
    cells: Cells
    sample: wp.array
    gram: wp.array
    alone: wp.array
    fill: F32
    scale: F32


def see(
    surface: Surface, size: tuple[int, int], factor: int, device: str, pool: Pool, wanted: NDArray[np.uint8]
) -> Seen:
    """Find the cells behind a frame, and how latents share them. wanted: uint8 [h, w], 0 where a latent needs none."""
    rows, columns = size
    field = _field(surface, factor, device)
    key, sample, sums = _gather(field, size, factor, pool, device, wanted)
    order = np.argsort(key)
    ordered = key[order]
    edge = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    count, x, y = (np.add.reduceat(one[order], edge).astype(np.float64) for one in sums)
    x, y = (along / count / (16.0 * factor) - 0.5 for along in (x, y))
    i, j = np.floor(x), np.floor(y)
    block = ((j + 1) * (columns + 1) + i + 1).astype(np.int64)
    by_block = np.argsort(block * (1 << 32) + np.arange(len(block)))
    cells = Cells()
    start = np.concatenate([[0], np.cumsum(np.bincount(block, minlength=(rows + 1) * (columns + 1)))])
    cells.start = upload(start.astype(np.int32), wp.int32, device)
    cells.tap_x, cells.tap_y = (upload(taps((a - b)[by_block]), wp.vec4, device) for a, b in ((x, i), (y, j)))
    area = (count[by_block] / (factor * factor * surface.samples)).astype(np.float32)
    cells.area = upload(area, wp.float32, device)
    gram = np.zeros((rows * columns, 49), np.float32)
    on_device = upload(gram, wp.float32, device)

    def work(part: tuple[int, int]) -> None:
        inputs = [cells, part[0], rows, columns, on_device]
        wp.launch(gram_kernel, dim=(part[1] - part[0], columns), device=device, inputs=inputs)

    pool.run(work, pool.split(rows, 4))
    gram = on_device.numpy().copy()
    alone = (gram[:, 24] == 0).astype(np.uint8)
    fill, scale = _bounded(gram, size)
    return Seen(
        surface, field, cells, upload(sample[order][edge][by_block], wp.int32, device),
        upload(gram, wp.float32, device), upload(alone, wp.uint8, device), fill, scale,
    )  # fmt: skip


def _bounded(gram: F32, size: tuple[int, int]) -> tuple[F32, F32]:
    """(fill, scale), float32 [h, w], and gram made to match in place: the screen's noise is added where a latent sees less
    than a picture's inside gives, and sums are made smaller where a row is too heavy for `whiten`'s interval (Gershgorin)."""
    rows, columns = size
    grid = gram.reshape(rows, columns, 7, 7)
    fill = np.maximum(LEAST_SELF - grid[:, :, 3, 3], 0.0)
    grid[:, :, 3, 3] += fill
    scale = np.minimum(1.0, SPECTRUM[1] / np.abs(gram).sum(1).reshape(size))
    if (scale < 1.0).any():
        padded = np.pad(scale, 3)
        for j, i in itertools.product(range(7), range(7)):
            grid[:, :, j, i] *= scale * padded[j : j + rows, i : i + columns]
    return fill, scale


@lru_cache(maxsize=1)
def _root() -> tuple[float, ...]:
    """Chebyshev coefficients of 1 / sqrt over SPECTRUM."""
    low, high = SPECTRUM
    found = np.polynomial.chebyshev.chebinterpolate(lambda t: (low + (high - low) * (t + 1) / 2) ** -0.5, DEGREE)
    return tuple(float(c) for c in found)


def _part(
    surface: Surface, corner: tuple[int, int], size: tuple[int, int], factor: int
) -> tuple[Surface, tuple[int, int], tuple[int, int]]:
    """(surface, size, inner) of the latents from `corner` on and as many about them as have a say in theirs, as far as the
    surface goes. size: theirs and of those, inner: where in it theirs begin."""
    spans = []
    for first, count, length in zip(corner, size, surface.kind.shape[:2], strict=True):
        before = min(_ABOUT, first)
        after = min(_ABOUT, max(0, -(-length // factor) - first - count))
        spans.append((first - before, before + count + after, before))
    (y, h, top), (x, w, left) = spans
    at = slice(y * factor, (y + h) * factor), slice(x * factor, (x + w) * factor)
    names = ("kind", "agent_id", "place_m", "across", "along")
    return replace(surface, **{n: getattr(surface, n)[at] for n in names}, before_px=None), (h, w), (top, left)


#: Of what is kept: frame, corner, size, factor, which of them.
_Key = tuple[int, tuple[int, int], tuple[int, int], int, bytes]


class WorldNoise:
    """Noise that stays on the bodies, on the ground and in the sky. surface_of: frame number to that frame's `Surface`; what
    the last two frames saw is kept, and frames may be asked for in any order. rows_of: the same, where only the rows
    [first, end) of the picture are looked at."""

    def __init__(
        self,
        surface_of: Callable[[int], Surface],
        seed: int,
        device: str = "cpu",
        threads: int | None = None,
        rows_of: Callable[[int, tuple[int, int]], Surface] | None = None,
    ) -> None:
        self.rows_of = rows_of or (lambda frame, rows: surface_of(frame))
        self.surface_of, self.seed, self.device, self.threads = surface_of, seed, device, threads
        self._kept: OrderedDict[_Key, tuple[Seen, tuple[int, int]]] = OrderedDict()
        self._lock = Lock()

    def latents(
        self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str, part: Part = WHOLE
    ) -> F32:
        """float32 [channels, h, w]; see `request.NoiseSource`."""
        _check(channels, size, factor)
        load_kernels(self.device, kernel_noise)
        pool = Pool(self.device, self.threads)
        try:
            seen, (y, x) = self._see(frame, part, size, factor, pool)
            first, wider = Part((part.corner[0] - y, part.corner[1] - x)), seen.fill.shape
            blended = self._blend(seen, channels, wider, purpose, pool)
            screen = ScreenNoise(self.seed, self.device).latents(frame, channels, wider, factor, purpose, first)
            white = self._whiten(seen, (blended + np.sqrt(seen.fill) * screen) * seen.scale, pool)
            return np.ascontiguousarray(white[:, y : y + size[0], x : x + size[1]])
        finally:
            pool.close()

    def smooth(self, frame: int, count: int, size: tuple[int, int], factor: int, part: Part = WHOLE) -> F32:
        """float32 [count, h, w]; see `request.NoiseSource`. It lies on the bodies; 0 where nobody is."""
        _check(count, size, factor)
        load_kernels(self.device, kernel_noise)
        pool = Pool(self.device, self.threads)
        try:
            seen, (y, x) = self._see(frame, part, size, factor, pool)
            seed, _ = _keys(self.seed, "smooth", "world")
            found = on_bodies(seen.field, count, seen.fill.shape, factor, seed >> 1, self.device, pool)
            return np.ascontiguousarray(found[:, y : y + size[0], x : x + size[1]])
        finally:
            pool.close()

    def _see(
        self, frame: int, part: Part, size: tuple[int, int], factor: int, pool: Pool
    ) -> tuple[Seen, tuple[int, int]]:
        """What is seen in a part's latents and some about them, and where among those the part begins."""
        key = (frame, part.corner, size, factor, b"" if part.where is None else np.packbits(part.where).tobytes())
        with self._lock:
            if key not in self._kept:
                first = part.corner[0] - _ABOUT
                rows = max(0, first) * factor, (first + size[0] + 2 * _ABOUT) * factor
                seen = self.surface_of(frame) if part is WHOLE else self.rows_of(frame, rows)
                surface, wider, inner = _part(seen, part.corner, size, factor)
                wanted = np.ones(wider, np.uint8)
                if part.where is not None:
                    pad = [(a, b - a - n) for a, b, n in zip(inner, wider, size, strict=True)]
                    around = np.ones((2 * _ABOUT + 1,) * 2, np.uint8)
                    wanted = cv2.dilate(np.pad(part.where.astype(np.uint8), pad), around)
                self._kept[key] = see(surface, wider, factor, self.device, pool, wanted), inner
                while len(self._kept) > 2:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _blend(self, seen: Seen, channels: int, size: tuple[int, int], purpose: str, pool: Pool) -> F32:
        """float32 [channels, h, w]: sums over the cells, neither independent nor of unit variance yet."""
        groups, n = -(-channels // 4), len(seen.sample)
        k0, k1 = _keys(self.seed, purpose, "world")
        table, weight = upload(normal_table(), wp.int32, self.device), upload(_weights(), wp.int64, self.device)
        value = wp.empty((n, groups), dtype=wp.vec4, device=self.device)
        out = wp.empty((size[0] * size[1], groups), dtype=wp.vec4, device=self.device)

        def draw(part: tuple[int, int]) -> None:
            one = float(TABLE_ONE * WEIGHT_ONE)
            inputs = [seen.field, seen.sample, part[0], wp.uint32(k0), wp.uint32(k1), table, weight, one, value]
            wp.launch(value_kernel, dim=(part[1] - part[0], groups), device=self.device, inputs=inputs)

        def blend(part: tuple[int, int]) -> None:
            inputs = [seen.cells, part[0], size[0], size[1], value, out]
            wp.launch(blend_kernel, dim=(part[1] - part[0], size[1], groups), device=self.device, inputs=inputs)

        pool.run(draw, pool.split(n, 1024))
        pool.run(blend, pool.split(size[0], 4))
        flat = out.numpy().reshape(size[0] * size[1], -1)[:, :channels]
        return np.ascontiguousarray(flat.T).reshape(channels, *size)

    def _whiten(self, seen: Seen, noise: F32, pool: Pool) -> F32:
        """Times the inverse root of the sums' covariance, by Chebyshev's polynomials."""
        channels, rows, columns = noise.shape
        groups = -(-channels // 4)
        flat = np.zeros((rows * columns, groups * 4), np.float32)
        flat[:, :channels] = noise.reshape(channels, -1).T
        coefficient = _root()
        x = flat.reshape(-1, groups, 4)
        now, before, after = (upload(a, wp.vec4, self.device) for a in (x, np.zeros_like(x), np.empty_like(x)))
        total = upload(coefficient[0] * x, wp.vec4, self.device)
        low, high = SPECTRUM
        # t = (2 x - low - high) / (high - low); T_n = 2 t T_(n-1) - T_(n-2)
        a, b = 2.0 / (high - low), -(high + low) / (high - low)
        for n, c in enumerate(coefficient[1:]):
            twice = 1.0 if n == 0 else 2.0
            shared = [rows, columns, now, before, twice * a, twice * b, 1.0 - twice, c, total, after]

            def term(part: tuple[int, int], shared: list[object] = shared) -> None:
                dim = (part[1] - part[0], columns, groups)
                wp.launch(apply_kernel, dim=dim, device=self.device, inputs=[seen.gram, seen.alone, part[0], *shared])

            pool.run(term, pool.split(rows, 4))
            before, now, after = now, after, before
        flat = total.numpy().reshape(rows * columns, -1)[:, :channels]
        return np.ascontiguousarray(flat.T).reshape(channels, rows, columns)

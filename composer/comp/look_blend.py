"""A layer into the plate with the plate's look: what `composite` does, with edge, fringe, vignette, wrap and grain."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.comp import kernel_blend, kernel_blocks, kernel_grain, kernel_over, kernel_wrap
from composer.comp.composite import HALF_MAX, Composite, behind_edges, untouched_digest
from composer.comp.kernel_blend import Finish, Pictures, Results, Spread, Strip, blend_kernel, rows_kernel
from composer.comp.kernel_blocks import block_kernel
from composer.comp.kernel_grain import filter_rows_kernel, white_kernel
from composer.comp.kernel_wrap import around_kernel, blur_kernel
from composer.comp.layer import F32, Layer
from composer.comp.look_grain import GrainField
from composer.comp.look_taps import Taps, half_gaussian, spread_taps
from composer.comp.plate_look import PlateLook
from composer.comp.shade import Shade
from composer.guides.device import Pool, empty, load_kernels, upload, zeros

#: Pixels of a block's side, and rows that one thread takes at once: they stay in its cache.
BLOCK, STRIP_ROWS = 16, 32
#: Sigma, in pixels of its raster, of the blur of the light around a layer, at the least.
COARSE_SIGMA = 2.0
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Placed:
    """A layer's own picture within the plate's. rgba: vec4 [h, w] on the device, premultiplied, in the delivery space;
    everything that it has lies in it. It begins at (top, left). own: the crowd's part of it, where the place is in it
    too."""

    rgba: wp.array
    top: int
    left: int
    own: wp.array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.rgba.shape


@dataclass(frozen=True)
class Under:
    """Where a layer goes. plate, shadow, matte, clean: as in `composite`. device arrays of them: plate_d, sun_d, sky_d, matte_d.
    held: whether the matte has anything."""

    plate: F32
    shadow: Shade
    matte: F32
    clean: F32 | None
    plate_d: wp.array
    sun_d: wp.array
    sky_d: wp.array
    matte_d: wp.array
    held: bool

    @classmethod
    def of(cls, plate: F32, shadow: Shade, matte: F32, clean: F32 | None, device: str) -> Under:
        sent = (upload(part, wp.float32, device) for part in (shadow.sun, shadow.sky, matte))
        return cls(plate, shadow, matte, clean, upload(plate, wp.vec3, device), *sent, held=bool(matte.any()))

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.matte.shape[0], self.matte.shape[1]


def occupied(alpha: wp.array, under: Under, pool: Pool, device: str) -> U8:
    """uint8 [H / BLOCK, W / BLOCK], rounded up: the blocks that hold something."""
    rows, columns = (-(-n // BLOCK) for n in alpha.shape)
    out = empty((rows, columns), wp.uint8, device)

    def work(part: tuple[int, int]) -> None:
        inputs = [part[0], BLOCK, alpha, under.sun_d, under.sky_d, out]
        wp.launch(block_kernel, dim=(part[1] - part[0], columns), device=device, inputs=inputs)

    pool.run(work, pool.split(rows, 4))
    return out.numpy()


def grown(blocks: U8, reach_px: int) -> U8:
    """The blocks within `reach_px` of those too."""
    n = -(-reach_px // BLOCK)
    return blocks if n == 0 else cv2.dilate(blocks, np.ones((2 * n + 1, 2 * n + 1), np.uint8))


def box_of(blocks: U8, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) in pixels of the blocks that hold something; empty where none does."""
    rows, columns = np.flatnonzero(blocks.any(axis=1)), np.flatnonzero(blocks.any(axis=0))
    if len(rows) == 0:
        return 0, 0, 0, 0
    bottom, right = (min(int(n[-1] + 1) * BLOCK, side) for n, side in zip((rows, columns), size, strict=True))
    return int(rows[0]) * BLOCK, int(columns[0]) * BLOCK, bottom, right


def _spread(taps: Taps, device: str) -> Spread:
    spread = Spread()
    spread.weight = upload(taps.weight, wp.vec3, device)
    spread.first = upload(taps.first, wp.vec3i, device)
    return spread


@dataclass(frozen=True)
class Reach:
    """How far the look spreads a layer, in pixels: along both sides."""

    across: Taps
    down: Taps

    @classmethod
    def of(cls, look: PlateLook, box: tuple[int, int, int, int], size: tuple[int, int]) -> Reach:
        top, left, bottom, right = box
        across = spread_taps(left, right, size[1], look.edge, look.fringe)
        return cls(across, spread_taps(top, bottom, size[0], look.edge, look.fringe))

    @property
    def px(self) -> int:
        return max(self.across.reach, self.down.reach)


def reach_px(look: PlateLook, size: tuple[int, int]) -> int:
    """How far edge and fringe spread a layer anywhere in a picture of (rows, columns)."""
    return Reach.of(look, (0, 0, *size), size).px


def blend(
    placed: Placed, under: Under, blocks: U8, look: PlateLook, grain_key: int, pool: Pool, device: str
) -> Composite:  # fmt: skip
    """The layer over its shadow over the plate. blocks: those that the layer or its shadow reaches, spread and all.
    grain_key: of seed and frame.

    Where neither has alpha in half precision the result is the plate, bit for bit.
    """
    load_kernels(device, kernel_over, kernel_blend, kernel_blocks, kernel_grain, kernel_wrap)
    size = under.size
    out, half = _results(size, placed.own is not None, under.held, device)
    reach = Reach.of(look, (placed.top, placed.left, placed.top + placed.shape[0], placed.left + placed.shape[1]), size)
    grain = GrainField(look.grain, grain_key, device) if look.grain is not None else None
    halo = max(reach.px, grain.taps.half if grain else 0)
    pictures = _pictures(placed, under, blocks, grown(blocks, halo), reach, device)
    finish = _finish(look, grain, size, device)
    if finish.wrap > 0.0:
        assert look.edge is not None
        _light_around(finish, pictures, under, look.edge.wrap_px, pool, device)
    strips = _Strips(placed, reach, grain, device)
    work = _worker(strips, pictures, finish, out, grain, device)
    rows = size[0] if device != "cpu" else STRIP_ROWS
    pool.run(work, [(y, min(y + rows, size[0])) for y in range(0, size[0], rows)])
    return _finished(half(), under)


def _pictures(placed: Placed, under: Under, busy: U8, near: U8, reach: Reach, device: str) -> Pictures:
    p = Pictures()
    p.plate, p.matte, p.layer = under.plate_d, under.matte_d, placed.rgba
    p.sun, p.sky, p.share = under.sun_d, under.sky_d, wp.vec3(*under.shadow.share)
    p.busy, p.near = (upload(blocks, wp.uint8, device) for blocks in (busy, near))
    p.around = wp.zeros((1, 1), dtype=wp.vec4, device=device)
    p.top, p.left, p.block = placed.top, placed.left, BLOCK
    p.fringed, p.held = int(reach.across.fringed or reach.down.fringed), int(under.held)
    if placed.own is not None:
        p.own, p.parted = placed.own, 1
    return p


def _finish(look: PlateLook, grain: GrainField | None, size: tuple[int, int], device: str) -> Finish:
    f = Finish()
    k = (0.0, 0.0, 0.0) if look.vignette is None else tuple(float(v) for v in look.vignette.k)
    f.vignette = wp.vec3(*k)
    f.middle = wp.vec2(size[1] / 2, size[0] / 2)
    f.corner = math.hypot(size[0], size[1]) / 2
    f.wrap = look.edge.wrap if look.edge is not None and look.edge.wrap_px > 0 else 0.0
    f.grain = int(grain is not None)
    none = wp.zeros((1, 1), dtype=wp.vec3, device=device)
    f.tap, f.mix = (grain.down, grain.mix) if grain else (none, wp.mat33(*np.eye(3).ravel().tolist()))
    f.level = grain.level if grain else wp.zeros(1, dtype=wp.float32, device=device)
    f.variance = grain.variance if grain else wp.zeros((3, 1), dtype=wp.float32, device=device)
    return f


def _light_around(
    finish: Finish, pictures: Pictures, under: Under, wrap_px: float, pool: Pool, device: str
) -> None:  # fmt: skip
    """Fills in `pictures.around`: plate light where no layer covers it, and how much of it, blurred by wrap_px."""
    step = 1
    while wrap_px / (2 * step) >= COARSE_SIGMA:
        step *= 2
    margin = math.ceil(3 * wrap_px)
    h, w = pictures.layer.shape
    top, left = (max(n - margin, 0) for n in (pictures.top, pictures.left))
    bottom = min(pictures.top + h + margin, under.size[0])
    right = min(pictures.left + w + margin, under.size[1])
    rows, columns = max(-(-(bottom - top) // step), 1), max(-(-(right - left) // step), 1)
    one, two = (empty((rows, columns), wp.vec4, device) for _ in range(2))
    # Of the blur, what taking down has done already: a box of `step` pixels.
    weight = upload(half_gaussian(math.sqrt(max(wrap_px**2 - step**2 / 12, 0.01)) / step), wp.float32, device)

    def launch(kernel: wp.Kernel, inputs: list[object]) -> None:
        def work(part: tuple[int, int]) -> None:
            wp.launch(kernel, dim=(part[1] - part[0], columns), device=device, inputs=[part[0], *inputs])

        pool.run(work, pool.split(rows, 8))

    placed = [pictures.layer, pictures.top, pictures.left]
    shade = [pictures.sun, pictures.sky, pictures.share]
    launch(around_kernel, [top, left, step, pictures.plate, *shade, *placed, one])
    launch(blur_kernel, [1, weight, one, two])
    launch(blur_kernel, [0, weight, two, one])
    pictures.around = one
    finish.step, finish.around_y, finish.around_x = float(step), float(top), float(left)


class _Strips:
    """Scratch for one strip of rows, one for each thread."""

    def __init__(self, placed: Placed, reach: Reach, grain: GrainField | None, device: str) -> None:
        self.placed, self.reach, self.grain, self.device = placed, reach, grain, device
        self.across, self.down = _spread(reach.across, device), _spread(reach.down, device)
        self._own = threading.local()

    def rows_for(self, first: int, last: int) -> tuple[int, int]:
        """Rows of the layer that its rows first..last are made of; they may lie outside of it."""
        taps = self.reach.down
        lowest = taps.first[first:last]
        return int(lowest.min()), int(lowest.max()) + taps.weight.shape[1]

    def take(self, rows: int, noise_rows: int) -> tuple[Strip, wp.array]:
        """A strip with room for so many rows, and white noise; kept for the thread's next."""
        if getattr(self._own, "rows", (-1, -1)) < (rows, noise_rows) or self._own.rows[1] < noise_rows:
            w, device = self.placed.shape[1], self.device
            strip = Strip()
            strip.light, strip.rest = empty((rows, w), wp.vec4, device), empty((rows, w), wp.vec3, device)
            fringed = self.reach.across.fringed or self.reach.down.fringed
            strip.sides = empty((rows, w) if fringed else (1, 1), wp.vec2, device)
            if self.placed.own is not None:
                strip.own = empty((rows, w), wp.vec4, device)
                strip.own_sides = empty((rows, w) if fringed else (1, 1), wp.vec2, device)
            taps = self.grain.taps if self.grain else None
            strip.noise = empty((len(taps.across), noise_rows, w) if taps else (1, 1, 1), wp.vec3, device)
            white = empty((noise_rows, w + 2 * taps.half) if taps else (1, 1), wp.vec3, device)
            self._own.rows, self._own.kept = (rows, noise_rows), (strip, white)
        return self._own.kept


def _worker(
    strips: _Strips, pictures: Pictures, finish: Finish, out: Results, grain: GrainField | None, device: str
) -> Callable[[tuple[int, int]], None]:  # fmt: skip
    placed = strips.placed
    (h, w), width = placed.shape, pictures.plate.shape[1]
    busy_rows = pictures.busy.numpy().any(axis=1)

    def work(rows: tuple[int, int]) -> None:
        strip, dim = Strip(), (rows[1] - rows[0], width)
        first, last = max(rows[0] - placed.top, 0), min(rows[1] - placed.top, h)
        if first < last and busy_rows[rows[0] // BLOCK : -(-rows[1] // BLOCK)].any():
            low, high = strips.rows_for(first, last)
            half = grain.taps.half if grain else 0
            strip, white = strips.take(high - low, dim[0] + 2 * half)
            strip.row = low
            wp.launch(rows_kernel, dim=(high - low, w), device=device, inputs=[pictures, strips.across, strip])
            if grain:
                top = rows[0] - half
                where = [BLOCK, pictures.near]
                wp.launch(
                    white_kernel, dim=(dim[0] + 2 * half, w + 2 * half), device=device,
                    inputs=[grain.key, 0, top, placed.left - half, *where, white],
                )  # fmt: skip
                wp.launch(
                    filter_rows_kernel, dim=(dim[0] + 2 * half, w), device=device,
                    inputs=[grain.across, top, placed.left, *where, white, strip.noise],
                )  # fmt: skip
        wp.launch(blend_kernel, dim=dim, device=device, inputs=[rows[0], pictures, strips.down, strip, finish, out])

    return work


def _results(
    size: tuple[int, int], parted: bool, held: bool, device: str
) -> tuple[Results, Callable[[], tuple[NDArray, ...]]]:
    """Room for what the kernel writes, and what fetches it as numpy: rgb, shadow, crowd, place (where the layer is parted),
    touched, soft, taken (where a matte has anything), clipped."""
    out = Results()
    out.rgb = empty((*size, 3), wp.uint16, device)
    out.crowd, out.shadow = (zeros((*size, 4), wp.uint16, device) for _ in range(2))
    if parted:
        out.around = zeros((*size, 4), wp.uint16, device)
    out.touched, out.soft = (zeros(size, wp.uint8, device) for _ in range(2))
    out.taken = zeros((*size, 3) if held else (1, 1, 3), wp.uint16, device)
    out.clipped = zeros((size[0], 2), wp.int32, device)

    def fetch() -> tuple[NDArray, ...]:
        layers = (out.shadow, out.crowd, out.around) if parted else (out.shadow, out.crowd)
        halves = (a.numpy().view(np.float16) for a in (out.rgb, *layers))
        masks = (a.numpy().view(np.bool_) for a in (out.touched, out.soft))
        return (*halves, *masks, out.taken.numpy().view(np.float16), out.clipped.numpy())

    return out, fetch


def _finished(parts: tuple[NDArray, ...], under: Under) -> Composite:
    rgb, dark, crowd, *place, touched, soft, taken, clipped = parts
    of_plate, over = (int(n) for n in clipped.sum(0))
    if soft.any():
        front = crowd if not place else (crowd.astype(np.float32) + place[0]).astype(np.float16)
        light = front[..., :3].astype(np.float32)
        over += behind_edges(rgb, soft, touched, (under.plate, light, under.matte, front[..., 3], taken), under.clean)
    notes = [f"{of_plate} plate values beyond half float's range were clipped to {HALF_MAX:.0f}"] if of_plate else []
    if over:
        notes.append(f"{over} composite values beyond half float's range were clipped to {HALF_MAX:.0f}")
    layers = (Layer("shadow", dark), *(Layer("environment", p) for p in place), Layer("crowd", crowd))
    return Composite(rgb, layers, touched, untouched_digest(rgb, touched), tuple(notes))

"""Defocus and motion blur of the crowd, slice of depth by slice, front to back, through its visible samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.comp import kernel_blocks, kernel_lens
from composer.comp.kernel_blocks import slices_kernel
from composer.comp.kernel_lens import (
    Iris,
    Paths,
    Slice,
    Sums,
    clear_kernel,
    cut_kernel,
    gather_kernel,
    smear_kernel,
    sum_kernel,
    vec4l,
)
from composer.comp.kernel_tint import Entries, Tint
from composer.comp.layer import F32
from composer.comp.look_blend import BLOCK, Placed, Under
from composer.comp.look_drawn import Drawn
from composer.comp.look_iris import Circle, Spans, depth_slices, iris_spans
from composer.comp.plate_look import Optics
from composer.guides.device import Pool, empty, load_kernels, upload, zeros

#: Paths are drawn as far as this, px.
MOST_PATH_PX = 511.0
#: What hides behind something nearer is looked for as far as this.
MOST_WIDE_PX = 96


@dataclass(frozen=True)
class Lens:
    """The optics of one frame. pixel: how much a radius in y is of one in x. opens, closes: of the shutter, in frames from
    the frame's time."""

    optics: Optics
    circle: Circle
    pixel: float
    opens: float
    closes: float

    @property
    def open_for(self) -> float:
        """The longest time, in frames, from the frame's own; 0 where the shutter is not open at all."""
        return max(abs(self.opens), abs(self.closes)) if self.closes > self.opens else 0.0

    @classmethod
    def of(cls, optics: Optics, focal_m: float, focal_px: tuple[float, float]) -> Lens:
        opens = optics.shutter_offset_deg / 360.0
        circle = Circle.of(optics, focal_m, focal_px[0])
        return cls(optics, circle, focal_px[1] / focal_px[0], opens, opens + optics.shutter_deg / 360.0)


@dataclass(frozen=True)
class Cut:
    """One slice: depths near <= z < far; blocks: uint8 [rows, columns] of the picture, where it has samples; drift: float32
    [rows, columns, 4], their mean motion to the next and the previous frame; path_px: the longest way in the shutter's
    time; spans: its iris. wide_px: how far nearer slices spread, so that one sees what they hide."""

    near: float
    far: float
    circle_px: float
    blocks: NDArray[np.uint8]
    drift: F32
    path_px: float
    spans: Spans
    wide_px: int = 0

    @property
    def reach_px(self) -> int:
        """How far it spreads."""
        return math.ceil(self.path_px) + 1 + max(self.spans.half, math.ceil(float(np.abs(self.spans.low).max())))


def cuts_of(drawn: Drawn, lens: Lens, entries: Entries, paths: Paths, pool: Pool, device: str) -> list[Cut]:
    """What was drawn in slices, near to far."""
    load_kernels(device, kernel_blocks)
    slices = depth_slices(drawn.samples.depth_m, lens.circle)
    if not slices:
        return []
    shape = (len(slices), *(-(-n // BLOCK) for n in drawn.coverage.shape))
    count, drift = zeros(shape, wp.vec3, device), zeros(shape, wp.vec4, device)
    way = zeros(shape, wp.float32, device)
    far = upload(np.array([far for _, far in slices], np.float32), wp.float32, device)
    inputs = [BLOCK, far, entries, paths.forward, paths.back, count, drift, way]
    _each(pool, pool.split(shape[1], 4), slices_kernel, shape[2], inputs, device)
    here, moved, longest = count.numpy(), drift.numpy(), way.numpy().max(axis=(1, 2))
    made: list[Cut] = []
    for k, (near, end) in enumerate(slices):
        blocks = (here[k, ..., 0] > 0).astype(np.uint8)
        if blocks.any():
            wide = min(max((cut.reach_px for cut in made), default=0), MOST_WIDE_PX)
            path = min(float(longest[k]) * lens.open_for, MOST_PATH_PX)
            own = _filled(moved[k], here[k, ..., 1]) if path > 0 else np.zeros((*shape[1:], 4), np.float32)
            samples, _, inverse = here[k].sum(axis=(0, 1), dtype=np.float64)
            circle = lens.circle.radius_px(np.array(samples / inverse))  # the mean of all: it is linear in 1 / depth
            spans = spans_of(lens, float(circle))
            made.append(Cut(near, end, float(circle), blocks, own, path, spans, wide))
    return made


def spans_of(lens: Lens, circle_px: float) -> Spans:
    """Light is gathered, so the iris is turned round; and nearer than the focus it is seen upside down."""
    optics, radius = lens.optics, abs(circle_px)
    return iris_spans((radius, radius * lens.pixel), optics.blades, optics.turn_deg, circle_px >= 0)


def paths_of(drawn: Drawn, lens: Lens, device: str) -> Paths:
    """Where the samples go, for kernels."""
    paths = Paths()
    paths.forward, paths.back = (upload(m, wp.vec2, device) for m in (drawn.motion_px, drawn.motion_back_px))
    paths.agent = upload(drawn.samples.agent_id, wp.uint32, device)
    paths.opens, paths.closes = lens.opens, lens.closes
    return paths


def _filled(total: F32, count: F32) -> F32:
    """Means, also where nothing was counted: from around, the nearest most."""
    sum_all = count.sum()
    value = total / np.maximum(count, 1e-9)[..., None]
    if sum_all == 0:
        return np.zeros_like(total)
    filled = np.broadcast_to(total.sum(axis=(0, 1)) / sum_all, total.shape).copy()
    known = (count > 0).astype(np.float32)
    for sigma in (12.0, 3.0, 1.0):
        weight = cv2.GaussianBlur(known, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        mean = cv2.GaussianBlur(value * known[..., None], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        trust = np.minimum(weight * 50, 1)[..., None]
        filled = filled + trust * (mean / np.maximum(weight, 1e-6)[..., None] - filled)
    return np.where((count > 0)[..., None], value, filled).astype(np.float32)


def blurred_layer(
    cuts: list[Cut], lens: Lens, entries: Entries, paths: Paths, tint: Tint, under: Under, ahead_m: F32 | None,
    box: tuple[int, int, int, int], pool: Pool, device: str,
) -> Placed:  # fmt: skip
    """What was drawn within a box (top, left, bottom, right) that holds all of it, spread and all. ahead_m: as in `Setting`."""
    load_kernels(device, kernel_lens)
    top, left, bottom, right = box
    shape = (max(bottom - top, 1), max(right - left, 1))
    own = zeros(shape, wp.vec4, device) if entries.around is not None else None
    placed = Placed(zeros(shape, wp.vec4, device), top, left, own)
    ahead = upload(np.zeros((0, 0), np.float32) if ahead_m is None else ahead_m, wp.float32, device)
    room: dict[str, wp.array] = {}
    for cut in cuts:
        one, shape = _slice(cut, lens, device)
        sums = _sums(room, shape, own is not None, device)
        strips = _strips(shape[0], math.ceil(cut.path_px) + 2, pool)
        _each(pool, pool.split(shape[0], 16), clear_kernel, shape[1], [sums], device)
        for turn in (0, 1):  # strips that are next to each other write into each other
            inputs = [one, entries, tint, paths, under.matte_d, ahead, sums]
            _each(pool, strips[turn::2], smear_kernel, shape[1], inputs, device)
        _each(pool, pool.split(shape[0], 16), sum_kernel, None, [sums], device)
        inputs = [one, _iris(cut.spans, device), sums, ahead, top, left, placed.rgba, own]
        _each(pool, pool.split(shape[0], 16), gather_kernel, shape[1], inputs, device)
    for layer in (placed.rgba, own) if under.held else ():
        if layer is None:
            continue
        inputs = [top, left, under.matte_d, layer]
        _each(pool, pool.split(placed.shape[0], 16), cut_kernel, placed.shape[1], inputs, device)
    return placed


def _each(
    pool: Pool, parts: list[tuple[int, int]], kernel: wp.Kernel, columns: int | None, inputs: list, device: str
) -> None:  # fmt: skip
    def work(part: tuple[int, int]) -> None:
        rows = part[1] - part[0]
        dim = rows if columns is None else (rows, columns)
        wp.launch(kernel, dim=dim, device=device, inputs=[part[0], *inputs])

    pool.run(work, parts)


def _strips(rows: int, reach: int, pool: Pool) -> list[tuple[int, int]]:
    """Strips of rows of which every second may be worked on at the same time: they write as far as `reach`."""
    if pool.threads == 1:
        return [(0, rows)]
    step = max(2 * reach, rows // (4 * pool.threads), 16)
    return [(y, min(y + step, rows)) for y in range(0, rows, step)]


def _slice(cut: Cut, lens: Lens, device: str) -> tuple[Slice, tuple[int, int]]:
    """The slice for kernels, and the size of its sums: all that it reaches, and what may be smeared into that."""
    reach = max(cut.reach_px, cut.wide_px)
    more = -(-2 * reach // BLOCK)
    rows, columns = (np.flatnonzero(cut.blocks.any(axis=k)) for k in (1, 0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    blocks = np.pad(cut.blocks[window], more)
    near, far = -(-reach // BLOCK), more
    one = Slice()
    one.near, one.far, one.circle = cut.near, cut.far, cut.circle_px
    one.focus, one.scale = lens.circle.focus_m, lens.circle.scale_px
    one.wide = cut.wide_px
    one.top, one.left, one.block = int(rows[0] - more) * BLOCK, int(columns[0] - more) * BLOCK, BLOCK
    close, wanted = (cv2.dilate(blocks, np.ones((2 * n + 1, 2 * n + 1), np.uint8)) for n in (near, far))
    one.close, one.wanted = upload(close, wp.uint8, device), upload(wanted, wp.uint8, device)
    drift = np.pad(cut.drift, ((more, more), (more, more), (0, 0)), mode="edge")
    padded = (slice(rows[0], rows[-1] + 1 + 2 * more), slice(columns[0], columns[-1] + 1 + 2 * more))
    one.drift = upload(drift[padded], wp.vec4, device)
    return one, (blocks.shape[0] * BLOCK, blocks.shape[1] * BLOCK)


def _sums(room: dict[str, wp.array], shape: tuple[int, int], parted: bool, device: str) -> Sums:
    """Sums of this shape, in memory that is kept from slice to slice. parted: also those of the crowd alone."""
    n = shape[0] * shape[1]
    if "light" not in room or room["light"].shape[0] < n:
        room["light"], room["hidden"] = empty((n,), vec4l, device), empty((n,), wp.int64, device)
        if parted:
            room["own"] = empty((n,), vec4l, device)
    sums = Sums()
    if parted:
        sums.own = room["own"][:n].reshape(shape)
    sums.light, sums.hidden = (room[name][:n].reshape(shape) for name in ("light", "hidden"))
    return sums


def _iris(spans: Spans, device: str) -> Iris:
    iris = Iris()
    iris.low, iris.high = upload(spans.low, wp.float32, device), upload(spans.high, wp.float32, device)
    iris.weight, iris.half = 1.0 / spans.area, spans.half
    return iris


def reached(blocks: NDArray[np.uint8], cuts: list[Cut]) -> NDArray[np.uint8]:
    """The blocks of the picture that hold something, and those that the slices reach."""
    n = -(-max((cut.reach_px for cut in cuts), default=0) // BLOCK)
    wide = np.ones((2 * n + 1, 2 * n + 1), np.uint8)
    return np.maximum(blocks, cv2.dilate(np.maximum.reduce([cut.blocks for cut in cuts]), wide)) if cuts else blocks

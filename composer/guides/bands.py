"""The picture drawn in bands of rows, each small enough to stay in a core's cache: triangles into the band's
visibility buffer, then the band's pixels resolved.

On the CPU the bands are shared among threads; nothing depends on how many, or on the bands' height.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.guides.assets import Assets
from composer.guides.canvas import Canvas
from composer.guides.device import Pool, empty, lanes, upload
from composer.guides.frame import Slots, pose_beside
from composer.guides.kernel_part import part_kernel
from composer.guides.kernel_raster import COARSE, EMPTY, coarse_kernel, raster_kernel
from composer.guides.kernel_resolve import Blockers, Entries, count_kernel, resolve_kernel
from composer.guides.kernel_shade import Shading
from composer.guides.kernel_sun import Sun
from composer.guides.kernel_view import Eye
from composer.guides.passes import Samples

F32 = NDArray[np.float32]

CPU_BAND_BYTES = 6_000_000
CUDA_BAND_BYTES = 400_000_000


@dataclass(frozen=True)
class Inputs:
    """What every band reads. place: where the place's passes go, its slots being those on `piece_rig`; None without."""

    assets: Assets
    slots: Slots
    eyes: tuple[Eye, Eye, Eye]
    sun: Sun
    shading: Shading
    blockers: Blockers
    offset: wp.array
    visible: wp.array
    full: wp.array
    samples: int
    size_px: tuple[int, int]
    device: str
    place: Canvas | None = None
    piece_rig: int = -1


@dataclass(frozen=True)
class _Band:
    """A band's samples, once resolved."""

    row0: int
    start: NDArray[np.int64]
    agent_id: NDArray[np.uint32]
    coverage: F32
    depth: F32
    rgb: F32


#: The nearest agents drawn before what is hidden is looked for, and how many more each further time.
FIRST_CHUNK = 48
MOST_CHUNK = 512


def fill_visibility(
    assets: Assets, slots: Slots, eye: Eye, rows: tuple[int, int], width: int, samples: int, offset: wp.array,
    device: str,
) -> tuple[wp.array, NDArray[np.int32]] | None:  # fmt: skip
    """The visibility buffer of rows[0]..rows[1] and the slots that were tried; None where there are none.

    On the CPU nearest agents first, and those that are then known to be hidden are passed over: the same buffer.
    """
    row0, row1 = rows
    box = slots.box
    across = (box[:, 1] < row1) & (box[:, 3] >= row0) & (box[:, 0] < width) & (box[:, 2] >= 0)
    chosen = np.flatnonzero(slots.seen & (across | (box[:, 4] > 0))).astype(np.int32)
    if len(chosen) == 0:
        return None
    vis = empty(((row1 - row0) * width * samples,), wp.uint64, device)
    vis.fill_(EMPTY)
    n = lanes(device)
    edges = [0, len(chosen)]
    squares = (0, 0)
    if device == "cpu" and len(chosen) > 2 * FIRST_CHUNK:
        chosen = chosen[np.argsort(box[chosen, 5], kind="stable")]
        edges = [0, FIRST_CHUNK]
        while edges[-1] < len(chosen):
            edges.append(min(edges[-1] + min(edges[-1], MOST_CHUNK), len(chosen)))
        squares = (-(-(row1 - row0) // COARSE), -(-width // COARSE))
    far = wp.full(squares, np.inf, dtype=wp.float32, device=device)
    boxes = upload(box, wp.int32, device)
    who = upload(chosen, wp.int32, device)
    for a, b in itertools.pairwise(edges):
        if a > 0:
            wp.launch(coarse_kernel, dim=squares, device=device, inputs=[vis, row1 - row0, width, samples, far])
        wp.launch(
            raster_kernel, dim=(b - a, n), device=device,
            inputs=[assets.meshes, slots.draws, eye, who[a:b], n, row0, row1, width, samples, offset, vis, boxes, far],
        )  # fmt: skip
    return vis, chosen


def _band(inputs: Inputs, canvas: Canvas, row0: int, row1: int) -> tuple[_Band | None, _Band | None]:
    """Draw and resolve rows row0..row1: the crowd's samples, the place's."""
    w, _ = inputs.size_px
    device, s = inputs.device, inputs.samples
    filled = fill_visibility(inputs.assets, inputs.slots, inputs.eyes[1], (row0, row1), w, s, inputs.offset, device)
    if filled is None:
        return None, None
    vis, chosen = filled
    rows = row1 - row0
    pieces = _resolved(inputs, inputs.place, _taken_out(inputs, vis, rows, row0), chosen, rows, row0)
    return _resolved(inputs, canvas, vis, chosen, rows, row0), pieces


def _taken_out(inputs: Inputs, vis: wp.array, rows: int, row0: int) -> wp.array | None:
    """The place's samples, moved out of `vis` once what hides them is known; None without a place."""
    if inputs.place is None:
        return None
    w, _ = inputs.size_px
    _count(inputs, vis, rows, row0)
    pieces = empty(vis.shape, wp.uint64, inputs.device)
    dim = rows * w
    args = [vis, inputs.samples, inputs.slots.draws.rig, inputs.piece_rig, pieces]
    wp.launch(part_kernel, dim=dim, device=inputs.device, inputs=args)
    return pieces


def _count(inputs: Inputs, vis: wp.array, rows: int, row0: int) -> wp.array:
    w, _ = inputs.size_px
    count = empty((rows * w,), wp.int64, inputs.device)
    wp.launch(
        count_kernel, dim=(rows, w), device=inputs.device,
        inputs=[vis, inputs.samples, row0, w, inputs.blockers, count, inputs.visible, inputs.full],
    )  # fmt: skip
    return count


def _resolved(
    inputs: Inputs, canvas: Canvas | None, vis: wp.array | None, chosen: NDArray[np.int32], rows: int, row0: int
) -> _Band | None:
    """A band's visibility buffer into the canvas' passes and its samples."""
    if canvas is None or vis is None:
        return None
    device, (w, _) = inputs.device, inputs.size_px
    count = _count(inputs, vis, rows, row0)
    start = np.zeros(rows * w + 1, np.int64)
    np.cumsum(count.numpy(), out=start[1:])
    total = int(start[-1])
    if total == 0:
        return None
    beside = pose_beside(inputs.slots, chosen[inputs.visible.numpy()[chosen] > 0], device)
    entries = Entries()
    entries.start = upload(start, wp.int64, device)
    entries.agent_id = empty((total,), wp.uint32, device)
    entries.coverage = empty((total,), wp.float32, device)
    entries.depth = empty((total,), wp.float32, device)
    entries.rgb = empty((total,), wp.vec3, device)
    wp.launch(
        resolve_kernel, dim=(rows, w), device=device,
        inputs=[vis, inputs.samples, inputs.offset, row0, w, inputs.assets.meshes, inputs.slots.draws, beside,
                *inputs.eyes, inputs.sun, inputs.shading, inputs.blockers, canvas.passes, entries],
    )  # fmt: skip
    return _Band(
        row0, start, entries.agent_id.numpy(), entries.coverage.numpy(), entries.depth.numpy(), entries.rgb.numpy()
    )


def _join(bands: list[_Band], size_px: tuple[int, int], pool: Pool) -> Samples:
    w, h = size_px
    start = np.zeros(h * w + 1, np.int64)
    filled, total = 0, 0
    for band in bands:
        a = band.row0 * w
        start[filled : a + 1] = total
        filled = a + len(band.start)
        np.add(band.start, total, out=start[a:filled])
        total = int(start[filled - 1])
    start[filled:] = total
    ends = np.cumsum([0, *(len(b.agent_id) for b in bands)])
    agent_id, coverage, depth = (np.empty(total, kind) for kind in (np.uint32, np.float32, np.float32))
    rgb = np.empty((total, 3), np.float32)

    def copy(k: int) -> None:
        band, part = bands[k], slice(ends[k], ends[k + 1])
        agent_id[part], coverage[part], depth[part] = band.agent_id, band.coverage, band.depth
        rgb[part] = band.rgb

    pool.run(copy, range(len(bands)))
    return Samples(start, agent_id, coverage, depth, rgb)


def draw_bands(
    inputs: Inputs, canvas: Canvas, pool: Pool, band_rows: int | None
) -> tuple[Samples, Samples]:  # fmt: skip
    """The whole picture, band by band: the crowd's samples, the place's."""
    w, h = inputs.size_px
    memory = CPU_BAND_BYTES if inputs.device == "cpu" else CUDA_BAND_BYTES
    rows = band_rows or max(16, memory // (w * inputs.samples * 8))
    edges = list(range(0, h, rows))
    bands: list[tuple[_Band | None, _Band | None]] = [(None, None)] * len(edges)

    def work(k: int) -> None:
        bands[k] = _band(inputs, canvas, edges[k], min(edges[k] + rows, h))

    pool.run(work, range(len(edges)))
    crowd, place = ([band for band in side if band is not None] for side in zip(*bands, strict=True))
    return _join(crowd, inputs.size_px, pool), _join(place, inputs.size_px, pool)

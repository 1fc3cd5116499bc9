"""The chunk offset tables of an EXR file, held against the header and the file's length.

A file that was cut off, or whose writer died, has zeros or wild offsets in its table. Decoders fill such holes with
nothing; here they are refused, and what is read is known to be complete.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.io.exr_header import LINES_PER_CHUNK, PIXEL_BYTES, FileHeader, PartHeader
from composer.io.limits import damaged

Int = NDArray[np.int64]

MAX_CHUNKS = 1 << 22


def check_chunks(data: memoryview, header: FileHeader, path: Path) -> None:
    """Raises InputError unless every chunk of every (flat) part lies in the file, once, where the table says, with the
    coordinates and a size that the header allows."""
    plans = [_plan(p, path) for p in header.parts]
    at = header.end
    starts, ends = [], []
    for index, (part, (places, raw)) in enumerate(zip(header.parts, plans, strict=True)):
        count = len(places)
        if part.chunk_count is not None and part.chunk_count != count:
            raise damaged(path, "number of chunks", expected=str(count), got=str(part.chunk_count))
        if at + 8 * count > len(data):
            raise damaged(
                path, "ends inside the chunk offset table", expected=f"{at + 8 * count} bytes", got=str(len(data))
            )
        offsets = np.frombuffer(data, "<u8", count, at)
        at += 8 * count
        begin, end = _check_part(data, offsets, index if header.multipart else None, places, raw, part, path)
        starts.append(begin)
        ends.append(end)
    start, end = np.concatenate(starts), np.concatenate(ends)
    order = np.argsort(start)
    start, end = start[order], end[order]
    if start[0] < at or (start[1:] < end[:-1]).any():
        raise damaged(path, "chunks lie over each other")


def _check_part(
    data: memoryview,
    offsets: NDArray[np.uint64],
    index: int | None,
    places: Int,
    raw: Int,
    part: PartHeader,
    path: Path,
) -> tuple[Int, Int]:
    """Checks one part's chunks; returns where each begins and ends."""
    lead = (1 if index is not None else 0) + places.shape[1]
    length = len(data)
    empty = int((offsets == 0).sum())
    if empty:
        raise damaged(path, f"{empty} of {len(offsets)} chunks are missing", expected="a complete picture")
    if (offsets > length - 4 * (lead + 1)).any():
        bad = int((offsets > length - 4 * (lead + 1)).sum())
        raise damaged(path, f"{bad} of {len(offsets)} chunks lie behind the end of the file", got=f"{length} bytes")
    begin = offsets.astype(np.int64)
    octets = np.frombuffer(data, np.uint8)
    words = octets[begin[:, None] + np.arange(4 * (lead + 1))].view("<i4")
    if index is not None:
        if (words[:, 0] != index).any():
            raise damaged(path, "chunks of another part in the chunk table")
        words = words[:, 1:]
    if (words[:, :-1] != places).any():
        raise damaged(path, f"chunk table of part {part.name!r} points to wrong chunks")
    size = words[:, -1].astype(np.int64)
    wrong = (size < 1) | (size > raw)
    if part.compression == 0:
        wrong |= size != raw
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise damaged(path, f"size of chunk {k}", expected=f"1 to {raw[k]} bytes", got=str(size[k]))
    end = begin + 4 * (lead + 1) + size
    if (end > length).any():
        raise damaged(path, "cut off", expected=f"{int(end.max())} bytes", got=str(length))
    return begin, end


def _plan(part: PartHeader, path: Path) -> tuple[Int, Int]:
    """What a part's chunks must be: coordinates int64 [N, 1 or 4] as in the chunk, and unpacked bytes int64 [N]."""
    return _tile_plan(part, path) if part.tiles is not None else _line_plan(part)


def _line_plan(part: PartHeader) -> tuple[Int, Int]:
    x0, y0, x1, y1 = part.data_window
    lines = LINES_PER_CHUNK[part.compression]
    first = np.arange(y0, y1 + 1, lines, dtype=np.int64)
    last = np.minimum(first + lines - 1, y1)
    raw = np.zeros_like(first)
    for c in part.channels:
        xs, ys = c.sampling
        rows = last // ys - (first - 1) // ys
        raw += rows * ((x1 // xs) - (x0 - 1) // xs) * PIXEL_BYTES[c.pixel_type]
    return first[:, None], raw


def _levels(size: int, round_up: bool) -> list[int]:
    sizes = [size]
    while sizes[-1] > 1:
        level = len(sizes)
        sizes.append(max(1, -(-size // (1 << level)) if round_up else size >> level))
        if sizes[-1] == 1:
            break
    return sizes


def _tile_plan(part: PartHeader, path: Path) -> tuple[Int, Int]:
    assert part.tiles is not None
    t = part.tiles
    w, h = part.size_px
    bytes_per_pixel = sum(PIXEL_BYTES[c.pixel_type] for c in part.channels)
    if t.width * t.height * bytes_per_pixel > 1 << 30:
        raise damaged(path, "tiles too large", got=f"{t.width}x{t.height}")
    if t.mode == 0:
        levels = [(0, 0, w, h)]
    elif t.mode == 1:
        count = len(_levels(max(w, h), t.round_up))
        levels = [(k, k, *(max(1, -(-s // (1 << k)) if t.round_up else s >> k) for s in (w, h))) for k in range(count)]
    else:
        levels = [
            (i, j, lw, lh) for j, lh in enumerate(_levels(h, t.round_up)) for i, lw in enumerate(_levels(w, t.round_up))
        ]
    total = sum(-(-lw // t.width) * -(-lh // t.height) for _, _, lw, lh in levels)
    if total > MAX_CHUNKS:
        raise damaged(path, "too many tiles", expected=f"at most {MAX_CHUNKS}", got=str(total))
    places, raw = [], []
    for lx, ly, lw, lh in levels:
        ty, tx = np.mgrid[0 : -(-lh // t.height), 0 : -(-lw // t.width)].reshape(2, -1)
        places.append(np.stack([tx, ty, np.full_like(tx, lx), np.full_like(tx, ly)], axis=1))
        cols = np.minimum((tx + 1) * t.width, lw) - tx * t.width
        rows = np.minimum((ty + 1) * t.height, lh) - ty * t.height
        raw.append(cols * rows * bytes_per_pixel)
    return np.concatenate(places).astype(np.int64), np.concatenate(raw).astype(np.int64)

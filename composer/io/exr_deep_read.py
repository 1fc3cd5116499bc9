"""Deep scanline EXR, read back into flat sample arrays: the kind that `write_deep_exr` writes, one part, ZIPS.

For putting a few pixels of one deep picture into another. OpenImageIO gives one value a call, which takes seconds.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io import exr_header
from composer.io.exr_deep import ZIPS, DeepImage, Pixels
from composer.io.limits import check_size, damaged
from composer.io.window import Window

#: More samples than this in one file are a mistake, or an attack.
MOST_SAMPLES = 1 << 28


def read_deep_exr(path: str | Path) -> DeepImage:
    """The samples of a deep file of Muster's own. Raises InputError where it is damaged or of another kind."""
    path = Path(path)
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise InputError("cannot be read", where=Where(file=path), got=error.strerror or str(error)) from None
    header = exr_header.parse(data, path)
    part = header.parts[0]
    if len(header.parts) != 1 or part.type != "deepscanline" or part.compression != ZIPS:
        raise InputError("not a deep file that Muster wrote", where=Where(file=path), got=part.type or "a flat picture")
    width, height = part.size_px
    check_size(path, width, height)
    x0, y0, _, _ = part.data_window
    dx, dy, _, _ = part.display_window
    dtypes = [np.dtype(c.dtype).newbyteorder("<") for c in part.channels]
    counts = np.zeros((height, width), np.int64)
    lines: list[list[Pixels]] = [[] for _ in part.channels]
    offsets = np.frombuffer(_taken(data, header.end, 8 * height, path), "<u8").astype(np.int64)
    for y, offset in enumerate(offsets.tolist()):
        counts[y], samples = _line(data, offset, y0 + y, width, sum(d.itemsize for d in dtypes), path)
        at, total = 0, int(counts[y].sum())
        for pieces, dtype in zip(lines, dtypes, strict=True):
            pieces.append(np.frombuffer(samples, dtype, total, at))
            at += total * dtype.itemsize
    channels = {
        c.name: np.concatenate(pieces).astype(d.newbyteorder("="))
        for c, pieces, d in zip(part.channels, lines, dtypes, strict=True)
    }
    start = np.concatenate([[0], np.cumsum(counts.ravel())]).astype(np.int64)
    return DeepImage(Window(x0 - dx, y0 - dy, width, height), start, channels)


def _line(
    data: memoryview, offset: int, y: int, width: int, pixel_bytes: int, path: Path
) -> tuple[NDArray[np.int64], bytes]:  # fmt: skip
    """How many samples each pixel of a scanline has, int64 [w], and their unpacked bytes, channel by channel."""
    number, packed_counts, packed, size = struct.unpack("<iQQQ", _taken(data, offset, 28, path))
    running = np.frombuffer(_unpacked(_taken(data, offset + 28, packed_counts, path), 4 * width, path), "<i4")
    each = np.diff(running.astype(np.int64), prepend=0)
    if number != y or (each < 0).any() or running[-1] > MOST_SAMPLES or size != int(running[-1]) * pixel_bytes:
        raise damaged(path, f"the deep scanline {y} does not fit")
    return each, _unpacked(_taken(data, offset + 28 + packed_counts, packed, path), size, path)


def _taken(data: memoryview, offset: int, count: int, path: Path) -> memoryview:
    if offset < 0 or count < 0 or offset + count > len(data):
        raise damaged(path, "runs past the end", got=f"{count} bytes at {offset} of {len(data)}")
    return data[offset : offset + count]


def _unpacked(data: memoryview, size: int, path: Path) -> bytes:
    """OpenEXR's ZIP undone; bytes that were no smaller packed are stored as they are."""
    if len(data) == size:
        return bytes(data)
    engine = zlib.decompressobj()
    try:
        raw = np.frombuffer(engine.decompress(data, size + 1), np.uint8)
    except zlib.error as error:
        raise damaged(path, "a deep scanline cannot be unpacked", got=str(error)) from None
    if len(raw) != size:
        raise damaged(path, "a deep scanline cannot be unpacked", expected=f"{size} bytes", got=str(len(raw)))
    steps = raw.astype(np.uint32)
    steps[1:] += 128  # modulo 256 the same as taking 128 away
    split = np.cumsum(steps, dtype=np.uint32).astype(np.uint8)
    half = (size + 1) // 2
    out = np.empty(size, np.uint8)
    out[::2], out[1::2] = split[:half], split[half:]
    return out.tobytes()

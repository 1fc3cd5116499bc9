"""Deep scanline EXR, written straight from flat sample arrays.

The OpenEXR package takes deep pixels as object arrays and OpenImageIO one value a call: seconds a frame for a crowd.
The format itself is small, so the chunks are made here; both packages read them back in the tests. Layout: "OpenEXR
File Layout" and "Technical Introduction" of the OpenEXR documentation; ZIPS compression, one scanline a chunk.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io.exr_attributes import Chromaticities, timecode_word
from composer.io.exr_header import FLAG_DEEP, FLAG_LONG_NAMES, MAGIC, PIXEL_TYPES, RESERVED
from composer.io.files import atomic_write
from composer.io.limits import check_size, damaged
from composer.io.timecode import Timecode
from composer.io.window import Window

Pixels = NDArray[np.generic]
ZIPS, LEVEL = 2, 4
"""Compression by its number in the file; zlib's level, the one that OpenEXR uses."""


@dataclass(frozen=True)
class DeepImage:
    """The samples of a window, in CSR form.

    window: in pixels from the top left of the display window. start: int64 [h * w + 1]; pixel p (row-major in the
    window) owns samples start[p]:start[p + 1], nearest first. channels: name to float16, float32 or uint32 [E].
    """

    window: Window
    start: NDArray[np.int64]
    channels: Mapping[str, Pixels]


def write_deep_exr(
    path: str | Path,
    name: str,
    image: DeepImage,
    size_px: tuple[int, int],
    attributes: Mapping[str, object] | None = None,
    pixel_aspect: float = 1.0,
) -> None:
    """Writes one deep part of display window (0, 0)-size_px atomically. attributes: as in `write_exr`. Raises
    InputError where the arrays do not fit each other."""
    path = Path(path)
    check_size(path, *size_px)
    _check(path, image)
    window = image.window
    channels = [np.ascontiguousarray(image.channels[n]) for n in sorted(image.channels)]
    head = _head(name, image, size_px, attributes or {}, pixel_aspect, path)

    def line(y: int) -> bytes:
        return _chunk(image.start[y * window.width : (y + 1) * window.width + 1], channels, window.y + y)

    with ThreadPoolExecutor(os.cpu_count() or 1, "deep") as pool:
        chunks = list(pool.map(line, range(window.height)))
    sizes = np.array([len(c) for c in chunks], dtype=np.int64)
    offsets = len(head) + 8 * window.height + np.cumsum(sizes) - sizes
    with atomic_write(path) as temporary, open(temporary, "wb") as handle:
        handle.write(head)
        handle.write(offsets.astype("<u8").tobytes())
        handle.writelines(chunks)


def deep_counts(path: str | Path) -> NDArray[np.int32]:
    """How many samples each pixel of a deep file has, int32 [H, W] over the display window. Raises InputError."""
    import OpenImageIO as oiio

    path = Path(path)
    source = oiio.ImageInput.open(str(path))
    if source is None:
        raise damaged(path, "cannot be opened", got=oiio.geterror()[:120])
    try:
        spec = source.spec()
        check_size(path, spec.full_width, spec.full_height)
        check_size(path, spec.width, spec.height)
        pixels = source.read_native_deep_image() if spec.deep else None
        if pixels is None:
            raise damaged(path, "no deep samples can be read", got=source.geterror()[:120] or "a flat picture")
        n = spec.width * spec.height
        counts = np.fromiter(map(pixels.samples, range(n)), np.int32, n).reshape(spec.height, spec.width)
        out = np.zeros((spec.full_height, spec.full_width), np.int32)
        out[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width] = counts
        return out
    finally:
        source.close()


def _check(path: Path, image: DeepImage) -> None:
    where, window, start = Where(file=path), image.window, image.start
    if window.width < 1 or window.height < 1:
        raise InputError("an empty data window", where=where, got=f"{window.width}x{window.height}")
    if start.shape != (window.width * window.height + 1,) or start[0] != 0 or (np.diff(start) < 0).any():
        raise InputError("the samples' starts do not fit the window", where=where, got=str(list(start.shape)))
    if not image.channels:
        raise InputError("a part without channels", where=where)
    for name, values in image.channels.items():
        if values.dtype.name not in PIXEL_TYPES or values.shape != (int(start[-1]),):
            raise InputError(
                f"channel {name!r}",
                where=where,
                expected=f"float16, float32 or uint32 [{int(start[-1])}]",
                got=f"{values.dtype} {list(values.shape)}",
            )


def _chunk(start: NDArray[np.int64], channels: list[Pixels], y: int) -> bytes:
    """One scanline: its number, the packed running counts, and the packed samples channel by channel."""
    counts = (start[1:] - start[0]).astype("<i4").tobytes()
    a, b = int(start[0]), int(start[-1])
    samples = b"".join([c[a:b].astype(c.dtype.newbyteorder("<"), copy=False).tobytes() for c in channels])
    packed_counts, packed = _packed(counts), _packed(samples)
    return b"".join(
        [struct.pack("<iQQQ", y, len(packed_counts), len(packed), len(samples)), packed_counts, packed]
    )  # fmt: skip


def _packed(data: bytes) -> bytes:
    """OpenEXR's ZIP: even bytes, then odd ones, as differences (offset by 128), deflated; as it is where that is no
    smaller."""
    if not data:
        return data
    raw = np.frombuffer(data, dtype=np.uint8)
    split = np.concatenate([raw[::2], raw[1::2]])
    split[1:] = split[1:] - split[:-1] + np.uint8(128)
    packed = zlib.compress(split, LEVEL)
    return packed if len(packed) < len(data) else data


def _head(
    name: str,
    image: DeepImage,
    size_px: tuple[int, int],
    attributes: Mapping[str, object],
    pixel_aspect: float,
    path: Path,
) -> bytes:
    """Magic number, version and header, up to the chunk offsets."""
    where = Where(file=path, field=name)
    if taken := RESERVED & set(attributes):
        raise InputError("attribute names that belong to the file", where=where, got=", ".join(sorted(taken)))
    w = image.window
    listed = [
        n.encode() + b"\0" + struct.pack("<iB3x2i", PIXEL_TYPES.index(image.channels[n].dtype.name), 0, 1, 1)
        for n in sorted(image.channels)
    ]
    known: dict[str, tuple[str, bytes]] = {
        "channels": ("chlist", b"".join(listed) + b"\0"),
        "compression": ("compression", bytes([ZIPS])),
        "dataWindow": ("box2i", struct.pack("<4i", w.x, w.y, w.right - 1, w.bottom - 1)),
        "displayWindow": ("box2i", struct.pack("<4i", 0, 0, size_px[0] - 1, size_px[1] - 1)),
        "lineOrder": ("lineOrder", b"\0"),
        "pixelAspectRatio": ("float", struct.pack("<f", pixel_aspect)),
        "screenWindowCenter": ("v2f", struct.pack("<2f", 0.0, 0.0)),
        "screenWindowWidth": ("float", struct.pack("<f", 1.0)),
        "name": ("string", name.encode()),
        "type": ("string", b"deepscanline"),
        "version": ("int", struct.pack("<i", 1)),
        "chunkCount": ("int", struct.pack("<i", w.height)),
        "maxSamplesPerPixel": ("int", struct.pack("<i", int(np.diff(image.start).max(initial=0)))),
    }
    known |= {key: _encoded(key, value, where) for key, value in attributes.items()}
    longest = max(len(text.encode()) for text in [*known, *image.channels])
    flags = FLAG_DEEP | (FLAG_LONG_NAMES if longest > 31 else 0)
    parts = [struct.pack("<II", MAGIC, 2 | flags)]
    for key in sorted(known):
        kind, data = known[key]
        parts.append(key.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(data)) + data)
    return b"".join([*parts, b"\0"])


def _encoded(name: str, value: object, where: Where) -> tuple[str, bytes]:
    """An attribute's type and bytes."""
    if isinstance(value, str):
        return "string", value.encode()
    if isinstance(value, bool | int | np.integer):
        return "int", struct.pack("<i", int(value))
    if isinstance(value, float | np.floating):
        return "float", struct.pack("<f", float(value))
    if isinstance(value, Fraction):
        return "rational", struct.pack("<iI", value.numerator, value.denominator)
    if isinstance(value, Chromaticities):
        return "chromaticities", struct.pack("<8f", *value.values())
    if isinstance(value, Timecode) and value.frames <= 39:
        return "timecode", struct.pack("<II", timecode_word(value), 0)
    if isinstance(value, np.ndarray) and value.shape in ((3, 3), (4, 4)):
        return f"m{value.shape[0]}{value.shape[0]}f", value.astype("<f4").tobytes()
    raise InputError(f"attribute {name!r} cannot be stored in deep EXR", where=where, got=type(value).__name__)

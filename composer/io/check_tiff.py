"""TIFF and BigTIFF (also the block inside EXIF): directories, values and strips lie inside the file and agree."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from composer.errors import InputError, Where
from composer.io.limits import MAX_PIXEL_BYTES, check_size, damaged

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_PHOTOMETRIC = {0: "white is zero", 1: "black is zero", 2: "RGB", 3: "palette", 6: "YCbCr"}
_UNREADABLE = {
    4: "transparency mask",
    5: "CMYK",
    8: "CIE Lab",
    9: "ICC Lab",
    10: "ITU Lab",
    32803: "camera raw",
    34892: "camera raw",
}
_MAX_ENTRIES = 4096
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, SAMPLE_FORMAT = 322, 323, 324, 325, 339


@dataclass(frozen=True)
class Directory:
    """The entries of one directory: tag to (type, count, where its value lies)."""

    data: memoryview
    order: str
    entries: dict[int, tuple[int, int, int]]
    next: int

    def values(self, tag: int) -> tuple[int, ...]:
        """An integer tag's values, empty where absent or not integers."""
        if tag not in self.entries:
            return ()
        kind, count, at = self.entries[tag]
        if kind not in _INTEGERS:
            return ()
        return struct.unpack_from(f"{self.order}{count}{_INTEGERS[kind]}", self.data, at)

    def one(self, tag: int, default: int) -> int:
        found = self.values(tag)
        return found[0] if found else default


def read_directory(data: memoryview, at: int, order: str, big: bool, path: Path) -> Directory:
    """A directory whose entries all lie inside `data`. Raises InputError."""
    head, entry, last = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    lead, step, inline = struct.calcsize("=" + head), (20 if big else 12), (8 if big else 4)
    if at < 8 or at + lead > len(data):
        raise damaged(path, "directory outside the file", got=f"at {at} of {len(data)} bytes")
    (count,) = struct.unpack_from(order + head, data, at)
    end = at + lead + count * step
    if count > _MAX_ENTRIES or end + struct.calcsize("=" + last) > len(data):
        raise damaged(path, "directory runs past the end", got=f"{count} entries")
    entries: dict[int, tuple[int, int, int]] = {}
    for k in range(count):
        place = at + lead + k * step
        tag, kind, number = struct.unpack_from(order + entry, data, place)
        if kind not in _TYPE_BYTES:
            raise damaged(path, f"tag {tag} of unknown type", got=str(kind))
        if tag in entries:
            raise damaged(path, f"tag {tag} stands twice")
        size = _TYPE_BYTES[kind] * number
        value = place + step - inline
        if size > inline:
            (value,) = struct.unpack_from(order + last, data, value)
        if value + size > len(data):
            raise damaged(
                path, f"value of tag {tag} lies outside the file", got=f"{size} bytes at {value} of {len(data)}"
            )
        entries[tag] = (kind, number, value)
    return Directory(data, order, entries, struct.unpack_from(order + last, data, end)[0])


def check_tiff(data: memoryview, path: Path) -> None:
    """Raises InputError unless the first picture's directory and all its strips or tiles are whole and fit its size."""
    if len(data) < 16:
        raise damaged(path, "too short for a TIFF file")
    order = "<" if bytes(data[:2]) == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    (first,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    d = read_directory(data, first, order, big, path)
    width, height = d.one(WIDTH, 0), d.one(HEIGHT, 0)
    check_size(path, width, height)
    photometric, samples = d.one(PHOTOMETRIC, -1), d.one(SAMPLES, 1)
    if photometric not in _PHOTOMETRIC:
        raise InputError(
            "TIFF colour that Muster does not read",
            where=Where(file=path),
            expected=", ".join(_PHOTOMETRIC.values()),
            got=_UNREADABLE.get(photometric, str(photometric)),
        )
    bits = d.values(BITS) or (1,)
    if not 1 <= samples <= 64 or len(bits) not in (1, samples) or len(set(bits)) > 1 or not 1 <= bits[0] <= 64:
        raise damaged(path, "samples", got=f"{samples} of {bits[:8]} bits")
    if width * height * samples * bits[0] // 8 > MAX_PIXEL_BYTES:
        raise damaged(path, "too large", got=f"{width}x{height} in {samples} channels")
    _check_pieces(d, width, height, samples, bits[0], path)


def _check_pieces(d: Directory, width: int, height: int, samples: int, bits: int, path: Path) -> None:
    planes = samples if d.one(PLANAR, 1) == 2 else 1
    tiled = TILE_OFFSETS in d.entries
    if tiled:
        tw, th = d.one(TILE_WIDTH, 0), d.one(TILE_HEIGHT, 0)
        if not (1 <= tw <= 1 << 16 and 1 <= th <= 1 << 16):
            raise damaged(path, "tile size", got=f"{tw}x{th}")
        offsets, sizes = d.values(TILE_OFFSETS), d.values(TILE_BYTES)
        expected, piece = planes * -(-width // tw) * -(-height // th), tw * th
    else:
        rows = min(d.one(ROWS_PER_STRIP, height) or height, height)
        offsets, sizes = d.values(STRIP_OFFSETS), d.values(STRIP_BYTES)
        expected, piece = planes * -(-height // rows), width * rows
    what = "tiles" if tiled else "strips"
    if len(offsets) != expected or len(sizes) != expected:
        raise damaged(
            path, f"number of {what}", expected=str(expected), got=f"{len(offsets)} offsets, {len(sizes)} sizes"
        )
    for offset, size in zip(offsets, sizes, strict=True):
        if size < 1 or offset < 8 or offset + size > len(d.data):
            raise damaged(path, f"{what} lie outside the file", got=f"{size} bytes at {offset} of {len(d.data)}")
    if d.one(COMPRESSION, 1) == 1:
        line = piece // (d.one(TILE_HEIGHT, 1) if tiled else max(1, piece // width))
        one_line = (line * (samples // planes) * bits + 7) // 8
        total = planes * (one_line * height if not tiled else one_line * d.one(TILE_HEIGHT, 1) * (expected // planes))
        subsampled = d.one(PHOTOMETRIC, 0) == 6
        if sum(sizes) < total and not subsampled:
            raise damaged(path, "cut off", expected=f"{total} bytes of pixels", got=str(sum(sizes)))

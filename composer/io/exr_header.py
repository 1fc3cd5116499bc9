"""EXR headers, read strictly: every size, count and offset is held against the others before a decoder sees the file.

Layout: "OpenEXR File Layout" of the OpenEXR documentation. Decoders trust headers and open truncated files without a
word, so nothing is decoded here; `parse` either describes a complete file or raises InputError.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.errors import InputError, Where
from composer.io import limits
from composer.io.exr_attributes import AttributeDamage, decode
from composer.io.limits import damaged

MAGIC = 20000630
FLAG_TILED, FLAG_LONG_NAMES, FLAG_DEEP, FLAG_MULTIPART = 0x200, 0x400, 0x800, 0x1000
COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab", "htj2k256", "htj2k32")
LINES_PER_CHUNK = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32)
PIXEL_TYPES = ("uint32", "float16", "float32")
PIXEL_BYTES = (4, 2, 4)
_REQUIRED = (
    "channels",
    "compression",
    "dataWindow",
    "displayWindow",
    "lineOrder",
    "pixelAspectRatio",
    "screenWindowCenter",
    "screenWindowWidth",
)
_TYPES = {
    "channels": "chlist",
    "compression": "compression",
    "dataWindow": "box2i",
    "displayWindow": "box2i",
    "lineOrder": "lineOrder",
    "pixelAspectRatio": "float",
    "screenWindowCenter": "v2f",
    "screenWindowWidth": "float",
    "tiles": "tiledesc",
    "name": "string",
    "type": "string",
    "chunkCount": "int",
}
RESERVED = frozenset(_TYPES) | {"version"}
"""What a header says about its own structure; everything else is an attribute."""
PART_TYPES = ("scanlineimage", "tiledimage", "deepscanline", "deeptile")


@dataclass(frozen=True)
class Channel:
    """One channel of a part. dtype: uint32, float16 or float32; sampling: every n-th pixel (x, y) has a sample."""

    name: str
    pixel_type: int
    sampling: tuple[int, int]

    @property
    def dtype(self) -> str:
        return PIXEL_TYPES[self.pixel_type]


@dataclass(frozen=True)
class Tiles:
    """Tile size and levels. mode: 0 one level, 1 mip-map, 2 rip-map."""

    width: int
    height: int
    mode: int
    round_up: bool


@dataclass(frozen=True)
class PartHeader:
    """What a part says about itself. Windows are (xmin, ymin, xmax, ymax) inclusive, as in the file."""

    name: str
    type: str
    channels: tuple[Channel, ...]
    compression: int
    data_window: tuple[int, int, int, int]
    display_window: tuple[int, int, int, int]
    tiles: Tiles | None
    chunk_count: int | None
    pixel_aspect: float
    attributes: Mapping[str, object]

    @property
    def deep(self) -> bool:
        return self.type.startswith("deep")

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height) of the data window."""
        x0, y0, x1, y1 = self.data_window
        return x1 - x0 + 1, y1 - y0 + 1

    @property
    def unpacked_bytes(self) -> int:
        w, h = self.size_px
        return sum(
            math.ceil(w / c.sampling[0]) * math.ceil(h / c.sampling[1]) * PIXEL_BYTES[c.pixel_type]
            for c in self.channels
        )


@dataclass(frozen=True)
class FileHeader:
    """All parts of a file, and where the chunk offset tables begin."""

    flags: int
    parts: tuple[PartHeader, ...]
    end: int

    @property
    def multipart(self) -> bool:
        return bool(self.flags & FLAG_MULTIPART)


class _Cursor:
    """Reads forward through bytes and says so when they end too early."""

    def __init__(self, data: memoryview, path: Path) -> None:
        self.data, self.path, self.at = data, path, 0

    def take(self, count: int, what: str) -> memoryview:
        if count < 0 or self.at + count > len(self.data) or self.at + count > limits.MAX_HEADER_BYTES:
            raise damaged(self.path, f"{what} runs past the end", got=f"{count} bytes at {self.at} of {len(self.data)}")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def int32(self, what: str) -> int:
        return int(struct.unpack("<i", self.take(4, what))[0])

    def name(self, longest: int, what: str) -> str:
        window = bytes(self.data[self.at : self.at + longest + 1])
        end = window.find(b"\0")
        if end < 0:
            raise damaged(self.path, f"{what} without an end", expected=f"at most {longest} bytes")
        self.at += end + 1
        try:
            return window[:end].decode("utf-8")
        except UnicodeDecodeError:
            raise damaged(self.path, f"{what} is not UTF-8", got=repr(window[:end])[:60]) from None


def parse(data: memoryview, path: Path) -> FileHeader:
    """Reads and checks all part headers of an EXR file's bytes. Raises InputError."""
    cursor = _Cursor(data, path)
    magic, version = cursor.int32("magic number"), cursor.int32("version")
    if magic != MAGIC:
        raise InputError("not an EXR file", where=Where(file=path))
    flags = version & ~0xFF
    if version & 0xFF != 2 or flags & ~(FLAG_TILED | FLAG_LONG_NAMES | FLAG_DEEP | FLAG_MULTIPART):
        raise damaged(path, "unknown EXR version", expected="2", got=hex(version & 0xFFFFFFFF))
    if flags & FLAG_TILED and flags & (FLAG_DEEP | FLAG_MULTIPART):
        raise damaged(path, "contradicting version flags", got=hex(flags))
    longest = 255 if flags & FLAG_LONG_NAMES else 31
    parts: list[PartHeader] = []
    while True:
        attributes = _read_attributes(cursor, longest)
        if not attributes and flags & FLAG_MULTIPART and parts:
            break
        parts.append(_part(attributes, flags, path))
        if not flags & FLAG_MULTIPART:
            break
        if len(parts) > limits.MAX_PARTS:
            raise damaged(path, "too many parts", expected=f"at most {limits.MAX_PARTS}")
    _check_together(parts, flags, path)
    return FileHeader(flags, tuple(parts), cursor.at)


def _read_attributes(cursor: _Cursor, longest: int) -> dict[str, tuple[str, object]]:
    found: dict[str, tuple[str, object]] = {}
    while True:
        name = cursor.name(longest, "attribute name")
        if not name:
            return found
        kind = cursor.name(longest, f"type of attribute {name!r}")
        if not kind or not (name.isprintable() and kind.isprintable()):
            raise damaged(cursor.path, "attribute without a proper name and type", got=repr((name, kind))[:80])
        value = cursor.take(cursor.int32(f"size of attribute {name!r}"), f"attribute {name!r}")
        if name in found:
            raise damaged(cursor.path, f"attribute {name!r} stands twice")
        if name in _TYPES and _TYPES[name] != kind:
            raise damaged(cursor.path, f"attribute {name!r} has a wrong type", expected=_TYPES[name], got=kind)
        try:
            found[name] = (kind, decode(kind, bytes(value), longest))
        except AttributeDamage as error:
            raise damaged(cursor.path, f"attribute {name!r} ({kind}) {error}") from None


def _part(attributes: dict[str, tuple[str, object]], flags: int, path: Path) -> PartHeader:
    value = {name: v for name, (_, v) in attributes.items()}
    missing = [n for n in _REQUIRED if n not in value]
    multi = bool(flags & (FLAG_MULTIPART | FLAG_DEEP))
    if multi:
        missing += [
            n for n in ("name", "type", "chunkCount") if n not in value and not (n == "name" and flags & FLAG_DEEP)
        ]
    if missing:
        raise damaged(path, f"header without {', '.join(missing)}")
    kind = str(value["type"]) if multi else ("tiledimage" if flags & FLAG_TILED else "scanlineimage")
    if kind not in PART_TYPES:
        raise damaged(path, "unknown part type", expected=", ".join(PART_TYPES), got=repr(kind)[:60])
    if kind in ("tiledimage", "deeptile") and "tiles" not in value:
        raise damaged(path, "tiled part without tile sizes")
    tiles = _tiles(value["tiles"], path) if kind in ("tiledimage", "deeptile") else None
    compression = value["compression"]
    assert isinstance(compression, int)
    if compression >= len(COMPRESSIONS):
        raise damaged(path, "unknown compression", expected=", ".join(COMPRESSIONS), got=str(compression))
    part = PartHeader(
        name=str(value.get("name", "")),
        type=kind,
        channels=_channels(value["channels"], path),
        compression=compression,
        data_window=value["dataWindow"],  # type: ignore[arg-type]
        display_window=value["displayWindow"],  # type: ignore[arg-type]
        tiles=tiles,
        chunk_count=value["chunkCount"] if multi else None,  # type: ignore[arg-type]
        pixel_aspect=float(value["pixelAspectRatio"]),  # type: ignore[arg-type]
        attributes={n: v for n, v in value.items() if n not in RESERVED},
    )
    _check_part(part, value, path)
    return part


def _channels(value: object, path: Path) -> tuple[Channel, ...]:
    assert isinstance(value, tuple)
    channels = tuple(Channel(name, kind, (xs, ys)) for name, kind, xs, ys in value)
    if not 1 <= len(channels) <= limits.MAX_CHANNELS:
        raise damaged(path, "number of channels", expected=f"1 to {limits.MAX_CHANNELS}", got=str(len(channels)))
    names = [c.name for c in channels]
    if len(set(names)) != len(names):
        raise damaged(path, "two channels of one name")
    for c in channels:
        if not 0 <= c.pixel_type <= 2 or not all(1 <= s <= 64 for s in c.sampling):
            raise damaged(path, f"channel {c.name!r}", got=f"pixel type {c.pixel_type}, sampling {c.sampling}")
    return channels


def _tiles(value: object, path: Path) -> Tiles:
    assert isinstance(value, tuple)
    width, height, mode = value
    if not (1 <= width <= limits.MAX_SIDE_PX and 1 <= height <= limits.MAX_SIDE_PX) or mode & 0xF > 2 or mode >> 4 > 1:
        raise damaged(path, "tile description", got=f"{width}x{height}, mode {mode}")
    return Tiles(width, height, mode & 0xF, bool(mode >> 4))


def _check_part(part: PartHeader, value: Mapping[str, object], path: Path) -> None:
    for name, (x0, y0, x1, y1) in (("data", part.data_window), ("display", part.display_window)):
        limits.check_size(path, x1 - x0 + 1, y1 - y0 + 1, f"{name} window")
        if max(abs(v) for v in (x0, y0, x1, y1)) > 1 << 24:
            raise damaged(path, f"{name} window lies far away", got=str((x0, y0, x1, y1)))
    if not 1e-3 <= part.pixel_aspect <= 1e3:
        raise damaged(path, "pixel aspect ratio", expected="0.001 to 1000", got=str(part.pixel_aspect))
    width, centre = value["screenWindowWidth"], value["screenWindowCenter"]
    if not (isinstance(width, float) and math.isfinite(width) and width >= 0):
        raise damaged(path, "screen window width", got=str(width))
    if not all(math.isfinite(v) for v in centre):  # type: ignore[attr-defined]
        raise damaged(path, "screen window centre", got=str(centre))
    if value["lineOrder"] not in (0, 1, 2) or (value["lineOrder"] == 2 and part.tiles is None):
        raise damaged(path, "line order", got=str(value["lineOrder"]))
    x0, y0, _, _ = part.data_window
    w, h = part.size_px
    for c in part.channels:
        xs, ys = c.sampling
        if (xs, ys) != (1, 1) and (part.tiles is not None or part.deep):
            raise damaged(path, f"channel {c.name!r} is subsampled in a tiled or deep part")
        if x0 % xs or y0 % ys or w % xs or h % ys:
            raise damaged(
                path, f"data window does not fit the sampling of channel {c.name!r}", got=f"{w}x{h} at {x0},{y0}"
            )
    if part.unpacked_bytes > limits.MAX_PIXEL_BYTES:
        raise damaged(
            path,
            "too large",
            expected=f"at most {limits.MAX_PIXEL_BYTES} bytes of pixels",
            got=str(part.unpacked_bytes),
        )


def _check_together(parts: list[PartHeader], flags: int, path: Path) -> None:
    names = [p.name for p in parts]
    if flags & FLAG_MULTIPART and (len(set(names)) != len(names) or "" in names):
        raise damaged(path, "parts without a name of their own", got=repr(names)[:80])
    for p in parts[1:]:
        if p.display_window != parts[0].display_window or p.pixel_aspect != parts[0].pixel_aspect:
            raise damaged(path, f"part {p.name!r} has a display window or pixel aspect of its own")
    if any(p.deep for p in parts) != bool(flags & FLAG_DEEP):
        raise damaged(path, "deep flag and part types disagree")
    if sum(p.unpacked_bytes for p in parts) > limits.MAX_PIXEL_BYTES:
        raise damaged(path, "too large", expected=f"at most {limits.MAX_PIXEL_BYTES} bytes of pixels in all")

"""EXR in and out: the one place that knows the OpenEXR package and its traps.

Reading: `exr_header` and `exr_chunks` prove a file whole before the decoder sees it. Writing: arrays are checked
(contiguity, dtype, size), the file appears atomically.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io import exr_header
from composer.io.exr_attributes import Chromaticities
from composer.io.exr_chunks import check_chunks
from composer.io.exr_header import FileHeader, PartHeader
from composer.io.files import atomic_write, not_written
from composer.io.limits import check_size, damaged
from composer.io.quiet import caught_output
from composer.io.timecode import Timecode
from composer.io.window import Window

__all__ = ["Chromaticities", "ExrPart", "read_exr_parts", "read_header", "write_exr"]

Pixels = NDArray[np.generic]
WRITABLE = {"none": "NO", "rle": "RLE", "zips": "ZIPS", "zip": "ZIP", "piz": "PIZ"}
"""Lossless compressions only: the others corrupt ids."""


@dataclass(frozen=True)
class ExrPart:
    """One part of an EXR file.

    channels: name to float16, float32 or uint32 [h, w] (subsampled channels as read are smaller). window: the data
    window, in pixels from the top left of the display window; None is the whole display window; arrays have its size.
    compression: "zip", "zips", "piz", "rle" or "none" for writing. attributes: besides those of the file.
    """

    name: str
    channels: Mapping[str, Pixels]
    window: Window | None = None
    compression: str = "zip"
    attributes: Mapping[str, object] = field(default_factory=dict)


def read_header(path: str | Path) -> FileHeader:
    """Headers of a file that is proven complete (chunk tables included). Deep files are refused. Raises InputError."""
    path = Path(path)
    view = memoryview(_mapped(path))
    header = exr_header.parse(view, path)
    _refuse_deep(header, path)
    check_chunks(view, header, path)
    return header


def _mapped(path: Path) -> mmap.mmap:
    try:
        with open(path, "rb") as handle:
            if os.fstat(handle.fileno()).st_size < 8:
                raise damaged(path, "too short for an EXR file")
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError("cannot be read", where=Where(file=path), got=error.strerror or str(error)) from None


def _refuse_deep(header: FileHeader, path: Path) -> None:
    deep = [p.name or p.type for p in header.parts if p.deep]
    if deep:
        raise InputError(
            "deep EXR",
            where=Where(file=path),
            expected="a flat picture",
            got=f"deep samples in {', '.join(map(repr, deep[:4]))}",
            hint="flatten it first (DeepToImage in Nuke, oiiotool --flatten)",
        )


def read_exr_parts(path: str | Path) -> tuple[ExrPart, ...]:
    """All parts with all channels, as stored: float16, float32 or uint32 [h, w] over the part's data window. Of
    mip-mapped parts level 0. Raises InputError."""
    return decode_parts(Path(path), read_header(path))


def decode_parts(path: Path, header: FileHeader) -> tuple[ExrPart, ...]:
    """The pixels behind a checked header."""
    import OpenEXR

    OpenEXR.set_global_thread_count(os.cpu_count() or 1)
    said: list[str] = []
    try:
        with caught_output() as said:
            parts = OpenEXR.File(str(path), separate_channels=True).parts
            if len(parts) != len(header.parts):  # the package leaves out what it cannot decode
                raise RuntimeError(f"{len(parts)} of {len(header.parts)} parts")
    except Exception as error:  # the binding raises whatever it meets, UnicodeDecodeError included
        reason = said[0].replace(f"{path}: ", "") if said else str(error)
        raise damaged(path, "pixels cannot be decoded", got=reason[:120]) from None
    found = []
    for expected, part in zip(header.parts, parts, strict=True):
        channels = {name: channel.pixels for name, channel in part.channels.items()}
        _compare(path, expected, channels)
        x0, y0, _, _ = expected.data_window
        dx, dy, _, _ = expected.display_window
        found.append(
            ExrPart(
                name=expected.name,
                channels=channels,
                window=Window(x0 - dx, y0 - dy, *expected.size_px),
                compression=exr_header.COMPRESSIONS[expected.compression],
                attributes=expected.attributes,
            )
        )
    return tuple(found)


def _compare(path: Path, expected: PartHeader, channels: Mapping[str, Pixels]) -> None:
    """The decoder must have given exactly what the header promises."""
    w, h = expected.size_px
    for c in expected.channels:
        xs, ys = c.sampling
        pixels = channels.get(c.name)
        if pixels is None or pixels.shape != (h // ys, w // xs) or pixels.dtype.name != c.dtype:
            got = "nothing" if pixels is None else f"{pixels.dtype} {pixels.shape}"
            raise damaged(
                path, f"channel {c.name!r} cannot be decoded", expected=f"{c.dtype} {(h // ys, w // xs)}", got=got
            )


def write_exr(
    path: str | Path,
    parts: Sequence[ExrPart],
    size_px: tuple[int, int],
    attributes: Mapping[str, object] | None = None,
    pixel_aspect: float = 1.0,
) -> None:
    """Writes a (multi-part) EXR of display window (0, 0)-size_px atomically.

    attributes are put in every part; a part's own win. Values: str, int, float, tuple of 2 or 3 numbers, tuple of str,
    Fraction, Timecode, Chromaticities, [3, 3] or [4, 4] matrices. Raises InputError where a part does not fit,
    MachineError where the disk is full.
    """
    import OpenEXR

    path = Path(path)
    check_size(path, *size_px)
    if not parts:
        raise InputError("an EXR file without parts", where=Where(file=path))
    names = [p.name for p in parts]
    if len(set(names)) != len(names) or (len(parts) > 1 and "" in names):
        raise InputError("part names must be given and differ", where=Where(file=path), got=", ".join(names))
    OpenEXR.set_global_thread_count(os.cpu_count() or 1)
    made = []
    for part in parts:
        channels = _checked_channels(part, size_px, path)
        header = _header(part, size_px, {**(attributes or {}), **part.attributes}, pixel_aspect, path)
        made.append(OpenEXR.Part(header, channels, part.name))
    with atomic_write(path) as temporary:
        try:
            OpenEXR.File(made).write(str(temporary))
            read_header(temporary)  # proven whole before it takes its place
        except RuntimeError as error:
            raise not_written(path, str(error).rpartition('". ')[2].rstrip(".")[:120]) from error
        except InputError as error:
            raise not_written(path, f"cut short: {error.what}") from error


def _checked_channels(part: ExrPart, size_px: tuple[int, int], path: Path) -> dict[str, Pixels]:
    where = Where(file=path, field=part.name or None)
    window = part.window or Window(0, 0, *size_px)
    if not part.channels:
        raise InputError("a part without channels", where=where)
    if window.width < 1 or window.height < 1:
        raise InputError("an empty data window", where=where, got=f"{window.width}x{window.height}")
    checked = {}
    for name, pixels in part.channels.items():
        if pixels.dtype.name not in exr_header.PIXEL_TYPES:
            raise InputError(
                f"channel {name!r}", where=where, expected="float16, float32 or uint32", got=str(pixels.dtype)
            )
        if pixels.shape != (window.height, window.width):
            raise InputError(
                f"channel {name!r}",
                where=where,
                expected=f"[{window.height}, {window.width}]",
                got=str(list(pixels.shape)),
            )
        checked[name] = np.ascontiguousarray(pixels)
    return checked


def _header(
    part: ExrPart, size_px: tuple[int, int], attributes: Mapping[str, object], pixel_aspect: float, path: Path
) -> dict[str, object]:
    import OpenEXR

    where = Where(file=path, field=part.name or None)
    if part.compression not in WRITABLE:
        raise InputError("compression", where=where, expected=", ".join(WRITABLE), got=part.compression)
    window = part.window or Window(0, 0, *size_px)
    taken = exr_header.RESERVED & set(attributes)
    if taken:
        raise InputError("attribute names that belong to the file", where=where, got=", ".join(sorted(taken)))
    header = {name: _attribute(name, value, where) for name, value in attributes.items()}
    header |= {
        "compression": getattr(OpenEXR, WRITABLE[part.compression] + "_COMPRESSION"),
        "type": OpenEXR.scanlineimage,
        "dataWindow": (
            np.array([window.x, window.y], np.int32),
            np.array([window.right - 1, window.bottom - 1], np.int32),
        ),
        "displayWindow": (np.array([0, 0], np.int32), np.array([size_px[0] - 1, size_px[1] - 1], np.int32)),
        "pixelAspectRatio": float(pixel_aspect),
    }
    return header


def _attribute(name: str, value: object, where: Where) -> object:
    """What the OpenEXR package takes for a value."""
    import OpenEXR

    if isinstance(value, Chromaticities):
        return value.values()
    if isinstance(value, Timecode):
        if value.frames > 39:
            raise InputError(
                f"attribute {name!r}", where=where, expected="a time code of up to 39 frames a second", got=str(value)
            )
        flags = [int(value.drop)] + [0] * 13  # drop frame; colour frame, field, groups and user bits unused
        return OpenEXR.TimeCode(value.hours, value.minutes, value.seconds, value.frames, *flags)
    if isinstance(value, np.ndarray) and value.shape in ((3, 3), (4, 4)):
        return np.ascontiguousarray(value, dtype=np.float32)
    if isinstance(value, tuple) and len(value) in (2, 3) and all(isinstance(v, int | float) for v in value):
        return np.array(value, dtype=np.float32)
    if isinstance(value, bool | np.generic):
        return value.item() if isinstance(value, np.generic) else int(value)
    if isinstance(value, str | int | float | Fraction) or (
        isinstance(value, tuple) and all(isinstance(v, str) for v in value)
    ):
        return list(value) if isinstance(value, tuple) else value
    raise InputError(f"attribute {name!r} cannot be stored in EXR", where=where, got=type(value).__name__)

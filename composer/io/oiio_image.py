"""DPX, Cineon, TIFF, PNG, JPEG and the rest through OpenImageIO, as stored code values."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from composer.errors import InputError, Where
from composer.io.container import check_container
from composer.io.limits import MAX_CHANNELS, MAX_PIXEL_BYTES, check_size, damaged
from composer.io.pixels import Image, ImageInfo, count_odd
from composer.io.timecode import frame_rate
from composer.io.window import Window

if TYPE_CHECKING:
    import OpenImageIO

_RAW = {"oiio:UnassociatedAlpha": 1, "oiio:RawColor": 1, "oiio:reorient": 0}


def info(path: Path) -> ImageInfo:
    """The header, after the container was checked."""
    check_container(path)
    source = _open(path)
    try:
        return _info(path, source)
    finally:
        source.close()


def read(path: Path) -> tuple[Image, ImageInfo]:
    """float32 [H, W, 3 or 4]; one channel is repeated to RGB."""
    image, found = read_stored(path)
    names = list(found.channels)
    if {"R", "G", "B"} <= set(names):
        chosen = [n for n in "RGBA" if n in names]
        if chosen != names:
            image = np.ascontiguousarray(image[..., [names.index(n) for n in chosen]])
        return image, found
    if "Y" in names or len(names) == 1:
        y = names.index("Y") if "Y" in names else 0
        take = [y, y, y] + ([names.index("A")] if "A" in names else [])
        return image[..., take], replace(found, notes=(*found.notes, "one channel, repeated to RGB"))
    raise InputError(
        "no picture in this file", where=Where(file=path), expected="RGB or one channel", got=", ".join(names)
    )


def read_stored(path: Path) -> tuple[Image, ImageInfo]:
    """All channels as stored: float32 [H, W, C], integers over their largest value."""
    check_container(path)
    source = _open(path)
    try:
        found = _info(path, source)
        spec = source.spec()
        kind = str(spec.format)
        bits = int(spec.get_int_attribute("oiio:BitsPerSample", 0))
        native = kind if kind in ("uint8", "uint16", "uint", "uint32") else "float"
        pixels = source.read_image("uint" if native == "uint32" else native)
        if pixels is None or source.has_error:
            raise damaged(path, "pixels cannot be decoded", got=_reason(source.geterror()))
    finally:
        source.close()
    pixels = np.asarray(pixels).reshape(spec.height, spec.width, spec.nchannels)
    image = _scaled(pixels, bits)
    if found.data != Window(0, 0, *found.size_px):
        shown, out = (
            Window(0, 0, *found.size_px),
            np.zeros((found.size_px[1], found.size_px[0], spec.nchannels), np.float32),
        )
        common = found.data.intersect(shown)
        if common is not None:
            out[common.slices(shown)] = image[common.slices(found.data)]
        image = out
    return image, replace(found, notes=found.notes + count_odd(image))


def _scaled(pixels: np.ndarray, bits: int) -> Image:  # type: ignore[type-arg]
    """Integers to 0..1. OpenImageIO spreads 10 and 12 bits over 16 by repeating the top bits: those come off again."""
    if pixels.dtype == np.float32:
        return pixels
    width = pixels.dtype.itemsize * 8
    if 0 < bits < width:
        pixels = pixels >> (width - bits)
    else:
        bits = width
    if bits > 24:
        return (pixels / np.float64(2**bits - 1)).astype(np.float32)
    return np.multiply(pixels, np.float32(1), dtype=np.float32) / np.float32(2**bits - 1)


def _open(path: Path) -> OpenImageIO.ImageInput:
    import OpenImageIO as oiio

    config = oiio.ImageSpec()
    for name, value in _RAW.items():
        config.attribute(name, value)
    source = oiio.ImageInput.open(str(path), config)
    if source is None:
        raise damaged(path, "cannot be opened", got=_reason(oiio.geterror()))
    return source


def _reason(text: str) -> str:
    return " ".join(text.split())[:160] or "no reason given"


def _info(path: Path, source: OpenImageIO.ImageInput) -> ImageInfo:
    spec = source.spec()
    if spec.deep:
        raise InputError("deep picture", where=Where(file=path), expected="a flat picture")
    if spec.depth > 1:
        raise InputError("volume", where=Where(file=path), expected="a flat picture", got=f"{spec.depth} slices")
    check_size(path, spec.width, spec.height)
    if not 1 <= spec.nchannels <= MAX_CHANNELS or spec.width * spec.height * spec.nchannels * 4 > MAX_PIXEL_BYTES:
        raise damaged(path, "too large", got=f"{spec.width}x{spec.height} in {spec.nchannels} channels")
    full = (spec.full_width or spec.width, spec.full_height or spec.height)
    check_size(path, *full)
    attributes = {a.name: a.value for a in spec.extra_attribs}
    notes = _notes(attributes, spec.channelnames)
    if source.format_name() == "tiff":
        if source.seek_subimage(1, 0):
            notes.append("several pages, the first read")
        source.seek_subimage(0, 0)
        source.geterror()  # having no second page is no mistake
    data = Window(spec.x - spec.full_x, spec.y - spec.full_y, spec.width, spec.height)
    if data != Window(0, 0, *full):
        notes.append(f"data window {data.width}x{data.height} at {data.x},{data.y}: 0 outside it")
    bits = int(spec.get_int_attribute("oiio:BitsPerSample", 0))
    return ImageInfo(
        path=path,
        size_px=full,
        data=data,
        channels=tuple(spec.channelnames),
        pixel_aspect=_aspect(attributes),
        frame_rate=_rate(attributes),
        timecode=_timecode(attributes),
        colorspace=_colorspace(attributes, source.format_name()),
        dtype=f"uint{bits}" if bits and str(spec.format).startswith("uint") else str(spec.format),
        attributes=attributes,
        notes=tuple(notes),
    )


def _notes(attributes: dict[str, object], names: list[str]) -> list[str]:
    notes = []
    if attributes.get("Orientation", 1) not in (1, 0):
        notes.append(f"orientation tag {attributes['Orientation']} is not applied")
    if "A" in names:
        notes.append("alpha as stored, colour not multiplied by it")
    return notes


def _aspect(attributes: dict[str, object]) -> float:
    value = attributes.get("PixelAspectRatio", 1.0)
    return float(value) if isinstance(value, int | float) and 1e-3 <= float(value) <= 1e3 else 1.0


def _rate(attributes: dict[str, object]) -> Fraction | None:
    for key in ("FramesPerSecond", "dpx:FrameRate", "dpx:TemporalFrameRate", "cineon:FrameRate"):
        value = attributes.get(key)
        if isinstance(value, int | float) and 1 <= value <= 1000:
            return frame_rate(float(value))
    return None


def _timecode(attributes: dict[str, object]) -> str | None:
    for key in ("dpx:TimeCode", "smpte:TimeCode"):
        value = attributes.get(key)
        if isinstance(value, str) and re.match(r"^\d\d:\d\d:\d\d[:;.]\d\d$", value):
            return value
    return None


def _colorspace(attributes: dict[str, object], kind: str) -> str | None:
    if kind == "dpx":
        return str(attributes.get("dpx:Transfer") or "") or None
    if kind == "cineon":
        return "Printing density"
    value = attributes.get("oiio:ColorSpace")
    return str(value) if value else None

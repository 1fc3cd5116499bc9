"""An EXR file as one picture: which channels are the picture, and data window into display window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io import luminance_chroma
from composer.io.exr import decode_parts, read_header
from composer.io.exr_attributes import Chromaticities
from composer.io.exr_header import FileHeader, PartHeader
from composer.io.pixels import Image, ImageInfo, Plane, count_odd, no_channel
from composer.io.timecode import Timecode
from composer.io.window import Window

_KNOWN_PRIMARIES = {
    "linear Rec.709": luminance_chroma.REC709,
    "ACEScg": Chromaticities((0.713, 0.293), (0.165, 0.830), (0.128, 0.044), (0.32168, 0.33767)),
    "ACES2065-1": Chromaticities((0.7347, 0.2653), (0.0, 1.0), (0.0001, -0.077), (0.32168, 0.33767)),
    "linear P3-D65": Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290)),
    "linear Rec.2020": Chromaticities((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)),
    "CIE XYZ-D65": Chromaticities((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),
}


def info(path: Path) -> ImageInfo:
    """The header of a checked file, with the notes that reading will bring (but for pixel values)."""
    header = read_header(path)
    part, names, notes = _choose(header)
    return _info(path, header, part, names, notes)


def read(path: Path) -> tuple[Image, ImageInfo]:
    """The picture as float32 [H, W, 3 or 4] over the display window."""
    header = read_header(path)
    part, names, notes = _choose(header)
    if not names:
        raise InputError(
            "no picture in this EXR",
            where=Where(file=path),
            expected="R, G, B or Y",
            got=", ".join(_full_names(header)[:12]),
            hint="name the channels to read",
        )
    found = _info(path, header, part, names, notes)
    pixels = decode_parts(path, header)[header.parts.index(part)].channels
    if names == ("Y", "RY", "BY") or names == ("Y", "RY", "BY", "A"):
        image = _luminance_chroma(pixels, part)
    else:
        image = _stack([pixels.get(name) for name in names], part)
    placed = _place(image, found.data, found.size_px)
    return placed, replace(found, notes=found.notes + count_odd(placed))


def read_planes(path: Path, names: Sequence[str]) -> dict[str, Plane]:
    """Channels of any part by name, over the display window; uint32 stays uint32."""
    header = read_header(path)
    wanted = {name: _find(header, name, path) for name in names}
    parts = decode_parts(path, header)
    planes: dict[str, Plane] = {}
    for name, (index, channel) in wanted.items():
        part = header.parts[index]
        sampling = next(c.sampling for c in part.channels if c.name == channel)
        plane = parts[index].channels[channel]
        if sampling != (1, 1):
            plane = plane.repeat(sampling[1], 0).repeat(sampling[0], 1)
        dtype = np.uint32 if plane.dtype == np.uint32 else np.float32
        data, size = _windows(part)
        planes[name] = _place(plane.astype(dtype, copy=False), data, size)
    return planes


def _full_names(header: FileHeader) -> tuple[str, ...]:
    if not header.multipart:
        return tuple(c.name for c in header.parts[0].channels)
    return tuple(f"{p.name}.{c.name}" for p in header.parts for c in p.channels)


def _find(header: FileHeader, name: str, path: Path) -> tuple[int, str]:
    """Part index and channel: "part.channel" first, then a bare channel name in the first part that has it, then
    "part.R" for a channel that repeats the part's name ("depth.Z" stored as "depth.Z" in part "depth")."""
    for index, part in enumerate(header.parts):
        own = {c.name for c in part.channels}
        if part.name and name.startswith(part.name + ".") and name[len(part.name) + 1 :] in own:
            return index, name[len(part.name) + 1 :]
    for index, part in enumerate(header.parts):
        if any(c.name == name for c in part.channels):
            return index, name
    raise no_channel(path, name, _full_names(header))


def _choose(header: FileHeader) -> tuple[PartHeader, tuple[str, ...], list[str]]:
    """The part and channels that are the picture; no names where none is. Names missing in the part stand for zeros."""
    for part in header.parts:
        own = {c.name for c in part.channels}
        alpha = ("A",) if "A" in own else ()
        if {"R", "G", "B"} <= own:
            return part, ("R", "G", "B", *alpha), []
        if {"Y", "RY", "BY"} <= own:
            return part, ("Y", "RY", "BY", *alpha), ["luminance-chroma decoded to RGB"]
        if "Y" in own:
            return part, ("Y", "Y", "Y", *alpha), ["luminance alone, repeated to RGB"]
    for part in header.parts:
        layers = dict.fromkeys(c.name.rpartition(".")[0] for c in part.channels if "." in c.name)
        own = {c.name for c in part.channels}
        for layer in layers:
            for r, g, b, a in (("R", "G", "B", "A"), ("red", "green", "blue", "alpha"), ("r", "g", "b", "a")):
                if {f"{layer}.{n}" for n in (r, g, b)} <= own:
                    names = [f"{layer}.{n}" for n in (r, g, b, a) if n != a or f"{layer}.{a}" in own]
                    return part, tuple(names), [f"no R, G, B; layer {layer!r} taken as the picture"]
    for part in header.parts:
        own = {c.name for c in part.channels}
        some = [n for n in "RGB" if n in own]
        if some:
            return part, ("R", "G", "B"), [f"only {', '.join(some)} stored, the other colours are 0"]
    return header.parts[0], (), ["no colour channels"]


def _windows(part: PartHeader) -> tuple[Window, tuple[int, int]]:
    x0, y0, _, _ = part.data_window
    dx, dy, ex, ey = part.display_window
    return Window(x0 - dx, y0 - dy, *part.size_px), (ex - dx + 1, ey - dy + 1)


def _info(path: Path, header: FileHeader, part: PartHeader, names: tuple[str, ...], notes: list[str]) -> ImageInfo:
    data, size = _windows(part)
    shown = Window(0, 0, *size)
    if data.intersect(shown) != shown:
        notes.append(f"data window {data.width}x{data.height} at {data.x},{data.y}: 0 outside it")
    if data.intersect(shown) not in (data, None):
        notes.append("pixels outside the display window are left out")
    if part.tiles is not None and part.tiles.mode:
        notes.append("mip-map or rip-map: level 0 read")
    view = part.attributes.get("multiView") or part.attributes.get("view")
    if view:
        several = isinstance(view, tuple) and len(view) > 1
        notes.append(
            f"several views, {view[0]!r} read" if several and isinstance(view, tuple) else f"view {view!r} read"
        )
    stored = {c.name: c for c in part.channels}
    rate, timecode = part.attributes.get("framesPerSecond"), part.attributes.get("timeCode")
    first = next((n for n in names if n in stored), part.channels[0].name)
    return ImageInfo(
        path=path,
        size_px=size,
        data=data,
        channels=_full_names(header),
        pixel_aspect=part.pixel_aspect,
        frame_rate=rate if isinstance(rate, Fraction) else None,
        timecode=str(timecode) if isinstance(timecode, Timecode) else None,
        colorspace=_colorspace(part.attributes),
        dtype=stored[first].dtype,
        attributes=part.attributes,
        notes=tuple(notes),
    )


def _colorspace(attributes: Mapping[str, object]) -> str | None:
    """The file's own word on its colour: a name where one is stored, else its chromaticities where they are known."""
    for key in ("colorInteropID", "muster:colorspace", "oiio:ColorSpace", "colorSpace"):
        name = attributes.get(key)
        if isinstance(name, str) and name.strip():
            return name.strip()
    primaries = attributes.get("chromaticities")
    if isinstance(primaries, Chromaticities):
        for name, known in _KNOWN_PRIMARIES.items():
            if primaries.close_to(known):
                return name
    return None


def _stack(planes: list[NDArray[np.generic] | None], part: PartHeader) -> Image:
    w, h = part.size_px
    image = np.zeros((h, w, len(planes)), np.float32)
    for k, plane in enumerate(planes):
        if plane is not None:
            image[..., k] = plane
    return image


def _luminance_chroma(pixels: Mapping[str, NDArray[np.generic]], part: PartHeader) -> Image:
    w, h = part.size_px
    sampling = {c.name: c.sampling for c in part.channels}
    full = [
        luminance_chroma.expand(pixels[n].astype(np.float32), (h, w), sampling[n])
        for n in ("Y", "RY", "BY")
        if n in pixels
    ]
    primaries = part.attributes.get("chromaticities")
    rgb = luminance_chroma.to_rgb(*full, primaries if isinstance(primaries, Chromaticities) else None)
    if "A" not in pixels:
        return rgb
    return np.concatenate([rgb, pixels["A"].astype(np.float32)[..., None]], axis=-1)


def _place(image: NDArray[np.generic], data: Window, size: tuple[int, int]) -> NDArray:  # type: ignore[type-arg]
    """An array over `data` into one over the display window, 0 where nothing is."""
    shown = Window(0, 0, *size)
    if data == shown:
        return image
    out = np.zeros((size[1], size[0], *image.shape[2:]), image.dtype)
    common = data.intersect(shown)
    if common is not None:
        out[common.slices(shown)] = image[common.slices(data)]
    return out

"""One picture of any kind as float32 over its display window.

EXR goes through `exr`, everything else through OpenImageIO behind `container`'s checks. No curve is ever applied:
integers are divided by their largest value and nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from composer.errors import InputError, Where
from composer.io import exr_image, oiio_image
from composer.io.pixels import Image, ImageInfo, Plane, no_channel

EXR_MAGIC = b"\x76\x2f\x31\x01"


def read_info(path: str | Path) -> ImageInfo:
    """The header, checked against the file's length; no pixels are decoded. Raises InputError."""
    path = Path(path)
    if _is_exr(path):
        return exr_image.info(path)
    return oiio_image.info(path)


def read_image(path: str | Path, channels: Sequence[str] | None = None) -> tuple[Image, ImageInfo]:
    """float32 [H, W, C] over the display window, and the header. Raises InputError.

    channels None: RGBA or RGB where present; luminance alone is repeated to RGB; luminance-chroma is decoded. Otherwise
    the named channels in that order. Outside the data window pixels are 0 (noted). NaN and infinity pass (noted).
    """
    path = Path(path)
    if channels is not None:
        planes = read_channels(path, channels)
        info = read_info(path)
        image = np.stack([planes[name].astype(np.float32, copy=False) for name in channels], axis=-1)
        return image, info
    if _is_exr(path):
        return exr_image.read(path)
    return oiio_image.read(path)


def read_channels(path: str | Path, names: Sequence[str]) -> dict[str, Plane]:
    """Any channels by name over the display window: float32 [H, W], or uint32 where the file stores that.

    Names: "R", "Z", "layer.R", "part.R", "part.layer.R". Raises InputError naming what the file has.
    """
    path = Path(path)
    if _is_exr(path):
        return exr_image.read_planes(path, names)
    image, info = oiio_image.read_stored(path)
    for name in names:
        if name not in info.channels:
            raise no_channel(path, name, info.channels)
    return {name: np.ascontiguousarray(image[..., info.channels.index(name)]) for name in names}


def _is_exr(path: Path) -> bool:
    """By content; a file named .exr is always held to be one."""
    try:
        with open(path, "rb") as handle:
            return handle.read(4) == EXR_MAGIC or path.suffix.lower() in (".exr", ".sxr", ".mxr")
    except OSError as error:
        raise InputError("cannot be read", where=Where(file=path), got=error.strerror or str(error)) from None

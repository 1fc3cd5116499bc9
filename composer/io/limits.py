"""What a picture may be before Muster refuses it, decided from the header, before any pixel is read."""

from __future__ import annotations

from pathlib import Path

from composer.errors import InputError, Where

MAX_SIDE_PX = 65_536
MAX_PIXELS = 1 << 28
MAX_CHANNELS = 1024
MAX_PARTS = 1024
MAX_PIXEL_BYTES = 8 << 30
"""All pixels of one file, unpacked. 16384x16384 in four half channels is 2 GiB."""
MAX_HEADER_BYTES = 64 << 20
"""Cryptomatte manifests of large crowds live in headers."""


def check_size(path: Path, width: int, height: int, what: str = "picture") -> None:
    """Refuses empty and enormous rasters."""
    if width < 1 or height < 1:
        raise InputError(f"empty {what}", where=Where(file=path), got=f"{width}x{height}")
    if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise InputError(
            f"{what} too large",
            where=Where(file=path),
            expected=f"sides up to {MAX_SIDE_PX} and up to {MAX_PIXELS} pixels",
            got=f"{width}x{height}",
        )


def damaged(path: Path, reason: str, *, expected: str | None = None, got: str | None = None) -> InputError:
    """The error of a file that is not what it says it is."""
    return InputError(f"damaged file: {reason}", where=Where(file=path), expected=expected, got=got)

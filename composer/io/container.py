"""First look at a picture file that is not EXR: is it what it says, and is it whole?

Decoders fill what is cut off with grey or black and go on; these checks, one file a format, refuse it instead, and
refuse metadata that lies about its own size, before a decoder sees either.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from composer.errors import InputError, Where
from composer.io.check_film import check_cineon, check_dpx
from composer.io.check_jpeg import check_jpeg
from composer.io.check_png import check_png
from composer.io.check_tiff import check_tiff
from composer.io.limits import damaged

Check = Callable[[memoryview, Path], None]


def _check_hdr(data: memoryview, path: Path) -> None:
    """Radiance: a header in text, an empty line, a resolution line. Scan lines are checked as they are decoded."""
    head = bytes(data[: 64 << 10])
    end = head.find(b"\n\n")
    if end < 0 or b"\n" not in head[end + 2 : end + 130]:
        raise damaged(path, "header without an end")


_KINDS: tuple[tuple[bytes, str, Check], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png", check_png),
    (b"\xff\xd8\xff", "jpeg", check_jpeg),
    (b"II*\0", "tiff", check_tiff),
    (b"MM\0*", "tiff", check_tiff),
    (b"II+\0", "tiff", check_tiff),
    (b"MM\0+", "tiff", check_tiff),
    (b"SDPX", "dpx", check_dpx),
    (b"XPDS", "dpx", check_dpx),
    (b"\x80\x2a\x5f\xd7", "cineon", check_cineon),
    (b"\xd7\x5f\x2a\x80", "cineon", check_cineon),
    (b"#?RADIANCE", "hdr", _check_hdr),
    (b"#?RGBE", "hdr", _check_hdr),
)


def check_container(path: Path) -> str:
    """The kind of file: png, jpeg, tiff, dpx, cineon or hdr. Raises InputError for unknown kinds and damaged files."""
    try:
        with open(path, "rb") as handle:
            head = handle.read(16)
            for magic, kind, check in _KINDS:
                if head.startswith(magic):
                    size = os.fstat(handle.fileno()).st_size
                    check(memoryview(mmap.mmap(handle.fileno(), size, access=mmap.ACCESS_READ)), path)
                    return kind
    except OSError as error:
        raise InputError("cannot be read", where=Where(file=path), got=error.strerror or str(error)) from None
    raise InputError(
        "not a picture that Muster reads", where=Where(file=path), expected="EXR, DPX, Cineon, TIFF, PNG, JPEG or HDR"
    )

"""First look at a picture file that is not EXR: is it what it says, and is it whole?"""

from __future__ import annotations

from pathlib import Path

from composer.errors import InputError, Where

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"SDPX": "dpx",
    b"XPDS": "dpx",
    b"\x80\x2a\x5f\xd7": "cineon",
    b"\xd7\x5f\x2a\x80": "cineon",
    b"#?RADIANCE": "hdr",
    b"#?RGBE": "hdr",
}


def check_container(path: Path) -> str:
    """The kind of file. Raises InputError for unknown kinds and for files that are not whole."""
    try:
        with open(path, "rb") as handle:
            head = handle.read(16)
    except OSError as error:
        raise InputError("cannot be read", where=Where(file=path), got=error.strerror or str(error)) from None
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    raise InputError("not a picture that Muster reads", where=Where(file=path), expected="EXR, DPX, Cineon, TIFF, PNG, JPEG or HDR")

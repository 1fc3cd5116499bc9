"""What a file is by its bytes: code, pickles and archives are refused in whatever name they come."""

from __future__ import annotations

import contextlib
import os
import pickletools
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from composer.errors import InputError, Where

#: Suffix to the most bytes that such a file may have; weights have no limit but the disk's.
TEXT_LIMITS = {".json": 64 << 20, ".txt": 64 << 20, ".md": 4 << 20, ".model": 64 << 20}
PICTURES = {".png": b"\x89PNG\r\n\x1a\n", ".jpg": b"\xff\xd8\xff", ".jpeg": b"\xff\xd8\xff"}
_BARE = ("LICENSE", "LICENCE", "NOTICE", "COPYING")
#: What downloads leave behind. Never listed, never opened by a library; looked at all the same.
_LEFT_BEHIND = (".gitattributes", ".gitignore")
_LEFT_FOLDER = (".cache", "huggingface")

_HEADS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive (torch's .pt and .ckpt are such)"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x93NUMPY", "a numpy file (may hold pickled objects)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"Rar!", "a rar archive"),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\x7fELF", "an executable"),
    (b"MZ", "an executable"),
    (b"\xcf\xfa\xed\xfe", "an executable"),
    (b"\xce\xfa\xed\xfe", "an executable"),
    (b"\xca\xfe\xba\xbe", "an executable"),
    (b"\0asm", "an executable"),
    (b"#!", "a script"),
    (b"<?php", "a script"),
)
_SCRIPTS = (
    ".py",
    ".pyc",
    ".pyd",
    ".pyw",
    ".so",
    ".dll",
    ".dylib",
    ".exe",
    ".sh",
    ".bat",
    ".cmd",
    ".ps1",
    ".js",
    ".jar",
)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5")
_TAIL = 22 + 65535
_LOOKED_AT = 1 << 20


@contextlib.contextmanager
def open_plain(path: Path) -> Iterator[BinaryIO]:
    """The file for reading, never through a link, never a pipe or a device."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise InputError(f"cannot be opened ({error.strerror})", where=Where(file=path)) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError("not a plain file", where=Where(file=path))
    with os.fdopen(handle, "rb") as file:
        yield file


def is_left_behind(inside: str) -> bool:
    """True for what git and downloads leave in a folder of weights, which nothing reads."""
    parts = tuple(inside.split("/"))
    return inside in _LEFT_BEHIND or parts[:2] == _LEFT_FOLDER


def is_known_name(inside: str) -> bool:
    """True for the kinds of files that a bundle may list."""
    path = Path(inside)
    return path.suffix in (".safetensors", *TEXT_LIMITS, *PICTURES) or path.name in _BARE


def refuse_code(path: Path) -> None:
    """Raises InputError for pickles, archives, executables and scripts, by content and, for code, by name as well."""
    where = Where(file=path)
    hint = "weights come as safetensors; nothing in a bundle is executed"
    if path.suffix.lower() in _SCRIPTS:
        raise InputError("code in a bundle", where=where, got=path.name, hint=hint)
    with open_plain(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(_LOOKED_AT)
        file.seek(max(0, size - _TAIL))
        tail = file.read(_TAIL)
    found = _kind_of(head, tail, path.suffix == ".safetensors" and _header_fits(head, size))
    if found is None and path.suffix.lower() in _PICKLES:
        found = f"a {path.suffix} file"
    if found is not None:
        raise InputError(f"this is {found}, not weights or settings", where=where, hint=hint)


def _kind_of(head: bytes, tail: bytes, is_weights: bool) -> str | None:
    """What it is, where it is something that has no place in a bundle. is_weights: it begins as safetensors do; the length of
    a header may read like any magic."""
    if _ends_as_zip(tail):
        return "a zip archive behind something else" if is_weights else "a zip archive"
    if is_weights:
        return None
    for magic, kind in _HEADS:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "a pickle"
    if _is_old_pickle(head):
        return "a pickle"
    return None


def _header_fits(head: bytes, size: int) -> bool:
    """True where the first bytes read as a safetensors header, which `safetensors_header` then looks at."""
    return head[8:9] == b"{" and 8 + int.from_bytes(head[:8], "little") <= size


def _ends_as_zip(tail: bytes) -> bool:
    """True where an end-of-central-directory record closes the file exactly, as zip readers look for it."""
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if len(tail) - at >= 22 and int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail) - at - 22:
            return True
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return False


def _is_old_pickle(head: bytes) -> bool:
    """Pickles of protocol 0 and 1 have no magic: read their opcodes (nothing is executed). A pickle is what makes sense to
    its STOP and either calls something or ends there."""
    if head[:1] in (b"{", b"[", b"\0", b""):
        return False
    steps, calls, at = 0, False, 0
    try:
        for opcode, _, place in pickletools.genops(head):
            steps, at = steps + 1, place or 0
            calls = calls or opcode.name in ("GLOBAL", "INST", "REDUCE", "OBJ", "NEWOBJ", "STACK_GLOBAL", "BUILD")
            if opcode.name == "STOP":
                return steps > 2 and (calls or not head[at + 1 :].strip())
    except Exception:  # whatever the bytes made pickletools stumble over
        pass
    return len(head) == _LOOKED_AT and at > _LOOKED_AT // 2

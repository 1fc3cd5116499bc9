"""Bytes on disk: files that appear whole or not at all, and their digests."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_MARK = ".muster-tmp-"
_PID = re.compile(re.escape(_MARK) + r"(\d+)-\d+")
_counter = 0


def _temporary_for(path: Path) -> Path:
    """A hidden sibling that keeps the extension (encoders choose the format by it) and names its process."""
    global _counter
    _counter += 1
    return path.with_name(f".{path.stem}{_MARK}{os.getpid()}-{_counter}{path.suffix}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def clean_stale(folder: Path) -> tuple[Path, ...]:
    """Removes temporary files that a dead process left in `folder`; returns what was removed."""
    removed: list[Path] = []
    for entry in os.scandir(folder):
        match = _PID.search(entry.name)
        if match and not _alive(int(match.group(1))):
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
                removed.append(Path(entry.path))
    return tuple(removed)


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder; on success it is synced and renamed to `path`.

    On any exception, KeyboardInterrupt included, the temporary file is removed and `path` stays as it was. The folder
    is made if absent, and what dead processes left in it is cleaned.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    clean_stale(path.parent)
    temporary = _temporary_for(path)
    try:
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself durable, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256_bytes(data: bytes | memoryview) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's content as 64 hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()

"""Bytes on disk: files that appear whole or not at all, and their digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from composer.errors import MachineError, Where

_MARK = ".muster-tmp-"
_WRITER = re.compile(re.escape(_MARK) + r"([0-9a-f]{8})-(\d+)-(\d+)-\d+")
_numbers = itertools.count(1)
#: A file that another machine began and has not touched for so long is nobody's any more.
FOREIGN_S = 3600.0
#: What the system says when it cannot take more, or the disk fails.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE}


@lru_cache(maxsize=1)
def _machine() -> str:
    """Eight digits for where a process number means something: this host, since its start, in this container."""
    told = [os.uname().nodename]
    with contextlib.suppress(OSError):
        told.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with contextlib.suppress(OSError):
        told.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]


def _started(pid: int) -> str | None:
    """When a process began, in ticks ('0' where the system does not tell); None where there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:  # somebody else's, but there
        pass
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "0"
    return None if told[0] == b"Z" else told[19].decode()


def _temporary_for(path: Path) -> Path:
    """A hidden sibling that keeps the extension (encoders choose the format by it) and names who writes it."""
    pid = os.getpid()
    writer = f"{_machine()}-{pid}-{_started(pid)}-{next(_numbers)}"
    return path.with_name(f".{path.stem}{_MARK}{writer}{path.suffix}")


def is_temporary(path: Path) -> bool:
    """Whether a file is one that is being written, or was when its writer died."""
    return _MARK in path.name


def whole_files(folder: Path, pattern: str) -> list[Path]:
    """What matches in a folder, sorted, without the files that are still being written (a glob finds hidden ones too)."""
    return sorted(p for p in folder.glob(pattern) if not is_temporary(p))


def _is_stale(entry: os.DirEntry[str]) -> bool:
    match = _WRITER.search(entry.name)
    if match is None:
        return False
    machine, pid, start = match.groups()
    if machine == _machine():
        return _started(int(pid)) != start
    with contextlib.suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > FOREIGN_S
    return False


def clean_stale(folder: Path) -> tuple[Path, ...]:
    """Removes temporary files that a dead process left in `folder`; returns what was removed.

    Those of a process on another machine that writes into the same share are left until they are an hour old.
    """
    removed: list[Path] = []
    for entry in os.scandir(folder):
        if _is_stale(entry):
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
                removed.append(Path(entry.path))
    return tuple(removed)


def clean_stale_under(folder: Path) -> tuple[Path, ...]:
    """The same for `folder` and every folder in it."""
    return tuple(path for here, _, _ in os.walk(folder) for path in clean_stale(Path(here)))


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder; on success it is synced and renamed to `path`.

    On any exception, KeyboardInterrupt included, the temporary file is removed and `path` stays as it was. The folder
    is made if absent, and what dead processes left in it is cleaned. Raises MachineError where the disk is full or
    fails.
    """
    path = Path(path)
    temporary = _temporary_for(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clean_stale(path.parent)
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno in _DISK:
            raise not_written(path, os.strerror(error.errno)) from error
        raise
    _sync_folder(path.parent)


def not_written(path: Path, reason: str) -> MachineError:
    """The error for a file that the machine could not take."""
    return MachineError(
        "cannot be written",
        where=Where(file=path),
        got=reason,
        hint="what was there is unchanged; make room and run it again",
    )


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

"""A lock that processes on one file system share: for what is put together out of many files."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_STEP_S = 0.1


@contextlib.contextmanager
def held(path: Path, patience_s: float = 300.0) -> Iterator[bool]:
    """Holds the lock file `path`; yields whether it is held.

    It falls with its process, however that ends. Where the file system knows no locks, or after `patience_s`, the work goes
    on without: every file is written whole all the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _taken(handle, patience_s)
    finally:
        os.close(handle)


def _taken(handle: int, patience_s: float) -> bool:
    import fcntl

    last = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > last:
                return False
            time.sleep(_STEP_S)
        except OSError:
            return False

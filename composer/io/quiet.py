"""What C libraries print on stderr, caught: a damaged file gives one line, not three."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

_lock = threading.Lock()


@contextlib.contextmanager
def caught_stderr() -> Iterator[list[str]]:
    """Catches what is written to file descriptor 2; the list holds its lines afterwards.

    Where the block succeeds, what was caught is passed on: it may be another thread's. One block at a time.
    """
    caught: list[str] = []
    with _lock, tempfile.TemporaryFile() as store:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            sys.stderr.flush()
        try:
            kept = os.dup(2)
        except OSError:  # no stderr at all
            yield caught
            return
        os.dup2(store.fileno(), 2)
        failed = True
        try:
            yield caught
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            store.seek(0)
            text = store.read()
            caught.extend(text.decode("utf-8", "replace").splitlines())
            if text and not failed:
                os.write(2, text)

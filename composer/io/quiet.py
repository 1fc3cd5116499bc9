"""What libraries print while they decode, caught: a damaged file gives one line, not three, and stdout stays clean.

The OpenEXR package prints warnings with Python's `print`, its C core writes to file descriptor 2.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

_lock = threading.Lock()


@contextlib.contextmanager
def caught_output(drop: str = "") -> Iterator[list[str]]:
    """Catches Python's stdout and the process's stderr; the list holds their lines afterwards, stderr first.

    Where the block succeeds, what was caught is passed on, as it may be another thread's; but no lines of stderr that
    begin with `drop`. One block at a time.
    """
    caught: list[str] = []
    printed = io.StringIO()
    failed = True
    with _lock, _caught_descriptor(caught, drop) as passed_on, contextlib.redirect_stdout(printed):
        yield caught
        failed = passed_on[0] = False
    if printed.getvalue():
        caught.extend(printed.getvalue().splitlines())
        if not failed:
            sys.stdout.write(printed.getvalue())


@contextlib.contextmanager
def _caught_descriptor(caught: list[str], drop: str) -> Iterator[list[bool]]:
    """File descriptor 2 goes to a temporary file; yields [failed], which the block sets to False."""
    failed = [True]
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no stderr at all
        yield failed
        return
    with tempfile.TemporaryFile() as store:
        os.dup2(store.fileno(), 2)
        try:
            yield failed
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            store.seek(0)
            text = store.read()
            caught.extend(text.decode("utf-8", "replace").splitlines())
            if drop:
                text = b"".join(line for line in text.splitlines(True) if not line.startswith(drop.encode()))
            if text and not failed[0]:
                os.write(2, text)

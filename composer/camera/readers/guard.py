"""Binary files that crash or hang their own library: tried in a child process first, so that only the child dies."""

from __future__ import annotations

import pickle
import subprocess
import sys

from composer.camera.readers.common import Request
from composer.errors import InputError, Where

TIMEOUT_S = 30.0
_CHILD = """
import pickle, sys
from importlib import import_module
from composer.errors import InputError
try:
    import_module(sys.argv[1]).load(pickle.load(sys.stdin.buffer))
except InputError:
    pass
"""


def survives(request: Request, module: str, timeout_s: float = TIMEOUT_S) -> None:
    """Run `module.load(request)` in a child. InputError if that crashes or takes too long; an error that it raises on
    purpose is left for the caller to meet again."""
    where = Where(file=request.path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, module],
            input=pickle.dumps(request),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as e:
        raise InputError("the file is damaged: reading it never ends", where=where, got=f"{timeout_s:g} s") from e
    if done.returncode < 0:
        raise InputError(
            "the file is damaged: its library crashes on it", where=where, got=f"signal {-done.returncode}"
        )

"""Where what can be made again is kept: MUSTER_CACHE, else the user's own cache folder."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(room: str) -> Path:
    """The folder of one kind of kept things. It need not exist."""
    given = os.environ.get("MUSTER_CACHE")
    cache = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muster"
    return cache / room

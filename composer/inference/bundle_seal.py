"""What was hashed stays hashed while its file stays the same: a note in the user's cache, so that a render need not read
tens of gigabytes twice. Size, times of change and inode must all be as they were; `muster models verify` never asks it."""

from __future__ import annotations

import json
from pathlib import Path

from composer.errors import MachineError
from composer.inference.bundle import Bundle
from composer.io.cache import cache_folder
from composer.io.files import atomic_write

Stamps = dict[str, list[int]]


def seal_file(bundle: Bundle) -> Path:
    """Where the note for such a bundle lies, in MUSTER_CACHE or the user's cache: one for each digest of a bundle."""
    return cache_folder("verified") / f"{bundle.sha256}.json"


def stamp(path: Path) -> list[int]:
    """What changes when a file does; ctime cannot be set back by who writes a file."""
    status = path.lstat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]


def sealed(bundle: Bundle, paths: list[str]) -> set[str]:
    """Of these listed files, those that have not changed since they were found right."""
    try:
        told = json.loads(seal_file(bundle).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(told, dict):
        return set()
    return {
        path
        for path in paths
        if told.get(str(bundle.path_of(path))) == [bundle.files[path], *_stamp_or_none(bundle, path)]
    }


def seal(bundle: Bundle, stamps: Stamps) -> None:
    """Note files that were found right. stamps: listed file to its stamp from before it was read. A cache that cannot be
    written is none."""
    told = {str(bundle.path_of(path)): [bundle.files[path], *was] for path, was in stamps.items()}
    try:
        with atomic_write(seal_file(bundle)) as file:
            file.write_text(json.dumps(told), encoding="utf-8")
    except (OSError, MachineError):
        return


def _stamp_or_none(bundle: Bundle, path: str) -> list[int]:
    try:
        return stamp(bundle.path_of(path))
    except OSError:
        return []

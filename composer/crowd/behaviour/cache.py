"""A simulation on disk: one file, named by the digest of what it was made from, whole or not there.

`MUSTERSIM1\\n`, the header's length (8 bytes, little-endian), the header (JSON: key, arrays, SHA-256 of what follows),
then the arrays one after the other.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np

from composer.crowd.behaviour.track import Arrows, Track
from composer.errors import InputError, Where
from composer.io.files import atomic_write

_MAGIC = b"MUSTERSIM1\n"
_MOST_HEADER = 65536


def cache_file(folder: Path, key: str) -> Path:
    """The file of the simulation with this key."""
    return folder / f"behaviour.{key[:24]}.crowd"


def _arrays(track: Track) -> dict[str, np.ndarray]:
    out = {f.name: getattr(track, f.name) for f in fields(Track) if f.name != "arrows"}
    out |= {f"arrows.{f.name}": getattr(track.arrows, f.name) for f in fields(Arrows)}
    return {name: np.ascontiguousarray(a) for name, a in out.items()}


def save_track(path: Path, key: str, track: Track) -> None:
    """Write it, whole or not at all."""
    arrays = _arrays(track)
    total = hashlib.sha256()
    for array in arrays.values():
        total.update(array.data if array.size else b"")
    head = {
        "key": key,
        "sha256": total.hexdigest(),
        "arrays": [[name, a.dtype.str, list(a.shape)] for name, a in arrays.items()],
    }
    text = json.dumps(head).encode()
    with atomic_write(path) as temporary, open(temporary, "wb") as handle:
        handle.write(_MAGIC + len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            handle.write(array.data if array.size else b"")


def load_track(path: Path, key: str) -> Track:
    """Read it back. Raises InputError for a file that is cut, changed, or of another simulation."""

    def wrong(what: str) -> InputError:
        return InputError(what, where=Where(file=path), hint="it is made anew; delete the file if this comes back")

    with open(path, "rb") as handle:
        start = handle.read(len(_MAGIC) + 8)
        length = int.from_bytes(start[len(_MAGIC) :], "little")
        if not start.startswith(_MAGIC) or len(start) < len(_MAGIC) + 8 or length > _MOST_HEADER:
            raise wrong("not a behaviour cache")
        try:
            head = json.loads(handle.read(length))
            shapes = {str(n): (np.dtype(d), tuple(int(v) for v in s)) for n, d, s in head["arrays"]}
            same = head["key"] == key
            sha256 = str(head["sha256"])
        except (ValueError, KeyError, TypeError) as error:
            raise wrong("not a behaviour cache") from error
        if not same:
            raise wrong("this behaviour cache belongs to another simulation")
        sizes = {n: d.itemsize * int(np.prod(s, dtype=np.int64)) for n, (d, s) in shapes.items()}
        rest = os.fstat(handle.fileno()).st_size - handle.tell()
        if any(d.kind not in "iuf" for d, _ in shapes.values()) or rest != sum(sizes.values()) or rest < 0:
            raise wrong("this behaviour cache is cut short")
        payload = handle.read(rest)
    if hashlib.sha256(payload).hexdigest() != sha256:
        raise wrong("this behaviour cache has been changed")
    out, at = {}, 0
    for name, (dtype, shape) in shapes.items():
        out[name] = np.frombuffer(payload, dtype, int(np.prod(shape, dtype=np.int64)), at).reshape(shape)
        at += sizes[name]
    try:
        arrows = Arrows(**{n.removeprefix("arrows."): a for n, a in out.items() if n.startswith("arrows.")})
        return Track(**{n: a for n, a in out.items() if not n.startswith("arrows.")}, arrows=arrows)
    except TypeError as error:
        raise wrong("not a behaviour cache") from error

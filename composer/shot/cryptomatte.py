"""Cryptomatte 1.2 in: the coverage of named objects.

Source: "Cryptomatte Specification" 1.2.0 (Psyop). Ids are MurmurHash3_32 of the UTF-8 name, kept from being NaN,
infinity or denormal as floats; each layer's RGBA holds id, coverage, id, coverage.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mmh3
import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io.image import read_channels, read_info

F32 = NDArray[np.float32]

_KEY = re.compile(r"^cryptomatte/([^/]+)/(name|manifest|manif_file)$")
_COMPONENTS = {"r": 0, "red": 0, "g": 1, "green": 1, "b": 2, "blue": 2, "a": 3, "alpha": 3}
MAX_MANIFEST_BYTES = 64 * 1024 * 1024


def id_of(name: str) -> int:
    """The uint32 id of an object's name, with the exponent kept from being 0 or 255."""
    value = int(mmh3.hash(name.encode("utf-8"), 0, signed=False))
    return value ^ (1 << 23) if (value >> 23) & 255 in (0, 255) else value


@dataclass(frozen=True)
class Layer:
    """One Cryptomatte of a file. ranks: (id channel, coverage channel), nearest to full coverage first. manifest:
    name -> id."""

    name: str
    ranks: tuple[tuple[str, str], ...]
    manifest: Mapping[str, int]


def layers_of(path: Path) -> tuple[Layer, ...]:
    """The Cryptomattes of one file. Raises InputError where there is none."""
    info = read_info(path)
    found: dict[str, dict[str, str]] = {}
    for key, value in info.attributes.items():
        match = _KEY.match(str(key).rsplit(":", 1)[-1])
        if match:
            found.setdefault(match[1], {})[match[2]] = str(value)
    out = []
    for entry in found.values():
        if "name" in entry:
            ranks = _ranks(entry["name"], info.channels)
            if ranks:
                out.append(Layer(entry["name"], ranks, _manifest(entry, path)))
    if not out:
        raise InputError(
            "no Cryptomatte in this file", where=Where(file=path), expected="cryptomatte/... metadata and its channels"
        )
    return tuple(out)


def _ranks(name: str, channels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    layers: dict[int, dict[int, str]] = {}
    pattern = re.compile(rf"(?:^|\.){re.escape(name)}(\d\d)\.([A-Za-z]+)$")
    for channel in channels:
        match = pattern.search(channel)
        if match and match[2].lower() in _COMPONENTS:
            layers.setdefault(int(match[1]), {})[_COMPONENTS[match[2].lower()]] = channel
    ranks = []
    for number in sorted(layers):
        part = layers[number]
        ranks += [(part[i], part[i + 1]) for i in (0, 2) if i in part and i + 1 in part]
    return tuple(ranks)


def _manifest(entry: Mapping[str, str], path: Path) -> dict[str, int]:
    text = entry.get("manifest")
    if text is None and "manif_file" in entry:
        name = entry["manif_file"]
        side = path.parent / name
        if (
            Path(name).is_absolute()
            or ".." in Path(name).parts
            or not side.is_file()
            or side.stat().st_size > MAX_MANIFEST_BYTES
        ):
            return {}
        text = side.read_text(encoding="utf-8", errors="replace")
    if not text:
        return {}
    try:
        data = json.loads(text)
        return {str(k): int(str(v), 16) for k, v in data.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError("the Cryptomatte manifest cannot be read", where=Where(file=path)) from error


def coverage_of(path: Path, names: tuple[str, ...]) -> F32:
    """float32 [H, W]: the summed coverage of the named objects. Names stand as in the manifest, letter by letter; one
    that is not
    in it is looked for by its hash. Raises InputError for names that are nowhere in the file's manifests, if it has
    any."""
    layers = layers_of(path)
    total: F32 | None = None
    unknown = [
        n for n in names if any(layer.manifest for layer in layers) and not any(n in layer.manifest for layer in layers)
    ]
    seen: set[str] = set()
    for layer in layers:
        wanted = {layer.manifest.get(name, id_of(name)): name for name in names}
        channels = [c for pair in layer.ranks for c in pair]
        planes = read_channels(path, channels)
        for id_channel, coverage_channel in layer.ranks:
            ids = np.ascontiguousarray(planes[id_channel])
            bits = ids.view(np.uint32) if ids.dtype == np.float32 else ids.astype(np.uint32)
            here = np.isin(bits, np.array(list(wanted), dtype=np.uint32))
            if unknown:
                seen |= {wanted[i] for i in np.unique(bits[here]).tolist()}
            coverage = np.where(here, planes[coverage_channel].astype(np.float32), np.float32(0))
            total = coverage if total is None else total + coverage
    lost = [n for n in unknown if n not in seen]
    if lost:
        known = sorted({n for layer in layers for n in layer.manifest})
        close = difflib.get_close_matches(lost[0], known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(map(repr, known[:8]))}"
        raise InputError(f"no object {lost[0]!r} in the Cryptomatte", where=Where(file=path), hint=hint)
    assert total is not None
    return np.clip(total, 0, 1)

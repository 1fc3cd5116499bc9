"""The header of a safetensors file, checked here before any library opens it.

The format (huggingface/safetensors, README, "Format"): 8 bytes little-endian length N, N bytes of JSON, then the data. We hold
files to all of it: no key twice, no hole, no overlap, nothing behind the last tensor.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.errors import InputError
from composer.inference.bundle_content import open_plain
from composer.io.limits import damaged

MAX_HEADER_BYTES = 64 << 20
MAX_TENSORS = 100_000
MAX_METADATA_BYTES = 1 << 20
MAX_NAME = 1024
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 1 << 42
#: Bytes an element. Types below a byte are not among those that a family here reads.
ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


@dataclass(frozen=True)
class TensorInfo:
    """dtype: in safetensors' words. begin, end: bytes from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    data_bytes: int


def read_header(path: Path) -> Header:
    """Reads only the header. Raises InputError, one line, for anything that is not as the format says."""
    with open_plain(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(8)
        if len(start) < 8:
            raise damaged(path, "no safetensors header", expected="at least 8 bytes", got=str(size))
        (length,) = struct.unpack("<Q", start)
        if length > MAX_HEADER_BYTES:
            raise damaged(path, "header length", expected=f"at most {MAX_HEADER_BYTES} bytes", got=str(length))
        if 8 + length > size:
            raise damaged(path, "header is longer than the file", expected=f"{size - 8} bytes at most", got=str(length))
        text = file.read(length)
    if len(text) != length:
        raise damaged(path, "changed while it was read")
    return check_header(text, size - 8 - length, path)


def check_header(text: bytes, data_bytes: int, path: Path) -> Header:
    """The header's JSON against the number of bytes behind it."""
    if not text.startswith(b"{"):
        raise damaged(path, "header is not a JSON object", got=repr(text[:16]))
    told = _parse(text, path)
    metadata = told.pop("__metadata__", {})
    _check_metadata(metadata, path)
    if len(told) > MAX_TENSORS:
        raise damaged(path, "too many tensors", expected=f"at most {MAX_TENSORS}", got=str(len(told)))
    tensors = {name: _tensor(name, entry, data_bytes, path) for name, entry in told.items()}
    at = 0
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if info.begin != at:
            kind = "overlaps the one before it" if info.begin < at else "leaves a hole before it"
            raise damaged(path, f"tensor {_short(name)} {kind}", expected=f"begin at {at}", got=str(info.begin))
        at = info.end
    if at != data_bytes:
        raise damaged(path, "data does not end where the last tensor does", expected=str(at), got=str(data_bytes))
    return Header(tensors, metadata, data_bytes)


class _TwiceError(ValueError):
    pass


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    out = dict(pairs)
    if len(out) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _TwiceError(key)
            seen.add(key)
    return out


def _no_constant(word: str) -> object:
    raise ValueError(word)


def parse_json(text: bytes) -> object:
    """Strict JSON: UTF-8, no key twice, no NaN. Raises ValueError with a short reason."""
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except _TwiceError as error:
        raise ValueError(f"key {_short(str(error))} stands twice") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {str(error)[:60]}") from None


def _parse(text: bytes, path: Path) -> dict[str, object]:
    try:
        told = parse_json(text)
    except ValueError as error:
        raise damaged(path, f"header: {error}") from None
    if not isinstance(told, dict):
        raise damaged(path, "header is not a JSON object")
    return told


def _check_metadata(metadata: object, path: Path) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise damaged(path, "__metadata__ is not a list of texts")
    size = sum(len(k) + len(v) for k, v in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise damaged(
            path, "__metadata__ too large", expected=f"at most {MAX_METADATA_BYTES} characters", got=f"{size}"
        )


def _tensor(name: str, entry: object, data_bytes: int, path: Path) -> TensorInfo:
    def wrong(what: str, expected: str | None = None, got: object = None) -> InputError:
        shown = None if got is None else str(got)[:60]
        return damaged(path, f"tensor {_short(name)}: {what}", expected=expected, got=shown)

    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise wrong("not a name")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise wrong("not a tensor's entry", "dtype, shape, data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise wrong("unknown dtype", ", ".join(ITEM_BYTES), dtype)
    if not _is_sizes(shape) or len(shape) > MAX_DIMENSIONS:
        raise wrong("not a shape", f"at most {MAX_DIMENSIONS} whole numbers", shape)
    if not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1] or offsets[1] > data_bytes:
        raise wrong("data_offsets out of the file", f"[begin, end] within 0 to {data_bytes}", offsets)
    if any(side > MAX_ELEMENTS for side in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise wrong("absurd shape", f"at most {MAX_ELEMENTS} elements", shape)
    needed = math.prod(shape) * ITEM_BYTES[dtype]
    if needed != offsets[1] - offsets[0]:
        raise wrong("shape and data_offsets do not agree", f"{needed} bytes", offsets[1] - offsets[0])
    return TensorInfo(dtype, tuple(shape), offsets[0], offsets[1])


def _is_sizes(value: object) -> bool:
    """A list of whole numbers from 0 on; true and 1.0 are none."""
    return isinstance(value, list) and all(type(v) is int and v >= 0 for v in value)


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")

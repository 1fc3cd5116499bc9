"""The bytes of a glTF 2.0 file and of the buffers beside it. Nothing outside the file's own folder is opened, and nothing
is believed before it is checked."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.characters.model import MAX_FILE_BYTES
from composer.errors import InputError, Where

F64 = NDArray[np.float64]
Json = Mapping[str, object]

_DTYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_MAX_JSON_BYTES = 32 << 20


class GltfFile:
    """Bytes and JSON of a file, and of the buffers beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = self._bytes(path)
        self.chunk: bytes | None = None
        text = data
        if data[:4] == b"glTF":
            text, self.chunk = self._binary(data)
        if len(text) > _MAX_JSON_BYTES:
            raise self.wrong("its JSON is too long")
        try:
            value = json.loads(text.decode("utf-8"))
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise self.wrong("not glTF: no JSON in it") from error
        if not isinstance(value, dict) or not isinstance(value.get("asset"), dict):
            raise self.wrong("not glTF: no asset in it")
        if not str(value["asset"].get("version", "")).startswith("2."):
            raise self.wrong("another version of glTF", expected="2.0", got=str(value["asset"].get("version"))[:20])
        self.json: Json = value
        self._buffers: dict[int, bytes] = {}

    def wrong(self, what: str, expected: str = "", got: str = "") -> InputError:
        """An error about this file."""
        return InputError(what, where=Where(file=self.path), expected=expected or None, got=got or None)

    def _bytes(self, path: Path) -> bytes:
        try:
            with path.open("rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", where=Where(file=path)) from error
        if len(data) > MAX_FILE_BYTES:
            raise InputError(
                "too big for a character", where=Where(file=path), expected=f"at most {MAX_FILE_BYTES} bytes"
            )
        return data

    def _binary(self, data: bytes) -> tuple[bytes, bytes | None]:
        if len(data) < 20:
            raise self.wrong("damaged file: cut off")
        _, version, length = struct.unpack_from("<4sII", data)
        if version != 2 or length > len(data):
            raise self.wrong(
                "damaged file: cut off, or no glTF 2", got=f"version {version}, {length} of {len(data)} bytes"
            )
        chunks: dict[bytes, bytes] = {}
        at = 12
        while at + 8 <= length:
            size, kind = struct.unpack_from("<I4s", data, at)
            if at + 8 + size > length:
                raise self.wrong("damaged file: a chunk is cut off")
            chunks.setdefault(kind, data[at + 8 : at + 8 + size])
            at += 8 + size
        if b"JSON" not in chunks:
            raise self.wrong("damaged file: no JSON chunk")
        return chunks[b"JSON"], chunks.get(b"BIN\0")

    def all(self, name: str) -> Sequence[Json]:
        """A top-level list."""
        value = self.json.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.wrong(f"{name} is not a list")
        return value

    def beside(self, uri: object) -> bytes:
        """What a URI names: data inside the file, or a file in its folder."""
        if not isinstance(uri, str):
            raise self.wrong("a buffer without data")
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            if not head.endswith(";base64"):
                raise self.wrong("data that is not base64")
            try:
                return base64.b64decode(body, validate=True)
            except (binascii.Error, ValueError) as error:
                raise self.wrong("damaged base64 data") from error
        from urllib.parse import unquote

        name = unquote(uri)
        folder = self.path.parent.resolve()
        target = (folder / name).resolve()
        if "://" in uri or "\\" in name or "\0" in name or not target.is_relative_to(folder):
            raise self.wrong("it names a file outside its folder", got=uri[:80])
        return self._bytes(target)

    def buffer(self, number: int) -> bytes:
        """A buffer's bytes."""
        if number not in self._buffers:
            spec = self.all("buffers")[number]
            data = self.chunk if "uri" not in spec else self.beside(spec["uri"])
            if data is None:
                raise self.wrong("a buffer without data")
            self._buffers[number] = data
        return self._buffers[number]

    def view(self, number: int) -> bytes:
        """A buffer view's bytes."""
        spec = self.all("bufferViews")[number]
        data = self.buffer(whole(spec["buffer"]))
        start, size = whole(spec.get("byteOffset", 0)), whole(spec["byteLength"])
        if start + size > len(data):
            raise self.wrong("damaged file: a buffer view reaches beyond its buffer")
        return data[start : start + size]

    def array(self, number: object) -> F64:
        """An accessor as float64 [count, width]; normalised integers as their shares."""
        spec = self.all("accessors")[whole(number)]
        dtype = np.dtype(_DTYPES[whole(spec["componentType"])]).newbyteorder("<")
        width, count = _WIDTHS[str(spec["type"])], whole(spec["count"])
        if count * width > 64 << 20:
            raise self.wrong("too many values", got=str(count))
        out = np.zeros((count, width))
        if "bufferView" in spec:
            view = self.all("bufferViews")[whole(spec["bufferView"])]
            raw = self.view(whole(spec["bufferView"]))
            stride = whole(view.get("byteStride", 0)) or dtype.itemsize * width
            start = whole(spec.get("byteOffset", 0))
            if stride < dtype.itemsize * width or start + stride * (count - 1) + dtype.itemsize * width > len(raw):
                raise self.wrong("damaged file: an accessor reaches beyond its view")
            if count:
                shape, strides = (count, width), (stride, dtype.itemsize)
                out = np.ndarray(shape, dtype, raw, start, strides).astype(np.float64)
        if "sparse" in spec:
            raise self.wrong("sparse accessors are not read", expected="plain ones")
        if spec.get("normalized") and dtype.kind != "f":
            out = np.maximum(out / float(np.iinfo(dtype).max), -1.0)
        if not np.isfinite(out).all():
            raise self.wrong("values that are not finite numbers")
        return out


def whole(value: object) -> int:
    """A whole number of the file, 0 or more; ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"not a whole number: {value!r}")
    return value

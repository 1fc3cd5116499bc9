"""The safetensors header: what the format's own library writes is read alike, and every abuse is refused without it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.weights import packed, safetensors

from composer.errors import InputError
from composer.inference.safetensors_header import ITEM_BYTES, Header, read_header

DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64, "U8": np.uint8, "BOOL": np.bool_}


def read(folder: Path, data: bytes) -> Header:
    path = folder / "x.safetensors"
    path.write_bytes(data)
    return read_header(path)


def entry(
    dtype: object = "F32", shape: object = (2, 3), offsets: object = (0, 24), **more: object
) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


def told(header: object, size: int = 24) -> bytes:
    return packed(json.dumps(header).encode(), bytes(size))


@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).filter(
            lambda n: n != "__metadata__"
        ),
        st.tuples(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 4), max_size=4)),
        min_size=1,
        max_size=6,
    ),
    st.one_of(st.none(), st.dictionaries(st.text(max_size=5), st.text(max_size=5), min_size=1, max_size=3)),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reads_what_the_library_writes(tmp_path: Path, tensors: dict, metadata: dict | None) -> None:
    from safetensors.numpy import save

    data = save({n: np.zeros(shape, DTYPES[dtype]) for n, (dtype, shape) in tensors.items()}, metadata)
    header = read(tmp_path, data)
    assert {n: (t.dtype, list(t.shape)) for n, t in header.tensors.items()} == {
        n: (d, s) for n, (d, s) in tensors.items()
    }
    assert header.metadata == (metadata or {}) and header.data_bytes == sum(
        t.end - t.begin for t in header.tensors.values()
    )


ABUSES = {
    "empty file": (b"", "at least 8 bytes"),
    "seven bytes": (b"\1" * 7, "at least 8 bytes"),
    "length of a petabyte": (struct.pack("<Q", 1 << 50) + b"{}", "header length"),
    "length that wraps": (struct.pack("<Q", (1 << 64) - 8) + b"{}", "header length"),
    "longer than the file": (struct.pack("<Q", 100) + b"{}", "longer than the file"),
    "no header": (struct.pack("<Q", 0), "not a JSON object"),
    "a list": (packed(b"[]"), "not a JSON object"),
    "blanks first": (packed(b" {}"), "not a JSON object"),
    "not JSON": (packed(b"{'a': 1}"), "not JSON"),
    "cut off": (packed(b'{"a":'), "not JSON"),
    "not UTF-8": (packed(b'{"\xff": 1}'), "UTF-8"),
    "a bomb of brackets": (packed(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"), "nested too deep"),
    "a name twice": (packed(b'{"a":1,"a":2}'), "stands twice"),
    "a key twice": (packed(b'{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "stands twice"),
    "not a number": (told({"a": entry(shape=[float("nan")])}), "not JSON"),
    "a huge number": (packed(b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,0]}}'), "not JSON"),
    "unknown dtype": (told({"a": entry("F128")}), "unknown dtype"),
    "dtype is a list": (told({"a": entry(["F32"])}), "unknown dtype"),
    "shape is negative": (told({"a": entry(shape=[-2, -3])}), "not a shape"),
    "shape is a fraction": (told({"a": entry(shape=[2.0, 3.0])}), "not a shape"),
    "shape is true": (told({"a": entry("U8", [True], [0, 1])}, 1), "not a shape"),
    "shape is text": (told({"a": entry(shape="23")}), "not a shape"),
    "too many sides": (told({"a": entry("U8", [1] * 9, [0, 1])}, 1), "not a shape"),
    "absurd shape": (told({"a": entry(shape=[1 << 40, 1 << 40])}), "absurd shape"),
    "absurd and empty": (told({"a": entry(shape=[1 << 62, 0], offsets=[0, 0])}, 0), "absurd shape"),
    "wraps to right": (told({"a": entry("U8", [1 << 32, (1 << 32) + 1], [0, 24])}), "absurd shape"),
    "shape too small": (told({"a": entry(shape=[2, 2])}), "do not agree"),
    "offsets turned": (told({"a": entry(offsets=[24, 0])}), "out of the file"),
    "offsets out": (told({"a": entry(shape=[100], offsets=[0, 400])}), "out of the file"),
    "offsets negative": (told({"a": entry(offsets=[-24, 0])}), "out of the file"),
    "three offsets": (told({"a": entry(offsets=[0, 24, 24])}), "out of the file"),
    "an entry more": (told({"a": entry(code="import os")}), "not a tensor's entry"),
    "an entry less": (told({"a": {"dtype": "F32", "shape": [2, 3]}}), "not a tensor's entry"),
    "an entry that is none": (told({"a": [1, 2]}), "not a tensor's entry"),
    "overlap": (told({"a": entry("U8", [16], [0, 16]), "b": entry("U8", [16], [8, 24])}), "overlaps"),
    "the same twice": (told({"a": entry(), "b": entry()}), "overlaps"),
    "a hole": (told({"a": entry("U8", [8], [0, 8]), "b": entry("U8", [8], [16, 24])}), "leaves a hole"),
    "a hole in front": (told({"a": entry("U8", [16], [8, 24])}), "leaves a hole"),
    "something behind": (told({"a": entry()}, 25), "does not end where"),
    "only something behind": (told({}, 25), "does not end where"),
    "metadata of numbers": (told({"__metadata__": {"a": 1}, "a": entry()}), "list of texts"),
    "metadata is a text": (told({"__metadata__": "pt", "a": entry()}), "list of texts"),
    "metadata too large": (told({"__metadata__": {"a": "x" * (1 << 21)}, "a": entry()}), "too large"),
    "a name with a line end": (told({"a\nb": entry()}), "not a name"),
    "no name": (told({"": entry()}), "not a name"),
    "a long name": (told({"a" * 2000: entry()}), "not a name"),
}  # fmt: skip


@pytest.mark.parametrize("name", ABUSES)
def test_abuse_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    data, said = ABUSES[name]
    with pytest.raises(InputError) as caught:
        read(tmp_path, data)
    assert said in caught.value.line() and "\n" not in caught.value.line() and len(caught.value.line()) < 600


def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    import os

    (tmp_path / "real").write_bytes(safetensors())
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "none"):
        with pytest.raises(InputError):
            read_header(tmp_path / name)


GOOD = safetensors(
    {
        "conv.weight": ("F16", [4, 2, 3], 48),
        "conv.bias": ("F32", [4], 16),
        "step": ("I64", [], 8),
        "none": ("U8", [0], 0),
    },
    {"format": "pt"},
)


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 64)
)
@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutations_are_refused_or_harmless(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    """Whatever is changed: an InputError, or a header that still covers the data exactly, as the library agrees."""
    from safetensors import SafetensorError, deserialize

    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    data = bytes(data[: len(data) - cut] if cut else data)
    try:
        header = read(tmp_path, data)
    except InputError as error:
        assert "\n" not in error.line()
        return
    spans = sorted((t.begin, t.end) for t in header.tensors.values())
    ends = [0, *(end for _, end in spans)]
    assert [begin for begin, _ in spans] == ends[:-1] and ends[-1] == header.data_bytes
    for t in header.tensors.values():
        assert t.end - t.begin == ITEM_BYTES[t.dtype] * int(np.prod(t.shape, dtype=object))
    try:
        other = deserialize(data)
    except SafetensorError:
        return  # stricter than we are about a text in it: never the other way round
    assert {n for n, _ in other} == set(header.tensors)

"""PNG and APNG: chunks, checksums, sizes (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from composer.errors import InputError, Where
from composer.io.limits import check_size, damaged

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEFLATE_LIMIT = 1032
"""No deflate stream grows more than this."""
_MAX_TEXT = 1 << 20
_ONCE = frozenset((b"IHDR", b"PLTE", b"IEND", b"acTL", b"iCCP"))


def check_png(data: memoryview, path: Path) -> None:
    """Raises InputError unless all chunks are whole, their checksums right and the data enough for the size."""
    at, packed, seen, frames_said, frames = 8, 0, [], None, 0
    needed = 0
    while at < len(data):
        if at + 12 > len(data):
            raise damaged(path, "ends inside a chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        if not kind.isalpha():
            raise damaged(path, "chunk without a proper name", got=repr(kind))
        if length > 0x7FFFFFFF or at + 12 + length > len(data):
            raise damaged(
                path, f"{kind.decode()} chunk is cut off", expected=f"{length} bytes", got=str(len(data) - at - 12)
            )
        body = data[at + 8 : at + 8 + length]
        if zlib.crc32(data[at + 4 : at + 8 + length]) != struct.unpack_from(">I", data, at + 8 + length)[0]:
            raise damaged(path, f"wrong checksum of {kind.decode()} chunk")
        if kind in _ONCE and kind in seen:
            raise damaged(path, f"{kind.decode()} chunk stands twice")
        if (kind == b"IHDR") != (at == 8):
            raise damaged(path, "header chunk is not the first")
        if kind == b"IHDR":
            needed = _header(body, path)
        elif kind == b"IDAT":
            if b"IDAT" in seen and seen[-1] != b"IDAT":
                raise damaged(path, "picture data is not in one piece")
            packed += length
        elif kind in (b"zTXt", b"iCCP", b"iTXt"):
            _check_packed_text(kind, bytes(body), path)
        elif kind == b"acTL":
            if length != 8:
                raise damaged(path, "animation header")
            frames_said = struct.unpack(">I", body[:4])[0]
        elif kind == b"fcTL":
            frames += 1
        seen.append(kind)
        at += 12 + length
        if kind == b"IEND":
            break
    if not seen or seen[-1] != b"IEND":
        raise damaged(path, "cut off", expected="an IEND chunk")
    if frames_said is not None and (frames_said != frames or not frames):
        raise damaged(path, "number of animation frames", expected=str(frames_said), got=str(frames))
    if packed * _DEFLATE_LIMIT < needed:
        raise damaged(
            path, "too little picture data", expected=f"{needed} bytes unpacked", got=f"{packed} bytes packed"
        )


def _header(body: memoryview, path: Path) -> int:
    """Checks IHDR; returns the bytes that the picture unpacks to."""
    if len(body) != 13:
        raise damaged(path, "header chunk", expected="13 bytes", got=str(len(body)))
    width, height, depth, colour, packing, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if depth not in _DEPTHS.get(colour, ()) or packing or filtering or interlace > 1:
        raise damaged(path, "header chunk", got=f"depth {depth}, colour {colour}, {packing}/{filtering}/{interlace}")
    check_size(path, width, height)
    return int(height * (1 + (width * depth * _SAMPLES[colour] + 7) // 8))


def _check_packed_text(kind: bytes, body: bytes, path: Path) -> None:
    """Text and profiles may be bombs: they must unpack, and to at most a mebibyte."""
    keyword, _, rest = body.partition(b"\0")
    if not 1 <= len(keyword) <= 79:
        raise damaged(path, f"{kind.decode()} chunk without a keyword")
    if kind == b"iTXt":
        flag, rest = rest[:1], rest[2:].split(b"\0", 2)[-1]
        if flag != b"\1":
            return
    else:
        rest = rest[1:]
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(rest, _MAX_TEXT)
    except zlib.error as error:
        raise damaged(path, f"{kind.decode()} chunk does not unpack", got=str(error)) from None
    if len(text) >= _MAX_TEXT and kind != b"iCCP":
        raise InputError(
            f"{kind.decode()} chunk unpacks too far", where=Where(file=path), expected=f"less than {_MAX_TEXT} bytes"
        )

"""DPX (SMPTE ST 268) and Cineon: the pixels that the header promises lie inside the file."""

from __future__ import annotations

import struct
from pathlib import Path

from composer.io.limits import check_size, damaged

_DPX_SAMPLES = {1: 1, 2: 1, 3: 1, 4: 1, 6: 1, 7: 1, 8: 1, 50: 3, 51: 4, 52: 4, 100: 2, 101: 3, 102: 3, 103: 4}
_DPX_BITS = (1, 8, 10, 12, 16, 32, 64)
_UNDEFINED = 0xFFFFFFFF


def least_bytes(samples: int, bits: int, filled: bool) -> int:
    """The fewest bytes that hold so many samples: filled means three 10-bit samples to a 32-bit word, 12 bits in 16.
    Lines may be padded beyond that; writers differ."""
    if bits == 10 and filled:
        return -(-samples // 3) * 4
    if bits == 12 and filled:
        return samples * 2
    return -(-samples * bits // 8)


def check_dpx(data: memoryview, path: Path) -> None:
    """Raises InputError unless the first image element is whole."""
    if len(data) < 2048:
        raise damaged(path, "too short for a DPX file", expected="2048 bytes or more", got=str(len(data)))
    order = ">" if bytes(data[:4]) == b"SDPX" else "<"
    (start,) = struct.unpack_from(order + "I", data, 4)
    generic, industry, user = struct.unpack_from(order + "3I", data, 24)
    for what, size in (("generic header", generic), ("industry header", industry), ("user data", user)):
        if size != _UNDEFINED and size > len(data):
            raise damaged(path, f"{what} longer than the file", got=f"{size} of {len(data)} bytes")
    elements, width, height = struct.unpack_from(order + "2xHII", data, 768)
    if not 1 <= elements <= 8:
        raise damaged(path, "number of image elements", expected="1 to 8", got=str(elements))
    check_size(path, width, height)
    descriptor, bits, packing, encoding, offset = struct.unpack_from(order + "B2xBHHI", data, 800)
    if descriptor not in _DPX_SAMPLES or bits not in _DPX_BITS or packing > 2 or encoding > 1:
        raise damaged(
            path, "image element", got=f"descriptor {descriptor}, {bits} bits, packing {packing}, encoding {encoding}"
        )
    begin = start if offset in (0, _UNDEFINED) else offset
    if begin < 768 or begin > len(data):
        raise damaged(path, "picture outside the file", got=f"at {begin} of {len(data)} bytes")
    if encoding:
        return
    needed = begin + least_bytes(width * height * _DPX_SAMPLES[descriptor], bits, packing > 0)
    if needed > len(data):
        raise damaged(path, "cut off", expected=f"{needed} bytes", got=str(len(data)))


def check_cineon(data: memoryview, path: Path) -> None:
    """Raises InputError unless the channels agree and the picture is whole."""
    if len(data) < 1024:
        raise damaged(path, "too short for a Cineon file", expected="1024 bytes or more", got=str(len(data)))
    order = ">" if bytes(data[:4]) == b"\x80\x2a\x5f\xd7" else "<"
    (start,) = struct.unpack_from(order + "I", data, 4)
    channels = data[193]
    if not 1 <= channels <= 8:
        raise damaged(path, "number of channels", expected="1 to 8", got=str(channels))
    elements = [struct.unpack_from(order + "2xBxII", data, 196 + 28 * k) for k in range(channels)]
    bits, width, height = elements[0]
    if any(e != elements[0] for e in elements) or bits not in (8, 10, 12, 16):
        raise damaged(path, "channels", expected="one size, of 8, 10, 12 or 16 bits", got=str(elements)[:80])
    check_size(path, width, height)
    needed = start + least_bytes(width * height * channels, bits, data[681] > 0)
    if start < 1024 or needed > len(data):
        raise damaged(path, "cut off", expected=f"{needed} bytes", got=str(len(data)))

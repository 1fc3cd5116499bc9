"""Values of EXR attributes, from and to bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from composer.io.timecode import Timecode


class AttributeDamage(ValueError):
    """The bytes are not a value of the attribute's type."""


@dataclass(frozen=True)
class Chromaticities:
    """CIE xy of the primaries and white point of linear RGB."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]

    @staticmethod
    def of(values: tuple[float, ...]) -> Chromaticities:
        """From eight numbers: red, green, blue, white."""
        r, g, b, w = ((float(values[i]), float(values[i + 1])) for i in (0, 2, 4, 6))
        return Chromaticities(r, g, b, w)

    def values(self) -> tuple[float, ...]:
        return (*self.red, *self.green, *self.blue, *self.white)

    def close_to(self, other: Chromaticities, tolerance: float = 5e-4) -> bool:
        return all(abs(a - b) <= tolerance for a, b in zip(self.values(), other.values(), strict=True))


_SIMPLE = {
    "box2i": "<4i",
    "box2f": "<4f",
    "compression": "<B",
    "lineOrder": "<B",
    "envmap": "<B",
    "double": "<d",
    "float": "<f",
    "int": "<i",
    "keycode": "<7i",
    "m33f": "<9f",
    "m44f": "<16f",
    "m33d": "<9d",
    "m44d": "<16d",
    "v2i": "<2i",
    "v2f": "<2f",
    "v2d": "<2d",
    "v3i": "<3i",
    "v3f": "<3f",
    "v3d": "<3d",
    "v4i": "<4i",
    "v4f": "<4f",
    "v4d": "<4d",
    "rational": "<iI",
    "chromaticities": "<8f",
    "timecode": "<II",
    "tiledesc": "<IIB",
}


def decode(kind: str, data: bytes, longest_name: int = 255) -> object:
    """The Python value of an attribute: numbers, str, tuples, `Fraction`, `Chromaticities`, `Timecode`, float64 [3, 3]
    or [4, 4] arrays, tuple[str, ...]; bytes for types that are not known. Raises AttributeDamage."""
    if kind in _SIMPLE:
        layout = struct.Struct(_SIMPLE[kind])
        if layout.size != len(data):
            raise AttributeDamage(f"has {len(data)} bytes instead of {layout.size}")
        return _shaped(kind, layout.unpack(data))
    if kind == "string":
        return _text(data)
    if kind == "stringvector":
        return _strings(data)
    if kind == "floatvector":
        if len(data) % 4:
            raise AttributeDamage(f"has {len(data)} bytes, not a multiple of 4")
        return struct.unpack(f"<{len(data) // 4}f", data)
    if kind == "chlist":
        return _channel_list(data, longest_name)
    if kind == "preview":
        _check_preview(data)
    return data


def _shaped(kind: str, values: tuple[float, ...]) -> object:
    if kind in ("m33f", "m33d", "m44f", "m44d"):
        side = int(kind[1])
        return np.array(values, dtype=np.float64).reshape(side, side)
    if kind == "rational":
        if not values[1]:
            raise AttributeDamage("divides by zero")
        return Fraction(int(values[0]), int(values[1]))
    if kind == "chromaticities":
        return Chromaticities.of(values)
    if kind == "timecode":
        return _timecode(int(values[0]))
    return values[0] if len(values) == 1 else values


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8").rstrip("\0")
    except UnicodeDecodeError:
        raise AttributeDamage("is not UTF-8") from None


def _strings(data: bytes) -> tuple[str, ...]:
    found, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            raise AttributeDamage("ends inside a length")
        (size,) = struct.unpack_from("<i", data, at)
        if size < 0 or at + 4 + size > len(data):
            raise AttributeDamage("holds a string that runs past its end")
        found.append(_text(data[at + 4 : at + 4 + size]))
        at += 4 + size
    return tuple(found)


def _channel_list(data: bytes, longest_name: int) -> tuple[tuple[str, int, int, int], ...]:
    found, at = [], 0
    while True:
        end = data.find(b"\0", at)
        if end < 0 or end - at > longest_name:
            raise AttributeDamage("has a name without an end")
        if end == at:
            if end != len(data) - 1:
                raise AttributeDamage("goes on after its end")
            return tuple(found)
        name = _text(data[at:end])
        if len(data) < end + 17:
            raise AttributeDamage("ends inside a channel")
        kind, _linear, xs, ys = struct.unpack_from("<iB3x2i", data, end + 1)
        found.append((name, kind, xs, ys))
        at = end + 17


def _check_preview(data: bytes) -> None:
    if len(data) < 8:
        raise AttributeDamage("is too short")
    width, height = struct.unpack_from("<II", data)
    if width * height * 4 + 8 != len(data):
        raise AttributeDamage(f"says {width}x{height} and has {len(data)} bytes")


def _timecode(word: int) -> Timecode:
    """SMPTE time code word (TV60 packing): BCD pairs from frames up to hours, bit 6 drop frame."""

    def bcd(low: int, tens_bits: int) -> int:
        return ((word >> (low + 4)) & ((1 << tens_bits) - 1)) * 10 + ((word >> low) & 15)

    return Timecode(bcd(24, 2), bcd(16, 3), bcd(8, 3), bcd(0, 2), bool(word >> 6 & 1))


def timecode_word(timecode: Timecode) -> int:
    """The inverse: the `timeAndFlags` word of a label."""

    def bcd(value: int) -> int:
        return value // 10 << 4 | value % 10

    return (
        bcd(timecode.hours) << 24
        | bcd(timecode.minutes) << 16
        | bcd(timecode.seconds) << 8
        | bcd(timecode.frames)
        | timecode.drop << 6
    )

"""The average colour of a texture, read with care."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def average_colour(data: bytes) -> F64 | None:
    """The average of a PNG or JPEG in linear light [3]; None where it cannot be read or is too large."""
    import cv2

    size = _picture_size(data)
    if size is None or size[0] * size[1] > 8192 * 8192:
        return None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_4)
    if picture is None or picture.size == 0:
        return None
    code = picture.reshape(-1, 3)[:, ::-1].astype(np.float64) / 255.0
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).mean(0)


def _picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height out of the header of a PNG or JPEG."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        kind, size = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + size
    return None

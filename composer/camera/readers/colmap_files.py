"""The files of a COLMAP model, text and binary, as they stand.

Source: COLMAP's documentation, "Output Format".
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from composer.camera.camera import Array
from composer.camera.readers.common import number, positive_size, read_bytes, read_text
from composer.errors import InputError, Where

#: Perspective models and what their parameters mean; the others are refused by name.
MODELS: dict[str, tuple[str, ...]] = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
#: Model numbers in binary files.
MODEL_NAMES = (
    "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV", "FOV",
    "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE", "RAD_TAN_THIN_PRISM_FISHEYE",
)  # fmt: skip
NO_POINT = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class Intrinsics:
    """A camera model, its picture size and its parameters by name (pixels)."""

    model: str
    size_px: tuple[int, int]
    values: dict[str, float]

    @property
    def focal_px(self) -> tuple[float, float]:
        v = self.values
        return (v["f"], v["f"]) if "f" in v else (v["fx"], v["fy"])


@dataclass
class Image:
    """A registered picture: camera from world as a quaternion (w, x, y, z) and a translation; its marks that are
    points, float64 [M, 2], and the numbers of those points, int64 [M]."""

    name: str
    camera: int
    quaternion: Array
    translation: Array
    xy: Array = field(default_factory=lambda: np.zeros((0, 2)))
    point: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    line: int | None = None


@dataclass
class Points:
    """ids: int64 [P]; xyz: float64 [P, 3]; error: float64 [P], mean reprojection error in pixels."""

    ids: Array
    xyz: Array
    error: Array


def read_cameras(path: Path) -> dict[int, Intrinsics]:
    """Intrinsics by camera number."""
    return (_binary_cameras if path.suffix == ".bin" else _text_cameras)(path)


def read_images(path: Path) -> list[Image]:
    """The registered pictures, in the file's order."""
    return (_binary_images if path.suffix == ".bin" else _text_images)(path)


def read_points(path: Path) -> Points:
    """The solve's points."""
    return (_binary_points if path.suffix == ".bin" else _text_points)(path)


def _intrinsics(model: str, width: float, height: float, values: list[float], where: Where) -> Intrinsics:
    if model not in MODELS:
        raise InputError(
            f"camera model {model[:40]} is not supported", where=where, expected=", ".join(MODELS),
            hint="solve again with OPENCV or SIMPLE_RADIAL, or undistort the pictures in COLMAP (PINHOLE)",
        )  # fmt: skip
    names = MODELS[model]
    if len(values) != len(names):
        raise InputError(
            f"wrong number of parameters for {model}", where=where, expected=str(len(names)), got=str(len(values))
        )
    return Intrinsics(model, positive_size(width, height, where), dict(zip(names, values, strict=True)))


# Text


def _check_count(text: str, path: Path, what: str, count: int) -> None:
    said = re.search(rf"^#\s*Number of {what}:\s*(\d+)", text, re.MULTILINE)
    if said and int(said[1]) != count:
        raise InputError(
            "the file is cut or has been edited", where=Where(file=path), expected=f"{said[1]} {what}", got=str(count)
        )


def _text_cameras(path: Path) -> dict[int, Intrinsics]:
    text = read_text(path)
    out: dict[int, Intrinsics] = {}
    for n, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = Where(file=path, line=n)
        if len(words) < 5:
            raise InputError("a camera's line is too short", where=where, expected="ID MODEL WIDTH HEIGHT PARAMS[]")
        values = [number(w, path, n) for w in words[4:]]
        out[int(number(words[0], path, n))] = _intrinsics(
            words[1], number(words[2], path, n), number(words[3], path, n), values, where
        )
    if not out:
        raise InputError("there is no camera in the file", where=Where(file=path))
    _check_count(text, path, "cameras", len(out))
    return out


def _text_images(path: Path) -> list[Image]:
    text = read_text(path)
    lines = text.splitlines()
    out: list[Image] = []
    n = 0
    while n < len(lines):
        line = lines[n].strip()
        n += 1
        if not line or line.startswith("#"):
            continue
        words = line.split(maxsplit=9)
        where = Where(file=path, line=n)
        if len(words) < 10:
            raise InputError(
                "an image's line is too short", where=where, expected="IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"
            )
        pose = [number(w, path, n) for w in words[1:8]]
        image = Image(words[9], int(number(words[8], path, n)), np.array(pose[:4]), np.array(pose[4:]), line=n)
        if n < len(lines):
            _text_marks(image, lines[n], path, n + 1)
            n += 1
        out.append(image)
    _check_count(text, path, "images", len(out))
    return out


def _text_marks(image: Image, line: str, path: Path, n: int) -> None:
    words = line.split()
    if len(words) % 3:
        raise InputError(
            "an image's points are cut", where=Where(file=path, line=n), expected="X Y POINT3D_ID for each"
        )
    try:
        marks = np.array(words, dtype=np.float64).reshape(-1, 3)
    except ValueError as e:
        raise InputError("an image's points are not numbers", where=Where(file=path, line=n)) from e
    seen = marks[:, 2] >= 0
    image.xy, image.point = marks[seen, :2], marks[seen, 2].astype(np.int64)


def _text_points(path: Path) -> Points:
    text = read_text(path)
    ids, rows = [], []
    for n, line in enumerate(text.splitlines(), 1):
        words = line.split(maxsplit=8)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 8:
            raise InputError(
                "a point's line is too short", where=Where(file=path, line=n), expected="ID X Y Z R G B ERROR TRACK[]"
            )
        ids.append(int(number(words[0], path, n)))
        rows.append([number(words[i], path, n) for i in (1, 2, 3)] + [float(words[7]) if words[7] != "" else np.nan])
    _check_count(text, path, "points", len(ids))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Points(np.array(ids, dtype=np.int64), table[:, :3], table[:, 3])


# Binary


class _Bytes:
    """A cursor over a binary file that says so where the file is cut."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, read_bytes(path), 0

    def take(self, form: str) -> tuple[float, ...]:
        size = struct.calcsize(form)
        self._need(size)
        out = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return out

    def count(self, item_bytes: int) -> int:
        """A number of items that must still fit into the file."""
        n = int(self.take("<Q")[0])
        self._need(n * item_bytes)
        return n

    def array(self, dtype: np.dtype[np.void], n: int) -> Array:
        self._need(n * dtype.itemsize)
        out = np.frombuffer(self.data, dtype, n, self.at)
        self.at += n * dtype.itemsize
        return out

    def name(self) -> str:
        end = self.data.find(b"\0", self.at, self.at + 4096)
        if end < 0:
            self._need(len(self.data))
            raise InputError("a picture's name never ends", where=Where(file=self.path))
        out = self.data[self.at : end].decode("utf-8", errors="replace")
        self.at = end + 1
        return out

    def _need(self, size: int) -> None:
        if self.at + size > len(self.data):
            raise InputError(
                "the file is cut or damaged",
                where=Where(file=self.path),
                expected=f"at least {self.at + size} bytes",
                got=str(len(self.data)),
            )


def _binary_cameras(path: Path) -> dict[int, Intrinsics]:
    data = _Bytes(path)
    out: dict[int, Intrinsics] = {}
    for _ in range(data.count(24)):
        key, model, width, height = data.take("<IiQQ")
        name = MODEL_NAMES[int(model)] if 0 <= model < len(MODEL_NAMES) else f"number {int(model)}"
        where = Where(file=path)
        values = list(data.take(f"<{len(MODELS[name])}d")) if name in MODELS else []
        if not np.isfinite(values).all():
            raise InputError("a camera's parameters are not finite", where=where)
        out[int(key)] = _intrinsics(name, width, height, values, where)
    if not out:
        raise InputError("there is no camera in the file", where=Where(file=path))
    return out


def _binary_images(path: Path) -> list[Image]:
    data = _Bytes(path)
    mark = np.dtype([("xy", "<f8", 2), ("point", "<u8")])
    out = []
    for _ in range(data.count(73)):
        head = data.take("<I7dI")
        image = Image(data.name(), int(head[8]), np.array(head[1:5]), np.array(head[5:8]))
        marks = data.array(mark, data.count(mark.itemsize))
        seen = marks["point"] != NO_POINT
        image.xy, image.point = marks["xy"][seen].copy(), marks["point"][seen].astype(np.int64)
        out.append(image)
    return out


def _binary_points(path: Path) -> Points:
    data = _Bytes(path)
    n = data.count(51)
    ids, rows = np.zeros(n, dtype=np.int64), np.zeros((n, 4))
    for k in range(n):
        head = data.take("<Q3d3Bd")
        ids[k], rows[k] = head[0], (*head[1:4], head[7])
        data.array(np.dtype([("image", "<u4"), ("mark", "<u4")]), data.count(8))
    return Points(ids, rows[:, :3], rows[:, 3])

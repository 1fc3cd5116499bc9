"""COLMAP models, text and binary: cameras, images and points3D in one folder.

World: whatever the solve made; COLMAP's cameras look down +Z with y down. Pixel centres at +0.5, as here.
Source: COLMAP's documentation, "Output Format" and "Camera Models".
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from composer.camera.camera import Array, Lens, Pinhole
from composer.camera.lens.brown import Brown
from composer.camera.lens.plane import Curve
from composer.camera.readers.common import (
    NOMINAL_WIDTH_MM,
    CameraTrack,
    Observations,
    Raw,
    Request,
    finish,
    last_number,
    number,
    positive_size,
    read_bytes,
    read_text,
    spans,
    transform,
)
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
    model: str
    size_px: tuple[int, int]
    values: dict[str, float]

    @property
    def focal_px(self) -> tuple[float, float]:
        v = self.values
        return (v["f"], v["f"]) if "f" in v else (v["fx"], v["fy"])


@dataclass
class Image:
    name: str
    camera: int
    quaternion: Array
    translation: Array
    xy: Array = field(default_factory=lambda: np.zeros((0, 2)))
    point: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    line: int | None = None


@dataclass
class Points:
    ids: Array
    xyz: Array
    error: Array


def read(request: Request) -> CameraTrack:
    """A solve as a `CameraTrack`. Frames are the last number in each picture's name."""
    folder = request.path if request.path.is_dir() else request.path.parent
    binary = not (folder / "cameras.txt").is_file() and (folder / "cameras.bin").is_file()
    ext = "bin" if binary else "txt"
    if request.path.suffix == ".bin" and (folder / "cameras.bin").is_file():
        ext = "bin"
    cameras = (_binary_cameras if ext == "bin" else _text_cameras)(folder / f"cameras.{ext}")
    images_file = folder / f"images.{ext}"
    images = (_binary_images if ext == "bin" else _text_images)(images_file)
    points_file = folder / f"points3D.{ext}"
    points = None
    if points_file.is_file():
        points = (_binary_points if ext == "bin" else _text_points)(points_file)
    if request.node is not None:
        images = [i for i in images if str(i.camera) == request.node]
        if not images:
            got = ", ".join(str(c) for c in sorted(cameras))
            raise InputError(
                f"no picture of camera {request.node}", where=Where(file=images_file), expected=f"one of {got}"
            )
    return finish(_raw(request, images_file, cameras, images, points), request)


def _raw(
    request: Request, path: Path, cameras: dict[int, Intrinsics], images: list[Image], points: Points | None
) -> Raw:
    if not images:
        raise InputError("the solve has no registered picture", where=Where(file=path))
    notes = ["COLMAP: cameras look down +Z with y down; the solve states no up axis, and its y was taken as down"]
    images, frames = _frames(request, path, images, notes)
    for i in images:
        if i.camera not in cameras:
            raise InputError(
                f"{i.name} refers to camera {i.camera}, which is not there", where=Where(file=path, line=i.line)
            )
    used = [cameras[i.camera] for i in images]
    sizes = {c.size_px for c in used}
    if len(sizes) > 1:
        raise InputError(
            "the solve's pictures have several sizes", where=Where(file=path), got=", ".join(f"{w}x{h}" for w, h in sorted(sizes)),
            hint="name one camera number as the node",
        )  # fmt: skip
    (size,) = sizes
    focal = np.array([c.focal_px for c in used])
    if not (np.isfinite(focal) & (focal > 0)).all():
        raise InputError(
            "the focal length is not positive", where=Where(file=path.with_stem("cameras")), got=f"{focal.min():g}"
        )
    shape = focal[:, 1] / focal[:, 0]
    if np.ptp(shape) > 1e-9:
        raise InputError(
            "the solve's cameras differ in the shape of their pixels", where=Where(file=path.with_stem("cameras")),
            hint="solve with one shared camera, or name one camera number as the node",
        )  # fmt: skip
    width = request.filmback_mm[0] if request.filmback_mm else NOMINAL_WIDTH_MM
    if not request.filmback_mm:
        notes.append(f"the film back is {width:g} mm wide by assumption: a solve knows the focal length in pixels only")
    height = width * size[1] / (size[0] * shape[0])
    rotation = np.stack([_rotation(i, path) for i in images])
    world_from = rotation.transpose(0, 2, 1)
    position = -np.einsum("fij,fj->fi", world_from, np.stack([i.translation for i in images]))
    notes.append(f"lens model {', '.join(dict.fromkeys(c.model for c in used))}, pixel centres at +0.5")
    return Raw(
        frames=frames,
        matrices=transform(world_from * np.array([1.0, -1.0, -1.0]), position),
        focal_mm=focal[:, 0] * width / size[0],
        filmback_mm=(width, height),
        centre_px=np.array([(c.values["cx"], c.values["cy"]) for c in used]),
        size_px=size,
        lens=_lens(frames, used),
        up="-y",
        points=None if points is None else points.xyz,
        point_error_px=None if points is None else points.error,
        observations=None if points is None else _observations(images, frames, points),
        solved=True,
        notes=notes,
    )


def _frames(request: Request, path: Path, images: list[Image], notes: list[str]) -> tuple[list[Image], list[int]]:
    images = sorted(images, key=lambda i: i.name)
    numbers = [last_number(i.name) for i in images]
    plain = [n for n in numbers if n is not None]
    good = len(plain) == len(images) and len(set(plain)) == len(plain) and max(plain) - min(plain) + 1 == len(plain)
    if not good and request.frames and len(request.frames) == len(images):
        notes.append("pictures numbered in the order of their names: their own numbers are not consecutive")
        return images, list(request.frames)
    if len(plain) != len(images):
        nameless = images[numbers.index(None)]
        raise InputError(
            "a picture's name holds no frame number", where=Where(file=path, line=nameless.line), got=nameless.name[:80],
            hint="number the pictures, or give their frame numbers (frames)",
        )  # fmt: skip
    if len(set(plain)) != len(plain):
        twice = next(n for n in plain if plain.count(n) > 1)
        names = ", ".join(i.name[:40] for i, n in zip(images, plain, strict=True) if n == twice)
        raise InputError("several pictures have the same frame number", where=Where(file=path, frame=twice), got=names)
    notes.append(f"frame numbers from the picture names ({images[0].name} is frame {plain[0]}; {spans(sorted(plain))})")
    return images, plain


def _rotation(image: Image, path: Path) -> Array:
    """Camera from world, float64 [3, 3]."""
    q = image.quaternion
    size = float(np.linalg.norm(q))
    if not np.isfinite(image.translation).all() or not np.isfinite(size) or size < 1e-12:
        raise InputError(f"the pose of {image.name[:40]} is not finite", where=Where(file=path, line=image.line))
    w, x, y, z = q / size
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _lens(frames: list[int], used: list[Intrinsics]) -> Lens:
    names = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
    order = np.argsort(frames)
    terms: dict[str, float | Curve] = {}
    for n in names:
        values = tuple(used[i].values.get(n, 0.0) for i in order)
        if any(values):
            terms[n] = values[0] if len(set(values)) == 1 else Curve(min(frames), values)
    return Brown(**terms) if terms else Pinhole()  # type: ignore[arg-type]


def _observations(images: list[Image], frames: list[int], points: Points) -> Observations:
    row = {int(p): k for k, p in enumerate(points.ids)}
    frame, point, xy = [], [], []
    for image, number_ in zip(images, frames, strict=True):
        rows = np.array([row.get(int(p), -1) for p in image.point], dtype=np.int64)
        seen = rows >= 0
        point.append(rows[seen])
        xy.append(image.xy[seen])
        frame.append(np.full(int(seen.sum()), number_, dtype=np.int64))
    return Observations(np.concatenate(frame), np.concatenate(point), np.concatenate(xy))


def _intrinsics(model: str, width: float, height: float, values: list[float], where: Where) -> Intrinsics:
    if model not in MODELS:
        raise InputError(
            f"camera model {model[:40]} is not supported", where=where, expected=", ".join(MODELS),
            hint="solve again with OPENCV or SIMPLE_RADIAL, or undistort the pictures in COLMAP and use the PINHOLE model",
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

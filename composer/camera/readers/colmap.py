"""COLMAP models, text and binary: cameras, images and points3D in one folder.

World: whatever the solve made; COLMAP's cameras look down +Z with y down. Pixel centres at +0.5, as here.
Source: COLMAP's documentation, "Output Format" and "Camera Models".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from composer.camera.camera import Array, Lens, Pinhole
from composer.camera.lens.brown import Brown
from composer.camera.lens.plane import Curve
from composer.camera.readers.colmap_files import Image, Intrinsics, Points, read_cameras, read_images, read_points
from composer.camera.readers.common import (
    NOMINAL_WIDTH_MM,
    CameraTrack,
    Observations,
    Raw,
    Request,
    finish,
    last_number,
    spans,
    transform,
)
from composer.errors import InputError, Where


def read(request: Request) -> CameraTrack:
    """A solve as a `CameraTrack`. Frames are the last number in each picture's name."""
    folder = request.path if request.path.is_dir() else request.path.parent
    binary = not (folder / "cameras.txt").is_file() and (folder / "cameras.bin").is_file()
    ext = "bin" if binary else "txt"
    if request.path.suffix == ".bin" and (folder / "cameras.bin").is_file():
        ext = "bin"
    cameras = read_cameras(folder / f"cameras.{ext}")
    images_file = folder / f"images.{ext}"
    images = read_images(images_file)
    points_file = folder / f"points3D.{ext}"
    points = read_points(points_file) if points_file.is_file() else None
    if points is not None and not len(points.ids) and any(len(i.point) for i in images):
        raise InputError("the pictures see points, but the file holds none: it is cut", where=Where(file=points_file))
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
            "the solve's pictures have several sizes", where=Where(file=path),
            got=", ".join(f"{w}x{h}" for w, h in sorted(sizes)), hint="name one camera number as the node",
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
            "a picture's name holds no frame number", where=Where(file=path, line=nameless.line),
            got=nameless.name[:80], hint="number the pictures, or give their frame numbers (frames)",
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

"""What every track reader shares: the request, units and axes, and the checks on the way to a `CameraTrack`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Array, Camera, Lens, Pinhole
from composer.camera.lens.plane import shifted
from composer.errors import InputError, Where

#: File axis that points up -> rotation that takes it to +Y.
UP_AXES: dict[str, Array] = {
    "y": np.eye(3),
    "-y": np.diag([1.0, -1.0, -1.0]),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "-z": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "x": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "-x": np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
}
FROM_FILE = "from file"
NOMINAL_WIDTH_MM = 36.0
MAX_BYTES = 1 << 30
MAX_FRAMES = 1_000_000


@dataclass(frozen=True)
class Observations:
    """Where the solver saw its points. frame: int64 [O]; point: int64 [O], row of `points_m`; xy_px: float64 [O, 2], in
    the solved pictures (`solved_size_px`), origin top left, pixel centres at +0.5."""

    frame: NDArray[np.int64]
    point: NDArray[np.int64]
    xy_px: Array


@dataclass(frozen=True)
class CameraTrack:
    """A camera read from a file, and what its solve left behind.

    points_m: float64 [P, 3], the solve's points in the camera's world. point_error_px: float64 [P], in solved pictures.
    notes: the assumptions of the reader; the same as `camera.notes`.
    """

    camera: Camera
    points_m: Array | None = None
    point_error_px: Array | None = None
    observations: Observations | None = None
    solved_size_px: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What the caller of `read_camera` asked for; see there."""

    path: Path
    node: str | None = None
    scale: float = 1.0
    up: str = FROM_FILE
    frame_offset: int = 0
    rotation_order: str | None = None
    filmback_mm: tuple[float, float] | None = None
    focal_mm: float | None = None
    size_px: tuple[int, int] | None = None
    pixel_aspect: float = 1.0
    frames: tuple[int, ...] | None = None
    first_frame: int | None = None
    frame_rate: float | None = None

    def plate_size(self) -> tuple[int, int]:
        """The raster, for formats that describe a film back and no picture."""
        if self.size_px is None:
            raise InputError(
                "the file describes a film back but no picture size",
                where=Where(file=self.path),
                hint="give the plate's size",
            )
        return self.size_px


@dataclass
class Raw:
    """A camera as its file has it, before frame numbers, units and axes are put right.

    frames: in any order. matrices: float64 [F, 4, 4], world from camera, camera down -Z and y up, file units.
    focal_mm: float64 [F]. centre_px: float64 [F, 2] for `size_px`. unit_m: metres a file unit. up: the file's up axis.
    still: the file has one pose only, for every frame of the shot.
    """

    frames: list[int]
    matrices: Array
    focal_mm: Array
    filmback_mm: tuple[float, float]
    centre_px: Array
    size_px: tuple[int, int]
    pixel_aspect: float = 1.0
    lens: Lens = field(default_factory=Pinhole)
    unit_m: float = 1.0
    up: str = "y"
    still: bool = False
    shutter: tuple[float, float] | None = None
    points: Array | None = None
    point_error_px: Array | None = None
    observations: Observations | None = None
    solved: bool = False
    notes: list[str] = field(default_factory=list)


def read_text(path: Path) -> str:
    return read_bytes(path).decode("utf-8", errors="replace")


def read_bytes(path: Path) -> bytes:
    """A whole file, or an InputError that says why not."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError("the file is too large", where=Where(file=path), expected=f"at most {MAX_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as e:
        raise InputError("cannot read the file", where=Where(file=path), got=e.strerror or str(e)) from e


def number(text: str, path: Path, line: int | None = None, field_name: str | None = None) -> float:
    """A finite number, or an InputError with the place."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        where = Where(file=path, line=line, field=field_name)
        raise InputError("not a finite number", where=where, got=repr(str(text)[:40]))
    return value


def last_number(name: str) -> int | None:
    """The frame number in a picture's name: the last run of digits of its stem (100_7104.jpg -> 7104)."""
    found = re.findall(r"\d+", Path(name.replace("\\", "/")).stem)
    return int(found[-1]) if found and len(found[-1]) < 12 else None


def positive_size(width: float, height: float, where: Where) -> tuple[int, int]:
    if not (1 <= width <= 1 << 17 and 1 <= height <= 1 << 17) or width != int(width) or height != int(height):
        raise InputError("not a picture size", where=where, got=f"{width:g} x {height:g}")
    return int(width), int(height)


def euler(order: str, degrees: Array) -> Array:
    """Rotations float64 [..., 3, 3] from angles [..., 3] about x, y, z; `order` names the axes in the order in which
    they are applied (ZXY: about z first, then x, then y, as in Nuke and Maya)."""
    angles = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    out = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for axis in order.upper():
        k = "XYZ".index(axis)
        i, j = (k + 1) % 3, (k + 2) % 3
        c, s = np.cos(angles[..., k]), np.sin(angles[..., k])
        turn = np.zeros((*angles.shape[:-1], 3, 3))
        turn[..., k, k] = 1.0
        turn[..., i, i], turn[..., i, j], turn[..., j, i], turn[..., j, j] = c, -s, s, c
        out = turn @ out
    return np.array(out)


def rotation_order(text: str, where: Where) -> str:
    order = text.upper()
    if sorted(order) != ["X", "Y", "Z"]:
        raise InputError("unknown rotation order", where=where, expected="the letters x, y, z once each", got=text)
    return order


def transform(rotation: Array, position: Array) -> Array:
    """float64 [F, 4, 4] from rotations [F, 3, 3] and positions [F, 3]."""
    m = np.zeros((len(rotation), 4, 4))
    m[:, :3, :3], m[:, :3, 3], m[:, 3, 3] = rotation, position, 1.0
    return m


def conform(
    width_mm: float, height_mm: float | None, size_px: tuple[int, int], pixel_aspect: float, notes: list[str]
) -> tuple[float, float]:
    """The film back that the picture covers: the file's width, and the height that the picture's shape gives it. A
    stated height that differs by more than a percent is noted (Nuke too projects by the width alone)."""
    height = width_mm * size_px[1] / (size_px[0] * pixel_aspect)
    if height_mm is not None and abs(height_mm / height - 1) > 0.01:
        notes.append(
            f"the film back's width {width_mm:g} mm is kept; its height {height_mm:g} mm does not fit the picture "
            f"and was taken as {height:.4g} mm"
        )
    return width_mm, height


def rigid(matrices: Array, frames: list[int], path: Path, notes: list[str], node: str | None = None) -> Array:
    """Camera matrices without a uniform scale of their own; mirrored, sheared or stretched ones are refused."""
    bad = ~np.isfinite(matrices).all(axis=(1, 2))
    if bad.any():
        raise InputError("the camera's place is not finite", where=_at(path, frames, bad, node))
    turn = matrices[:, :3, :3]
    det = np.linalg.det(turn)
    if not (det > 1e-18).all():
        raise InputError("the camera's transform is mirrored or flat", where=_at(path, frames, ~(det > 1e-18), node))
    size = np.cbrt(det)
    turn = turn / size[:, None, None]
    skew = np.abs(turn.transpose(0, 2, 1) @ turn - np.eye(3)).max(axis=(1, 2)) > 1e-3
    if skew.any():
        raise InputError("the camera's transform is stretched or sheared", where=_at(path, frames, skew, node))
    if np.abs(size - 1).max() > 1e-4:
        notes.append(
            f"a scale of {size[0]:.6g} in the camera's own transform was left out: it does not change what it sees"
        )
    u, _, vt = np.linalg.svd(turn)
    out = matrices.copy()
    out[:, :3, :3] = u @ vt
    out[:, 3] = (0.0, 0.0, 0.0, 1.0)
    return out


def _at(path: Path, frames: list[int], bad: NDArray[np.bool_], node: str | None) -> Where:
    return Where(file=path, frame=int(np.asarray(frames)[bad][0]), field=node)


def spans(frames: list[int]) -> str:
    """1001-1004, 1009: for messages."""
    out: list[str] = []
    start = previous = None
    for f in [*frames, None]:
        if previous is not None and f == previous + 1:
            previous = f
            continue
        if start is not None:
            out.append(str(start) if start == previous else f"{start}-{previous}")
        start = previous = f
    return ", ".join(out[:6]) + (", ..." if len(out) > 6 else "")


def finish(raw: Raw, request: Request) -> CameraTrack:
    """Frame numbers, axes, metres and the plate's raster: the last step of every reader."""
    path, notes = request.path, raw.notes
    raw = _sorted(raw, path)
    if not (np.isfinite(raw.focal_mm) & (raw.focal_mm > 0)).all():
        bad = ~(np.isfinite(raw.focal_mm) & (raw.focal_mm > 0))
        raise InputError(
            "the focal length is not positive", where=_at(path, raw.frames, bad, None), got=f"{raw.focal_mm[bad][0]:g}"
        )
    if not all(np.isfinite(v) and v > 0 for v in raw.filmback_mm):
        raise InputError("the film back is not positive", where=Where(file=path), got=f"{raw.filmback_mm}")
    if not np.isfinite(raw.centre_px).all():
        bad = ~np.isfinite(raw.centre_px).all(axis=1)
        raise InputError("the picture's centre is not finite", where=_at(path, raw.frames, bad, None))
    matrices = rigid(raw.matrices, raw.frames, path, notes)
    first, matrices, focal, centre, offset = _numbering(raw, request, matrices)
    up = raw.up if request.up == FROM_FILE else request.up
    unit = raw.unit_m * request.scale
    turn = UP_AXES[up]
    matrices[:, :3, :3] = turn @ matrices[:, :3, :3]
    matrices[:, :3, 3] = matrices[:, :3, 3] @ turn.T * unit
    points = None if raw.points is None else raw.points @ turn.T * unit
    notes.append(f"up axis {up}" + ("" if request.up == FROM_FILE else " as the shot says"))
    notes.append(
        f"1 file unit = {unit:g} m" + ("" if request.scale == 1 else f" (scale {request.scale:g} from the shot)")
    )
    notes.append(f"frames {first}-{first + len(matrices) - 1}, frame offset {request.frame_offset}")
    camera = Camera(
        first_frame=first,
        world_from_camera=matrices,
        focal_mm=focal,
        filmback_mm=(float(raw.filmback_mm[0]), float(raw.filmback_mm[1])),
        centre_px=centre,
        size_px=raw.size_px,
        pixel_aspect=raw.pixel_aspect,
        lens=shifted(raw.lens, offset),
        **({} if raw.shutter is None else {"shutter": raw.shutter}),
    )
    if request.size_px is not None and request.size_px != raw.size_px:
        camera = _to_plate(camera, request.size_px, path, notes)
    camera = replace(camera, notes=tuple(dict.fromkeys(notes)))
    seen = raw.observations
    if seen is not None:
        seen = Observations(seen.frame + offset, seen.point, seen.xy_px)
    return CameraTrack(camera, points, raw.point_error_px, seen, raw.size_px if raw.solved else None, camera.notes)


def _sorted(raw: Raw, path: Path) -> Raw:
    if not raw.frames:
        raise InputError("there is no camera frame in the file", where=Where(file=path))
    order = np.argsort(raw.frames, kind="stable")
    frames = [raw.frames[i] for i in order]
    twice = [a for a, b in pairwise(frames) if a == b]
    if twice:
        raise InputError("a frame occurs more than once", where=Where(file=path, frame=twice[0]))
    raw.frames = frames
    raw.matrices, raw.focal_mm, raw.centre_px = raw.matrices[order], raw.focal_mm[order], raw.centre_px[order]
    return raw


def _numbering(raw: Raw, request: Request, matrices: Array) -> tuple[int, Array, Array, Array, int]:
    """First frame, matrices, focal lengths, centres, and by how much the file's numbers were moved."""
    first, last = raw.frames[0], raw.frames[-1]
    if last - first + 1 != len(raw.frames):
        have = set(raw.frames)
        missing = [f for f in range(first, min(last, first + MAX_FRAMES)) if f not in have]
        raise InputError(
            "the camera has gaps",
            where=Where(file=request.path),
            expected=f"every frame of {first}-{last}",
            got=f"none for {spans(missing)}",
            hint="solve or export the missing frames, or for stills give their frame numbers (frames)",
        )
    if raw.still and request.frames:
        count = request.frames[-1] - request.frames[0] + 1
        raw.notes.append("the camera does not move: its one pose holds for every frame of the plate")
        return (
            request.frames[0],
            np.repeat(matrices, count, axis=0),
            np.repeat(raw.focal_mm, count),
            np.repeat(raw.centre_px, count, axis=0),
            0,
        )
    start = first if request.first_frame is None else request.first_frame
    start += request.frame_offset
    return start, matrices, raw.focal_mm, raw.centre_px, start - first


def _to_plate(camera: Camera, size_px: tuple[int, int], path: Path, notes: list[str]) -> Camera:
    factor = np.array(size_px, dtype=np.float64) / camera.size_px
    if abs(factor[0] / factor[1] - 1) > 0.01:
        raise InputError(
            "the solve was made on pictures of another shape than the plate",
            where=Where(file=path),
            expected=f"the shape of {size_px[0]}x{size_px[1]}",
            got=f"{camera.size_px[0]}x{camera.size_px[1]}",
        )
    old = camera.size_px
    notes.append(f"solved on {old[0]}x{old[1]}, resized to the plate's {size_px[0]}x{size_px[1]}")
    return camera.resized(size_px)

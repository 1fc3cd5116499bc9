"""One reader for each track format, behind `read_camera`.

Every reader says in `notes` what it assumed (units, axes, rotation order, frames), and refuses what it cannot honour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from composer.camera.readers.common import FROM_FILE, UP_AXES, CameraTrack, Observations, Request, rotation_order
from composer.camera.readers.locked import locked_off
from composer.errors import InputError, Where

__all__ = ["FORMATS", "CameraTrack", "Observations", "detect_format", "locked_off", "read_camera"]

#: Format name -> module that reads it (loaded when needed: USD and Alembic are heavy).
FORMATS = ("colmap", "nuke", "chan", "usd", "alembic", "matchmover", "mmsolver", "transforms")

_SUFFIXES = {
    ".nk": "nuke", ".chan": "chan", ".usd": "usd", ".usda": "usd", ".usdc": "usd", ".usdz": "usd", ".abc": "alembic",
    ".rzml": "matchmover", ".mmcamera": "mmsolver", ".json": "transforms",
}  # fmt: skip

_WAY_OUT = "export the camera as USD, Alembic or a Nuke script"
#: Suffixes that are known and not read: why, and the way out.
_REFUSED = {
    ".fbx": ("FBX is a closed format, which Muster does not read", _WAY_OUT),
    ".dae": ("COLLADA is not read: it holds no film back and no lens", _WAY_OUT),
    ".csv": (
        "a CSV of positions holds no rotation and no focal length",
        "export the camera from After Effects as a Nuke script or .chan",
    ),
    ".uv": ("mmSolver .uv holds 2D tracks, not a camera", "export the solved camera as .mmcamera"),
    ".3de": (
        "a 3DEqualizer project is not read",
        "export the camera from 3DEqualizer as a Nuke script, and its lens as an LD_3DE4 node",
    ),
    ".sni": ("a SynthEyes project is not read", _WAY_OUT),
    ".ma": ("Maya scenes are not read", _WAY_OUT),
    ".mb": ("Maya scenes are not read", _WAY_OUT),
    ".blend": ("Blender scenes are not read", _WAY_OUT),
}  # fmt: skip


def read_camera(
    path: str | Path,
    *,
    format: str = "auto",
    node: str | None = None,
    scale: float = 1.0,
    up: str = FROM_FILE,
    frame_offset: int = 0,
    rotation_order: str | None = None,
    filmback_mm: tuple[float, float] | None = None,
    focal_mm: float | None = None,
    size_px: tuple[int, int] | None = None,
    pixel_aspect: float = 1.0,
    frames: tuple[int, ...] | None = None,
    first_frame: int | None = None,
    frame_rate: float | None = None,
) -> CameraTrack:
    """A tracked camera in metres, Y up, from a file (or a COLMAP folder).

    format: one of FORMATS, or "auto" by name and content. node: which camera, where a file holds several.
    scale: multiplies the file's own unit. up: the file's up axis (y, -y, z, -z, x, -x). frame_offset: added to its
    frames. rotation_order, filmback_mm, focal_mm: for formats that do not say (.chan); filmback_mm also where only
    pixels are known. size_px, pixel_aspect: the plate's; a solve made on smaller pictures is resized to it.
    frames: the plate's frame numbers: a camera that does not move holds for all of them, and COLMAP pictures whose own
    numbers are not consecutive take them in the order of their names. first_frame: numbers the file's first frame.
    frame_rate: for formats in seconds (Alembic).

    Raises InputError, one line, with file and line where they are known.
    """
    path = Path(path)
    request = Request(
        path,
        node,
        scale,
        up,
        frame_offset,
        rotation_order,
        filmback_mm,
        focal_mm,
        size_px,
        pixel_aspect,
        frames,
        first_frame,
        frame_rate,
    )
    _check(request)
    if not path.exists():
        raise InputError("no such file", where=Where(file=path))
    name = detect_format(path) if format == "auto" else format
    if name not in FORMATS:
        raise InputError("unknown camera format", where=Where(file=path), expected=", ".join(FORMATS), got=name)
    reader: Callable[[Request], CameraTrack] = import_module(f"composer.camera.readers.{name}").read
    return reader(request)


def detect_format(path: Path) -> str:
    """Which reader a file belongs to, by its name and, for text and JSON, by what is in it; InputError where none
    does."""
    if path.is_dir():
        if any((path / f"cameras.{e}").is_file() for e in ("txt", "bin")):
            return "colmap"
        if (path / "transforms.json").is_file():
            return "transforms"
        raise InputError(
            "no camera solve in this folder",
            where=Where(file=path),
            expected="cameras.txt or cameras.bin of COLMAP, or transforms.json",
        )
    if path.name in ("cameras.txt", "cameras.bin", "images.txt", "images.bin", "points3D.txt", "points3D.bin"):
        return "colmap"
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    what, hint = _REFUSED.get(suffix, ("", ""))
    if not what:
        what, hint = _by_content(path)
    raise InputError(what, where=Where(file=path), hint=hint)


def _by_content(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as f:
            head = f.read(4096).decode("utf-8", errors="replace")
    except OSError as e:
        raise InputError("cannot read the file", where=Where(file=path), got=e.strerror or str(e)) from e
    if "DISTORTION_STATIC" in head or "DISTORTION_DYNAMIC" in head:
        return "a 3DEqualizer lens file holds a lens, not a camera", "give it as the camera's lens"
    if "clipNumber" in head or "# frameCount" in head:
        return (
            "a PFTrack 2D track export holds no camera",
            "export the solved camera from PFTrack as USD, Alembic or a Nuke script",
        )
    return (
        "not a camera format that Muster knows",
        f"it reads {', '.join(FORMATS)}; say which with format, or {_WAY_OUT}",
    )


def _check(request: Request) -> None:
    if not (math.isfinite(request.scale) and request.scale > 0):
        raise InputError("must be positive", where=Where(field="camera.scale"), got=f"{request.scale:g}")
    if request.up not in (FROM_FILE, *UP_AXES):
        raise InputError("unknown up axis", where=Where(field="camera.up"), expected=", ".join(UP_AXES), got=request.up)
    if request.rotation_order is not None:
        rotation_order(request.rotation_order, Where(field="camera.rotation_order"))
    for name, values in (("filmback_mm", request.filmback_mm), ("size_px", request.size_px)):
        if values is not None and not all(math.isfinite(v) and v > 0 for v in values):
            raise InputError(
                "must be positive", where=Where(field=f"camera.{name}"), got=f"{values[0]:g} x {values[1]:g}"
            )
    for name, value in (
        ("focal_mm", request.focal_mm),
        ("pixel_aspect", request.pixel_aspect),
        ("frame_rate", request.frame_rate),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError("must be positive", where=Where(field=f"camera.{name}"), got=f"{value:g}")

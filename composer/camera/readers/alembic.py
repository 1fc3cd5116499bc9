"""Cameras in Alembic files, through the `alembic3d` bindings.

Focal length in mm, aperture and film offset in cm; transforms are row vectors; times are seconds. Alembic states
neither unit nor up axis: 1 unit = 1 m and Y up unless the shot says otherwise (Maya exports centimetres).
Source: Alembic's CameraSample.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from composer.camera.camera import Array
from composer.camera.readers.common import MAX_FRAMES, CameraTrack, Raw, Request, conform, finish
from composer.camera.readers.guard import survives
from composer.errors import InputError, Where

if TYPE_CHECKING:
    from alembic3d.Abc import IObject
    from alembic3d.AbcGeom import ICameraSchema, IXformSchema

_RATES = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60000 / 1001, 60.0, 100.0, 120.0)
_NEAR = 0.02  # frames
_MAX_DEPTH = 200


@dataclass(frozen=True)
class _Found:
    path: str
    camera: ICameraSchema
    xforms: tuple[IXformSchema, ...]  # outermost first


def read(request: Request) -> CameraTrack:
    survives(request, __name__)
    return finish(load(request), request)


def load(request: Request) -> Raw:
    """The camera as the file has it."""
    try:
        from alembic3d import Abc
    except ImportError as e:
        raise InputError(
            "Alembic needs the package alembic3d",
            where=Where(file=request.path),
            hint="install it, or export the camera as USD",
        ) from e
    with request.path.open("rb") as f:
        if f.read(5) != b"Ogawa":
            raise InputError(
                "not an Alembic (Ogawa) file",
                where=Where(file=request.path),
                hint="old HDF5 archives: convert them, or export USD",
            )
    try:
        archive = Abc.IArchive(str(request.path))
        return _raw(request, _choose(request, list(_cameras(archive.getTop(), "", (), 0))))
    except (RuntimeError, ValueError, OverflowError, MemoryError) as e:
        said = " ".join(str(e).split())
        raise InputError("the Alembic file is cut or damaged", where=Where(file=request.path), got=said[-160:]) from e


def _cameras(node: IObject, path: str, xforms: tuple[IXformSchema, ...], depth: int) -> Iterator[_Found]:
    from alembic3d import AbcGeom

    if depth > _MAX_DEPTH:
        return
    for i in range(node.getNumChildren()):
        child = node.getChild(i)
        header, name = child.getHeader(), child.getName()
        inner = xforms
        if AbcGeom.ICamera.matches(header):
            yield _Found(f"{path}/{name}", AbcGeom.ICamera(node, name).getSchema(), xforms)
        elif AbcGeom.IXform.matches(header):
            inner = (*xforms, AbcGeom.IXform(node, name).getSchema())
        yield from _cameras(child, f"{path}/{name}", inner, depth + 1)


def _choose(request: Request, found: list[_Found]) -> _Found:
    where = Where(file=request.path)
    if not found:
        raise InputError("there is no camera in this Alembic file", where=where)
    paths = ", ".join(f.path for f in found)
    if request.node is None:
        if len(found) > 1:
            raise InputError("the file holds several cameras", where=where, expected="node: one of " + paths)
        return found[0]
    fitting = [f for f in found if request.node in (f.path, f.path.rsplit("/", 1)[-1], *f.path.split("/")[-2:-1])]
    if len(fitting) != 1:
        what = f"no camera named {request.node}" if not fitting else f"several cameras named {request.node}"
        raise InputError(what, where=where, expected="one of " + paths)
    return fitting[0]


def _times(schema: ICameraSchema | IXformSchema) -> list[float]:
    sampling = schema.getTimeSampling()
    count = schema.getNumSamples()
    if count > MAX_FRAMES:
        raise RuntimeError("too many samples")
    return [float(sampling.getSampleTime(i)) for i in range(count)]


def _raw(request: Request, found: _Found) -> Raw:
    notes = [f"Alembic camera {found.path}: focal length in mm, aperture in cm; Alembic states no unit and no up axis"]
    schemas = [found.camera, *found.xforms]
    moving = [t for t in (_times(s) for s in schemas) if len(t) > 1]
    still = not moving
    rate = 0.0 if still else _rate(request, moving, notes)
    frames = [request.first_frame if request.first_frame is not None else 1]
    if not still:
        first, last = min(t[0] for t in moving) * rate, max(t[-1] for t in moving) * rate
        if not (abs(first) < 1e8 and last - first < MAX_FRAMES):
            raise InputError("the camera spans too many frames", where=Where(file=request.path))
        frames = list(range(int(np.ceil(first - _NEAR)), int(np.floor(last + _NEAR)) + 1))
    matrices = np.tile(np.eye(4), (len(frames), 1, 1))
    for schema in found.xforms:
        local = _locals(request, schema, frames, rate)
        matrices = matrices @ local if schema.getInheritsXforms() else local
    lens = _lens(request, found, frames, rate)
    if not (np.isfinite(lens).all() and (lens[:, :3] > 0).all()):
        bad = ~(np.isfinite(lens).all(axis=1) & (lens[:, :3] > 0).all(axis=1))
        raise InputError(
            f"{found.path} has a focal length or aperture that is not positive",
            where=Where(file=request.path, frame=frames[int(np.argmax(bad))]),
        )
    size = request.plate_size()
    width, height = conform(float(lens[0, 1]), float(lens[0, 2]), size, request.pixel_aspect, notes)
    if np.ptp(lens[:, 1]) > 0:
        notes.append(f"the animated aperture is told as focal length over {width:g} mm")
    shift = lens[:, 3:5] / lens[:, 1:2]
    return Raw(
        frames=frames,
        matrices=matrices,
        focal_mm=lens[:, 0] * width / lens[:, 1],
        filmback_mm=(width, height),
        centre_px=np.array(size) / 2 + shift * np.array([-size[0], size[0] * request.pixel_aspect]),
        size_px=size,
        pixel_aspect=request.pixel_aspect,
        still=still,
        notes=notes,
    )


def _rate(request: Request, moving: list[list[float]], notes: list[str]) -> float:
    """Frames a second: the shot's, or that of the samples where it is a common one."""
    if request.frame_rate is not None:
        return request.frame_rate
    steps = np.concatenate([np.diff(t) for t in moving])
    step = float(np.median(steps[steps > 1e-6])) if (steps > 1e-6).any() else np.nan
    for rate in _RATES:
        if abs(step * rate - 1) < 2e-4:
            notes.append(f"frame = seconds x {rate:.5g}, the rate of the file's samples")
            return rate
    raise InputError(
        "the samples' rate is no frame rate",
        where=Where(file=request.path),
        got=f"{step:g} s",
        hint="give the frame rate",
    )


def _indices(request: Request, times: list[float], frames: list[int], rate: float) -> list[int]:
    """The sample of each frame; before the first and after the last, the end samples hold."""
    if len(times) <= 1:
        return [0] * len(frames)
    at = np.array(times) * rate
    out = []
    for frame in frames:
        k = int(np.argmin(np.abs(at - frame)))
        if abs(at[k] - frame) > _NEAR and at[0] < frame < at[-1]:
            raise InputError(
                "there is no sample at a whole frame",
                where=Where(file=request.path, frame=frame),
                hint="export a sample for every frame",
            )
        out.append(k)
    return out


def _locals(request: Request, schema: IXformSchema, frames: list[int], rate: float) -> Array:
    from alembic3d.Abc import ISampleSelector

    cache: dict[int, Array] = {}
    times = _times(schema) or [0.0]
    for k in set(rows := _indices(request, times, frames, rate)):
        m = schema.getValue(ISampleSelector(times[k])).getMatrix()  # a whole number would be taken as seconds too
        cache[k] = np.array([[m[i][j] for j in range(4)] for i in range(4)], dtype=np.float64).T
    return np.stack([cache[k] for k in rows])


def _lens(request: Request, found: _Found, frames: list[int], rate: float) -> Array:
    """float64 [F, 5]: focal length, aperture (width, height), film offset (x, y), all in mm."""
    from alembic3d.Abc import ISampleSelector

    cache: dict[int, tuple[float, ...]] = {}
    times = _times(found.camera) or [0.0]
    for k in set(rows := _indices(request, times, frames, rate)):
        s = found.camera.getValue(ISampleSelector(times[k]))
        over = (s.getOverScanLeft(), s.getOverScanRight(), s.getOverScanTop(), s.getOverScanBottom())
        if s.getNumOps() or any(over):
            raise InputError(
                f"{found.path} has overscan or film back operations",
                where=Where(file=request.path),
                hint="export it without them",
            )
        squeeze = s.getLensSqueezeRatio()
        cache[k] = (
            s.getFocalLength(), s.getHorizontalAperture() * 10 * squeeze, s.getVerticalAperture() * 10,
            s.getHorizontalFilmOffset() * 10 * squeeze, s.getVerticalFilmOffset() * 10,
        )  # fmt: skip
    return np.array([cache[k] for k in rows], dtype=np.float64)

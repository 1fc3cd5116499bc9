"""Cameras in USD, USDA and USDC files, through OpenUSD.

Honoured: metersPerUnit, upAxis, time samples at whole time codes, the xform stack with its pivots, aperture offsets.
Source: OpenUSD's documentation of UsdGeomCamera and GfCamera.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from composer.camera.readers.common import MAX_FRAMES, CameraTrack, Raw, Request, conform, finish
from composer.camera.readers.guard import survives
from composer.errors import InputError, Where

if TYPE_CHECKING:
    from pxr import Usd, UsdGeom

#: A film back between these widths is believed.
_FILMBACK_MM = (3.0, 120.0)


def read(request: Request) -> CameraTrack:
    with request.path.open("rb") as f:
        if f.read(8) == b"PXR-USDC" or request.path.suffix.lower() in (".usdc", ".usdz"):
            survives(request, __name__)
    return finish(load(request), request)


def load(request: Request) -> Raw:
    """The camera as the file has it."""
    from pxr import Tf, Usd, UsdGeom, UsdUtils

    hush = UsdUtils.CoalescingDiagnosticDelegate()
    try:
        stage = Usd.Stage.Open(str(request.path))
        if stage is None:
            raise InputError("not a USD stage", where=Where(file=request.path))
        cameras = [UsdGeom.Camera(p) for p in stage.Traverse(Usd.PrimDefaultPredicate) if p.IsA(UsdGeom.Camera)]
        return _raw(request, stage, _choose(request, cameras))
    except (Tf.ErrorException, UnicodeDecodeError) as e:
        said, line = _said(e)
        raise InputError("OpenUSD cannot read the file", where=Where(file=request.path, line=line), got=said) from e
    finally:
        hush.TakeUncoalescedDiagnostics()
        del hush


def _said(error: Exception) -> tuple[str, int | None]:
    """The first of OpenUSD's messages, which are not always text, and the line that it names."""
    try:
        first = str(error).split("Error in")[1:2] or [str(error)]
    except UnicodeDecodeError:
        return "a message that is not text", None
    said = " ".join(first[0].split(" : '", 1)[-1].rstrip(" \n\t'").split())
    place = re.search(r":(\d+):\d+: ", said)
    return (said[place.end() :] if place else said)[:160], int(place[1]) if place else None


def _choose(request: Request, cameras: list[UsdGeom.Camera]) -> UsdGeom.Camera:
    where = Where(file=request.path)
    if not cameras:
        raise InputError("there is no camera in this USD file", where=where)
    paths = [str(c.GetPath()) for c in cameras]
    if request.node is None:
        if len(cameras) > 1:
            raise InputError("the file holds several cameras", where=where, expected="node: one of " + ", ".join(paths))
        return cameras[0]
    fitting = [c for c, p in zip(cameras, paths, strict=True) if request.node in (p, p.rsplit("/", 1)[-1])]
    if len(fitting) != 1:
        what = f"no camera named {request.node}" if not fitting else f"several cameras named {request.node}"
        raise InputError(what, where=where, expected="one of " + ", ".join(paths))
    return fitting[0]


def _raw(request: Request, stage: Usd.Stage, camera: UsdGeom.Camera) -> Raw:
    from pxr import UsdGeom

    notes = [f"USD camera {camera.GetPath()}"]
    frames, still = _frames(request, stage, camera, notes)
    codes = [None] if still else frames
    unit = float(UsdGeom.GetStageMetersPerUnit(stage))
    if not (np.isfinite(unit) and unit > 0):
        raise InputError("metersPerUnit is not positive", where=Where(file=request.path), got=f"{unit:g}")
    if not UsdGeom.StageHasAuthoredMetersPerUnit(stage):
        notes.append(f"the file states no metersPerUnit: USD's default {unit:g}")
    matrices, lens = [], []
    for code in codes:
        gf = camera.GetCamera(_time(code, stage))
        if str(gf.projection) != "Camera.Perspective" and gf.projection != gf.Perspective:
            raise InputError(
                f"{camera.GetPath()} is not a perspective camera", where=Where(file=request.path, frame=code)
            )
        matrices.append(np.array(gf.transform).T)
        lens.append(
            (
                gf.focalLength,
                gf.horizontalAperture,
                gf.verticalAperture,
                gf.horizontalApertureOffset,
                gf.verticalApertureOffset,
            )
        )
    table = np.array(lens, dtype=np.float64)
    if not (np.isfinite(table).all() and (table[:, :3] > 0).all()):
        bad = ~(np.isfinite(table).all(axis=1) & (table[:, :3] > 0).all(axis=1))
        at = None if still else int(np.array(frames)[bad][0])
        raise InputError(
            f"{camera.GetPath()} has a focal length or aperture that is not positive",
            where=Where(file=request.path, frame=at),
        )
    mm = _millimetres(float(table[0, 1]), unit, notes)
    size = request.plate_size()
    width, height = conform(table[0, 1] * mm, float(table[0, 2]) * mm, size, request.pixel_aspect, notes)
    if np.ptp(table[:, 1]) > 0:
        notes.append(f"the animated aperture is told as focal length over {width:g} mm")
    shift = table[:, 3:5] / table[:, 1:2]  # in picture widths
    centre = np.array(size) / 2 + shift * np.array([-size[0], size[0] * request.pixel_aspect])
    return Raw(
        frames=[request.first_frame if request.first_frame is not None else 1] if still else frames,
        matrices=np.stack(matrices),
        focal_mm=table[:, 0] * mm * table[0, 1] / table[:, 1],
        filmback_mm=(width, height),
        centre_px=centre,
        size_px=size,
        pixel_aspect=request.pixel_aspect,
        unit_m=unit,
        up=str(UsdGeom.GetStageUpAxis(stage)).lower(),
        still=still,
        notes=notes,
    )


def _time(code: int | None, stage: Usd.Stage) -> Usd.TimeCode:
    from pxr import Usd

    return Usd.TimeCode.EarliestTime() if code is None else Usd.TimeCode(code)


def _frames(request: Request, stage: Usd.Stage, camera: UsdGeom.Camera, notes: list[str]) -> tuple[list[int], bool]:
    """Whole frames from the first sample to the last of everything that moves the camera; and whether nothing does."""
    times = sorted(set(_samples(camera)))
    if len(times) < 2:
        return [], True
    rate, fps = stage.GetTimeCodesPerSecond(), stage.GetFramesPerSecond()
    if rate != fps:
        notes.append(
            f"time codes were taken as frames, although the file has {rate:g} of them a second and {fps:g} frames"
        )
    first, last = int(np.floor(times[0])), int(np.ceil(times[-1]))
    if last - first > MAX_FRAMES:
        raise InputError("the camera spans too many frames", where=Where(file=request.path), got=f"{first}-{last}")
    if any(t != int(t) for t in times):
        notes.append("samples between whole frames were left out; USD interpolates linearly at whole ones")
    return list(range(first, last + 1)), False


def _samples(camera: UsdGeom.Camera) -> Iterable[float]:
    from pxr import UsdGeom

    schema = (
        camera.GetFocalLengthAttr(), camera.GetHorizontalApertureAttr(), camera.GetVerticalApertureAttr(),
        camera.GetHorizontalApertureOffsetAttr(), camera.GetVerticalApertureOffsetAttr(),
    )  # fmt: skip
    for attribute in schema:
        yield from attribute.GetTimeSamples()
    prim = camera.GetPrim()
    while prim and not prim.IsPseudoRoot():
        xform = UsdGeom.Xformable(prim)
        if xform:
            yield from xform.GetTimeSamples()
            if xform.GetResetXformStack():
                return
        prim = prim.GetParent()


def _millimetres(aperture: float, unit: float, notes: list[str]) -> float:
    """Millimetres in a unit of aperture. USD says tenths of a scene unit; many write millimetres whatever the scene
    unit. Only the numbers change, never the angle of view."""
    tenth = unit * 100.0
    low, high = _FILMBACK_MM
    if low <= aperture * tenth <= high:
        return tenth
    if low <= aperture <= high:
        notes.append(
            "focal length and aperture are millimetres: as tenths of a scene unit they would not be a film back"
        )
        return 1.0
    notes.append(f"focal length and aperture are tenths of a scene unit: a film back of {aperture * tenth:g} mm")
    return tenth

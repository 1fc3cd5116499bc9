"""Nuke and Houdini .chan text: frame tx ty tz rx ry rz [vertical field of view], a line a frame, degrees.

The file says neither rotation order nor film back: the shot must.
"""

from __future__ import annotations

import numpy as np

from composer.camera.readers.common import (
    CameraTrack,
    Raw,
    Request,
    conform,
    euler,
    finish,
    number,
    read_text,
    rotation_order,
    transform,
)
from composer.errors import InputError, Where


def read(request: Request) -> CameraTrack:
    path = request.path
    rows, lines = _rows(request)
    columns = len(rows[0])
    if columns not in (7, 8):
        what = (
            "two columns (frame, value) are one animation curve, not a camera" if columns == 2 else "not a camera .chan"
        )
        raise InputError(
            what, where=Where(file=path, line=lines[0]), expected="7 or 8 columns: frame tx ty tz rx ry rz [vfov]",
            got=f"{columns} columns", hint="export the camera itself as .chan, Nuke script, USD or Alembic",
        )  # fmt: skip
    table = np.array(rows)
    whole = table[:, 0] == np.round(table[:, 0])
    if not whole.all():
        raise InputError(
            "a frame number is not whole", where=Where(file=path, line=lines[int(np.argmin(whole))]),
            got=f"{table[np.argmin(whole), 0]:g}",
        )  # fmt: skip
    needs = {"rotation_order": request.rotation_order, "filmback_mm": request.filmback_mm}
    if columns == 7:
        needs["focal_mm"] = request.focal_mm
    missing = [k for k, v in needs.items() if v is None]
    if missing or request.rotation_order is None or request.filmback_mm is None:
        raise InputError(
            f"a .chan file does not say its {' or '.join(missing)}",
            where=Where(file=path),
            hint="give it in the shot's camera",
        )
    order = rotation_order(request.rotation_order, Where(field="camera.rotation_order"))
    notes = [f".chan with rotation order {order}, applied left to right, and film back from the shot; degrees"]
    size = request.plate_size()
    filmback = conform(request.filmback_mm[0], request.filmback_mm[1], size, request.pixel_aspect, notes)
    if columns == 8:
        vfov = table[:, 7]
        bad = ~((vfov > 0) & (vfov < 180))
        if bad.any():
            at = int(np.argmax(bad))
            raise InputError(
                "not a field of view",
                where=Where(file=path, line=lines[at]),
                expected="0 to 180 degrees",
                got=f"{vfov[at]:g}",
            )
        focal = filmback[1] / 2 / np.tan(np.deg2rad(vfov) / 2)
        notes.append("column 8 is the vertical field of view in degrees, over the film back's height")
    else:
        focal = np.full(len(table), float(request.focal_mm or 0.0))
        notes.append("focal length from the shot")
    return finish(
        Raw(
            frames=[int(f) for f in table[:, 0]],
            matrices=transform(euler(order, table[:, 4:7]), table[:, 1:4]),
            focal_mm=focal,
            filmback_mm=filmback,
            centre_px=np.tile(np.array(size) / 2, (len(table), 1)),
            size_px=size,
            pixel_aspect=request.pixel_aspect,
            notes=notes,
        ),
        request,
    )


def _rows(request: Request) -> tuple[list[list[float]], list[int]]:
    rows: list[list[float]] = []
    lines: list[int] = []
    for n, line in enumerate(read_text(request.path).splitlines(), 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        row = [number(w, request.path, n) for w in words]
        if rows and len(row) != len(rows[0]):
            raise InputError(
                "the line has another number of columns", where=Where(file=request.path, line=n),
                expected=str(len(rows[0])), got=str(len(row)),
            )  # fmt: skip
        rows.append(row)
        lines.append(n)
    if not rows:
        raise InputError("the file is empty", where=Where(file=request.path))
    return rows, lines

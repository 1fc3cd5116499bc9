"""transforms.json as NeRF tools write it (instant-ngp, nerfstudio, Blender's synthetic scenes).

Matrices are world from camera, OpenGL axes (camera down -Z, y up). Worlds are Z up by these tools' habit. Lens:
OpenCV's k1 k2 k3 p1 p2. Source: nerfstudio's documentation, "Data conventions".
"""

from __future__ import annotations

import math

import numpy as np

from composer.camera.camera import Lens, Pinhole
from composer.camera.lens.brown import Brown
from composer.camera.lens.plane import Curve
from composer.camera.readers.common import (
    NOMINAL_WIDTH_MM,
    CameraTrack,
    Raw,
    Request,
    finish,
    last_number,
    positive_size,
)
from composer.camera.readers.jsonfile import Json
from composer.errors import Where

_MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")
_TERMS = ("k1", "k2", "p1", "p2", "k3")


def read(request: Request) -> CameraTrack:
    path = request.path / "transforms.json" if request.path.is_dir() else request.path
    root = Json.load(path)
    if "frames" not in root:
        raise root.fail("not a transforms.json", expected="an object with frames")
    if "camera_model" in root and root["camera_model"].text().upper() not in _MODELS:
        raise root["camera_model"].fail("camera model is not supported", expected=", ".join(_MODELS))
    for name in ("k4", "k5", "k6"):
        if name in root and root[name].number() != 0:
            raise root[name].fail("a fisheye or rational term is not supported here")
    shots = sorted(root["frames"].items(), key=lambda f: f["file_path"].text() if "file_path" in f else "")
    if not shots:
        raise root["frames"].fail("there are no frames")
    notes = ["transforms.json: OpenGL axes, camera down -Z; worlds of these tools are Z up; lens as OpenCV's"]
    frames = _numbers(request, shots, notes)
    size = _size(request, root, shots[0])
    focal = np.array([_focal(root, f, size) for f in shots])
    shape = focal[:, 1] / focal[:, 0]
    if np.ptp(shape) > 1e-9:
        raise root.fail("the frames differ in the shape of their pixels")
    width = request.filmback_mm[0] if request.filmback_mm else NOMINAL_WIDTH_MM
    if not request.filmback_mm:
        notes.append(
            f"the film back is {width:g} mm wide by assumption: the file knows the focal length in pixels only"
        )
    if "applied_transform" in root or "applied_scale" in root:
        notes.append("applied_transform and applied_scale were left alone: the world is that of the matrices")
    centre = [[_value(root, f, k, s / 2) for k, s in zip(("cx", "cy"), size, strict=True)] for f in shots]
    return finish(
        Raw(
            frames=frames,
            matrices=np.stack([f["transform_matrix"].matrix() for f in shots]),
            focal_mm=focal[:, 0] * width / size[0],
            filmback_mm=(width, width * size[1] / (size[0] * float(shape[0]))),
            centre_px=np.array(centre),
            size_px=size,
            lens=_lens(root, shots, frames),
            up="z",
            solved=True,
            notes=notes,
        ),
        request,
    )


def _value(root: Json, frame: Json, key: str, default: float) -> float:
    source = frame if key in frame else root
    return source[key].number() if key in source else default


def _focal(root: Json, frame: Json, size: tuple[int, int]) -> tuple[float, float]:
    def one(key: str, angle: str, pixels: int) -> float | None:
        for source in (frame, root):
            if key in source:
                return source[key].number()
            if angle in source:
                value = source[angle].number()
                if not 0 < value < math.pi:
                    raise source[angle].fail("not a field of view in radians")
                return pixels / 2 / math.tan(value / 2)
        return None

    x, y = one("fl_x", "camera_angle_x", size[0]), one("fl_y", "camera_angle_y", size[1])
    if x is None:
        raise root.fail("there is no focal length", expected="fl_x or camera_angle_x")
    y = x if y is None else y
    if x <= 0 or y <= 0:
        raise root.fail(f"the focal length is not positive: {x:g}, {y:g}")
    return x, y


def _size(request: Request, root: Json, frame: Json) -> tuple[int, int]:
    source = root if "w" in root else frame
    if "w" in source and "h" in source:
        return positive_size(source["w"].number(), source["h"].number(), Where(file=root.file, field="w, h"))
    return request.plate_size()


def _numbers(request: Request, shots: list[Json], notes: list[str]) -> list[int]:
    found = [last_number(f["file_path"].text()) if "file_path" in f else None for f in shots]
    plain = [n for n in found if n is not None]
    good = len(plain) == len(shots) == len(set(plain)) and max(plain) - min(plain) + 1 == len(plain)
    if not good and request.frames and len(request.frames) == len(shots):
        notes.append("pictures numbered in the order of their names: their own numbers are not consecutive")
        return list(request.frames)
    if len(plain) != len(shots):
        raise shots[found.index(None)].fail(
            "a frame has no number in its file_path", hint="give the frame numbers (frames)"
        )
    notes.append("frame numbers from the picture names")
    return plain


def _lens(root: Json, shots: list[Json], frames: list[int]) -> Lens:
    order = np.argsort(frames)
    terms: dict[str, float | Curve] = {}
    for name in _TERMS:
        values = tuple(_value(root, shots[i], name, 0.0) for i in order)
        if any(values):
            terms[name] = values[0] if len(set(values)) == 1 else Curve(min(frames), values)
    return Brown(**terms) if terms else Pinhole()  # type: ignore[arg-type]

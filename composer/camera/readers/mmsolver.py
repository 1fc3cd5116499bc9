"""mmSolver's .mmcamera: JSON, version 1, per-frame lists of [frame, value].

World: Maya's, Y up, camera down -Z, centimetres. Rotations are in order zxy, always. Focal length and film back in mm.
Source: mmSolver's copy-camera tool, whose format constant says that rotations are in ZXY order only.
"""

from __future__ import annotations

import numpy as np

from composer.camera.camera import Array
from composer.camera.readers.common import CameraTrack, Raw, Request, conform, euler, finish, positive_size, transform
from composer.camera.readers.jsonfile import Json
from composer.errors import Where

_MOVING = ("translateX", "translateY", "translateZ", "rotateX", "rotateY", "rotateZ", "focalLength")


def read(request: Request) -> CameraTrack:
    root = Json.load(request.path)
    version = root["version"]
    if version.value != 1:
        raise version.fail("unknown .mmcamera version", expected="1")
    data = root["data"]
    image, attr = data["image"], data["attr"]
    where = Where(file=request.path, field="data.image")
    size = positive_size(image["width"].number(), image["height"].number(), where)
    aspect = image["pixel_aspect_ratio"].number() if "pixel_aspect_ratio" in image else 1.0
    if aspect <= 0:
        raise image["pixel_aspect_ratio"].fail("the pixel aspect is not positive")
    table = {name: _samples(attr[name]) for name in _MOVING}
    frames = sorted(set().union(*table.values()))
    first, last = data["start_frame"].whole(), data["end_frame"].whole()
    if frames and (frames[0], frames[-1]) != (first, last):
        raise data["end_frame"].fail(
            f"the samples cover {frames[0]}-{frames[-1]} instead of {first}-{last}: the file is cut or has been edited"
        )
    columns = np.stack([_column(attr[n], table[n], frames) for n in _MOVING], axis=1)
    width = _column(attr["filmBackWidth"], _samples(attr["filmBackWidth"]), frames)
    height = _column(attr["filmBackHeight"], _samples(attr["filmBackHeight"]), frames)
    if not (width > 0).all() or not (height > 0).all():
        raise attr["filmBackWidth"].fail("the film back is not positive")
    offset = np.stack(
        [
            _column(attr[n], _samples(attr[n]), frames) if n in attr else np.zeros(len(frames))
            for n in ("filmBackOffsetX", "filmBackOffsetY")
        ],
        axis=1,
    )
    notes = ["mmSolver camera: Maya's centimetres, rotation order ZXY (applied left to right), film back in mm"]
    filmback = conform(float(width[0]), float(height[0]), size, aspect, notes)
    per_width = np.array([-size[0], size[0] * aspect])
    return finish(
        Raw(
            frames=frames,
            matrices=transform(euler("ZXY", columns[:, 3:6]), columns[:, 0:3]),
            focal_mm=columns[:, 6] * width[0] / width,
            filmback_mm=filmback,
            centre_px=np.array(size) / 2 + offset / width[:, None] * per_width,
            size_px=size,
            pixel_aspect=aspect,
            unit_m=0.01,
            solved=True,
            notes=notes,
        ),
        request,
    )


def _samples(node: Json) -> dict[int, float]:
    out: dict[int, float] = {}
    for pair in node.items():
        items = list(pair.items())
        if len(items) != 2:
            raise pair.fail("not a pair of frame and value")
        frame = items[0].whole()
        if frame in out:
            raise pair.fail(f"frame {frame} occurs twice")
        out[frame] = items[1].number()
    if not out:
        raise node.fail("there are no samples")
    return out


def _column(node: Json, samples: dict[int, float], frames: list[int]) -> Array:
    """Values at the frames; a single sample holds for all."""
    if len(samples) == 1:
        return np.full(len(frames), next(iter(samples.values())))
    missing = [f for f in frames if f not in samples]
    if missing:
        raise node.fail(f"no value for frame {missing[0]}")
    return np.array([samples[f] for f in frames])

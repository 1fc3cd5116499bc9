"""One multi-part EXR a frame: the delivery contract.

Parts, in order: `rgba`, `crowd`, `shadow`, `depth`, `normal`, `motion`, `albedo`, `pose`, `crypto_agent00..02`. Every part
but the first is stored within the window that holds anything; a part that holds nothing is left out, and `part_names` says which
were written. Files follow the compositing convention: motion's y points up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.layer import Frame
from composer.deliver import attributes, cryptomatte
from composer.io.exr import ExrPart, write_exr
from composer.io.exr_attributes import Chromaticities
from composer.io.timecode import Timecode
from composer.io.window import Window

PARTS = ("rgba", "crowd", "shadow", "depth", "normal", "motion", "albedo", "pose", "crypto_agent")


@dataclass(frozen=True)
class Slate:
    """What every frame of a delivery says about itself.

    colorspace: canonical name of the delivery space; chromaticities: its eight numbers. code_version: Muster's.
    timecode: of THIS frame, HH:MM:SS:FF. display, view: how it is meant to be looked at (OCIO names).
    note: a line of the studio's own for the proxy's burn-in. extra: further string attributes, written as `muster:<key>`.
    """

    shot: str
    version: str
    frame_rate: Fraction
    timecode: str | None
    pixel_aspect: float
    colorspace: str
    chromaticities: tuple[float, ...] | None
    seed: int
    code_version: str
    display: str
    view: str
    compression: str = "zip"
    parts: Sequence[str] = PARTS
    note: str = ""
    extra: Mapping[str, str] | None = None


def write_frame(path: Path, frame: Frame, view: View, slate: Slate, agent_names: Mapping[int, str]) -> tuple[str, ...]:
    """Write `frame` to `path` at once or not at all; returns the names of the parts that hold something."""
    height, width = frame.composite.shape[:2]
    parts = [p for name in slate.parts for p in _parts(name, frame, slate, agent_names)]
    header = _header(frame, view, slate)
    for part in parts:
        if part.name.startswith("crypto"):
            header.update({k: v for k, v in part.attributes.items() if k.startswith("cryptomatte/")})
    write_exr(path, parts, (width, height), header, pixel_aspect=slate.pixel_aspect)
    return tuple(p.name for p in parts)


def _header(frame: Frame, view: View, slate: Slate) -> dict[str, object]:
    header: dict[str, object] = {
        "framesPerSecond": slate.frame_rate,
        "worldToCamera": attributes.world_to_camera(view),
        "worldToNDC": attributes.world_to_ndc(view),
        "software": f"Muster {slate.code_version}",
        "muster:shot": slate.shot,
        "muster:version": slate.version,
        "muster:frame": frame.number,
        "muster:seed": str(slate.seed),
        "muster:code_version": slate.code_version,
        "muster:colorspace": slate.colorspace,
        "muster:display": slate.display,
        "muster:view": slate.view,
        "muster:untouched_sha256": frame.untouched_sha256,
    }
    if slate.chromaticities:
        header["chromaticities"] = Chromaticities.of(slate.chromaticities)
    if slate.colorspace in attributes.INTEROP_ID:
        header["colorInteropID"] = attributes.INTEROP_ID[slate.colorspace]
    if slate.timecode:
        header["muster:timecode"] = slate.timecode
        if slate.frame_rate <= 39:  # the standard attribute has no room for more frames in a second
            header["timeCode"] = Timecode.parse(slate.timecode, slate.frame_rate)
    for key, value in (slate.extra or {}).items():
        header[f"muster:{key}"] = value
    return header


def _parts(name: str, frame: Frame, slate: Slate, agent_names: Mapping[int, str]) -> list[ExrPart]:
    """The EXR parts of one entry of PARTS; none where it holds nothing."""
    guides = frame.guides
    covered = guides.coverage > 0
    if name == "rgba":
        ones = np.ones(frame.composite.shape[:2], dtype=np.float16)
        return [_part("rgba", {**_planes("RGB", frame.composite), "A": ones}, None, slate)]
    if name in ("crowd", "shadow"):
        rgba = frame.layer(name).rgba
        return _cropped(name, rgba[..., 3] > 0, lambda box: _planes("RGBA", rgba[box]), slate)
    if name == "depth":
        return _cropped("depth", covered, lambda box: {"Z": guides.depth_m[box]}, slate, inside=False)
    if name == "normal":
        return _cropped("normal", covered, lambda box: _planes("XYZ", _f16(guides.normal[box])), slate)
    if name == "motion":
        return _cropped("motion", covered, lambda box: _motion(frame, box), slate)
    if name == "albedo":
        return _cropped("albedo", covered, lambda box: _planes("RGB", _f16(guides.albedo[box])), slate)
    if name == "pose":
        return _cropped("pose", frame.pose.any(axis=-1), lambda box: _planes("RGB", _f16(frame.pose[box])), slate)
    return _crypto(frame, covered, slate, agent_names)


def _crypto(frame: Frame, covered: NDArray[np.bool_], slate: Slate, agent_names: Mapping[int, str]) -> list[ExrPart]:
    samples = frame.guides.samples
    agents = np.unique(samples.agent_id)
    if len(agents) == 0:
        return []
    names = [agent_names[int(a)] for a in agents]
    height, width = covered.shape
    pictures = cryptomatte.levels(samples, (width, height), agents, cryptomatte.hash_floats(names))
    tags = cryptomatte.metadata("crypto_agent", names)
    box = window_of(covered)
    return [
        _part(f"crypto_agent{i:02d}", _planes("RGBA", picture[_slices(box)]), box, slate, tags)
        for i, picture in enumerate(pictures)
    ]


def _motion(frame: Frame, box: tuple[slice, slice]) -> dict[str, NDArray[np.float16]]:
    flip = np.array([1.0, -1.0], dtype=np.float32)
    forward, backward = _f16(frame.guides.motion_px[box] * flip), _f16(frame.guides.motion_back_px[box] * flip)
    return {
        "forward.u": _plane(forward, 0),
        "forward.v": _plane(forward, 1),
        "backward.u": _plane(backward, 0),
        "backward.v": _plane(backward, 1),
    }


def window_of(mask: NDArray[np.bool_]) -> Window:
    """The smallest window that holds every True of a mask that has at least one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return Window(x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)


def _cropped(name, mask, planes, slate, inside=True) -> list[ExrPart]:
    """`planes(box)` within the window of `mask`, or nothing where the mask is empty."""
    if not mask.any():
        return []
    window = window_of(mask) if inside else Window(0, 0, mask.shape[1], mask.shape[0])
    return [_part(name, planes(_slices(window)), window, slate)]


def _part(name: str, channels, window: Window | None, slate: Slate, tags: Mapping[str, str] | None = None) -> ExrPart:
    return ExrPart(name, channels, window, slate.compression, dict(tags or {}))


def _slices(w: Window) -> tuple[slice, slice]:
    return slice(w.y, w.y + w.height), slice(w.x, w.x + w.width)


def _planes(names: str, picture: NDArray) -> dict[str, NDArray]:
    return {channel: _plane(picture, i) for i, channel in enumerate(names)}


def _plane(picture: NDArray, i: int) -> NDArray:
    return np.ascontiguousarray(picture[..., i])


def _f16(values: NDArray[np.float32]) -> NDArray[np.float16]:
    return values.astype(np.float16)

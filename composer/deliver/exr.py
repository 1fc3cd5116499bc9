"""One multi-part EXR a frame: the delivery contract.

Parts come in the order of `composer.shot.schema_delivery.PARTS`. Every part but the first is stored within the window that holds
anything; a part that holds nothing is left out, and `write_frame` says which were written. Files follow the compositing
convention: motion's y points up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.layer import ELEMENTS, Frame
from composer.crowd.names import Names
from composer.deliver import attributes, cryptomatte
from composer.guides.control import control_depth
from composer.guides.passes import GuidePasses, PlacePasses
from composer.io.exr import ExrPart, write_exr
from composer.io.exr_attributes import Chromaticities
from composer.io.timecode import Timecode
from composer.io.window import Window
from composer.shot.schema_delivery import PARTS_BY_DEFAULT

HALF_MAX = 65504.0
#: Where PIZ is quicker than ZIP and no larger: a picture with the plate's grain, and sticks on black. The passes are clean,
#: and ids repeat.
QUICKEST = {"rgba": "piz", "pose": "piz"}


@dataclass(frozen=True)
class Slate:
    """What every frame of a delivery says about itself.

    colorspace: canonical name of the delivery space; chromaticities: its eight numbers. code_version: Muster's.
    timecode: of THIS frame, HH:MM:SS:FF. display, view: how it is meant to be looked at (OCIO names).
    compression: of every part; None takes what is quickest for each. parts: those wanted. control_range_m: near and far
    of the shot, for `control_depth`. deep: whether a deep file goes with each frame. note: a line of the studio's own
    for the proxy's burn-in. extra: further string attributes, written as `muster:<key>`.
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
    compression: str | None = None
    parts: Sequence[str] = PARTS_BY_DEFAULT
    control_range_m: tuple[float, float] | None = None
    deep: bool = False
    note: str = ""
    extra: Mapping[str, str] | None = None


def write_frame(path: Path, frame: Frame, view: View, slate: Slate, names: Names) -> tuple[str, ...]:
    """Write `frame` to `path` at once or not at all; returns the names of the parts that hold something."""
    return write_parts(path, parts_of(frame, slate, names), frame, view, slate)


def parts_of(frame: Frame, slate: Slate, names: Names) -> list[ExrPart]:
    """The parts that hold something, in the file's order."""
    parts = [p for name in slate.parts if not name.startswith("crypto") for p in _parts(name, frame, slate)]
    return parts + _crypto([name for name in slate.parts if name.startswith("crypto")], frame, slate, names)


def write_parts(path: Path, parts: Sequence[ExrPart], frame: Frame, view: View, slate: Slate) -> tuple[str, ...]:
    """Write parts under the header of `frame`; as `write_frame`."""
    height, width = frame.composite.shape[:2]
    # a layer's metadata is in its own parts, and that of all in the first part, where Nuke looks
    first = dict(parts[0].attributes)
    for part in parts:
        first.update({k: v for k, v in part.attributes.items() if k.startswith("cryptomatte/")})
    parts = [replace(parts[0], attributes=first), *parts[1:]]
    write_exr(path, parts, (width, height), header_of(frame, view, slate), pixel_aspect=slate.pixel_aspect)
    return tuple(p.name for p in parts)


def header_of(frame: Frame, view: View, slate: Slate) -> dict[str, object]:
    """The attributes of every part of every file of `frame`."""
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


def _parts(name: str, frame: Frame, slate: Slate) -> list[ExrPart]:
    """The EXR parts of one name in `Slate.parts`; none where it holds nothing."""
    guides = frame.guides
    covered = guides.coverage > 0
    if name == "rgba":
        ones = np.ones(frame.composite.shape[:2], dtype=np.float16)
        return [_part("rgba", {**_planes("RGB", frame.composite), "A": ones}, None, slate)]
    if name.startswith("environment_"):
        return _place(name, frame, slate)
    if name in ELEMENTS:
        if name not in {layer.name for layer in frame.layers}:
            return []
        rgba = frame.layer(name).rgba
        seen = rgba.any(axis=-1) if name == "air" else rgba[..., 3] > 0  # air before a soldier adds light only
        return _cropped(name, seen, lambda box: _planes("RGBA", rgba[box]), slate)
    if name.startswith("light_"):
        return _light(name, frame, slate)
    if name == "control_depth":
        return _control(frame, covered, slate)
    if name == "depth":
        return _cropped("depth", covered, lambda box: {"Z": guides.depth_m[box]}, slate, inside=False)
    if name == "normal":
        return _cropped("normal", covered, lambda box: _planes("XYZ", _f16(guides.normal[box])), slate)
    if name == "motion":
        return _cropped("motion", covered, lambda box: _motion(guides, box), slate)
    if name == "albedo":
        return _cropped("albedo", covered, lambda box: _planes("RGB", _f16(guides.albedo[box])), slate)
    return _cropped("pose", frame.pose.any(axis=-1), lambda box: _planes("RGB", _f16(frame.pose[box])), slate)


def _place(name: str, frame: Frame, slate: Slate) -> list[ExrPart]:
    """A pass of set pieces and terrain."""
    place = frame.guides.place
    if place is None:
        return []
    covered = place.coverage > 0
    if name == "environment_depth":
        return _cropped(name, covered, lambda box: {"Z": place.depth_m[box]}, slate, inside=False)
    if name == "environment_motion":
        return _cropped(name, covered, lambda box: _motion(place, box), slate)
    picture, letters = (place.normal, "XYZ") if name == "environment_normal" else (place.albedo, "RGB")
    return _cropped(name, covered, lambda box: _planes(letters, _f16(picture[box])), slate)


def _light(name: str, frame: Frame, slate: Slate) -> list[ExrPart]:
    """What one light of the light set adds to `crowd`, premultiplied, in the delivery space."""
    lights = frame.guides.lights
    if lights is None:
        raise ValueError("the guides were rendered without the light set")
    rgb = getattr(lights, name.removeprefix("light_"))
    seen = frame.layer("crowd").rgba[..., 3] > 0
    if not np.allclose(frame.delivery_from_working, np.eye(3)):
        rgb = rgb @ frame.delivery_from_working.T.astype(np.float32)
    rgb = np.where(seen[..., None], np.clip(rgb, -HALF_MAX, HALF_MAX), 0).astype(np.float16)
    return _cropped(name, (rgb != 0).any(axis=-1), lambda box: _planes("RGB", rgb[box]), slate)


def _control(frame: Frame, covered: NDArray[np.bool_], slate: Slate) -> list[ExrPart]:
    """Depth as depth-conditioned models take it, 1 near to 0 far, on one scale for the whole shot."""
    if slate.control_range_m is None:
        raise ValueError("control_depth needs the shot's near and far")
    near_m, far_m = slate.control_range_m
    tags = {"muster:control_near_m": near_m, "muster:control_far_m": far_m, "muster:control_encoding": "inverse depth"}
    value = control_depth(frame.guides.depth_m, near_m, far_m)
    parts = _cropped("control_depth", covered, lambda box: {"Y": value[box]}, slate, inside=False)
    return [replace(part, attributes=tags) for part in parts]


def _crypto(layers: Sequence[str], frame: Frame, slate: Slate, names: Names) -> list[ExrPart]:
    around = _crypto_place(frame, slate) if "crypto_environment" in layers else []
    layers = [name for name in layers if name != "crypto_environment"]
    return _crypto_crowd(layers, frame, slate, names) + around


def _crypto_place(frame: Frame, slate: Slate) -> list[ExrPart]:
    """Set pieces and terrain by name."""
    place = frame.guides.place
    if place is None or len(place.samples.agent_id) == 0:
        return []
    height, width = place.coverage.shape
    pieces = np.unique(place.samples.agent_id)
    things = [place.names[piece] for piece in pieces.tolist()]
    # a piece may come more than once in a pixel, as a group does
    shares = cryptomatte.by_group(cryptomatte.by_agent(place.samples, pieces), np.arange(len(pieces)))
    pictures = cryptomatte.levels(shares, (width, height), cryptomatte.hash_floats(things))
    tags = cryptomatte.metadata("crypto_environment", things)
    return [
        _part(f"crypto_environment{i:02d}", dict(zip("RGBA", planes, strict=True)), box, slate, tags)
        for i, (box, planes) in enumerate(pictures)
    ]


def _crypto_crowd(layers: Sequence[str], frame: Frame, slate: Slate, names: Names) -> list[ExrPart]:
    samples = frame.guides.samples
    agents = np.unique(samples.agent_id)
    if len(agents) == 0 or not layers:
        return []
    height, width = frame.guides.coverage.shape
    by_agent = cryptomatte.by_agent(samples, agents)
    parts = []
    for layer in layers:
        called = getattr(names, layer.removeprefix("crypto_"))
        shares, things = by_agent, [called[a] for a in agents.tolist()]
        if layer != "crypto_agent":
            each = things
            things = sorted(set(each))
            number = {thing: i for i, thing in enumerate(things)}
            shares = cryptomatte.by_group(shares, np.array([number[thing] for thing in each], dtype=np.int64))
        pictures = cryptomatte.levels(shares, (width, height), cryptomatte.hash_floats(things))
        tags = cryptomatte.metadata(layer, things)
        parts += [
            _part(f"{layer}{i:02d}", dict(zip("RGBA", planes, strict=True)), box, slate, tags)
            for i, (box, planes) in enumerate(pictures)
        ]
    return parts


def _motion(passes: GuidePasses | PlacePasses, box: tuple[slice, slice]) -> dict[str, NDArray[np.float16]]:
    flip = np.array([1.0, -1.0], dtype=np.float32)
    forward, backward = _f16(passes.motion_px[box] * flip), _f16(passes.motion_back_px[box] * flip)
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
    return ExrPart(name, channels, window, slate.compression or QUICKEST.get(name, "zip"), dict(tags or {}))


def _slices(w: Window) -> tuple[slice, slice]:
    return slice(w.y, w.y + w.height), slice(w.x, w.x + w.width)


def _planes(names: str, picture: NDArray) -> dict[str, NDArray]:
    return {channel: _plane(picture, i) for i, channel in enumerate(names)}


def _plane(picture: NDArray, i: int) -> NDArray:
    return np.ascontiguousarray(picture[..., i])


def _f16(values: NDArray[np.float32]) -> NDArray[np.float16]:
    return values.astype(np.float16)

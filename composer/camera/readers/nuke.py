"""Cameras in Nuke scripts: Camera, Camera2, Camera3 and Camera4 with values or baked curves.

World: Y up, camera down -Z, as here. Rotation orders are applied left to right (ZXY: z first). The picture's width is
the horizontal aperture; Nuke does not project by the vertical one. Source: Foundry's reference for the Camera node
and the projection that its own `nukescripts.snap3d` writes out: n = (2 f / haperture) (X, Y) / depth, then
(n - win_translate) / win_scale, in half picture widths.
"""

from __future__ import annotations

import re

import numpy as np

from composer.camera.camera import Array
from composer.camera.readers.common import (
    CameraTrack,
    Raw,
    Request,
    conform,
    euler,
    finish,
    positive_size,
    read_text,
    rotation_order,
    transform,
)
from composer.camera.script import Node, NukeCurve, NukeScript
from composer.errors import InputError, Where

CAMERAS = ("Camera", "Camera2", "Camera3", "Camera4")
AXES = ("Axis", "Axis2", "Axis3", "Axis4", *CAMERAS)
_PLACE: dict[str, tuple[float, ...]] = {
    "translate": (0.0, 0.0, 0.0),
    "rotate": (0.0, 0.0, 0.0),
    "scaling": (1.0, 1.0, 1.0),
    "uniform_scale": (1.0,),
    "skew": (0.0, 0.0, 0.0),
    "pivot": (0.0, 0.0, 0.0),
    "pivot_translate": (0.0, 0.0, 0.0),
    "pivot_rotate": (0.0, 0.0, 0.0),
}
_LENS: dict[str, tuple[float, ...]] = {
    "focal": (50.0,),
    "haperture": (24.576,),
    "vaperture": (18.672,),
    "win_translate": (0.0, 0.0),
    "win_scale": (1.0, 1.0),
    "winroll": (0.0,),
}
_IDENTITY = tuple(np.eye(4).ravel())
_MAX_PARENTS = 32


def read(request: Request) -> CameraTrack:
    script = NukeScript(request.path, read_text(request.path))
    return _Reader(request, script, _choose(request, script)).track()


def _choose(request: Request, script: NukeScript) -> Node:
    cameras = [n for n in script.nodes if n.kind in CAMERAS]
    where = Where(file=request.path)
    if not cameras:
        lenses = any(n.kind.startswith("LD_3DE") for n in script.nodes)
        hint = "give this file as the camera's lens" if lenses else "export a Camera node"
        raise InputError("there is no camera in this Nuke script", where=where, hint=hint)
    names = ", ".join(n.name for n in cameras)
    if request.node is None:
        if len(cameras) > 1:
            raise InputError("the script holds several cameras", where=where, expected="node: one of " + names)
        return cameras[0]
    for camera in cameras:
        if request.node in (camera.name, camera.name.split(".")[-1]):
            return camera
    raise InputError(f"no camera named {request.node}", where=where, expected="one of " + names)


class _Reader:
    def __init__(self, request: Request, script: NukeScript, camera: Node) -> None:
        self.request, self.script, self.camera = request, script, camera
        self.notes = [f"Nuke {camera.kind} {camera.name}; Nuke states no unit"]
        self.chain = self._chain()
        self._check_lens()

    def _fail(self, what: str, node: Node, knob: str | None = None, hint: str | None = None) -> InputError:
        line = node.knobs[knob].line if knob in node.knobs else node.line
        return InputError(what, where=Where(file=self.request.path, line=line), hint=hint)

    def _chain(self) -> list[Node]:
        """The camera and its parents, outermost last."""
        chain, node = [self.camera], self.camera
        while True:
            if len(node.inputs) > 1 and node.inputs[1] is not None and node.kind in AXES:
                raise self._fail(f"{node.name} looks at another node", node, hint="bake the camera in Nuke")
            parent = node.inputs[0] if node.inputs else None
            if parent is None:
                return chain
            if parent.kind in AXES:
                chain.append(parent)
                self.notes.append(f"moved by its axis {parent.name}")
            elif parent.kind not in ("Dot", "NoOp"):
                raise self._fail(f"{node.name} hangs on {parent.kind} {parent.name}, which is not an axis", node)
            node = parent
            if len(chain) > _MAX_PARENTS:
                raise self._fail("too many axes above the camera", self.camera)

    def _check_lens(self) -> None:
        camera, text = self.camera, self.script.text
        mode = text(camera, "projection_mode", "perspective")
        if mode not in ("perspective", "0"):
            raise self._fail(f"{camera.name} is not a perspective camera but {mode[:40]}", camera, "projection_mode")
        for node in self.chain:
            if text(node, "read_from_file", "false") == "true":
                source = text(node, "file", "another file")
                raise self._fail(
                    f"{node.name} reads its move from {source[:80]}", node, "file", "give that file as the camera"
                )

    def _sampled(self, node: Node, knob: str, default: tuple[float, ...], frames: list[int]) -> Array:
        """float64 [F, n]."""
        values = self.script.values(node, knob, default)
        return np.array([self.script.sample(node, knob, v, frames) for v in values], dtype=np.float64).T

    def _frames(self) -> tuple[list[int], bool]:
        """Whole frames from the first key to the last of everything that moves the camera; and whether nothing does."""
        knobs = [(n, k, d) for n in self.chain for k, d in self._place_knobs(n).items()]
        knobs += [(self.camera, k, d) for k, d in _LENS.items()]
        first, last = np.inf, -np.inf
        for node, knob, default in knobs:
            for value in self.script.values(node, knob, default):
                if isinstance(value, NukeCurve):
                    first, last = min(first, value.first), max(last, value.last)
        if first > last:
            start = self.request.first_frame
            return [start if start is not None else 1], True
        if not last - first < 1_000_000:
            raise self._fail("the camera's keys span too many frames", self.camera)
        return list(range(int(np.floor(first)), int(np.ceil(last)) + 1)), False

    def _place_knobs(self, node: Node) -> dict[str, tuple[float, ...]]:
        return {"matrix": _IDENTITY} if self.script.text(node, "useMatrix", "false") == "true" else _PLACE

    def _local(self, node: Node, frames: list[int]) -> Array:
        """A node's own transform, float64 [F, 4, 4]."""
        if "matrix" in self._place_knobs(node):
            return self._sampled(node, "matrix", _IDENTITY, frames).reshape(-1, 4, 4)
        v = {k: self._sampled(node, k, d, frames) for k, d in _PLACE.items()}
        for knob in ("skew", "pivot_rotate"):
            if np.any(v[knob]):
                raise self._fail(f"{node.name}.{knob} is not supported", node, knob, "bake the camera in Nuke")
        where = Where(file=self.request.path, line=node.line, field=f"{node.name}.rot_order")
        order = rotation_order(self.script.text(node, "rot_order", "ZXY"), where)
        if node is self.camera:
            self.notes.append(f"rotation order {order}, applied left to right")
        xform = self.script.text(node, "xform_order", "SRT").upper()
        if sorted(xform) != ["R", "S", "T"]:
            raise self._fail(f"{node.name}.xform_order {xform[:10]} is unknown", node, "xform_order")
        pivot = v["pivot"] + v["pivot_translate"]
        if np.any(pivot) and xform[-1] != "T":
            raise self._fail(
                f"{node.name} has a pivot and the transform order {xform}", node, "xform_order", "bake the camera"
            )
        count = len(frames)
        none = np.zeros((count, 3))
        scaling = np.zeros((count, 3, 3))
        scaling[:, [0, 1, 2], [0, 1, 2]] = v["scaling"] * v["uniform_scale"]
        parts = {
            "S": transform(scaling, none),
            "R": transform(euler(order, v["rotate"]), none),
            "T": transform(np.tile(np.eye(3), (count, 1, 1)), v["translate"]),
        }
        out = transform(np.tile(np.eye(3), (count, 1, 1)), -pivot)
        for letter in xform:
            if letter == "T":
                out[:, :3, 3] += pivot
            out = parts[letter] @ out
        return out

    def track(self) -> CameraTrack:
        frames, still = self._frames()
        matrices = np.tile(np.eye(4), (len(frames), 1, 1))
        for node in reversed(self.chain):
            matrices = matrices @ self._local(node, frames)
        size, aspect = self._raster()
        v = {k: self._sampled(self.camera, k, d, frames) for k, d in _LENS.items()}
        for knob in ("focal", "haperture"):
            if knob not in self.camera.knobs:
                self.notes.append(f"{knob} is Nuke's default {_LENS[knob][0]:g} mm")
        if np.any(v["winroll"]):
            raise self._fail(f"{self.camera.name}.winroll is not supported", self.camera, "winroll")
        if not (np.all(v["haperture"] > 0) and np.all(v["win_scale"] > 0)):
            raise self._fail(
                f"{self.camera.name} has a haperture or win_scale that is not positive", self.camera, "haperture"
            )
        scale = v["win_scale"]
        stretch = scale[:, 1] / scale[:, 0]
        if np.ptp(stretch) > 1e-9:
            raise self._fail(f"{self.camera.name}.win_scale changes its shape over time", self.camera, "win_scale")
        aperture = float(v["haperture"][0, 0])
        if np.ptp(v["haperture"]) > 0:
            self.notes.append(f"the animated haperture is told as focal length over {aperture:g} mm")
        width, height = conform(aperture, float(v["vaperture"][0, 0]), size, aspect, self.notes)
        half = np.array([size[0] / 2, -size[0] * aspect / 2])
        return finish(
            Raw(
                frames=frames,
                matrices=matrices,
                focal_mm=v["focal"][:, 0] * aperture / v["haperture"][:, 0] / scale[:, 0],
                filmback_mm=(width, height * float(stretch[0])),
                centre_px=np.array(size) / 2 - v["win_translate"] / scale * half,
                size_px=size,
                pixel_aspect=aspect,
                still=still,
                notes=self.notes,
            ),
            self.request,
        )

    def _raster(self) -> tuple[tuple[int, int], float]:
        request = self.request
        if request.size_px is None:
            for node in self.script.nodes:
                numbers = re.findall(r"[\d.]+", self.script.text(node, "format", "")) if node.kind == "Root" else []
                if len(numbers) >= 7:
                    where = Where(file=request.path, line=node.line, field="format")
                    return positive_size(float(numbers[0]), float(numbers[1]), where), float(numbers[6])
        return request.plate_size(), request.pixel_aspect

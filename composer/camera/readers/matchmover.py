"""Autodesk MatchMover projects, .rzml (XML).

World: metres or centimetres as EXPORT says; the solver puts the first camera near the origin, turned 180 degrees
about x, so that the world's y points down. Camera from these angles: about x, then y, then z (world axes), down -Z, y
up. `fovx` is the horizontal field of view; the pixel aspect stretches y. Lens: ideal = plate (1 + rd r2), r over the
focal length. Marks are pixels from the top left. Source: fitted to the tracks inside two files, whose stated
residuals it reproduces within their last digit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from composer.camera.camera import Array, Lens, Pinhole
from composer.camera.lens.brown import RadialUndistort
from composer.camera.lens.plane import Curve
from composer.camera.readers.common import (
    NOMINAL_WIDTH_MM,
    CameraTrack,
    Observations,
    Raw,
    Request,
    euler,
    finish,
    number,
    positive_size,
    read_bytes,
    transform,
)
from composer.errors import InputError, Where

_UNITS_M = {"mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0, "km": 1000.0, "in": 0.0254, "ft": 0.3048, "yd": 0.9144}
_MAX_DEPTH = 64


@dataclass
class Element:
    """An XML element with the line where it starts."""

    file: Path
    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> list[Element]:
        return [c for c in self.children if c.tag == tag]

    def deep(self, tag: str) -> list[Element]:
        return [e for c in self.children for e in ([c] if c.tag == tag else []) + c.deep(tag)]

    def one(self, tag: str) -> Element:
        found = self.all(tag)
        if not found:
            raise self.fail(f"{self.tag} has no {tag}")
        return found[0]

    def number(self, name: str, default: float | None = None) -> float:
        text = self.attributes.get(name)
        if text is None:
            if default is None:
                raise self.fail(f"{self.tag} has no {name}")
            return default
        return number(text, self.file, self.line, f"{self.tag}.{name}")

    def whole(self, name: str, default: float | None = None) -> int:
        value = self.number(name, default)
        if value != int(value):
            raise self.fail(f"{self.tag}.{name} is not whole: {value:g}")
        return int(value)

    def xyz(self) -> list[float]:
        return [self.number(k) for k in "xyz"]

    def fail(self, what: str, expected: str | None = None) -> InputError:
        return InputError(what, where=Where(file=self.file, line=self.line), expected=expected)


def parse(path: Path) -> Element:
    """The root element; entities and document types are refused."""
    root = Element(path, "", {}, 0)
    stack = [root]
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) > _MAX_DEPTH:
            raise InputError("the XML is nested too deeply", where=Where(file=path, line=parser.CurrentLineNumber))
        stack.append(Element(path, tag, attributes, parser.CurrentLineNumber))
        stack[-2].children.append(stack[-1])

    def refuse(*_: object) -> None:
        raise InputError(
            "the XML declares a document type or entities", where=Where(file=path, line=parser.CurrentLineNumber)
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(read_bytes(path), True)
    except expat.ExpatError as e:
        raise InputError(
            "not valid XML", where=Where(file=path, line=e.lineno, column=e.offset + 1), got=expat.ErrorString(e.code)
        ) from e
    return root.children[0]


def read(request: Request) -> CameraTrack:
    root = parse(request.path)
    if root.tag != "RZML":
        raise root.fail("not a MatchMover project", expected="an RZML element")
    shot = _choose(request, root)
    solved = [f for f in shot.all("CFRM") if f.all("T") and f.all("R")]
    if not solved:
        raise shot.fail(f"sequence {shot.attributes.get('n', '')} has no solved camera")
    return finish(_raw(request, root, shot, solved), request)


def _choose(request: Request, root: Element) -> Element:
    shots = [s for s in root.all("SHOT") if s.all("CFRM")]
    names = {s.attributes.get("n", ""): s for s in shots}
    if not shots:
        raise root.fail("there is no solved sequence in this MatchMover project")
    if request.node is not None:
        if request.node not in names:
            raise root.fail(f"no sequence named {request.node}", expected="one of " + ", ".join(names))
        return names[request.node]
    if len(shots) > 1:
        raise root.fail("the project holds several sequences", expected="node: one of " + ", ".join(names))
    return shots[0]


def _raw(request: Request, root: Element, shot: Element, solved: list[Element]) -> Raw:
    path = request.path
    size = positive_size(shot.number("w"), shot.number("h"), Where(file=path, line=shot.line))
    first = shot.all("IPLN")[0].whole("b", 0) if shot.all("IPLN") else 0
    times = [f.whole("t", 0) for f in solved]
    fov = np.array([f.number("fovx") for f in solved])
    for f, angle in zip(solved, fov, strict=True):
        if not 0 < angle < 180:
            raise f.fail(f"not a field of view: {angle:g} degrees")
    aspects = {f.number("pr", 1.0) for f in solved}
    if len(aspects) > 1 or min(aspects) <= 0:
        raise shot.fail("the pixel aspect changes or is not positive")
    (aspect,) = aspects
    unit_name = root.one("EXPORT").attributes.get("ulin", "cm") if root.all("EXPORT") else "cm"
    if unit_name not in _UNITS_M:
        raise root.one("EXPORT").fail(f"unknown unit {unit_name[:20]}", expected=", ".join(_UNITS_M))
    notes = [
        f"MatchMover: angles about x, then y, then z; world y down; {unit_name}",
        f"time {min(times)} of the project is picture {min(times) + first}",
    ]
    width, height = _filmback(root, shot, size, aspect, notes)
    ids, points = _points(root)
    return Raw(
        frames=[t + first for t in times],
        matrices=transform(
            euler("XYZ", np.array([f.one("R").xyz() for f in solved])), np.array([f.one("T").xyz() for f in solved])
        ),
        focal_mm=width / 2 / np.tan(np.deg2rad(fov) / 2),
        filmback_mm=(width, height),
        centre_px=np.tile(np.array(size) / 2, (len(solved), 1)),
        size_px=size,
        pixel_aspect=aspect,
        lens=_lens(solved, [t + first for t in times]),
        unit_m=_UNITS_M[unit_name],
        up="-y",
        points=points,
        observations=_marks(shot, ids, set(times), first),
        solved=True,
        notes=notes,
    )


def _filmback(
    root: Element, shot: Element, size: tuple[int, int], aspect: float, notes: list[str]
) -> tuple[float, float]:
    """Width and height in mm. Only the field of view counts for what is seen; the film back names it."""
    ratio = size[0] * aspect / size[1]
    info = next((c for c in root.all("CINF") if c.attributes.get("i") == shot.attributes.get("ci")), None)
    if info is not None and "fbw" in info.attributes:
        width = info.number("fbw")
    elif info is not None and "fbh" in info.attributes:
        width = info.number("fbh") * ratio
    else:
        width = NOMINAL_WIDTH_MM
        notes.append(f"the film back is {width:g} mm wide by assumption")
    if width <= 0:
        raise (info or shot).fail("the film back is not positive")
    return width, width / ratio


def _lens(solved: list[Element], frames: list[int]) -> Lens:
    order = np.argsort(frames)
    values = tuple(solved[i].number("rd", 0.0) for i in order)
    if not any(values):
        return Pinhole()
    return RadialUndistort(values[0] if len(set(values)) == 1 else Curve(min(frames), values))


def _points(root: Element) -> tuple[dict[int, int], Array | None]:
    """Row of each track's number, and float64 [P, 3]."""
    tracks = [e for e in root.deep("L") if e.all("P")]
    if not tracks:
        return {}, None
    return {e.whole("i"): k for k, e in enumerate(tracks)}, np.array([e.one("P").xyz() for e in tracks])


def _marks(shot: Element, ids: dict[int, int], times: set[int], first: int) -> Observations | None:
    rows = [
        (t + first, ids[m.whole("i")], m.number("x"), m.number("y"))
        for frame in shot.deep("IFRM")
        if (t := frame.whole("t", 0)) in times
        for m in frame.all("M")
        if m.whole("i") in ids
    ]
    if not rows:
        return None
    table = np.array(rows, dtype=np.float64)
    return Observations(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:4])

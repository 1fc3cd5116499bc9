"""Lenses from files and from numbers: LD_3DE nodes in Nuke scripts, 3DEqualizer's lens text, and plain parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from composer.camera.camera import Camera, Lens
from composer.camera.lens.brown import Brown
from composer.camera.lens.plane import Curve, Param, scaled, shifted
from composer.camera.lens.stmap import STMap
from composer.camera.lens.tde4 import Anamorphic4, FilmLens, LensClassic3de, Radial4
from composer.camera.script import Node, NukeCurve, NukeScript
from composer.errors import InputError, Where

_MAX_BYTES = 64 << 20
#: 3DEqualizer's parameter names (letters and digits only) -> ours.
_CLASSIC = {
    "distortion": "distortion", "anamorphicsqueeze": "squeeze", "curvaturex": "curvature_x",
    "curvaturey": "curvature_y", "quarticdistortion": "quartic",
}  # fmt: skip
_RADIAL = {
    "distortiondegree2": "c2", "udegree2": "u2", "vdegree2": "v2", "quarticdistortiondegree4": "c4", "udegree4": "u4",
    "vdegree4": "v4", "phicylindricdirection": "phi_deg", "bcylindricbending": "bending",
}  # fmt: skip
_ANAMORPHIC = {
    **{f"c{a}{k}degree{k[1]}": f"c{a}{k}" for a in "xy" for k in ("02", "22", "04", "24", "44")},
    "lensrotation": "rotation_deg", "squeezex": "squeeze_x", "squeezey": "squeeze_y",
}  # fmt: skip


@dataclass(frozen=True)
class _Model:
    kind: type[FilmLens]
    names: Mapping[str, str]


#: Node class in Nuke, model name in a lens text -> model (letters and digits only).
_MODELS = {
    "ld3declassicldmodel": _Model(LensClassic3de, _CLASSIC),
    "ld3de4radialstandarddegree4": _Model(Radial4, _RADIAL),
    "ld3de4anamorphicstandarddegree4": _Model(Anamorphic4, _ANAMORPHIC),
    "3declassicldmodel": _Model(LensClassic3de, _CLASSIC),
    "3de4radialstandarddegree4": _Model(Radial4, _RADIAL),
    "3de4anamorphicstandarddegree4": _Model(Anamorphic4, _ANAMORPHIC),
}
_READ = "3DE Classic LD Model, 3DE4 Radial Standard Degree 4, 3DE4 Anamorphic Standard Degree 4"
_BY_NAME: dict[str, type[FilmLens]] = {
    "3de_classic": LensClassic3de,
    "3de_radial4": Radial4,
    "3de_anamorphic4": Anamorphic4,
}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def read_lens(path: str | Path, *, node: str | None = None, frame_offset: int = 0) -> FilmLens:
    """A 3DEqualizer lens from an LD_3DE node in a Nuke script, or from 3DEqualizer's own lens text. It must then be
    tied to a camera with `with_lens`."""
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError("the lens file is too large", where=Where(file=path))
        text = path.read_text("utf-8", errors="replace")
    except OSError as e:
        raise InputError("cannot read the lens file", where=Where(file=path), got=e.strerror or str(e)) from e
    lens = _from_text(path, text) if re.search(r"^DISTORTION_", text, re.MULTILINE) else _from_nuke(path, text, node)
    return shifted(lens, frame_offset)


def with_lens(camera: Camera, lens: Lens) -> Camera:
    """The camera with a lens; a lens that lives on a film back or a picture is tied to the camera's focal length and
    principal point. What does not fit is noted."""
    notes = [f"lens model {lens.name}"]
    if isinstance(lens, FilmLens):
        notes += _fit(camera, lens)
    if isinstance(lens, FilmLens | STMap):
        lens = lens.for_camera(camera)
    return replace(camera, lens=lens, notes=camera.notes + tuple(notes))


def _fit(camera: Camera, lens: FilmLens) -> list[str]:
    notes = []
    ratio = lens.filmback_mm[0] / lens.filmback_mm[1] / (camera.filmback_mm[0] / camera.filmback_mm[1])
    if abs(ratio - 1) > 0.01:
        shape = f"{lens.filmback_mm[0]:.5g} x {lens.filmback_mm[1]:.5g} mm"
        notes.append(
            f"the lens's film back ({shape}) has another shape than the camera's; its width and height were kept"
        )
    focal = lens.focal_mm.values[0] if isinstance(lens.focal_mm, Curve) else lens.focal_mm
    here = float(camera.focal_mm[0]) * lens.filmback_mm[0] / camera.filmback_mm[0]
    if abs(focal / here - 1) > 0.01:
        notes.append(
            f"the lens file says {focal:.5g} mm, the camera {here:.5g} mm on that film back: the camera's counts"
        )
    return notes


def lens_from_params(model: str, params: Mapping[str, float], camera: Camera) -> Lens:
    """A lens from numbers: brown (k1 ... k6, p1, p2), 3de_classic, 3de_radial4 or 3de_anamorphic4 (the field names of
    those classes, on the camera's film back)."""
    kind = Brown if model == "brown" else _BY_NAME.get(model)
    where = Where(field="camera.lens")
    if kind is None:
        raise InputError(
            "unknown lens model", where=where, expected=", ".join(("brown", "stmap", *_BY_NAME)), got=model[:40]
        )
    known = {f.name for f in fields(kind) if f.type in ("Param",) and f.name != "focal_mm"}
    known |= {"pixel_aspect"} if kind is not Brown else set()
    for name, value in params.items():
        if name not in known:
            raise InputError(f"{model} has no parameter {name[:40]}", where=where, expected=", ".join(sorted(known)))
        if not np.isfinite(value):
            raise InputError(f"{name} is not a finite number", where=where)
    if kind is Brown:
        return Brown(**params)
    focal = Curve(camera.first_frame, tuple(camera.focal_mm.tolist()))
    lens = kind(filmback_mm=camera.filmback_mm, focal_mm=focal, **params)  # type: ignore[arg-type]
    return _sound(lens, where)


def _sound(lens: FilmLens, where: Where) -> FilmLens:
    """Refuse what makes a model meaningless."""

    def least(p: Param) -> float:
        return min(p.values) if isinstance(p, Curve) else p

    positive = {
        "filmback_mm": min(lens.filmback_mm),
        "focal_mm": least(lens.focal_mm),
        "pixel_aspect": lens.pixel_aspect,
    }
    for name in ("squeeze", "squeeze_x", "squeeze_y"):
        if hasattr(lens, name):
            positive[name] = least(getattr(lens, name))
    if isinstance(lens, Radial4):
        positive["1 + bending"] = 1 + least(lens.bending)
    for name, value in positive.items():
        if not value > 0:
            raise InputError(f"the lens's {name} is not positive", where=where, got=f"{value:g}")
    return lens


# Nuke


def _from_nuke(path: Path, text: str, node: str | None) -> FilmLens:
    script = NukeScript(path, text)
    lenses = [n for n in script.nodes if n.kind.startswith("LD_") or n.kind.startswith("LensDistortion")]
    if node is not None:
        lenses = [n for n in lenses if node in (n.name, n.name.split(".")[-1])]
    if not lenses:
        what = "there is no LD_3DE lens node in this file" if node is None else f"no lens node named {node}"
        raise InputError(
            what, where=Where(file=path), hint="export the lens from 3DEqualizer as an LD_3DE4 node, or use ST maps"
        )
    if len(lenses) > 1:
        raise InputError(
            "the script holds several lenses",
            where=Where(file=path),
            expected="node: one of " + ", ".join(n.name for n in lenses),
        )
    found = lenses[0]
    where = Where(file=path, line=found.line)
    model = _MODELS.get(_plain(found.kind))
    if model is None:
        raise InputError(
            f"lens model {found.kind[:60]} is not supported", where=where, expected=_READ, hint="bake it to ST maps"
        )
    _check_window(script, found)
    numbers = {ours: _param(script, found, knob) for knob in found.knobs if (ours := model.names.get(_plain(knob)))}
    cm = {k: _static(script, found, f"tde4_{k}", d) for k, d in _CM.items()}
    lens = model.kind(
        filmback_mm=(cm["filmback_width_cm"] * 10, cm["filmback_height_cm"] * 10),
        focal_mm=scaled(_param(script, found, "tde4_focal_length_cm"), 10.0),
        centre_mm=(cm["lens_center_offset_x_cm"] * 10, cm["lens_center_offset_y_cm"] * 10),
        pixel_aspect=cm["pixel_aspect"],
        **numbers,
    )
    return _sound(lens, where)


_CM: dict[str, float | None] = {
    "filmback_width_cm": None, "filmback_height_cm": None, "lens_center_offset_x_cm": 0.0,
    "lens_center_offset_y_cm": 0.0, "pixel_aspect": 1.0,
}  # fmt: skip


def _check_window(script: NukeScript, node: Node) -> None:
    for knob, full in (("xa", 0.0), ("xb", 1.0), ("ya", 0.0), ("yb", 1.0)):
        name = f"field_of_view_{knob}_unit"
        if abs(_static(script, node, name, full) - full) > 1e-9:
            raise InputError(
                f"{node.name} covers a part of the picture only ({name})",
                where=Where(file=script.path, line=node.line), hint="export the lens for the whole picture",
            )  # fmt: skip


def _static(script: NukeScript, node: Node, knob: str, default: float | None) -> float:
    if knob not in node.knobs:
        if default is None:
            raise InputError(f"{node.name} has no {knob}", where=Where(file=script.path, line=node.line))
        return default
    param = _param(script, node, knob)
    if isinstance(param, Curve):
        if len(set(param.values)) > 1:
            raise InputError(
                f"{node.name}.{knob} is animated", where=Where(file=script.path, line=node.knobs[knob].line)
            )
        return param.values[0]
    return param


def _param(script: NukeScript, node: Node, knob: str) -> Param:
    if knob not in node.knobs:
        raise InputError(f"{node.name} has no {knob}", where=Where(file=script.path, line=node.line))
    value = script.values(node, knob, (0.0,))[0]
    if not isinstance(value, NukeCurve):
        return value
    first, last = int(np.ceil(value.first)), int(np.floor(value.last))
    if not 0 <= last - first < 1_000_000:
        raise InputError(
            f"the keys of {node.name}.{knob} span too many frames", where=Where(file=script.path, line=node.line)
        )
    return Curve(first, tuple(script.sample(node, knob, value, list(range(first, last + 1)))))


# 3DEqualizer's lens text


def _from_text(path: Path, text: str) -> FilmLens:
    """A lens exported by 3DEqualizer: name; film back (w, h), focal length, film aspect, lens centre (x, y) in cm and
    the pixel aspect; DISTORTION_STATIC; the model; then name, value and number of curve points for each parameter."""
    lines = [line.strip() for line in text.splitlines()]

    def fail(what: str, n: int, **more: str) -> InputError:
        return InputError(what, where=Where(file=path, line=n + 1), **more)

    def numbers(n: int, count: int) -> list[float]:
        words = lines[n].split() if n < len(lines) else []
        try:
            out = [float(w) for w in words]
        except ValueError:
            out = []
        if len(out) < count or not np.isfinite(out).all():
            raise fail(
                "not a 3DEqualizer lens: the file is cut or damaged",
                n,
                expected=f"{count} numbers",
                got=" ".join(words)[:60],
            )
        return out

    head = numbers(1, 7)
    if len(lines) < 4 or lines[2] != "DISTORTION_STATIC":
        raise fail(
            "only lenses with static distortion are read from this format", 2, hint="export an LD_3DE4 node for Nuke"
        )
    model = _MODELS.get(_plain(lines[3]))
    if model is None:
        raise fail(f"lens model {lines[3][:60]} is not supported", 3, expected=_READ, hint="bake it to ST maps")
    values: dict[str, float] = {}
    n = 4
    while n < len(lines) and lines[n] != "<end_of_file>":
        ours = model.names.get(_plain(lines[n]))
        if ours is None:
            raise fail(f"unknown parameter {lines[n][:60]!r} for this lens model", n)
        values[ours] = numbers(n + 1, 1)[0]
        n += 3
    if n >= len(lines):
        raise fail("the lens has no end: the file is cut", len(lines) - 1, expected="<end_of_file>")
    lens = model.kind(
        filmback_mm=(head[0] * 10, head[1] * 10), focal_mm=head[2] * 10, centre_mm=(head[4] * 10, head[5] * 10),
        pixel_aspect=head[6], **values,
    )  # fmt: skip
    return _sound(lens, Where(file=path, line=2))

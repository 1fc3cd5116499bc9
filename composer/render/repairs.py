"""Things painted out of the plate: a region that was marked on one frame, found again in every frame, and what comes in its
place, seen with true parallax.

Two surfaces are followed: that of the thing (a plane across the view at its distance) says where it is, that behind it (the
ground, or a plane) what would be seen there. `clone_px` takes the frame's own plate from aside on the surface behind, so that
grain and flicker are alive; its level is bent to what surrounds the region by a membrane (Perez et al., "Poisson Image
Editing", SIGGRAPH 2003; the membrane alone: Farbman et al., SIGGRAPH 2009). A picture, by a painter or a bundle, is
carried as it is, with the plate's grain on it where `match:` says what that is.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.composite import Composite, untouched_digest
from composer.comp.layer import F32, Layer
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.guides.ground import ground_depth
from composer.inference.families import cannot_inpaint
from composer.io.image import read_image, read_info
from composer.render.match import matching_of
from composer.render.membrane import membrane
from composer.render.paintings import bundle_of
from composer.shot.located import located
from composer.shot.reduced import ReducedPlate, smaller
from composer.shot.schema_repair import RepairSpec
from composer.shot.stage import Stage

F64 = NDArray[np.float64]
#: As good as infinitely far, metres.
HORIZON_M = 1e6
#: Less than this share from beyond the picture's edge is not worth a word.
WORTH_A_NOTE = 0.01
#: Where a region takes less of a pixel than this, the pixel is the plate's.
LEAST_ALPHA = 1 / 256
#: Around the marked region, of a picture 1080 high: what its level is bent to, pixels.
RIM_PX = 6.0


@dataclass(frozen=True)
class Repaired:
    """plate: float32 [H, W, 3], in the delivery space. rgba: float32 [H, W, 4], what was laid over it, so that plate *
    (1 - alpha) + rgb is the new one. notes: what could not be taken from the picture."""

    plate: F32
    rgba: F32
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hole:
    """What a repair's bundle paints into. mask: float32 [H, W], 0 or 1. depth_m: float32 [H, W], of what is behind. plate:
    float32 [H, W, 3], in the delivery space, with the repairs that come before; filled: smooth in the mask, with nothing
    left of the thing."""

    view: View
    mask: F32
    depth_m: F32
    plate: F32
    filled: F32


class RepairPainter(Protocol):
    """What paints out the things that the shot gives to bundles. said: notes on what was painted, by repair."""

    said: dict[int, tuple[str, ...]]

    def key(self) -> tuple[object, ...]: ...

    def painted(self, stage: Stage, index: int, hole: Hole) -> F32:
        """float32 [H, W, 3], in the delivery space: the key frame with the thing painted away."""
        ...


@dataclass(frozen=True)
class _Key:
    """What is known at the key frame. matte: float32 [H, W], soft. depth_m: float32 [H, W], of what is behind. outline_px:
    float64 [P, 2]. picture: float32 [H, W, 3], in the delivery space; None where the plate is cloned."""

    view: View
    matte: F32
    depth_m: F32
    outline_px: F64
    picture: F32 | None


def repair_files(stage: Stage) -> list[Path]:
    """The pictures that the shot's repairs name, and the plate's own that a bundle paints on."""
    repairs = stage.shot.repairs
    named = [stage.shot.path(p) for s in repairs for p in (s.matte, s.picture) if p is not None]
    return named + [stage.plate.path(s.frame) for s in repairs if s.bundle is not None]


def told_of_repairs(stage: Stage) -> list[object]:
    """All that the repairs are but for their files, to be digested."""
    return [part for s in stage.shot.repairs for part in (s.model_dump_json(), stage.camera.view(s.frame))]


def check_repairs(stage: Stage) -> tuple[str, ...]:
    """What the job says of its repairs. Raises InputErrors with everything that is wrong with them; only headers are read."""
    errors: list[MusterError] = []
    for i, spec in enumerate(stage.shot.repairs):
        try:
            _check(stage, i, spec)
        except MusterError as error:
            errors += error.errors
    if errors:
        raise InputErrors(errors)
    matching = matching_of(stage, stage.plate.frames[0])
    bare = matching is None or matching.look.grain is None
    notes = [f"repair {s.name}: marked on frame {s.frame}" for s in stage.shot.repairs]
    return tuple(notes) + tuple(
        f"repair {s.name}: the shot has no match: grain, so what is laid there is given none"
        for s in stage.shot.repairs
        if bare and s.clone_px is None
    )


def _check(stage: Stage, index: int, spec: RepairSpec) -> None:
    frames, size = stage.plate.frames, _plate_size(stage)
    if spec.frame not in frames:
        raise InputError(
            "a repair on a frame that the plate has not", where=stage.shot.where("repairs", index, "frame"),
            expected=f"{frames[0]}-{frames[-1]}", got=str(spec.frame),
        )  # fmt: skip
    if spec.polygon_px is not None:
        at = np.array(spec.polygon_px)
        if (at.max(0) <= 0).any() or (at.min(0) >= size).any():
            raise InputError(
                "the region is not in the picture", where=stage.shot.where("repairs", index, "polygon_px"),
                expected=f"pixels of {size[0]} x {size[1]}",
            )  # fmt: skip
    for key, written in (("matte", spec.matte), ("picture", spec.picture)):
        if written is None:
            continue
        with located(stage.shot, "repairs", index, key):
            info = read_info(stage.shot.path(written))
            if info.size_px != size:
                raise InputError(
                    "not the plate's size", where=Where(file=info.path), expected=f"{size[0]} x {size[1]}",
                    got=f"{info.size_px[0]} x {info.size_px[1]}",
                )  # fmt: skip
    if spec.bundle is not None:
        with located(stage.shot, "repairs", index, "bundle"):
            bundle = bundle_of(stage, spec)
            if why := cannot_inpaint(bundle):
                raise InputError(
                    f"{bundle.name} cannot paint a thing out: {why}", expected="a bundle that inpaints single pictures"
                )
    if spec.colorspace is not None:
        with located(stage.shot, "repairs", index, "colorspace"):
            stage.color.space(spec.colorspace)


def _plate_size(stage: Stage) -> tuple[int, int]:
    plate = stage.plate
    return plate.full.size_px if isinstance(plate, ReducedPlate) and plate.full is not None else plate.size_px


_kept: OrderedDict[tuple[object, ...], tuple[object, _Key]] = OrderedDict()
_lock = RLock()  # a bundle paints on the plate with the repairs before it


def _key(stage: Stage, index: int, painter: RepairPainter | None, device: str) -> _Key:
    key = (id(stage), index, id(painter), device)
    with _lock:
        if key not in _kept:
            made = _open(stage, index, stage.shot.repairs[index])
            if painter is not None and stage.shot.repairs[index].bundle is not None:
                made = replace(made, picture=_by_bundle(stage, index, made, painter, device))
            _kept[key] = ((stage, painter), made)
            while len(_kept) > 16:
                _kept.popitem(last=False)
        return _kept[key][1]


def _by_bundle(stage: Stage, index: int, key: _Key, painter: RepairPainter, device: str) -> F32:
    """float32 [H, W, 3], in the delivery space: the key frame as the painter leaves it."""
    frame = stage.shot.repairs[index].frame
    before = _mended(stage, frame, stage.plate.read(frame), None, painter, device, index)
    plate = np.nan_to_num(before.plate, posinf=65504.0, neginf=-65504.0)
    mask = (key.matte >= LEAST_ALPHA).astype(np.float32)
    rim = RIM_PX * plate.shape[0] / 1080
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    margin = 2 + round(3 * rim)
    box = tuple(slice(max(int(n[0]) - margin, 0), int(n[-1]) + 1 + margin) for n in (rows, columns))
    filled = plate.copy()
    filled[box] = np.where(mask[box][..., None] > 0, membrane(plate[box], mask[box], rim), plate[box])
    return painter.painted(stage, index, Hole(key.view, mask, key.depth_m, plate, filled))


def _open(stage: Stage, index: int, spec: RepairSpec) -> _Key:
    size, view = stage.plate.size_px, stage.camera.view(spec.frame)
    scale = size[0] / _plate_size(stage)[0]
    if spec.polygon_px is not None:
        mask = np.zeros(size[::-1], np.uint8)
        corners = np.round((np.array(spec.polygon_px) * scale - 0.5) * 256).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 8)
        matte = mask.astype(np.float32) / 255
    else:
        assert spec.matte is not None
        with located(stage.shot, "repairs", index, "matte"):
            own = None if spec.channel == "auto" else [spec.channel]
            pixels, info = read_image(stage.shot.path(spec.matte), own)
        alpha = pixels[..., 3] if own is None and pixels.shape[-1] == 4 else pixels[..., 0]
        matte = _fitted(np.clip(np.nan_to_num(alpha), 0, 1).astype(np.float32), size)
    if not (matte > 0.5).any():
        where = stage.shot.where("repairs", index)
        raise InputError("the region is empty", where=where, expected="a polygon or a matte with some white")
    rim, _ = cv2.findContours((matte > 0.01).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = np.concatenate([c[:, 0] for c in rim]).astype(np.float64) + 0.5
    if spec.soft_px > 0:
        matte = cv2.GaussianBlur(matte, (0, 0), max(0.5 * spec.soft_px * scale, 0.3))
    picture = None
    if spec.picture is not None:
        with located(stage.shot, "repairs", index, "picture"):
            pixels, info = read_image(stage.shot.path(spec.picture))
        floats = info.dtype in ("half", "float", "float16", "float32", "double")
        said = info.colorspace or stage.plate.delivery_colorspace
        space = spec.colorspace or (said if floats else "sRGB")
        rgb = np.ascontiguousarray(np.nan_to_num(pixels[..., :3]), dtype=np.float32)
        if stage.color.space(space) != stage.plate.delivery_colorspace:
            rgb = stage.color.from_working(stage.color.to_working(rgb, space), stage.plate.delivery_colorspace)
        picture = _fitted(rgb, size)
    return _Key(view, matte, _behind(stage, spec, view, view), outline, picture)


def _fitted(picture: F32, size: tuple[int, int]) -> F32:
    return picture if picture.shape[1::-1] == size else smaller(picture, size)


def _behind(stage: Stage, spec: RepairSpec, view: View, key: View, ground_m: F32 | None = None) -> F32:
    """How far what is behind is, float32 [H, W], planar depth in `view`."""
    if spec.behind_m is None:
        depth = ground_depth(stage.ground, view) if ground_m is None else ground_m
        return np.where(np.isfinite(depth), depth, HORIZON_M).astype(np.float32)
    w, h = view.size_px
    rays = view.rays(np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), axis=-1))
    return _plane(view, rays, key, spec.behind_m).astype(np.float32)


def _plane(view: View, rays: F64, key: View, distance_m: float) -> F64:
    """Planar depth along `rays` [..., 3] of `view` of the plane across the key view at that distance."""
    ahead = -key.world_from_camera[:3, 2]
    reach = distance_m + float(ahead @ (key.position_m - view.position_m))
    along = rays @ ahead
    return np.where(along > 1e-6, reach / np.maximum(along, 1e-6), HORIZON_M)


def repaired(
    stage: Stage, number: int, plate: F32, ground_m: F32 | None = None, painter: RepairPainter | None = None,
    device: str = "cpu",
) -> Repaired | None:  # fmt: skip
    """The plate of a frame with the shot's repairs; None where there are none. ground_m: the ground's depth at that frame.
    painter: without, what is left to bundles stays in the plate."""
    if not stage.shot.repairs:
        return None
    return _mended(stage, number, plate, ground_m, painter, device, len(stage.shot.repairs))


def _mended(
    stage: Stage, number: int, plate: F32, ground_m: F32 | None, painter: RepairPainter | None, device: str, count: int
) -> Repaired:
    """The plate with the first `count` repairs."""
    made, whole, notes = plate.copy(), np.zeros(plate.shape[:2], np.float32), list[str]()
    view, matching = stage.camera.view(number), matching_of(stage, number)
    for i, spec in enumerate(stage.shot.repairs[:count]):
        if spec.bundle is not None and painter is None:
            continue
        found = _patch(stage, spec, _key(stage, i, painter, device), view, made, ground_m)
        if found is None:
            continue
        box, alpha, patch, outside = found
        if outside > WORTH_A_NOTE:
            share = f"{100 * outside:.0f} % of it would come from beyond the picture's edge"
            notes.append(f"repair {spec.name}: {share}: what is at the edge is drawn out there")
        mixed = made[box] + alpha[..., None] * (patch - made[box])
        np.copyto(made[box], mixed.astype(np.float32), where=alpha[..., None] > 0)
        whole[box] = 1 - (1 - whole[box]) * (1 - alpha)
        if spec.clone_px is None and matching is not None:
            share = np.zeros_like(whole)
            share[box] = alpha
            made = matching.grained(made, share, device, f"repair grain {i}")
        if painter is not None:
            notes += painter.said.get(i, ())
    rgb = np.where(whole[..., None] > 0, made - (1 - whole[..., None]) * plate, 0)
    return Repaired(made, np.concatenate([rgb, whole[..., None]], axis=-1).astype(np.float32), tuple(notes))


def _patch(
    stage: Stage, spec: RepairSpec, key: _Key, view: View, plate: F32, ground_m: F32 | None
) -> tuple[tuple[slice, slice], F32, F32, float] | None:  # fmt: skip
    """The box of the region in a frame, float32 [h, w] how much of each pixel it takes, float32 [h, w, 3] what comes there, and
    the share of it that no picture holds; None where it is out of the picture."""
    box = _box(spec, key, view)
    if box is None:
        return None
    rows, columns = box
    x, y = np.meshgrid(np.arange(columns.start, columns.stop) + 0.5, np.arange(rows.start, rows.stop) + 0.5)
    rays = view.rays(np.stack([x, y], axis=-1))
    behind = _behind(stage, spec, view, key.view, ground_m)[box].astype(np.float64)
    there = _project(key.view, view.position_m + rays * behind[..., None])
    where = there
    if spec.at_m is not None:
        where = _project(key.view, view.position_m + rays * _plane(view, rays, key.view, spec.at_m)[..., None])
    alpha = _read(key.matte, where, cv2.INTER_LINEAR, 0.0)
    alpha = np.where(alpha < LEAST_ALPHA, 0, alpha).astype(np.float32)
    if not alpha.any():
        return None
    if key.picture is not None:
        return box, alpha, _read(key.picture, there, cv2.INTER_CUBIC, None), _beyond(there, alpha, view)
    scale = stage.plate.size_px[0] / _plate_size(stage)[0]
    assert spec.clone_px is not None
    aside = there + np.array(spec.clone_px) * scale
    depth = _read(key.depth_m, aside, cv2.INTER_LINEAR, None).astype(np.float64)
    point = key.view.position_m + key.view.rays(aside) * depth[..., None]
    source = _project(view, point)
    cloned = _read(plate, source, cv2.INTER_CUBIC, None)
    bent = cloned + membrane(plate[box] - cloned, alpha, RIM_PX * plate.shape[0] / 1080)
    return box, alpha, bent, _beyond(source, alpha, view)


def _beyond(at: F64, alpha: F32, view: View) -> float:
    """The share of a region whose places [h, w, 2] lie outside of the picture."""
    outside = ((at < 0) | (at > np.array(view.size_px))).any(-1)
    return float((alpha * outside).sum() / alpha.sum())


def _project(view: View, points: F64) -> F64:
    return np.nan_to_num(view.project(points)[0], nan=-1e4)


def _box(spec: RepairSpec, key: _Key, view: View) -> tuple[slice, slice] | None:
    """Where the region may be in this frame, with what surrounds it."""
    rays = key.view.rays(key.outline_px)
    x, y = (
        np.clip(key.outline_px[:, i].astype(int), 0, n - 1) for i, n in ((0, view.size_px[0]), (1, view.size_px[1]))
    )
    depth = np.full(len(rays), spec.at_m) if spec.at_m is not None else key.depth_m[y, x].astype(np.float64)
    px, ahead = view.project(key.view.position_m + rays * depth[:, None])
    px = px[(ahead > 0) & np.isfinite(px).all(-1)]
    if not len(px):
        return None
    margin = 8 + round(3 * spec.soft_px) + 3 * RIM_PX * view.size_px[1] / 1080
    low, high = np.floor(px.min(0) - margin), np.ceil(px.max(0) + margin)
    (x0, y0), (x1, y1) = np.maximum(low, 0).astype(int), np.minimum(high, view.size_px).astype(int)
    return None if x1 - x0 < 2 or y1 - y0 < 2 else (slice(y0, y1), slice(x0, x1))


def _read(picture: F32, at: F64, how: int, outside: float | None) -> F32:
    """float32 [h, w, ...] at pixels [h, w, 2]; outside of it `outside`, or what is nearest."""
    x, y = ((at[..., i] - 0.5).astype(np.float32) for i in (0, 1))
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    return cv2.remap(picture, x, y, how, borderMode=border, borderValue=0.0 if outside is None else outside)


def with_repairs(made: Composite, repairs: Repaired | None) -> Composite:
    """The composite with the repairs as its lowest layer, `repair`, and what they touched."""
    if repairs is None:
        return made
    touched = made.touched | (repairs.rgba[..., 3] > 0)
    layer = Layer("repair", np.clip(repairs.rgba, -65504, 65504).astype(np.float16))
    digest = untouched_digest(made.rgb, touched)
    return replace(made, layers=(layer, *made.layers), touched=touched, untouched_sha256=digest)

"""`check`: everything that is wrong with a shot, at once, before any work. Nothing is written."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from composer.camera.camera import Camera
from composer.color.spaces import ColorManager
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.io.pixels import ImageInfo
from composer.io.sequence import FrameSequence
from composer.shot.density import read_density
from composer.shot.ground import Ground
from composer.shot.ground_files import read_mesh
from composer.shot.holdout import Pictures, open_holdout
from composer.shot.light import light_of
from composer.shot.load import load_shot
from composer.shot.located import located
from composer.shot.plate import Plate, listed, open_color, open_plate
from composer.shot.schema import ShotFile
from composer.shot.schema_crowd import DensitySpec, RegionSpec
from composer.shot.sun import picked_direction
from composer.shot.world import World, open_track, open_world

T = TypeVar("T")


def check(
    path: str | Path, *, known_clips: Collection[str] = (), known_kits: Collection[str] = ()
) -> list[MusterError]:
    """Every mistake in a shot and in the files that it names, in the order of the shot's lines; empty where it can be
    rendered.

    known_clips, known_kits: the cast's names; clips of the shot's own are added. Left empty, names are not checked.
    """
    try:
        shot = load_shot(path)
    except InputErrors as errors:
        return list(errors.errors)
    found = _Found(shot)
    color = found.attempt(lambda: open_color(shot)) or ColorManager.open(None, {}, shot.folder)
    _check_names(found, known_clips, known_kits)
    _check_clips(found)
    _check_obstacles(found)
    plate = found.attempt(lambda: open_plate(shot, color))
    if plate is None:
        _check_paths(found)
        return found.sorted()
    _check_display(found, color)
    sound = _check_frames(found, plate)
    world = _check_world(found, plate)
    if world is not None:
        _check_holdouts(found, plate, world.camera)
        for index, region in enumerate(shot.crowd.regions):
            _check_region(found, index, region, plate, world.camera, world.ground)
        _check_light(found, plate, world, sound)
    return found.sorted()


@dataclass
class _Found:
    shot: ShotFile
    errors: list[MusterError] = field(default_factory=list)

    def add(
        self,
        what: str,
        *loc: str | int,
        frame: int | None = None,
        expected: str | None = None,
        got: str | None = None,
        hint: str | None = None,
    ) -> None:
        where = self.shot.where(*loc, frame=frame)
        self.errors.append(InputError(what, where=where, expected=expected, got=got, hint=hint))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Errors raised inside are kept, and the checks go on."""
        try:
            yield
        except MusterError as error:
            self.errors += error.errors

    def attempt(self, job: Callable[[], T]) -> T | None:
        """What `job` returns, or None and its error kept."""
        with self.kept():
            return job()
        return None

    def sorted(self) -> list[MusterError]:
        unique = {e.line(): e for e in self.errors}
        return sorted(unique.values(), key=lambda e: (e.where.line or 0, e.where.column or 0, e.where.frame or 0))


def _check_frames(found: _Found, plate: Plate) -> bool:
    """Every frame's header: readable, one size; and files beside the sequence that look like part of it."""
    sound = True
    shot, sequence = found.shot, plate.sequence
    for frame in plate.frames[:1] if sequence.is_movie or sequence.is_still else plate.frames:
        before = len(found.errors)
        with found.kept(), located(shot, "plate", "path"):
            info = _at_frame(sequence, frame)
            if info.size_px != plate.size_px:
                found.add(
                    f"{info.path}: the size changes",
                    "plate",
                    "path",
                    frame=frame,
                    expected=f"{plate.size_px[0]} x {plate.size_px[1]}",
                    got=f"{info.size_px[0]} x {info.size_px[1]}",
                )
        sound &= len(found.errors) == before
    if sequence.extra:
        names = ", ".join(p.name for p in sequence.extra[:5])
        found.add(
            "extra files look like frames of the plate",
            "plate",
            "path",
            got=names,
            hint="move them away or rename them",
        )
    if shot.plate.frames is None and not sequence.is_still:
        return sound
    outside = tuple(f for f in sequence.missing if plate.frames[0] < f < plate.frames[-1] and f in set(plate.frames))
    if outside:
        found.add("frames are missing from the plate", "plate", "frames", got=listed(outside))
    return sound


def _at_frame(sequence: FrameSequence, frame: int) -> ImageInfo:
    """A frame's header; its error knows the frame."""
    try:
        return sequence.info(frame)
    except InputError as error:
        where = Where(file=error.where.file or sequence.path(frame), frame=frame)
        raise InputError(error.what, where=where, expected=error.expected, got=error.got, hint=error.hint) from error


def _check_world(found: _Found, plate: Plate) -> World | None:
    track = found.attempt(lambda: open_track(found.shot, plate))
    if track is None:
        return None
    return found.attempt(lambda: open_world(found.shot, plate, track))


def _check_holdouts(found: _Found, plate: Plate, camera: Camera) -> None:
    shot = found.shot
    for index, spec in enumerate(shot.holdouts):
        loc = ("holdouts", index, spec.kind)
        with found.kept(), located(shot, *loc):
            source = open_holdout(shot, spec, plate, camera)
            if not isinstance(source, Pictures):
                continue
            _check_pictures(found, source, plate, loc)


def _check_pictures(found: _Found, source: Pictures, plate: Plate, loc: tuple[str | int, ...]) -> None:
    if source.sequence.is_movie or source.sequence.is_still:
        return
    for frame in plate.frames:
        with found.kept(), located(found.shot, *loc):
            info = _at_frame(source.sequence, frame)
            if info.size_px != plate.size_px:
                found.add(
                    f"{info.path}: not the plate's size",
                    *loc,
                    frame=frame,
                    expected=f"{plate.size_px[0]} x {plate.size_px[1]}",
                    got=f"{info.size_px[0]} x {info.size_px[1]}",
                )
            if source.channel and source.channel not in info.channels:
                found.add(f"{info.path}: no channel {source.channel}", *loc, frame=frame)


def _check_region(found: _Found, index: int, region: RegionSpec, plate: Plate, camera: Camera, ground: Ground) -> None:
    """On the ground, seen by the camera, with some area."""
    here = ("crowd", "regions", index)
    if region.on is not None:  # on a set piece, which is not built yet
        return
    if region.density is not None:
        painted = _check_density(found, (*here, "density"), region.density, plate)
        if painted is None:
            return
        loc: tuple[str | int, ...] = (*here, "density")
        if region.density.frame is not None:
            places = _check_drawn(found, loc, region.density.frame, painted, camera, ground)
        else:
            places = _on_ground(found, loc, painted, ground)
    elif region.polygon_px is not None:
        loc = (*here, "polygon_px")
        places = _check_drawn(found, loc, region.polygon_px.frame, np.array(region.polygon_px.points), camera, ground)
    else:
        loc = (*here, "polygon_m" if region.path_m is None else "path_m")
        xz = np.array(region.polygon_m if region.path_m is None else region.path_m)
        middle = xz.mean(axis=0)
        places = _on_ground(found, loc, np.concatenate([xz, middle[None], (xz + middle) / 2]), ground)
    if places is None:
        return
    if loc[-1] in ("polygon_m", "polygon_px"):
        outline = np.array(region.polygon_m) if region.polygon_m is not None else places[:, [0, 2]]
        if _area(outline) < 0.25:
            found.add("the region has no area to stand on", *loc)
            return
    _check_seen(found, loc, places, plate, camera)


def _check_drawn(
    found: _Found, loc: tuple[str | int, ...], frame: int, points_px: np.ndarray, camera: Camera, ground: Ground
) -> np.ndarray | None:
    """Where points [N, 2] on the plate of a frame come down on the ground [M, 3]; None if they do not, which is
    told."""
    if not camera.covers(frame):
        covered = f"{camera.first_frame}-{camera.last_frame}"
        found.add("the camera has no such frame", *loc, "frame", expected=covered, got=str(frame))
        return None
    view = camera.view(frame)
    places = ground.intersect(view.position_m, view.rays(points_px))
    off = ~np.isfinite(places).all(axis=1)
    if off.sum() > len(off) - 2:
        if _rise_m(found.shot):  # it may come down on what rises from the ground, which is not built yet
            return None
        found.add(
            "the region does not come down on the ground",
            *loc,
            got="points above the horizon",
            hint="draw it on the ground",
        )
        return None
    return places[~off]


def _on_ground(found: _Found, loc: tuple[str | int, ...], xz: np.ndarray, ground: Ground) -> np.ndarray | None:
    """Points [N, 2] (x, z) on the ground [M, 3]; None if there is none under any, which is told."""
    height = np.asarray(ground.height_m(xz[:, 0], xz[:, 1]), dtype=np.float64)
    if not np.isfinite(height).any():
        if not _rise_m(found.shot):
            found.add("the region lies off the ground", *loc)
        return None
    return np.column_stack([xz[:, 0], height, xz[:, 1]])[np.isfinite(height)]


def _check_density(found: _Found, loc: tuple[str | int, ...], spec: DensitySpec, plate: Plate) -> np.ndarray | None:
    """Some painted points of a map, [N, 2]: (x, z) on the ground, or pixels of the plate. None if it cannot be read."""
    value = None
    with found.kept(), located(found.shot, *loc, "map"):
        value, _ = read_density(found.shot.path(spec.map), spec.channel)
    if value is None:
        return None
    row, column = np.nonzero(value > 1 / 512)
    some = np.linspace(0, len(row) - 1, min(len(row), 400)).astype(int)
    share = (np.stack([column[some], row[some]], axis=1) + 0.5) / np.array(value.shape[::-1])
    if spec.extent_m is not None:
        corners = np.array(spec.extent_m)
        return corners.min(axis=0) + share * np.ptp(corners, axis=0)
    return share * np.array(plate.size_px)


def _check_obstacles(found: _Found) -> None:
    for index, spec in enumerate(found.shot.crowd.obstacles):
        if spec.mesh is not None:
            with found.kept(), located(found.shot, "crowd", "obstacles", index, "mesh"):
                read_mesh(found.shot.path(spec.mesh))


def _check_seen(found: _Found, loc: tuple[str | int, ...], corners: np.ndarray, plate: Plate, camera: Camera) -> None:
    """An error if a region is behind the camera, or beside the picture, in every frame."""
    picked = sorted({plate.frames[i] for i in np.linspace(0, len(plate.frames) - 1, 9).astype(int)})
    heads = np.concatenate([corners, corners + np.array([0, 1.8 + _rise_m(found.shot), 0])])
    ahead = seen = False
    for frame in picked:
        pixels, depth = camera.view(frame).project(heads)
        ahead |= bool((depth > 0).any())
        low, high = np.nanmin(pixels, axis=0, initial=np.inf), np.nanmax(pixels, axis=0, initial=-np.inf)
        seen |= bool((low < plate.size_px).all() and (high > 0).all()) or bool((depth <= 0).any() and (depth > 0).any())
    if not ahead:
        found.add("the region is behind the camera in every frame", *loc)
    elif not seen:
        found.add("the region is never in the picture", *loc)


def _rise_m(shot: ShotFile) -> float:
    """How far terrain may rise from the ground; 0 where there is none."""
    lands = shot.environment.terrain if shot.environment else ()
    return max((land.height_m + abs(land.base_m or 0.0) for land in lands), default=0.0)


def _area(polygon: np.ndarray) -> float:
    x, y = polygon[:, 0], polygon[:, 1]
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def _check_light(found: _Found, plate: Plate, world: World, sound: bool) -> None:
    shot = found.shot
    before = len(found.errors)
    if shot.light.sun is not None and shot.light.sun.pick is not None:
        pick = shot.light.sun.pick
        with found.kept(), located(shot, "light", "sun", "pick"):
            picked_direction(pick, world.camera, world.ground)
    for index, pick in enumerate((shot.light.sun and shot.light.sun.picks) or ()):
        with found.kept(), located(shot, "light", "sun", "picks", index):
            picked_direction(pick, world.camera, world.ground)
    if sound and len(found.errors) == before:
        with found.kept(), located(shot, "light"):
            light_of(shot, plate, world.camera, world.ground)


def _check_display(found: _Found, color: ColorManager) -> None:
    spec = found.shot.color
    if spec.display is not None or spec.view is not None:
        with found.kept(), located(found.shot, "color", "display" if spec.display is not None else "view"):
            color.display_view(spec.display, spec.view)


def _check_paths(found: _Found) -> None:
    """What can still be said of the other files when the plate is not there."""
    shot = found.shot
    for loc, written in (
        (("camera", "path"), shot.camera.path),
        (("ground", "mesh"), shot.ground.mesh if shot.ground else None),
    ):
        if written is not None and not shot.path(written).exists():
            found.add(f"{shot.path(written)}: no such file", *loc)


def _check_names(found: _Found, known_clips: Collection[str], known_kits: Collection[str]) -> None:
    shot = found.shot
    clips = {*known_clips, *(c.name for c in shot.clips)} if known_clips else set()
    for index, region in enumerate(shot.crowd.regions):
        if clips and region.clip not in clips:
            _unknown(found, "clip", region.clip, clips, "crowd", "regions", index, "clip")
        for kit in region.kits or {}:
            if known_kits and kit not in known_kits:
                _unknown(found, "kit", kit, known_kits, "crowd", "regions", index, "kits", kit)


def _unknown(found: _Found, kind: str, name: str, known: Collection[str], *loc: str | int) -> None:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else None
    found.add(f"unknown {kind}", *loc, expected=", ".join(sorted(known)), got=name, hint=hint)


def _check_clips(found: _Found) -> None:
    for index, clip in enumerate(found.shot.clips):
        path = found.shot.path(clip.bvh)
        if not path.is_file():
            found.add(f"{path}: no such file", "clips", index, "bvh")

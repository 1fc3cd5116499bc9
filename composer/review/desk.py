"""The layout page's other side: one `shot.yaml` on the desk, what it lays out, and edits to it with undo.

An edit becomes a new text of the file; that text must load and lay out before anything is written. The file stays the
only truth: when somebody else has changed it, it is read anew and the page's edit is refused once.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError

from composer.crowd.casting import castable
from composer.crowd.dyes import palettes_with
from composer.environment.land import land_of
from composer.errors import InputError, Where
from composer.io.files import atomic_write, sha256_bytes
from composer.render.found import with_found
from composer.render.frame import Scene
from composer.render.people import people_on
from composer.review.edits import Value, remove_override, set_override, set_polygon
from composer.review.plan import Plan, line_px, pixels_of, plan_of, relief
from composer.review.through import Through, look_through
from composer.shot.load import MAX_BYTES, parse_shot
from composer.shot.schema import ShotFile
from composer.shot.schema_base import Pair, Part
from composer.shot.schema_override import WHO, OverrideSpec
from composer.shot.stage import Stage, prepare

_MOST_UNDO = 200
_VIEW_PX, _RELIEF_PX = 1600, 512
_KEYS = tuple(k for k in OverrideSpec.model_fields if k not in WHO)


class Move(Part):
    """A soldier to a place on the ground, as seen at `frame`."""

    do: Literal["move"]
    soldier: str
    frame: int
    to_m: Pair


class Turn(Part):
    """A soldier to an azimuth, as seen at `frame`."""

    do: Literal["turn"]
    soldier: str
    frame: int
    azimuth_deg: float


class Change(Part):
    """Keys of a soldier's override; null takes one away."""

    do: Literal["set"]
    soldier: str
    changes: Annotated[dict[str, str | bool | int | float | tuple[float, float] | None], Field(min_length=1)]


class Remove(Part):
    """An entry of the list."""

    do: Literal["remove"]
    number: int


class Shape(Part):
    """A region's vertices on the ground."""

    do: Literal["shape"]
    region: str
    points_m: Annotated[tuple[Pair, ...], Field(min_length=2, max_length=1000)]


class Step(Part):
    """Back, or forth again."""

    do: Literal["undo", "redo"]


_EDIT: TypeAdapter[Move | Turn | Change | Remove | Shape | Step] = TypeAdapter(
    Annotated[Move | Turn | Change | Remove | Shape | Step, Field(discriminator="do")]
)


class Stale(InputError):
    """The file on disk is not the one that the page saw. status: what HTTP calls that."""

    status = 409


class Desk:
    """One shot. Safe to call from several threads."""

    def __init__(self, file: Path, device: str = "cpu") -> None:
        self.file, self.device, self.edits = file, device, 0
        self._lock = threading.RLock()
        self._undo: list[str] = []
        self._redo: list[str] = []
        self._plans: dict[int, Plan] = {}
        self._seen: dict[int, Through] = {}
        self._take(_read(file))

    @property
    def frames(self) -> tuple[int, ...]:
        return self.scene.stage.plate.frames

    @property
    def revision(self) -> str:
        return sha256_bytes(self._text.encode())[:16]

    # --- asked by the page ---

    def state(self, frame: int) -> dict[str, object]:
        """Everything that the page draws at `frame`."""
        with self._lock:
            self._refresh()
            plan, shot, stage = self._plan(frame), self.scene.stage.shot, self.scene.stage
            own = {name: spec.model_dump(exclude_none=True) for name, spec in shot.sides.items()}
            people = self.scene.people
            return {
                "revision": self.revision,
                "shot": shot.shot,
                "version": shot.version,
                "file": self.file.name,
                "frame": frame,
                "frames": [stage.plate.frames[0], stage.plate.frames[-1]],
                "name": plan.names,
                "x": _short(plan.place_m[:, 0]),
                "z": _short(plan.place_m[:, 1]),
                "azimuth": _short(plan.azimuth_deg, 1),
                "side": plan.side.tolist(),
                "region": plan.region.tolist(),
                "kit": [people.layout.casting.kinds[int(k)] for k in people.layout.casting.kit],
                "directed": np.flatnonzero(plan.directed).tolist(),
                "hidden": [{"name": n, "x": round(x, 3), "z": round(z, 3)} for n, (x, z) in plan.hidden],
                "sides": [{"name": n, "rgb": c} for n, c in zip(plan.side_names, plan.side_rgb, strict=True)],
                "regions": [
                    {
                        "name": r.name,
                        "key": r.key,
                        "side": r.spec.side,
                        "count": r.count,
                        "points": _short_pairs(r.points_m),
                    }
                    | {"rings": [_short_pairs(p) for p in r.rings], "dense": [_short_pairs(p) for p in r.dense]}
                    | {"closed": r.closed, "px": _points(_lines_px(stage, frame, r.lines_m), 1)}
                    for r in plan.regions
                ],
                "px": _points(plan.feet_px, 1),
                "overrides": [s.model_dump(mode="json", exclude_none=True) for s in shot.overrides],
                "camera": plan.camera_m,
                "sight": _short_pairs(plan.sight_m),
                "extent": plan.extent_m,
                "kits": castable(people.cast.types),
                "clips": [c.name for c in self.scene.people.cast.clips],
                "allSides": sorted({*palettes_with(own), *people.layout.casting.side_names}),
                "plate": stage.camera.size_px,
                "relief": land_of(stage).kind != "plane",
                "undo": len(self._undo),
                "redo": len(self._redo),
                "notes": self.scene.people.notes,
            }

    def view_jpeg(self, frame: int) -> bytes:
        """The composite through the camera, for a display."""
        with self._lock:
            self._refresh()
            return _encoded(Image.fromarray(self._through(frame).display), "JPEG")

    def relief_png(self) -> bytes:
        """How light the ground is from above, over the plan's extent; grey with alpha."""
        with self._lock:
            x0, z0, x1, z1 = extent = self._plan(self.frames[0]).extent_m
            height = max(2, min(2 * _RELIEF_PX, round(_RELIEF_PX * (z1 - z0) / (x1 - x0))))
            shade = relief(self.scene.stage, extent, _RELIEF_PX, height)
            if shade is None:
                raise InputError("a plane has no relief")
            grey = np.stack([np.nan_to_num(shade) * 255, np.isfinite(shade) * 255.0], axis=-1).astype(np.uint8)
            return _encoded(Image.fromarray(grey, mode="LA"), "PNG")

    def name_at(self, frame: int, x: float, y: float) -> str | None:
        """Who is seen at a place of the plate, by the id pass."""
        with self._lock:
            ids = self._through(frame).agent_id
            if not (0 <= x < ids.shape[1] and 0 <= y < ids.shape[0]):
                return None
            return self.scene.people.names.agent.get(int(ids[int(y), int(x)]))

    def edit(self, request: object, revision: str) -> None:
        """Carry out one edit, as the page sent it. Raises InputError (Stale where the page is behind) and changes nothing
        then."""
        try:
            # the bytes are JSON, so that lists may stand for pairs
            asked = _EDIT.validate_json(json.dumps(request))
        except (ValidationError, RecursionError, ValueError) as error:
            what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise InputError("not an edit", got=what) from error
        with self._lock:
            if self._refresh() or revision != self.revision:
                raise Stale(f"{self.file.name} was changed elsewhere: look at it again, then repeat this")
            if isinstance(asked, Step):
                self._step(asked.do)
                return
            old = self._text
            new = self._edited(asked)
            if new != old:
                self._write(new)
                self._undo = [*self._undo[-_MOST_UNDO + 1 :], old]
                self._redo.clear()

    # --- edits ---

    def _edited(self, asked: Move | Turn | Change | Remove | Shape) -> str:
        if isinstance(asked, Shape):
            return set_polygon(self._text, asked.region, self._as_drawn(asked), self.file)
        if isinstance(asked, Remove):
            return remove_override(self._text, asked.number, self.file)
        if isinstance(asked, Change):
            changes: Mapping[str, Value] = {k: _json_value(v) for k, v in asked.changes.items()}
            unknown = [k for k in changes if k not in _KEYS]
            if unknown:
                raise InputError("no such key of an override", expected=", ".join(_KEYS), got=unknown[0])
        elif isinstance(asked, Move):
            (there, _), (first, _) = (self._stands(asked.soldier, f) for f in (asked.frame, self.frames[0]))
            place = first + np.asarray(asked.to_m) - there
            changes = {"place_m": (round(float(place[0]), 3), round(float(place[1]), 3)), "move_m": None}
        else:
            (_, there), (_, first) = (self._stands(asked.soldier, f) for f in (asked.frame, self.frames[0]))
            azimuth = (first + asked.azimuth_deg - there + 180) % 360 - 180
            changes = {"heading_deg": round(azimuth, 1), "turn_deg": None}
        if asked.soldier not in self._known():
            raise InputError("no such soldier", got=asked.soldier)
        return set_override(self._text, asked.soldier, changes, self.file)

    def _known(self) -> set[str]:
        plan = self._plan(self.frames[0])
        return {*plan.names, *(n for n, _ in plan.hidden)}

    def _stands(self, soldier: str, frame: int) -> tuple[np.ndarray, float]:
        """(x, z) and azimuth of one soldier."""
        plan = self._plan(frame)
        if soldier not in plan.names:
            raise InputError("no such soldier", got=soldier)
        at = plan.names.index(soldier)
        return plan.place_m[at], float(plan.azimuth_deg[at])

    def _as_drawn(self, asked: Shape) -> list[tuple[float, float]]:
        """The vertices as the region gives them: metres, or pixels of the frame that it was drawn on."""
        outline = next((r for r in self._plan(self.frames[0]).regions if r.name == asked.region), None)
        if outline is None or not outline.key:
            raise InputError("no such polygon", got=asked.region)
        points = np.asarray(asked.points_m, np.float64)
        if outline.key != "polygon_px":
            return [(round(float(x), 3), round(float(z), 3)) for x, z in points]
        assert outline.frame is not None
        px = pixels_of(self.scene.stage, outline.frame, points)
        if not np.isfinite(px).all():
            raise InputError("a vertex can't be seen from the camera", hint="give this region as polygon_m")
        same = len(points) == len(outline.points_m)
        drawn = outline.spec.polygon_px
        assert drawn is not None
        out = []
        for i, (x, y) in enumerate(px):
            stays = same and np.linalg.norm(points[i] - outline.points_m[i]) < 1e-3
            out.append(drawn.points[i] if stays else (round(float(x), 2), round(float(y), 2)))
        return out

    def _step(self, way: str) -> None:
        source, target = (self._undo, self._redo) if way == "undo" else (self._redo, self._undo)
        if not source:
            raise InputError(f"nothing to {way}")
        old = self._text
        self._write(source[-1])
        source.pop()
        target.append(old)

    def _write(self, text: str) -> None:
        """Try the text, then write it and lay it out."""
        if len(text.encode()) > MAX_BYTES:
            raise InputError("the file would grow too big", expected=f"at most {MAX_BYTES} bytes")
        scene = self._scene_of(text)
        data = text.encode("utf-8-sig" if self._marked else "utf-8")
        with atomic_write(self.file) as temporary:
            temporary.write_bytes(data)
            temporary.chmod(self.file.stat().st_mode)
        self.edits += 1
        self._hold(text, scene)

    # --- what lies on the desk ---

    def _take(self, data: bytes) -> None:
        self._marked = data.startswith(b"\xef\xbb\xbf")
        text = data.decode("utf-8-sig")
        self._hold(text, self._scene_of(text))

    def _refresh(self) -> bool:
        """Read the file again if somebody else changed it; True then. What can't be undone any more is forgotten."""
        data = _read(self.file)
        if data == self._text.encode("utf-8-sig" if self._marked else "utf-8"):
            return False
        self._take(data)
        self._undo.clear()
        self._redo.clear()
        return True

    def _scene_of(self, text: str) -> Scene:
        """The shot of this text, laid out. Only what an edit can change is done again."""
        shot = parse_shot(text, self.file)
        old: ShotFile | None = self.scene.stage.shot if hasattr(self, "scene") else None
        if old is not None and _but_overrides(old) == _but_overrides(shot):
            stage = replace(self.scene.stage, shot=shot)
        else:
            stage = with_found(prepare(shot), self.device)
        return Scene(stage, people_on(stage), 4, self.device)

    def _hold(self, text: str, scene: Scene) -> None:
        self._text, self.scene = text, scene
        self._plans, self._seen = {}, {}

    def _plan(self, frame: int) -> Plan:
        if frame not in self.frames:
            raise InputError(
                "the plate has no such frame", expected=f"{self.frames[0]}-{self.frames[-1]}", got=str(frame)
            )
        if frame not in self._plans:
            self._plans[frame] = plan_of(self.scene.stage, self.scene.people, frame)
        return self._plans[frame]

    def _through(self, frame: int) -> Through:
        self._plan(frame)
        if frame not in self._seen:
            while len(self._seen) >= 3:
                self._seen.pop(next(iter(self._seen)))
            self._seen[frame] = look_through(self.scene, frame, _VIEW_PX)
        return self._seen[frame]


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
        data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", where=Where(file), got=str(error)) from error
    if len(data) > MAX_BYTES:
        raise InputError("too big for a shot", where=Where(file), expected=f"at most {MAX_BYTES} bytes")
    return data


def _but_overrides(shot: ShotFile) -> object:
    return shot.model_dump(exclude={"overrides"})


def _json_value(value: str | bool | int | float | tuple[float, float] | None) -> Value:
    return value


def _lines_px(stage: Stage, frame: int, lines_m: list[np.ndarray]) -> np.ndarray:
    """Lines on the ground in the picture, one after the other with a gap (NaN) between."""
    gap = np.full((1, 2), np.nan)
    return np.concatenate([p for line in lines_m for p in (line_px(stage, frame, line), gap)][:-1])


def _short(values: np.ndarray, digits: int = 3) -> list[float]:
    return np.round(np.nan_to_num(values.astype(np.float64)), digits).tolist()


def _points(points: np.ndarray, digits: int = 3) -> list[list[float] | None]:
    """Pairs; null for those that are nowhere."""
    good = np.isfinite(points).all(axis=1)
    return [p if g else None for p, g in zip(np.round(np.nan_to_num(points), digits).tolist(), good, strict=True)]


def _short_pairs(points: np.ndarray) -> list[list[float]]:
    return np.round(np.nan_to_num(points), 3).tolist()


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return buffer.getvalue()

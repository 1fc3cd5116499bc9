"""What finds holdouts in a shot: the plate's frames through a bundle's network, each result kept by its digest.

Depth is told of each frame by itself. A thing that is pointed at is followed from frame to frame, so there a frame depends on
those between it and the first that is pointed at: its digest is a chain over them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from composer.color.model_range import ModelRange
from composer.guides.ground import ground_depth
from composer.inference.bundle import Bundle
from composer.inference.finding.kept import Kept
from composer.inference.finding.prompt import Prompt
from composer.render.depends import file_digest
from composer.shot.found import Told
from composer.shot.matte import F32
from composer.shot.stage import Stage
from composer.shot.standing import F64, Alignment, align, standing

if TYPE_CHECKING:
    from composer.inference.finding.depth import DepthNet
    from composer.inference.finding.segment import SegmentNet, Track

#: Changes when the same bundle and plate are found otherwise than before.
VERSION = 1
#: A track's memory is kept every so many frames.
MEMORY_EVERY = 8
#: About how many of the ground's pixels a frame's depth is aligned by, and how far away ground still tells.
SAMPLES, FARTHEST_M = 4000, 500.0

_NONE = Prompt()


@dataclass(frozen=True)
class Sight:
    """What every finder of a shot shares. device: of the networks. range: plate to the photograph that a model sees."""

    stage: Stage
    device: str
    range: ModelRange

    def picture(self, frame: int) -> F32:
        """float32 [H, W, 3] in 0..1."""
        return self.range.encode(self.stage.plate.read_working(frame))

    def digest(self, bundle: Bundle, *more: object) -> str:
        """Of what is found from, but for the plate's files."""
        plate = self.stage.plate
        kind = self.device.partition(":")[0]
        return _digest(
            VERSION, bundle.sha256, kind, version("transformers"), version("torch"), plate.size_px, plate.colorspace,
            repr(self.range.exposure), *more,
        )  # fmt: skip

    def file(self, frame: int) -> str:
        """Digest of the plate's picture of a frame: of its file, and of its place in it."""
        sequence = self.stage.plate.sequence
        return _digest(file_digest(sequence.path(frame)), frame if sequence.is_movie else 0)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


# --- depth ---


@dataclass
class DepthFinder:
    """open_net: the bundle's network, when it is first wanted."""

    sight: Sight
    bundle: Bundle
    open_net: Callable[[], DepthNet]
    kept: Kept
    _lock: Lock = field(default_factory=Lock, repr=False)

    def find(self, frame: int) -> Told:
        """Raises InputError where the model's depth does not fit the camera's ground."""
        from composer.inference.finding.depth import at_size

        stage = self.sight.stage
        ground_m = ground_depth(stage.ground, stage.camera.view(frame))
        told = at_size(self.told(frame), stage.plate.size_px)
        found = self.alignment(frame, told, ground_m)
        there, depth_m = standing(found.inverse(told), ground_m, found.sigma)
        return Told(there.astype(np.float32), depth_m)

    def told(self, frame: int) -> F32:
        """float32 [h, w], the network's own."""
        key = self.key(frame)
        found = self.kept.read(key)
        if found is None:
            with self._lock:
                found = self.open_net().tell(self.sight.picture(frame))
            self.kept.write(key, found)
        return found

    def key(self, frame: int) -> str:
        """Digest of all that the network sees of the frame."""
        return _digest(self.sight.digest(self.bundle), self.sight.file(frame))

    def key_in_metres(self, frame: int) -> str:
        """The same, and of the solve's points, by which it is aligned."""
        points = self.sight.stage.points_m
        return _digest(self.key(frame), None if points is None else hashlib.sha256(points.tobytes()).hexdigest())

    def alignment(self, frame: int, told: F32, ground_m: F32) -> Alignment:
        """By the ground's pixels and the solve's points in this frame. told: float32 [H, W] at the plate's size."""
        stage = self.sight.stage
        width, height = stage.plate.size_px
        step = max(1, round((width * height / SAMPLES) ** 0.5))
        grid = np.s_[step // 2 :: step, step // 2 :: step]
        seen = np.isfinite(ground_m[grid]) & (ground_m[grid] > 0) & (ground_m[grid] < FARTHEST_M)
        values, known = told[grid][seen].astype(np.float64), 1 / ground_m[grid][seen].astype(np.float64)
        if stage.points_m is not None:
            more, theirs = self._points(frame, told)
            # they lie on what is seen, and are few: together they count as much as the ground
            times = max(1, round(len(values) / max(len(more), 1)))
            values, known = (
                np.concatenate([values, np.repeat(more, times)]),
                np.concatenate([known, np.repeat(theirs, times)]),
            )
        return align(values, known, seed=frame)

    def _points(self, frame: int, told: F32) -> tuple[F64, F64]:
        stage = self.sight.stage
        assert stage.points_m is not None
        width, height = stage.plate.size_px
        pixels, depth = stage.camera.view(frame).project(stage.points_m)
        with np.errstate(invalid="ignore"):
            inside = (
                (depth > 0) & (pixels >= 0).all(axis=1) & (pixels < (width, height)).all(axis=1) & (depth < FARTHEST_M)
            )
        x, y = pixels[inside].astype(int).T
        return told[y, x].astype(np.float64), 1 / depth[inside]

    def files(self, frame: int) -> list[Path]:
        return [self.sight.stage.plate.path(frame)]


# --- a thing that is pointed at ---


@dataclass
class SegmentFinder:
    """prompts: by frame. open_net: as of `DepthFinder`. follows: whether the bundle's model follows from frame to frame."""

    sight: Sight
    bundle: Bundle
    open_net: Callable[[], SegmentNet]
    kept: Kept
    prompts: Mapping[int, Prompt]
    follows: bool
    _lock: Lock = field(default_factory=Lock, repr=False)
    _keys: dict[tuple[bool, int], str] = field(default_factory=dict, repr=False)
    _tracks: dict[bool, tuple[int, Track]] = field(default_factory=dict, repr=False)
    _saved: dict[bool, str] = field(default_factory=dict, repr=False)

    def find(self, frame: int) -> Told:
        from composer.inference.finding.segment import matte_of

        back = frame < self.first
        with self._lock:
            found = self.kept.read(self.key(frame))
            if found is None:
                found = self._follow(frame, back) if self.follows else self._still(frame)
        return Told(matte_of(found, self.sight.stage.plate.size_px))

    @property
    def first(self) -> int:
        """The first frame that is pointed at. From there the thing is followed both ways."""
        return min(self.prompts)

    def way(self, back: bool) -> tuple[int, ...]:
        """The plate's frames in the order in which the thing is followed."""
        frames = self.sight.stage.plate.frames
        return (
            tuple(f for f in reversed(frames) if f <= self.first)
            if back
            else tuple(f for f in frames if f >= self.first)
        )

    def key(self, frame: int) -> str:
        """Digest of all that the frame's mask is found from: of the frames before it on its way, too."""
        return self._key(frame, frame < self.first)

    def _key(self, frame: int, back: bool) -> str:
        """The first frame has one for each way: what is behind it is its own."""
        if (back, frame) in self._keys:
            return self._keys[back, frame]
        chain = self.sight.digest(self.bundle, self.follows)
        for number in self.way(back) if self.follows else (frame,):
            known = self._keys.get((back, number))
            chain = known or _digest(chain, self.sight.file(number), vars(self._prompt(number) or _NONE))
            self._keys[back, number] = chain
            if number == frame:
                break
        return chain

    def _prompt(self, frame: int) -> Prompt | None:
        """What is pointed at in this frame; where nothing is followed (the plate is a still), the one that there is."""
        return self.prompts.get(frame, None if self.follows else self.prompts[self.first])

    def _still(self, frame: int) -> F32:
        prompt = self._prompt(frame)
        assert prompt is not None
        found = self.open_net().still(self.sight.picture(frame), prompt)
        self.kept.write(self.key(frame), found)
        return found

    def _follow(self, frame: int, back: bool) -> F32:
        """Go on to this frame from the nearest one behind it that the track still knows."""
        way = self.way(back)
        end = way.index(frame)
        at, track = self._nearest(way, end, back)
        found: F32 | None = None
        for index in range(at, end + 1):
            number = way[index]
            found = track.step(self.sight.picture(number), self.prompts.get(number))
            key = self._key(number, back)
            self.kept.write(key, found)
            if (index + 1) % MEMORY_EVERY == 0:
                self.kept.write_memory(key, track.memory(), self._saved.get(back))
                self._saved[back] = key
        self._tracks[back] = (end + 1, track)
        assert found is not None
        return found

    def _nearest(self, way: tuple[int, ...], end: int, back: bool) -> tuple[int, Track]:
        """(index of the frame that the track takes next, the track): the live one, one that was kept, or a new one."""
        live = self._tracks.get(back)
        if live is not None and live[0] <= end:
            return live
        track = self.open_net().track()
        for index in range(end - 1, -1, -1):
            if (index + 1) % MEMORY_EVERY == 0:
                memory = self.kept.read_memory(self._key(way[index], back))
                if memory is not None:
                    track.remember(memory)
                    return index + 1, track
        return 0, track

    def files(self, frame: int) -> list[Path]:
        way = self.way(frame < self.first) if self.follows else (frame,)
        return [self.sight.stage.plate.path(f) for f in way[: way.index(frame) + 1]]

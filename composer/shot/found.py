"""Holdouts that a model finds: what the shot says of them, the artist's mattes over them, and the place of the model.

The models stand in a later room. `open_found` opens everything but the model; `composer.render.found` puts it in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from composer.errors import InputError, Where
from composer.io.sequence import FrameSequence
from composer.shot.matte import F32, HoldoutFrame, as_matte, check_size, matte_channel, read_channel
from composer.shot.plate import Plate
from composer.shot.refine import Refiner, refiner_of
from composer.shot.schema import HoldoutSpec, ShotFile
from composer.shot.schema_holdout import PromptSpec
from composer.shot.standing import filled_depth


@dataclass(frozen=True)
class Told:
    """What a model says of one frame: alpha float32 [H, W], and depth_m float32 [H, W] where it tells depth, inf where nothing
    stands."""

    alpha: F32
    depth_m: F32 | None = None


@dataclass(frozen=True)
class Model:
    """What finds. find: of a frame's number. files: what is read for it. key: digest of all that decides what is found there,
    the contents of those files included."""

    find: Callable[[int], Told]
    files: Callable[[int], list[Path]]
    key: Callable[[int], str]


@dataclass(frozen=True)
class Drawn:
    """A matte of the artist's own that goes over what was found. channel: of its files. size_px: of the plate."""

    sequence: FrameSequence
    channel: str
    size_px: tuple[int, int]

    def has(self, frame: int) -> bool:
        return self.sequence.is_still or frame in self.sequence.frames

    def read(self, frame: int) -> F32:
        """float32 [H, W] in 0..1."""
        where = Where(file=self.sequence.path(frame), frame=frame)
        check_size(self.sequence.info(frame), self.size_px)
        return as_matte(read_channel(self.sequence, frame, self.channel), where)


@dataclass(frozen=True)
class Found:
    """One `segment:` or found `depth:`. model: None until it is put in; then a frame can be asked for. roto, core, garbage: the
    artist's."""

    spec: HoldoutSpec
    plate: Plate
    refiner: Refiner | None
    roto: Drawn | None = None
    core: Drawn | None = None
    garbage: Drawn | None = None
    model: Model | None = None
    notes: tuple[str, ...] = ()

    def __call__(self, frame: int) -> HoldoutFrame:
        spec = self.spec
        if self.roto is not None and self.roto.has(frame):
            return HoldoutFrame(self.roto.read(frame), spec.distance_m or 0.0)
        if self.model is None:
            raise InputError("this holdout is found by a model, which is not opened here", where=Where(frame=frame))
        told = self.model.find(frame)
        alpha = 1 - told.alpha if spec.invert else told.alpha
        if self.refiner is not None:
            alpha = self.refiner(alpha, frame)
        if self.core is not None and self.core.has(frame):
            alpha = np.maximum(alpha, self.core.read(frame))
        if self.garbage is not None and self.garbage.has(frame):
            alpha = alpha * (1 - self.garbage.read(frame))
        if told.depth_m is None:
            return HoldoutFrame(alpha, spec.distance_m or 0.0)
        depth_m = filled_depth(told.depth_m + np.float32(spec.bias_m), alpha > 0)
        return HoldoutFrame(alpha, depth_m)

    def is_drawn(self, frame: int) -> bool:
        """Whether the artist's roto stands in place of what would be found."""
        return self.roto is not None and self.roto.has(frame)

    def drawn(self, frame: int) -> list[Path]:
        """The artist's files for a frame."""
        return [d.sequence.path(frame) for d in (self.roto, self.core, self.garbage) if d is not None and d.has(frame)]

    def files(self, frame: int) -> list[Path]:
        """Every file that the frame is made from, the bundle's own aside."""
        if self.model is None or self.is_drawn(frame):
            return self.drawn(frame)
        return [*self.drawn(frame), *self.model.files(frame)]

    def key(self, frame: int) -> str:
        """Digest of what the model finds; empty where nothing is to be found."""
        return "" if self.model is None or self.is_drawn(frame) else self.model.key(frame)


def open_found(shot: ShotFile, spec: HoldoutSpec, plate: Plate) -> Found:
    """All but the model. Raises InputError; what is pointed at lies in the plate."""
    refiner = refiner_of(spec.refined, spec.edge_px, plate)
    note = f"{spec.kind} found by {spec.finds.bundle}" if spec.finds else ""
    note += f"; {refiner.note}" if refiner else ""
    found = Found(spec, plate, refiner, notes=(note,))
    if spec.segment is None:
        return found
    for prompt in spec.segment.prompts:
        _check_prompt(prompt, plate)
    drawn, notes = {}, [note]
    for name in ("roto", "core", "garbage"):
        pattern = getattr(spec.segment, name)
        if pattern is not None:
            drawn[name] = _open_drawn(shot, pattern, plate)
            sequence = drawn[name].sequence
            there = "every frame" if sequence.is_still else _count(sequence, plate)
            notes.append(f"{name} by the artist on {there}: {sequence.pattern}, channel {drawn[name].channel}")
    return Found(spec, plate, refiner, notes=tuple(notes), **drawn)


def _check_prompt(prompt: PromptSpec, plate: Plate) -> None:
    if prompt.frame not in plate.frames:
        raise InputError(
            "the plate has no such frame",
            where=Where(frame=prompt.frame),
            expected=f"{plate.frames[0]}-{plate.frames[-1]}",
            got=str(prompt.frame),
        )
    width, height = plate.size_px
    for x, y in (*prompt.click, *prompt.background):
        if not (0 <= x <= width and 0 <= y <= height):
            raise InputError(
                "a click beside the plate", where=Where(frame=prompt.frame),
                expected=f"within {width} x {height}", got=f"{x:g}, {y:g}",
            )  # fmt: skip
    if prompt.box is not None:
        left, top, right, bottom = prompt.box
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            raise InputError(
                "a box beside the plate", where=Where(frame=prompt.frame),
                expected=f"within {width} x {height}", got=", ".join(f"{v:g}" for v in prompt.box),
            )  # fmt: skip


def _open_drawn(shot: ShotFile, pattern: str, plate: Plate) -> Drawn:
    """A matte that need not have every frame, only some of the plate's."""
    sequence = FrameSequence.find(pattern, shot.folder)
    there = plate.frames if sequence.is_still else tuple(f for f in plate.frames if f in set(sequence.frames))
    if not there:
        raise InputError(
            "no frame of the plate is drawn",
            where=Where(file=sequence.pattern),
            expected=f"some of {plate.frames[0]}-{plate.frames[-1]}",
        )
    check_size(sequence.info(there[0]), plate.size_px)
    return Drawn(sequence, matte_channel(sequence, "auto", there)[0], plate.size_px)


def _count(sequence: FrameSequence, plate: Plate) -> str:
    count = len(set(sequence.frames) & set(plate.frames))
    return f"{count} of {len(plate.frames)} frames"

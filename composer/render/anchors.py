"""Anchors: a few frames are painted first; the others take their picture along true motion and are painted only where no
anchor showed what they show. Which frame waits for which is a plan, known before anything is painted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.comp.layer import F32
from composer.errors import InputError
from composer.guides.surface import Surface, surface_pass
from composer.inference.carry import Carried, carry, together
from composer.io.files import atomic_write
from composer.render.look import Look, Scene
from composer.shot.schema import ShotFile

#: Points in a pixel that are followed.
SAMPLES = 4


@dataclass(frozen=True)
class Anchors:
    """chosen: anchor frames, ascending; none: every frame is painted by itself. frames: the plate's."""

    chosen: tuple[int, ...]
    frames: tuple[int, ...]

    def of(self, number: int) -> tuple[tuple[int, float], ...]:
        """The anchors that a frame is made from, with their shares: the one before and the one after it, the nearer the
        more. None for an anchor itself."""
        if not self.chosen or number in self.chosen:
            return ()
        before = [a for a in self.chosen if a < number]
        after = [a for a in self.chosen if a > number]
        if not before or not after:
            return ((before[-1] if before else after[0], 1.0),)
        start, here, end = (self.frames.index(n) for n in (before[-1], number, after[0]))
        share = (here - start) / (end - start)
        return ((before[-1], 1.0 - share), (after[0], share))

    def first(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """The same frames, anchors before the others."""
        return (*(n for n in numbers if n in self.chosen), *(n for n in numbers if n not in self.chosen))

    def plan(self) -> dict[str, list[int]]:
        """For the manifest and a farm: each frame that waits for others, and for which."""
        return {str(n): [a for a, _ in self.of(n)] for n in self.frames if self.of(n)}


def anchors_of(shot: ShotFile, frames: tuple[int, ...]) -> Anchors:
    """What the shot asks for. Raises InputError for frames that the plate has not."""
    spec = shot.paint.anchors
    if spec is None:
        return Anchors((), frames)
    if spec.every is not None:
        return Anchors(tuple(dict.fromkeys([*frames[:: spec.every], frames[-1]])), frames)
    for i, number in enumerate(spec.frames or ()):
        if number not in frames:
            where = shot.where("paint", "anchors", "frames", i)
            span = f"{frames[0]}-{frames[-1]}"
            raise InputError("the plate has no such frame", where=where, expected=span, got=str(number))
    return Anchors(tuple(sorted(set(spec.frames or ()))), frames)


@dataclass(frozen=True)
class Picture:
    """An anchor as it was painted. rgb: float32 [H, W, 3] in model range. mask: float32 [H, W], where it was painted and
    nothing stood before the crowd."""

    rgb: F32
    mask: F32


@dataclass(frozen=True)
class Shown:
    """An anchor as the frames between read it. over: float32 [H, W, 4], what was painted over its guide, in model range, and
    where. surface: what it shows."""

    number: int
    over: F32
    surface: Surface


def shown_by(scene: Scene, look: Look, picture: Picture, guide: F32) -> Shown:
    """guide: the anchor's own, float32 [H, W, 3] in model range."""
    over = np.concatenate([picture.rgb - guide, picture.mask[..., None]], axis=-1)
    return Shown(look.number, over, surface_at(scene, look))


def carried(scene: Scene, look: Look, guide: F32, parts: Iterable[tuple[Shown, float]]) -> tuple[F32, F32]:
    """What anchors, with their shares, show of this frame: float32 [H, W, 3] in model range, and float32 [H, W], how much of
    each pixel they show.

    What was painted over an anchor's guide is carried, not the picture itself: the frame keeps the edges, the light and the
    poses of its own guide (float32 [H, W, 3] in model range), which two resampled pictures blur."""
    moved = []
    for anchor, share in parts:
        there = carry(anchor.over, anchor.surface, traced(scene, look, anchor.number), device=scene.device)
        moved.append((share, Carried(there.picture[..., :3], there.seen * there.picture[..., 3].clip(0, 1))))
    whole = together(moved)
    return guide + whole.picture, whole.seen


def surface_at(scene: Scene, look: Look) -> Surface:
    """What a frame shows."""
    return surface_pass(look.agents, scene.people.cast, look.views, look.ground_m, SAMPLES, scene.device)


def traced(scene: Scene, look: Look, anchor: int) -> Surface:
    """The frame's surface with each point followed to where it is in the anchor."""
    agents = scene.people.at((anchor, look.number, look.number))
    views = (scene.stage.camera.view(anchor), look.views[1], look.views[1])
    return surface_pass(agents, scene.people.cast, views, look.ground_m, SAMPLES, scene.device, trace=True)


class Store:
    """Painted anchors on disk, so that whoever paints a frame between them need not paint them again. A file is named
    after what its picture was made from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, number: int, key: str) -> Picture | None:
        """The anchor, if it was painted from the same things."""
        try:
            return _opened(np.load(self._file(number, key), allow_pickle=False))
        except (OSError, ValueError):
            return None

    def put(self, number: int, key: str, picture: Picture) -> Picture:
        """Keep it, and give it back as every reader will see it."""
        four = np.concatenate([picture.rgb, picture.mask[..., None]], axis=-1).astype(np.float16)
        file = self._file(number, key)
        with atomic_write(file) as temporary, temporary.open("wb") as handle:
            np.save(handle, four)
        for old in self.folder.glob(f"{number:04d}.*.npy"):
            if old != file:
                old.unlink(missing_ok=True)
        return _opened(four)

    def _file(self, number: int, key: str) -> Path:
        return self.folder / f"{number:04d}.{key[:32]}.npy"


def _opened(four: NDArray[np.float16]) -> Picture:
    """Out of float16 [H, W, 4]."""
    wide = four.astype(np.float32)
    return Picture(np.ascontiguousarray(wide[..., :3]), np.ascontiguousarray(wide[..., 3]))

"""A crowd made of arrays, for what is done to it after it has been drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.composite import Composite
from composer.comp.look_apply import Setting, composite_with_look
from composer.comp.look_drawn import Around
from composer.comp.plate_look import PlateLook
from composer.comp.shade import Shade
from composer.guides.passes import GuidePasses, PlacePasses, Samples

F32 = NDArray[np.float32]
#: One agent's part of a picture: rgb [3] or [H, W, 3] (not premultiplied), coverage [H, W], depth_m.
Figure = tuple[object, F32, float]


def guides_of(*figures: Figure, motion: tuple[float, float] = (0.0, 0.0)) -> GuidePasses:
    """Figures from near to far; what is nearer covers what is further away. motion: px from frame to frame, of all."""
    h, w = figures[0][1].shape
    seen, parts = np.ones((h, w), np.float32), []
    for rgb, cover, depth in figures:
        own = (cover * seen).astype(np.float32)
        light = np.broadcast_to(np.asarray(rgb, np.float32), (h, w, 3)) * own[..., None]
        parts.append((own, light.astype(np.float32), depth))
        seen = seen - own
    own = np.stack([p[0] for p in parts])
    light = np.stack([p[1] for p in parts])
    depth = np.array([p[2] for p in parts], np.float32)
    pixel, which = np.nonzero(own.reshape(len(parts), -1).T > 0)
    start = np.zeros(h * w + 1, np.int64)
    np.add.at(start, pixel + 1, 1)
    samples = Samples(
        np.cumsum(start), (which + 1).astype(np.uint32), own.reshape(len(parts), -1).T[pixel, which], depth[which],
        light.reshape(len(parts), -1, 3).transpose(1, 0, 2)[pixel, which],
    )  # fmt: skip
    there = own > 0
    nearest = np.where(there.any(0), depth[there.argmax(0)], np.float32(np.inf))
    who = np.where(there.any(0), there.argmax(0) + 1, 0).astype(np.uint32)
    zero, flat = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32)
    moves = np.broadcast_to(np.array(motion, np.float32), (h, w, 2)).copy()
    return GuidePasses(
        nearest, zero, who, moves, -moves, own.sum(0), zero, light.sum(0), flat, flat, np.zeros((0, 18, 3), np.float32),
        np.zeros(0, np.uint32), np.zeros((0, 18), bool), samples,
    )  # fmt: skip


def parted(guides: GuidePasses, pieces: tuple[int, ...]) -> tuple[GuidePasses, PlacePasses]:
    """The same picture with some of its figures (1 is the nearest) as the place, the rest as the crowd."""
    h, w = guides.coverage.shape
    theirs = np.isin(guides.samples.agent_id, pieces)
    pixel = np.repeat(np.arange(h * w), np.diff(guides.samples.start))

    def part(own: NDArray[np.bool_]) -> tuple[Samples, F32, F32, F32]:
        s = guides.samples
        start = np.concatenate([[0], np.cumsum(np.bincount(pixel[own], minlength=h * w))]).astype(np.int64)
        depth, cover = np.full(h * w, np.inf, np.float32), np.zeros(h * w, np.float32)
        light = np.zeros((h * w, 3), np.float32)
        np.minimum.at(depth, pixel[own], s.depth_m[own])
        np.add.at(cover, pixel[own], s.coverage[own])
        np.add.at(light, pixel[own], s.rgb[own])
        chosen = Samples(start, s.agent_id[own], s.coverage[own], s.depth_m[own], s.rgb[own])
        return chosen, depth.reshape(h, w), cover.reshape(h, w), light.reshape(h, w, 3)

    samples, depth, cover, light = part(~theirs)
    crowd = replace(guides, samples=samples, depth_m=depth, coverage=cover, beauty=light)
    samples, depth, cover, light = part(theirs)
    ids = np.where(np.isfinite(depth), guides.agent_id, 0).astype(np.uint32)
    moves = (guides.motion_px, guides.motion_back_px)
    return crowd, PlacePasses(depth, guides.normal, ids, *moves, cover, guides.albedo, light, samples)


def view_of(size: tuple[int, int], focal_px: float = 1000.0) -> View:
    """(rows, columns)."""
    return View(1, (size[1], size[0]), np.eye(4), (focal_px, focal_px), (size[1] / 2, size[0] / 2))


def laid_in(
    look: PlateLook, guides: GuidePasses, plate: F32, *, shadow: Shade | None = None, matte: F32 | None = None,
    clean: F32 | None = None, ahead_m: F32 | None = None, seed: int = 3, frame: int = 1, focal_m: float = 0.05,
    threads: int = 1, device: str = "cpu", around: Around | None = None,
) -> Composite:  # fmt: skip
    """The crowd in the plate with the look, and what stands around it."""
    none = np.zeros(guides.coverage.shape, np.float32)
    pictures = (plate, shadow or Shade.grey(none), none if matte is None else matte, clean)
    setting = Setting(view_of(none.shape), focal_m, np.eye(3), ahead_m, seed, frame)
    return composite_with_look(look, guides, pictures, setting, around=around, device=device, threads=threads)


def disc(size: tuple[int, int], middle: tuple[float, float], radius: float) -> F32:
    """Coverage of a disc, anti-aliased."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return np.clip(radius - np.hypot(y - middle[0], x - middle[1]) + 0.5, 0, 1).astype(np.float32)


def flat(size: tuple[int, int], rgb: tuple[float, float, float]) -> F32:
    """A plate of one colour."""
    return np.broadcast_to(np.array(rgb, np.float32), (*size, 3)).copy()

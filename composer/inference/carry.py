"""Carry a painted frame (an anchor) to another frame along true motion, and say what of it the anchor did not show.

Every sample of the frame knows its point on a body, on the ground or in the sky, and where that point lay in the anchor at
the anchor's time (`Surface.before_px`); nothing is chained from frame to frame. The anchor showed it only if the same point
is found there: same agent, same place on him. What was not seen is left to be painted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.errors import InputError
from composer.guides.device import Pool, load_kernels, upload
from composer.guides.pattern import sample_places
from composer.guides.surface import Surface
from composer.inference import kernel_carry
from composer.inference.kernel_carry import Shown, carry_kernel

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Carried:
    """picture: float32 [H, W, C], the anchor moved to this frame; 0 where it showed nothing of a pixel. seen: float32
    [H, W], how much of each pixel the anchor showed, 0 .. 1: heal with strength 1 - seen."""

    picture: F32
    seen: F32


def together(parts: Sequence[tuple[float, Carried]]) -> Carried:
    """What several anchors show of a frame, each with its share: where one of them shows nothing, the others alone."""
    first = parts[0][1]
    total, weight, seen = np.zeros_like(first.picture), np.zeros_like(first.seen), np.zeros_like(first.seen)
    for share, part in parts:
        mine = np.float32(share) * part.seen
        total += mine[..., None] * part.picture
        weight += mine
        seen = np.maximum(seen, part.seen)
    return Carried(total / np.maximum(weight, 1e-6)[..., None], seen.clip(0, 1))


def _shown(surface: Surface, device: str) -> Shown:
    shown = Shown()
    shown.kind = upload(surface.kind, wp.uint8, device)
    shown.agent_id = upload(surface.agent_id, wp.uint32, device)
    shown.place = upload(surface.place_m, wp.vec3, device)
    shown.along = upload(surface.along, wp.uint8, device)
    before = np.zeros((0, 0, 0, 2), np.float32) if surface.before_px is None else surface.before_px
    shown.before = upload(before, wp.vec2, device)
    return shown


def carry(picture: F32, anchor: Surface, frame: Surface, *, device: str = "cpu", threads: int | None = None) -> Carried:
    """picture: float32 [H, W, C], as painted at the anchor. frame: by `surface_pass(..., trace=True)` with agents and views
    at (anchor, frame, any)."""
    if frame.before_px is None:
        raise InputError("the frame's surface was not traced into the anchor", hint="surface_pass(..., trace=True)")
    h, w = anchor.kind.shape[:2]
    if picture.ndim != 3 or picture.shape[:2] != (h, w):
        raise InputError("the picture does not fit the anchor", expected=f"[{h}, {w}, C]", got=str(list(picture.shape)))
    load_kernels(device, kernel_carry)
    rows, columns = frame.kind.shape[:2]
    out = np.zeros((rows, columns, picture.shape[2]), np.float32)
    seen = np.zeros((rows, columns), np.float32)
    size = (2.0 ** (np.arange(256) / 8.0 - 20.0)).astype(np.float32)
    inputs = [_shown(frame, device), _shown(anchor, device), wp.vec3(*map(float, frame.origin_m - anchor.origin_m))]
    offset = upload(sample_places(frame.samples), wp.vec2i, device)
    inputs += [upload(size, wp.float32, device), offset, upload(picture.astype(np.float32), wp.float32, device)]
    moved, share = upload(out, wp.float32, device), upload(seen, wp.float32, device)
    pool = Pool(device, threads)

    def work(part: tuple[int, int]) -> None:
        wp.launch(
            carry_kernel, dim=(part[1] - part[0], columns), device=device, inputs=[*inputs, part[0], moved, share]
        )

    try:
        pool.run(work, pool.split(rows, 16))
    finally:
        pool.close()
    return Carried(out, seen) if device == "cpu" else Carried(moved.numpy(), share.numpy())

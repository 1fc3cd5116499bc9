"""Crowd and shadow into the plate, in the plate's own scene-linear space, changing nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.comp import kernel_over
from composer.comp.edges import actor_colour, background_behind
from composer.comp.kernel_over import over_kernel
from composer.comp.layer import F16, F32, Layer
from composer.comp.shade import Shade
from composer.guides.device import Pool, load_kernels, upload

HALF_MAX = 65504.0
#: Rows that are digested at once: they stay in the cache.
_DIGEST_ROWS = 32
Box = tuple[slice, slice]


@dataclass(frozen=True)
class Composite:
    """rgb: float16 [H, W, 3]. layers: bottom to top. touched: bool [H, W]. The rest is as in `Frame`."""

    rgb: F16
    layers: tuple[Layer, ...]
    touched: NDArray[np.bool_]
    untouched_sha256: str
    notes: tuple[str, ...]


def composite(
    plate: F32, crowd_rgb: F32, crowd_alpha: F32, shadow: Shade, matte: F32, clean: F32 | None
) -> Composite:  # fmt: skip
    """Plate, then shadow, then crowd.

    plate: float32 [H, W, 3], in the delivery space. crowd_rgb: float32 [H, W, 3], premultiplied, same space.
    crowd_alpha: float32 [H, W], after holdouts. matte: float32 [H, W], how much of the pixel a holdout that stands in
    front of the crowd covers. clean: float32 [H, W, 3], the plate without its actors, or None.

    Outside the pixels where crowd or shadow have alpha in half precision the result is the plate, bit for bit. The shadow's
    layer has as alpha what it takes of the channel that loses most, and gives back what the others lose less.
    """
    height, width = matte.shape
    rgb = np.empty((height, width, 3), np.float16)
    crowd, dark = (np.empty((height, width, 4), np.float16) for _ in range(2))
    touched, soft = (np.empty((height, width), bool) for _ in range(2))
    taken = np.zeros((height, width, 3), np.float16)
    clipped = np.zeros((height, 2), np.int32)
    into = [(half.view(np.uint16), wp.uint16) for half in (rgb, crowd, dark)]
    into += [(mask.view(np.uint8), wp.uint8) for mask in (touched, soft)]
    into += [(taken.view(np.uint16), wp.uint16), (clipped, wp.int32)]
    arrays: list[object] = [upload(part, wp.vec3, "cpu") for part in (plate, crowd_rgb)]
    arrays += [upload(part, wp.float32, "cpu") for part in (crowd_alpha, shadow.sun, shadow.sky)]
    arrays += [wp.vec3(*shadow.share), upload(matte, wp.float32, "cpu")]
    arrays += [upload(part, kind, "cpu") for part, kind in into]
    load_kernels("cpu", kernel_over)

    def work(rows: tuple[int, int]) -> None:
        wp.launch(over_kernel, dim=(rows[1] - rows[0], width), device="cpu", inputs=[rows[0], *arrays])

    pool = Pool("cpu", None)
    try:
        pool.run(work, pool.split(height))
    finally:
        pool.close()
    of_plate, over = (int(n) for n in clipped.sum(0))
    if soft.any():
        over += behind_edges(rgb, soft, touched, (plate, crowd_rgb, matte, crowd[..., 3], taken), clean)
    notes = [f"{of_plate} plate values beyond half float's range were clipped to {HALF_MAX:.0f}"] if of_plate else []
    if over:
        notes.append(f"{over} composite values beyond half float's range were clipped to {HALF_MAX:.0f}")
    layers = (Layer("shadow", dark), Layer("crowd", crowd))
    return Composite(rgb, layers, touched, untouched_digest(rgb, touched), tuple(notes))


def behind_edges(
    rgb: F16, soft: NDArray[np.bool_], touched: NDArray[np.bool_], parts: tuple[F32, F32, F32, F16, F16],
    clean: F32 | None,
) -> int:  # fmt: skip
    """Puts the picture behind the actors' soft edges into `rgb`; how many values were clipped. parts: as of `_edge`."""
    box, behind = _edge(soft, touched, parts, clean)
    half, more = _half(behind)
    np.copyto(rgb[box], half, where=soft[box][..., None])
    return int(more[soft[box]].sum())


def laid_over(
    plate: F32, crowd_rgb: F32, crowd_alpha: F16, taken: F16, matte: F32, clean: F32 | None
) -> F32:  # fmt: skip
    """The picture itself, float32 [H, W, 3]: as `composite`, not yet rounded to half. Outside of crowd and shadow it is
    the plate. taken: float16 [H, W, 3], what the shadow takes."""
    result = plate.copy()
    touched = (crowd_alpha > 0) | taken.any(axis=-1)
    box = _bounds(touched)
    a, s = crowd_alpha[box].astype(np.float32), taken[box].astype(np.float32)
    mixed = plate[box] * ((1.0 - a[..., None]) * (1.0 - s)) + crowd_rgb[box]
    np.copyto(result[box], mixed, where=touched[box][..., None])
    soft = touched & (matte > 0)
    if soft.any():
        box, behind = _edge(soft, touched, (plate, crowd_rgb, matte, crowd_alpha, taken), clean)
        np.copyto(result[box], behind, where=soft[box][..., None])
    return result


def _edge(
    soft: NDArray[np.bool_], touched: NDArray[np.bool_], parts: tuple[F32, F32, F32, F16, F16], clean: F32 | None
) -> tuple[Box, F32]:  # fmt: skip
    """The box around the touched pixels with a matte before them, and the picture there; parts: as of `_behind_actor`."""
    box = _bounds(soft, margin=32, within=_bounds(touched))
    own = [part[box].astype(np.float32, copy=False) for part in parts]
    return box, _behind_actor(*own, None if clean is None else clean[box])


def untouched_digest(rgb: F16, touched: NDArray[np.bool_]) -> str:
    """SHA-256 of the half-float RGB values outside `touched`, row-major, little-endian."""
    pixels = np.ascontiguousarray(rgb.astype("<f2", copy=False)).view("V6")[..., 0]
    total = hashlib.sha256()
    for y in range(0, len(pixels), _DIGEST_ROWS):
        rows, held = pixels[y : y + _DIGEST_ROWS], touched[y : y + _DIGEST_ROWS]
        kept = rows[~held] if held.any() else rows
        total.update(kept.view(np.uint8).data)
    return total.hexdigest()


def _behind_actor(plate: F32, crowd_rgb: F32, matte: F32, alpha: F32, taken: F32, clean: F32 | None) -> F32:
    """Crowd and shadow behind the actor's soft edge: his own colour stays, only the background's share is covered.

    With m the matte, F the actor's and B the background's colour, the plate is m F + (1 - m) B + e. Crowd and shadow cover the
    share w of it (by channel); e, the grain, stays as far as the background does.
    """
    back = background_behind(plate, matte, clean)
    own = actor_colour(plate, matte, back)
    m, a = matte[..., None], alpha[..., None]
    seen = np.maximum(1.0 - m, 1e-3)
    weight = np.clip(a + taken - a * taken / seen, 0.0, seen)
    rest = plate - m * own - seen * back
    return m * own + (seen - weight) * back + crowd_rgb + rest * (1.0 - weight / seen)


def _bounds(mask: NDArray[np.bool_], margin: int = 0, within: Box | None = None) -> Box:
    """The smallest box that holds every True, and `margin` pixels around it, as far as `within` (the picture) has
    them."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return slice(0, 0), slice(0, 0)
    ends = [(i.start, i.stop) for i in within] if within else [(0, n) for n in mask.shape]
    made = [
        slice(max(int(i[0]) - margin, low), min(int(i[-1]) + 1 + margin, high))
        for i, (low, high) in zip((rows, columns), ends, strict=True)
    ]
    return made[0], made[1]


def _half(values: F32) -> tuple[F16, NDArray[np.bool_]]:
    """float16 with finite overflow clipped, and where it was; NaN and Inf stay as they are."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    over = np.isinf(half) & np.isfinite(values)
    half[over] = np.sign(values[over]) * HALF_MAX
    return half, over

"""Crowd and shadow into the plate, in the plate's own scene-linear space, changing nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.comp.edges import actor_colour, background_behind
from composer.comp.layer import F16, F32, Layer

HALF_MAX = 65504.0


@dataclass(frozen=True)
class Composite:
    """rgb: float16 [H, W, 3]. layers: bottom to top. touched: bool [H, W]. The rest is as in `Frame`."""

    rgb: F16
    layers: tuple[Layer, ...]
    touched: NDArray[np.bool_]
    untouched_sha256: str
    notes: tuple[str, ...]


def composite(plate: F32, crowd_rgb: F32, crowd_alpha: F32, shadow: F32, matte: F32, clean: F32 | None) -> Composite:
    """Plate, then shadow, then crowd.

    plate: float32 [H, W, 3], in the delivery space. crowd_rgb: float32 [H, W, 3], premultiplied, same space.
    crowd_alpha, shadow: float32 [H, W], after holdouts. matte: float32 [H, W], how much of the pixel a holdout that stands in
    front of the crowd covers. clean: float32 [H, W, 3], the plate without its actors, or None.

    Outside the pixels where crowd or shadow have alpha in half precision the result is the plate, bit for bit.
    """
    alpha, dark = crowd_alpha.astype(np.float16), shadow.astype(np.float16)
    touched = (alpha > 0) | (dark > 0)
    result, clipped = _half(plate)
    notes = [f"{clipped} plate values beyond half float's range were clipped to {HALF_MAX:.0f}"] if clipped else []
    box = _bounds(touched)
    mixed, over = _half(laid_over(plate, crowd_rgb, alpha, dark, matte, clean)[box])
    if over:
        notes.append(f"{over} composite values beyond half float's range were clipped to {HALF_MAX:.0f}")
    result[box] = np.where(touched[box][..., None], mixed, result[box])
    layers = (
        Layer("shadow", _rgba(np.zeros_like(crowd_rgb), dark)),
        Layer("crowd", _rgba(np.where((alpha > 0)[..., None], crowd_rgb, 0.0), alpha)),
    )
    return Composite(result, layers, touched, untouched_digest(result, touched), tuple(notes))


def laid_over(
    plate: F32, crowd_rgb: F32, crowd_alpha: F16, shadow: F16, matte: F32, clean: F32 | None
) -> F32:  # fmt: skip
    """The picture itself, float32 [H, W, 3]: as `composite`, not yet rounded to half. Outside of crowd and shadow it is
    the plate."""
    result = plate.copy()
    box = _bounds((crowd_alpha > 0) | (shadow > 0))
    a, s = crowd_alpha[box].astype(np.float32), shadow[box].astype(np.float32)
    mixed = plate[box] * ((1.0 - a) * (1.0 - s))[..., None] + crowd_rgb[box]
    touched = (a > 0) | (s > 0)
    soft = touched & (matte[box] > 0)
    if soft.any():
        edge = _bounds(soft, margin=32)
        parts = (x[box][edge] for x in (plate, crowd_rgb, matte))
        behind = _behind_actor(*parts, a[edge], s[edge], None if clean is None else clean[box][edge])
        mixed[edge] = np.where(soft[edge][..., None], behind, mixed[edge])
    result[box] = np.where(touched[..., None], mixed, result[box])
    return result


def untouched_digest(rgb: F16, touched: NDArray[np.bool_]) -> str:
    """SHA-256 of the half-float RGB values outside `touched`, row-major, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(rgb[~touched].astype("<f2"))).hexdigest()


def _behind_actor(plate: F32, crowd_rgb: F32, matte: F32, alpha: F32, dark: F32, clean: F32 | None) -> F32:
    """Crowd and shadow behind the actor's soft edge: his own colour stays, only the background's share is covered.

    With m the matte, F the actor's and B the background's colour, the plate is m F + (1 - m) B + e. Crowd and shadow cover the
    share w of it; e, the grain, stays as far as the background does.
    """
    back = background_behind(plate, matte, clean)
    own = actor_colour(plate, matte, back)
    seen = np.maximum(1.0 - matte, 1e-3)
    weight = np.clip(alpha + dark - alpha * dark / seen, 0.0, seen)[..., None]
    m, seen = matte[..., None], seen[..., None]
    rest = plate - m * own - seen * back
    return m * own + (seen - weight) * back + crowd_rgb + rest * (1.0 - weight / seen)


def _bounds(mask: NDArray[np.bool_], margin: int = 0) -> tuple[slice, slice]:
    """The smallest box that holds every True, and `margin` pixels around it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return slice(0, 0), slice(0, 0)
    return tuple(slice(max(int(i[0]) - margin, 0), int(i[-1]) + 1 + margin) for i in (rows, columns))


def _half(values: F32) -> tuple[F16, int]:
    """float16 with finite overflow clipped and counted; NaN and Inf of the plate stay as they are."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    over = np.isinf(half) & np.isfinite(values) if np.isinf(half).any() else np.zeros(0, bool)
    if over.any():
        half[over] = np.sign(values[over]) * HALF_MAX
    return half, int(np.count_nonzero(over))


def _rgba(rgb: F32, alpha: F16) -> F16:
    half, _ = _half(rgb)
    return np.concatenate([half, alpha[..., None]], axis=-1)

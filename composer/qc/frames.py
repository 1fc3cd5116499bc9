"""One delivered frame as the measures take it: read once, its layers laid over the whole picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io.exr import ExrPart, read_exr_parts
from composer.io.window import Window

F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
#: Layers that Muster generates; the shadow only darkens the plate.
GENERATED = ("environment", "crowd", "air")
#: Weights of red, green and blue in luminance: ACEScg's, near enough for levels in any scene-linear space.
LUMINANCE = np.array([0.2722, 0.6741, 0.0537], np.float32)
#: Coverage from which on a pixel shows nothing of the plate.
SOLID = 0.99


@dataclass(frozen=True)
class Delivered:
    """parts: as stored, by name. size_px: (width, height) of the display window. head: attributes of `rgba`.
    rgb: float16 [H, W, 3], the composite. light: float32 [H, W], its luminance. generated: float32 [H, W, 4],
    premultiplied, the sum of the generated layers (they share a pixel by coverage). shadow, kept: float32
    [H, W], the shadow's alpha, and the luminance of the light that it gives back. touched: bool [H, W]. solid: bool [H, W],
    wholly generated."""

    number: int
    path: Path
    size_px: tuple[int, int]
    head: Mapping[str, object]
    parts: Mapping[str, ExrPart]
    rgb: F16
    light: F32
    generated: F32
    shadow: F32
    kept: F32
    touched: Mask
    solid: Mask

    def planes(self, part: str, channels: Sequence[str], outside: float = 0.0) -> F32 | None:
        """float32 [H, W, C] over the picture, `outside` where the part's window does not reach; None without the part or one of
        the channels."""
        return planes_of(self.parts, part, channels, self.size_px, outside)


def planes_of(
    parts: Mapping[str, ExrPart], name: str, channels: Sequence[str], size_px: tuple[int, int], outside: float = 0.0
) -> F32 | None:
    """As `Delivered.planes`."""
    part = parts.get(name)
    if part is None or any(c not in part.channels for c in channels):
        return None
    width, height = size_px
    whole = Window(0, 0, width, height)
    window = part.window or whole
    out = np.full((height, width, len(channels)), outside, np.float32)
    shared = window.intersect(whole)
    if shared is not None:
        rows, columns = shared.slices(window)
        for i, channel in enumerate(channels):
            out[(*shared.slices(whole), i)] = part.channels[channel][rows, columns]
    return out


def read_delivered(path: Path, number: int) -> Delivered:
    """Raises InputError where it is no frame of Muster's."""
    parts = {p.name: p for p in read_exr_parts(path)}
    picture = parts.get("rgba")
    if picture is None or not {"R", "G", "B"} <= set(picture.channels):
        raise InputError(
            "no composite in this file", where=Where(file=path), expected="a part `rgba`", got=", ".join(parts)[:80]
        )
    height, width = picture.channels["R"].shape
    size = (width, height)
    rgb = np.stack([picture.channels[c].astype(np.float16, copy=False) for c in "RGB"], axis=-1)
    generated = np.zeros((height, width, 4), np.float32)
    for name in GENERATED:
        layer = planes_of(parts, name, "RGBA", size)
        if layer is not None:
            generated += layer
    shade, lit = planes_of(parts, "shadow", "A", size), planes_of(parts, "shadow", "RGB", size)
    shadow, kept = (np.zeros((height, width), np.float32) for _ in range(2))
    shadow = shadow if shade is None else shade[..., 0]
    kept = kept if lit is None else luminance(lit)
    # a NaN in a layer's alpha must not make the pixel the plate's
    touched = ~((generated[..., 3] <= 0) & (shadow <= 0))
    for under in (planes_of(parts, "ground", "A", size), planes_of(parts, "repair", "A", size)):
        if under is not None:
            touched |= ~(under[..., 0] <= 0)
    solid = generated[..., 3] >= SOLID
    return Delivered(
        number, path, size, picture.attributes, parts, rgb, luminance(rgb), generated, shadow, kept, touched, solid
    )  # fmt: skip


def luminance(rgb: NDArray[np.floating]) -> F32:
    """float32 [H, W] of [H, W, 3]; what is not finite counts as 0."""
    values = np.nan_to_num(rgb.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    return values @ LUMINANCE


def eroded(mask: Mask, by: int) -> Mask:
    """The mask less `by` pixels all round."""
    import cv2

    kernel = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(bool)


def grown(mask: Mask, by: int) -> Mask:
    """The mask and `by` pixels all round."""
    import cv2

    kernel = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)

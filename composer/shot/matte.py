"""A holdout at one frame, and mattes out of files: their channel, their size, their values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io.image import read_channels
from composer.io.pixels import ImageInfo
from composer.io.sequence import FrameSequence

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class HoldoutFrame:
    """alpha: float32 [H, W], 1 hides. depth_m: planar depth from which on it hides: one number (0 hides everything),
    or float32
    [H, W] (inf hides nothing there). clean: float32 [H, W, 3] in the delivery space, the plate without it, where
    known."""

    alpha: F32
    depth_m: F32 | float = 0.0
    clean: F32 | None = None


def as_matte(values: F32, where: Where, invert: bool = False) -> F32:
    """A drawn matte's values as alpha in 0..1. Raises InputError."""
    if not np.isfinite(values).all():
        raise InputError("the matte holds values that are not finite", where=where)
    alpha = np.clip(values, 0, 1).astype(np.float32)  # filters ring a little beyond 0 and 1
    return 1 - alpha if invert else alpha


def check_size(info: ImageInfo, size_px: tuple[int, int]) -> None:
    """Raises InputError where a picture has not the plate's size."""
    if info.size_px != size_px:
        raise InputError(
            "not the plate's size",
            where=Where(file=info.path),
            expected=f"{size_px[0]} x {size_px[1]}",
            got=f"{info.size_px[0]} x {info.size_px[1]}",
        )


def read_channel(sequence: FrameSequence, frame: int, channel: str) -> F32:
    """float32 [H, W]: one channel by name; of a movie R, G, B by letter."""
    if not sequence.is_movie:
        return np.asarray(read_channels(sequence.path(frame), [channel])[channel], dtype=np.float32)
    pixels, _ = sequence.read(frame)
    return np.ascontiguousarray(pixels[..., min("RGBA".index(channel), pixels.shape[-1] - 1)])


def matte_channel(sequence: FrameSequence, asked: str, frames: tuple[int, ...]) -> tuple[str, str]:
    """The channel that is the matte, and why."""
    info = sequence.info(frames[0])
    channels = info.channels if not sequence.is_movie else ("R", "G", "B")
    if asked != "auto":
        if asked not in channels:
            raise InputError(f"no channel {asked}", where=Where(file=info.path), expected=", ".join(channels[:12]))
        return asked, "as the shot says"
    alpha = next((c for c in channels if c in ("A", "a", "alpha")), None)
    if alpha is not None:
        for frame in sorted({frames[0], frames[len(frames) // 2], frames[-1]}):
            if (read_channel(sequence, frame, alpha) < 1).any():
                return alpha, "it has an alpha"
    plain = next((c for c in ("R", "Y", "r", "red", "y") if c in channels), None)
    if plain is None and len(channels) != 1:
        raise InputError(
            "which channel is the matte?",
            where=Where(file=info.path),
            expected=f"channel: one of {', '.join(channels[:12])}",
        )
    return plain or channels[0], "its alpha is 1 everywhere" if alpha else "it has no alpha"

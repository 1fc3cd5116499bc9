"""What every reader of pictures gives: pixels as they are stored, and what the file says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io.window import Window

Image = NDArray[np.float32]
Plane = NDArray[np.float32] | NDArray[np.uint32]


@dataclass(frozen=True)
class ImageInfo:
    """What a picture says about itself.

    size_px: (width, height) of the display window. data: where pixels exist, from the display window's top left.
    channels: names, with part or layer prefix. dtype: of the stored colour channels. colorspace: the file's own hint,
    never a guess. attributes: whatever else the file carries. notes: what the reader had to decide, and odd pixel
    values met.
    """

    path: Path
    size_px: tuple[int, int]
    data: Window
    channels: tuple[str, ...]
    pixel_aspect: float = 1.0
    frame_rate: Fraction | None = None
    timecode: str | None = None
    colorspace: str | None = None
    dtype: str = "float32"
    attributes: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def no_channel(path: Path, name: str, have: Sequence[str]) -> InputError:
    """The error of asking for a channel that is not there."""
    return InputError(f"no channel {name!r}", where=Where(file=path), expected=f"one of {', '.join(have[:40])}")


def count_odd(image: Image) -> tuple[str, ...]:
    """Notes on NaN and infinite values, which pass through."""
    with np.errstate(all="ignore"):
        if np.isfinite(image.sum(dtype=np.float32)):
            return ()
    nan, inf = int(np.isnan(image).sum()), int(np.isinf(image).sum())
    return (f"{nan} NaN and {inf} infinite values pass through",) if nan or inf else ()

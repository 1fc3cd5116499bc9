"""Parts of a delivered file over the whole picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composer.comp.layer import F32
from composer.io.exr import ExrPart
from composer.io.window import Window


def over_picture(parts: Sequence[ExrPart], name: str, channels: str, shape: tuple[int, int]) -> F32:
    """A part of a file over the whole picture, float32 [H, W, C]; 0 where it is not."""
    out = np.zeros((*shape, len(channels)), np.float32)
    part = next((p for p in parts if p.name == name), None)
    if part is not None:
        cut = (part.window or Window(0, 0, shape[1], shape[0])).slices(Window(0, 0, shape[1], shape[0]))
        for i, channel in enumerate(channels):
            out[(*cut, i)] = part.channels[channel]
    return out

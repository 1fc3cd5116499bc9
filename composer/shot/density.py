"""Painted density maps: a picture's values as a region's density, 0 to 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io.image import read_channels, read_image, read_info
from composer.io.pixels import no_channel

F32 = NDArray[np.float32]

_REC709 = np.array([0.2126, 0.7152, 0.0722], np.float32)
MAX_SIDE = 16384


def read_density(path: Path, channel: str) -> tuple[F32, tuple[str, ...]]:
    """(float32 [H, W] in 0..1, notes). The picture's values as they are, no curve undone: half grey is half as dense.

    channel: `lum` (of R, G, B; a picture of one channel: that), `alpha`, or a name. Raises InputError for a picture
    that cannot be read, has no such channel, or shows nothing.
    """
    info = read_info(path)
    if max(info.size_px) > MAX_SIDE:
        raise InputError(
            "the map is too big",
            where=Where(file=path),
            expected=f"at most {MAX_SIDE} px a side",
            got=f"{info.size_px}",
        )
    names = info.channels
    if channel == "lum":
        rgb = read_image(path)[0]
        value = rgb[..., :3] @ _REC709 if rgb.shape[2] >= 3 else rgb[..., 0]
    else:
        name = next((n for n in ("A", "a", "alpha", "Alpha") if n in names), "A") if channel == "alpha" else channel
        if name not in names:
            raise no_channel(path, name, names)
        value = read_channels(path, [name])[name]
    value = np.asarray(value, np.float32)
    notes: tuple[str, ...] = ()
    odd = int((~np.isfinite(value)).sum()) + int((value < 0).sum())
    over = int((value > 1).sum())
    if odd:
        notes += (f"{path.name}: {odd} pixels are negative or not finite: nobody stands there",)
    if over:
        notes += (f"{path.name}: {over} pixels are above 1 and count as 1",)
    value = np.clip(np.nan_to_num(value, nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0)
    if not value.any():
        raise InputError("nothing is painted", where=Where(file=path), expected="some pixels above 0", got="all black")
    return np.ascontiguousarray(value), notes

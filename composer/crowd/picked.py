"""Who is at a pixel of a delivered EXR, by its Cryptomatte."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from composer.errors import InputError, Where
from composer.io.image import read_channels
from composer.shot.cryptomatte import layers_of

#: The layer that names each soldier; other Cryptomattes of a delivery name sides and kits.
LAYER = "crypto_agent"


def soldier_in_exr(path: Path, at_px: tuple[float, float]) -> str:
    """The name with the most coverage at the pixel that `at_px` lies in; empty where nobody is. Raises InputError for
    files without a Cryptomatte of soldiers, and pixels outside the picture."""
    layers = {layer.name: layer for layer in layers_of(path)}
    layer = layers.get(LAYER)
    if layer is None:
        raise InputError("no soldiers in this file", where=Where(file=path), expected=LAYER, got=", ".join(layers))
    planes = read_channels(path, [c for pair in layer.ranks for c in pair])
    height, width = planes[layer.ranks[0][0]].shape
    column, row = math.floor(at_px[0]), math.floor(at_px[1])
    if not (0 <= column < width and 0 <= row < height):
        size = f"inside {width} x {height}"
        raise InputError(
            "the pixel is outside the picture", where=Where(file=path), expected=size, got=str(list(at_px))
        )
    best, code = 0.0, 0
    for id_channel, coverage_channel in layer.ranks:
        coverage = float(planes[coverage_channel][row, column])
        if coverage > best:
            bits = np.ascontiguousarray(planes[id_channel][row : row + 1, column : column + 1], np.float32)
            best, code = coverage, int(bits.view(np.uint32)[0, 0])
    return next((name for name, value in layer.manifest.items() if value == code), "") if best > 0 else ""

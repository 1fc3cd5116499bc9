"""Several versions of a shot side by side on one sheet: the same frame of each, whole and its most different piece."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from composer.color.spaces import ColorManager
from composer.deliver.sheet import GAP, U8, Show, Tile, delivered_frames, page, write_sheet
from composer.errors import InputError
from composer.io.exr import ExrPart, read_exr_parts


def write_comparison(deliveries: Sequence[Path], path: Path, color: ColorManager, width_px: int = 1920) -> Path:
    """Write the sheet of the first frame that all of them have, as PNG. Raises InputError where they share none."""
    frames = [delivered_frames(d) for d in deliveries]
    shared = sorted(set.intersection(*(set(f) for f in frames)))
    if not shared:
        raise InputError("these versions have no frame in common", got=", ".join(d.name for d in deliveries))
    parts = [{p.name: p for p in read_exr_parts(f[shared[0]])} for f in frames]
    write_sheet(path, comparison(parts, [d.name for d in deliveries], color, width_px))
    return path


def comparison(
    versions: Sequence[dict[str, ExrPart]], names: Sequence[str], color: ColorManager, width_px: int
) -> U8:  # fmt: skip
    """uint8 [h, w, 3]: a column for each version; below its composite the piece in which the versions differ most."""
    height, width = versions[0]["rgba"].channels["R"].shape
    shows = [Show(color, v["rgba"].attributes, (width, height)) for v in versions]
    pictures = [show.planes(v["rgba"], "RGB") for show, v in zip(shows, versions, strict=True)]
    cell = (width_px - 2 * GAP - (len(names) - 1) * GAP) // len(names)
    piece = piece_that_differs(pictures)
    whole = [
        Tile(name, _model(v["rgba"]), _wide(show.colour(p, cell), cell))
        for name, v, show, p in zip(names, versions, shows, pictures, strict=True)
    ]
    where = f"x {piece[1].start}, y {piece[0].start}, {piece[1].stop - piece[1].start} px wide"
    close = [
        Tile(name, where, _wide(show.colour(np.ascontiguousarray(p[piece]), cell), cell))
        for name, show, p in zip(names, shows, pictures, strict=True)
    ]
    return page([whole, close], width_px)


def _wide(picture: U8, width: int) -> U8:
    """As wide as its column, pixels kept square-edged where it is enlarged."""
    size = width, max(1, round(picture.shape[0] * width / picture.shape[1]))
    return picture if picture.shape[1] == width else cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)


def piece_that_differs(pictures: Sequence[np.ndarray]) -> tuple[slice, slice]:
    """The quarter of the picture's width and height in which [H, W, 3] pictures differ most; the middle where none do."""
    height, width = pictures[0].shape[:2]
    h, w = max(height // 4, 1), max(width // 4, 1)
    spread = np.zeros((height, width), np.float64)
    for other in pictures[1:]:
        spread += np.minimum(np.nan_to_num(np.abs(other - pictures[0]).astype(np.float64)).sum(-1), 1.0)
    total = np.pad(spread.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[h:, w:] - total[:-h, w:] - total[h:, :-w] + total[:-h, :-w]
    if not spread.any():
        y, x = (height - h) // 2, (width - w) // 2
    else:
        y, x = np.unravel_index(int(sums.argmax()), sums.shape)
    return slice(int(y), int(y) + h), slice(int(x), int(x) + w)


def _model(part: ExrPart) -> str:
    head = part.attributes
    if "muster:bundle" not in head:
        return "guide render"
    return f"{head['muster:bundle']}, seed {head.get('muster:paint_seed', '')}, {head.get('muster:bundle_licence', '')}"

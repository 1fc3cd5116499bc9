"""A few pixels of one frame put into the delivered files of another: every other pixel of every part stays, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.io.exr import ExrPart
from composer.io.exr_deep import DeepImage
from composer.io.window import Window

Bools = NDArray[np.bool_]
Plane = NDArray[np.generic]
#: What is not 0 where nothing is, by part and channel.
EMPTY = {("depth", "Z"): np.inf}


def merge_parts(old: Sequence[ExrPart], new: Sequence[ExrPart], inside: Bools) -> list[ExrPart]:
    """The parts of a frame: `new` where `inside`, bool [H, W], else `old`. A part that only one of them has is empty in
    the other. Order, compression and attributes of their own are the new ones' where there is a new one."""
    before, after = {p.name: p for p in old}, {p.name: p for p in new}
    return [_merged(before.get(n), after.get(n), inside) for n in [*after, *(n for n in before if n not in after)]]


def _merged(old: ExrPart | None, new: ExrPart | None, inside: Bools) -> ExrPart:
    like = new or old
    assert like is not None
    height, width = inside.shape
    whole = Window(0, 0, width, height)
    windows = [p.window or whole for p in (old, new) if p is not None]
    left, top = min(w.x for w in windows), min(w.y for w in windows)
    box = Window(left, top, max(w.right for w in windows) - left, max(w.bottom for w in windows) - top)
    cut = box.slices(whole)
    channels = {}
    for name, plane in like.channels.items():
        empty = EMPTY.get((like.name, name), 0.0)
        mine, theirs = (_within(p, name, box, plane, empty) for p in (new, old))
        channels[name] = np.ascontiguousarray(np.where(inside[cut], mine, theirs))
    own = {k: v for k, v in like.attributes.items() if k.startswith(("cryptomatte/", "muster:control"))}
    return ExrPart(like.name, channels, box, like.compression, own)


def _within(part: ExrPart | None, name: str, box: Window, like: Plane, empty: float) -> Plane:
    """A channel over a box that holds its window, `empty` outside of that."""
    out = np.full((box.height, box.width), empty, like.dtype)
    if part is not None:
        h, w = part.channels[name].shape
        window = part.window or Window(0, 0, w, h)
        y, x = window.y - box.y, window.x - box.x
        out[y : y + h, x : x + w] = part.channels[name]
    return out


def merge_deep(old: DeepImage, new: DeepImage, inside: Bools) -> DeepImage:
    """The same for deep samples."""
    boxes = [old.window, new.window]
    left, top = min(w.x for w in boxes), min(w.y for w in boxes)
    box = Window(left, top, max(w.right for w in boxes) - left, max(w.bottom for w in boxes) - top)
    mine = inside[box.y : box.bottom, box.x : box.right].ravel()
    first, count = (np.zeros((2, box.height * box.width), np.int64) for _ in range(2))
    for i, image in enumerate((old, new)):
        starts, counts = (np.zeros((box.height, box.width), np.int64) for _ in range(2))
        w = image.window
        cut = slice(w.y - box.y, w.bottom - box.y), slice(w.x - box.x, w.right - box.x)
        starts[cut] = image.start[:-1].reshape(w.height, w.width)
        counts[cut] = np.diff(image.start).reshape(w.height, w.width)
        first[i], count[i] = starts.ravel(), counts.ravel()
    taken = np.where(mine, count[1], count[0])
    start = np.concatenate([[0], np.cumsum(taken)]).astype(np.int64)
    pixel = np.repeat(np.arange(len(taken)), taken)
    within = np.arange(len(pixel)) - start[pixel]
    entry = np.where(mine, first[1], first[0])[pixel] + within
    from_new = mine[pixel]
    channels = {}
    for name, values in old.channels.items():
        out = np.empty(len(pixel), values.dtype)
        out[~from_new] = values[entry[~from_new]]
        out[from_new] = new.channels[name][entry[from_new]]
        channels[name] = out
    return DeepImage(box, start, channels)

"""A few pixels of one frame in another's file: checked pixel by pixel, with other windows, and parts that one of them has not."""

from __future__ import annotations

import numpy as np

from composer.deliver.merge import merge_deep, merge_parts
from composer.io.exr import ExrPart
from composer.io.exr_deep import DeepImage
from composer.io.window import Window

H, W = 20, 30
RNG = np.random.default_rng(4)


def part(name: str, channels: str, window: Window, dtype: type = np.float16) -> ExrPart:
    shape = (window.height, window.width)
    return ExrPart(name, {c: RNG.uniform(1, 2, shape).astype(dtype) for c in channels}, window)


def whole(part: ExrPart | None, channel: str, empty: float) -> np.ndarray:
    out = np.full((H, W), empty, np.float64)
    if part is not None:
        w = part.window
        for y in range(w.height):
            for x in range(w.width):
                out[w.y + y, w.x + x] = part.channels[channel][y, x]
    return out


def test_inside_is_new_and_outside_is_old_whatever_the_windows() -> None:
    inside = RNG.uniform(size=(H, W)) < 0.3
    old = [
        part("rgba", "RGB", Window(0, 0, W, H)),
        part("normal", "XYZ", Window(4, 3, 10, 8)),
        part("depth", "Z", Window(0, 0, W, H), np.float32),
        part("albedo", "RGB", Window(2, 2, 5, 5)),
    ]
    new = [
        part("rgba", "RGB", Window(0, 0, W, H)),
        part("normal", "XYZ", Window(9, 1, 12, 15)),
        part("depth", "Z", Window(0, 0, W, H), np.float32),
        part("pose", "R", Window(20, 10, 3, 3)),
    ]
    before, after = {p.name: p for p in old}, {p.name: p for p in new}
    merged = {p.name: p for p in merge_parts(old, new, inside)}
    assert list(merged) == ["rgba", "normal", "depth", "pose", "albedo"]
    for name, got in merged.items():
        for channel, plane in got.channels.items():
            empty = np.inf if name == "depth" else 0.0
            a, b = (whole(d.get(name), channel, empty) for d in (before, after))
            assert np.array_equal(whole(got, channel, empty), np.where(inside, b, a)), (name, channel)
            assert plane.flags.c_contiguous and plane.dtype == (np.float32 if name == "depth" else np.float16)


def deep(window: Window) -> tuple[DeepImage, dict[tuple[int, int], list[tuple[float, int]]]]:
    counts = RNG.integers(0, 4, (window.height, window.width))
    total = int(counts.sum())
    z, ids = RNG.uniform(1, 9, total).astype(np.float32), RNG.integers(1, 99, total).astype(np.uint32)
    start = np.concatenate([[0], np.cumsum(counts.ravel())]).astype(np.int64)
    by_pixel = {}
    for p in range(counts.size):
        y, x = divmod(p, window.width)
        span = range(start[p], start[p + 1])
        by_pixel[(window.y + y, window.x + x)] = [(float(z[i]), int(ids[i])) for i in span]
    return DeepImage(window, start, {"Z": z, "id": ids}), by_pixel


def test_deep_samples_too() -> None:
    inside = RNG.uniform(size=(H, W)) < 0.4
    (old, a), (new, b) = deep(Window(2, 1, 9, 12)), deep(Window(5, 4, 20, 10))
    got = merge_deep(old, new, inside)
    w = got.window
    for y in range(H):
        for x in range(W):
            wanted = (b if inside[y, x] else a).get((y, x), [])
            found = []
            if w.x <= x < w.right and w.y <= y < w.bottom:
                p = (y - w.y) * w.width + x - w.x
                span = range(got.start[p], got.start[p + 1])
                found = [(float(got.channels["Z"][i]), int(got.channels["id"][i])) for i in span]
            assert found == wanted, (y, x)

"""A painter's hand for the documentation and the benchmark: the key view of the fortress painted over as a matte painter would
do it, first snow on the ridge, the wood and the roofs, in brush strokes, and lights in the windows.

python docs/overpaint.py KEY.exr PAINTED.exr
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.io.exr import ExrPart, read_header, write_exr
from composer.io.image import read_channels, read_image

F32 = NDArray[np.float32]
SNOW, SUNLIT = np.array([0.42, 0.47, 0.56], np.float32), np.array([0.95, 0.74, 0.52], np.float32)
#: In shares of the picture's height: no snow below the first, all of it above the second.
SNOW_LINE = (0.27, 0.15)
WINDOW = np.array([2.6, 1.25, 0.35], np.float32)


def strokes(rgb: F32, radius: int) -> F32:
    """Kuwahara's filter: each pixel takes the calmest of the four squares that it is a corner of (Kuwahara et al. 1976)."""
    level = rgb.mean(-1)
    size = (radius + 1, radius + 1)
    mean, power, colour = cv2.blur(level, size), cv2.blur(level * level, size), cv2.blur(rgb, size)
    spread = np.maximum(power - mean * mean, 0)
    best, out = np.full(level.shape, np.inf, np.float32), rgb.copy()
    half = radius / 2
    for dy in (-half, half):
        for dx in (-half, half):
            shift = np.float32([[1, 0, dx], [0, 1, dy]])
            calm = cv2.warpAffine(spread, shift, level.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
            there = cv2.warpAffine(colour, shift, level.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
            take = calm < best
            best[take], out[take] = calm[take], there[take]
    return out


def cloud(shape: tuple[int, int], size_px: float, seed: int) -> F32:
    """Soft noise in 0..1."""
    rng = np.random.default_rng(seed)
    total = np.zeros(shape, np.float32)
    for octave in range(4):
        small = tuple(max(2, round(n * 2**octave / size_px)) for n in shape)
        total += cv2.resize(rng.random(small, np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC) / 2**octave
    return ((total - total.min()) / np.ptp(total)).astype(np.float32)


def overpaint(rgba: F32, normal: F32, mattes: dict[str, F32]) -> F32:
    """rgba: float32 [H, W, 4], the key view's first part, premultiplied. normal: float32 [H, W, 3], camera space. Returns
    the painting, premultiplied."""
    alpha = rgba[..., 3:]
    scale = rgba.shape[0] / 1080
    rgb = np.where(alpha > 0, rgba[..., :3] / np.maximum(alpha, 1e-4), 0)
    brushed = 0.4 * rgb + 0.6 * strokes(rgb, max(2, 2 * round(1.5 * scale)))
    level = brushed.mean(-1, keepdims=True)
    land = sum((mattes[n] for n in ("ridge", "wood", "castle") if n in mattes), np.zeros(rgba.shape[:2], np.float32))
    up = cv2.blur(normal[..., 1], (3, 3)) + 0.35 * (cloud(rgba.shape[:2], 90 * scale, 3) - 0.5)
    row = np.linspace(0, 1, rgba.shape[0], dtype=np.float32)[:, None] + 0.07 * (
        cloud(rgba.shape[:2], 160 * scale, 4) - 0.5
    )
    high = np.clip((SNOW_LINE[0] - row) / (SNOW_LINE[0] - SNOW_LINE[1]), 0, 1)
    snow = np.clip((up - 0.62 + 0.32 * high) / 0.3, 0, 1) * np.clip(2 * high, 0, 1) * np.clip(land, 0, 1)
    sun = np.clip((cv2.GaussianBlur(level[..., 0], (0, 0), 2 * scale) - 0.05) / 0.16, 0, 1)[..., None]
    lit = (SNOW + sun * (SUNLIT - SNOW)) * (0.55 + 0.45 * np.clip(level / 0.12, 0, 1))  # as the render is lit there
    painted = brushed + 0.85 * snow[..., None] * (lit - brushed)
    glow = _windows(mattes.get("castle"), scale)
    painted = painted * (1 - 0.85 * glow[..., None].clip(0, 1)) + glow[..., None] * WINDOW
    return np.concatenate([painted * alpha, alpha], axis=-1).astype(np.float32)


def _windows(castle: F32 | None, scale: float) -> F32:
    """Small lights inside the castle's outline."""
    if castle is None or not (castle > 0.99).any():
        return np.zeros((1, 1), np.float32)
    inside = cv2.erode((castle > 0.99).astype(np.uint8), np.ones((round(14 * scale) | 1,) * 2, np.uint8))
    ys, xs = np.nonzero(inside)
    out = np.zeros(castle.shape, np.float32)
    for i in np.random.default_rng(9).permutation(len(ys))[:16]:
        half = max(1, round(1.0 * scale)), max(1, round(2.2 * scale))
        cv2.rectangle(
            out, (int(xs[i]) - half[0], int(ys[i]) - half[1]), (int(xs[i]) + half[0], int(ys[i]) + half[1]), 1, -1
        )
    soft = cv2.GaussianBlur(out, (0, 0), max(0.6 * scale, 0.4))
    return soft + 0.5 * cv2.GaussianBlur(out, (0, 0), 4 * scale)


def paint_over(key: Path, painted: Path) -> None:
    """Read a key view, paint, and save it as a paint program would: one part, RGBA."""
    rgba, _ = read_image(key)
    header = read_header(key)
    names = [c.name for p in header.parts if p.name == "mattes" for c in p.channels]
    planes = read_channels(key, [*(f"normal.{c}" for c in "XYZ"), *(f"mattes.{n}" for n in names)])
    normal = np.stack([planes[f"normal.{c}"] for c in "XYZ"], -1).astype(np.float32)
    picture = overpaint(rgba, normal, {n: planes[f"mattes.{n}"].astype(np.float32) for n in names})
    half = {c: np.ascontiguousarray(picture[..., i].astype(np.float16)) for i, c in enumerate("RGBA")}
    write_exr(painted, [ExrPart("", half)], (rgba.shape[1], rgba.shape[0]))


if __name__ == "__main__":
    paint_over(Path(sys.argv[1]), Path(sys.argv[2]))

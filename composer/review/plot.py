"""Small plots for the pages: axes, dots, lines and bars, drawn with PIL."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from composer.deliver.sheet import FAINT, INK, PAPER

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]
Colour = tuple[int, int, int]

RED, GREEN, BLUE, YELLOW, GREY = (232, 92, 80), (108, 196, 100), (92, 150, 240), (240, 206, 90), (96, 96, 100)
CHANNELS = (RED, GREEN, BLUE)
_FRAME = (40, 40, 44)


class Plot:
    """One pair of axes on a picture. Ranges are set once; what lies outside is not drawn."""

    def __init__(
        self,
        size_px: tuple[int, int],
        x: tuple[float, float],
        y: tuple[float, float],
        labels: tuple[str, str],
        log: str = "",
        text_px: int = 13,
    ) -> None:
        self.size_px, self.text_px, self.log = size_px, text_px, log
        self.x, self.y = _wider(x, "x" in log), _wider(y, "y" in log)
        self._paper = Image.new("RGB", size_px, PAPER)
        self._pen = ImageDraw.Draw(self._paper)
        self._font = ImageFont.load_default(text_px)
        self._box = (text_px * 5, text_px, size_px[0] - text_px, size_px[1] - text_px * 3)
        self._axes(labels)

    def picture(self) -> U8:
        return np.asarray(self._paper)

    def dots(self, x: ArrayLike, y: ArrayLike, colour: Colour, radius: float = 1.5) -> None:
        for px, py in self._at(x, y):
            self._pen.ellipse((px - radius, py - radius, px + radius, py + radius), fill=colour)

    def line(self, x: ArrayLike, y: ArrayLike, colour: Colour, width: int = 2) -> None:
        points = [(float(a), float(b)) for a, b in self._at(x, y, clip=True)]
        if len(points) > 1:
            self._pen.line(points, fill=colour, width=width, joint="curve")

    def bars(self, edges: Sequence[float] | F64, heights: Sequence[float] | F64, colour: Colour) -> None:
        base = self._box[3]
        for a, b, h in zip(edges[:-1], edges[1:], heights, strict=True):
            (x0, top), (x1, _) = self._at([a, b], [h, h], clip=True)
            if top < base:
                self._pen.rectangle((x0, top, max(x0, x1 - 1), base), fill=colour)

    def mark(self, x: float, colour: Colour, text: str = "") -> None:
        """An upright line."""
        ((px, _),) = self._at([x], [self.y[0]], clip=True)
        self._pen.line((px, self._box[1], px, self._box[3]), fill=colour, width=2)
        if text:
            right = px + self._font.getlength(text) + 6 < self._box[2]
            left = px + 5 if right else px - 5 - self._font.getlength(text)
            self._pen.text((left, self._box[1] + 2), text, fill=colour, font=self._font)

    def _at(self, x: ArrayLike, y: ArrayLike, clip: bool = False) -> F64:
        """Pixels [N, 2]; those outside are left out, or laid on the rim."""
        u, v = _share(x, self.x, "x" in self.log), _share(y, self.y, "y" in self.log)
        if clip:
            u, v = np.clip(u, 0, 1), np.clip(v, 0, 1)
        fine = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
        left, top, right, bottom = self._box
        return np.stack([left + u[fine] * (right - left), bottom - v[fine] * (bottom - top)], axis=1)

    def _axes(self, labels: tuple[str, str]) -> None:
        left, top, right, bottom = self._box
        self._pen.rectangle(self._box, fill=_FRAME)
        half = self.text_px // 2
        for value in _ticks(self.x, "x" in self.log):
            ((px, _),) = self._at([value], [self.y[0]], clip=True)
            self._pen.line((px, top, px, bottom), fill=GREY, width=1)
            text = f"{value:g}"
            self._pen.text((px - self._font.getlength(text) / 2, bottom + 3), text, fill=FAINT, font=self._font)
        for value in _ticks(self.y, "y" in self.log):
            ((_, py),) = self._at([self.x[0]], [value], clip=True)
            self._pen.line((left, py, right, py), fill=GREY, width=1)
            text = f"{value:.3g}"
            self._pen.text((left - 5 - self._font.getlength(text), py - half - 1), text, fill=FAINT, font=self._font)
        across, up = labels
        self._pen.text(
            (right - self._font.getlength(across), bottom + self.text_px + 6), across, fill=INK, font=self._font
        )
        self._pen.text((left + 6, top + 3), up, fill=INK, font=self._font)


def _wider(bounds: tuple[float, float], log: bool) -> tuple[float, float]:
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high)):
        return (1.0, 10.0) if log else (0.0, 1.0)
    if log:
        low = max(low, 1e-12)
        return low, max(high, low * 1.5)
    return low, high if high > low else low + 1.0


def _share(values: ArrayLike, bounds: tuple[float, float], log: bool) -> F64:
    v = np.asarray(values, dtype=np.float64)
    if log:
        v, (low, high) = np.log(np.maximum(v, 1e-300)), (math.log(bounds[0]), math.log(bounds[1]))
    else:
        low, high = bounds
    return np.nan_to_num((v - low) / (high - low), nan=-1.0, posinf=2.0, neginf=-1.0)


def _ticks(bounds: tuple[float, float], log: bool) -> list[float]:
    low, high = bounds
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        steps = (1,) if last - first > 3 else (1, 3)
        found = [s * 10.0**e for e in range(first, last + 1) for s in steps]
        found = [v for v in found if low <= v <= high]
        return found if len(found) > 1 else [low, high]
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 6)
    return [round(i * step, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]

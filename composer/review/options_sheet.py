"""The options side by side on one sheet, as PNG and PDF: each one's picture, and below it what it costs and what limits it."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from composer.deliver.sheet import FAINT, GAP, INK, PAPER, write_sheet
from composer.io.files import atomic_write
from composer.review import options_words as words
from composer.review.options_shown import Options, Shown

U8 = NDArray[np.uint8]
#: What does not fit is told in this colour.
WARN = (240, 160, 80)
_MARGIN = 3 * GAP


#: A sheet is at least as wide as its words need, and at most as wide as a screen.
_NARROWEST, _WIDEST = 960, 1980


def write_sheets(result: Options, pdf: bool = True) -> None:
    """`sheet.png` and `sheet.pdf`, whole or not at all. Pictures are not made larger than they are."""
    columns = _columns(len(result.shown))
    width_px = columns * (result.size_px[0] + 2 * GAP) + 2 * _MARGIN
    width_px = min(max(width_px, _NARROWEST), _WIDEST)
    sheet = sheet_of(result, width_px)
    write_sheet(result.sheet, sheet)
    if not pdf:
        return
    target = result.sheet.with_suffix(".pdf")
    with atomic_write(target) as temporary:
        # One page, as wide as A3 lies
        Image.fromarray(sheet).save(temporary, format="PDF", resolution=width_px / 16.54, quality=92)


def sheet_of(result: Options, width_px: int) -> U8:
    """uint8 [h, w, 3]: as many options beside each other as there is room for."""
    count = len(result.shown)
    columns = _columns(count)
    cell = (width_px - 2 * _MARGIN - (columns - 1) * 2 * GAP) // columns
    cells = [_cell(shown, result, cell) for shown in result.shown]
    head, foot = _head(result, width_px), _foot(result, width_px)
    rows = [cells[i : i + columns] for i in range(0, count, columns)]
    tall = [max(c.shape[0] for c in row) + 2 * GAP for row in rows]
    page = np.full((head.shape[0] + sum(tall) + foot.shape[0], width_px, 3), PAPER, np.uint8)
    page[: head.shape[0]] = head
    y = head.shape[0]
    for row, height in zip(rows, tall, strict=True):
        for i, made in enumerate(row):
            x = _MARGIN + i * (cell + 2 * GAP)
            page[y : y + made.shape[0], x : x + cell] = made
        y += height
    page[y:] = foot
    return page


def _columns(count: int) -> int:
    return 1 if count == 1 else min(4, max(2, math.ceil(math.sqrt(count))))


def _cell(shown: Shown, result: Options, width: int) -> U8:
    """One option, uint8 [h, width, 3]: its middle frame, the others as a strip below, its words."""
    frames = list(shown.pictures)
    middle = frames[len(frames) // 2]
    parts = [_fit(_read(shown.pictures[middle]), width)]
    if len(frames) > 1:
        parts.append(_strip([_read(shown.pictures[n]) for n in _some(frames)], width))
    text = max(13, width // 50)
    pen = _Lines(width, text)
    pen.add(shown.option.title if shown.soldiers == shown.option.count else _title_of(shown), INK, 1.35)
    pen.add(shown.limit, WARN if shown.short else FAINT)
    if shown.measure:
        pen.add(words.measured(shown.measure, result.size_px, result.quality.name), FAINT)
    for told in shown.forecasts:
        pen.add(words.forecast_line(told, result.rates.currency), INK)
    if not shown.forecasts:
        pen.add("the whole shot: being measured", FAINT)
    return np.concatenate([*parts, pen.picture()])


def _title_of(shown: Shown) -> str:
    return f"{shown.option.title}: {shown.soldiers:,} are there"


def _head(result: Options, width: int) -> U8:
    pen = _Lines(width, max(16, width // 90), _MARGIN)
    frames = ", ".join(map(str, result.frames[:6])) + (" ..." if len(result.frames) > 6 else "")
    pen.add(f"{result.shot.shot}  {result.shot.version}", INK, 1.7)
    what = "frame" if len(result.frames) == 1 else "frames"
    pen.add(f"options, {what} {frames}: the same framing, and whoever stands in one stands in every larger one", FAINT)
    return pen.picture()


def _foot(result: Options, width: int) -> U8:
    pen = _Lines(width, max(13, width // 130), _MARGIN)
    for line in result.assumptions:
        pen.add(line, FAINT)
    return pen.picture()


class _Lines:
    """Lines of text below each other, broken where they are too long."""

    def __init__(self, width: int, text_px: int, margin: int = 0) -> None:
        self.width, self.text_px, self.margin = width, text_px, margin
        self._lines: list[tuple[str, tuple[int, int, int], int]] = []

    def add(self, text: str, colour: tuple[int, int, int], size: float = 1.0) -> None:
        px = round(self.text_px * size)
        font, line = ImageFont.load_default(px), ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if line and font.getlength(longer) > self.width - 2 * self.margin:
                self._lines.append((line, colour, px))
                longer = word
            line = longer
        self._lines.append((line, colour, px))

    def picture(self) -> U8:
        height = GAP * 2 + sum(round(px * 1.35) for _, _, px in self._lines)
        paper = Image.new("RGB", (self.width, height), PAPER)
        pen, y = ImageDraw.Draw(paper), GAP
        for text, colour, px in self._lines:
            pen.text((self.margin, y), text, fill=colour, font=ImageFont.load_default(px))
            y += round(px * 1.35)
        return np.asarray(paper)


def _some(frames: list[int], most: int = 6) -> list[int]:
    """At most so many, evenly spread."""
    if len(frames) <= most:
        return frames
    return [frames[round(i * (len(frames) - 1) / (most - 1))] for i in range(most)]


def _strip(pictures: list[U8], width: int) -> U8:
    """Pictures beside each other, uint8 [h, width, 3], with a gap above."""
    gap = GAP // 2
    each = (width - (len(pictures) - 1) * gap) // len(pictures)
    small = [_fit(p, each) for p in pictures]
    out = np.full((small[0].shape[0] + gap, width, 3), PAPER, np.uint8)
    for i, picture in enumerate(small):
        out[gap:, i * (each + gap) : i * (each + gap) + each] = picture
    return out


def _fit(picture: U8, width: int) -> U8:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    how = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _read(path: Path) -> U8:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))

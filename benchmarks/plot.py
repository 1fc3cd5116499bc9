"""A log-log plot of cost against count, drawn by Pillow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FINE = 2
LEFT, TOP, ACROSS, DOWN, RIGHT, BELOW = 90, 30, 190, 170, 250, 60


@dataclass(frozen=True)
class Line:
    """values: one for each count; unit: the value that stands at 1 s."""

    name: str
    colour: str
    values: Sequence[float]
    unit: float = 1.0
    thick: bool = False


def plot(counts: Sequence[int], lines: Sequence[Line], decades: tuple[int, int], path: Path) -> None:
    """decades: powers of ten of the lowest and highest second on the scale."""
    low, high = decades
    width, height = LEFT + ACROSS * (len(counts) - 1) + RIGHT, TOP + DOWN * (high - low) + BELOW
    picture = Image.new("RGB", (width * FINE, height * FINE), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13 * FINE)
    bottom, last = TOP + DOWN * (high - low), LEFT + ACROSS * (len(counts) - 1)

    def draw(points: list[tuple[float, float]], colour: str, thick: int) -> None:
        pen.line([(x * FINE, y * FINE) for x, y in points], fill=colour, width=thick * FINE, joint="curve")

    def write(x: float, y: float, text: str, colour: str = "#333333", anchor: str = "lm") -> None:
        pen.text((x * FINE, y * FINE), text, fill=colour, anchor=anchor, font=font)

    def height_of(seconds: float) -> float:
        return bottom - DOWN * (float(np.log10(seconds)) - low)

    for power in range(low, high + 1):
        for step in range(1, 10 if power < high else 2):
            y = height_of(step * 10.0**power)
            draw([(LEFT, y), (last, y)], "#cccccc" if step == 1 else "#eeeeee", 1)
        write(LEFT - 10, height_of(10.0**power), f"{10.0**power:g} s", anchor="rm")
    for k, n in enumerate(counts):
        draw([(LEFT + ACROSS * k, TOP), (LEFT + ACROSS * k, bottom)], "#cccccc", 1)
        write(LEFT + ACROSS * k, bottom + 18, f"{n:,}", anchor="mm")
    write((LEFT + last) / 2, bottom + 42, "soldiers in the shot", anchor="mm")
    ends = _apart([height_of(max(line.values[-1] / line.unit, 10.0**low)) for line in lines], 17)
    for line, end in zip(lines, ends, strict=True):
        seconds = [max(v / line.unit, 10.0**low) for v in line.values]
        points = [(LEFT + ACROSS * k, height_of(s)) for k, s in enumerate(seconds)]
        draw(points, line.colour, 3 if line.thick else 1)
        r = 4 if line.thick else 2
        for x, y in points:
            pen.ellipse([(x - r) * FINE, (y - r) * FINE, (x + r) * FINE, (y + r) * FINE], fill=line.colour)
        write(last + 12, end, line.name, line.colour)
    picture.resize((width, height), Image.Resampling.LANCZOS).quantize(64).save(path, optimize=True)


def _apart(heights: list[float], least: float) -> list[float]:
    """The same heights, moved until each label has room."""
    order = np.argsort(heights)
    placed = np.array(heights, float)
    for _ in range(200):
        for a, b in itertools.pairwise(order):
            gap = placed[b] - placed[a]
            if gap < least:
                placed[a] -= (least - gap) / 2
                placed[b] += (least - gap) / 2
    return [float(v) for v in placed]

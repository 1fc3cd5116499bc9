"""Line plots as inline SVG: nothing but text, readable in light and dark, named for a screen reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from composer.qc.limits import Limit

WIDTH, HEIGHT = 560, 190
LEFT, RIGHT, TOP, BOTTOM = 64, 22, 12, 34


@dataclass(frozen=True)
class Line:
    """points: (x, y), by x. name: in the legend. dashed: told apart by more than colour."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Plot:
    """title: what it shows, in a sentence. across, up: what the axes are. limit: drawn, and points outside it are marked.
    log: both axes. whole: only whole numbers across."""

    title: str
    across: str
    up: str
    lines: Sequence[Line]
    limit: Limit | None = None
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class _Axes:
    x0: float
    x1: float
    y0: float
    y1: float
    log: bool

    def at(self, x: float, y: float) -> tuple[float, float]:
        """In the picture's units."""
        return self.across(x), self.up(y)

    def across(self, x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * _share(x, self.x0, self.x1, self.log)

    def up(self, y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(y, self.y0, self.y1, self.log)


def svg(plot: Plot, key: str) -> str:
    """key: unique on the page."""
    points = [p for line in plot.lines for p in line.points if all(map(math.isfinite, p))]
    if not points:
        return ""
    axes = _axes(points, plot)
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{key}-t">',
        f'<title id="{key}-t">{escape(plot.title)}</title>',
        *_grid(plot, axes),
        *_limits(plot, axes),
    ]
    for number, line in enumerate(plot.lines):
        parts += _line(line, number, plot, axes)
    return "".join(parts) + "</svg>"


def _axes(points: Sequence[tuple[float, float]], plot: Plot) -> _Axes:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    if plot.limit is not None:
        ys += [v for v in (plot.limit.min, plot.limit.max) if v is not None]
    if plot.log:
        xs, ys = ([v for v in some if v > 0] or [1.0] for some in (xs, ys))
        return _Axes(min(xs) / 1.1, max(xs) * 1.1, max(min(ys) / 1.3, max(ys) * 1e-4), max(ys) * 1.3, True)
    low, high = min(*ys, 0.0), max(*ys, 0.0)
    room = (high - low) * 0.08 or 1.0
    x0, x1 = min(xs), max(xs)
    return _Axes(x0 - (x0 == x1), x1 + (x0 == x1), low - (room if low < 0 else 0), high + room, False)


def _share(value: float, low: float, high: float, log: bool) -> float:
    if log:
        value, low, high = (math.log(max(v, 1e-30)) for v in (value, low, high))
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _ticks(low: float, high: float, log: bool, most: int) -> list[float]:
    if log:
        powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        ticks = [10.0**p for p in powers]
        return ticks if len(ticks) >= 2 else [low * 1.1, high / 1.1]
    rough = (high - low) / most
    step = 10.0 ** math.floor(math.log10(rough))
    step *= next(m for m in (1, 2, 5, 10) if m * step >= rough)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _grid(plot: Plot, axes: _Axes) -> list[str]:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    out = []
    for y in _ticks(axes.y0, axes.y1, axes.log, 4):
        at = axes.up(y)
        out.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y:.4g}</text>')
    across = [x for x in _ticks(axes.x0, axes.x1, axes.log, 7) if not plot.whole or abs(x - round(x)) < 1e-6]
    for x in across:
        at = axes.across(x)
        out.append(f'<path class="grid" d="M{at:.1f} {floor}v4"/>')
        out.append(f'<text x="{at:.1f}" y="{floor + 16}" text-anchor="middle">{x:.4g}</text>')
    out.append(f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{right}"/>')
    out.append(f'<text x="{right}" y="{HEIGHT - 4}" text-anchor="end" class="name">{escape(plot.across)}</text>')
    out.append(f'<text x="{LEFT}" y="{HEIGHT - 4}" class="name">{escape(plot.up)}</text>')
    return out


def _limits(plot: Plot, axes: _Axes) -> list[str]:
    out = []
    for side in ("min", "max"):
        value = getattr(plot.limit, side) if plot.limit is not None else None
        if value is not None:
            at = axes.up(value)
            out.append(f'<path class="limit" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
            above = at > TOP + 14 and (side == "max" or at > HEIGHT - BOTTOM - 14)
            lift = -4 if above else 12
            out.append(
                f'<text class="limit-name" x="{WIDTH - RIGHT - 2}" y="{at + lift:.1f}" text-anchor="end">'
                f"{side} {value:g}</text>"
            )
    return out


def _line(line: Line, number: int, plot: Plot, axes: _Axes) -> list[str]:
    good = [p for p in line.points if all(map(math.isfinite, p)) and (not plot.log or min(p) > 0)]
    if not good:
        return []
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (axes.at(*p) for p in good))
    out = [f'<path class="line l{number % 3}{" dashed" if line.dashed else ""}" d="{path}"/>']
    if len(good) <= 120:
        for x, y in good:
            px, py = axes.at(x, y)
            broken = plot.limit is not None and not plot.limit.keeps(y)
            tip = f"<title>{escape(line.name)} {x:.5g}: {y:.4g}{', outside the limit' if broken else ''}</title>"
            if broken:
                out.append(f'<path class="bad" d="M{px - 4:.1f} {py - 4:.1f}l8 8m0-8l-8 8">{tip}</path>')
            else:
                out.append(f'<circle class="dot l{number % 3}" cx="{px:.1f}" cy="{py:.1f}" r="2.6">{tip}</circle>')
    return out

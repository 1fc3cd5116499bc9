"""One picture that shows what was measured on a plate and where: samples marked on it, and each fit beside its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from composer.comp.measure.look import Measured
from composer.comp.measure.measured import Found
from composer.deliver.proxy import to_display
from composer.deliver.sheet import FAINT, GAP, INK, PAPER
from composer.review.plot import CHANNELS, GREY, YELLOW, Plot
from composer.shot.light_measure import MeasuredLight
from composer.shot.stage import Stage

U8 = NDArray[np.uint8]
Colour = tuple[int, int, int]

CYAN, ORANGE, WARN = (70, 200, 230), (245, 165, 60), (240, 160, 80)
COLUMNS = 3
_MOST_DOTS = 1500


@dataclass(frozen=True)
class _Panel:
    """A plot, or None where there is nothing to show; what it says above and below."""

    title: str
    good: bool
    words: tuple[str, ...]
    plot: U8 | None


def match_page(stage: Stage, measured: Measured, light: MeasuredLight, width_px: int = 1800) -> U8:
    """The page, uint8 [h, width_px, 3]."""
    cell = (width_px - 4 * GAP) // COLUMNS
    size = (cell, round(cell * 0.62))
    frame = measured.frames[len(measured.frames) // 2]
    plate = _marked_plate(stage, measured, frame, width_px - 2 * GAP)
    panels = [
        _grain(measured, size),
        _spectrum(measured, size),
        _edge(measured, size),
        _profile(measured, size),
        _fringe(measured, size),
        _air(measured, size),
        _vignette(measured, size),
        _light(light, size),
    ]
    if measured.grade is not None:
        panels.append(_words_only("grade", measured.grade))
    rows = [panels[i : i + COLUMNS] for i in range(0, len(panels), COLUMNS)]
    parts = [_head(stage, measured, frame, width_px), _inset(plate, width_px)]
    parts += [_row(row, cell, width_px) for row in rows]
    return np.concatenate(parts)


def _head(stage: Stage, measured: Measured, frame: int, width: int) -> U8:
    frames = ", ".join(map(str, measured.frames))
    return _text(
        [
            (f"{stage.shot.shot}  {stage.shot.version}: matched to the plate", INK, 26),
            (f"measured on frames {frames}; shown is {frame}", FAINT, 15),
            (
                "blue squares: flat patches (grain)   yellow strokes: the sharpest edges   orange strokes: other edges",
                FAINT,
                15,
            ),
        ],
        width,
    )


def _marked_plate(stage: Stage, measured: Measured, frame: int, width: int) -> U8:
    spec = stage.shot.color
    rgb = stage.plate.read(frame)
    aspect = stage.plate.pixel_aspect
    picture = to_display(
        rgb, stage.plate.delivery_colorspace, aspect, stage.color, width, spec.display, spec.view, exact=False
    )
    if picture.shape[1] < width:
        height = round(picture.shape[0] * width / picture.shape[1])
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    paper = Image.fromarray(picture)
    pen = ImageDraw.Draw(paper)
    scale = np.array([picture.shape[1] / rgb.shape[1], picture.shape[0] / rgb.shape[0]])
    grain, edge = measured.evidence.grain, measured.evidence.edge
    if grain is not None:
        side = grain.patch_px * scale
        for x, y in grain.place[grain.place[:, 0] == frame][:, 1:] * scale:
            pen.rectangle((x, y, x + side[0] - 2, y + side[1] - 2), outline=CYAN)
    if edge is not None:
        here = edge.place[:, 0] == frame
        for chosen, colour in ((False, ORANGE), (True, YELLOW)):
            which = here & (edge.chosen == chosen)
            for (x, y), n in zip(edge.place[which][:, 1:] * scale, edge.normal[which], strict=True):
                along = np.array([-n[1], n[0]]) * 7
                pen.line((x - along[0], y - along[1], x + along[0], y + along[1]), fill=colour, width=2)
    ball = stage.shot.light.ball
    if ball is not None and ball.frame == frame:
        (x, y), r = np.array(ball.centre_px) * scale, ball.radius_px * scale
        pen.ellipse((x - r[0], y - r[1], x + r[0], y + r[1]), outline=YELLOW, width=2)
    return np.asarray(paper)


def _grain(measured: Measured, size: tuple[int, int]) -> _Panel:
    title, good, words = _said("grain", measured.grain)
    samples, grain = measured.evidence.grain, measured.grain.value
    if samples is None:
        return _Panel(title, good, words, None)
    positive = samples.variance[samples.variance > 0]
    low, high = (np.percentile(positive, [1, 99.5])) if len(positive) else (1e-6, 1e-4)
    levels = np.percentile(samples.level, [0.5, 99.8])
    plot = Plot(size, (max(levels[0], 1e-3), levels[1]), (low / 2, high * 2), ("level, scene-linear", "variance"), "xy")
    step = max(1, len(samples.level) // _MOST_DOTS)
    for c in range(3):
        plot.dots(samples.level[::step, c], samples.variance[::step, c], _dim(CHANNELS[c]), 1)
    if grain is not None:
        x = np.geomspace(max(levels[0], 1e-3), levels[1], 200)
        for c in range(3):
            plot.line(x, np.maximum(np.interp(x, grain.level, grain.variance[c]), 1e-12), CHANNELS[c])
    return _Panel(title, good, words, plot.picture())


def _spectrum(measured: Measured, size: tuple[int, int]) -> _Panel:
    samples = measured.evidence.grain
    if samples is None:
        return _Panel("grain: spectrum", False, ("not measured",), None)
    top = float(max(samples.spectrum.max(), samples.modelled.max())) * 1.05
    plot = Plot(size, (0.0, 0.5), (0.0, top), ("cycles per pixel", "power (white is 1)"))
    for c in range(3):
        plot.dots(samples.frequency, samples.spectrum[c], CHANNELS[c], 3)
        plot.line(samples.frequency, samples.modelled[c], CHANNELS[c])
    r = samples.correlation
    words = (
        f"dots: the plate; lines: the kernel. Channels: RG {r[0, 1]:.2f}, GB {r[1, 2]:.2f}, RB {r[0, 2]:.2f} correlated"
    )
    return _Panel("grain: spectrum", measured.grain.value is not None, (words,), plot.picture())


def _edge(measured: Measured, size: tuple[int, int]) -> _Panel:
    title, good, words = _said("edge", measured.edge)
    samples = measured.evidence.edge
    if samples is None:
        return _Panel(title, good, words, None)
    edges = np.linspace(0, 3, 61)
    counts, _ = np.histogram(samples.sigma_px, edges)
    plot = Plot(size, (0.0, 3.0), (0.0, float(counts.max()) * 1.1), ("sigma, px", "edges"))
    plot.bars(edges, counts.astype(float), _dim(ORANGE))
    chosen = samples.sigma_px[samples.chosen]
    counts, _ = np.histogram(chosen, edges)
    plot.bars(edges, counts.astype(float), YELLOW)
    if measured.edge.value is not None:
        plot.mark(measured.edge.value.spread_px, INK, f"{measured.edge.value.spread_px:.2f} px")
    return _Panel(title, good, words, plot.picture())


def _profile(measured: Measured, size: tuple[int, int]) -> _Panel:
    samples, edge = measured.evidence.edge, measured.edge.value
    if samples is None:
        return _Panel("edge: profile", False, ("not measured",), None)
    plot = Plot(size, (-5.0, 5.0), (-0.25, 1.25), ("px across the edge", "dark 0, bright 1"))
    step = max(1, len(samples.distance) // (3 * _MOST_DOTS))
    plot.dots(samples.distance[::step], samples.profile[::step], _dim(YELLOW), 1)
    if edge is not None:
        from scipy.special import ndtr

        x = np.linspace(-5, 5, 200)
        plot.line(x, ndtr(x / edge.spread_px), INK)
    words = "dots: pixels of the sharpest edges, laid over each other; line: a Gaussian of the spread told"
    return _Panel("edge: profile", edge is not None, (words,), plot.picture())


def _fringe(measured: Measured, size: tuple[int, int]) -> _Panel:
    title, good, words = _said("fringe", measured.fringe)
    samples = measured.evidence.edge
    if samples is None:
        return _Panel(title, good, words, None)
    width, height = measured.size_px
    corner = float(np.hypot(width, height)) / 2
    radial = ((samples.place[:, 1:] - np.array([width, height]) / 2) * samples.normal).sum(axis=1) / corner
    plot = Plot(size, (-1.0, 1.0), (-1.0, 1.0), ("across the radius, 1 = corner", "px beside green"))
    for c, colour in ((0, CHANNELS[0]), (1, CHANNELS[2])):
        fine = np.isfinite(samples.shift_px[:, c])
        plot.dots(radial[fine], samples.shift_px[fine, c], _dim(colour), 1.5)
        if measured.fringe.value is not None:
            slope = ((measured.fringe.value.red, measured.fringe.value.blue)[c] - 1) * corner
            plot.line([-1, 1], [-slope, slope], colour)
    return _Panel(title, good, words, plot.picture())


def _air(measured: Measured, size: tuple[int, int]) -> _Panel:
    title, good, words = _said("air", measured.air)
    samples = measured.evidence.air
    if samples is None:
        return _Panel(title, good, words, None)
    top = float(np.percentile(samples.radiance[:, :, 1:-1], 99)) * 1.3
    reach = (float(samples.distance_m[0]), float(samples.distance_m[-1]))
    plot = Plot(size, reach, (0.0, top), ("metres", "radiance, ACEScg: 3, 50, 97 %"), "x")
    for c in range(3):
        for q in (0, 2, 4):
            plot.dots(samples.distance_m, samples.radiance[:, c, q], CHANNELS[c], 2.5)
            if measured.air.value is not None:
                plot.line(samples.distance_m, samples.modelled[:, c, q], CHANNELS[c], 1)
    return _Panel(title, good, words, plot.picture())


def _vignette(measured: Measured, size: tuple[int, int]) -> _Panel:
    title, good, words = _said("vignette", measured.vignette)
    samples = measured.evidence.vignette
    if samples is None:
        return _Panel(title, good, words, None)
    plot = Plot(size, (-1.0, 1.0), (-1.0, 1.0), ("further out by, r^2", "log of how much brighter"))
    step = max(1, len(samples.radius) // _MOST_DOTS)
    out = (samples.other_radius**2 - samples.radius**2)[::step]
    plot.dots(out, samples.log_ratio[::step], _dim(YELLOW), 1)
    plot.line([-1, 1], [0, 0], GREY)
    return _Panel(title, good, words, plot.picture())


def _light(light: MeasuredLight, size: tuple[int, int]) -> _Panel:
    good = light.sun is not None or light.sky is not None
    title = f"light: {light.how}" + (f", confidence {light.confidence:.2f}" if good else ": not measured")
    words = tuple(n.removeprefix("light: ") for n in light.notes)
    if light.stops is None:
        return _Panel(title, good, words, None)
    low, high = np.percentile(light.stops, [0.2, 99.8])
    counts, edges = np.histogram(light.stops, np.linspace(low, high, 70))
    plot = Plot(size, (float(low), float(high)), (0.0, counts.max() * 1.1), ("ground's luminance, stops", "pixels"))
    plot.bars(edges, counts.astype(float), _dim(YELLOW))
    for value, name, colour in zip(light.clusters or (), ("shade", "sun"), (CYAN, YELLOW), strict=False):
        plot.mark(value, colour, name)
    return _Panel(title, good, words, plot.picture())


def _words_only(name: str, found: Found) -> _Panel:  # type: ignore[type-arg]
    title, good, words = _said(name, found)
    return _Panel(title, good, words, None)


def _said(name: str, found: Found) -> tuple[str, bool, tuple[str, ...]]:  # type: ignore[type-arg]
    good = found.value is not None
    title = f"{name}: confidence {found.confidence:.2f}" if good else f"{name}: left as it is"
    return title, good, tuple(n.removeprefix(f"{name}: ") for n in found.notes)


def _row(panels: Sequence[_Panel], cell: int, width: int) -> U8:
    made = [_panel(p, cell) for p in panels]
    page = np.full((max(m.shape[0] for m in made) + GAP, width, 3), PAPER, np.uint8)
    for i, picture in enumerate(made):
        x = GAP + i * (cell + GAP)
        page[: picture.shape[0], x : x + cell] = picture
    return page


def _panel(panel: _Panel, cell: int) -> U8:
    lines = [(panel.title, INK if panel.good else WARN, 19), *((w, FAINT, 14) for w in panel.words)]
    words = _text(lines, cell, 0)
    return words if panel.plot is None else np.concatenate([words, panel.plot])


def _text(lines: Sequence[tuple[str, Colour, int]], width: int, margin: int = GAP) -> U8:
    """Lines below each other, broken where they are too long."""
    broken: list[tuple[str, Colour, int]] = []
    for text, colour, px in lines:
        font, line = ImageFont.load_default(px), ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if line and font.getlength(longer) > width - 2 * margin:
                broken.append((line, colour, px))
                longer = word
            line = longer
        broken.append((line, colour, px))
    paper = Image.new("RGB", (width, GAP + sum(round(px * 1.35) for _, _, px in broken)), PAPER)
    pen, y = ImageDraw.Draw(paper), GAP // 2
    for text, colour, px in broken:
        pen.text((margin, y), text, fill=colour, font=ImageFont.load_default(px))
        y += round(px * 1.35)
    return np.asarray(paper)


def _inset(picture: U8, width: int) -> U8:
    page = np.full((picture.shape[0] + GAP, width, 3), PAPER, np.uint8)
    page[: picture.shape[0], GAP : GAP + picture.shape[1]] = picture
    return page


def _dim(colour: Colour) -> Colour:
    return tuple((3 * c + 2 * p) // 5 for c, p in zip(colour, PAPER, strict=True))  # type: ignore[return-value]

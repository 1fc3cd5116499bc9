"""Lateral chromatic aberration: red and blue pictures a little larger or smaller than the green one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.comp.measure.measured import EdgeSamples, Found, nothing
from composer.comp.plate_look import Fringe

F64 = NDArray[np.float64]

LEAST = 60
#: A fringe is told from so many pixels at the corner on, where it is so many times its own error.
SEEN_PX, SIGMAS = 0.2, 4.0
#: A quarter of the edges must lie further out than this part of the way to the corner, across the radius.
REACH = 0.2
_SECTORS = 8
#: Edges whose place across the radius is within this of each other may be one long line; fewer than these say nothing.
_ALIKE, _FEW = 0.08, 3


def measure_fringe(edges: EdgeSamples | None, size_px: tuple[int, int], locked: bool = False) -> Found[Fringe]:
    """Radial scale of red and blue about the picture's middle, from where they lie on edges that run round it. locked:
    the same edges are in every frame, so only the first frame's count."""
    if edges is None:
        return nothing("fringe: no edges to see it on")
    corner = float(np.hypot(*size_px)) / 2
    place = edges.place[:, 1:] - np.array(size_px) / 2
    radial = (place * edges.normal).sum(axis=1) / corner
    terms = np.column_stack([radial, edges.normal])
    once = edges.place[:, 0] == edges.place[0, 0] if locked else np.ones(len(radial), dtype=bool)
    scales, errors, counts = [], [], []
    for c in range(2):
        fine = np.isfinite(edges.shift_px[:, c]) & once
        if fine.sum() < LEAST or np.percentile(np.abs(radial[fine]), 75) < REACH:
            why = f"fringe: {int(fine.sum())} edges show all channels; {LEAST} that cross the radius are needed"
            return nothing(why, int(fine.sum()))
        corner_px, error = _slope_and_error(terms[fine], edges.shift_px[fine, c], place[fine])
        scales.append(corner_px)
        errors.append(error)
        counts.append(int(fine.sum()))
    told = "fringe: at the corner red lies {:+.2f} px and blue {:+.2f} px outside green (+- {:.2f})".format(
        *scales, max(errors)
    )
    seen = [abs(s) > max(SEEN_PX, SIGMAS * e) for s, e in zip(scales, errors, strict=True)]
    if not any(seen):
        return nothing(f"{told}: none to be seen", min(counts))
    red, blue = (1 + s / corner if ok else 1.0 for s, ok in zip(scales, seen, strict=True))
    sure = max(abs(s) / e for s, e in zip(scales, errors, strict=True))
    return Found(Fringe(red, blue), float(np.clip(sure / 12, 0.3, 1)), min(counts), max(errors), (told,))


def _slope_and_error(terms: F64, shift: F64, place: F64) -> tuple[float, float]:
    """Slope of shift against radius. Its error is found by leaving out, one at a time, an eighth of the circle, and edges that
    lie alike (one long line has them all): one coloured thing must not make a fringe."""
    slope, error = _slope(terms, shift)
    sector = np.floor((np.arctan2(place[:, 1], place[:, 0]) / (2 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    alike = np.floor(terms[:, 0] / _ALIKE).astype(int)
    for group in (sector, alike):
        names, counts = np.unique(group, return_counts=True)
        names = names[counts >= _FEW]
        if len(names) < 3:
            return slope, np.inf
        others = np.array([_slope(terms[group != s], shift[group != s])[0] for s in names])
        # The furthest step tells more than the scatter where one group has most of the edges
        n = len(names)
        error = max(error, float(np.sqrt((n - 1) / n * ((others - others.mean()) ** 2).sum())))
        error = max(error, float(np.abs(others - slope).max()) / 2)
    return slope, error


def _slope(terms: F64, shift: F64) -> tuple[float, float]:
    """Robust least squares (Tukey's biweight) of shift by terms [N, 3]: radius, and a shift of the whole channel along x
    and y, as a codec that stores colour more coarsely leaves it. The first one's factor and its error."""
    found, scale, weight = np.zeros(3), 1.0, np.ones(len(shift))
    for _ in range(20):
        normal = (terms * weight[:, None]).T @ terms + 1e-9 * np.eye(3)
        found = np.linalg.solve(normal, (terms * weight[:, None]).T @ shift)
        rest = shift - terms @ found
        scale = max(1.4826 * float(np.median(np.abs(rest))), 1e-4)
        weight = np.clip(1 - (rest / (4.7 * scale)) ** 2, 0, None) ** 2
    return float(found[0]), scale * float(
        np.sqrt(np.linalg.inv((terms * weight[:, None]).T @ terms + 1e-9 * np.eye(3))[0, 0])
    )

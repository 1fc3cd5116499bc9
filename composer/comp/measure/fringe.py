"""Lateral chromatic aberration: red and blue pictures a little larger or smaller than the green one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.comp.measure.measured import EdgeSamples, Found, nothing
from composer.comp.plate_look import Fringe

F64 = NDArray[np.float64]

LEAST = 60
#: A fringe is told from so many pixels at the corner on, where it is so many times its own error.
SEEN_PX, SIGMAS = 0.1, 4.0


def measure_fringe(edges: EdgeSamples | None, size_px: tuple[int, int]) -> Found[Fringe]:
    """Radial scale of red and blue about the picture's middle, from where they lie on edges that run round it."""
    if edges is None:
        return nothing("fringe: no edges to see it on")
    corner = float(np.hypot(*size_px)) / 2
    radial = ((edges.place[:, 1:] - np.array(size_px) / 2) * edges.normal).sum(axis=1) / corner
    scales, errors, counts = [], [], []
    for c in range(2):
        fine = np.isfinite(edges.shift_px[:, c])
        if fine.sum() < LEAST or np.percentile(np.abs(radial[fine]), 75) < 0.2:
            why = f"fringe: {int(fine.sum())} edges show all channels; {LEAST} that cross the radius are needed"
            return nothing(why, int(fine.sum()))
        corner_px, error = _slope(radial[fine], edges.shift_px[fine, c])
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


def _slope(radial: F64, shift: F64) -> tuple[float, float]:
    """Robust slope of shift against radius (Tukey's biweight) through 0, and its error."""
    slope, weight = 0.0, np.ones(len(radial))
    for _ in range(30):
        slope = float((weight * radial * shift).sum() / (weight * radial**2).sum())
        rest = shift - slope * radial
        scale = max(1.4826 * float(np.median(np.abs(rest))), 1e-4)
        weight = np.clip(1 - (rest / (4.7 * scale)) ** 2, 0, None) ** 2
    used = (weight * radial**2).sum()
    return slope, float(scale / np.sqrt(max(used, 1e-12)))

"""The plate's own sharpness: how wide its sharpest edges are, and where red and blue lie beside green on them.

Straight isolated edges are looked for and each is fitted as a blurred step across its pixels, at whatever angle it runs (the
slanted edge of ISO 12233, many small ones in place of one chart). Defocus, motion and soft things only ever widen an edge, so
the lens and the medium are read from the sharp end of the distribution.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from composer.comp.measure.measured import EdgeSamples, Found, nothing
from composer.comp.measure.sights import Sight, Sights, clipped
from composer.comp.measure.step_fit import HALF, SIDE, Steps, fit_steps, offsets
from composer.comp.plate_look import Edge

F64 = NDArray[np.float64]

#: One edge at most is taken from each square of so many pixels, and so many from a frame.
CELL, MOST = 16, 800
#: A patch is an edge where its gradients agree in direction this well, and the fit leaves no more than LEFT of the rise.
COHERENT, LEFT = 0.85, 0.09
#: Of those, the clear ones count: no zone beside the edge is further off the fit than this part of the rise (or the ENOUGH
#: best in that). Beside other things a step looks sharper than it is.
CLEAR, ENOUGH = 0.04, 40
_ZONES_PX = (1.8, 3.0, 4.5, 6.5)
#: The plate's spread: this percentile of the clear edges.
SHARP = 15.0
LEAST = 25


def measure_edges(sights: Sights) -> tuple[Found[Edge], EdgeSamples | None]:
    """The plate's edge spread, as a Gaussian's sigma, and the edges it was found on."""
    parts = [p for p in (_edges_of(s) for s in sights.frames) if p is not None]
    count = sum(len(p.sigma_px) for p in parts)
    if count < LEAST:
        return nothing(f"edge: only {count} straight, isolated edges: at least {LEAST} are needed", count), None
    place, sigma = np.concatenate([p.place for p in parts]), np.concatenate([p.sigma_px for p in parts])
    left = np.concatenate([p.left for p in parts])
    clear = left <= max(CLEAR, float(np.sort(left)[min(ENOUGH, count) - 1]))
    sharp = float(np.percentile(sigma[clear], SHARP))
    chosen = clear & (np.abs(sigma / sharp - 1) < 0.15)
    distance = np.concatenate([p.distance for p in parts])
    profile = np.concatenate([p.profile for p in parts])
    keep = np.repeat(chosen, SIDE * SIDE)
    evidence = EdgeSamples(
        place,
        sigma,
        np.concatenate([p.normal for p in parts]),
        np.concatenate([p.shift_px for p in parts]),
        left,
        chosen,
        distance[keep],
        profile[keep],
    )
    # The percentile's own error, from the order statistics of the sample
    step = 100 * _rank_error(int(clear.sum()))
    below, above = np.percentile(sigma[clear], [max(SHARP - step, 1), SHARP + step])
    error = float(above - below) / 2
    confidence = min(1.0, count / 120) * float(np.clip(1.2 - 3 * error / sharp, 0, 1))
    told = (
        f"edge: sigma {sharp:.2f} px (+- {error:.2f}), the sharpest of {clear.sum()} clear edges; "
        f"their median is {np.median(sigma[clear]):.2f}"
    )
    return Found(Edge(sharp, 0.0, 0.0), confidence, count, error, (told,)), evidence


def _rank_error(count: int) -> float:
    share = SHARP / 100
    return float(np.sqrt(share * (1 - share) / count))


def _edges_of(sight: Sight) -> EdgeSamples | None:
    """All good edges of one frame; `chosen` is all of them."""
    rgb = sight.rgb.astype(np.float64)
    at, angle = _candidates(sight)
    if not len(at):
        return None
    # Pixels of each patch, [N, P, 3]
    dy, dx = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
    patches = rgb[at[:, 1, None] + dy.ravel(), at[:, 0, None] + dx.ravel()]
    green = fit_steps(patches[..., 1], angle)
    good = _good(green) & (green.rise > 0)
    at, patches, green = at[good], patches[good], _some(green, good)
    if not len(at):
        return None
    shifts = []
    for c in (0, 2):
        fit = fit_steps(patches[..., c], green.angle_rad, turn=False, start=green)
        fine = _good(fit) & (fit.rise > 0.2 * green.rise)
        shifts.append(np.where(fine, fit.offset_px - green.offset_px, np.nan))
    normal = np.stack([np.cos(green.angle_rad), np.sin(green.angle_rad)], axis=1)
    x, y, _ = offsets()
    along = normal[:, :1] * x + normal[:, 1:] * y - green.offset_px[:, None]
    profile = (patches[..., 1] - green.low[:, None]) / green.rise[:, None]
    off = _off_the_fit(profile, along, green.sigma_px)
    middle = at + 0.5 + normal * green.offset_px[:, None]
    place = np.column_stack([np.full(len(at), sight.number), middle])
    return EdgeSamples(
        place, green.sigma_px, normal, np.stack(shifts, axis=1), off,
        np.ones(len(at), dtype=bool), along.ravel(), profile.ravel(),
    )  # fmt: skip


def _off_the_fit(profile: F64, along: F64, sigma_px: F64) -> F64:
    """How far the worst zone beside each edge [N] is off the fit, in parts of the rise: other edges near it, halos."""
    rest = profile - ndtr(along / sigma_px[:, None])
    worst = np.zeros(len(profile))
    for near, far in pairwise(_ZONES_PX):
        for side in (-1, 1):
            zone = (side * along >= near) & (side * along < far)
            worst = np.maximum(worst, np.abs((rest * zone).sum(axis=1)) / np.maximum(zone.sum(axis=1), 1))
    return worst


def _good(fit: Steps) -> NDArray[np.bool_]:
    return (fit.residual < LEFT) & (np.abs(fit.offset_px) < 2.0) & (fit.sigma_px > 0.2) & (fit.sigma_px < HALF / 2)


def _some(fit: Steps, index: NDArray[np.bool_]) -> Steps:
    return Steps(
        fit.low[index], fit.rise[index], fit.offset_px[index], fit.sigma_px[index], fit.angle_rad[index],
        fit.residual[index],
    )  # fmt: skip


def _candidates(sight: Sight) -> tuple[NDArray[np.int64], F64]:
    """x, y [N, 2] of the strongest straight edges, at most one a cell, and the angle [N] of their normals."""
    green = np.ascontiguousarray(sight.rgb[..., 1], dtype=np.float32)
    soft = cv2.GaussianBlur(green, (0, 0), 1.0)
    gx, gy = cv2.Sobel(soft, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(soft, cv2.CV_32F, 0, 1) / 8
    size = (0, 0)
    xx, yy, xy = (cv2.GaussianBlur(a, size, HALF / 2.5) for a in (gx * gx, gy * gy, gx * gy))
    coherence = np.hypot(xx - yy, 2 * xy) / (xx + yy + 1e-12)
    # Relative to the light around: a dark edge in the shade counts as much as one against the sky
    around = cv2.blur(np.maximum(green, 0), (SIDE, SIDE)) + 0.02
    strength = np.hypot(gx, gy) / around
    ended = cv2.dilate(clipped(sight.rgb).astype(np.uint8), np.ones((SIDE, SIDE), np.uint8)) > 0
    strength[(coherence < COHERENT) | ended] = 0
    margin = HALF + 1
    inner = strength[margin:-margin, margin:-margin]
    rows, columns = inner.shape[0] // CELL, inner.shape[1] // CELL
    cells = inner[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL).swapaxes(1, 2)
    cells = cells.reshape(rows * columns, -1)
    best, top = cells.argmax(axis=1), cells.max(axis=1)
    order = np.argsort(-top)[:MOST]
    order = order[top[order] > 0.02]
    cell_y, cell_x = np.divmod(order, columns)
    in_y, in_x = np.divmod(best[order], CELL)
    x, y = cell_x * CELL + in_x + margin, cell_y * CELL + in_y + margin
    return np.stack([x, y], axis=1).astype(np.int64), np.arctan2(gy[y, x], gx[y, x]).astype(np.float64)

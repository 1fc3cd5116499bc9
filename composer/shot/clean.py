"""Clean plates of locked-off shots: the place without those who move in it, made from the plate (or from a longer
clip).

A temporal median does it where everybody moves on. Where somebody stays in place the median shows him, so the
contested part
of the picture (where samples disagree, holes filled) is first cut out of each sample by GrabCut, with the rest of the
picture as sure background, and the median is taken over what is left. Pixels that are never seen free are inpainted and
marked: whatever stands there is in front in every frame anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MAX_SAMPLES = 31
MAX_SAMPLE_BYTES = 700 * 1024 * 1024
#: Samples that differ by more than this (in `encode`d values) disagree.
DISAGREE = 0.1
CUT_SIDE_PX = 400
#: A pixel is known where at least this share of the samples is free, and most of those agree.
ENOUGH = 0.12
GAMMA = 2.2


@dataclass(frozen=True)
class CleanPlate:
    """rgb: float32 [H, W, 3], same space as the samples. known: bool [H, W], False where it is inpainted. noise:
    float32 [H, W], how much the place itself flickers (grain, leaves), standard deviation of `encode`d values."""

    rgb: F32
    known: Mask
    noise: F32
    notes: tuple[str, ...] = ()


def encode(linear: F32) -> F32:
    """Linear light to values in which noise is about even, and back by `decode`. Keeps the sign; nothing is clipped."""
    return (np.sign(linear) * np.abs(linear) ** np.float32(1 / GAMMA)).astype(np.float32)


def decode(encoded: F32) -> F32:
    return (np.sign(encoded) * np.abs(encoded) ** np.float32(GAMMA)).astype(np.float32)


def sampled(frames: tuple[int, ...], size_px: tuple[int, int]) -> tuple[int, ...]:
    """The frames to make a clean plate of: evenly spread, no more than fit in memory."""
    most = int(MAX_SAMPLE_BYTES // (size_px[0] * size_px[1] * 6))
    count = min(len(frames), max(7, min(MAX_SAMPLES, most)))
    picks = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return tuple(frames[i] for i in dict.fromkeys(picks.tolist()))


def build_clean(read: Callable[[int], F32], frames: tuple[int, ...], name: str) -> CleanPlate:
    """read: a frame's float32 [H, W, 3], linear light. frames: what to sample, from `sampled`. Deterministic."""
    stack = np.stack([encode(read(f)).astype(np.float16) for f in frames])
    median, spread = _median_and_spread(stack)
    contested = _contested(spread)
    notes = [f"clean plate: {name}, median of {len(frames)} frames"]
    masks = np.zeros(stack.shape[:3], dtype=bool)
    if contested.any():
        for index in range(len(stack)):
            masks[index] = _cut(stack[index], contested)
        notes[0] += f"; {100 * contested.mean():.1f} % of the picture was contested and cut out of each before"
        first, _, known = _masked_median(stack, masks, median, contested)
        for index in range(len(stack)):
            masks[index] = _cut(stack[index], contested, first, known)
    median, noise, known = _masked_median(stack, masks, median, contested)
    if not known.all():
        notes.append(f"clean plate: {100 * (~known).mean():.2f} % of the picture is never seen free and was inpainted")
        median = _inpaint(median, ~known)
    return CleanPlate(decode(median), known, noise, tuple(notes))


def _median_and_spread(stack: NDArray[np.float16]) -> tuple[F32, F32]:
    """Median [H, W, 3] and largest 5-95 % spread [H, W], in bands of rows to keep memory low."""
    median = np.empty(stack.shape[1:], dtype=np.float32)
    spread = np.empty(stack.shape[1:3], dtype=np.float32)
    low, high = round(0.05 * (len(stack) - 1)), round(0.95 * (len(stack) - 1))
    for row in range(0, stack.shape[1], 64):
        band = np.sort(stack[:, row : row + 64], axis=0).astype(np.float32)
        median[row : row + 64] = (band[(len(stack) - 1) // 2] + band[len(stack) // 2]) / 2
        spread[row : row + 64] = (band[high] - band[low]).max(axis=-1)
    return median, spread


def _contested(spread: F32) -> Mask:
    """Where somebody is or passes: large areas of disagreement, closed and with holes filled, on a small picture."""
    h, w = spread.shape
    scale = min(1.0, CUT_SIDE_PX / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = cv2.resize(spread, size, interpolation=cv2.INTER_AREA)
    mask = (small > 2 * DISAGREE).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(3))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disc(2 * round(max(size) / 50) + 1))
    mask = keep_large(mask, size[0] * size[1] // 500)
    mask = cv2.dilate(fill_holes(mask), _disc(9))
    return cv2.resize(mask, (w, h), interpolation=cv2.INTER_NEAREST).astype(bool)


def _cut(sample: NDArray[np.float16], contested: Mask, first: F32 | None = None, known: Mask | None = None) -> Mask:
    """Who stands in the contested part of one sample: bool [H, W], a little too much rather than too little. With a
    first clean plate and where it is known, what plainly differs from it or equals it is settled beforehand."""
    labels = np.where(contested, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    picture = sample.astype(np.float32)
    if first is not None and known is not None:
        away = cv2.blur(np.abs(picture - first).max(axis=-1), (5, 5))
        labels[contested & known] = cv2.GC_PR_BGD
        labels[contested & known & (away < 0.4 * DISAGREE)] = cv2.GC_BGD
        labels[contested & known & (away > 2.0 * DISAGREE)] = cv2.GC_FGD
    return cv2.dilate(grab(picture, labels, CUT_SIDE_PX), _disc(9)).astype(bool)


def grab(encoded: F32, labels: U8, side_px: int) -> U8:
    """GrabCut on a picture made small (longer side `side_px`), within a margin of what is not sure background. Returns
    foreground 0/1 [H, W]. labels: cv2.GC_* [H, W]. Deterministic."""
    h, w = labels.shape
    scale = min(1.0, side_px / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = cv2.resize(np.clip(encoded, 0, 1) * 255, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    marks = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    x, y, bw, bh = cv2.boundingRect((marks != cv2.GC_BGD).astype(np.uint8))
    cut = np.zeros(marks.shape, dtype=np.uint8)
    if bw and bh:
        margin = max(bw, bh) // 4
        box = np.s_[max(0, y - margin) : y + bh + margin, max(0, x - margin) : x + bw + margin]
        inside = np.ascontiguousarray(marks[box])
        front = (inside == cv2.GC_FGD) | (inside == cv2.GC_PR_FGD)
        if front.any() and not front.all():
            cv2.setRNGSeed(1)
            model = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(np.ascontiguousarray(small[box]), inside, None, *model, 4, cv2.GC_INIT_WITH_MASK)
            front = (inside == cv2.GC_FGD) | (inside == cv2.GC_PR_FGD)
        cut[box] = front
    if scale == 1.0:
        return cut
    smooth = cv2.resize(cut.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    return (smooth > 0.5).astype(np.uint8)


def _masked_median(stack: NDArray[np.float16], masks: Mask, median: F32, contested: Mask) -> tuple[F32, F32, Mask]:
    """Median over the samples that are not masked, their noise, and where there are enough of them."""
    out, known = median.copy(), np.ones(contested.shape, dtype=bool)
    noise = np.empty(contested.shape, dtype=np.float32)
    enough = max(2, round(ENOUGH * len(stack)))
    for row in range(0, stack.shape[1], 64):
        rows = np.s_[row : row + 64]
        free = (~masks[:, rows]).sum(axis=0)
        band = stack[:, rows].astype(np.float32)
        if contested[rows].any():
            band[masks[:, rows]] = np.inf  # sorts to the end
            band = np.sort(band, axis=0)
            count = np.maximum(free, 1)[None, ..., None]
            low = np.take_along_axis(band, (count - 1) // 2, axis=0)[0]
            high = np.take_along_axis(band, np.minimum(count // 2, len(stack) - 1), axis=0)[0]
            middle = np.where(np.isfinite(high), (low + high) / 2, 0)
            agree = (np.abs(band - middle).max(axis=-1) < DISAGREE).sum(axis=0) >= 0.6 * free
            known[rows] = (free >= enough) & (agree | ~contested[rows])
            use = known[rows] & contested[rows]
            out[rows][use] = middle[use]
        away = np.abs(band - out[rows][None]).max(axis=-1)
        away[~np.isfinite(away)] = np.inf
        away = np.sort(away, axis=0)
        noise[rows] = (
            1.4826 * np.take_along_axis(away, np.maximum(free // 2, 0)[None].clip(max=len(stack) - 1), axis=0)[0]
        )
    noise[~np.isfinite(noise)] = 0
    return out, np.where(known, noise, 0).astype(np.float32), known


def _inpaint(encoded: F32, holes: Mask) -> F32:
    """Telea's inpainting on eight bits, put back only in the holes."""
    top = max(float(np.percentile(encoded, 99.9)), 1e-6)
    eight = (np.clip(encoded / top, 0, 1) * 255).round().astype(np.uint8)
    filled = cv2.inpaint(eight, holes.astype(np.uint8), 5, cv2.INPAINT_TELEA).astype(np.float32) / 255 * top
    out = encoded.copy()
    out[holes] = filled[holes]
    return out


def fill_holes(mask: U8) -> U8:
    """0/1 [H, W] with what it encloses set as well."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    flood = padded.copy()
    cv2.floodFill(flood, np.zeros((flood.shape[0] + 2, flood.shape[1] + 2), np.uint8), (0, 0), 1)
    return (padded | (1 - flood))[1:-1, 1:-1].astype(np.uint8)


def keep_large(mask: U8, least_px: int) -> U8:
    """0/1 [H, W] without components smaller than `least_px`."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= max(least_px, 1)
    keep[0] = False
    return keep[labels].astype(np.uint8) if count > 1 else mask


def _disc(size: int) -> U8:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))

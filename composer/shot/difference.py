"""A matte of whatever differs from the clean plate, for locked-off shots.

1. Score: how far the frame is from the clean plate in `encode`d values, over a limit that grows with how much the place
   flickers by itself (leaves, grain). A mere darkening or lightening that keeps colour and ratio over a neighbourhood
   (a shadow)
   counts less. Scores near the limit are averaged with the frames beside it, so that the decision does not flicker.
2. Shape: what is well over the limit, with what touches it (hysteresis); from there GrabCut decides where front and
   clean plate are too alike (dark hair before a dark tree); holes filled, specks dropped.
3. Edge: in a band round the shape's border the share of foreground is solved from frame = a * front + (1 - a) * clean
   in
   linear light, front being the colour next to it inside; where front and clean are too alike, a guided filter of the
   shape decides. So hair, motion blur and half-covered pixels keep their softness.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.shot.clean import CleanPlate, encode, fill_holes, grab, keep_large

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Shadows: between this ratio and 1 of the clean plate's light, with its colour.
SHADOW = 0.55
#: Colours of front and clean plate that differ by less than this (encoded) do not decide an edge.
ALIKE = 0.12
#: What is darker than this (encoded) may be front even where it equals the clean plate.
DARK = 0.2
CACHE = 8
#: What differs by this much on average counts as front, close to what plainly does.
FAINT = 0.9
#: GrabCut works on a picture this long.
CUT_SIDE_PX = 800


@dataclass
class DifferenceMatte:
    """read: a frame's float32 [H, W, 3] in the clean plate's space. frames: those that can be read. threshold:
    encoded values.

    `alpha(frame)` depends on nothing but the frame and those beside it."""

    clean: CleanPlate
    read: Callable[[int], F32]
    frames: tuple[int, ...]
    threshold: float
    soften_px: float
    _scores: OrderedDict[int, F32] = field(default_factory=OrderedDict)
    _shapes: OrderedDict[int, NDArray[np.uint8]] = field(default_factory=OrderedDict)

    def alpha(self, frame: int) -> F32:
        """float32 [H, W], 1 where the foreground hides."""
        score = self._steady_score(frame)
        unit = max(1.0, max(score.shape) / 1280)
        rgb = self.read(frame)
        shape = self._steady_shape(frame, score)
        alpha = self._edge(rgb, shape, score, unit)
        if self.soften_px > 0:
            alpha = cv2.GaussianBlur(alpha, (0, 0), self.soften_px / 2)
        return np.clip(alpha, 0, 1).astype(np.float32)

    def _steady_shape(self, frame: int, score: F32) -> NDArray[np.uint8]:
        """The frame's shape; where it is dark and the difference small, what most of the frames around it say."""
        around = [self._shape_of(f) for f in range(frame - 2, frame + 3) if f in self.frames]
        most = np.sum(around, axis=0) * 2 > len(around)
        unsure = (score < 2) & self.clean.known & is_dark(encode(self.read(frame)))
        return np.where(unsure, most, self._shape_of(frame)).astype(np.uint8)

    def _shape_of(self, frame: int) -> NDArray[np.uint8]:
        if frame not in self._shapes:
            score = self._steady_score(frame)
            unit = max(1.0, max(score.shape) / 1280)
            self._shapes[frame] = _shape(score, encode(self.read(frame)), self.clean.known, unit)
            while len(self._shapes) > CACHE:
                self._shapes.popitem(last=False)
        self._shapes.move_to_end(frame)
        return self._shapes[frame]

    def _steady_score(self, frame: int) -> F32:
        score = self._score(frame)
        beside = [self._score(f) for f in (frame - 1, frame + 1) if f in self.frames]
        if not beside:
            return score
        mean = (score + sum(beside)) / (1 + len(beside))
        return np.where(np.abs(score - 1) < 0.4, mean, score).astype(np.float32)

    def _score(self, frame: int) -> F32:
        if frame not in self._scores:
            self._scores[frame] = _score(self.read(frame), self.clean, self.threshold)
            while len(self._scores) > CACHE:
                self._scores.popitem(last=False)
        self._scores.move_to_end(frame)
        return self._scores[frame]

    def _edge(self, rgb: F32, shape: NDArray[np.uint8], score: F32, unit: float) -> F32:
        if not shape.any():
            return np.zeros(shape.shape, dtype=np.float32)
        inner = cv2.erode(shape, _disc(2 * round(4 * unit) + 1), borderType=cv2.BORDER_REPLICATE)
        near = cv2.dilate(shape, _disc(2 * round(3 * unit) + 1))
        far = cv2.dilate(shape, _disc(2 * round(10 * unit) + 1))
        outer = (near > 0) | ((far > 0) & (score > 0.5))
        x, y, w, h = cv2.boundingRect(outer.astype(np.uint8))
        pad = round(24 * unit)
        box = np.s_[max(0, y - pad) : y + h + pad, max(0, x - pad) : x + w + pad]
        alpha = np.zeros(shape.shape, dtype=np.float32)
        alpha[box] = _band_alpha(
            rgb[box], self.clean.rgb[box], self.clean.known[box], shape[box], inner[box], outer[box], unit
        )
        return alpha


def _score(rgb: F32, clean: CleanPlate, threshold: float) -> F32:
    """float32 [H, W], 1 at the limit; light smoothing keeps grain out."""
    here, there = cv2.GaussianBlur(encode(rgb), (0, 0), 0.8), cv2.GaussianBlur(encode(clean.rgb), (0, 0), 0.8)
    noise = np.minimum(cv2.blur(cv2.dilate(clean.noise, _disc(5)), (5, 5)), 0.1)
    away = np.abs(here - there).max(axis=-1)
    # A little difference over a neighbourhood (dark hair before dark leaves) counts as much as a big one at one pixel.
    around = cv2.GaussianBlur(away, (0, 0), 2.5 * max(1.0, max(away.shape) / 1280))
    # Beside a plain difference it would only be that one's blur.
    score = away / np.maximum(threshold, 3.5 * noise)
    plain = cv2.dilate(score, _disc(2 * round(5 * max(1.0, max(away.shape) / 1280)) + 1)) > 4
    score = np.maximum(score, np.where(plain, 0, around / np.maximum(0.5 * threshold, 2.0 * noise)))
    light, was = here.mean(axis=-1), there.mean(axis=-1)
    ratio = (light + 0.02) / (was + 0.02)
    chroma = np.abs((here + 0.02) / (light + 0.02)[..., None] - (there + 0.02) / (was + 0.02)[..., None]).max(axis=-1)
    even = cv2.blur(
        np.abs(ratio - cv2.blur(ratio, (9, 9))), (9, 9)
    )  # a shadow keeps the texture, so its ratio is smooth
    shadow = (ratio > SHADOW) & (ratio < 1.25) & (chroma < 0.12) & (even < 0.05) & (was > 0.12)
    score = np.where(shadow, 0.45 * score, score)
    return np.where(clean.known, score, np.maximum(score, 3.0)).astype(np.float32)


def is_dark(encoded: F32) -> Mask:
    """Where front may equal the clean plate because both are dark."""
    return cv2.blur(encoded.max(axis=-1), (5, 5)) < DARK


def _shape(score: F32, encoded: F32, known: Mask, unit: float) -> NDArray[np.uint8]:
    """0/1 [H, W]: hysteresis at 1 and 2, then GrabCut with that as its start, filled, without specks."""
    weak = (score > 1).astype(np.uint8)
    weak = cv2.morphologyEx(weak, cv2.MORPH_OPEN, _disc(2 * round(unit) + 1))
    count, parts = cv2.connectedComponents(weak, connectivity=8)
    if count == 1:
        return weak
    area = np.bincount(parts.ravel(), minlength=count)
    strong = np.bincount(parts.ravel(), weights=(score > 2).ravel(), minlength=count)
    keep = (strong > 0.35 * area) & (area > 300 * unit * unit)
    keep[0] = False
    start = cv2.morphologyEx(keep[parts].astype(np.uint8), cv2.MORPH_CLOSE, _disc(2 * round(3 * unit) + 1))
    labels = np.full(score.shape, cv2.GC_BGD, dtype=np.uint8)
    labels[cv2.dilate(start, _disc(2 * round(16 * unit) + 1)) > 0] = cv2.GC_PR_BGD
    labels[start > 0] = cv2.GC_PR_FGD
    labels[(start > 0) & known & (score > 2)] = cv2.GC_FGD
    dark = is_dark(encoded)
    labels[known & (score < 0.6) & ~dark] = cv2.GC_BGD
    nearby = cv2.morphologyEx(start, cv2.MORPH_CLOSE, _disc(2 * round(18 * unit) + 1), borderType=cv2.BORDER_REPLICATE)
    labels[(nearby > 0) & dark & (labels == cv2.GC_PR_BGD)] = cv2.GC_PR_FGD
    faint = (cv2.GaussianBlur(score, (0, 0), 2 * unit) > FAINT) & known & dark & (nearby > 0)
    faint = cv2.morphologyEx(faint.astype(np.uint8), cv2.MORPH_OPEN, _disc(2 * round(2 * unit) + 1))
    shape = grab(encoded, labels, CUT_SIDE_PX) | faint
    shape = keep_large(shape, round(200 * unit * unit))
    inside = fill_holes(shape)
    gaps = ((inside > 0) & (shape == 0)).astype(
        np.uint8
    )  # a large gap (between the legs) stays open where the place is seen
    seen = keep_large(gaps * (score < 1).astype(np.uint8), round(500 * unit * unit))
    return np.where(seen > 0, 0, inside).astype(np.uint8)


def _band_alpha(
    rgb: F32, clean: F32, known: Mask, shape: NDArray[np.uint8], inner: NDArray[np.uint8], outer: Mask, unit: float
) -> F32:
    """Alpha [h, w]: 1 inside, 0 outside, solved in between."""
    sure = inner.astype(np.float32)
    front = np.zeros_like(rgb)
    weight = np.zeros(shape.shape, dtype=np.float32)
    for size in (5, 11, 25, 61):  # the nearest inside colour: small windows first, larger ones where those are empty
        k = 2 * round(size * unit / 2) + 1
        w = cv2.blur(sure, (k, k))
        mean = cv2.blur(rgb * sure[..., None], (k, k)) / np.maximum(w, 1e-6)[..., None]
        take = (weight == 0) & (w > 0.02)
        front[take], weight[take] = mean[take], 1
    span = front - clean
    length = (span * span).sum(axis=-1)
    solved = np.clip(((rgb - clean) * span).sum(axis=-1) / np.maximum(length, 1e-9), 0, 1)
    contrast = np.abs(encode(front) - encode(clean)).max(axis=-1)
    guided = guided_filter(encode(rgb).mean(axis=-1), shape.astype(np.float32), 2 * round(4 * unit) + 1, 1e-3)
    trust = np.clip(contrast / ALIKE - 0.5, 0, 1) * weight * known
    alpha = trust * solved + (1 - trust) * np.clip(guided, 0, 1)
    alpha = np.clip((alpha - 0.06) / 0.88, 0, 1)
    return np.where(inner > 0, 1, np.where(outer, alpha, 0)).astype(np.float32)


def guided_filter(guide: F32, image: F32, size: int, epsilon: float) -> F32:
    """He, Sun, Tang 2010, grey guide, box windows of `size` pixels."""

    def mean(a: F32) -> F32:
        return cv2.blur(a, (size, size))

    mean_g, mean_i = mean(guide), mean(image)
    slope = (mean(guide * image) - mean_g * mean_i) / (mean(guide * guide) - mean_g * mean_g + epsilon)
    return (mean(slope) * guide + mean(mean_i - slope * mean_g)).astype(np.float32)


def _disc(size: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))

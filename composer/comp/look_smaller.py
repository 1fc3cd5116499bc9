"""The plate's look on the plate made smaller: a picture that is averaged over areas is sharper and cleaner, pixel by pixel."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from composer.comp.look_taps import PIXEL_VARIANCE, added_sigma_px
from composer.comp.plate_look import F32, F64, Edge, Grain, PlateLook

#: So many small pixels are averaged to know what averages do.
_MANY = 48


def smaller_look(look: PlateLook, factor: float) -> PlateLook:
    """The look of a plate that was averaged over areas of factor x factor pixels, 1 or more. What is measured in the scene's
    own units (colour, air, lens and shutter, falloff and fringe) stays."""
    return replace(
        look, edge=look.edge and _edge(look.edge, factor), grain=look.grain and _grain(look.grain, factor)
    )  # fmt: skip


def _edge(edge: Edge, factor: float) -> Edge:
    """What spreads an edge beyond the pixel's own width is so much narrower; the pixel's own width is again one pixel."""
    added = added_sigma_px(edge) / factor
    spread = math.sqrt(PIXEL_VARIANCE + added**2) if added > 0 else edge.spread_px
    return Edge(spread, edge.wrap, edge.wrap_px / factor)


def _grain(grain: Grain, factor: float) -> Grain:
    """The noise with the covariance that averages have: through the kernel's, which the averages weigh."""
    pairs = _pairs(factor, grain.kernel.shape[-1] - 1)
    covered = [_covariance(k.astype(np.float64), pairs) for k in grain.kernel]
    left = np.array([c[c.shape[0] // 2, c.shape[1] // 2] for c in covered])
    of_channel = (grain.mix**2 @ left) / (grain.mix**2).sum(axis=1)
    mix = grain.mix * np.sqrt(left) / np.sqrt(of_channel)[:, None]
    kernel = np.stack([_kernel(c) for c in covered])
    return Grain(grain.level, grain.variance * of_channel[:, None], kernel, mix)


def _pairs(factor: float, reach: int) -> F64:
    """[2 n + 1, 2 reach + 1]: how much two small pixels, -n .. n apart, share of two large ones, -reach .. reach apart, along
    one side; the mean over where small pixels begin."""
    side = round(_MANY * factor)
    weigh = cv2.resize(np.eye(side), (_MANY, side), interpolation=cv2.INTER_AREA).T
    apart = math.ceil((reach + 1) / factor) + 1
    out = np.zeros((2 * apart + 1, 2 * reach + 1))
    inner = range(apart, _MANY - apart)
    for i, near in enumerate(range(-apart, apart + 1)):
        for j, far in enumerate(range(-reach, reach + 1)):
            moved = np.roll(weigh, -far, axis=1)
            out[i, j] = np.mean([weigh[k] @ moved[k + near] for k in inner])
    return out


def _covariance(kernel: F64, pairs: F64) -> F64:
    """Of averages of white noise through a kernel, by how far they are apart, the middle is 0."""
    n = len(kernel)
    spectrum = np.abs(np.fft.fft2(kernel, (2 * n - 1, 2 * n - 1))) ** 2
    own = np.fft.fftshift(np.fft.ifft2(spectrum).real)
    return pairs @ own @ pairs.T


def _kernel(covariance: F64) -> F32:
    """The symmetric kernel whose noise has that covariance; its squares sum to 1."""
    spectrum = np.fft.fft2(np.fft.ifftshift(covariance)).real.clip(min=0)
    kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(spectrum)).real)
    return (kernel / np.sqrt((kernel**2).sum())).astype(np.float32)

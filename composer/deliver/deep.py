"""The deep delivery: every soldier behind every pixel, as RGBA, Z and his id.

A sample's coverage says how much of the pixel its agent is seen in. Deep files hold the alpha with which a sample goes
over what is behind it instead: where c is a sample's coverage and t what the nearer ones let through, alpha = c / t,
and so for the premultiplied colour. Flattened (front over back) these give coverage and colour back. t follows the
alphas as they are stored, so that half precision's rounding does not add up from sample to sample.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.layer import Frame
from composer.deliver.exr import HALF_MAX, Slate, header_of, window_of
from composer.guides.passes import Samples
from composer.io.exr_deep import DeepImage, write_deep_exr
from composer.io.window import Window

F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
#: The most that one sample hides while others lie behind it: the last half below 1.
MOST_ALPHA = np.float32(1.0 - 2.0**-11)


def deep_name(shot: str, version: str, number: int) -> str:
    """Where a frame's deep file lies in the delivery."""
    return f"deep/{shot}_{version}_deep.{number:04d}.exr"


def write_deep(path: Path, frame: Frame, view: View, slate: Slate) -> None:
    """Write the deep file of `frame` at once or not at all; without samples where nobody is seen."""
    height, width = frame.guides.coverage.shape
    image = deep_image(frame.guides.samples, (width, height), frame.delivery_from_working)
    write_deep_image(path, image, frame, view, slate)


def write_deep_image(path: Path, image: DeepImage, frame: Frame, view: View, slate: Slate) -> None:
    """Write samples under the header of `frame`."""
    height, width = frame.guides.coverage.shape
    write_deep_exr(path, "deep", image, (width, height), header_of(frame, view, slate), slate.pixel_aspect)


def deep_image(samples: Samples, size_px: tuple[int, int], delivery_from_working: NDArray[np.float64]) -> DeepImage:
    """The visible samples within the window that has any: R, G, B, A half, Z float32, id uint32.

    Entries of one pixel that share a depth are kept apart by the least step of float32, so that the picture is tidy.
    """
    width, height = size_px
    alpha, behind = over_alpha(samples)
    kept = alpha > 0
    count = np.diff(samples.start)
    pixel = np.repeat(np.arange(width * height, dtype=np.int64), count)[kept]
    seen = np.bincount(pixel, minlength=width * height).reshape(height, width)
    window = window_of(seen > 0) if len(pixel) else Window(0, 0, 1, 1)
    inside = seen[window.y : window.bottom, window.x : window.right].ravel()
    rgb = samples.rgb[kept] / behind[kept, None]
    if not np.allclose(delivery_from_working, np.eye(3)):
        rgb = rgb @ delivery_from_working.T.astype(np.float32)
    half = np.clip(rgb, -HALF_MAX, HALF_MAX).astype(np.float16)
    channels = {c: np.ascontiguousarray(half[:, i]) for i, c in enumerate("RGB")}
    channels |= {"A": alpha[kept], "Z": _rising(samples)[kept], "id": samples.agent_id[kept]}
    return DeepImage(window, np.concatenate([[0], np.cumsum(inside)]).astype(np.int64), channels)


def over_alpha(samples: Samples) -> tuple[F16, F32]:
    """float16 [E], the alpha of each sample over those behind it, 0 only where its coverage rounds to nothing; and
    float32 [E], what the nearer ones let through to it."""
    start = samples.start
    count = np.diff(start)
    alpha, behind = np.zeros(len(samples.coverage), np.float16), np.ones(len(samples.coverage), np.float32)
    here = np.flatnonzero(count)
    through = np.ones(len(here), np.float32)
    rank = 0
    while len(here):
        entry = start[here] + rank
        last = count[here] == rank + 1
        exact = np.minimum(samples.coverage[entry] / through, 1.0)
        stored = np.minimum(exact, np.where(last, np.float32(1), MOST_ALPHA)).astype(np.float16)
        alpha[entry], behind[entry] = stored, through
        through *= 1.0 - stored.astype(np.float32)
        here, through = here[~last], through[~last]
        rank += 1
    return alpha, behind


def _rising(samples: Samples) -> F32:
    """Depths that rise from entry to entry of a pixel."""
    depth = samples.depth_m.copy()
    first = np.zeros(len(depth), dtype=bool)
    first[samples.start[:-1][np.diff(samples.start) > 0]] = True
    for _ in range(64):
        tied = np.flatnonzero(~first[1:] & (depth[1:] <= depth[:-1])) + 1
        if len(tied) == 0:
            break
        depth[tied] = np.nextafter(depth[tied - 1], np.float32(np.inf))
    return depth

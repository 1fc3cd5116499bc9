"""The plate's grain on the device, and on a picture that is no layer: a new sky."""

from __future__ import annotations

import numpy as np
import warp as wp

from composer.comp import kernel_grain
from composer.comp.kernel_grain import add_kernel, filter_rows_kernel, white_kernel
from composer.comp.layer import F32
from composer.comp.look_taps import GrainTaps, grain_taps
from composer.comp.plate_look import Grain
from composer.guides.device import Pool, empty, load_kernels, upload

#: Rows that are done at once.
_ROWS = 64


class GrainField:
    """The grain of one frame on the device. key: where its noise begins among all counters."""

    def __init__(self, grain: Grain, key: int, device: str) -> None:
        self.key = wp.uint64(key)
        self.taps: GrainTaps = grain_taps(grain)
        self.across, self.down = (upload(t, wp.vec3, device) for t in (self.taps.across, self.taps.down))
        self.level = upload(np.asarray(grain.level, np.float32), wp.float32, device)
        self.variance = upload(np.asarray(grain.variance, np.float32), wp.float32, device)
        self.mix = wp.mat33(*np.asarray(grain.mix, dtype=np.float64).ravel().tolist())


def grained(picture: F32, alpha: F32, grain: Grain, key: int, device: str = "cpu", threads: int | None = None) -> F32:
    """float32 [H, W, 3] in the delivery space, with the grain on it as far as alpha, float32 [H, W], says that it is new:
    what is left of the plate there has its own. Where alpha is 0 it is the picture, bit for bit."""
    rows = np.flatnonzero((alpha > 0).any(axis=1))
    out = picture.copy()
    if len(rows) == 0:
        return out
    load_kernels(device, kernel_grain)
    field, width = GrainField(grain, key, device), picture.shape[1]
    half = field.taps.half
    target, share = upload(out, wp.vec3, device), upload(alpha, wp.float32, device)
    everywhere = upload(np.ones((1, 1), np.uint8), wp.uint8, device)
    side = max(picture.shape[:2])

    def work(part: tuple[int, int]) -> None:
        top, count = part[0] - half, part[1] - part[0]
        white = empty((count + 2 * half, width + 2 * half), wp.vec3, device)
        noise = empty((len(field.taps.across), count + 2 * half, width), wp.vec3, device)
        inputs = [field.key, 0, top, -half, side, everywhere, white]
        wp.launch(white_kernel, dim=white.shape, device=device, inputs=inputs)
        inputs = [field.across, top, 0, side, everywhere, white, noise]
        wp.launch(filter_rows_kernel, dim=noise.shape[1:], device=device, inputs=inputs)
        inputs = [part[0], field.down, noise, field.mix, field.level, field.variance, share, target]
        wp.launch(add_kernel, dim=(count, width), device=device, inputs=inputs)

    pool, last = Pool(device, threads), int(rows[-1]) + 1
    try:
        pool.run(work, [(y, min(y + _ROWS, last)) for y in range(int(rows[0]), last, _ROWS)])
    finally:
        pool.close()
    return out if device == "cpu" else target.numpy()

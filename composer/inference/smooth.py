"""Smooth noise, for what is as broad as a hand or a limb: of unit variance, on bodies or on the screen."""

from __future__ import annotations

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.guides.device import Pool, load_kernels, upload
from composer.inference import kernel_smooth
from composer.inference.kernel_noise import Field
from composer.inference.kernel_smooth import smooth_kernel

F32 = NDArray[np.float32]

#: Amplitudes of three sizes; sides of cubes on a body in metres, sigmas of averages on the screen in pixels.
AMPLITUDE = np.array([0.5, 1.0, 0.8]) / np.sqrt(0.5**2 + 1.0**2 + 0.8**2)
CUBE_M, SIGMA_PX = (0.12, 0.35, 0.9), (3.0, 8.0, 16.0)
#: Standard deviation of Warp's gradient noise.
_GRADIENT = 0.191
#: Sigmas that an average goes each way.
_REACH = 3.0


def margin(factor: int) -> int:
    """Latents about those that are asked for which `on_screen` averages."""
    return int(np.ceil(_REACH * max(SIGMA_PX) / factor))


def on_screen(white: F32, factor: int) -> F32:
    """float32 [K, h, w] of white noise with `margin` more latents on each side."""
    edge = margin(factor)
    lines = np.stack([cv2.getGaussianKernel(2 * edge + 1, max(s / factor, 0.5))[:, 0] for s in SIGMA_PX])
    shared = (lines @ lines.T) ** 2  # covariances of the averages, which are of the same noise
    weight = AMPLITUDE / np.sqrt(np.diag(shared))
    weight /= np.sqrt(weight @ shared @ weight)
    out = np.zeros_like(white)
    for one, total in zip(white, out, strict=True):
        for line, share in zip(lines, weight, strict=True):
            total += np.float32(share) * cv2.sepFilter2D(one, cv2.CV_32F, line, line)
    return np.ascontiguousarray(out[:, edge:-edge, edge:-edge])


def on_bodies(field: Field, count: int, size: tuple[int, int], factor: int, seed: int, device: str, pool: Pool) -> F32:
    """float32 [count, h, w] of a frame's surface; 0 where nobody is. seed: 31 bits."""
    load_kernels(device, kernel_smooth)
    rows, columns = size
    out = wp.zeros((count, rows, columns), dtype=float, device=device)
    cube = upload(np.array(CUBE_M, np.float32), wp.float32, device)
    share = upload((AMPLITUDE / _GRADIENT).astype(np.float32), wp.float32, device)

    def work(part: tuple[int, int]) -> None:
        inputs = [field, factor, part[0], seed, cube, share, out]
        wp.launch(smooth_kernel, dim=(part[1] - part[0], columns, count), device=device, inputs=inputs)

    pool.run(work, pool.split(rows, 4))
    return out.numpy().copy()

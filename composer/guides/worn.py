"""Worn ground as a view sees it."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.environment.trampled import Worn
from composer.guides import kernel_worn
from composer.guides.device import Pool, empty, eye_of, load_kernels, upload
from composer.guides.kernel_worn import worn_kernel
from composer.guides.lens_table import lens_tables

F32 = NDArray[np.float32]


def worn_picture(
    worn: Worn, view: View, ground_m: F32, *, device: str = "cpu", threads: int | None = None
) -> F32:  # fmt: skip
    """float32 [H, W]: how worn the ground is behind each pixel, whatever stands before it; 0 without ground."""
    load_kernels(device, kernel_worn)
    h, w = ground_m.shape
    eye = eye_of(view, lens_tables(view), view.position_m, device)
    corner = np.array(worn.corner_m) - view.position_m[[0, 2]]
    out = empty((h, w), wp.float32, device)
    inputs = [
        eye, wp.vec3(*map(float, view.position_m)), upload(ground_m, wp.float32, device), upload(worn.share, wp.float32, device),
        wp.vec2(*map(float, corner)), worn.cell_m,
    ]  # fmt: skip
    pool = Pool(device, threads)

    def work(rows: tuple[int, int]) -> None:
        wp.launch(worn_kernel, dim=(rows[1] - rows[0], w), device=device, inputs=[*inputs, rows[0], out])

    try:
        pool.run(work, pool.split(h, 24))
    finally:
        pool.close()
    return out.numpy()

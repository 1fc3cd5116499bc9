"""The sky as a view sees it."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.environment.sky import LOWEST_DEG, Sky
from composer.guides import kernel_sky
from composer.guides.device import Pool, eye_of, load_kernels, upload
from composer.guides.kernel_sky import Heaven, sky_kernel
from composer.guides.lens_table import lens_tables

F32 = NDArray[np.float32]


def sky_picture(sky: Sky, view: View, frame: int, *, device: str = "cpu", threads: int | None = None) -> F32:
    """float32 [H, W, 3], ACEScg: the sky in every pixel of the view, through its lens, whatever stands before it."""
    w, h = view.size_px
    load_kernels(device, kernel_sky)
    eye = eye_of(view, lens_tables(view), view.position_m, device)
    s = Heaven()
    s.picture = upload(sky.picture, wp.vec3, device)
    s.latlong, s.azimuth, s.low = int(sky.latlong), sky.azimuth_rad, float(np.radians(LOWEST_DEG))
    s.strength = sky.strength
    s.toward, s.sun = wp.vec3(*map(float, sky.toward)), wp.vec3(*map(float, sky.sun))
    s.cover = -1.0
    if sky.clouds is not None:
        seconds = (frame - sky.start_frame) / sky.frame_rate
        s.cover, s.height, s.size = sky.clouds.cover, sky.clouds.height_m, sky.clouds.size_m
        s.drift = wp.vec2(*(float(-v * seconds) for v in sky.clouds.drift_m_s))
        s.seed = float(sky.clouds.seed % 4096) * 3.7
    out = np.zeros((h, w, 3), np.float32)
    target = upload(out, wp.vec3, device)
    pool = Pool(device, threads)

    def work(rows: tuple[int, int]) -> None:
        wp.launch(sky_kernel, dim=(rows[1] - rows[0], w), device=device, inputs=[s, eye, rows[0], target])

    try:
        pool.run(work, pool.split(h, 24))
    finally:
        pool.close()
    return out if device == "cpu" else target.numpy()

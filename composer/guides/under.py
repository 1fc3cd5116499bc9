"""What smoke and dust leave of the sun's light: their shadow on the ground and on the crowd."""

from __future__ import annotations

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.guides import kernel_under
from composer.guides.clouds import Clouds
from composer.guides.device import Pool, eye_of, load_kernels, upload, zeros
from composer.guides.kernel_under import under_kernel
from composer.guides.lens_table import lens_tables

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Places to the width of a picture: such a shadow is soft.
PLACES_WIDE = 400
#: Less than this is taken from nothing, so that thin air far off leaves the plate as it is.
LEAST_TAKEN = 1 / 128


def sun_taken(
    clouds: Clouds, view: View, toward: F64, depth_m: F32, *, device: str = "cpu", threads: int | None = None
) -> F32:
    """The share of the sun's light that the frame's smoke and dust take from what is seen: float32 [H, W] in 0..1, 0 where
    nothing is. toward: [3], unit, to the sun. depth_m: float32 [H, W], planar; inf where nothing is."""
    h, w = depth_m.shape
    every = max(1, round(w / PLACES_WIDE))
    if clouds.many == 0:
        return np.zeros((h, w), np.float32)
    fewer = _nearest(depth_m, every)
    there = np.isfinite(fewer)
    if not there.any():
        return np.zeros((h, w), np.float32)
    load_kernels(device, kernel_under)
    pool = Pool(device, threads)
    try:
        eye = eye_of(view, lens_tables(view), view.position_m, device)
        given = upload(np.where(there, fewer, np.float32(1e9)), wp.float32, device)
        out = zeros(fewer.shape, wp.float32, device)
        ahead = wp.vec3(*(float(v) for v in toward))

        def work(rows: tuple[int, int]) -> None:
            inputs = [eye, ahead, clouds.clouds, clouds.many, clouds.pools, every, given, rows[0], out]
            wp.launch(under_kernel, dim=(rows[1] - rows[0], fewer.shape[1]), device=device, inputs=inputs)

        pool.run(work, pool.split(fewer.shape[0], 8))
        taken = 1 - out.numpy()
    finally:
        pool.close()
    taken = np.maximum(taken - LEAST_TAKEN, 0) / (1 - LEAST_TAKEN)
    return np.where(np.isfinite(depth_m), _larger(taken, there, (h, w), every), 0).astype(np.float32)


def _nearest(depth_m: F32, every: int) -> F32:
    """float32 [rows, columns] of places: the nearest that any of their pixels shows."""
    h, w = depth_m.shape
    even = np.pad(depth_m, ((0, -h % every), (0, -w % every)), mode="edge")
    return even.reshape(len(even) // every, every, -1, every).min(axis=(1, 3))


def _larger(taken: F32, there: NDArray[np.bool_], size: tuple[int, int], every: int) -> F32:
    """At the size of the picture, only places where something is told from."""
    rows, columns = there.shape
    whole = (columns * every, rows * every)
    weight = cv2.resize(there.astype(np.float32), whole, interpolation=cv2.INTER_LINEAR)
    value = cv2.resize(np.where(there, taken, 0).astype(np.float32), whole, interpolation=cv2.INTER_LINEAR)
    return (value / np.maximum(weight, 1e-6))[: size[0], : size[1]]

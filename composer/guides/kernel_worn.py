"""Warp kernel that lays a map of worn ground under a picture."""

from __future__ import annotations

import warp as wp

from composer.environment.kernel_noise import cloudy
from composer.guides.kernel_view import OPTIONS, Eye, pixel_ray, to_world

wp.set_module_options(OPTIONS)


@wp.kernel
def worn_kernel(
    eye: Eye, eye_m: wp.vec3, depth_m: wp.array2d(dtype=float), share: wp.array2d(dtype=float), corner: wp.vec2, cell: float,
    row0: int, out: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): how worn the ground is behind each pixel, 0..1, ragged where it is half worn. eye_m: the camera's place;
    corner: of the map, rel to it."""
    y, x = wp.tid()
    y += row0
    out[y, x] = 0.0
    d = depth_m[y, x]
    if d < 1.0e6:
        p = to_world(eye, pixel_ray(eye, float(x) + 0.5, float(y) + 0.5) * d)
        gx = (p[0] - corner[0]) / cell
        gz = (p[2] - corner[1]) / cell
        if gx >= 0.0 and gz >= 0.0 and gx < float(share.shape[1] - 1) and gz < float(share.shape[0] - 1):
            i = int(gx)
            k = int(gz)
            u = gx - float(i)
            v = gz - float(k)
            top = share[k, i] * (1.0 - u) + share[k, i + 1] * u
            low = share[k + 1, i] * (1.0 - u) + share[k + 1, i + 1] * u
            worn = top * (1.0 - v) + low * v
            if worn > 0.0:
                pixel = d / eye.fx
                grass = cloudy(p + eye_m, 0.9, 4, pixel)[3] + 0.6 * cloudy(p + eye_m, 4.0, 2, pixel)[3]
                worn = wp.clamp(worn * (1.0 + 1.2 * grass * (1.0 - worn)), 0.0, 1.0)
                low_end = 1.0 / 512.0
                t = wp.clamp((worn - low_end) / (2.0 * low_end), 0.0, 1.0)
                out[y, x] = worn * t * t * (3.0 - 2.0 * t)

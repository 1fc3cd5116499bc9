# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernel for the shadow of smoke and dust: how much of the sun's light comes through them to a place that is seen."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_cloud import BANK, Cloud, Pools, box_from, density_at, is_empty, place_in
from composer.guides.kernel_view import OPTIONS, Eye, pixel_ray, to_world

wp.set_module_options(OPTIONS)

#: Looks along the way through one volume.
LEAST = wp.constant(6)
MOST_LOOKS = wp.constant(56)


@wp.kernel
def under_kernel(
    eye: Eye, toward: wp.vec3, clouds: wp.array(dtype=Cloud), many: int, pool: Pools, every: int,
    depth_m: wp.array2d(dtype=float), row0: int, out: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, columns of places), one each `every` pixels, from row0. depth_m: planar, above 1e8: nothing. out: the share of
    sunlight that is left, 0..1. What a volume scatters forwards goes on as if it had not met it (van de Hulst's similarity,
    "Multiple Light Scattering", 1980)."""
    y, x = wp.tid()
    y += row0
    far = depth_m[y, x]
    out[y, x] = 1.0
    ray = pixel_ray(eye, (float(x) + 0.5) * float(every), (float(y) + 0.5) * float(every))
    if far > 1.0e8 or ray[0] != ray[0] or ray[1] != ray[1]:
        return
    p = to_world(eye, ray) * far
    depth = float(0.0)
    for v in range(many):
        c = clouds[v]
        span = box_from(c, p, toward)
        if span[0] < span[1]:
            looks = wp.clamp(int((span[1] - span[0]) / c.step), LEAST, MOST_LOOKS)
            long = (span[1] - span[0]) / float(looks)
            own = float(0.0)
            for k in range(looks):
                q = p + toward * (span[0] + (float(k) + 0.5) * long)
                bare = int(0)
                if c.kind == BANK:
                    bare = is_empty(c, pool, q)
                if bare == 0:
                    g = place_in(c, pool, q)
                    if g[0] >= 0.0:
                        own += density_at(c, pool, g) * long
            scattered = (c.albedo[0] + c.albedo[1] + c.albedo[2]) / 3.0
            depth += own * (1.0 - scattered * wp.max(c.forward, 0.0))
    out[y, x] = wp.exp(-depth)

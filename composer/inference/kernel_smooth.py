# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernel of smooth noise that lies on bodies."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_surface import AGENT
from composer.inference.kernel_noise import Field
from composer.io.warp_log import quiet_warp

quiet_warp()
wp.set_module_options({"enable_backward": False})

#: Noise is 0 at the corners of its cubes: everybody's begin elsewhere, within so many.
ELSEWHERE = wp.constant(64.0)


@wp.kernel
def smooth_kernel(
    field: Field, factor: int, row0: int, seed: int, spacing_m: wp.array(dtype=float), share: wp.array(dtype=float),
    out: wp.array3d(dtype=float),
):  # fmt: skip
    """dim (rows listed, columns, fields). A latent's mean over one sample of each of its pixels of gradient noise (Perlin,
    Improving Noise, SIGGRAPH 2002), in several sizes of cubes of the body at rest, of everybody his own."""
    r, c, k = wp.tid()
    r += row0
    total = float(0.0)
    count = float(0.0)
    n = int(0)
    while n < factor * factor:
        y = r * factor + n // factor
        x = c * factor + n % factor
        if y < field.height and x < field.width:
            s = (y * field.width + x) * field.samples + n % field.samples
            if field.kind[s] == AGENT:
                o = int(0)
                while o < spacing_m.shape[0]:
                    own = wp.rand_init(seed + k * spacing_m.shape[0] + o, int(field.agent_id[s]))
                    begin = wp.vec3(wp.randf(own), wp.randf(own), wp.randf(own)) * ELSEWHERE
                    total += share[o] * wp.noise(own, field.place[s] / spacing_m[o] + begin)
                    o += 1
                count += 1.0
        n += 1
    out[k, r, c] = total / wp.max(count, 1.0)

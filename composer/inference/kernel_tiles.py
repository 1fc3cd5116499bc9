"""Warp kernels of the tile engine, one source for CPU and CUDA: cut tiles out of the latents, and blend the tiles'
predictions and take the sampler's step in one pass. Every latent is written by one thread that sums its tiles in a fixed
order, so two runs are equal bit for bit."""

from __future__ import annotations

from typing import Any

import warp as wp

wp.set_module_options({"enable_backward": False, "fuse_fp": False})


@wp.struct
class AxisTable:
    """first, last: [length], the tiles that cover a place. start: [n]. weight: [n, tile]."""

    first: wp.array(dtype=int)
    last: wp.array(dtype=int)
    start: wp.array(dtype=int)
    weight: wp.array2d(dtype=float)


@wp.struct
class PlanTable:
    """t, y, x: the axes. rows: tiles along y. job: [time * rows, columns, texts], -1 for none. texts: their number.
    say: [texts * T', h, w], the texts' weights."""

    t: AxisTable
    y: AxisTable
    x: AxisTable
    rows: int
    texts: int
    frames: int
    job: wp.array3d(dtype=int)
    say: wp.array3d(dtype=float)


@wp.struct
class Step:
    """The sampler's step: x' = keep x + pred p + previous p_before + noise z. Where painting has not begun:
    x' = signal known + sigma z0. number: of the step."""

    number: int
    keep: float
    pred: float
    previous: float
    noise: float
    signal: float
    sigma: float


@wp.kernel
def gather_kernel(
    latents: wp.array4d(dtype=float),
    corner: wp.array2d(dtype=int),
    first_job: int,
    frames: int,
    scale: float,
    tiles: wp.array4d(dtype=Any),
):
    """tiles: [B * frames, h, w, C] out of latents [C, T', H, W], times `scale`; corner: [J, 3] as (t, y, x)."""
    k, y, x, c = wp.tid()
    b = k // frames
    j = first_job + b
    value = latents[c, corner[j, 0] + k - b * frames, corner[j, 1] + y, corner[j, 2] + x]
    tiles[k, y, x, c] = tiles.dtype(value * scale)


@wp.func
def blended(plan: PlanTable, tiles: wp.array4d(dtype=float), channels: int, c: int, t: int, y: int, x: int) -> float:
    """The prediction at a place: its tiles' and texts', by their weights. tiles: [J * C, frames, h, w]."""
    total = float(0.0)
    value = float(0.0)
    for kt in range(plan.t.first[t], plan.t.last[t]):
        it = t - plan.t.start[kt]
        for ky in range(plan.y.first[y], plan.y.last[y]):
            iy = y - plan.y.start[ky]
            weight_ty = plan.t.weight[kt, it] * plan.y.weight[ky, iy]
            if weight_ty > 0.0:
                for kx in range(plan.x.first[x], plan.x.last[x]):
                    ix = x - plan.x.start[kx]
                    weight = weight_ty * plan.x.weight[kx, ix]
                    if weight > 0.0:
                        for p in range(plan.texts):
                            say = plan.say[p * plan.frames + t, y, x]
                            j = plan.job[kt * plan.rows + ky, kx, p]
                            if say > 0.0 and j >= 0:
                                value += weight * say * tiles[j * channels + c, it, iy, ix]
                                total += weight * say
    if total > 0.0:
        value = value / total
    return value


@wp.kernel
def blend_kernel(plan: PlanTable, tiles: wp.array4d(dtype=float), channels: int, out: wp.array4d(dtype=float)):
    """out [C, T', H, W]: the blended prediction alone."""
    c, t, y, x = wp.tid()
    out[c, t, y, x] = blended(plan, tiles, channels, c, t, y, x)


@wp.kernel
def step_kernel(
    plan: PlanTable,
    step: Step,
    tiles: wp.array4d(dtype=float),
    begin: wp.array3d(dtype=wp.int16),
    known: wp.array4d(dtype=float),
    start_noise: wp.array4d(dtype=float),
    fresh: wp.array4d(dtype=float),
    latents: wp.array4d(dtype=float),
    before: wp.array4d(dtype=float),
    channels: int,
):
    """Blend and step in place. before: the blended prediction of the step before, this step's afterwards."""
    c, t, y, x = wp.tid()
    due = int(begin[t, y, x])
    if due > step.number:
        latents[c, t, y, x] = step.signal * known[c, t, y, x] + step.sigma * start_noise[c, t, y, x]
        return
    p = blended(plan, tiles, channels, c, t, y, x)
    last = before[c, t, y, x]
    if due == step.number:
        # no step before: the multi-step sampler falls back to its first order
        last = p
    value = step.keep * latents[c, t, y, x] + step.pred * p + step.previous * last
    if step.noise != 0.0:
        value += step.noise * fresh[c, t, y, x]
    latents[c, t, y, x] = value
    before[c, t, y, x] = p


for _dtype in (wp.float32, wp.float16, wp.bfloat16):
    wp.overload(gather_kernel, {"tiles": wp.array4d(dtype=_dtype)})

"""The same steps on the same frame by torch eager, kornia and OpenImageIO, each within the box that holds the crowd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import kornia
import numpy as np
import OpenImageIO as oiio
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.look_apply import Setting
from composer.comp.look_taps import added_sigma_px
from composer.comp.plate_look import PlateLook
from composer.comp.shade import Shade
from composer.guides.passes import GuidePasses, Samples

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Job:
    """One frame. box: the rows that hold the crowd."""

    guides: GuidePasses
    pictures: tuple[F32, Shade, F32, F32 | None]
    setting: Setting
    box: slice


def job_of(size: tuple[int, int]) -> Job:
    """A crowd of ellipses in ranks over the lower half: about a third of the picture."""
    w, h = size
    rng = np.random.default_rng(1)
    plate = rng.uniform(0.05, 0.9, (h, w, 3)).astype(np.float16).astype(np.float32)
    cover, depth = np.zeros((h, w), np.float32), np.full((h, w), np.inf, np.float32)
    colour, who = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.uint32)
    for n, z in enumerate(np.geomspace(120.0, 12.0, 40)):
        high = int(1.8 * w * 0.9 / z)
        foot = int(h * 0.45 + 1.7 * w * 0.9 / z)
        for x in np.arange(-high, w + high, max(int(0.65 * high), 2)):
            y0, y1 = max(foot - high, 0), min(foot, h)
            x0, x1 = (min(max(int(v), 0), w) for v in (x - 0.2 * high, x + 0.2 * high))
            if y1 <= y0 or x1 <= x0:
                continue
            y, xx = np.mgrid[y0:y1, x0:x1] + 0.5
            r = np.hypot((y - foot + high / 2) / (high / 2), (xx - x) / (0.2 * high))
            a = np.clip((1 - r) * high * 0.2 + 0.5, 0, 1).astype(np.float32)
            on, part = a > 0, (slice(y0, y1), slice(x0, x1))
            tone = rng.uniform(0.05, 0.7, 3).astype(np.float32)
            colour[part] = np.where(
                on[..., None], colour[part] * (1 - a[..., None]) + a[..., None] * tone, colour[part]
            )
            cover[part] = np.where(on, cover[part] * (1 - a) + a, cover[part])
            depth[part], who[part] = np.where(on, np.float32(z), depth[part]), np.where(on, n + 1, who[part])
    shadow = np.roll(cover, (h // 100, w // 60), (0, 1)) * np.float32(0.5)
    on = cover > 0
    start = np.concatenate([[0], np.cumsum(on.ravel())]).astype(np.int64)
    samples = Samples(start, who[on], cover[on], depth[on], colour[on])
    motion = np.where(on[..., None], (np.array([120.0, 10.0]) / np.minimum(depth, 1e6)[..., None]), 0).astype(
        np.float32
    )
    flat = np.zeros((h, w), np.float32)
    guides = GuidePasses(
        depth, np.zeros((1, 1, 3), np.float32), who, motion, -motion, cover, colour, colour, shadow, flat,
        np.zeros((0, 18, 3), np.float32), np.zeros(0, np.uint32), np.zeros((0, 18), bool), samples,
    )  # fmt: skip
    view = View(1001, size, np.eye(4), (0.9 * w, 0.9 * w), (w / 2, h / 2))
    rows = np.flatnonzero((on | (shadow > 0)).any(axis=1))
    box = slice(max(int(rows[0]) - 16, 0), h)
    shade = Shade(shadow, np.float32(0.4) * shadow, (0.8, 0.7, 0.6))
    return Job(guides, (plate, shade, flat, None), Setting(view, 0.032, np.eye(3), None, 7, 1001), box)


def works(job: Job, look: PlateLook, threads: int) -> dict[str, Callable[[], object]]:
    """What each of them does for one frame."""
    torch.set_num_threads(threads)
    oiio.attribute("threads", threads)
    return {
        "torch eager": lambda: _by_torch(job, look, _gaussian_torch),
        "kornia": lambda: _by_torch(job, look, _gaussian_kornia),
        "OpenImageIO": lambda: _by_oiio(job, look),
    }


def _gaussian_torch(picture: torch.Tensor, sigma: float) -> torch.Tensor:
    """[1, C, H, W], separable."""
    half, c = int(np.ceil(3 * sigma)), picture.shape[1]
    tap = torch.exp(-0.5 * (torch.arange(-half, half + 1) / sigma) ** 2)
    tap = (tap / tap.sum()).float()
    rows = F.conv2d(
        F.pad(picture, (half, half, 0, 0), "replicate"), tap.view(1, 1, 1, -1).expand(c, 1, 1, -1), groups=c
    )
    return F.conv2d(F.pad(rows, (0, 0, half, half), "replicate"), tap.view(1, 1, -1, 1).expand(c, 1, -1, 1), groups=c)


def _gaussian_kornia(picture: torch.Tensor, sigma: float) -> torch.Tensor:
    n = 2 * int(np.ceil(3 * sigma)) + 1
    return kornia.filters.gaussian_blur2d(picture, (n, n), (sigma, sigma), border_type="replicate")


def _tensor(picture: F32) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]


def _by_torch(job: Job, look: PlateLook, gaussian: Callable[[torch.Tensor, float], torch.Tensor]) -> list[torch.Tensor]:
    assert look.grade and look.air and look.grain and look.edge and look.vignette and look.fringe
    guides, box = job.guides, job.box
    whole, shadow, _, _ = job.pictures
    with torch.no_grad():
        plate, light = _tensor(whole[box]), _tensor(guides.beauty[box])
        alpha, s = torch.from_numpy(guides.coverage[box])[None, None], torch.from_numpy(shadow.sun[box])[None, None]
        light = torch.einsum("ij,bjhw->bihw", torch.from_numpy(look.grade.matrix).float(), light)
        distance = torch.nan_to_num(torch.from_numpy(guides.depth_m[box]), posinf=0.0)[None, None]
        kept = torch.exp(-torch.tensor(look.air.extinction_per_m).view(1, 3, 1, 1) * distance)
        light = light * kept + torch.tensor(look.air.inscatter).view(1, 3, 1, 1) * (1 - kept) * alpha
        h, w = alpha.shape[-2:]
        y = torch.linspace(-1, 1, h).view(1, 1, h, 1) * whole.shape[0] / np.hypot(*whole.shape[:2])
        x = torch.linspace(-1, 1, w).view(1, 1, 1, w) * w / np.hypot(*whole.shape[:2])
        r2 = x * x + y * y
        k = look.vignette.k
        light = light * (1 + r2 * (k[0] + r2 * (k[1] + r2 * k[2])))
        layers = []
        for channel, scale in enumerate((look.fringe.red, 1.0, look.fringe.blue)):
            pair = torch.cat([light[:, channel : channel + 1], alpha], 1)
            if scale != 1.0:
                grid = F.affine_grid(torch.tensor([[[1 / scale, 0, 0], [0, 1 / scale, 0]]]), [1, 2, h, w], False)
                pair = F.grid_sample(pair, grid, padding_mode="border", align_corners=False)
            layers.append(pair)
        spread = gaussian(torch.cat([*layers, s], 1), added_sigma_px(look.edge))
        light, cover, s = spread[:, 0:6:2], spread[:, 1:6:2], spread[:, 6:7]
        small = F.avg_pool2d(torch.cat([plate * (1 - s) * (1 - alpha), 1 - alpha], 1), 8, ceil_mode=True)
        near = F.interpolate(gaussian(small, look.edge.wrap_px / 8), (h, w), mode="bilinear")
        light = light * (1 - look.edge.wrap * near[:, 3:]) + look.edge.wrap * cover * near[:, :3]
        value = plate * (1 - cover) * (1 - s) + light
        kernel = torch.from_numpy(look.grain.kernel)[:, None]
        half = kernel.shape[-1] // 2
        noise = F.conv2d(torch.randn(1, 3, h + 2 * half, w + 2 * half), kernel, groups=3)
        noise = torch.einsum("ij,bjhw->bihw", torch.from_numpy(look.grain.mix).float(), noise)
        top = cover.amax(1, keepdim=True)
        level = torch.from_numpy(look.grain.level).float()
        at = torch.bucketize(value.contiguous(), level[1:-1])
        rise = torch.diff(torch.from_numpy(look.grain.variance).float()) / torch.diff(level)
        base = torch.from_numpy(look.grain.variance).float()
        of = torch.arange(3).view(1, 3, 1, 1).expand_as(at)
        variance = base[of, at] + rise[of, at] * (value.clamp(float(level[0]), float(level[-1])) - level[at])
        grain = noise * variance.clamp_min(0).sqrt() * (top * (2 - top)).clamp_min(0).sqrt()
        result = torch.from_numpy(whole).half()
        result[box] = (value + grain)[0].permute(1, 2, 0).half()
        crowd, dark = (torch.zeros(*whole.shape[:2], 4, dtype=torch.half) for _ in range(2))
        crowd[box] = torch.cat([light + grain, top], 1)[0].permute(1, 2, 0).half()
        dark[box][..., 3] = s[0, 0].half()
        return [result, crowd, dark]


def _by_oiio(job: Job, look: PlateLook) -> list[oiio.ImageBuf]:
    """With what `ImageBufAlgo` has; the grain is as strong at each level, and the air that of one distance."""
    assert look.grade and look.air and look.grain and look.edge and look.vignette and look.fringe
    algo, box = oiio.ImageBufAlgo, job.box
    whole, shadow, _, _ = job.pictures
    rgba = np.concatenate([job.guides.beauty[box], job.guides.coverage[box][..., None]], axis=-1)
    layer, plate, dark = (
        oiio.ImageBuf(np.ascontiguousarray(p)) for p in (rgba, whole[box], shadow.sun[box][..., None])
    )
    h, w = rgba.shape[:2]
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = look.grade.matrix
    layer = algo.colormatrixtransform(layer, tuple(matrix.T.ravel().tolist()))
    kept = np.exp(-np.array(look.air.extinction_per_m) * 40.0)
    layer = algo.mul(layer, (*kept.tolist(), 1.0))
    alpha = algo.channels(layer, (3,))
    glow = algo.mul(algo.channels(alpha, (0, 0, 0, 0)), (*(np.array(look.air.inscatter) * (1 - kept)).tolist(), 0.0))
    layer = algo.add(layer, glow)
    y, x = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)[None]
    fall = (1 + look.vignette.k[0] * (x * x + y * y) / 2).astype(np.float32)[..., None]
    layer = algo.mul(layer, oiio.ImageBuf(np.concatenate([fall, fall, fall, np.ones_like(fall)], axis=-1)))
    moved = []
    for channel, scale in ((0, look.fringe.red), (2, look.fringe.blue)):
        about = (scale, 0, 0, 0, scale, 0, w / 2 * (1 - scale), h / 2 * (1 - scale), 1)
        moved.append(algo.warp(algo.channels(layer, (channel, 3)), about, "triangle"))
    sigma = added_sigma_px(look.edge)
    side = 2.0 * np.ceil(3 * sigma) + 1
    soft = algo.convolve(layer, algo.make_kernel("gaussian", side, side))
    dark = algo.convolve(dark, algo.make_kernel("gaussian", side, side))
    moved = [algo.convolve(m, algo.make_kernel("gaussian", side, side)) for m in moved]
    lit = algo.mul(plate, algo.channels(algo.invert(dark), (0, 0, 0)))
    small = algo.resize(lit, "box", roi=oiio.ROI(0, w // 8, 0, h // 8, 0, 1, 0, 3))
    small = algo.convolve(small, algo.make_kernel("gaussian", 13.0, 13.0))
    near = algo.resize(small, "triangle", roi=oiio.ROI(0, w, 0, h, 0, 1, 0, 3))
    cover = algo.channels(soft, (3, 3, 3))
    leak = algo.mul(algo.mul(cover, near), look.edge.wrap)
    light = algo.add(algo.mul(algo.channels(soft, (0, 1, 2)), 1 - look.edge.wrap / 2), leak)
    value = algo.add(algo.mul(lit, algo.invert(cover)), light)
    noise = algo.noise("gaussian", 0.0, 0.01, False, 7, roi=oiio.ROI(0, w, 0, h, 0, 1, 0, 3))
    n = look.grain.kernel.shape[-1]
    kernel = oiio.ImageBuf(oiio.ImageSpec(n, n, 1, "float"))
    kernel.set_pixels(oiio.ROI(0, n, 0, n, 0, 1, 0, 1), np.ascontiguousarray(look.grain.kernel[0][..., None]))
    grain = algo.mul(algo.convolve(noise, kernel, False), cover)
    done = algo.add(value, grain)
    half = [algo.copy(b, "half") for b in (done, algo.add(light, grain), dark)]
    return [*half, *moved, algo.copy(oiio.ImageBuf(whole), "half")]

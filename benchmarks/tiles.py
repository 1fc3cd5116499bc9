"""The tile engine against a per-tile loop of the same network, its codec against diffusers' own tiling of the same VAE, and
its seams; on a CUDA card also SDXL at its real size.

On the CPU one thread is used and its processor time counts, so that other work on the machine matters little.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tiles_net as net
import torch
from numpy.typing import NDArray
from torch import Tensor

from composer.inference.adapter import TileBatch
from composer.inference.engine import Engine, EngineOptions
from composer.inference.memory import LiveBytes
from composer.inference.plan import TilePlan, Tiling, plan_tiles
from composer.inference.request import F32, WHOLE, PaintRequest, Part
from composer.inference.seams import borders_of, seam_measure
from composer.inference.vae import banded
from composer.inference.window import axis_of

#: Nine tiles of 64x64 latents.
SIDE, TILE, OVERLAP = 160, 64, 16


class Seeded:
    """Noise by frame and purpose."""

    def latents(
        self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str, part: Part = WHOLE
    ) -> F32:
        rng = np.random.default_rng([frame, *purpose.encode()])
        return rng.standard_normal((channels, *size), dtype=np.float32)


def request_of(height: int, width: int, steps: int) -> PaintRequest:
    """Everything is painted; the pose picture holds soft waves."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = np.stack([0.5 + 0.4 * np.sin(x / (19 + 8 * k) + y / (23 - 4 * k)) for k in range(3)], axis=-1)[None]
    one = np.ones((1, height, width), np.float32)
    none = np.zeros_like(waves)
    return PaintRequest(
        frames=(1001,), plate=none, guide=none, mask=one, strength=one, depth=one, normal=none, albedo=none,
        pose=waves, agent_id=np.zeros(one.shape, np.uint32), noise=Seeded(), steps=steps,
    )  # fmt: skip


def plan_of(height: int, width: int, steps: int, tile: int, overlap: int) -> TilePlan:
    begin, weights = np.zeros((1, height, width), np.int16), np.ones((1, 1, height, width), np.float32)
    return plan_tiles(begin, weights, steps, Tiling((1, tile, tile), (0, overlap, overlap), 4))


def cpu_seconds(work: Callable[[], object]) -> tuple[float, object]:
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def denoise_row(name: str, size: net.Size, steps: int, repeats: int) -> dict[str, object]:
    """Seconds of one frame: the loop in fp32, ours in fp32 and bf16; the same weights."""
    unet, control = net.build(size)
    plan = plan_of(SIDE, SIDE, steps, TILE, OVERLAP)
    request = request_of(SIDE * 8, SIDE * 8, steps)
    noise = Seeded().latents(1001, 4, (SIDE, SIDE), 8, "initial")
    start = torch.from_numpy(noise) * float(net.euler(steps).sigma[0])
    engines = {}
    for dtype in (torch.float32, torch.bfloat16):
        told = net.texts(size, dtype=dtype)
        ours = net.Ours(copy.deepcopy(unet).to(dtype), copy.deepcopy(control).to(dtype), told)
        engines[dtype] = Engine(ours)
        engines[dtype].paint(replace(request, steps=1))  # warm: kernels, the size of a batch
    told, seconds = net.texts(size), {"loop": [], "fp32": [], "bf16": []}
    difference = 0.0
    for _ in range(repeats):
        taken, latents = cpu_seconds(lambda: net.loop(unet, control, told, plan, start, request.pose, steps))
        seconds["loop"].append(taken)
        for dtype, key in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
            taken, painting = cpu_seconds(lambda e=engines[dtype]: e.paint(request))
            seconds[key].append(taken)
            if key == "fp32":
                theirs = latents[:3].permute(1, 2, 0).numpy()  # type: ignore[index]
                gap = np.abs(painting.rgb[0, ::8, ::8] - theirs).mean()  # type: ignore[attr-defined]
                difference = float(gap / np.abs(theirs).mean())
    best = {k: min(v) for k, v in seconds.items()}
    return {
        "network": name, "tiles": len(plan.jobs), "steps": steps,
        "loop_fp32_s": round(best["loop"], 2), "ours_fp32_s": round(best["fp32"], 2), "ours_bf16_s": round(best["bf16"], 2),
        "factor_fp32": round(best["loop"] / best["fp32"], 2), "factor_bf16": round(best["loop"] / best["bf16"], 2),
        "mean_difference_fp32_relative": float(f"{difference:.1e}"),
    }  # fmt: skip


def decode_row(latents: tuple[int, int] = (64, 96), tile: int = 32) -> list[dict[str, object]]:
    """One VAE, one latent picture: whole, by our bands, by diffusers' tiles, against a decode in double precision."""
    codec, exact_codec = net.Vae(32), net.Vae(32, dtype=torch.float64)
    torch.manual_seed(3)
    z = torch.randn(1, 4, 1, *latents)
    rows = []
    with torch.no_grad():
        exact = exact_codec.vae.decode(z[:, :, 0].double()).sample[:, :, None]
    for name in ("whole", "ours", "diffusers enable_tiling"):
        if name.startswith("diffusers"):
            codec.vae.enable_tiling()
            codec.vae.tile_latent_min_size, codec.vae.tile_sample_min_size = tile, tile * 8
        band_bytes = 1 << 20 if name == "ours" else 1 << 40
        with torch.no_grad(), banded(codec, band_bytes), LiveBytes() as live:
            seconds, picture = cpu_seconds(lambda: codec.decode(z))
        assert isinstance(picture, Tensor)
        stride = int(tile * 0.75) * 8
        borders = [np.arange(stride, side * 8, stride) for side in latents]
        rgb = picture[0, :, 0].permute(1, 2, 0).numpy()
        plain = exact[0, :, 0].permute(1, 2, 0).numpy()
        seams = [seam_measure(p, *borders, (stride, stride)) for p in (rgb, plain)]
        rows.append(
            {
                "decode": name, "seconds": round(seconds, 2), "peak_mb": round(live.peak / 1e6, 1),
                "seam_over_exact": round(seams[0] / seams[1], 4),
                "max_error": float(f"{float((picture - exact).abs().max()):.1e}"),
                "tone_error": float(f"{tone_gap(picture, exact, stride):.1e}"),
            }
        )  # fmt: skip
    return rows


def tone_gap(picture: Tensor, exact: Tensor, stride: int) -> float:
    """How far a tile's mean lies from the exact one, at most."""
    means = torch.nn.functional.avg_pool2d((picture - exact)[:, :, 0], stride, ceil_mode=True)
    return float(means.abs().max())


def seam_rows() -> list[dict[str, object]]:
    """The engine's picture, from a network with attention, at three sizes of tile and whole: the seam measure at the borders
    of each plan."""
    unet, control = net.build(net.TINY)
    engine = Engine(net.Ours(unet, control, net.texts(net.TINY)))
    height, width, rows = 96, 128, []
    request = request_of(height * 8, width * 8, 2)
    for tile in (32, 48, 64, None):
        engine.options = EngineOptions(tile=None if tile is None else (tile, tile), whole=tile is None)
        picture = engine.paint(request).rgb[0, ::8, ::8]
        shape = (tile or 48, tile or 48)
        axes = [axis_of(side, t, t // 4, 4) for side, t in zip((height, width), shape, strict=True)]
        value = seam_measure(picture, *(borders_of(a, 1) for a in axes), shape)
        rows.append({"tile": "whole" if tile is None else f"{tile}x{tile}", "seam": round(value, 3)})
    return rows


# ---- with a card


def card() -> dict[str, object]:
    """SDXL's own size, random weights, bf16, 3840x2160."""
    from torch.utils.flop_counter import FlopCounterMode

    device, dtype = "cuda", torch.bfloat16
    unet, control = net.build(net.SDXL, device, dtype)
    told, codec = net.texts(net.SDXL, device, dtype), net.Vae(128, device, dtype)
    ours = net.Ours(unet, control, told, native=128, codec=codec)
    engine, rate = Engine(ours), matrix_rate()
    frames, last = {}, None
    for steps in (4, 20):
        request = request_of(2160, 3840, steps)
        engine.paint(request)
        begin = time.perf_counter()
        last = engine.paint(request)
        frames[steps] = (time.perf_counter() - begin, last)
    assert last is not None
    jobs = int(last.tiles["jobs"])
    latents, pose = (torch.zeros(1, c, 1, 128, 128, device=device, dtype=dtype) for c in (4, 320))
    where, at = torch.zeros(1, 2, dtype=torch.int32, device=device), torch.ones(1, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ours.denoise(TileBatch(latents, {"pose": pose}, 0, at, where, (272, 480), 1.0))
    work = counter.get_total_flops() * jobs * 20
    seconds = frames[20][1].seconds["denoise"]
    return {
        "card": torch.cuda.get_device_name(), "matrix_tflops_bf16": round(rate / 1e12, 1),
        "share_of_matrix_rate": round(work / seconds / rate, 3),
        "frames_a_minute": {str(k): round(60 / v[0], 2) for k, v in frames.items()},
        "seconds": {str(k): {n: round(s, 2) for n, s in v[1].seconds.items()} for k, v in frames.items()},
        "tiles": last.tiles, "peak_gb": round(last.peak_bytes / 1e9, 2),
        "forecast_over_peak": round(int(last.tiles["forecast_bytes"]) / last.peak_bytes, 3),
        "factor_over_loop": round(card_loop(last.tiles, frames[4][1].seconds["denoise"]), 2),
        "decode": card_decode(codec),
    }  # fmt: skip


def matrix_rate() -> float:
    """Floating-point operations a second of a large bf16 matrix product."""
    n = 8192
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(30):
        a @ b
    torch.cuda.synchronize()
    return 30 * 2 * n**3 / (time.perf_counter() - begin)


def card_loop(tiles: dict[str, int | str], ours_s: float, steps: int = 4) -> float:
    """The loop's time on the card over ours, denoising alone."""
    height, width = (int(v) for v in str(tiles["canvas"]).split("x"))
    unet, control = net.build(net.SDXL, "cuda", torch.bfloat16)
    told = net.texts(net.SDXL, "cuda", torch.bfloat16)
    plan = plan_of(height, width, steps, 128, 32)
    pose: NDArray[np.float32] = request_of(height * 8, width * 8, steps).pose
    start = torch.randn(4, height, width, device="cuda")
    net.loop(unet, control, told, plan, start, pose, 1)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    net.loop(unet, control, told, plan, start, pose, steps)
    torch.cuda.synchronize()
    return (time.perf_counter() - begin) / ours_s


def card_decode(codec: net.Vae) -> dict[str, object]:
    """Decoding 3840x2176: by our bands and by diffusers' tiles."""
    z, out = torch.randn(1, 4, 1, 272, 480, device="cuda"), {}
    for name in ("ours", "diffusers"):
        if name == "diffusers":
            codec.vae.enable_tiling()
        for _ in range(2):
            torch.cuda.reset_peak_memory_stats()
            torch.cuda.synchronize()
            begin = time.perf_counter()
            with torch.no_grad(), banded(codec, 64 << 20 if name == "ours" else 1 << 50):
                codec.decode(z)
            torch.cuda.synchronize()
            out[f"{name}_s"] = round(time.perf_counter() - begin, 2)
        out[f"{name}_peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    codec.vae.disable_tiling()
    return out


def measure() -> dict[str, object]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found: dict[str, object] = {
            "what": "one frame of nine tiles with guidance: engine against a per-tile loop; one thread, processor seconds",
            "rows": [denoise_row("tiny", net.TINY, 4, 2), denoise_row("small", net.SMALL, 2, 1)],
            "decode": decode_row(),
            "seams": seam_rows(),
        }
    finally:
        torch.set_num_threads(threads)
    found["card"] = card() if torch.cuda.is_available() else "no CUDA card here: not measured"
    return found


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))

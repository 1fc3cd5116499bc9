"""What painting a frame costs: Levy through the tile engine, on the embedded shot, against the same networks in diffusers' own
classes over the whole picture.

python benchmarks/run.py levy

Four steps from noise, on the CPU, in turns within one run. `engine` is as a shot is painted: the network sees the region that
is painted. `whole` is the engine over the whole picture. `diffusers` has the same weights and precision, its own DDIM, and no
tiles. `noise` is the world-locked noise of a frame, for the region and for the whole picture.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from composer.inference.bundle import Bundle, load_bundle
from composer.inference.conditions import request_of
from composer.inference.engine import Engine
from composer.inference.families import open_adapter
from composer.inference.noise import ScreenNoise
from composer.inference.padding import noise_latents, pad_request
from composer.inference.request import NoiseSource, PaintRequest
from composer.inference.roi import region_of
from composer.io.content import find_content
from composer.render.brush import noise_of
from composer.render.job import prepare_job
from composer.render.look import look_at, read_inputs
from composer.render.painters import PaintAsk
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from models.levy.recipe import measures as m
from models.levy.recipe.net import Levy, loaded, scheduler
from models.levy.recipe.words import LENGTH, tokenizer

F32 = NDArray[np.float32]
WIDTHS, FRAME, STEPS, TURNS = (768, 1280), 1006, 4, 3


@dataclass
class Plain:
    """Levy's networks as diffusers has them."""

    net: Levy
    dtype: torch.dtype

    @torch.no_grad()
    def paint(self, request: PaintRequest, noise: F32) -> F32:
        """float32 [H, W, 3]. noise: [12, h, w]."""

        def picture(name: str) -> torch.Tensor:
            x = torch.from_numpy(np.ascontiguousarray(getattr(request, name)))
            return (x[..., None] if x.ndim == 3 else x).permute(0, 3, 1, 2).to(self.dtype)

        unshuffle = torch.nn.functional.pixel_unshuffle
        hints = (torch.cat([picture(n) for n in ("depth", "normal", "albedo")], 1), picture("pose"))
        masked = unshuffle(picture("guide") * 2 - 1, 2)
        mask = torch.nn.functional.max_pool2d((picture("mask") > 0).to(self.dtype), 2)
        ids = tokenizer()("soldiers, worn", padding="max_length", max_length=LENGTH, return_tensors="pt")["input_ids"]
        sampler, x = scheduler(), torch.from_numpy(noise)[None]
        sampler.set_timesteps(request.steps)
        for t in sampler.timesteps:
            said = self.net(x.to(self.dtype), mask, masked, hints, ids, t[None])
            x = sampler.step(said.float(), t, x).prev_sample
        painted = torch.nn.functional.pixel_shuffle(x, 2)[0].permute(1, 2, 0) / 2 + 0.5
        return painted.numpy()


def request_at(width: int, folder: Path) -> tuple[PaintRequest, Callable[[], NoiseSource]]:
    """Of the embedded shot, and what makes its noise anew."""
    shot = load_shot(find_content("scenes/valley/shot.yaml"))
    ask = PaintAsk((str(folder),), steps=STEPS, strength=1.0)
    with tempfile.TemporaryDirectory() as out:
        small = width if width < 1920 else None
        job = prepare_job(shot, Path(out), load_quality("draft"), frames=[FRAME], ask=ask, width_px=small)
    scene, painter = job.scene, job.scene.painter
    assert painter is not None
    look, brief = look_at(scene, read_inputs(scene.stage, FRAME)), painter.plan.brief
    world = noise_of("world")
    return (
        request_of([look.sight(brief.grow_px)], brief, ScreenNoise(1)),
        lambda: world(scene, [look], painter.plan.seed, painter.brush.factor),
    )


def timed(work: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, in turns: medians."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(TURNS):
        for name, one in work.items():
            begin = time.perf_counter()
            one()
            taken[name].append(time.perf_counter() - begin)
    return {name: round(statistics.median(times), 2) for name, times in taken.items()}


def measure() -> dict[str, object]:
    bundle = load_bundle(find_content("models/levy"))
    dtype = open_adapter(bundle, "cpu").dtype
    plain = Plain(loaded(bundle.folder / "weights/base").to(dtype).eval(), dtype)
    return {"steps": STEPS, "dtype": str(dtype), "sizes": dict(measured(bundle, plain, width) for width in WIDTHS)}


def measured(bundle: Bundle, plain: Plain, width: int) -> tuple[str, dict[str, object]]:
    own = {"beside_px": 0, "hold_px": 0.0, "varied": ""}  # as the plain pipeline paints
    engine, whole, bare_engine = (_engine(bundle, **o) for o in ({}, {"beside_px": 0}, own))
    request, world = request_at(width, bundle.folder)
    space = engine.adapter.space
    padded = pad_request(request, space)
    noise = noise_latents(request.noise, padded, whole.adapter.space, "initial")[:, 0]
    region, crowd = region_of(request, space), request.agent_id[0] > 0
    assert region is not None
    h, w = crowd.shape
    ours, all_of_it, bare = (one.paint(request).rgb[0] for one in (engine, whole, bare_engine))
    theirs = plain.paint(padded, noise)[:h, :w]

    def noise_of_region() -> object:
        part = pad_request(region.of(replace(request, noise=world()), space.factor), space)
        return noise_latents(part.noise, part, space, "initial")

    seconds = timed(
        {
            "engine": lambda: engine.paint(request), "whole": lambda: whole.paint(request),
            "diffusers": lambda: plain.paint(padded, noise), "noise": noise_of_region,
            "noise_whole": lambda: noise_latents(world(), padded, whole.adapter.space, "initial"),
        }
    )  # fmt: skip
    sides = [end - first for first, end in (region.rows, region.columns)]
    return f"{w}x{h}", {
        "seconds": seconds,
        "engine_to_diffusers": round(seconds["engine"] / seconds["diffusers"], 3),
        "engine_to_whole": round(seconds["engine"] / seconds["whole"], 3),
        "noise_to_whole": round(seconds["noise"] / seconds["noise_whole"], 3),
        "region_share": round(sides[0] * sides[1] / (w * h), 3),
        "region_against_whole_db": _psnr(ours, all_of_it, crowd),
        "whole_bare_against_diffusers_db": _psnr(bare, theirs, crowd),
        "guide_against_whole_db": _psnr(request.guide[0], all_of_it, crowd),
    }


def _engine(bundle: Bundle, **options: float) -> Engine:
    return Engine(open_adapter(replace(bundle, options={**bundle.options, **options}), "cpu"))


def _psnr(a: F32, b: F32, where: NDArray[np.bool_]) -> float:
    error = m.Error()
    error.add(a, b, where)
    return round(error.psnr, 1)
